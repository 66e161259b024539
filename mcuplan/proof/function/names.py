"""Names of positions: 64-bit numbers that stand for what a position of a tensor holds, bytes and kind.

Equal names mean equal bytes of one type, scale and zero point. A constant's positions are named by their bytes, so
that rows of padding have one name wherever they come from; what an operator computed is named by the operator and
the names that it read.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcuplan.graph import DType, Tensor
from mcuplan.proof.function.value_numbers import quantization_facts
from mcuplan.tflm.support.call import zero_point

Names: TypeAlias = NDArray[np.uint64]
"""Names of a feature map's positions, rows x columns; one name for any other tensor."""

_KEY = secrets.token_bytes(16)
"""Drawn anew in each process, so that nobody can make a model whose names agree by design."""

_RANK = 4
_CHUNK = 1 << 20

FORMATS = {
    DType.INT8: "<i1", DType.INT16: "<i2", DType.INT32: "<i4", DType.INT64: "<i8", DType.BOOL: "<i1",
    DType.FLOAT32: "<f4",
}  # fmt: skip
"""Element types whose values are looked at, as NumPy knows them."""


class UntraceableError(ValueError):
    """A model that cannot be followed position by position; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a tensor holds: names, its numbers where they are known (constants, counters), and the bytes of its
    element where it is a constant of one."""

    names: Names
    numbers: NDArray[np.int64] | None = None
    element: bytes | None = None


def number(*thing: Hashable) -> np.uint64:
    """A name for ``thing``, told by its representation."""
    return np.uint64(int.from_bytes(blake2b(repr(thing).encode(), digest_size=8, key=_KEY).digest(), "little"))


