"""How deep calls may lie in each other for the proofs to follow them: each level is a call of their own code, too."""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.operators import nested_calls

MOST_NESTED = 150
"""Far more than any microcontroller's stack has room for: TFLM runs a subgraph inside the kernel that calls it."""


def too_deep(graph: Graph) -> str:
    """Why a model's calls are not followed, in words; "" where they are."""
    depth = nested_calls(graph)
    if depth <= MOST_NESTED:
        return ""
    return f"calls of subgraphs lie {depth} deep in each other, and at most {MOST_NESTED} are followed"
