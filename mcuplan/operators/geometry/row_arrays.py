"""Row arithmetic over all strips of a stage at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcuplan.operators.geometry.axis_maps import AxisMap

Ints: TypeAlias = NDArray[np.int64]
"""One number a strip."""


class RowMap:
    """An :class:`AxisMap` for arrays of spans: span ``i`` is ``[begin[i], end[i])``.

    Nearly every map only ever moves forwards, so that the ends of a span tell what it reads. Windows with more dilation
    than padding start further in at the border than next to it: for them a table holds every span.
    """

    def __init__(self, source: AxisMap) -> None:
        low, high = source.envelope()
        self._table = None if source.moves_forwards else _every_span(source)
        self._low = np.array((*low, source.input), dtype=np.int64)
        self._high = np.array((0, *high), dtype=np.int64)
        self.identity = low == tuple(range(source.input)) and high == tuple(range(1, source.input + 1))

    def needs(self, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
        """The input spans that output spans read; empty spans (begin = end) for empty ones."""
        if self._table is None:
            low, high = self._low[begin], self._high[end]
        else:
            low, high = self._table[0][begin, end], self._table[1][begin, end]
        something = (begin < end) & (low < high)
        return np.where(something, low, high), high

    def reached(self, end: Ints) -> Ints:
        """How far the input must be there for outputs ``[0, end)``."""
        reached: Ints = self._high[end]
        return reached


def _every_span(source: AxisMap) -> tuple[Ints, Ints]:
    """Where what outputs ``[b, e)`` read begins and ends, at ``[b, e]``; only entries with b < e mean something."""
    size = source.output + 1
    low = np.array([lo if lo < hi else source.input for lo, hi in zip(source.low, source.high, strict=True)], np.int64)
    high = np.array([hi if lo < hi else 0 for lo, hi in zip(source.low, source.high, strict=True)], np.int64)
    inside = np.arange(source.output)[None, :] >= np.arange(size)[:, None]
    lows = np.full((size, size), source.input, np.int64)
    highs = np.zeros((size, size), np.int64)
    lows[:, 1:] = np.minimum.accumulate(np.where(inside, low[None, :], source.input), axis=1)
    highs[:, 1:] = np.maximum.accumulate(np.where(inside, high[None, :], 0), axis=1)
    return lows, highs


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
