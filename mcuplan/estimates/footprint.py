"""What a graph takes, in the figures that a what-if compares. All sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.graph import Graph
from mcuplan.tflm.target import Target


@dataclass(frozen=True, slots=True)
class Footprint:
    """Model file, TFLM's code for it, tensor arena and MACs of one graph on one target.

    ``activations_bytes`` is the arena's non-persistent section (tensors and scratch).
    """

    model_bytes: int
    code_bytes: int
    arena_bytes: int
    activations_bytes: int
    persistent_bytes: int
    macs: int
    exact: bool = True

    @property
    def flash_bytes(self) -> int:
        """Model and code."""
        return self.model_bytes + self.code_bytes


def footprint(graph: Graph, target: Target, build: str = "O2-logs") -> Footprint:
    """Replay TFLM on ``graph`` for ``target``. A graph made in memory counts with the bytes its file would have."""
    from mcuplan.operators import model_macs
    from mcuplan.tflite import write
    from mcuplan.tflm import code_size, predict

    arena, code, macs = predict(graph, target), code_size(graph, target, build), model_macs(graph)
    return Footprint(
        graph.file_bytes or len(write(graph)), code.total_bytes + code.data_bytes, arena.declare_bytes,
        arena.nonpersistent_bytes, arena.persistent_bytes, macs.total, arena.exact and macs.exact,
    )  # fmt: skip
