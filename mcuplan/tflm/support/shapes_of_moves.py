"""Shapes of operators that only move values: joining, splitting, slicing, gathering, padding, blocks."""

from __future__ import annotations

import math

from mcuplan.operators import from_front
from mcuplan.tflm.support.call import Finding, KernelCall, Shape, words
from mcuplan.tflm.support.inference import Inferred, index_range, mismatch, rule


def _axis(call: KernelCall, rank: int, operand: str) -> int | Finding:
    axis = call.options.axis
    front = from_front(axis, rank)
    return front if front is not None else index_range(f"has axis {axis} on {rank} dimensions", call.index(operand))


@rule("concatenation")
def _concatenation(call: KernelCall) -> Inferred:
    shapes = [call.shapes[i] for i in call.operands["values"]]
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes) or not known:
        return None
    axis = _axis(call, len(known[0]), "values")
    if isinstance(axis, Finding):
        return axis
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in known}) > 1 or len(set(map(len, known))) > 1:
        return mismatch("has inputs that differ in more than the joined axis", call.index("values"))
    return (*known[0][:axis], sum(shape[axis] for shape in known), *known[0][axis + 1 :])


@rule("pack")
def _pack(call: KernelCall) -> Inferred:
    shapes = [call.shapes[i] for i in call.operands["values"]]
    first = shapes[0] if shapes else None
    if first is None:
        return None
    if any(shape is not None and shape != first for shape in shapes):
        return mismatch("packs tensors of different shapes", call.index("values"))
    if call.options.values_count != len(shapes):
        text = f"says {call.options.values_count} values in its options but has {len(shapes)}"
        return Finding("operand-count", text, unchecked=True)
    axis = _axis(call, len(first) + 1, "values")
    return axis if isinstance(axis, Finding) else (*first[:axis], len(shapes), *first[axis:])


@rule("unpack")
def _unpack(call: KernelCall) -> Inferred:
    source, count = call.shape("input"), len(call.operator.outputs)
    if source is None:
        return None
    axis = _axis(call, len(source), "input")
    if isinstance(axis, Finding):
        return axis
    if not call.options.num == count == source[axis]:
        text = f"gives {source[axis]} parts, but has {count} outputs and says {call.options.num} in its options"
        return Finding("operand-count", text, call.index("input"), True)
    return [(*source[:axis], *source[axis + 1 :])] * count


def _split_axis(call: KernelCall) -> tuple[Shape, int] | None:
    source, given = call.shape("input"), call.integers("axis")
    axis = from_front(given[0], len(source)) if source and given else None
    return None if source is None or axis is None else (source, axis)


