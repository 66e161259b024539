"""How many operators are followed until the proof is given up: nested control flow can have any number of paths."""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.operators import called_subgraphs

MOST_STEPS = 5_000
"""Operators followed, beyond 50 times those there are."""


def most_steps(graph: Graph) -> int:
    """Operators that are followed before the proof is given up."""
    return MOST_STEPS + 50 * sum(len(s.operators) for s in graph.subgraphs)


def unfolded_steps(graph: Graph) -> int:
    """Operators that run when each subgraph that is called runs once for each call, calls inside calls included.

    Doubles with each level of an IF whose branches call the same; counted up to a level that is deep enough to stop.
    """
    calls = [
        [c for op in s.operators for c in called_subgraphs(op) if 0 <= c < len(graph.subgraphs)]
        for s in graph.subgraphs
    ]
    steps, most = [len(s.operators) for s in graph.subgraphs], most_steps(graph)
    for _ in range(len(graph.subgraphs)):  # as many rounds as there are levels
        before = steps
        steps = [
            min(len(s.operators) + sum(before[c] for c in calls[i]), most + 1) for i, s in enumerate(graph.subgraphs)
        ]
        if steps == before:
            break
    return steps[0] if steps else 0


class TooLongError(Exception):
    """The model has more paths than are worth following."""
