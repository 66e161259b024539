"""The buffers of a problem over time: the steps cut into slots in which nothing changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import gcd

from mcuplan.memory.problem import Buffer
from mcuplan.memory.usage import Slice, slices


class Timeline:
    """What is in use in each slot, a slot being a longest run of steps in which no buffer's use changes.

    Attributes
    ----------
    buffers
        As given; the other lists follow their order.
    slices
        Each buffer's life, cut where the bytes in use change.
    slots
        The steps ``[lower, upper)`` of each slot, in time order.
    spans
        For each buffer and each of its slices the slots ``[first, last)`` that the slice lasts.
    totals
        Bytes in use in each slot.
    """

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self.buffers = buffers
        self.slices: list[tuple[Slice, ...]] = [slices(b) for b in buffers]
        times = sorted({t for life in self.slices for s in life for t in (s.lower, s.upper)})
        index = {t: i for i, t in enumerate(times)}
        self.slots: list[tuple[int, int]] = list(pairwise(times))
        self.spans: list[list[tuple[int, int]]] = [
            [(index[s.lower], index[s.upper]) for s in life] for life in self.slices
        ]
        self.totals = self.summed([[s.used for s in life] for life in self.slices])

    def summed(self, amounts: Sequence[Sequence[int]]) -> list[int]:
        """Per slot, the sum of an amount of each slice that lasts there."""
        changes = [0] * (len(self.slots) + 1)
        for spans, parts in zip(self.spans, amounts, strict=True):
            for (first, last), amount in zip(spans, parts, strict=True):
                changes[first] += amount
                changes[last] -= amount
        total, sums = 0, []
        for change in changes[:-1]:
            total += change
            sums.append(total)
        return sums

    def least(self, amounts: Iterable[tuple[int, int, int]], otherwise: int) -> list[int]:
        """Per slot the least of the amounts ``(first, last, amount)`` of slots ``[first, last)``."""
        found = [otherwise] * len(self.slots)
        onward = list(range(len(self.slots) + 1))  # where to look for the next slot without an amount
        for first, last, amount in sorted(amounts, key=lambda row: row[2]):
            slot = _next(onward, first)
            while slot < last:
                found[slot] = amount
                onward[slot] = slot + 1
                slot = _next(onward, slot)
        return found

    def busiest(self) -> list[int]:
        """For each buffer the most bytes in use in a slot of its life; 0 where it has none."""
        # levels[k][i] is the most of the 2 ** k slots from i on: two of them cover any life.
        levels = [self.totals]
        while len(levels[-1]) > 1 << (len(levels) - 1):
            reach = 1 << (len(levels) - 1)
            levels.append(list(map(max, levels[-1], levels[-1][reach:])))
        found = []
        for spans in self.spans:
            if not spans:
                found.append(0)
                continue
            first, last = spans[0][0], spans[-1][1]
            k = (last - first).bit_length() - 1
            found.append(max(levels[k][first], levels[k][last - (1 << k)]))
        return found

    def slot_counts(self) -> list[int]:
        """For each buffer how many slots its life spans: time with the idle steps taken out."""
        return [spans[-1][1] - spans[0][0] if spans else 0 for spans in self.spans]

    def granule(self) -> int:
        """Bytes that divide the offset of every buffer in every placement."""
        step = 0
        for buffer, life in zip(self.buffers, self.slices, strict=True):
            if life:
                step = gcd(step, buffer.alignment if buffer.offset is None else gcd(buffer.offset, buffer.alignment))
                if step == 1:
                    return 1
        return step or 1

    def granules(self, granule: int) -> list[int]:
        """Per slot, how many granules have their first byte in use, wherever the buffers lie.

        With every offset a multiple of the granule, no two buffers can use the first byte of one granule, so that
        this counts granules apart, also where buffers' sizes are no multiples of it.
        """
        return self.summed([[slice_granules(s, granule) for s in life] for life in self.slices])


def _next(onward: list[int], slot: int) -> int:
    """Follow ``onward`` to where it ends, and shorten the way."""
    end = slot
    while onward[end] != end:
        end = onward[end]
    while onward[slot] != end:
        onward[slot], slot = end, onward[slot]
    return end


def slice_granules(part: Slice, granule: int) -> int:
    """Granules whose first byte is in use in ``part`` of a buffer at a multiple of the granule."""
    return sum(-(-end // granule) + (-begin // granule) for begin, end in part.ranges)
