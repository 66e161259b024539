"""Operators that move positions, or count: what they do to names, as TFLM's kernels do it to bytes.

Each gives the output's value, or None where the operator does more than move (then it counts as one that computes).
It raises UntraceableError for what no kernel would do right, among them shapes in the file that are not what the
operator gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mcuplan.graph import DType, Operator, Tensor
from mcuplan.operators import Options
from mcuplan.operators.input_rows import InputRows
from mcuplan.proof.function.names import (
    UntraceableError,
    Value,
    as_kind,
    counted,
    filled,
    grid,
    is_map,
    plain_integers,
    same_kind,
    zero_element,
)

_RANK = 4
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Call:
    """An operator with one output, its tensors, and what its inputs hold."""

    op: Operator
    tensors: tuple[Tensor, ...]
    out: Tensor
    read: Sequence[Value]

    @property
    def options(self) -> Options:
        """Its options by name and type."""
        return Options(self.op)

    def integers(self, position: int) -> list[int] | None:
        """The known numbers of an input: where to begin, how many, how much padding."""
        numbers = self.read[position].numbers
        if numbers is None or not plain_integers((self.tensors[position],), DType.INT32, DType.INT64):
            return None
        return [int(n) for n in numbers.ravel()]

    def require_shape(self, shape: Sequence[int]) -> None:
        """Raise UntraceableError where the output's shape in the file is another one."""
        if tuple(shape) != self.out.shape:
            text = f"{self.op.label} gives the shape {list(shape)}, and its output has {list(self.out.shape)}"
            raise UntraceableError(text)


def _slice(call: Call) -> Value | None:
    source, out = call.tensors[0], call.out
    begin, size = call.integers(1), call.integers(2)
    if begin is None or size is None or source.dtype is not out.dtype:
        return None
    if not len(begin) == len(size) == source.rank:
        raise UntraceableError(f"a slice has {len(begin)} places for {source.rank} dimensions")
    ends = [n if s == -1 else b + s for b, s, n in zip(begin, size, source.shape, strict=True)]
    if any(b < 0 or e > n or e <= b for b, e, n in zip(begin, ends, source.shape, strict=True)):
        raise UntraceableError("a slice reads beyond its input")
    call.require_shape([e - b for b, e in zip(begin, ends, strict=True)])
    numbers = call.read[0].numbers
    if numbers is not None and same_kind(source, out):
        return counted(out, numbers[tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))])
    if not is_map(source) or not is_map(out) or out.shape[3] != source.shape[3] or not same_kind(source, out):
        return None
    return Value(call.read[0].names[begin[1] : ends[1], begin[2] : ends[2]])


