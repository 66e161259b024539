"""What shape an operator gives, worked out from its call as each kernel works it out or takes it for granted.

A rule has a name, which the table's ``gives`` calls it by. It answers with the shape of the (first) output, with one
shape for each output, with a :class:`Finding` where the inputs do not go together at all, or with None where something
that it needs is not known from the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from mcuplan.graph import Graph, Subgraph
from mcuplan.operators import window_axis
from mcuplan.operators.geometry import SAME, VALID
from mcuplan.tflm.support.call import Call, Finding, Shape, words
from mcuplan.tflm.support.table import Gives, OperatorRule

Inferred = Shape | list[Shape] | Finding | None

Rule = Callable[[Call], Inferred]

RULES: dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a function under the name that the table calls it by."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return register


def inferred_shapes(call: Call) -> list[Shape] | Finding | None:
    """The shapes of the outputs, in order (perhaps of the first only); None where they are not known."""
    if call.rule.gives is None:
        return None
    found = RULES[call.rule.gives.name](call)
    return [found] if isinstance(found, tuple) else found


def output_findings(call: Call) -> Iterator[Finding]:
    """Where the outputs' shapes in the file are not those that the operator gives."""
    gives, found = call.rule.gives, inferred_shapes(call)
    if gives is None or found is None:
        return
    if isinstance(found, Finding):
        yield found
        return
    for index, wanted in zip(call.op.outputs, found, strict=False):
        declared = call.subgraph.tensors[index].shape if index >= 0 else None
        if declared is not None and not _fits(declared, wanted, gives):
            text = f"gives the shape {list(wanted)}, but its output has {list(declared)}"
            yield Finding("shape-mismatch", text, index, not gives.checked)


def _fits(declared: Shape, wanted: Shape, gives: Gives) -> bool:
    """A dimension that the file leaves open is filled in, among as many as the file has."""
    if min(declared, default=0) >= 0:
        return math.prod(declared) == math.prod(wanted) if gives.elements else declared == wanted
    return len(declared) == len(wanted) and all(d in (-1, size) for d, size in zip(declared, wanted, strict=True))


def _mismatch(text: str, tensor: int = -1) -> Finding:
    return Finding("shape-mismatch", text, tensor, True)


def _index(text: str, tensor: int) -> Finding:
    return Finding("index-range", text, tensor, True)


def broadcast(*shapes: Shape) -> Shape | None:
    """The common shape by the rules of broadcasting; None where there is none."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    common = []
    for sizes in zip(*padded, strict=True):
        widest = 0 if 0 in sizes else max(sizes)
        if any(size not in (1, widest) for size in sizes):
            return None
        common.append(widest)
    return tuple(common)


# -- element by element ---------------------------------------------------------------------------------------------


@rule("first")
def _first(call: Call) -> Inferred:
    """As many elements as the first input has."""
    return call.shape(call.rule.inputs[0].name)


@rule("broadcast")
def _broadcast(call: Call) -> Inferred:
    """The common shape of all inputs; inputs of one shape are walked through as one row, whatever the output's."""
    shapes = call.all_shapes(operand.name for operand in call.rule.inputs)
    if not shapes:
        return None
    common = broadcast(*shapes)
    if common is None:
        return _mismatch("has inputs whose shapes do not broadcast", call.op.inputs[0])
    declared = call.declared(call.op.outputs[0])
    alike = len(set(shapes)) == 1 or math.prod(common) == 1
    if declared is not None and math.prod(declared) == math.prod(common):
        leading = declared[: max(0, len(declared) - len(common))]
        if alike or (math.prod(leading) == 1 and declared[len(leading) :] == common[len(common) - len(declared) :]):
            return declared
    return common


@rule("select")
def _select(call: Call) -> Inferred:
    """SelectPrepare (select.cc): where shapes differ, the output has exactly the common one."""
    shapes = call.all_shapes(operand.name for operand in call.rule.inputs)
    if not shapes:
        return None
    declared = call.declared(call.op.outputs[0])
    common = broadcast(*shapes)
    alike = len(set(shapes)) == 1 or all(math.prod(shape) == 1 for shape in shapes)
    if common is not None and alike and declared is not None and math.prod(declared) == math.prod(common):
        return declared
    return common or _mismatch("has inputs whose shapes do not broadcast", call.op.inputs[0])


@rule("shape-of")
def _shape_of(call: Call) -> Inferred:
    source = call.shape("input")
    return None if source is None else (len(source),)


