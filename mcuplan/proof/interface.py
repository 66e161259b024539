"""A network's inputs and outputs as its application sees them: inputs that come by rows are inputs."""

from __future__ import annotations

from mcuplan.graph import Graph, Tensor
from mcuplan.operators.streamed import streamed_inputs


def network_inputs(graph: Graph) -> list[tuple[Tensor, int]]:
    """Every input in its place, with its tensor in the main subgraph; -1 for one whose rows the firmware gives."""
    inputs = [(graph.main.tensors[t], t) for t in graph.main.inputs]
    for number, streamed in streamed_inputs(graph).items():
        inputs.insert(number, (streamed.tensor, -1))
    return inputs


def network_outputs(graph: Graph) -> list[Tensor]:
    """Every output."""
    return [graph.main.tensors[t] for t in graph.main.outputs]
