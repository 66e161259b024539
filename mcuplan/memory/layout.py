"""Which buffers can meet, and where one may lie once others do: what every allocator asks again and again."""

from __future__ import annotations

from collections.abc import Sequence

from mcuplan.memory.problem import AllocationError, Buffer, shown
from mcuplan.memory.timeline import Timeline
from mcuplan.memory.usage import Interval, forbidden

Offsets = list[int]
"""Offsets in bytes, by the number of the buffer in its layout."""

UNPLACED = -1
"""Stands for an offset that is not chosen yet."""


class Layout:
    """Buffers by number, and the distances between each two of them at which they would meet.

    ``neighbours[i]`` holds for every buffer ``k`` that can meet buffer ``i`` entries ``(k, low, high)``: the
    difference ``offset(i) - offset(k)`` must not lie strictly between ``low`` and ``high``.

    Raises
    ------
    AllocationError
        Where two buffers whose places are fixed meet.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.buffers: Sequence[Buffer] = timeline.buffers
        self.sizes = [b.size for b in self.buffers]
        self.alignments = [b.alignment for b in self.buffers]
        self.fixed = [i for i, b in enumerate(self.buffers) if b.offset is not None]
        self.neighbours: list[list[tuple[int, int, int]]] = [[] for _ in self.buffers]
        self._pair_up()
        self._check_fixed()

    def _pair_up(self) -> None:
        lives = self.timeline.slices
        plain = [len(life) == 1 and life[0].ranges == ((0, s),) for life, s in zip(lives, self.sizes, strict=True)]
        live: list[int] = []
        for i in sorted((i for i, life in enumerate(lives) if life), key=lambda i: lives[i][0].lower):
            now = lives[i][0].lower
            live = [k for k in live if lives[k][-1].upper > now]
            for k in live:
                gaps = [(-self.sizes[i], self.sizes[k])] if plain[i] and plain[k] else forbidden(lives[k], lives[i])
                for low, high in gaps:
                    self.neighbours[i].append((k, low, high))
                    self.neighbours[k].append((i, -high, -low))
            live.append(i)

    def _check_fixed(self) -> None:
        offsets = self.start()
        for i in self.fixed:
            for k, low, high in self.neighbours[i]:
                if offsets[k] != UNPLACED and low < offsets[i] - offsets[k] < high:
                    a, b = shown(self.buffers[min(i, k)].id), shown(self.buffers[max(i, k)].id)
                    raise AllocationError(f"buffers {a} and {b} are fixed where they overlap")

    def start(self) -> Offsets:
        """Offsets with only the fixed buffers placed."""
        return [UNPLACED if b.offset is None else b.offset for b in self.buffers]

    def height(self, offsets: Offsets) -> int:
        """The end of the highest buffer; empty ones do not count."""
        return max((at + size for at, size in zip(offsets, self.sizes, strict=True) if size), default=0)

    def taken(self, i: int, offsets: Offsets) -> list[Interval]:
        """Open intervals of offsets at which buffer ``i`` would meet one that is placed, ascending."""
        found = []
        for k, low, high in self.neighbours[i]:
            at = offsets[k]
            if at != UNPLACED:
                found.append((at + low, at + high))
        found.sort()
        return found

    def first_fit(self, i: int, offsets: Offsets) -> int:
        """The lowest offset at which buffer ``i`` meets no placed one."""
        align = self.alignments[i]
        at = 0
        for low, high in self.taken(i, offsets):
            if low >= at:
                break
            if high > at:
                at = high if align == 1 else -(-high // align) * align
        return at

    def best_fit(self, i: int, offsets: Offsets) -> int:
        """The offset in the gap that buffer ``i`` fills best; above all others where it fits in none."""
        align = self.alignments[i]
        at, best, least = 0, UNPLACED, 0
        for low, high in self.taken(i, offsets):
            if low >= at and (best == UNPLACED or low - at < least):
                best, least = at, low - at
            if high > at:
                at = -(-high // align) * align
        return at if best == UNPLACED else best
