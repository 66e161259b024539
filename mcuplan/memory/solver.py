"""The best placement that a portfolio finds, judged by the caller's objective."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from time import process_time

from mcuplan.memory.bounds import lower_bound
from mcuplan.memory.greedy import first_fit, orders
from mcuplan.memory.problem import Problem, Solution, height

Objective = Callable[[Mapping[Hashable, int]], int]
Progress = Callable[[int], None]


def solve(
    problem: Problem,
    *,
    objective: Objective | None = None,
    effort: str = "default",  # noqa: ARG001
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Place every buffer so that the score is least.

    Parameters
    ----------
    objective
        Bytes that a placement costs, given offsets by buffer id (default: its height).
    time_limit
        Seconds of CPU time after which to stop with the best so far; one placement is always made.
    progress
        Told of every better score.
    """
    start = process_time()
    bound = lower_bound(problem)
    best: Solution | None = None
    for name, order in orders(problem):
        offsets = first_fit(order)
        top = height(problem, offsets)
        score = objective(offsets) if objective else top
        if best is None or score < best.score:
            met = score <= bound
            proof = "meets the lower bound" if met else f"best of the portfolio, by {name}; not proven optimal"
            best = Solution(offsets, top, bound, met, proof, score)
            if progress:
                progress(score)
        if best.optimal or (time_limit is not None and process_time() - start >= time_limit):
            break
    assert best is not None
    return best
