"""Which buffers can meet, and at which distances: what every allocator asks again and again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence

from mcuplan.deadline import Deadline
from mcuplan.memory.problem import AllocationError, Buffer, shown
from mcuplan.memory.timeline import Timeline
from mcuplan.memory.usage import Interval, forbidden

Offsets = list[int]
"""Offsets in bytes, by the number of the buffer in its layout."""

UNPLACED = -1
"""Stands for an offset that is not chosen yet."""

Row = Sequence[tuple[int, int, int]]
"""For every buffer ``k`` that can meet a buffer ``i`` entries ``(k, low, high)``: the difference ``offset(i) -
offset(k)`` must not lie strictly between ``low`` and ``high``."""

ROOM = 150_000
"""Pairs that are kept: with what the exact search makes of them some 50 MB. Of more, rows are worked out when asked."""


class Layout:
    """Buffers by number, and the distances between each two of them at which they would meet.

    ``pairs`` counts the buffers that are live together, two by two; ``small`` tells that they are kept.

    Raises
    ------
    AllocationError
        Where two buffers whose places are fixed meet.
    """

    def __init__(self, timeline: Timeline, deadline: Deadline | None = None) -> None:
        self.timeline = timeline
        self.deadline = deadline or Deadline()
        self.buffers: Sequence[Buffer] = timeline.buffers
        self.sizes = [b.size for b in self.buffers]
        self.alignments = [b.alignment for b in self.buffers]
        self.fixed = [i for i, b in enumerate(self.buffers) if b.offset is not None]
        self.plain = [
            len(life) == 1 and life[0].ranges == ((0, size),)
            for life, size in zip(timeline.slices, self.sizes, strict=True)
        ]
        self._below = [-size for size in self.sizes]
        self._by_start = sorted(
            (i for i, life in enumerate(timeline.slices) if life), key=lambda i: timeline.slices[i][0].lower
        )
        self._starts = [timeline.slices[i][0].lower for i in self._by_start]
        self._ends = sorted(timeline.slices[i][-1].upper for i in self._by_start)
        self.pairs = sum(self._company(i) for i in self._by_start) // 2
        self.small = self.pairs <= ROOM
        self._kept: list[list[tuple[int, int, int]]] | None = None
        self._check_fixed()

    # -- who can meet whom -------------------------------------------------------------------------------------------

    def _company(self, i: int) -> int:
        """How many others are live at some time of a buffer's life, idle steps included."""
        life = self.timeline.slices[i]
        return bisect_left(self._starts, life[-1].upper) - bisect_right(self._ends, life[0].lower) - 1

    def row(self, i: int) -> Row:
        """Whom buffer ``i`` can meet, by the beginning of their lives."""
        if not self.small:
            return list(self._row(i))
        if self._kept is None:
            self._kept = self._paired_up()
        return self._kept[i]

    def degree(self, i: int) -> int:
        """How many entries a buffer's row has (of large layouts: how many buffers are live together with it)."""
        if self.small:
            return len(self.row(i))
        return self._company(i) if self.timeline.slices[i] else 0

    def _row(self, i: int) -> Iterator[tuple[int, int, int]]:
        self.deadline.check()
        lives = self.timeline.slices
        if not lives[i]:
            return
        begin, end = lives[i][0].lower, lives[i][-1].upper
        for k in self._by_start[: bisect_left(self._starts, end)]:
            if k != i and lives[k][-1].upper > begin:
                for low, high in self._gaps(k, i):
                    yield k, low, high

    def _gaps(self, k: int, i: int) -> Iterable[Interval]:
        if self.plain[i] and self.plain[k]:
            return ((self._below[i], self.sizes[k]),)
        return forbidden(self.timeline.slices[k], self.timeline.slices[i])

    def _paired_up(self) -> list[list[tuple[int, int, int]]]:
        lives = self.timeline.slices
        rows: list[list[tuple[int, int, int]]] = [[] for _ in self.buffers]
        live: list[int] = []
        for i in self._by_start:
            self.deadline.check()
            now = lives[i][0].lower
            live = [k for k in live if lives[k][-1].upper > now]
            for k in live:
                if self.plain[i] and self.plain[k]:
                    rows[i].append((k, self._below[i], self.sizes[k]))
                    rows[k].append((i, self._below[k], self.sizes[i]))
                else:
                    for low, high in forbidden(lives[k], lives[i]):
                        rows[i].append((k, low, high))
                        rows[k].append((i, -high, -low))
            live.append(i)
        return rows

    # -- fixed buffers -----------------------------------------------------------------------------------------------

    def _check_fixed(self) -> None:
        """Sweep over time: of fixed buffers in use at once, each ends before the next one begins."""
        changes: list[tuple[int, bool, int, int, int]] = []
        for i in self.fixed:
            at = self.buffers[i].offset or 0
            for part in self.timeline.slices[i]:
                for begin, end in part.ranges:
                    changes.append((part.lower, True, at + begin, at + end, i))
                    changes.append((part.upper, False, at + begin, at + end, i))
        here: list[tuple[int, int, int]] = []
        for _, starts, begin, end, i in sorted(changes):
            entry = begin, end, i
            if not starts:
                here.remove(entry)
                continue
            place = bisect_left(here, entry)
            for _, _, k in (*(r for r in here[max(place - 1, 0) : place] if r[1] > begin),
                            *(r for r in here[place : place + 1] if r[0] < end)):  # fmt: skip
                a, b = shown(self.buffers[min(i, k)].id), shown(self.buffers[max(i, k)].id)
                raise AllocationError(f"buffers {a} and {b} are fixed where they overlap")
            insort(here, entry)

    def start(self) -> Offsets:
        """Offsets with only the fixed buffers placed."""
        return [UNPLACED if b.offset is None else b.offset for b in self.buffers]

    def height(self, offsets: Offsets) -> int:
        """The end of the highest buffer; empty ones do not count."""
        return max((at + size for at, size in zip(offsets, self.sizes, strict=True) if size), default=0)

    def stacked(self) -> Offsets:
        """Every buffer above all others: a placement that takes no time, for want of a better one."""
        offsets = self.start()
        top = max((at + size for at, size in zip(offsets, self.sizes, strict=True) if at != UNPLACED), default=0)
        for i, at in enumerate(offsets):
            if at == UNPLACED:
                offsets[i] = -(-top // self.alignments[i]) * self.alignments[i]
                top = offsets[i] + self.sizes[i]
        return offsets

    # -- where there is room -----------------------------------------------------------------------------------------

    def shelf(self) -> Shelf:
        """The fixed buffers in their places, and room for the others."""
        return Shelf(self) if self.small or not all(self.plain) else PlainShelf(self)


class Shelf:
    """Buffers as they are put down, one by one; ``offsets`` has UNPLACED for those to come."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.offsets = layout.start()

    def put(self, i: int, at: int) -> None:
        """Buffer ``i`` lies at ``at`` from now on."""
        self.offsets[i] = at

    def taken(self, i: int) -> Iterable[Interval]:
        """Open intervals of offsets at which buffer ``i`` would meet one that was put down, ascending."""
        offsets, found = self.offsets, []
        for k, low, high in self.layout.row(i):
            at = offsets[k]
            if at != UNPLACED:
                found.append((at + low, at + high))
        found.sort()
        return found


class PlainShelf(Shelf):
    """Of buffers without windows, kept by their offsets: pairs are told when they are met."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._lying: list[tuple[int, int, int, int]] = []  # (begin, end, first step, step behind the last)
        for i in layout.fixed:
            self.put(i, self.offsets[i])

    def put(self, i: int, at: int) -> None:
        """Buffer ``i`` lies at ``at`` from now on."""
        super().put(i, at)
        b = self.layout.buffers[i]
        insort(self._lying, (at, at + b.size, b.lower, b.upper))

    def taken(self, i: int) -> Iterator[Interval]:
        """Open intervals of offsets at which buffer ``i`` would meet one that was put down, ascending."""
        b = self.layout.buffers[i]
        first, last, size = b.lower, b.upper, b.size
        for begin, end, lower, upper in self._lying:
            if lower < last and first < upper:
                yield begin - size, end


def first_fit(taken: Iterable[Interval], align: int) -> int:
    """The lowest multiple of ``align`` in none of the open intervals ``taken``, which ascend."""
    at = 0
    for low, high in taken:
        if low >= at:
            break
        if high > at:
            at = high if align == 1 else -(-high // align) * align
    return at


def best_fit(taken: Iterable[Interval], align: int) -> int:
    """The offset in the gap with the least to spare; above all ``taken`` where it fits in none."""
    at, best, least = 0, UNPLACED, 0
    for low, high in taken:
        if low >= at and (best == UNPLACED or low - at < least):
            best, least = at, low - at
        if high > at:
            at = -(-high // align) * align
    return at if best == UNPLACED else best
