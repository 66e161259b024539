"""Which bytes of a buffer are in use when, and which distances between two buffers that forbids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from mcuplan.memory.problem import Buffer

Interval = tuple[int, int]


class Slice(NamedTuple):
    """Some steps of a buffer's life during which the same bytes of it are in use."""

    lower: int  # first step
    upper: int  # step behind the last
    ranges: tuple[Interval, ...]  # [begin, end) bytes in use: ascending, apart, none empty

    @property
    def used(self) -> int:
        """Bytes in use."""
        return sum(end - begin for begin, end in self.ranges)


def union(intervals: Iterable[Interval], *, join_touching: bool) -> list[Interval]:
    """Ascending intervals, apart from one another, that cover what the given ones cover."""
    joined: list[Interval] = []
    for begin, end in sorted(intervals):
        if joined and (begin < joined[-1][1] or (join_touching and begin == joined[-1][1])):
            if end > joined[-1][1]:
                joined[-1] = joined[-1][0], end
        else:
            joined.append((begin, end))
    return joined


def slices(buffer: Buffer) -> tuple[Slice, ...]:
    """The buffer's life in time order, cut where the bytes in use change; steps without any are left out."""
    pieces = buffer.pieces()
    if len(pieces) <= 1:
        return tuple(Slice(p.lower, p.upper, ((p.begin, p.end),)) for p in pieces)
    found: list[Slice] = []
    for lower, upper in pairwise(sorted({t for p in pieces for t in (p.lower, p.upper)})):
        here = [(p.begin, p.end) for p in pieces if p.lower <= lower and upper <= p.upper]
        ranges = tuple(union(here, join_touching=True))
        if not ranges:
            continue
        if found and found[-1].upper == lower and found[-1].ranges == ranges:
            found[-1] = Slice(found[-1].lower, upper, ranges)
        else:
            found.append(Slice(lower, upper, ranges))
    return tuple(found)


def forbidden(first: Sequence[Slice], second: Sequence[Slice]) -> list[Interval]:
    """Differences ``offset(second) - offset(first)`` at which the two buffers would share a byte.

    Returned as ascending *open* intervals, apart from one another. Two plain buffers of s and t bytes that are live
    at one step give ``[(-t, s)]``; buffers with windows can have several, with allowed differences in between.
    """
    found: set[Interval] = set()
    i = j = 0
    while i < len(first) and j < len(second):
        p, q = first[i], second[j]
        if p.lower < q.upper and q.lower < p.upper:
            found.update((b - d, e - c) for b, e in p.ranges for c, d in q.ranges)
        if p.upper <= q.upper:
            i += 1
        else:
            j += 1
    return union(found, join_touching=False)
