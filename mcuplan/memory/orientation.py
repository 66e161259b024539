"""Exact search by orienting pairs: for problems whose windows let buffers interlock.

Every pair of buffers that can meet has one or more forbidden intervals of distances, and a placement decides for each
on which side of it the pair lies. The search starts from all buffers at the bottom, takes a pair that meets, and
branches: push the one up, or the other. What has been decided is a system of difference constraints, whose least
solution is kept up to date. Complete for any problem, and practical for small ones.
"""

from __future__ import annotations

from mcuplan.memory.layout import UNPLACED, Layout, Offsets
from mcuplan.memory.strategy import Budget


class Orientation:
    """One search for a placement within ``capacity`` bytes."""

    def __init__(self, layout: Layout, capacity: int, budget: Budget) -> None:
        self.layout = layout
        self.budget = budget
        self.pushes: list[list[tuple[int, int]]] = [[] for _ in layout.buffers]  # (k, distance): k at least so far up
        fixed = layout.start()
        self.latest = [capacity - size if at == UNPLACED else at for size, at in zip(layout.sizes, fixed, strict=True)]
        self.offsets: Offsets = [max(at, 0) for at in fixed]
        self.hopeless = any(
            at > latest or (size and at + size > capacity)
            for at, latest, size in zip(self.offsets, self.latest, layout.sizes, strict=True)
        )

    def run(self) -> Offsets | None:
        """Offsets by buffer number, None where there are none within the capacity.

        Raises
        ------
        OutOfBudgetError
            Where the budget ends first.
        """
        return self.offsets if not self.hopeless and self._solve() else None

    def _solve(self) -> bool:
        meeting = self._meeting()
        if meeting is None:
            return True
        self.budget.spend()
        i, k, low, high = meeting
        distance = self.offsets[i] - self.offsets[k]
        sides = [(k, i, high), (i, k, -low)]
        if high - distance > distance - low:
            sides.reverse()  # the smaller push first
        for below, above, push in sides:
            before = self.offsets[:]
            self.pushes[below].append((above, push))
            if self._propagate(below) and self._solve():
                return True
            self.pushes[below].pop()
            self.offsets[:] = before
        return False

    def _meeting(self) -> tuple[int, int, int, int] | None:
        """A pair that meets, with the interval it lies in: the one with the most bytes to push."""
        self.layout.deadline.check()
        offsets, sizes = self.offsets, self.layout.sizes
        worst: tuple[int, int, int, int] | None = None
        most = -1
        for i in range(len(sizes)):
            for k, low, high in self.layout.row(i):
                if k < i and low < offsets[i] - offsets[k] < high and min(sizes[i], sizes[k]) > most:
                    worst, most = (i, k, low, high), min(sizes[i], sizes[k])
        return worst

    def _propagate(self, source: int) -> bool:
        """Push up what lies above ``source``, and what lies above that; False where something leaves the capacity."""
        offsets, alignments = self.offsets, self.layout.alignments
        queue = [source]
        while queue:
            below = queue.pop()
            for above, push in self.pushes[below]:
                at = offsets[below] + push
                if at > offsets[above]:
                    at = -(-at // alignments[above]) * alignments[above]
                    if at > self.latest[above] or above == source:  # a cycle that pushes itself has no end
                        return False
                    offsets[above] = at
                    queue.append(above)
        return True
