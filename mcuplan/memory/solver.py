"""The best placement there is time for: a greedy portfolio, then the exact search wherever that misses the bound."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from mcuplan.deadline import Deadline, OutOfTimeError
from mcuplan.memory.climb import climb
from mcuplan.memory.component import Component, Spending
from mcuplan.memory.layout import ROOM
from mcuplan.memory.problem import AllocationError, Buffer, Problem, Solution
from mcuplan.memory.refine import Refinement

Objective = Callable[[Mapping[Hashable, int]], int]
"""What a placement costs in bytes, given offsets by buffer id.

It is never less than the height of some valid placement: a runtime that moves buffers does not make them meet.
"""

Progress = Callable[[int], None]
"""Called with the best score in bytes whenever it falls."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What a search may cost. Each figure is for one part of the problem that is solved apart."""

    greedy: int  # placements of the greedy portfolio
    nodes: int  # of the exact search, for each buffer
    climbs: int  # placements tried by hill climbing


EFFORTS: Mapping[str, Effort] = {
    "fast": Effort(greedy=6, nodes=0, climbs=8),
    "default": Effort(greedy=24, nodes=120, climbs=100),
    "best": Effort(greedy=24, nodes=12_000, climbs=4_000),
}


def solve(
    problem: Problem,
    *,
    objective: Objective | None = None,
    effort: str = "default",
    deadline: Deadline | None = None,
    progress: Progress | None = None,
    minimize: bool | None = None,
    nodes: int | None = None,
) -> Solution:
    """Place every buffer so that the score is least.

    Deterministic for a given effort, unless the time limit ends the search.

    Parameters
    ----------
    objective
        Bytes that a placement costs, given offsets by buffer id (default: its height). A runtime that places some
        buffers by its own rule can be replayed here: such buffers are part of the problem like others.
    effort
        ``fast`` (first fit in some orders), ``default`` or ``best``.
    deadline
        When to stop with the best so far: at worst all buffers on top of one another.
    progress
        Told of every better score.
    minimize
        Whether to go on below the problem's capacity (default: only where it has none).
    nodes
        Of the exact search, for each buffer, instead of those of the effort.

    Raises
    ------
    AllocationError
        Where two fixed buffers overlap, or on an effort that does not exist.

    Examples
    --------
    >>> solution = solve(Problem((Buffer("a", 4, 0, 2), Buffer("b", 4, 1, 3), Buffer("c", 2, 2, 4))))
    >>> solution.height, solution.optimal, solution.proof
    (8, True, 'meets the lower bound')
    """
    if effort not in EFFORTS:
        raise AllocationError(f"there is no effort {effort!r}; choose one of {', '.join(EFFORTS)}")
    if minimize is None:
        minimize = problem.capacity is None
    return _Solver(problem, objective, effort, deadline or Deadline(), progress, minimize, nodes).run()