@rule("broadcast-args")
def _broadcast_args(call: Call) -> Inferred:
    """BroadcastArgs (broadcast_args.h) aborts on two numbers that differ and are not 1."""
    first, second = call.integers("first_input"), call.integers("second_input")
    if first is None or second is None:
        return None
    pairs = zip(reversed(first), reversed(second), strict=False)
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return _mismatch(f"cannot broadcast {list(first)} and {list(second)}", call.op.inputs[0])
    return (max(len(first), len(second)),)


# -- windows --------------------------------------------------------------------------------------------------------


def _window_output(call: Call, source: Shape, taps: Sequence[int], dilated: bool) -> tuple[int, int] | Finding | None:
    """Rows and columns of the output (ComputeOutSize of padding.h)."""
    strides, padding = call.options.strides, call.options.padding
    dilations = call.options.dilations if dilated else (1, 1)
    if min(*strides, *taps, *dilations) < 1 or padding not in (SAME, VALID):
        return None  # said by another check
    rows, columns = (window_axis(source[1 + i], taps[i], strides[i], dilations[i], padding).output for i in range(2))
    if min(rows, columns) < 1:
        text = f"gives a tensor without elements, {rows} x {columns} values"
        return Finding("empty-tensor", text, call.op.outputs[0], True)
    return rows, columns


def _bias_fits(call: Call, channels: int) -> Finding | None:
    bias = call.shape("bias")
    if bias is None or math.prod(bias) == channels:
        return None
    return _mismatch(f"needs {channels} numbers in its bias, not {math.prod(bias)}", call.index("bias"))


@rule("conv")
def _conv(call: Call) -> Inferred:
    shapes = call.all_shapes(("input", "filter"))
    if shapes is None or any(len(shape) != 4 for shape in shapes):
        return None
    source, weights = shapes
    if weights[3] < 1 or source[3] % weights[3]:
        text = f"has {source[3]} input channels, no multiple of the {weights[3]} of its filter"
        return _mismatch(text, call.index("filter"))
    groups = source[3] // weights[3]
    if weights[0] < 1 or groups < 1 or weights[0] % groups:
        return _mismatch(f"cannot share {weights[0]} filters among {groups} groups", call.index("filter"))
    found = _window_output(call, source, weights[1:3], dilated=True)
    if found is None or isinstance(found, Finding):
        return found
    return _bias_fits(call, weights[0]) or (source[0], *found, weights[0])


@rule("depthwise")
def _depthwise(call: Call) -> Inferred:
    shapes = call.all_shapes(("input", "filter"))
    if shapes is None or any(len(shape) != 4 for shape in shapes):
        return None
    source, weights = shapes
    channels = source[3] * call.options.depth_multiplier
    if weights[0] != 1 or weights[3] != channels:
        text = f"needs a filter of 1 x rows x columns x {channels}, not {list(weights)}"
        return _mismatch(text, call.index("filter"))
    found = _window_output(call, source, weights[1:3], dilated=True)
    if found is None or isinstance(found, Finding):
        return found
    return _bias_fits(call, channels) or (source[0], *found, channels)


@rule("transpose-conv")
def _transpose_conv(call: Call) -> Inferred:
    """The output's rows and columns are the file's: by ``shape`` where that is constant."""
    shapes = call.all_shapes(("input", "filter", "output"))
    if shapes is None or any(len(shape) != 4 for shape in shapes):
        return None
    source, weights, target = shapes
    if weights[3] != source[3] or min(weights) < 1:
        text = f"needs a filter of {source[3]} input channels, not {list(weights)}"
        return _mismatch(text, call.index("filter"))
    wanted = call.integers("shape")
    rows, columns = (wanted[1], wanted[2]) if wanted is not None and len(wanted) == 4 else target[1:3]
    return _bias_fits(call, weights[0]) or (source[0], rows, columns, weights[0])


@rule("pool")
def _pool(call: Call) -> Inferred:
    source = call.shape("input")
    if source is None or len(source) != 4:
        return None
    found = _window_output(call, source, call.options.pool, dilated=False)
    if found is None or isinstance(found, Finding):
        return found
    return (source[0], *found, source[3])


@rule("resize")
def _resize(call: Call) -> Inferred:
    source, size = call.shape("input"), call.integers("size")
    if source is None or len(source) != 4 or size is None or len(size) != 2:
        return None
    return (source[0], size[0], size[1], source[3])


# -- products -------------------------------------------------------------------------------------------------------


