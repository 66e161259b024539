"""A window that slides over a stream, such as spectrogram rows in time: what one Invoke computes as the last one did.

Found by following both calls position by position (:mod:`mcuplan.proof.function`): a position is not new where the same
operators read the same rows of the stream, padding at the window's ends included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcuplan.estimates.instructions import invoke_instructions
from mcuplan.graph import Graph
from mcuplan.proof.function.follow import follow
from mcuplan.tflm.target import Target


@dataclass(frozen=True, slots=True)
class SlidingOperator:
    """One operator of the main subgraph: positions that it makes, how many of them the last call had not made, and its
    instructions (None without cost data)."""

    operator: int
    name: str
    positions: int
    new_positions: int
    instructions: float | None


@dataclass(frozen=True, slots=True)
class Sliding:
    """What of one Invoke is new when the window has moved on by ``hop`` rows."""

    hop: int
    operators: tuple[SlidingOperator, ...]

    @property
    def instructions(self) -> float:
        """Of one Invoke, without the interpreter's own."""
        return sum(op.instructions or 0.0 for op in self.operators)

    @property
    def new_instructions(self) -> float:
        """The share of them that goes into positions which the last call had not made."""
        return sum((op.instructions or 0.0) * op.new_positions / max(op.positions, 1) for op in self.operators)


def sliding(graph: Graph, target: Target, hop: int) -> Sliding:
    """Compare two calls of ``graph`` whose inputs are ``hop`` rows of a stream apart.

    Raises
    ------
    UntraceableError
        Where the model cannot be followed position by position.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> found = sliding(build("ds-cnn"), Target.parse("cortex-m4+cmsis-nn"), 2)
    >>> found.operators[1].positions, found.operators[1].new_positions
    (125, 40)
    """
    before, after = (follow(graph, row).tensors for row in (0, hop))
    costs = invoke_instructions(graph, target)
    known = {row.operator: row.total for row in costs.operators if row.subgraph == 0} if costs else {}
    rows = []
    for k, op in enumerate(graph.main.operators):
        names, old = after[op.outputs[0]], before[op.outputs[0]]
        new = int((~np.isin(names, old)).sum())
        rows.append(SlidingOperator(k, op.label, names.size, new, known.get(k)))
    return Sliding(hop, tuple(rows))
