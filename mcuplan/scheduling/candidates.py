"""Several good orders, for a caller whose objective is the final arena and not the live bytes alone.

The least peak of live bytes is what an arena can reach, but allocators and runtimes with rules of their own do not
always reach it, and two orders with the same peak can end in different arenas. So the caller scores a few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.deadline import Deadline
from mcuplan.scheduling.lattice import Lattice, compile_problem
from mcuplan.scheduling.problem import Problem, peak_bytes
from mcuplan.scheduling.solver import EffortName, Schedule, find_schedule

if TYPE_CHECKING:
    import random

_MOVES_PER_TASK = 2
_MOST_MOVES = 400
"""Moves tried on the way from one candidate to the next: enough to look different, few enough to stay quick."""

_TRIES_PER_CANDIDATE = 4
"""Walks that may end in an order seen before, for each candidate asked for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order of execution and its peak of live bytes."""

    order: tuple[int, ...]
    peak_bytes: int


def candidates(
    problem: Problem,
    n: int,
    *,
    effort: EffortName = "default",
    deadline: Deadline | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
) -> Iterator[Candidate]:
    """At most ``n`` distinct orders, the least peak of live bytes first.

    The first is that of :func:`find_schedule` (pass ``schedule`` to spare the search). Then come orders with the same
    peak: the one nearest to the file's order, and others found by moving operators about at random where that costs
    nothing. The file's own order comes last where its peak is higher.

    Parameters
    ----------
    problem
        Operators, tensors and the orders to keep.
    n
        Most candidates to yield.
    effort, deadline
        As for :func:`find_schedule`.
    schedule
        A schedule of this problem found before.
    seed
        Of the random moves; equal seeds give equal candidates.

    Raises
    ------
    OutOfTimeError
        Where the time is up before the next one.
    """
    best = schedule or find_schedule(problem, effort=effort, deadline=deadline)
    file_order = tuple(range(len(problem.tasks)))
    seen: set[tuple[int, ...]] = set()
    for order in _equally_good(problem, best, seed, n * _TRIES_PER_CANDIDATE, deadline or Deadline()):
        if len(seen) >= n:
            return
        if order not in seen:
            seen.add(order)
            if len(seen) == n and best.peak_bytes < best.file_order_peak_bytes and n > 1:
                # The last place is the file's: whoever scores candidates must be able to fall back on it.
                yield Candidate(file_order, best.file_order_peak_bytes)
                return
            yield Candidate(order, peak_bytes(problem, order))
    if file_order not in seen and len(seen) < n:
        yield Candidate(file_order, best.file_order_peak_bytes)


def _equally_good(
    problem: Problem, best: Schedule, seed: int, tries: int, deadline: Deadline
) -> Iterator[tuple[int, ...]]:
    """Orders whose peak is the best one's, some of them more than once."""
    yield best.order
    import random  # not needed by those who want one order, and slow to import

    walk = _Walk(compile_problem(problem), best.order, best.peak_bytes, deadline)
    walk.settle()
    yield walk.current
    rng = random.Random(seed)
    for _ in range(tries):
        walk.shuffle(rng)
        yield walk.current


class _Walk:
    """Moves single operators about within an order, as long as no step goes above ``level`` bytes."""

    def __init__(self, lattice: Lattice, order: tuple[int, ...], level: int, deadline: Deadline) -> None:
        self.lattice = lattice
        self.deadline = deadline
        self.level = level
        self.order = list(order)
        # What has run, and what is live, before each position.
        self.done = [0] * (len(order) + 1)
        self.live = [lattice.start_bytes] * (len(order) + 1)
        self._account(0, len(order))

    @property
    def current(self) -> tuple[int, ...]:
        """The order as it is now."""
        return tuple(self.order)

    def settle(self) -> None:
        """Bring operators back to their place in the file where that keeps to the level."""
        moves = _MOST_MOVES
        for position in range(len(self.order)):
            self.deadline.check()
            # Of the operators behind this position, the first of the file that can be moved here.
            for v in sorted(self.order[position:]):
                if v == self.order[position] or not moves:
                    break
                moves -= 1
                if self.move(self.order.index(v, position), position):
                    break

    def shuffle(self, rng: random.Random) -> None:
        """Move operators to random places."""
        n = len(self.order)
        if n < 2:
            return
        for _ in range(min(_MOVES_PER_TASK * n, _MOST_MOVES)):
            self.deadline.check()
            start = rng.randrange(n)
            first, last = self._range(start)
            if first < last:
                self.move(start, rng.randint(first, last))

    def move(self, start: int, end: int) -> bool:
        """Take the operator at ``start`` to ``end`` if precedences and level allow; whether they did."""
        first, last = self._range(start)
        if not first <= end <= last or start == end:
            return False
        low, high = min(start, end), max(start, end) + 1
        kept = self.order[low:high]
        self.order.insert(end, self.order.pop(start))
        if self._account(low, high):
            return True
        self.order[low:high] = kept
        self._account(low, high)
        return False

    def _range(self, position: int) -> tuple[int, int]:
        """First and last position that precedences leave to the operator at ``position``."""
        v = self.order[position]
        first = last = position
        while first > 0 and not self.lattice.needs[v] >> self.order[first - 1] & 1:
            first -= 1
        while last + 1 < len(self.order) and not self.lattice.feeds[v] >> self.order[last + 1] & 1:
            last += 1
        return first, last

    def _account(self, low: int, high: int) -> bool:
        """Work out ``done`` and ``live`` behind positions ``low`` to ``high``; whether all keep to the level."""
        done, live = self.done[low], self.live[low]
        within = True
        for position in range(low, high):
            v = self.order[position]
            rise, change = self.lattice.effect(v, done & self.lattice.near[v])
            within = within and live + rise <= self.level
            done |= 1 << v
            live += change
            self.done[position + 1], self.live[position + 1] = done, live
        return within