@rule("fully-connected")
def _fully_connected(call: Call) -> Inferred:
    """Rows of the last axis of the filter, as many as the output has; its last but one axis is the output's last."""
    shapes = call.all_shapes(("input", "filter", "output"))
    if shapes is None:
        return None
    source, weights, target = shapes
    if len(weights) < 2 or min(weights) < 1:
        return _mismatch(f"needs a filter of outputs x inputs, not {list(weights)}", call.index("filter"))
    units, depth = weights[-2:]
    if math.prod(source) % depth or math.prod(weights) != units * depth:
        text = f"cannot multiply {list(source)} by a filter of {list(weights)}"
        return _mismatch(text, call.index("filter"))
    rows = math.prod(source) // depth
    if target[-1:] == (units,) and math.prod(target) == rows * units:
        return _bias_fits(call, units) or target
    return (rows, units)


# -- reductions -----------------------------------------------------------------------------------------------------


@rule("reduce")
def _reduce(call: Call) -> Inferred:
    """ResolveAxis and Reduce (reduce.h): an axis twice is one; a scalar has none."""
    source, axes = call.shape("input"), call.integers("axis")
    if source is None or axes is None:
        return None
    if source and not all(-len(source) <= axis < len(source) for axis in axes):
        return None  # said by another check
    dropped = {axis % len(source) for axis in axes} if source else set()
    kept = [1 if i in dropped else size for i, size in enumerate(source) if call.options.keep_dims or i not in dropped]
    return tuple(kept)


@rule("arg")
def _arg(call: Call) -> Inferred:
    source, axis = call.shape("input"), call.integers("axis")
    if not source or not axis or not -len(source) <= axis[0] < len(source):
        return None
    return tuple(size for i, size in enumerate(source) if i != axis[0] % len(source))


# -- moves ----------------------------------------------------------------------------------------------------------


def _axis(call: Call, rank: int, operand: str) -> int | Finding:
    axis = call.options.axis
    if -rank <= axis < rank:
        return axis % rank
    return _index(f"has axis {axis} on {rank} dimensions", call.index(operand))


@rule("concatenation")
def _concatenation(call: Call) -> Inferred:
    shapes = [call.shapes[i] for i in call.operands["values"]]
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes) or not known:
        return None
    axis = _axis(call, len(known[0]), "values")
    if isinstance(axis, Finding):
        return axis
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in known}) > 1 or len(set(map(len, known))) > 1:
        return _mismatch("has inputs that differ in more than the joined axis", call.index("values"))
    return (*known[0][:axis], sum(shape[axis] for shape in known), *known[0][axis + 1 :])


@rule("pack")
def _pack(call: Call) -> Inferred:
    shapes = [call.shapes[i] for i in call.operands["values"]]
    first = shapes[0] if shapes else None
    if first is None:
        return None
    if any(shape is not None and shape != first for shape in shapes):
        return _mismatch("packs tensors of different shapes", call.index("values"))
    if call.options.values_count != len(shapes):
        text = f"says {call.option('values_count')} values in its options but has {len(shapes)}"
        return Finding("operand-count", text, unchecked=True)
    axis = _axis(call, len(first) + 1, "values")
    return axis if isinstance(axis, Finding) else (*first[:axis], len(shapes), *first[axis:])


@rule("unpack")
def _unpack(call: Call) -> Inferred:
    source, count = call.shape("input"), len(call.op.outputs)
    if source is None:
        return None
    axis = _axis(call, len(source), "input")
    if isinstance(axis, Finding):
        return axis
    if not call.options.num == count == source[axis]:
        text = f"gives {source[axis]} parts, but has {count} outputs and says {call.option('num')} in its options"
        return Finding("operand-count", text, call.index("input"), True)
    return [(*source[:axis], *source[axis + 1 :])] * count


def _split_axis(call: Call) -> tuple[Shape, int] | None:
    source, axis = call.shape("input"), call.integers("axis")
    if not source or not axis or not -len(source) <= axis[0] < len(source):
        return None
    return source, axis[0] % len(source)


