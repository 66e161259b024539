"""TFLM's greedy planner, replayed: the offsets that ``GreedyMemoryPlanner`` gives.

Source: micro/memory_planner/greedy_memory_planner.cc, ``CalculateOffsetsIfNeeded``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requirement:
    """A buffer to place: ``size`` bytes over the closed time steps ``[first, last]``, at ``offset`` if not None."""

    size: int
    first: int
    last: int
    offset: int | None = None


def greedy_offsets(requirements: Sequence[Requirement]) -> list[int]:
    """The offset of each buffer, as TFLM's greedy planner finds it.

    Buffers with a fixed offset are taken as they are, overlapping or not. The others follow in order of falling
    size (of equal sizes the later buffer first) and each takes the lowest gap between the already placed buffers
    that are live at the same time, or the place above them.

    Examples
    --------
    >>> greedy_offsets([Requirement(16, 0, 1), Requirement(32, 1, 2), Requirement(16, 2, 2)])
    [32, 0, 32]
    """
    fixed = [i for i, r in enumerate(requirements) if r.offset is not None]
    free = [i for i, r in enumerate(requirements) if r.offset is None]
    free.sort(key=lambda i: (-requirements[i].size, -i))
    offsets = [0] * len(requirements)
    starts: list[int] = []  # offsets of placed buffers, ascending
    placed: list[tuple[int, int, int, int]] = []  # (first, last, offset, end) in the same order
    for i in (*fixed, *free):
        need = requirements[i]
        if need.offset is not None:
            at = need.offset
        else:
            at = 0
            first_step, last_step, size = need.first, need.last, need.size
            for first, last, begin, end in placed:
                if first > last_step or first_step > last:
                    continue
                if begin - at >= size:
                    break
                if end > at:
                    at = end
        offsets[i] = at
        position = bisect_right(starts, at)
        starts.insert(position, at)
        placed.insert(position, (need.first, need.last, at, at + need.size))
    return offsets
