"""What the other operators loop over: dense layers, element-wise operators, moves, reductions.

CMSIS-NN 4ab83cc3 where it has a kernel of its own (FULLY_CONNECTED, ADD, MUL, MINIMUM, MAXIMUM, PAD, TRANSPOSE,
SOFTMAX of int8), TFLM's kernels of commit 90b983c2b for the rest and for the other types.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mcuplan.estimates.instructions._copies import filled, run
from mcuplan.estimates.instructions._windows import LONGEST_SUM, PRODUCT, Work, product
from mcuplan.estimates.instructions.call import Call, Shape
from mcuplan.graph import DType

PARTS: dict[str, tuple[str, ...]] = {
    "dense.pairs": ("call", "rows", "pairs", "pairs_4", "pairs_1", "odd", "odd_4", "odd_1", "long"),
    "dense.pairs-by-unit": ("call", "rows", "pairs", "pairs_4", "pairs_1", "odd", "odd_4", "odd_1", "long"),
    "dense.product": ("call", *PRODUCT, "filters"),
    "dense.reference-by-unit": ("call", "rows", "filters", "macs"),
    "dense.reference": ("call", "rows", "filters", "macs"),
    "pointwise.by-4": ("call", "fours", "ones"),
    "pointwise.same": ("call", "elements"),
    "pointwise.broadcast": ("call", "loops", "outer", "runs", "pairs", "with_one"),
    "pointwise.lines": ("call", "lines", "runs", "pairs", "with_one"),
    "one-by-one": ("call", "elements"),
    "softmax": ("call", "rows", "elements"),
    "copy": ("call", "copied"),
    "pad.runs": ("call", "rows", "copied", "filled"),
    "pad.elements": ("call", "rows", "pixels", "above", "beside", "inside"),
    "slice": ("call", "rows", "pixels", "copied", "elements"),
    "strided-slice": ("call", "rows", "pixels", "elements"),
    "concatenation": ("call", "parts", "outer", "runs", "copied"),
    "split": ("call", "parts", "runs", "elements"),
    "gather": ("call", "outer", "runs", "copied"),
    "update": ("call", "whole", "planes", "rows", "pixels", "copied"),
    "transpose": ("call", "outer", "rows", "pixels", "elements"),
    "mean": ("call", "elements", "axes", "runs", "results"),
    "pack": ("call", "parts", "runs", "elements"),
    "resize.nearest": ("call", "rows", "pixels", "copied"),
    "resize.bilinear": ("call", "rows", "pixels", "elements"),
    "rearranged": ("call", "pixels", "elements"),
    "mean.planes": ("call", "results", "rows", "elements"),
}


def dense_cmsis(call: Call) -> Work:
    """arm_fully_connected_s8, or the 1x1 convolution's product for outputs of more than two dimensions."""
    depth, made = call.source[-1], call.result[-1]
    if call.other:
        depth = call.other[-1]
    rows = math.prod(call.result[:-1])
    if call.dtype == "float32":
        return dense_reference(call)
    if call.dtype == "int8" and len(call.result) > 2 and depth % 4 == 0:
        return "dense.product", (1, *product(rows, made, depth), made)
    pairs, odd = rows * (made // 2), rows * (made % 2)
    fast = min(depth, LONGEST_SUM) if call.dtype == "int16" else depth
    l4, l1 = fast // 4, fast % 4
    path = "dense.pairs-by-unit" if call.detail and call.dtype == "int8" else "dense.pairs"
    return path, (1, rows, pairs, pairs * l4, pairs * l1, odd, odd * l4, odd * l1, (pairs + odd) * (depth - fast))


def dense_reference(call: Call) -> Work:
    """FullyConnected of reference_integer_ops and reference_ops."""
    depth = call.other[-1] if call.other else call.source[-1]
    rows, made = math.prod(call.result[:-1]), call.result[-1]
    path = "dense.reference-by-unit" if call.detail and call.dtype == "int8" else "dense.reference"
    return path, (1, rows, rows * made, rows * made * depth)


def by_fours(call: Call) -> Work:
    """arm_elementwise_add_s8 and arm_elementwise_mul_s8; TFLM's broadcast where shapes differ."""
    if not _same(call):
        return broadcast(call)
    elements = math.prod(call.result)
    if call.dtype != "int8":
        return "pointwise.same", (1, elements)
    return "pointwise.by-4", (1, elements // 4, elements % 4)


def arithmetic(call: Call) -> Work:
    """TFLM's own: one loop over equal shapes, BroadcastBinaryOpSimple over others."""
    return ("pointwise.same", (1, math.prod(call.result))) if _same(call) else broadcast(call)


def _same(call: Call) -> bool:
    return not call.other or tuple(call.other) == tuple(call.source)


def broadcast(call: Call) -> Work:
    """BroadcastBinaryOpSimple: dimensions in which both operands go on alike become one loop."""
    loops = _loops(call.source, call.other, call.result)
    elements, inner, with_one = math.prod(call.result), *loops[0]
    runs = elements // max(inner, 1)
    outer, calls = 0, 1
    for length, _ in reversed(loops[1:]):
        outer += calls
        calls *= length
    return "pointwise.broadcast", (1, len(loops), outer, runs, *_kinds(elements, with_one))


def _kinds(elements: int, with_one: bool) -> tuple[int, int]:
    """Elements made of two that go on, and of one that goes on and one that stays."""
    return (0, elements) if with_one else (elements, 0)


def _loops(a: Shape, b: Shape, made: Shape) -> list[tuple[int, bool]]:
    """Loops from the innermost, as BroadcastBinaryOpSimple fuses them: length, and whether an operand stays."""
    rank = len(made)
    a, b = (1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b)
    loops: list[tuple[int, bool]] = []
    kept: tuple[bool, bool] | None = None
    for x, y, z in reversed(list(zip(a, b, made, strict=True))):
        stays = (x == 1 and z != 1, y == 1 and z != 1)
        if loops and (z == 1 or stays == kept):
            loops[-1] = (loops[-1][0] * z, loops[-1][1])
        else:
            loops.append((z, any(stays)))
            kept = stays
    return loops


def extremes(call: Call) -> Work:
    """arm_minimum_s8 and arm_maximum_s8: over all, or by lines of the longest part that goes on alike."""
    elements = math.prod(call.result)
    if call.dtype != "int8":
        return arithmetic(call)
    if _same(call):
        return "pointwise.lines", (1, 0, 1, elements, 0)
    if 1 in (math.prod(call.source), math.prod(call.other)):
        return "pointwise.lines", (1, 0, 1, 0, elements)
    a, b = _four(call.source), _four(call.other)
    batch, rows, columns, _ = _four(call.result)
    lines = batch * rows
    if a[2:] == b[2:] or 1 in (a[2] * a[3], b[2] * b[3]):
        return "pointwise.lines", (1, lines, lines, *_kinds(elements, a[2:] != b[2:]))
    return "pointwise.lines", (1, lines, lines * columns, *_kinds(elements, a[3] != b[3]))


def _four(shape: Shape) -> Shape:
    return (1,) * (4 - len(shape)) + tuple(shape) if len(shape) < 4 else tuple(shape[-4:])


def each(call: Call) -> Work:
    """One element after the other."""
    return "one-by-one", (1, math.prod(call.result))


def softmax(call: Call) -> Work:
    """Each row's largest, its exponentials twice."""
    elements = math.prod(call.result)
    return "softmax", (1, elements // max(call.result[-1] if call.result else 1, 1), elements)


def copy(call: Call) -> Work:
    """One memcpy; nothing where source and result share memory."""
    if call.detail:
        return "copy", (1, 0)
    return "copy", (1, run(math.prod(call.result) * element_bytes(call), 4))


_SIZES = {dtype.label: max(dtype.bits // 8, 1) for dtype in DType if dtype.bits}
"""Bytes of an element in memory, by the name of its type."""


def element_bytes(call: Call) -> int:
    """Bytes of one element that a call moves; 1 where its type is not known."""
    return _SIZES.get(call.dtype, 1)


def pad_cmsis(call: Call) -> Work:
    """arm_pad_s8: rows by memcpy, borders by memset."""
    if call.dtype != "int8":
        return pad_reference(call)
    batch, rows, columns, depth = _four(call.source)
    pads = (0,) * (8 - len(call.detail)) + tuple(call.detail)
    made = _four(call.result)
    lines, row = batch * rows, made[2] * made[3]
    fill = sum(filled(n * row * made[1], row) for n in pads[:2]) + batch * sum(filled(n * row, row) for n in pads[2:4])
    fill += lines * sum(filled(n * made[3], made[3]) for n in pads[4:6])
    if made[3] == depth:
        copies = lines * run(columns * depth, depth)
    else:
        copies = lines * columns * run(depth, made[3])
        fill += lines * columns * sum(filled(n, made[3]) for n in pads[6:8])
        lines += lines * columns
    return "pad.runs", (1, lines, copies, fill)


def pad_reference(call: Call) -> Work:
    """reference_ops::Pad: every element of the result asked for whether it is padding, rows first."""
    batch, rows, columns, depth = _four(call.result)
    height, width = _four(call.source)[1:3]
    pixels = batch * rows * columns
    above = batch * (rows - height) * columns * depth
    beside = batch * height * (columns - width) * depth
    return "pad.elements", (1, batch * rows, pixels, above, beside, pixels * depth - above - beside)


def slice_(call: Call) -> Work:
    """reference_ops::Slice."""
    batch, rows, columns, depth = _four(call.result)
    pixels = batch * rows * columns
    size = depth * element_bytes(call)
    return "slice", (
        1,
        batch * rows,
        pixels,
        pixels * run(size, _four(call.source)[3] * element_bytes(call), size),
        pixels * depth,
    )


def strided_slice(call: Call) -> Work:
    """reference_ops::StridedSlice."""
    batch, rows, columns, depth = _four(call.result)
    return "strided-slice", (1, batch * rows, batch * rows * columns, batch * rows * columns * depth)


def _parts(call: Call) -> tuple[int, int, tuple[int, ...]]:
    """How often all parts come in turn, elements in one step along the axis, sizes along it."""
    axis, sizes = call.detail[0], call.detail[1:]
    shape = call.result if call.operator == "CONCATENATION" else call.source
    return math.prod(shape[:axis]), math.prod(shape[axis + 1 :]), sizes


def concatenation(call: Call) -> Work:
    """reference_ops::Concatenation: a memcpy of each part's run."""
    outer, inner, sizes = _parts(call)
    inner *= element_bytes(call)
    copies = sum(run(n * inner, n * inner) if outer > 1 else run(n * inner, inner) for n in sizes)
    return "concatenation", (1, len(sizes), outer, outer * len(sizes), outer * copies)


def split(call: Call) -> Work:
    """SplitImpl: each part's run an element at a time."""
    outer, inner, sizes = _parts(call)
    return "split", (1, len(sizes), outer * len(sizes), outer * inner * sum(sizes))


def gather(call: Call) -> Work:
    """A memcpy for each place looked up."""
    axis = call.detail[0] if call.detail else 0
    outer = math.prod(call.source[:axis])
    inner = math.prod(call.source[axis + 1 :]) * element_bytes(call)
    runs = math.prod(call.result) * element_bytes(call) // max(inner, 1)
    return "gather", (1, outer, runs, runs * run(inner, inner))


def update(call: Call) -> Work:
    """DYNAMIC_UPDATE_SLICE: the operand copied where it is not written in place, then the rows, a pixel at a time."""
    size = element_bytes(call)
    whole = run(math.prod(call.source) * size, 4)
    if math.prod(call.source) == math.prod(call.other):
        return "update", (1, 0, 0, 0, 0, whole)
    batch, rows, columns, depth = _four(call.other)
    pixels = batch * rows * columns
    copies = 0.0 if call.detail and call.detail[0] else whole
    return "update", (1, bool(copies), batch, batch * rows, pixels,
                      copies + pixels * run(depth * size, depth * size))  # fmt: skip


def transpose(call: Call) -> Work:
    """arm_transpose_s8: all elements in the order of the source."""
    batch, rows, columns, _ = _four(call.source)
    return "transpose", (1, batch, batch * rows, batch * rows * columns, math.prod(call.source))


def transpose_cmsis(call: Call) -> Work:
    """arm_transpose_s8 of four dimensions; TFLM's own for other types."""
    return transpose(call) if call.dtype == "int8" else transpose_reference(call)


def transpose_reference(call: Call) -> Work:
    """reference_ops::Transpose: a call for each position of each dimension of the result but the last."""
    batch, rows, columns, _ = _four(call.result)
    return "transpose", (1, batch, batch * rows, batch * rows * columns, math.prod(call.result))


def mean(call: Call) -> Work:
    """QuantizedMeanOrSum: an index worked out for every element."""
    elements, results = math.prod(call.source), math.prod(call.result)
    kept = len(call.source) == len(call.result) == 4
    if call.dtype == "float32" and kept and call.detail == (1, 2):
        return "mean.planes", (1, results, results * call.source[1], elements)
    runs = elements // max(call.source[-1], 1) if call.source else 1
    return "mean", (1, elements, elements * len(call.detail), runs, results)


def pack(call: Call) -> Work:
    """PackImpl and UnpackImpl: runs of the dimensions behind the axis, an element at a time."""
    axis, count = call.detail or (0, 1)
    whole = math.prod(call.result) if call.operator == "PACK" else math.prod(call.source)
    shape = call.result if call.operator == "PACK" else call.source
    runs = whole // max(math.prod(shape[axis + 1 :]), 1)
    return "pack", (1, count, runs, whole)


def resize_nearest(call: Call) -> Work:
    """ResizeNearestNeighbor: places of rows and columns, a memcpy for each pixel."""
    batch, rows, columns, depth = _four(call.result)
    size = depth * element_bytes(call)
    pixels = batch * rows * columns
    return "resize.nearest", (1, batch * rows, pixels, pixels * run(size, size))


def resize_bilinear(call: Call) -> Work:
    """ResizeBilinear: four neighbours of every element."""
    batch, rows, columns, depth = _four(call.result)
    pixels = batch * rows * columns
    return "resize.bilinear", (1, batch * rows, pixels, pixels * depth)


def rearranged(call: Call) -> Work:
    """SpaceToDepth and DepthToSpace: runs of channels."""
    batch, rows, columns, _ = _four(call.result if call.operator == "DEPTH_TO_SPACE" else call.source)
    return "rearranged", (1, batch * rows * columns, math.prod(call.result))


Features = Callable[[Call], Work]
