"""Shapes that arithmetic gives: element by element, windows, products, reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mcuplan.operators import all_from_front, from_front, window_axis
from mcuplan.operators.geometry import SAME, VALID
from mcuplan.tflm.support.call import Finding, KernelCall, Shape
from mcuplan.tflm.support.inference import Inferred, broadcast, mismatch, rule

# -- element by element ---------------------------------------------------------------------------------------------


@rule("first")
def _first(call: KernelCall) -> Inferred:
    """As many elements as the first input has."""
    return call.shape(call.rule.inputs[0].name)


@rule("broadcast")
def _broadcast(call: KernelCall) -> Inferred:
    """The common shape of all inputs; inputs of one shape are walked through as one row, whatever the output's."""
    shapes = call.all_shapes(operand.name for operand in call.rule.inputs)
    if not shapes:
        return None
    common = broadcast(*shapes)
    if common is None:
        return mismatch("has inputs whose shapes do not broadcast", call.operator.inputs[0])
    declared = call.declared(call.operator.outputs[0])
    alike = len(set(shapes)) == 1 or math.prod(common) == 1
    if declared is not None and math.prod(declared) == math.prod(common):
        leading = declared[: max(0, len(declared) - len(common))]
        if alike or (math.prod(leading) == 1 and declared[len(leading) :] == common[len(common) - len(declared) :]):
            return declared
    return common


@rule("select")
def _select(call: KernelCall) -> Inferred:
    """SelectPrepare (select.cc): where shapes differ, the output has exactly the common one."""
    shapes = call.all_shapes(operand.name for operand in call.rule.inputs)
    if not shapes:
        return None
    declared = call.declared(call.operator.outputs[0])
    common = broadcast(*shapes)
    alike = len(set(shapes)) == 1 or all(math.prod(shape) == 1 for shape in shapes)
    if common is not None and alike and declared is not None and math.prod(declared) == math.prod(common):
        return declared
    return common or mismatch("has inputs whose shapes do not broadcast", call.operator.inputs[0])


@rule("shape-of")
def _shape_of(call: KernelCall) -> Inferred:
    source = call.shape("input")
    return None if source is None else (len(source),)


@rule("broadcast-args")
def _broadcast_args(call: KernelCall) -> Inferred:
    """BroadcastArgs (broadcast_args.h) aborts on two numbers that differ and are not 1."""
    first, second = call.integers("first_input"), call.integers("second_input")
    if first is None or second is None:
        return None
    pairs = zip(reversed(first), reversed(second), strict=False)
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return mismatch(f"cannot broadcast {list(first)} and {list(second)}", call.operator.inputs[0])
    return (max(len(first), len(second)),)


# -- windows --------------------------------------------------------------------------------------------------------


def _window_output(
    call: KernelCall, source: Shape, taps: Sequence[int], dilated: bool
) -> tuple[int, int] | Finding | None:
    """Rows and columns of the output (ComputeOutSize of padding.h)."""
    strides, padding = call.options.strides, call.options.padding
    dilations = call.options.dilations if dilated else (1, 1)
    if min(*strides, *taps, *dilations) < 1 or padding not in (SAME, VALID):
        return None  # said by another check
    rows, columns = (window_axis(source[1 + i], taps[i], strides[i], dilations[i], padding).output for i in range(2))
    if min(rows, columns) < 1:
        text = f"gives a tensor without elements, {rows} x {columns} values"
        return Finding("empty-tensor", text, call.operator.outputs[0], True)
    return rows, columns


def _bias_fits(call: KernelCall, channels: int) -> Finding | None:
    bias = call.shape("bias")
    if bias is None or math.prod(bias) == channels:
        return None
    return mismatch(f"needs {channels} numbers in its bias, not {math.prod(bias)}", call.index("bias"))


@rule("conv")
def _conv(call: KernelCall) -> Inferred:
    shapes = call.all_shapes(("input", "filter"))
    if shapes is None or any(len(shape) != 4 for shape in shapes):
        return None
    source, weights = shapes
    if weights[3] < 1 or source[3] % weights[3]:
        text = f"has {source[3]} input channels, no multiple of the {weights[3]} of its filter"
        return mismatch(text, call.index("filter"))
    groups = source[3] // weights[3]
    if weights[0] < 1 or groups < 1 or weights[0] % groups:
        return mismatch(f"cannot share {weights[0]} filters among {groups} groups", call.index("filter"))
    found = _window_output(call, source, weights[1:3], dilated=True)
    if found is None or isinstance(found, Finding):
        return found
    return _bias_fits(call, weights[0]) or (source[0], *found, weights[0])