class _Solver:
    def __init__(
        self,
        problem: Problem,
        objective: Objective | None,
        effort: str,
        deadline: Deadline,
        progress: Progress | None,
        minimize: bool,
        nodes: int | None = None,
    ) -> None:
        self.problem = problem
        self.effort_name = effort
        self.effort = EFFORTS[effort] if nodes is None else replace(EFFORTS[effort], nodes=nodes)
        self.progress = progress
        self.minimize = minimize
        self.spending = Spending(deadline)
        self.searched = False
        self.too_large = False
        self.told: int | None = None
        if objective:
            ids = [b.id for b in problem.buffers]
            # An objective looks at all offsets at once.
            self.parts = [
                Component(problem.buffers, lambda o: objective(dict(zip(ids, o, strict=True))), self._tell, deadline)
            ]
        else:
            self.parts = [Component(group, told=self._tell, deadline=deadline) for group in apart(problem.buffers)]

    def run(self) -> Solution:
        """Place every part greedily, then improve while there is time; the best placement found."""
        for part in self.parts:
            part.place_greedily(self._goal, self.effort.greedy, self.spending)
        with suppress(OutOfTimeError):
            self._improve()
        return self._solution()

    def _improve(self) -> None:
        # The part that is hardest to keep low first: it says how low the others need to be.
        for part in sorted(self.parts, key=lambda p: p.score, reverse=True):
            if part.score > self._goal():
                self._climb(part)
            if part.score > self._goal():
                self._search(part)

    @property
    def bound(self) -> int:
        """Bytes below which no placement gets, as far as is proven."""
        return max((part.bound for part in self.parts), default=0)

    @property
    def score(self) -> int:
        """The score of the best placement so far."""
        return max((part.score for part in self.parts), default=0)

    def _goal(self) -> int:
        """The score at which a part is good enough."""
        if self.minimize or self.problem.capacity is None:
            return self.bound
        return max(self.bound, self.problem.capacity)

    def _tell(self) -> None:
        if self.progress and all(p.offsets is not None for p in self.parts) and self.score != self.told:
            self.told = self.score
            self.progress(self.told)

    def _climb(self, part: Component) -> None:
        """Hill climbing, for what the exact search does not know: objectives, and windows that interlock."""
        if not self.effort.climbs or self.spending.late():
            return
        if part.judged_by_height and all(len(life) <= 1 for life in part.layout.timeline.slices):
            return
        rounds = self.effort.climbs if part.layout.small else self.effort.climbs * ROOM // part.layout.pairs
        for score, _ in climb(part.layout, part.order, part.consider, rounds):
            if score <= self._goal():
                return

    def _search(self, part: Component) -> None:
        """The exact search, for what is above the goal still; none of more pairs than memory has room for."""
        nodes = self.effort.nodes * len(part.layout.buffers)
        if not nodes or self.spending.late():
            return
        if not part.layout.small:
            self.too_large = True
            return
        self.searched = True
        refinement = Refinement(part, self._goal, self.spending, lift=part.judged_by_height)
        if self.minimize:
            refinement.minimize(nodes)
        else:
            refinement.decide(self._goal(), nodes)

    # -- the answer --------------------------------------------------------------------------------------------------

    def _solution(self) -> Solution:
        offsets: dict[Hashable, int] = {}
        for part in self.parts:
            offsets.update(zip((b.id for b in part.layout.buffers), part.offsets or (), strict=True))
        offsets = {b.id: offsets[b.id] for b in self.problem.buffers}
        height = max((part.layout.height(part.offsets or []) for part in self.parts), default=0)
        capacity, bound, score = self.problem.capacity, self.bound, self.score
        optimal = score <= bound
        return Solution(
            offsets=offsets,
            height=height,
            lower_bound=bound,
            optimal=optimal,
            proof=self._proof(optimal, bound),
            score=score,
            nodes=self.spending.nodes,
            capacity=capacity,
            infeasible=capacity is not None and bound > capacity,
        )

    def _proof(self, optimal: bool, bound: int) -> str:
        live = max((part.live_bound for part in self.parts), default=0)
        capacity = self.problem.capacity
        by = "the lower bound" if bound == live else f"exhaustive search ({self.spending.nodes:,} nodes)"
        if optimal:
            text = "meets the lower bound" if bound == live else f"proven optimal by {by}"
        elif capacity is not None and self.score <= capacity:
            text = f"within the capacity; the lower bound is {bound:,} bytes"
        else:
            text = f"not proven optimal: at least {bound:,} bytes by {by}; {self._stopped()}"
        if capacity is not None and bound > capacity:
            text += f"; the capacity of {capacity:,} bytes cannot be met, by {by}"
        return text

    def _stopped(self) -> str:
        if self.spending.deadline.struck:
            return f"stopped by the time limit of {self.spending.deadline.seconds:g} s"
        if self.searched:
            return f"stopped after {self.spending.nodes:,} nodes, at effort {self.effort_name}"
        if self.too_large:
            return f"too many buffers are live together for an exact search (more than {ROOM:,} pairs)"
        return f"no exact search at effort {self.effort_name}"


def apart(buffers: Sequence[Buffer]) -> list[tuple[Buffer, ...]]:
    """Buffers in groups of which no two are live at one time, in time order."""
    groups: list[list[Buffer]] = []
    end: int | None = None
    for b in sorted(buffers, key=lambda b: (b.lower, b.upper)):
        if end is None or b.lower >= end:
            groups.append([])
        groups[-1].append(b)
        end = b.upper if end is None else max(end, b.upper)
    return [tuple(group) for group in groups]
