"""Checks of shapes and of constant indices: what each kernel's Prepare compares before it accepts an operator.

A shape or value that is not known in the file is not judged.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from mcuplan.operators import all_from_front, from_front
from mcuplan.tflm.support.call import Finding, KernelCall, Shape, words
from mcuplan.tflm.support.checks import check, plain_check
from mcuplan.tflm.support.inference import broadcast
from mcuplan.tflm.support.table import CheckSpec


def _mismatch(text: str, tensor: int, unchecked: bool = False) -> Finding:
    return Finding("shape-mismatch", text, tensor, unchecked)


def _output(call: KernelCall, wanted: Sequence[int], unchecked: bool = False) -> Iterator[Finding]:
    """A finding where the output's shape in the file is not the one that the kernel works out."""
    found = call.shape("output")
    if found is not None and tuple(wanted) != found:
        text = f"gives the shape {list(wanted)}, but its output has {list(found)}"
        yield _mismatch(text, call.index("output"), unchecked)


@check("values")
def _values(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name in spec.of:
        if any(value < spec.args["min"] for value in call.integers(name) or ()):
            text = f"needs numbers of {spec.args['min']} or more in its {words(name)}"
            yield Finding("index-range", text, call.index(name))


@check("axis-range")
def _axis_range(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    axes, shape = call.integers(spec.of[0]), call.shape(spec.of[1])
    if axes is None or not shape:
        return
    for axis in axes:
        if from_front(axis, len(shape)) is None:
            text = f"has axis {axis}, but its {spec.of[1]} has {len(shape)} dimensions"
            yield Finding("index-range", text, call.index(spec.of[0]))


@plain_check("reverse-axes")
def _reverse_axes(call: KernelCall) -> Iterator[Finding]:
    axes, shape = call.integers("axis"), call.shape("input")
    if axes is None or shape is None:
        return
    found = all_from_front(axes, len(shape))
    if len(axes) > len(shape) or found is None:
        yield Finding("index-range", f"has axes {list(axes)} on {len(shape)} dimensions", call.index("axis"))
        return
    if not axes:
        yield Finding("index-range", "needs an axis to reverse", call.index("axis"))
    ordered = sorted(found)
    if any(b != a + 1 for a, b in itertools.pairwise(ordered)):
        yield Finding("index-range", f"reverses neighbouring axes only, not {ordered}", call.index("axis"))


@plain_check("perm-values")
def _perm_values(call: KernelCall) -> Iterator[Finding]:
    perm, shape, perm_shape = call.integers("perm"), call.shape("input"), call.shape("perm")
    if perm is None or shape is None or not perm_shape:
        return
    if perm_shape[0] != len(shape):
        yield _mismatch(f"permutes {perm_shape[0]} of {len(shape)} dimensions", call.index("perm"))
    elif not all(0 <= axis < len(shape) for axis in perm):
        yield Finding("index-range", f"has axes {list(perm)} on {len(shape)} dimensions", call.index("perm"))
    elif len(perm) == len(shape):
        yield from _output(call, [shape[axis] for axis in perm], unchecked=True)


@plain_check("reshape-elements")
def _reshape_elements(call: KernelCall) -> Iterator[Finding]:
    source, target = call.shape("input"), call.shape("output")
    if source is None or target is None:
        return
    legacy_scalar = len(call.operator.inputs) == 1 and target == (0,)
    elements = 1 if legacy_scalar else math.prod(target)
    if math.prod(source) != elements:
        yield _mismatch(f"cannot make {elements} elements of {math.prod(source)}", call.index("output"))


@plain_check("squeeze-shapes")
def _squeeze_shapes(call: KernelCall) -> Iterator[Finding]:
    shapes = call.all_shapes(("input", "output"))
    source_tensor, target_tensor = call.tensor("input"), call.tensor("output")
    if shapes is None or source_tensor is None or target_tensor is None:
        return
    source, target = shapes
    named = call.options.squeeze_dims
    asked = all_from_front(named, len(source))
    if asked is None or any(source[axis] != 1 for axis in asked):
        yield Finding("index-range", f"squeezes axes {list(named)} of {list(source)}", call.index("input"))
        return
    dropped = asked or {i for i, size in enumerate(source) if size == 1}
    kept = [size for i, size in enumerate(source) if i not in dropped]
    same_bytes = source_tensor.dtype.bits == target_tensor.dtype.bits and math.prod(source) == math.prod(target)
    short = len(target) < len(kept)
    if short or any(t < s for s, t in zip(kept, target, strict=False)) or not same_bytes:
        text = f"squeezes {list(source)} to {kept}, but its output has {list(target)}"
        yield _mismatch(text, call.index("output"), unchecked=short and same_bytes)


@plain_check("expand-shapes")
def _expand_shapes(call: KernelCall) -> Iterator[Finding]:
    source, axis = call.shape("input"), call.integers("axis")
    if source is None or not axis:
        return
    place = axis[0] if axis[0] >= 0 else axis[0] + len(source) + 1
    if place > len(source):
        text = f"has axis {axis[0]}, but its input has {len(source)} dimensions"
        yield Finding("index-range", text, call.index("axis"))
    elif place < 0:
        yield Finding(
            "index-range", f"has axis {axis[0]}, but its input has {len(source)} dimensions", call.index("axis"), True
        )
    else:
        yield from _output(call, (*source[:place], 1, *source[place:]))


@plain_check("pad-shapes")
def _pad_shapes(call: KernelCall) -> Iterator[Finding]:
    shapes, paddings = call.all_shapes(("input", "paddings", "output")), call.integers("paddings")
    if shapes is None or paddings is None:
        return
    source, padding_shape, target = shapes
    if math.prod(padding_shape) != 2 * len(target) or len(source) != len(target):
        yield _mismatch(f"has {math.prod(padding_shape)} paddings for {len(target)} dimensions", call.index("paddings"))
        return
    pairs = zip(paddings[::2], paddings[1::2], strict=False)
    yield from _output(call, tuple(size + before + after for size, (before, after) in zip(source, pairs, strict=False)))


@plain_check("mirror-pad-shapes")
def _mirror_pad_shapes(call: KernelCall) -> Iterator[Finding]:
    shapes = call.all_shapes(("input", "paddings"))
    if shapes is not None and shapes[1] and shapes[1][0] != len(shapes[0]):
        yield _mismatch(f"has paddings for {shapes[1][0]} of {len(shapes[0])} dimensions", call.index("paddings"))


@plain_check("strided-slice-shapes")
def _strided_slice_shapes(call: KernelCall) -> Iterator[Finding]:
    """CheckOutputSize of strided_slice_common.cc with StartForAxis and StopForAxis of strided_slice_logic.h."""
    source = call.shape("input")
    begins, ends, strides = (call.integers(name) for name in ("begin", "end", "strides"))
    if source is None or begins is None or ends is None or strides is None:
        return
    for name, values in (("begin", begins), ("end", ends), ("strides", strides)):
        if len(values) < len(source):
            text = f"reads {len(source)} numbers from its {name}, which has {len(values)}"
            yield _mismatch(text, call.index(name), unchecked=True)
            return
    if 0 in strides[: len(source)]:
        yield Finding("index-range", "needs strides other than 0", call.index("strides"))
        return
    shrunk = call.options.shrink_axis_mask
    wanted = [
        _slice_length(call, axis, size, begins[axis], ends[axis], strides[axis])
        for axis, size in enumerate(source)
        if not shrunk & 1 << axis
    ]
    yield from _output(call, wanted)


def _slice_length(call: KernelCall, axis: int, size: int, begin: int, end: int, stride: int) -> int:
    """Elements that a strided slice takes of one axis, with the begin and end masks."""
    if size == 0:
        return 0
    lowest, highest = (0, size) if stride > 0 else (-1, size - 1)
    if call.options.begin_mask & 1 << axis:
        start = lowest if stride > 0 else highest
    else:
        start = min(max(begin + size if begin < 0 else begin, lowest), highest)
    if call.options.end_mask & 1 << axis:
        stop = highest if stride > 0 else lowest
    else:
        stop = min(max(end + size if end < 0 else end, lowest), highest)
    return max(0, math.ceil((stop - start) / stride))


@plain_check("update-shapes")
def _update_shapes(call: KernelCall) -> Iterator[Finding]:
    shapes = call.all_shapes(("operand", "update", "start"))
    if shapes is None:
        return
    operand, update, start = shapes
    if len(update) != len(operand) or any(u > o for u, o in zip(update, operand, strict=True)):
        yield _mismatch(f"cannot put {list(update)} into {list(operand)}", call.index("update"))
    elif start and start[0] != len(operand):
        yield _mismatch(f"has {start[0]} start indices for {len(operand)} dimensions", call.index("start"))


@plain_check("broadcast-shapes")
def _broadcast_shapes(call: KernelCall) -> Iterator[Finding]:
    source, wanted, given = call.shape("input"), call.integers("shape"), call.shape("shape")
    if source is None or wanted is None or not given:
        return
    wanted += (0,) * (given[0] - len(wanted))
    if len(source) > len(wanted) or broadcast(source, wanted) != wanted:
        yield _mismatch(f"cannot broadcast {list(source)} to {list(wanted)}", call.index("shape"))
    else:
        yield from _output(call, wanted)


@plain_check("fill-shapes")
def _fill_shapes(call: KernelCall) -> Iterator[Finding]:
    wanted, shape = call.integers("dims"), call.shape("dims")
    if shape is not None and len(shape) != 1:
        yield _mismatch(f"takes its dims as one row of numbers, not {list(shape)}", call.index("dims"))
    elif wanted is not None and shape is not None:
        yield from _output(call, (*wanted, *(0,) * (shape[0] - len(wanted))))


@plain_check("matmul-shapes")
def _matmul_shapes(call: KernelCall) -> Iterator[Finding]:
    shapes = call.all_shapes(("first_input", "second_input", "output"))
    if shapes is None or min(len(shapes[0]), len(shapes[1])) < 2:
        return
    left, right, target = shapes
    first, second = call.options.transposed
    rows, inner = left[-2:][::-1] if first else left[-2:]
    other, columns = right[-2:][::-1] if second else right[-2:]
    batch = broadcast((*left[:-2],), (*right[:-2],))
    if inner != other or batch is None:
        yield _mismatch(f"cannot multiply {list(left)} by {list(right)}", call.index("second_input"))
    elif len(target) < len(batch) + 2 or math.prod(target) != math.prod(batch) * rows * columns:
        yield from _output(call, (*batch, rows, columns))


@plain_check("svdf-shapes")
def _svdf_shapes(call: KernelCall) -> Iterator[Finding]:
    names = ("input", "weights_feature", "weights_time", "bias", "state", "output")
    shapes, rank = call.all_shapes(names), call.options.rank
    if shapes is None or any(len(shape) != 2 for i, shape in enumerate(shapes) if i != 3):
        return
    (batch, size), (filters, features), (time_filters, memory), bias, state, target = shapes
    if rank < 1 or filters % rank:
        yield Finding("option", f"has rank {rank}, which does not divide its {filters} filters")
        return
    wanted = ((batch, filters // rank), (batch, memory * filters), (filters, size), (filters,), (filters // rank,))
    if wanted != (target, state, (filters, features), (time_filters,), bias[:1]):
        yield _mismatch("has weights, state and output whose sizes do not fit each other", call.index("weights_time"))


@plain_check("lstm-shapes")
def _lstm_shapes(call: KernelCall) -> Iterator[Finding]:
    """ValidateTensorSize of lstm_eval_common.cc."""
    shapes = call.all_shapes(("input", "hidden_state", "cell_state", "output"))
    if shapes is None:
        return
    source, hidden, cell, target = shapes
    if len(source) != 3 or len(hidden) != 2 or len(target) != 3:
        yield _mismatch("needs a 3-D input and output and a 2-D hidden state", call.index("input"))
        return
    batch, state = source[1 if call.options.time_major else 0], hidden[1]
    if math.prod(hidden) != batch * state or math.prod(cell) != batch * state or target != (*source[:2], state):
        yield _mismatch("has states or an output that do not fit its input", call.index("hidden_state"))
        return
    for name, index, _ in call.each(operand.name for operand in call.rule.inputs):
        wanted = _lstm_weight_shape(name, state, source[2])
        if wanted is not None and call.shapes[index] not in (None, wanted):
            yield _mismatch(f"needs the shape {list(wanted)} for its {words(name)}", index)


def _lstm_weight_shape(name: str, state: int, inputs: int) -> Shape | None:
    """The shape of an LSTM's weights or bias by its name, None for operands that are neither."""
    if name.startswith("input_to_"):
        return (state, inputs)
    if name.startswith("recurrent_to_"):
        return (state, state)
    return (state,) if name in ("input_bias", "forget_bias", "cell_bias", "output_bias") else None


@plain_check("circular-buffer")
def _circular_buffer(call: KernelCall) -> Iterator[Finding]:
    shapes = call.all_shapes(("input", "output"))
    if shapes is None or any(len(shape) != 4 for shape in shapes):
        return
    source, target = shapes
    if source[1] != 1 or (source[0], *source[2:]) != (target[0], *target[2:]):
        yield _mismatch(f"cannot push {list(source)} into a buffer of {list(target)}", call.index("input"))
