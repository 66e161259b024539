"""Bytes below which no placement gets."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from mcuplan.deadline import Deadline
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


def timeline_bound(timeline: Timeline, deadline: Deadline | None = None) -> int:
    """The :func:`lower_bound` of the problem that ``timeline`` was made of; less of it where the time is up."""
    bound = max(((b.offset or 0) + b.size for b in timeline.buffers if b.size), default=0)
    bound = max(bound, max(timeline.totals, default=0))
    granule = timeline.granule()
    if granule > 1:
        bound = max(bound, _granule_bound(timeline, granule))
    if any(b.offset is not None for b in timeline.buffers):
        bound = max(bound, _around_fixed(timeline, deadline or Deadline()))
    return bound


def _granule_bound(timeline: Timeline, granule: int) -> int:
    """The most granules in use in a slot; of the topmost one, only as much as the least full one there holds."""
    ends = [
        (first, last, min((end - 1) % granule + 1 for _, end in part.ranges))
        for life, spans in zip(timeline.slices, timeline.spans, strict=True)
        for part, (first, last) in zip(life, spans, strict=True)
    ]
    tails = timeline.least(ends, granule)
    counts = timeline.granules(granule)
    return max(((n - 1) * granule + tail for n, tail in zip(counts, tails, strict=True) if n), default=0)


def _around_fixed(timeline: Timeline, deadline: Deadline) -> int:
    """The most that a slot needs when the bytes of fixed buffers are taken and gaps too small for others are lost."""
    free: list[tuple[int, int, int]] = []
    used: list[list[int]] = []
    come: list[list[Interval]] = [[] for _ in timeline.slots]
    gone: list[list[Interval]] = [[] for _ in (*timeline.slots, None)]
    for buffer, life, spans in zip(timeline.buffers, timeline.slices, timeline.spans, strict=True):
        used.append([part.used if buffer.offset is None else 0 for part in life])
        for part, (first, last) in zip(life, spans, strict=True):
            if buffer.offset is None:
                free.append((first, last, min(end - begin for begin, end in part.ranges)))
            else:
                here = [(buffer.offset + begin, buffer.offset + end) for begin, end in part.ranges]
                come[first] += here
                gone[last] += here
    needed, least = timeline.summed(used), timeline.least(free, 0)
    bound = 0
    taken: list[Interval] = []
    for slot, (begun, over) in enumerate(zip(come, gone, strict=False)):
        for interval in over:
            del taken[bisect_left(taken, interval)]
        for interval in begun:
            insort(taken, interval)
        if taken and not deadline.late():
            bound = max(bound, _top(taken, needed[slot], least[slot]))
    return bound


def _top(taken: Sequence[Interval], needed: int, least: int) -> int:
    """The lowest address under which ``needed`` bytes fit beside ``taken`` (ascending), in gaps of ``least`` or up."""
    at = 0
    for begin, end in taken:
        gap = begin - at
        if gap >= least:
            if gap >= needed:
                return max(at + needed, max(e for _, e in taken))
            needed -= gap
        at = max(at, end)
    return at + needed