@rule("split")
def _split(call: KernelCall) -> Inferred:
    found, count = _split_axis(call), len(call.operator.outputs)
    if found is None or not count:
        return None
    source, axis = found
    if source[axis] % count:
        return mismatch(f"cannot split {source[axis]} values into {count}", call.index("input"))
    return [(*source[:axis], source[axis] // count, *source[axis + 1 :])] * count


@rule("split-v")
def _split_v(call: KernelCall) -> Inferred:
    """The sizes are those of the outputs: TFLM does not read the operand that holds them."""
    found = _split_axis(call)
    if found is None:
        return None
    source, axis = found
    sizes = call.integers("sizes")
    targets = [call.declared(i) for i in call.operator.outputs]
    known = [target for target in targets if target is not None and len(target) == len(source)]
    if len(known) < len(targets):
        return mismatch(f"splits {len(source)} dimensions into outputs of other ranks", call.index("input"))
    parts = [target[axis] for target in known]
    given = [*sizes] if sizes is not None and -1 not in sizes else parts
    if sum(parts) != source[axis] or given != parts:
        return mismatch(f"splits {source[axis]} values into {given}, but its outputs have {parts}", call.index("input"))
    return [(*source[:axis], part, *source[axis + 1 :]) for part in parts]


@rule("slice")
def _slice(call: KernelCall) -> Inferred:
    source, begin, size = call.shape("input"), call.integers("begin"), call.integers("size")
    if source is None or size is None:
        return None
    starts = call.shape("begin")
    if len(size) != len(source) or (starts is not None and starts != (len(source),)):
        return mismatch(f"needs {len(source)} numbers to begin at and as many sizes", call.index("size"))
    known = begin if begin is not None and len(begin) == len(source) else (0,) * len(source)
    gives = tuple(
        whole - start if length == -1 else length for whole, start, length in zip(source, known, size, strict=True)
    )
    inside = all(
        start >= 0 <= length and start + length <= whole
        for whole, start, length in zip(source, known, gives, strict=True)
    )
    if not inside:
        return index_range(f"takes {list(size)} from {list(known)} of {list(source)}", call.index("input"))
    if begin is None and -1 in size:
        return None
    return gives


@rule("gather")
def _gather(call: KernelCall) -> Inferred:
    shapes = call.all_shapes(("input", "positions"))
    if shapes is None:
        return None
    source, positions = shapes
    axis, batch = from_front(call.options.axis, len(source)), call.options.batch_dims
    batch += len(positions) if batch < 0 else 0
    if axis is None or not 0 <= batch < len(source) or batch > axis or batch > len(positions):
        text = f"has axis {call.options.axis} and {batch} batch dimensions on {len(source)} dimensions"
        return Finding("index-range", text, call.index("input"))
    if source[:batch] != positions[:batch]:
        return Finding(
            "shape-mismatch", "needs the same batch dimensions on its input and its positions", call.index("positions")
        )
    if not all(0 <= position < source[axis] for position in call.integers("positions") or ()):
        return index_range(f"looks up positions that axis {axis} of its input does not have", call.index("positions"))
    return (*source[:axis], *positions[batch:], *source[axis + 1 :])


@rule("gather-nd")
def _gather_nd(call: KernelCall) -> Inferred:
    shapes = call.all_shapes(("input", "indices"))
    if shapes is None or not shapes[1]:
        return None
    source, (*count, depth) = shapes
    if depth > min(len(source), 5):
        text = f"takes indices of at most {min(len(source), 5)} numbers, not {depth}"
        return Finding("index-range", text, call.index("indices"))
    found = call.integers("indices") or ()
    if any(not 0 <= index < source[k % depth] for k, index in enumerate(found)):
        return index_range("looks up places that its input does not have", call.index("indices"))
    return (*count, *source[depth:])


@rule("scatter-nd")
def _scatter_nd(call: KernelCall) -> Inferred:
    shapes, wanted = call.all_shapes(("indices", "updates")), call.integers("shape")
    if shapes is None or wanted is None or not shapes[0]:
        return None
    (*count, depth), updates = shapes
    if depth > len(wanted) or updates != (*count, *wanted[depth:]):
        return mismatch(f"cannot scatter {list(updates)} by indices {list(shapes[0])}", call.index("updates"))
    found = call.integers("indices") or ()
    if any(not 0 <= index < wanted[k % depth] for k, index in enumerate(found)):
        return index_range("writes to places that its output does not have", call.index("indices"))
    return wanted


@rule("tile")
def _tile(call: KernelCall) -> Inferred:
    source, times = call.shape("input"), call.integers("multiples")
    if source is None or times is None:
        return None
    if len(times) != len(source):
        return mismatch(f"repeats {len(times)} dimensions, and has {len(source)}", call.index("multiples"))
    return tuple(size * count for size, count in zip(source, times, strict=True))


@rule("topk")
def _topk(call: KernelCall) -> Inferred:
    source, count = call.shape("input"), call.integers("k")
    if not source or not count:
        return None
    if not 0 <= count[0] <= source[-1]:
        return index_range(f"asks for {count[0]} of {source[-1]} values", call.index("k"))
    return [(*source[:-1], count[0])] * 2


@rule("embedding")
def _embedding(call: KernelCall) -> Inferred:
    shapes = call.all_shapes(("indices", "values"))
    if shapes is None or not shapes[0] or len(shapes[1]) < 2:
        return None
    (count,), values = shapes[0][:1], shapes[1]
    if not all(0 <= index < values[0] for index in call.integers("indices") or ()):
        return index_range(f"looks up rows that are not among its {values[0]}", call.index("indices"))
    return (count, *values[1:])


@rule("mirror-pad")
def _mirror_pad(call: KernelCall) -> Inferred:
    """GetInputDimension (mirror_pad.cc) looks outside the input where the padding is wider than the input."""
    source, paddings = call.shape("input"), call.integers("paddings")
    if source is None or paddings is None:
        return None
    if call.shape("paddings") != (len(source), 2):
        return mismatch(f"needs a pair of paddings for each of {len(source)} dimensions", call.index("paddings"))
    reflect = 1 if call.options.mode == 0 else 0
    pairs = list(zip(paddings[::2], paddings[1::2], strict=True))
    for size, pair in zip(source, pairs, strict=True):
        if min(pair) < 0 or max(pair) > size - reflect:
            text = f"cannot mirror {list(pair)} positions of an axis of {size}"
            return index_range(text, call.index("paddings"))
    return tuple(size + sum(pair) for size, pair in zip(source, pairs, strict=True))


@rule("depth-to-space")
def _depth_to_space(call: KernelCall) -> Inferred:
    shape, block = call.shape("input"), call.options.block_size
    if shape is None or len(shape) != 4 or block < 1:
        return None
    if shape[3] % (block * block):
        text = f"has {shape[3]} channels, no multiple of {block * block}"
        return Finding("shape-mismatch", text, call.index("input"))
    return (shape[0], shape[1] * block, shape[2] * block, shape[3] // (block * block))


@rule("space-to-depth")
def _space_to_depth(call: KernelCall) -> Inferred:
    shape, block = call.shape("input"), call.options.block_size
    if shape is None or len(shape) != 4 or block < 1:
        return None
    if shape[1] % block or shape[2] % block:
        text = f"has {shape[1]} x {shape[2]} values, no multiple of {block}"
        return Finding("shape-mismatch", text, call.index("input"))
    return (shape[0], shape[1] // block, shape[2] // block, shape[3] * block * block)


def _blocks(call: KernelCall, edges: str) -> tuple[Shape, list[tuple[int, int, int]]] | Finding | None:
    """The input's shape and, for each spatial axis, block size and what is cut or padded before and after."""
    source, blocks, ends = call.shape("input"), call.integers("block_shape"), call.integers(edges)
    if source is None or len(source) not in (3, 4) or blocks is None or ends is None:
        return None
    spatial = len(source) - 2
    if len(blocks) != spatial or len(ends) != 2 * spatial:
        text = f"needs {spatial} blocks and {2 * spatial} {words(edges)}, not {len(blocks)} and {len(ends)}"
        return mismatch(text, call.index("block_shape"))
    if min(blocks) < 1 or min(ends) < 0:
        return index_range(f"has blocks {list(blocks)} and {words(edges)} {list(ends)}", call.index("block_shape"))
    return source, list(zip(blocks, ends[::2], ends[1::2], strict=True))


@rule("batch-to-space")
def _batch_to_space(call: KernelCall) -> Inferred:
    found = _blocks(call, "crops")
    if found is None or isinstance(found, Finding):
        return found
    source, axes = found
    count = math.prod(block for block, _, _ in axes)
    spatial = [size * block - before - after for size, (block, before, after) in zip(source[1:], axes, strict=False)]
    if source[0] % count or min(spatial) < 1:
        return mismatch(f"cannot put {list(source)} together from blocks of {count}", call.index("input"))
    return (source[0] // count, *spatial, source[-1])


@rule("space-to-batch")
def _space_to_batch(call: KernelCall) -> Inferred:
    found = _blocks(call, "paddings")
    if found is None or isinstance(found, Finding):
        return found
    source, axes = found
    padded = [size + before + after for size, (_, before, after) in zip(source[1:], axes, strict=False)]
    if any(size % block for size, (block, _, _) in zip(padded, axes, strict=True)):
        return mismatch(f"cannot cut {padded} values into blocks", call.index("input"))
    spatial = [size // block for size, (block, _, _) in zip(padded, axes, strict=True)]
    return (source[0] * math.prod(block for block, _, _ in axes), *spatial, source[-1])
