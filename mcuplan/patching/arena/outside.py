"""What is live around patch stages: bytes while each operator runs whole, and what passes a stage by."""

from __future__ import annotations

from collections import Counter

from mcuplan.graph import Graph
from mcuplan.memory import Buffer
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.writing.build import Draft
from mcuplan.tflm.target import Target


class Outside:
    """The main subgraph without stages, its tensors over one another as far as they safely can be.

    ``operator_bytes[k]`` are the bytes in use while operator ``k`` runs whole; ``persistent_bytes`` and
    ``planning_bytes`` TFLM's persistent section and its peak while it plans.
    """

    def __init__(self, graph: Graph, target: Target) -> None:
        problem = DraftProblem(Draft(graph), target)
        stock = problem.problem.stock[0]
        self._main = graph.main
        self._pieces = [
            (frozenset(t for s, t in piece.tensors if s == 0), _use(piece.buffer)) for piece in problem.tightest.pieces
        ]
        self._steps = [problem.problem.run.steps[0, k][-1] for k in range(len(graph.main.operators))]
        self.operator_bytes = [sum(use[step] for _, use in self._pieces) for step in self._steps]
        self.persistent_bytes = stock.persistent_bytes
        self.planning_bytes = stock.planning_peak_bytes

    def passing_bytes(self, stage: PatchStage) -> int:
        """Bytes of the rest of the network that are in use while the stage runs, at most."""
        operators = range(stage.first, stage.last)
        own = {t for k in operators for t in (*self._main.operators[k].inputs, *self._main.operators[k].outputs)}
        others = [use for tensors, use in self._pieces if tensors and not tensors & own]
        return max(sum(use[self._steps[k]] for use in others) for k in operators)


def _use(buffer: Buffer) -> Counter[int]:
    """Bytes of a buffer in use at each step."""
    use: Counter[int] = Counter()
    for piece in buffer.pieces():
        for step in range(piece.lower, piece.upper):
            use[step] += piece.end - piece.begin
    return use
