"""TFLM's greedy planner, replayed: the offsets that ``GreedyMemoryPlanner`` gives.

Source: micro/memory_planner/greedy_memory_planner.cc, ``CalculateOffsetsIfNeeded``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.frozen import quick


@quick
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
    placed = _Placed(requirements)
    for i in (*fixed, *free):
        need = requirements[i]
        at = need.offset if need.offset is not None else placed.lowest_gap(need)
        offsets[i] = at
        placed.add(need, at)
    return offsets


_MANY = 8
"""A buffer that lives for so great a part of as many steps as there are buffers meets most of them."""


class _Placed:
    """Placed buffers as ``(begin, end)``, found by the time in which they live.

    Each stands, by its begin, in the few nodes of a segment tree over time that make up its life, and at its first
    step. Looking up what lives together with a buffer costs as much as there is, not as much as has been placed.
    """

    def __init__(self, requirements: Sequence[Requirement]) -> None:
        steps = max((r.last for r in requirements), default=0) + 2  # buffers that nothing touches live at -1
        self.leaves = 1 << steps.bit_length()
        self.nodes: dict[int, list[tuple[int, int]]] = {}
        self.first: dict[int, list[tuple[int, int]]] = {}
        self.searched: dict[tuple[int, int, int], int] = {}
        self.every: list[tuple[int, int, int, int]] = []

    def add(self, need: Requirement, at: int) -> None:
        """Remember that a buffer lies at ``at``."""
        span = (at, at + need.size)
        insort(self.every, (*span, need.first, need.last))
        insort(self.first.setdefault(need.first, []), span)
        low, high = need.first + 1 + self.leaves, need.last + 2 + self.leaves
        while low < high:
            if low & 1:
                insort(self.nodes.setdefault(low, []), span)
                low += 1
            if high & 1:
                high -= 1
                insort(self.nodes.setdefault(high, []), span)
            low, high = low >> 1, high >> 1

    def _together(self, need: Requirement, begin: int | None) -> list[tuple[int, int]]:
        """What lives at the same time and begins at ``begin`` (None: anywhere) or above, by its begin."""
        lists: list[Sequence[tuple[int, int]]] = []
        node = need.first + 1 + self.leaves
        while node:
            lists.append(self.nodes.get(node, ()))
            node >>= 1
        later = range(need.first + 1, need.last + 1)
        steps = later if len(later) <= len(self.first) else [step for step in self.first if step in later]
        lists.extend(self.first.get(step, ()) for step in steps)
        found: list[tuple[int, int]] = []
        for spans in lists:
            found += spans if begin is None else spans[bisect_left(spans, (begin, 0)) :]
        found.sort()
        return found

    def lowest_gap(self, need: Requirement) -> int:
        """The lowest place where the buffer fits.

        Where another of the same size and life was placed before, everything below it is too narrow still.
        """
        key = (need.first, need.last, need.size)
        before = self.searched.get(key)
        if before is None and _MANY * (need.last - need.first) > len(self.every):
            at = self._above(need)
        else:
            at, size = before or 0, need.size
            for begin, end in self._together(need, before):
                if begin - at >= size:
                    break
                if end > at:
                    at = end
        self.searched[key] = at
        return at

    def _above(self, need: Requirement) -> int:
        """The lowest place of a buffer that lives so long that looking at all others is quickest."""
        at, size, first, last = 0, need.size, need.first, need.last
        for begin, end, since, until in self.every:
            if since <= last and first <= until:
                if begin - at >= size:
                    break
                if end > at:
                    at = end
        return at


class Replay:
    """:func:`greedy_offsets` again and again, the same buffers without a fixed offset, others fixed elsewhere.

    Parameters
    ----------
    requirements
        All buffers; those with an offset are fixed, wherever it is.
    """

    def __init__(self, requirements: Sequence[Requirement]) -> None:
        self._requirements = requirements
        free = [i for i, r in enumerate(requirements) if r.offset is None]
        free.sort(key=lambda i: (-requirements[i].size, -i))
        before: list[int] = [i for i, r in enumerate(requirements) if r.offset is not None]
        self._company: list[tuple[int, list[int]]] = []
        for i in free:
            r = requirements[i]
            together = [
                k for k in before if requirements[k].first <= r.last and r.first <= requirements[k].last
            ]  # fmt: skip
            self._company.append((i, together))
            before.append(i)

    def offsets(self, fixed: Sequence[int]) -> list[int]:
        """The offset of each buffer; ``fixed`` holds those of the fixed ones, at their numbers."""
        found = list(fixed)
        sizes = [r.size for r in self._requirements]
        for i, together in self._company:
            at, size = 0, sizes[i]
            for begin, k in sorted((found[k], k) for k in together):
                if begin - at >= size:
                    break
                at = max(at, begin + sizes[k])
            found[i] = at
        return found
