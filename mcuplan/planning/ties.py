"""What a rewriting knows of its graph and tells the planner: which tensors lie where, and which operators are loops."""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[int, int]
"""(subgraph, tensor)"""


@dataclass(frozen=True, slots=True)
class Tie:
    """Tensor ``inner`` lies at byte ``at`` of tensor ``outer``, because the rewriting made them so.

    Ties of one ``choice`` may be loosened together: then rows are copied instead of lying in place.
    """

    inner: Place
    outer: Place
    at: int = 0
    choice: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """A WHILE that the rewriting made: operator ``operator`` of the main subgraph, its two subgraphs and its turns.

    Its variables lie where the ends of the WHILE lie, so that nothing is copied between turns.
    """

    operator: int
    condition: int
    body: int
    turns: int
