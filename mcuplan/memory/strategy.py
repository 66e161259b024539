"""What one run of the exact search may spend, how it chooses, and what runs learn from one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import le


class OutOfBudgetError(Exception):
    """The search was stopped before it could tell."""


@dataclass(slots=True)
class Budget:
    """What a search may spend. ``stop`` is asked now and then and ends everything where it says so."""

    nodes: int
    stop: Callable[[], bool]
    spent: int = 0
    stopped: bool = False

    def spend(self) -> None:
        """Count one node."""
        self.spent += 1
        if self.spent % 64 == 0 and self.stop():
            self.stopped = True
        if self.stopped or self.spent > self.nodes:
            raise OutOfBudgetError


@dataclass(slots=True)
class Strategy:
    """How a run chooses among decisions, and what earlier runs have learned.

    ``measures``: ``T`` most bytes still to stack in a section of the buffer, ``W`` its lifetime in steps, ``C`` in
    sections, ``Z`` its size, ``A`` size x lifetime, ``B`` size x sections; the greatest go first.
    """

    focus: bool
    measures: str
    weights: list[float] = field(default_factory=list)  # by section


class FailedStates:
    """States without a way on, as facts to share among runs for one capacity (they hold for less capacity too).

    What is possible for the buffers still to place depends only on which they are and on their lowest positions,
    however the placed ones are arranged; and with higher positions no more is possible.
    """

    EACH = 6
    """States kept for one set of buffers."""

    ROOM = 3_000_000
    """Positions kept in all (8 bytes each)."""

    def __init__(self) -> None:
        self._states: dict[int, list[tuple[int, ...]]] = {}
        self._kept = 0

    def find(self, unplaced: int, positions: tuple[int, ...]) -> tuple[int, ...] | None:
        """The positions of a failed state of these buffers that are nowhere above the given ones."""
        for failed in self._states.get(unplaced, ()):
            if all(map(le, failed, positions)):
                return failed
        return None

    def add(self, unplaced: int, positions: tuple[int, ...]) -> None:
        """Note that buffers at no less than these positions cannot be placed."""
        states = self._states.setdefault(unplaced, [])
        if len(states) == self.EACH:
            states.pop(0)
        elif self._kept + len(positions) > self.ROOM:
            return
        else:
            self._kept += len(positions)
        states.append(positions)
