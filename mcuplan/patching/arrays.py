"""Row arithmetic over all strips of a stage at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcuplan.patching.maps import AxisMap

Ints: TypeAlias = NDArray[np.int64]
"""One number a strip."""


class RowMap:
    """An :class:`AxisMap` for arrays of spans: span ``i`` is ``[begin[i], end[i])``."""

    def __init__(self, source: AxisMap) -> None:
        low, high = source.envelope()
        self._low = np.array((*low, source.input), dtype=np.int64)
        self._high = np.array((0, *high), dtype=np.int64)
        self.identity = low == tuple(range(source.input)) and high == tuple(range(1, source.input + 1))

    def needs(self, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
        """The input spans that output spans read; empty spans (begin = end) for empty ones."""
        low, high = self._low[begin], self._high[end]
        something = (begin < end) & (low < high)
        return np.where(something, low, high), high

    def reached(self, end: Ints) -> Ints:
        """How far the input must be there for outputs ``[0, end)``."""
        reached: Ints = self._high[end]
        return reached


@lru_cache(1024)
def row_map(source: AxisMap) -> RowMap:
    """The map for arrays, made once."""
    return RowMap(source)


def strip_ends(size: int, height: int) -> Ints:
    """Where strips of ``height`` rows end; the last may be shorter."""
    ends = np.arange(height, size + height, height, dtype=np.int64)
    return np.minimum(ends, size)


def begins(ends: Ints) -> Ints:
    """Where consecutive spans begin that end at ``ends``, the first at 0."""
    return np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1]))