@rule("split")
def _split(call: Call) -> Inferred:
    found, count = _split_axis(call), len(call.op.outputs)
    if found is None or not count:
        return None
    source, axis = found
    if source[axis] % count:
        return _mismatch(f"cannot split {source[axis]} values into {count}", call.index("input"))
    return [(*source[:axis], source[axis] // count, *source[axis + 1 :])] * count


@rule("split-v")
def _split_v(call: Call) -> Inferred:
    """The sizes are those of the outputs: TFLM does not read the operand that holds them."""
    found = _split_axis(call)
    if found is None:
        return None
    source, axis = found
    sizes = call.integers("sizes")
    targets = [call.declared(i) for i in call.op.outputs]
    known = [target for target in targets if target is not None and len(target) == len(source)]
    if len(known) < len(targets):
        return _mismatch(f"splits {len(source)} dimensions into outputs of other ranks", call.index("input"))
    parts = [target[axis] for target in known]
    given = [*sizes] if sizes is not None and -1 not in sizes else parts
    if sum(parts) != source[axis] or given != parts:
        return _mismatch(
            f"splits {source[axis]} values into {given}, but its outputs have {parts}", call.index("input")
        )
    return [(*source[:axis], part, *source[axis + 1 :]) for part in parts]


@rule("slice")
def _slice(call: Call) -> Inferred:
    source, begin, size = call.shape("input"), call.integers("begin"), call.integers("size")
    if source is None or size is None:
        return None
    starts = call.shape("begin")
    if len(size) != len(source) or (starts is not None and starts != (len(source),)):
        return _mismatch(f"needs {len(source)} numbers to begin at and as many sizes", call.index("size"))
    known = begin if begin is not None and len(begin) == len(source) else (0,) * len(source)
    gives = tuple(
        whole - start if length == -1 else length for whole, start, length in zip(source, known, size, strict=True)
    )
    inside = all(
        start >= 0 <= length and start + length <= whole
        for whole, start, length in zip(source, known, gives, strict=True)
    )
    if not inside:
        return _index(f"takes {list(size)} from {list(known)} of {list(source)}", call.index("input"))
    if begin is None and -1 in size:
        return None
    return gives


@rule("gather")
def _gather(call: Call) -> Inferred:
    shapes = call.all_shapes(("input", "positions"))
    if shapes is None:
        return None
    source, positions = shapes
    axis, batch = call.options.axis, call.options.batch_dims
    axis += len(source) if axis < 0 else 0
    batch += len(positions) if batch < 0 else 0
    inside = 0 <= axis < len(source) and 0 <= batch < len(source)
    if not inside or batch > axis or batch > len(positions):
        text = f"has axis {axis} and {batch} batch dimensions on {len(source)} dimensions"
        return Finding("index-range", text, call.index("input"))
    if source[:batch] != positions[:batch]:
        return Finding(
            "shape-mismatch", "needs the same batch dimensions on its input and its positions", call.index("positions")
        )
    if not all(0 <= position < source[axis] for position in call.integers("positions") or ()):
        return _index(f"looks up positions that axis {axis} of its input does not have", call.index("positions"))
    return (*source[:axis], *positions[batch:], *source[axis + 1 :])


@rule("gather-nd")
def _gather_nd(call: Call) -> Inferred:
    shapes = call.all_shapes(("input", "indices"))
    if shapes is None or not shapes[1]:
        return None
    source, (*count, depth) = shapes
    if depth > min(len(source), 5):
        text = f"takes indices of at most {min(len(source), 5)} numbers, not {depth}"
        return Finding("index-range", text, call.index("indices"))
    found = call.integers("indices") or ()
    if any(not 0 <= index < source[k % depth] for k, index in enumerate(found)):
        return _index("looks up places that its input does not have", call.index("indices"))
    return (*count, *source[depth:])


@rule("embedding")
def _embedding(call: Call) -> Inferred:
    shapes = call.all_shapes(("indices", "values"))
    if shapes is None or not shapes[0] or len(shapes[1]) < 2:
        return None
    (count,), values = shapes[0][:1], shapes[1]
    if not all(0 <= index < values[0] for index in call.integers("indices") or ()):
        return _index(f"looks up rows that are not among its {values[0]}", call.index("indices"))
    return (count, *values[1:])


@rule("mirror-pad")
def _mirror_pad(call: Call) -> Inferred:
    """GetInputDimension (mirror_pad.cc) looks outside the input where the padding is wider than the input."""
    source, paddings = call.shape("input"), call.integers("paddings")
    if source is None or paddings is None:
        return None
    if call.shape("paddings") != (len(source), 2):
        return _mismatch(f"needs a pair of paddings for each of {len(source)} dimensions", call.index("paddings"))
    reflect = 1 if call.options.mode == 0 else 0
    pairs = list(zip(paddings[::2], paddings[1::2], strict=True))
    for size, pair in zip(source, pairs, strict=True):
        if min(pair) < 0 or max(pair) > size - reflect:
            text = f"cannot mirror {list(pair)} positions of an axis of {size}"
            return _index(text, call.index("paddings"))
    return tuple(size + sum(pair) for size, pair in zip(source, pairs, strict=True))


@rule("depth-to-space")
def _depth_to_space(call: Call) -> Inferred:
    shape, block = call.shape("input"), call.options.block_size
    if shape is None or len(shape) != 4 or block < 1:
        return None
    if shape[3] % (block * block):
        text = f"has {shape[3]} channels, no multiple of {block * block}"
        return Finding("shape-mismatch", text, call.index("input"))
    return (shape[0], shape[1] * block, shape[2] * block, shape[3] // (block * block))


@rule("space-to-depth")
def _space_to_depth(call: Call) -> Inferred:
    shape, block = call.shape("input"), call.options.block_size
    if shape is None or len(shape) != 4 or block < 1:
        return None
    if shape[1] % block or shape[2] % block:
        text = f"has {shape[1]} x {shape[2]} values, no multiple of {block}"
        return Finding("shape-mismatch", text, call.index("input"))
    return (shape[0], shape[1] // block, shape[2] // block, shape[3] * block * block)


def _blocks(call: Call, edges: str) -> tuple[Shape, list[tuple[int, int, int]]] | Finding | None:
    """The input's shape and, for each spatial axis, block size and what is cut or padded before and after."""
    source, blocks, ends = call.shape("input"), call.integers("block_shape"), call.integers(edges)
    if source is None or len(source) not in (3, 4) or blocks is None or ends is None:
        return None
    spatial = len(source) - 2
    if len(blocks) != spatial or len(ends) != 2 * spatial:
        text = f"needs {spatial} blocks and {2 * spatial} {words(edges)}, not {len(blocks)} and {len(ends)}"
        return _mismatch(text, call.index("block_shape"))
    if min(blocks) < 1 or min(ends) < 0:
        return _index(f"has blocks {list(blocks)} and {words(edges)} {list(ends)}", call.index("block_shape"))
    return source, list(zip(blocks, ends[::2], ends[1::2], strict=True))


@rule("batch-to-space")
def _batch_to_space(call: Call) -> Inferred:
    found = _blocks(call, "crops")
    if found is None or isinstance(found, Finding):
        return found
    source, axes = found
    count = math.prod(block for block, _, _ in axes)
    spatial = [size * block - before - after for size, (block, before, after) in zip(source[1:], axes, strict=False)]
    if source[0] % count or min(spatial) < 1:
        return _mismatch(f"cannot put {list(source)} together from blocks of {count}", call.index("input"))
    return (source[0] // count, *spatial, source[-1])


@rule("space-to-batch")
def _space_to_batch(call: Call) -> Inferred:
    found = _blocks(call, "paddings")
    if found is None or isinstance(found, Finding):
        return found
    source, axes = found
    padded = [size + before + after for size, (_, before, after) in zip(source[1:], axes, strict=False)]
    if any(size % block for size, (block, _, _) in zip(padded, axes, strict=True)):
        return _mismatch(f"cannot cut {padded} values into blocks", call.index("input"))
    spatial = [size // block for size, (block, _, _) in zip(padded, axes, strict=True)]
    return (source[0] * math.prod(block for block, _, _ in axes), *spatial, source[-1])


# -- what Prepare fills in ------------------------------------------------------------------------------------------


def resolved_shapes(graph: Graph, subgraph: Subgraph, rule_of: Sequence[OperatorRule | None]) -> list[Shape | None]:
    """Each tensor's shape after Prepare: operators that set their output's shape fill in what the file leaves open.

    None where that shape is not worked out here (so that no conclusion is drawn from it).
    """
    shapes: list[Shape | None] = [None if t.is_dynamic else t.shape for t in subgraph.tensors]
    for op, row in zip(subgraph.operators, rule_of, strict=True):
        if (
            row is None
            or not row.sets_shape
            or not op.outputs
            or op.outputs[0] < 0
            or shapes[op.outputs[0]] is not None
        ):
            continue
        out = op.outputs[0]
        if row.sets_shape != "one":
            found = inferred_shapes(Call(graph, subgraph, op, row, shapes))
            shapes[out] = found[0] if isinstance(found, list) else None
        elif op.inputs and op.inputs[0] >= 0:
            shapes[out] = _filled(subgraph.tensors[out].shape, shapes[op.inputs[0]])
    return shapes


def _filled(shape: Shape, source: Shape | None) -> Shape | None:
    """``shape`` with its single -1 worked out from the number of elements of ``source``."""
    known = math.prod(d for d in shape if d != -1)
    if source is None or shape.count(-1) != 1 or known <= 0:
        return None
    return tuple(math.prod(source) // known if d == -1 else d for d in shape)
