"""Bytes below which no placement gets."""

from __future__ import annotations

from collections.abc import Sequence

from mcuplan.memory.problem import Problem
from mcuplan.memory.timeline import Timeline
from mcuplan.memory.usage import Interval


def lower_bound(problem: Problem) -> int:
    """Bytes that every placement of ``problem`` needs.

    The greatest of: the most bytes in use at one step (as far as windows leave them in use, and with the gaps that
    alignment forces between buffers); what a step needs around the buffers whose place is fixed there; the end of
    each fixed buffer; the size of each buffer.

    Examples
    --------
    >>> from mcuplan.memory import Buffer
    >>> lower_bound(Problem((Buffer("a", 4, 0, 2), Buffer("b", 4, 1, 3))))
    8
    >>> lower_bound(Problem((Buffer("a", 5, 0, 2, alignment=4), Buffer("b", 5, 1, 3, alignment=4))))
    13
    """
    return timeline_bound(Timeline(problem.buffers))


def timeline_bound(timeline: Timeline) -> int:
    """The :func:`lower_bound` of the problem that ``timeline`` was made of."""
    bound = max(((b.offset or 0) + b.size for b in timeline.buffers if b.size), default=0)
    bound = max(bound, max(timeline.totals, default=0))
    granule = timeline.granule()
    if granule > 1:
        bound = max(bound, _granule_bound(timeline, granule))
    if any(b.offset is not None for b in timeline.buffers):
        bound = max(bound, _around_fixed(timeline))
    return bound


def _granule_bound(timeline: Timeline, granule: int) -> int:
    """The most granules in use in a slot; of the topmost one, only as much as the least full one there holds."""
    tails = [granule] * len(timeline.slots)
    for life, spans in zip(timeline.slices, timeline.spans, strict=True):
        for part, (first, last) in zip(life, spans, strict=True):
            tail = min((end - 1) % granule + 1 for _, end in part.ranges)
            if tail < granule:
                tails[first:last] = [min(tail, t) for t in tails[first:last]]
    counts = timeline.granules(granule)
    return max(((n - 1) * granule + tail for n, tail in zip(counts, tails, strict=True) if n), default=0)


def _around_fixed(timeline: Timeline) -> int:
    """The most that a slot needs when the bytes of fixed buffers are taken and gaps too small for others are lost."""
    taken: list[list[Interval]] = [[] for _ in timeline.slots]
    needed = [0] * len(timeline.slots)
    least = [0] * len(timeline.slots)
    for buffer, life, spans in zip(timeline.buffers, timeline.slices, timeline.spans, strict=True):
        for part, (first, last) in zip(life, spans, strict=True):
            for slot in range(first, last):
                if buffer.offset is not None:
                    taken[slot] += [(buffer.offset + begin, buffer.offset + end) for begin, end in part.ranges]
                else:
                    needed[slot] += part.used
                    smallest = min(end - begin for begin, end in part.ranges)
                    least[slot] = min(least[slot] or smallest, smallest)
    return max((_top(t, n, s) for t, n, s in zip(taken, needed, least, strict=True)), default=0)


def _top(taken: Sequence[Interval], needed: int, least: int) -> int:
    """The lowest address under which ``needed`` bytes fit beside ``taken``, in gaps of at least ``least`` bytes."""
    at = 0
    for begin, end in sorted(taken):
        gap = begin - at
        if gap >= least:
            if gap >= needed:
                return max(at + needed, max(e for _, e in taken))
            needed -= gap
        at = max(at, end)
    return at + needed