def mixed(names: Names) -> Names:
    """Each name scrambled (splitmix64, G. Steele et al., OOPSLA 2014): equal ones stay equal."""
    z = (names ^ (names >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: Names = z ^ (z >> np.uint64(31))
    return scrambled


def weight(*place: int) -> np.uint64:
    """An odd factor for a tap or an argument."""
    return number("weight", place) | np.uint64(1)


def _weights(count: int, seed: np.uint64) -> Names:
    """Odd factors, one after the other."""
    return mixed(np.arange(count, dtype=np.uint64) + seed) | np.uint64(1)


# -- tensors -------------------------------------------------------------------------------------------------------


def kind(tensor: Tensor) -> Hashable:
    """What a kernel sees of a tensor beside its shape and bytes: type, scales, zero points."""
    return int(tensor.dtype), quantization_facts(tensor.quantization)


def same_kind(*tensors: Tensor) -> bool:
    """True where the bytes of one tensor mean the same in all others."""
    return all(kind(t) == kind(tensors[0]) for t in tensors)


def is_map(tensor: Tensor) -> bool:
    """True for one feature map: batch 1, rows, columns, channels."""
    return tensor.rank == _RANK and tensor.shape[0] == 1 and min(tensor.shape) > 0


def grid(tensor: Tensor) -> tuple[int, int]:
    """Rows and columns of names of a tensor."""
    return (tensor.shape[1], tensor.shape[2]) if is_map(tensor) else (1, 1)


def spread(key: np.uint64, tensor: Tensor, first_row: int = 0) -> Names:
    """A name for each position, made from one for all; the first row counts as row ``first_row``."""
    rows, columns = grid(tensor)
    places = np.arange(rows * columns, dtype=np.uint64).reshape(rows, columns) + np.uint64(first_row * columns)
    return mixed(places * weight(0) + key)


def whole(names: Names) -> np.uint64:
    """One name for a tensor, from all of its positions in order."""
    total = np.add.reduce(mixed(names).ravel() * _weights(names.size, weight(4)), dtype=np.uint64)
    return number("whole", names.shape, int(total))


def _tag(tensor: Tensor) -> np.uint64:
    """The part of a name that says what bytes stand for; a name without it is one of the bytes alone."""
    return number("kind", kind(tensor))


def as_kind(value: Value, source: Tensor, target: Tensor) -> Value:
    """The bytes of ``source`` in ``target``, where they may stand for something else.

    Raises UntraceableError where they are of another type.
    """
    if source.dtype is not target.dtype:
        raise UntraceableError(f"bytes of {source.dtype.label} become {target.dtype.label}")
    if kind(source) == kind(target):
        return value
    return Value(value.names + (_tag(target) - _tag(source)), value.numbers, value.element)


def content(tensor: Tensor, data: bytes) -> Names:
    """The names of a tensor that holds ``data``: each position by its own bytes."""
    item = (tensor.dtype.bits or 0) // 8
    if not is_map(tensor) or not item:
        digest = blake2b(data, digest_size=16, key=_KEY).digest()
        return spread(number("content", int(tensor.dtype), tensor.shape, digest), tensor) + _tag(tensor)
    return _content(tensor, np.frombuffer(data, np.uint8).reshape(-1, tensor.shape[3] * item)).reshape(grid(tensor))


def filled(tensor: Tensor, element: bytes) -> np.uint64:
    """The name of a position of map ``tensor`` of which every channel holds ``element``."""
    row = np.frombuffer(element * tensor.shape[3], np.uint8)
    found: np.uint64 = _content(tensor, row.reshape(1, -1))[0]
    return found


def _content(tensor: Tensor, rows: NDArray[np.uint8]) -> Names:
    count, size = rows.shape
    factors = _weights(size, weight(5))
    key = number("position", int(tensor.dtype), tensor.shape[3])
    names = np.empty(count, np.uint64)
    step = max(_CHUNK // size, 1)
    for at in range(0, count, step):
        scrambled = mixed(rows[at : at + step].astype(np.uint64) + np.uint64(1))
        names[at : at + step] = (scrambled * factors).sum(axis=1, dtype=np.uint64)
    return mixed(names + key) + _tag(tensor)


def numbers_of(tensor: Tensor, data: bytes) -> NDArray[np.int64] | None:
    """The values of a tensor that holds ``data``, if they are whole numbers that give these bytes again (-0.0: not)."""
    given = np.frombuffer(data, FORMATS[tensor.dtype]).reshape(tensor.shape)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.int64] = given.astype(np.int64)
    if tensor.dtype is DType.BOOL and not np.isin(found, (0, 1)).all():
        return None
    return found if found.astype(given.dtype).tobytes() == data else None


def counted(tensor: Tensor, numbers: NDArray[np.int64]) -> Value:
    """A tensor that holds known numbers."""
    return Value(content(tensor, numbers.astype(FORMATS[tensor.dtype]).tobytes()), numbers)


def zero_element(tensor: Tensor) -> bytes | None:
    """The bytes of the element that stands for 0, with which kernels pad; None where it cannot be told.

    TFLM reads the first zero point for the whole tensor (``TfLiteTensor.params``).
    """
    if tensor.dtype in (DType.FLOAT32, DType.INT32):
        return bytes(4)
    if tensor.dtype not in (DType.INT8, DType.INT16) or _points(tensor) > 1:
        return None
    size = 1 if tensor.dtype is DType.INT8 else 2
    point = zero_point(tensor)
    return point.to_bytes(size, "little", signed=True) if -1 << 8 * size - 1 <= point < 1 << 8 * size - 1 else None


def _points(tensor: Tensor) -> int:
    return len(tensor.quantization.zero_points) if tensor.quantization else 0


def plain_integers(tensors: Sequence[Tensor], *dtypes: DType) -> bool:
    """True where all tensors are integers of one of ``dtypes`` that stand for themselves, without a scale."""
    first = tensors[0].dtype
    return first in dtypes and all(t.dtype is first and quantization_facts(t.quantization) is None for t in tensors)


ABSENT = number("absent")
"""What the padding of a pooling counts as: nothing."""