@rule("depthwise")
def _depthwise(call: KernelCall) -> Inferred:
    shapes = call.all_shapes(("input", "filter"))
    if shapes is None or any(len(shape) != 4 for shape in shapes):
        return None
    source, weights = shapes
    channels = source[3] * call.options.depth_multiplier
    if weights[0] != 1 or weights[3] != channels:
        text = f"needs a filter of 1 x rows x columns x {channels}, not {list(weights)}"
        return mismatch(text, call.index("filter"))
    found = _window_output(call, source, weights[1:3], dilated=True)
    if found is None or isinstance(found, Finding):
        return found
    return _bias_fits(call, channels) or (source[0], *found, channels)


@rule("transpose-conv")
def _transpose_conv(call: KernelCall) -> Inferred:
    """The output's rows and columns are the file's: by ``shape`` where that is constant."""
    shapes = call.all_shapes(("input", "filter", "output"))
    if shapes is None or any(len(shape) != 4 for shape in shapes):
        return None
    source, weights, target = shapes
    if weights[3] != source[3] or min(weights) < 1:
        text = f"needs a filter of {source[3]} input channels, not {list(weights)}"
        return mismatch(text, call.index("filter"))
    wanted = call.integers("shape")
    rows, columns = (wanted[1], wanted[2]) if wanted is not None and len(wanted) == 4 else target[1:3]
    return _bias_fits(call, weights[0]) or (source[0], rows, columns, weights[0])


@rule("pool")
def _pool(call: KernelCall) -> Inferred:
    source = call.shape("input")
    if source is None or len(source) != 4:
        return None
    found = _window_output(call, source, call.options.pool, dilated=False)
    if found is None or isinstance(found, Finding):
        return found
    return (source[0], *found, source[3])


@rule("resize")
def _resize(call: KernelCall) -> Inferred:
    source, size = call.shape("input"), call.integers("size")
    if source is None or len(source) != 4 or size is None or len(size) != 2:
        return None
    return (source[0], size[0], size[1], source[3])


# -- products -------------------------------------------------------------------------------------------------------


@rule("fully-connected")
def _fully_connected(call: KernelCall) -> Inferred:
    """Rows of the last axis of the filter, as many as the output has; its last but one axis is the output's last."""
    shapes = call.all_shapes(("input", "filter", "output"))
    if shapes is None:
        return None
    source, weights, target = shapes
    if len(weights) < 2 or min(weights) < 1:
        return mismatch(f"needs a filter of outputs x inputs, not {list(weights)}", call.index("filter"))
    units, depth = weights[-2:]
    if math.prod(source) % depth or math.prod(weights) != units * depth:
        text = f"cannot multiply {list(source)} by a filter of {list(weights)}"
        return mismatch(text, call.index("filter"))
    rows = math.prod(source) // depth
    if target[-1:] == (units,) and math.prod(target) == rows * units:
        return _bias_fits(call, units) or target
    return (rows, units)


# -- reductions -----------------------------------------------------------------------------------------------------


@rule("reduce")
def _reduce(call: KernelCall) -> Inferred:
    """ResolveAxis and Reduce (reduce.h): an axis twice is one; a scalar has none."""
    source, axes = call.shape("input"), call.integers("axis")
    if source is None or axes is None:
        return None
    dropped = all_from_front(axes, len(source)) if source else frozenset()
    if dropped is None:
        return None  # said by another check
    kept = [1 if i in dropped else size for i, size in enumerate(source) if call.options.keep_dims or i not in dropped]
    return tuple(kept)


@rule("arg")
def _arg(call: KernelCall) -> Inferred:
    source, given = call.shape("input"), call.integers("axis")
    axis = from_front(given[0], len(source)) if source and given else None
    return None if source is None or axis is None else (*source[:axis], *source[axis + 1 :])
