"""A portfolio of exact searches with growing limits: whether a placement within a capacity exists."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mcuplan.memory.layout import Layout, Offsets
from mcuplan.memory.orientation import Orientation
from mcuplan.memory.sections import Sections
from mcuplan.memory.stacking import Search
from mcuplan.memory.strategy import Budget, FailedStates, OutOfBudgetError, Strategy

MEASURES = ("TWA", "B", "CT", "ZT", "TW", "WT")
"""What the strategies place first (see :class:`Strategy`): tall moments, long lives, large areas."""

FIRST_LIMIT = 2
"""Nodes for each buffer in a strategy's first run: most that succeed do so nearly without backtracking."""

PASSES = 16
"""How often the portfolio could be run through at the first limit, at least."""

GROWTH = 1.5
"""How much more every round of the portfolio gets."""

DECAY = 0.8
"""What a run's failure weights count for in the strategy's next run."""

FRAMES = 5
"""Python frames that the search takes for each placed buffer, with some to spare."""

Accept = Callable[[Offsets], bool]
"""Told of a placement; False to ask for another."""


class Answer(enum.Enum):
    """What an attempt came to."""

    FOUND = "a placement was accepted"
    NONE = "there is no placement"
    UNKNOWN = "the budget ended, or no placement was accepted"


class Exact:
    """The exact search of one layout; learns from each attempt for the next."""

    def __init__(self, layout: Layout, stop: Callable[[], bool]) -> None:
        self.layout = layout
        self.stop = stop
        self.nodes = 0
        self.stopped = False
        self.sections = Sections(layout)
        size = len(self.sections.totals)
        self.failed: dict[int, FailedStates] = {}  # by capacity
        self.strategies = [Strategy(focus, m, [0.0] * size) for m in MEASURES for focus in (True, False)]

    def attempt(self, capacity: int, nodes: int, accept: Accept) -> Answer:
        """Look for a placement within ``capacity`` bytes, spending at most ``nodes``."""
        if self.sections.complete:
            return self._stack(capacity, nodes, accept)
        answer = self._stack(capacity, nodes // 2, accept)
        return answer if answer is Answer.FOUND else self._untangle(capacity, nodes - nodes // 2, accept)

    def _stack(self, capacity: int, nodes: int, accept: Accept) -> Answer:
        """Run the strategies in turn, with growing limits; NONE is certain only where the sections are complete."""
        strategies = list(self.strategies)
        count = len(self.sections.numbers)
        limit = max(FIRST_LIMIT * count + 1.0, nodes / (PASSES * len(strategies)))
        failed = self._failed(capacity)
        with _deep_recursion(FRAMES * count):
            while strategies:
                for strategy in tuple(strategies):
                    if nodes <= 0 or self.stopped:
                        return Answer.UNKNOWN
                    budget = Budget(min(int(limit), nodes), self.stop)
                    answer = self._run(
                        Search(self.sections, capacity, strategy, budget, failed), strategy, budget, accept
                    )
                    nodes -= budget.spent
                    if answer is not Answer.UNKNOWN:
                        return answer
                    if budget.spent <= budget.nodes:
                        strategies.remove(strategy)  # its placement was not accepted, and it knows no other
                limit *= GROWTH
        return Answer.UNKNOWN

    def _failed(self, capacity: int) -> FailedStates:
        """What is known to fail for this capacity; kept for the least capacity and the last few."""
        least = min(self.failed, default=capacity)
        recent = [c for c in self.failed if c not in (least, capacity)][-1:]
        self.failed = {c: self.failed.get(c) or FailedStates() for c in dict.fromkeys((least, *recent, capacity))}
        return self.failed[capacity]

    def _run(self, search: Search, strategy: Strategy, budget: Budget, accept: Accept) -> Answer:
        try:
            positions = search.run()
        except OutOfBudgetError:
            return Answer.UNKNOWN
        finally:
            self.nodes += budget.spent
            self.stopped = self.stopped or budget.stopped
            strategy.weights[:] = [w * DECAY for w in strategy.weights]
        if positions is None:
            return Answer.NONE
        offsets = [0 if at < 0 else at for at in self.layout.start()]
        for number, at in zip(self.sections.numbers, positions, strict=True):
            offsets[number] = at
        return Answer.FOUND if accept(offsets) else Answer.UNKNOWN

    def _untangle(self, capacity: int, nodes: int, accept: Accept) -> Answer:
        """The slower search that also sees placements in which buffers with windows interlock."""
        if nodes <= 0 or self.stopped:
            return Answer.UNKNOWN
        budget = Budget(nodes, self.stop)
        try:
            with _deep_recursion(FRAMES * len(self.layout.buffers) ** 2):
                offsets = Orientation(self.layout, capacity, budget).run()
        except OutOfBudgetError:
            return Answer.UNKNOWN
        finally:
            self.nodes += budget.spent
            self.stopped = self.stopped or budget.stopped
        if offsets is None:
            return Answer.NONE
        return Answer.FOUND if accept(offsets) else Answer.UNKNOWN


@contextmanager
def _deep_recursion(frames: int) -> Iterator[None]:
    """Room for so many more frames: the search recurses once for each placed buffer."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, before + frames))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
