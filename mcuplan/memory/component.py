"""Buffers that are placed apart from all others: what is known of them, and their best placement so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import gcd

from mcuplan.deadline import Deadline, OutOfTimeError
from mcuplan.memory.bounds import timeline_bound
from mcuplan.memory.greedy import candidates, place
from mcuplan.memory.layout import Layout, Offsets
from mcuplan.memory.problem import Buffer
from mcuplan.memory.timeline import Timeline

Judge = Callable[[Offsets], int]
"""The score of a placement, offsets by buffer number."""


@dataclass(slots=True)
class Spending:
    """What a whole solution has cost so far, and when it must end."""

    deadline: Deadline = field(default_factory=Deadline)
    nodes: int = 0  # of all exact searches

    def late(self) -> bool:
        """Whether time is up."""
        return self.deadline.late()


class Component:
    """Some buffers, their layout, and what has been found out.

    Attributes
    ----------
    unit
        Bytes that divide the height of some best placement.
    live_bound, bound
        Bytes below which no height gets, by live bytes alone and by all that is proven.
    offsets, score, order
        The best placement, what it costs, and the order of buffers that a greedy one was made in.
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        judge: Judge | None = None,
        told: Callable[[], None] | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.layout = Layout(Timeline(buffers), deadline)
        self.judge: Judge = judge or self.layout.height
        self.judged_by_height = judge is None
        self.told = told
        self.unit = height_unit(buffers)
        self.live_bound = timeline_bound(self.layout.timeline, self.layout.deadline)
        # A placement with a multiple of the unit as its height is among the best; its score is another matter.
        self.bound = -(-self.live_bound // self.unit) * self.unit if self.judged_by_height else self.live_bound
        self.offsets: Offsets | None = None
        self.score = 0
        self.order: list[int] = []

    def consider(self, offsets: Offsets) -> int:
        """Keep a placement if it is the best; returns its score."""
        score = self.judge(offsets)
        if self.offsets is None or score < self.score:
            self.offsets, self.score = offsets, score
            if self.told:
                self.told()
        return score

    def no_placement_within(self, capacity: int) -> None:
        """Note a proof that every placement is higher: by the next multiple of the unit at least."""
        self.bound = max(self.bound, (capacity // self.unit + 1) * self.unit)

    def place_greedily(self, goal: Callable[[], int], most: int, spending: Spending) -> None:
        """Try ``most`` placements of the greedy portfolio, or fewer where one meets the goal.

        Where there is no time for one, all buffers are put on top of one another.
        """
        try:
            self._place_greedily(goal, most, spending)
        except OutOfTimeError:
            if self.offsets is None:
                self.consider(self.layout.stacked())

    def _place_greedily(self, goal: Callable[[], int], most: int, spending: Spending) -> None:
        for tried, (_, numbers, fit) in enumerate(candidates(self.layout)):
            if tried and (self.score <= goal() or tried >= most or spending.late()):
                return
            limit = self.score - 1 if tried and self.judged_by_height else None
            offsets = place(self.layout, numbers, fit, limit)
            if offsets is not None:
                self.consider(offsets)
                if self.offsets is offsets:
                    self.order = numbers


def height_unit(buffers: Sequence[Buffer]) -> int:
    """Bytes that divide the height of some best placement: stacks are sums of sizes, rounded to alignments."""
    unit = 0
    for b in buffers:
        unit = gcd(unit, b.size, b.offset or 0, *(end for w in b.windows for end in (w.begin, w.end)))
    unit = unit or 1
    return gcd(unit, *(b.alignment for b in buffers if unit % b.alignment))
