"""The exact search of one part: its best placement comes down and its bound goes up until they meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mcuplan.memory.clipped import centres, stretches
from mcuplan.memory.component import Component, Spending
from mcuplan.memory.exact import Answer, Exact
from mcuplan.memory.problem import Buffer

FIRST_QUOTA = 20
"""Nodes for each buffer that the first attempt at the goal gets."""

GREEDY = 4
"""Greedy placements of a stretch before it is searched."""


class Refinement:
    """An exact search that can go on where it stopped.

    ``goal`` says at which score the part is good enough; it may change while others are worked on.
    """

    def __init__(self, part: Component, goal: Callable[[], int], spending: Spending, lift: bool = True) -> None:
        self.part = part
        self.goal = goal
        self.spending = spending
        self.exact = Exact(part.layout, spending.late)
        self.quota = FIRST_QUOTA * len(part.layout.buffers)
        self.lifts = self._lifts() if lift else []

    @property
    def done(self) -> bool:
        """Whether the part is good enough, or time is up."""
        return self.part.score <= self.goal() or self.spending.late()

    def decide(self, capacity: int, nodes: int) -> None:
        """Look for a placement within a capacity, or a proof that there is none."""
        end = self.spending.nodes + nodes
        while not self.done and self.part.bound <= capacity and self.spending.nodes < end:
            before = self.spending.nodes
            self._attempt(capacity, min(4 * self.quota, end - before))
            self._lift(min(self.quota // 2, end - self.spending.nodes))
            if self.spending.nodes == before:
                return  # every strategy has said what it knows
            self.quota *= 2

    def minimize(self, nodes: int) -> None:
        """Bring placement and bound together, in rounds with twice the nodes each.

        A round attempts the goal, goes halfway between what it did not meet and what it did, and tries to raise the
        bound.
        """
        end = self.spending.nodes + nodes
        while not self.done and self.spending.nodes < end:
            before, bound = self.spending.nodes, self.part.bound
            self._attempt(self.goal(), min(self.quota, end - before))
            self._go_halfway(self.quota // 4, end)
            self._lift(min(self.quota, end - self.spending.nodes))
            if self.spending.nodes == before and self.part.bound == bound:
                return  # every strategy has said what it knows; what is ruled out at sight costs no node
            self.quota *= 2

    def _go_halfway(self, quota: int, end: int) -> None:
        """Attempt the middle between the goal and the best placement while that succeeds; after that, once higher."""
        part = self.part
        doubtful, failures = self.goal(), 0
        while not self.done and failures < 2 and part.score - part.unit > doubtful and self.spending.nodes < end:
            middle = (doubtful + part.score) // 2 // part.unit * part.unit
            middle = min(max(middle, doubtful + 1, part.bound), part.score - part.unit)
            self._attempt(middle, min(quota, end - self.spending.nodes))
            if part.score > middle:
                doubtful, failures = middle, failures + 1

    def prove(self, nodes: int) -> None:
        """Show that the best placement is optimal, or find a better one, for which the same is then tried."""
        end = self.spending.nodes + nodes
        while not self.done and self.spending.nodes < end:
            before, score = self.spending.nodes, self.part.score
            self._attempt(self.part.score - self.part.unit, min(self.quota, end - before))
            if self.spending.nodes == before:
                return
            if self.part.score == score:
                self.quota *= 2
            else:
                self._attempt((self.goal() + self.part.score) // 2, min(self.quota, end - self.spending.nodes))

    def _attempt(self, capacity: int, nodes: int) -> None:
        part = self.part
        if self.done or nodes <= 0:
            return
        before = self.exact.nodes
        answer = self.exact.attempt(capacity, nodes, lambda offsets: part.consider(offsets) <= capacity)
        self.spending.nodes += self.exact.nodes - before
        if answer is Answer.NONE:
            part.no_placement_within(capacity)

    # -- bounds from stretches of time -------------------------------------------------------------------------------

    def _lifts(self) -> list[Iterator[bool]]:
        sections = self.exact.sections
        return [self._lifted(stretches(sections, self.part.layout.buffers, c)) for c in centres(sections)]

    def _lift(self, nodes: int) -> None:
        """Solve stretches of the part's time, each of which may raise its bound."""
        for number, lift in enumerate(self.lifts, 1):
            self.lift_end = self.spending.nodes + nodes * number // len(self.lifts)
            while not self.done and self.spending.nodes < self.lift_end and next(lift, False):
                pass

    def _lifted(self, cuts: Iterator[list[Buffer]]) -> Iterator[bool]:
        """Solve stretch after stretch; yields whether the last one is settled, and goes on with it where it is not."""
        for buffers in cuts:
            stretch = Component(buffers, deadline=self.spending.deadline)

            def goal(stretch: Component = stretch) -> int:
                return max(stretch.bound, self.part.bound)

            stretch.place_greedily(goal, GREEDY, self.spending)
            if stretch.score > goal():
                refinement = Refinement(stretch, goal, self.spending, lift=False)
                while stretch.score > goal():
                    # What is above the part's own best placement would prove nothing more.
                    stretch.score = min(stretch.score, self.part.score)
                    refinement.prove(self.lift_end - self.spending.nodes)
                    self.part.bound = max(self.part.bound, stretch.bound)
                    if stretch.score > goal():
                        yield False
            yield True