def fed(call: Call, options: InputRows, picture: Tensor, held: Value) -> Value:
    """``MCUPLAN_ROWS``: rows of an input from a known place on, filled above, below and beside it."""
    out, begin = call.out, call.integers(0)
    if begin is None or len(begin) != _RANK or begin[0] or begin[3]:
        raise UntraceableError(f"where {call.op.label} begins is not known")
    if picture.shape[1:3] != (options.rows, options.columns) or not same_kind(picture, out) or not is_map(out):
        raise UntraceableError(f"{call.op.label} gives rows of another kind than its input's")
    _, top, left, _ = begin
    right = out.shape[2] + left - options.columns
    if left > 0 or right < 0 or out.shape[3] != picture.shape[3]:
        raise UntraceableError(f"{call.op.label} does not give whole rows")
    element = bytes([options.fill]) * ((out.dtype.bits or 8) // 8)
    names = np.full(grid(out), filled(out, element))
    first, last = min(max(top, 0), options.rows), min(max(top + out.shape[1], 0), options.rows)
    names[first - top : last - top, -left : options.columns - left] = held.names[first:last]
    return Value(names)


def split_numbers(
    op: Operator, tensors: Sequence[Tensor], outs: Sequence[Tensor], read: Sequence[Value]
) -> list[Value] | None:
    """SPLIT_V of a row of known integers: consecutive parts of it (micro/kernels/split_v.cc)."""
    if op.name != "SPLIT_V" or len(tensors) != 3 or tensors[0].rank != 1 or read[0].numbers is None:
        return None
    whole, sizes, axis = (Call(op, tuple(tensors), outs[0], read).integers(i) for i in range(3))
    if whole is None or sizes is None or axis not in ([0], [-1]) or any(not same_kind(tensors[0], out) for out in outs):
        return None
    if [(size,) for size in sizes] != [out.shape for out in outs] or sum(sizes) != len(whole) or min(sizes) < 1:
        raise UntraceableError("SPLIT_V does not give the shapes that its outputs have in the file")
    ends = np.cumsum(sizes)
    return [counted(out, read[0].numbers[end - size : end]) for out, size, end in zip(outs, sizes, ends, strict=True)]


def _gather(call: Call) -> Value | None:
    """Pieces along one axis at known places (micro/kernels/gather.cc)."""
    source, out, axis = call.tensors[0], call.out, call.options.axis
    places = call.integers(1)
    if places is None or call.options.batch_dims or call.tensors[1].rank != 1 or not same_kind(source, out):
        return None
    if not isinstance(axis, int) or not -source.rank <= axis < source.rank:
        raise UntraceableError("GATHER has no such axis")
    axis %= source.rank
    if any(not 0 <= place < source.shape[axis] for place in places):
        raise UntraceableError("GATHER reads beyond its input")
    call.require_shape([*source.shape[:axis], len(places), *source.shape[axis + 1 :]])
    numbers = call.read[0].numbers
    if numbers is not None:
        return counted(out, np.take(numbers, places, axis=axis))
    if axis not in (1, 2) or not is_map(source) or not is_map(out):
        return None
    return Value(np.take(call.read[0].names, places, axis=axis - 1))


def _pad(call: Call) -> Value | None:
    x, out = call.tensors[0], call.out
    amounts = call.integers(1)
    if len(call.tensors) != 2 or amounts is None or not is_map(x) or not is_map(out) or not same_kind(x, out):
        return None  # a third input is a value to pad with
    if len(amounts) != 2 * _RANK or min(amounts) < 0:
        raise UntraceableError("PAD has no padding for each dimension")
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    call.require_shape([n + before + behind for n, (before, behind) in zip(x.shape, pairs, strict=True)])
    element = zero_element(out)
    if pairs[3] != (0, 0) or element is None:
        return None
    return Value(np.pad(call.read[0].names, pairs[1:3], constant_values=filled(out, element)))


def _concatenation(call: Call) -> Value | None:
    out, axis = call.out, call.options.axis
    if not isinstance(axis, int) or not -out.rank <= axis < out.rank:
        raise UntraceableError("CONCATENATION has no such axis")
    axis %= out.rank
    fused = call.options.activation != 0
    if axis not in (1, 2) or fused or not all(map(is_map, (*call.tensors, out))) or not same_kind(*call.tensors, out):
        return None
    other = 3 - axis
    if any((t.shape[other], t.shape[3]) != (out.shape[other], out.shape[3]) for t in call.tensors):
        raise UntraceableError("CONCATENATION joins maps that do not fit its output")
    if sum(t.shape[axis] for t in call.tensors) != out.shape[axis]:
        raise UntraceableError("CONCATENATION joins more or less than its output has")
    return Value(np.concatenate([value.names for value in call.read], axis=axis - 1))


def _update(call: Call) -> Value | None:
    """Bytes are put among bytes: what they stood for before does not count."""
    operand, update, out = (*call.tensors[:2], call.out)
    start = call.integers(2)
    if start is None or not all(map(is_map, (operand, update, out))):
        return None
    call.require_shape(operand.shape)
    room = [n - u for n, u in zip(operand.shape, update.shape, strict=True)]
    if len(start) != _RANK or min(room) < 0 or room[3]:
        raise UntraceableError("DYNAMIC_UPDATE_SLICE puts more than there is room for")
    row, column = (min(max(s, 0), most) for s, most in zip(start[1:3], room[1:3], strict=True))
    names = as_kind(call.read[0], operand, out).names.copy()
    names[row : row + update.shape[1], column : column + update.shape[2]] = as_kind(call.read[1], update, out).names
    return Value(names)


def _masked(call: Call) -> Value | None:
    """A product by ones and zeros, one a row: rows stay, or hold what stands for 0.

    Only integers: in float 0 times infinity is no number, and a negative number becomes -0.0, whose bytes differ.
    """
    x, mask = call.tensors
    numbers, element = call.read[1].numbers, zero_element(call.out)
    if numbers is None or not is_map(x) or mask.shape != (1, x.shape[1], 1, 1) or not same_kind(x, call.out):
        return None
    call.require_shape(x.shape)
    ones = numbers.reshape(-1)
    if call.options.activation != 0 or not np.isin(ones, (0, 1)).all():
        return None
    if ones.all() and x.dtype is mask.dtype is DType.FLOAT32:
        return Value(call.read[0].names)
    if x.dtype is DType.FLOAT32:
        raise UntraceableError("a product masks float rows, where 0 times infinity is no 0: SELECT_V2 does so exactly")
    q = mask.quantization
    exact = q is not None and q.scales == (1.0,) and q.zero_points == (0,) and x.dtype is mask.dtype
    if not exact or element is None or x.dtype not in (DType.INT8, DType.INT16):
        return None
    return Value(np.where(ones[:, None] == 1, call.read[0].names, filled(call.out, element)))


def _selected(call: Call) -> Value | None:
    """SELECT_V2 by one answer a row, or one for all: rows stay, or hold one constant element."""
    answers, x, other = call.tensors
    chosen = call.read[0].numbers
    rows = answers.shape == (1, call.out.shape[1], 1, 1) if is_map(call.out) else False
    if chosen is None or not (rows or answers.elements == 1) or answers.dtype is not DType.BOOL:
        return None
    if x.shape != call.out.shape or not is_map(x) or not same_kind(x, other, call.out):
        return None
    fill = call.read[2].element
    if fill is None:
        return None
    return Value(np.where(chosen.reshape(-1, 1) != 0, call.read[1].names, filled(call.out, fill)))


def _sum(call: Call) -> Value | None:
    """Sums of known integers; TFLM's kernel lets them overflow, which C leaves open."""
    a, b = (value.numbers for value in call.read)
    if a is None or b is None or not plain_integers((*call.tensors, call.out), DType.INT32):
        return None
    if call.options.activation != 0:
        return None
    found = _together(call, a, b, np.add)
    if found.size and not (_INT32.min <= found.min() and found.max() <= _INT32.max):
        raise UntraceableError("a counter overflows")
    return counted(call.out, found)


def _less(call: Call) -> Value | None:
    """Comparisons of known integers that stand for themselves: kernels rescale those with a scale, and round."""
    a, b = (value.numbers for value in call.read)
    if a is None or b is None or not plain_integers(call.tensors, DType.INT32, DType.INT64):
        return None
    if call.out.dtype is not DType.BOOL:
        raise UntraceableError("LESS gives no answers of type bool")
    return counted(call.out, _together(call, a, b, np.less).astype(np.int64))


def _together(call: Call, a: np.ndarray, b: np.ndarray, function: Callable[..., np.ndarray]) -> np.ndarray:
    try:
        found = function(a, b)
    except ValueError:
        raise UntraceableError(f"{call.op.label} has inputs whose shapes do not broadcast") from None
    call.require_shape(found.shape)
    return found


MOVES: Mapping[str, tuple[range, Callable[[Call], Value | None]]] = {
    "SLICE": (range(3, 4), _slice),
    "GATHER": (range(2, 3), _gather),
    "PAD": (range(2, 4), _pad),
    "CONCATENATION": (range(1, 1 << 16), _concatenation),
    "DYNAMIC_UPDATE_SLICE": (range(3, 4), _update),
    "MUL": (range(2, 3), _masked),
    "SELECT_V2": (range(3, 4), _selected),
    "ADD": (range(2, 3), _sum),
    "LESS": (range(2, 3), _less),
}
"""Operators that move or count, with how many inputs they may have."""
