"""The buffers of a problem over time: the steps cut into slots in which nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
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
        self.totals = self._summed([[s.used for s in life] for life in self.slices])

    def _summed(self, amounts: Sequence[Sequence[int]]) -> list[int]:
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

    def busiest(self) -> list[int]:
        """For each buffer the most bytes in use in a slot of its life; 0 where it has none."""
        return [
            max(self.totals[spans[0][0] : spans[-1][1]]) if spans else 0 for spans in self.spans
        ]  # fmt: skip

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
        return self._summed([[slice_granules(s, granule) for s in life] for life in self.slices])


def slice_granules(part: Slice, granule: int) -> int:
    """Granules whose first byte is in use in ``part`` of a buffer at a multiple of the granule."""
    return sum(-(-end // granule) + (-begin // granule) for begin, end in part.ranges)
