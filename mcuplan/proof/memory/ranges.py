"""Ranges of bytes of a dense array, as loops over its axes come by them: parts of one axis, boxes, rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcuplan.operators import OperatorCall, TensorFacts, constant_values

Numbers = Mapping[int, tuple[int, ...]]
"""Values of integer inputs that are known although they are no constants, by position: a loop's counters."""


def item_bytes(tensor: TensorFacts) -> int:
    """Bytes of one element in memory."""
    bits = tensor.tensor.dtype.bits if tensor.tensor else None
    if bits is None:
        raise TypeError("elements without a size")
    return max(bits // 8, 1)


def outer_inner(whole: TensorFacts, axis: int) -> tuple[int, int, int] | None:
    """The positive axis, elements before it and elements behind it."""
    if axis < 0:
        axis += whole.rank
    if not 0 <= axis < whole.rank:
        return None
    return axis, math.prod(whole.dims[:axis]), math.prod(whole.dims[axis + 1 :])


def sliced(facts: OperatorCall, known: Numbers) -> tuple[tuple[int, int], ...] | None:
    """First element and number of elements along each axis that a SLICE or unit-stride STRIDED_SLICE reads.

    Source: lite/kernels/internal/reference/slice.h; lite/kernels/internal/strided_slice_logic.h, ``StartForAxis`` and
    ``StopForAxis``.
    """
    x, y = facts.inputs[0], facts.outputs[0]
    begin = known_values(facts, 1, known)
    if begin is None or len(begin) != x.rank:
        return None
    if facts.operator.name == "SLICE":
        size = known_values(facts, 2, known)
        if size is None or len(size) != x.rank:
            return None
        found = [(b, n - b if s == -1 else s) for b, s, n in zip(begin, size, x.dims, strict=True)]
    else:
        options = facts.options
        end, strides = known_values(facts, 2, known), known_values(facts, 3, known)
        if end is None or len(end) != x.rank or strides != (1,) * x.rank:
            return None
        if options.ellipsis_mask or options.new_axis_mask or options.offset:
            return None
        masks = options.begin_mask, options.end_mask, options.shrink_axis_mask
        found = [_strided(begin[i], end[i], n, *(mask >> i & 1 for mask in masks)) for i, n in enumerate(x.dims)]
    inside = all(b >= 0 and count > 0 and b + count <= n for (b, count), n in zip(found, x.dims, strict=True))
    return tuple(found) if inside and math.prod(count for _, count in found) == y.elements else None


def _strided(start: int, stop: int, size: int, begin_masked: int, end_masked: int, shrinks: int) -> tuple[int, int]:
    first = 0 if begin_masked else min(max(start + (size if start < 0 else 0), 0), size)
    if shrinks:
        return first, 1
    last = size if end_masked else min(max(stop + (size if stop < 0 else 0), 0), size)
    return first, last - first


def known_values(facts: OperatorCall, position: int, known: Numbers) -> tuple[int, ...] | None:
    """The integers of the input at ``position``, where they are ``known`` or constant."""
    if position in known:
        return known[position]
    tensor = facts.inputs[position].tensor if position < len(facts.inputs) else None
    return constant_values(facts.graph, tensor) if tensor else None


@dataclass(frozen=True, slots=True)
class Runs(Sequence[tuple[int, int]]):
    """Byte ranges ``(begin, length)``, ascending: one for each index of ``counts``, ``strides`` bytes apart."""

    first: int
    length: int
    counts: tuple[int, ...]
    strides: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __getitem__(self, index: Any) -> Any:
        rest = range(len(self))[index]
        at = self.first
        for count, stride in zip(reversed(self.counts), reversed(self.strides), strict=True):
            rest, here = divmod(rest, count)
            at += here * stride
        return at, self.length


def runs_of(ranges: tuple[tuple[int, int], ...], dims: tuple[int, ...], item: int) -> Runs:
    """The ranges of a box inside an array; what lies side by side is one of them."""
    whole = len(dims)
    while whole and ranges[whole - 1] == (0, dims[whole - 1]):
        whole -= 1
    outer = max(whole - 1, 0)
    inner = math.prod(dims[outer + 1 :]) * item
    strides = tuple(math.prod(dims[axis + 1 :]) * item for axis in range(outer))
    first = sum(ranges[axis][0] * stride for axis, stride in enumerate(strides))
    if dims:
        first += ranges[outer][0] * inner
    return Runs(first, (ranges[outer][1] if dims else 1) * inner, tuple(n for _, n in ranges[:outer]), strides)
