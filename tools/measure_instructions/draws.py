"""Single operators to measure, drawn at random: as entries of the zoo's single-operator models."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Entry = dict[str, Any]

HEIGHTS = (1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96)
CHANNELS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 160, 256)
BIAS = {"int8": "int32", "int16": "int64", "float32": "float32"}
WEIGHTS = {"int8": "int8", "int16": "int8", "float32": "float32"}


class Draw:
    """Draws shapes; the same seed draws the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, values: Any) -> Any:
        """One of several."""
        return self.random.choice(values)

    def shape(self, most: int = 60_000) -> list[int]:
        """An NHWC shape of at most so many elements."""
        while True:
            found = [1, self.one(HEIGHTS), self.one(HEIGHTS), self.one(CHANNELS)]
            if math.prod(found) <= most:
                return found


def _places(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    extent = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == 0 else -(-(size - extent + 1) // stride)


def _window(draw: Draw, kernels: Any, dilations: Any = (1,)) -> tuple[list[int], tuple[int, int], Mapping[str, int]]:
    while True:
        shape = draw.shape()
        kernel = draw.one(kernels)
        stride, dilation, padding = draw.one((1, 1, 1, 2)), draw.one(dilations), draw.one((0, 0, 1))
        made = [_places(shape[1 + i], kernel[i], stride, dilation, padding) for i in range(2)]
        if min(made) >= 1:
            break
    options = {"padding": padding, "stride_w": stride, "stride_h": stride}
    if dilation > 1:
        options |= {"dilation_w_factor": dilation, "dilation_h_factor": dilation}
    return [shape, made], kernel, options


def convolution(draw: Draw, dtype: str) -> Entry:
    """CONV_2D of any window, stride, padding; few with dilation."""
    while True:
        kernels = ((1, 1), (1, 1), (3, 3), (3, 3), (5, 5), (1, 3), (3, 1), (2, 2), (4, 10), (7, 7))
        (shape, made), kernel, options = _window(draw, kernels, (1, 1, 1, 1, 2))
        filters = draw.one(CHANNELS)
        if math.prod(made) * filters * math.prod(kernel) * shape[3] <= 1_500_000:
            break
    types = f"{dtype}, {WEIGHTS[dtype]}, {BIAS[dtype]} -> {dtype}"
    weights = {"shape": [filters, *kernel, shape[3]], "weights": 0}
    return {"operator": "CONV_2D", "types": [types], "in": [shape, weights, {"shape": [filters], "bias": [0, 1]}],
            "out": [{"shape": [1, *made, filters], "range": [-8, 8]}], "options": options}  # fmt: skip


def depthwise(draw: Draw, dtype: str) -> Entry:
    """DEPTHWISE_CONV_2D, mostly with one filter a channel."""
    while True:
        kernels = ((3, 3), (3, 3), (5, 5), (7, 7), (1, 3), (3, 1), (10, 8), (2, 2), (4, 4))
        (shape, made), kernel, options = _window(draw, kernels, (1, 1, 1, 1, 1, 2))
        multiplier = draw.one((1, 1, 1, 1, 2, 3, 4, 8))
        filters = shape[3] * multiplier
        if math.prod(made) * filters * math.prod(kernel) <= 600_000 and filters <= 512:
            break
    types = f"{dtype}, {WEIGHTS[dtype]}, {BIAS[dtype]} -> {dtype}"
    weights = {"shape": [1, *kernel, filters], "weights": 3}
    return {"operator": "DEPTHWISE_CONV_2D", "types": [types],
            "in": [shape, weights, {"shape": [filters], "bias": [0, 1]}],
            "out": [{"shape": [1, *made, filters], "range": [-4, 4]}],
            "options": {**options, "depth_multiplier": multiplier}}  # fmt: skip


def dense(draw: Draw, dtype: str) -> Entry:
    """FULLY_CONNECTED: one row, or several; scales one, or one a unit."""
    depth, units = draw.one((*CHANNELS, 300, 640, 1000)), draw.one((*CHANNELS, 5, 7))
    rows = draw.one(([1], [1], [1], [2], [5]))
    axis = 0 if dtype == "int8" and draw.one((0, 0, 1)) else None
    types = f"{dtype}, {WEIGHTS[dtype]}, {BIAS[dtype]} -> {dtype}"
    return {"operator": "FULLY_CONNECTED", "types": [types],
            "in": [[*rows, depth], {"shape": [units, depth], "weights": axis}, {"shape": [units], "bias": [0, 1]}],
            "out": [{"shape": [*rows, units], "range": [-8, 8]}],
            "options": {"keep_num_dims": len(rows) > 1}}  # fmt: skip


def pool(operator: str) -> Callable[[Draw, str], Entry]:
    """A pool."""

    def drawn(draw: Draw, dtype: str) -> Entry:
        kernels = ((2, 2), (2, 2), (3, 3), (3, 2), (5, 5), (4, 4), (1, 3), (8, 8), (25, 5), (6, 6))
        (shape, made), kernel, options = _window(draw, kernels)
        return {"operator": operator, "types": [f"{dtype} -> {dtype}"], "in": [shape], "out": [[1, *made, shape[3]]],
                "options": {**options, "filter_height": kernel[0], "filter_width": kernel[1]}}  # fmt: skip

    return drawn


def pairs(operator: str, made: str = "") -> Callable[[Draw, str], Entry]:
    """An element-wise operator of two operands, equal or broadcast."""

    def drawn(draw: Draw, dtype: str) -> Entry:
        a = draw.shape(30_000)
        forms = {"same": a, "scalar": [1, 1, 1, 1], "channels": [1, 1, 1, a[3]], "rows": [1, a[1], 1, 1],
                 "pixels": [*a[:3], 1], "row": [1, 1, *a[2:]]}  # fmt: skip
        b = forms[draw.one(("same", "same", *forms))]
        both = [a, b] if draw.one((0, 0, 1)) else [b, a]
        options = {} if operator in ("MINIMUM", "MAXIMUM", "LESS", "GREATER", "EQUAL", "SQUARED_DIFFERENCE") else {
            "fused_activation_function": draw.one((0, 1))}  # fmt: skip
        return {"operator": operator, "types": [f"{dtype}, {dtype} -> {made or dtype}"], "in": both, "out": [a],
                "options": options}  # fmt: skip

    return drawn


def unary(operator: str, options: Mapping[str, Any] | None = None) -> Callable[[Draw, str], Entry]:
    """An element-wise operator of one operand."""
    fixed = {"LOGISTIC": "probability", "TANH": "signed-unit"}.get(operator)
    given = {"LOGISTIC": "tanh-input", "TANH": "tanh-input"}.get(operator)

    def drawn(draw: Draw, dtype: str) -> Entry:
        shape = draw.shape(20_000)
        source: Any = {"shape": shape, "fixed": given} if given and dtype == "int16" else shape
        result: Any = {"shape": shape, "fixed": fixed} if fixed and dtype != "float32" else shape
        return {"operator": operator, "types": [f"{dtype} -> {dtype}"], "in": [source], "out": [result],
                "options": dict(options or {})}  # fmt: skip

    return drawn


def between(operator: str, given: str, made: str) -> Callable[[Draw, str], Entry]:
    """QUANTIZE, DEQUANTIZE, CAST."""

    def drawn(draw: Draw, _dtype: str) -> Entry:
        shape = draw.shape(20_000)
        return {"operator": operator, "types": [f"{given} -> {made}"], "in": [shape], "out": [shape]}

    return drawn


def softmax(draw: Draw, dtype: str) -> Entry:
    """Rows of any length."""
    shape = [draw.one((1, 1, 2, 5)), draw.one((2, 3, 4, 10, 12, 20, 100, 300, 1000))]
    result: Any = {"shape": shape, "fixed": "probability"} if dtype != "float32" else shape
    return {"operator": "SOFTMAX", "types": [f"{dtype} -> {dtype}"], "in": [shape], "out": [result],
            "options": {"beta": 1.0}}  # fmt: skip


def reshape(draw: Draw, dtype: str) -> Entry:
    """To one row."""
    shape = draw.shape()
    return {"operator": "RESHAPE", "types": [f"{dtype}, int32 -> {dtype}"],
            "in": [shape, {"values": [1, math.prod(shape)]}], "out": [[1, math.prod(shape)]],
            "options": {"new_shape": [1, math.prod(shape)]}}  # fmt: skip


def pad(draw: Draw, dtype: str) -> Entry:
    """Rows and columns, now and then channels."""
    shape = draw.shape(30_000)
    pads = [0, 0, *(draw.one((0, 0, 1, 2)) for _ in range(4)), 0, draw.one((0, 0, 0, 2))]
    made = [size + pads[2 * i] + pads[2 * i + 1] for i, size in enumerate(shape)]
    return {"operator": "PAD", "types": [f"{dtype}, int32 -> {dtype}"],
            "in": [shape, {"values": pads, "shape": [4, 2]}], "out": [made]}  # fmt: skip


def slices(draw: Draw, dtype: str) -> Entry:
    """A part of rows, of columns, now and then of channels."""
    shape = draw.shape()
    made = [1, draw.random.randint(1, shape[1]), draw.one((shape[2], draw.random.randint(1, shape[2]))),
            draw.one((shape[3], shape[3], draw.random.randint(1, shape[3])))]  # fmt: skip
    begin = [draw.random.randint(0, a - b) for a, b in zip(shape, made, strict=True)]
    return {"operator": "SLICE", "types": [f"{dtype}, int32, int32 -> {dtype}"],
            "in": [shape, {"values": begin}, {"values": made}], "out": [made]}  # fmt: skip


def strided(draw: Draw, dtype: str) -> Entry:
    """Every row, or every second, of a part."""
    shape = draw.shape(30_000)
    steps = [1, draw.one((1, 2)), draw.one((1, 1, 2)), 1]
    made = [-(-size // step) for size, step in zip(shape, steps, strict=True)]
    return {"operator": "STRIDED_SLICE", "types": [f"{dtype}, int32, int32, int32 -> {dtype}"],
            "in": [shape, {"values": [0, 0, 0, 0]}, {"values": shape}, {"values": steps}], "out": [made]}  # fmt: skip


def concatenation(draw: Draw, dtype: str) -> Entry:
    """Two to four parts along rows, columns or channels, of different sizes."""
    shape, axis, count = draw.shape(20_000), draw.one((1, 2, 3)), draw.one((2, 2, 3, 4))
    parts = [[draw.random.randint(1, max(size, 2)) if i == axis else size for i, size in enumerate(shape)]
             for _ in range(count)]  # fmt: skip
    made = [sum(p[axis] for p in parts) if i == axis else size for i, size in enumerate(shape)]
    return {"operator": "CONCATENATION", "types": [", ".join([dtype] * count) + f" -> {dtype}"], "in": parts,
            "out": [made], "options": {"axis": axis}}  # fmt: skip


def split(draw: Draw, dtype: str) -> Entry:
    """Equal parts along rows, columns or channels."""
    axis, count = draw.one((1, 2, 3)), draw.one((2, 3, 4))
    part = draw.shape(10_000)
    whole = [size * count if i == axis else size for i, size in enumerate(part)]
    return {"operator": "SPLIT", "types": [f"int32, {dtype} -> " + ", ".join([dtype] * count)],
            "in": [{"values": [axis], "shape": []}, whole], "out": [part] * count,
            "options": {"num_splits": count}}  # fmt: skip


def gather(draw: Draw, dtype: str) -> Entry:
    """Rows or columns at constant places."""
    shape, axis = draw.shape(30_000), draw.one((1, 1, 2))
    places = [draw.random.randrange(shape[axis]) for _ in range(draw.random.randint(1, shape[axis]))]
    made = [len(places) if i == axis else size for i, size in enumerate(shape)]
    return {"operator": "GATHER", "types": [f"{dtype}, int32 -> {dtype}"], "in": [shape, {"values": places}],
            "out": [made], "options": {"axis": axis}}  # fmt: skip


def update(draw: Draw, dtype: str) -> Entry:
    """Rows, now and then columns, written into a copy."""
    shape = draw.shape(30_000)
    part = [1, draw.random.randint(1, shape[1]), draw.one((shape[2], draw.random.randint(1, shape[2]))), shape[3]]
    begin = [draw.random.randint(0, a - b) for a, b in zip(shape, part, strict=True)]
    return {"operator": "DYNAMIC_UPDATE_SLICE", "types": [f"{dtype}, {dtype}, int32 -> {dtype}"],
            "in": [shape, part, {"values": begin}], "out": [shape]}  # fmt: skip


def transpose(draw: Draw, dtype: str) -> Entry:
    """Four dimensions in another order."""
    shape = draw.shape(20_000)
    order = [0, *draw.one(([3, 1, 2], [2, 1, 3], [1, 3, 2], [2, 3, 1], [3, 2, 1]))]
    return {"operator": "TRANSPOSE", "types": [f"{dtype}, int32 -> {dtype}"], "in": [shape, {"values": order}],
            "out": [[shape[i] for i in order]]}  # fmt: skip


def reduce(operator: str) -> Callable[[Draw, str], Entry]:
    """Over rows and columns, or channels."""

    def drawn(draw: Draw, dtype: str) -> Entry:
        shape, axes = draw.shape(20_000), draw.one(([1, 2], [1, 2], [1], [3]))
        kept = draw.one((True, False))
        made = [1 if i in axes else size for i, size in enumerate(shape) if kept or i not in axes]
        return {"operator": operator, "types": [f"{dtype}, int32 -> {dtype}"], "in": [shape, {"values": axes}],
                "out": [{"shape": made, **({"same_as": 0} if operator == "REDUCE_MAX" else {"range": [-2, 2]})}],
                "options": {"keep_dims": kept}}  # fmt: skip

    return drawn


def resize(operator: str) -> Callable[[Draw, str], Entry]:
    """To twice the size, or any."""

    def drawn(draw: Draw, dtype: str) -> Entry:
        shape = draw.shape(6_000)
        size = [shape[1] * 2, shape[2] * 2] if draw.one((0, 0, 1)) else [draw.one(HEIGHTS), draw.one(HEIGHTS)]
        return {"operator": operator, "types": [f"{dtype}, int32 -> {dtype}"], "in": [shape, {"values": size}],
                "out": [[1, *size, shape[3]]],
                "options": {"align_corners": False, "half_pixel_centers": False}}  # fmt: skip

    return drawn


def pack(draw: Draw, dtype: str) -> Entry:
    """Two to four tensors along a new axis."""
    shape, count = draw.shape(10_000)[1:], draw.one((2, 3, 4))
    axis = draw.one((0, 1, 2))
    return {"operator": "PACK", "types": [", ".join([dtype] * count) + f" -> {dtype}"], "in": [shape] * count,
            "out": [[*shape[:axis], count, *shape[axis:]]],
            "options": {"values_count": count, "axis": axis}}  # fmt: skip


def unpack(draw: Draw, dtype: str) -> Entry:
    """Two to four tensors from an axis."""
    entry = pack(draw, dtype)
    given, made = entry["types"][0].split(" -> ")
    options = {"num": len(entry["in"]), "axis": entry["options"]["axis"]}
    return {"operator": "UNPACK", "types": [f"{made} -> {given}"], "in": entry["out"], "out": entry["in"],
            "options": options}  # fmt: skip


def split_unevenly(draw: Draw, dtype: str) -> Entry:
    """Parts of different sizes along rows, columns or channels."""
    shape, axis, count = draw.shape(10_000), draw.one((1, 2, 3)), draw.one((2, 3))
    sizes = [draw.random.randint(1, max(shape[axis], 2)) for _ in range(count)]
    whole = [sum(sizes) if i == axis else size for i, size in enumerate(shape)]
    parts = [[n if i == axis else size for i, size in enumerate(shape)] for n in sizes]
    return {"operator": "SPLIT_V", "types": [f"{dtype}, int32, int32 -> " + ", ".join([dtype] * count)],
            "in": [whole, {"values": sizes}, {"values": [axis], "shape": []}], "out": parts,
            "options": {"num_splits": count}}  # fmt: skip


def squeeze(draw: Draw, dtype: str) -> Entry:
    """Without the batch."""
    shape = draw.shape()
    return {"operator": "SQUEEZE", "types": [f"{dtype} -> {dtype}"], "in": [shape], "out": [shape[1:]],
            "options": {"squeeze_dims": [0]}}  # fmt: skip


def blocks(operator: str) -> Callable[[Draw, str], Entry]:
    """SPACE_TO_DEPTH or DEPTH_TO_SPACE by blocks of two."""

    def drawn(draw: Draw, dtype: str) -> Entry:
        _, rows, columns, depth = draw.shape(6_000)
        wide, deep = [1, 2 * rows, 2 * columns, depth], [1, rows, columns, 4 * depth]
        given, made = (wide, deep) if operator == "SPACE_TO_DEPTH" else (deep, wide)
        return {"operator": operator, "types": [f"{dtype} -> {dtype}"], "in": [given], "out": [made],
                "options": {"block_size": 2}}  # fmt: skip

    return drawn


def transposed(draw: Draw, dtype: str) -> Entry:
    """TRANSPOSE_CONV that doubles, or keeps, the size."""
    while True:
        shape, filters = draw.shape(6_000), draw.one(CHANNELS)
        kernel, stride = draw.one(((2, 2), (3, 3), (4, 4), (1, 4), (5, 5), (1, 1))), draw.one((1, 2, 2, 3))
        if math.prod(shape) * filters * math.prod(kernel) <= 1_000_000:
            break
    made = [1, shape[1] * stride, shape[2] * stride, filters]
    weights = {"shape": [filters, *kernel, shape[3]], "weights": 0}
    return {"operator": "TRANSPOSE_CONV",
            "types": [f"int32, {WEIGHTS[dtype]}, {dtype}, {BIAS[dtype]} -> {dtype}"],
            "in": [{"values": made}, weights, shape, {"shape": [filters], "bias": [1, 2]}],
            "out": [{"shape": made, "range": [-8, 8]}],
            "options": {"padding": 0, "stride_w": stride, "stride_h": stride}}  # fmt: skip


Kinds = Mapping[str, Callable[[Draw, str], Entry]]

ALL_TYPES: Kinds = {
    "conv": convolution, "depthwise": depthwise, "dense": dense, "average": pool("AVERAGE_POOL_2D"),
    "maximum": pool("MAX_POOL_2D"), "add": pairs("ADD"), "sub": pairs("SUB"), "mul": pairs("MUL"), "pad": pad,
    "slice": slices, "concatenation": concatenation, "reshape": reshape, "softmax": softmax, "transpose": transpose,
    "mean": reduce("MEAN"), "relu": unary("RELU"), "relu6": unary("RELU6"),
    "leaky": unary("LEAKY_RELU", {"alpha": 0.1}),
    "logistic": unary("LOGISTIC"), "tanh": unary("TANH"), "minimum": pairs("MINIMUM"), "max": pairs("MAXIMUM"),
    "strided": strided, "split": split, "update": update,
}  # fmt: skip
"""Operators whose kernels take int8, int16 and float32."""

SOME_TYPES: Kinds = {
    "gather": gather, "hard-swish": unary("HARD_SWISH"), "bilinear": resize("RESIZE_BILINEAR"),
    "nearest": resize("RESIZE_NEAREST_NEIGHBOR"), "pack": pack, "unpack": unpack, "split-v": split_unevenly,
    "squeeze": squeeze, "deeper": blocks("SPACE_TO_DEPTH"), "wider": blocks("DEPTH_TO_SPACE"), "elu": unary("ELU"),
    "abs": unary("ABS"), "sum": reduce("SUM"), "most": reduce("REDUCE_MAX"),
    "difference": pairs("SQUARED_DIFFERENCE"), "transposed": transposed,
}  # fmt: skip
"""Operators whose kernels take int8 and float32."""


def _of_floats(maker: Callable[[Draw, str], Entry]) -> Callable[[Draw, str], Entry]:
    return lambda draw, _dtype: maker(draw, "float32")


def lookup(dtype: str) -> Callable[[Draw, str], Entry]:
    """A few elements of a constant table, at a place that is looked up: how written loops count."""

    def drawn(draw: Draw, _dtype: str) -> Entry:
        rows, wide = draw.one((2, 4, 5, 12, 25, 42)), draw.one((0, 0, 1, 4))
        shape = [rows, wide] if wide else [rows]
        made = [1, wide] if wide else [1]
        return {"operator": "SLICE", "types": [f"{dtype}, int32, int32 -> {dtype}"],
                "in": [shape, {"values": [0] * len(shape)}, {"values": made}], "out": [made]}  # fmt: skip

    return drawn


def counter(operator: str, made: str) -> Callable[[Draw, str], Entry]:
    """One to four integers against a constant."""

    def drawn(draw: Draw, _dtype: str) -> Entry:
        shape = [draw.one((1, 1, 2, 4))]
        return {"operator": operator, "types": [f"int32, int32 -> {made}"],
                "in": [shape, {"values": 1, "shape": [1]}], "out": [shape]}  # fmt: skip

    return drawn


ONE_TYPE: Kinds = {
    "quantize": between("QUANTIZE", "float32", "int8"), "quantize-16": between("QUANTIZE", "float32", "int16"),
    "requantize": between("QUANTIZE", "int8", "int8"), "dequantize": between("DEQUANTIZE", "int8", "float32"),
    **{name: _of_floats(unary(name)) for name in ("NEG", "EXP", "SQRT", "RSQRT", "SQUARE", "FLOOR")},
    "lookup-integer": lookup("int32"), "lookup-bool": lookup("bool"), "less": counter("LESS", "bool"),
    "plus": counter("ADD", "int32"), "div": _of_floats(pairs("DIV")),
    "dequantize-16": between("DEQUANTIZE", "int16", "float32"), "cast": between("CAST", "int8", "float32"),
}  # fmt: skip


def drawn_of(kinds: Iterable[str], seed: int, count: int) -> Iterator[Entry]:
    """``count`` entries of each type of the operators named: more of what is fitted badly."""
    draw = Draw(seed)
    for name in kinds:
        for table, types in ((ALL_TYPES, tuple(BIAS)), (SOME_TYPES, ("int8", "float32")), (ONE_TYPE, ("",))):
            if name in table:
                yield from (table[name](draw, dtype) for dtype in types for _ in range(count))


def drawn(seed: int, count: int, library: str) -> Iterator[Entry]:
    """``count`` entries of each operator and type; for a library beside CMSIS-NN only operators that it changes."""
    draw = Draw(seed)
    changed = ("conv", "depthwise", "dense", "average", "maximum", "add", "mul", "pad", "softmax", "transpose",
               "minimum", "max")  # fmt: skip
    for name, maker in ALL_TYPES.items():
        if library == "cmsis-nn" or name in changed:
            yield from (maker(draw, dtype) for dtype in ("int8", "int16", "float32") for _ in range(count))
    if library != "cmsis-nn":
        yield from (transposed(draw, dtype) for dtype in ("int8", "float32") for _ in range(count))
        return
    for maker in SOME_TYPES.values():
        yield from (maker(draw, dtype) for dtype in ("int8", "float32") for _ in range(count))
    for maker in ONE_TYPE.values():
        yield from (maker(draw, "") for _ in range(count))
