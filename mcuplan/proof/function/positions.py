"""What every position of an output is computed from, read off a model by following it position by position.

A position of a feature map (a row and a column, all channels) gets a name (:mod:`mcuplan.proof.function.names`): a
64-bit number that stands for how it was computed, from the operator, its constants, and the names of the positions
that it read. Slices, concatenations, updates, padding and masks move names or put that of zero; loops that count are
followed turn by turn. What operators do beside their outputs (variables, custom operators) has a name too, from what
it reads and all that was done before it. So a model whose operators run on strips or patches names its outputs as the
original does, exactly where it computes each position alike. Two different computations share a name by chance once in
2^64.

Names carry type, scale and zero point: bytes that are moved into a tensor of another kind, or bound to a loop's
variable of another kind, are not followed. Nor is a model that TFLM refuses, whose shapes mean nothing. Models are
untrusted: whatever cannot be followed raises nothing but is said, with the reason.

Names say nothing of memory: that no byte is overwritten while it is needed is the other half of the proof
(:mod:`mcuplan.proof.memory`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcuplan.graph import Graph
from mcuplan.proof.function.follow import follow
from mcuplan.proof.function.names import UntraceableError, kind
from mcuplan.proof.interface import network_inputs, network_outputs


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two models compute every position of every output alike; None where they cannot be followed, and why."""

    agree: bool | None
    reason: str = ""


def positions_agree(original: Graph, planned: Graph) -> bool | None:
    """Whether every position of every output is computed alike; None where a model cannot be followed."""
    return compare_positions(original, planned).agree


def compare_positions(original: Graph, planned: Graph) -> Comparison:
    """Follow both models position by position and compare their outputs. Never raises, whatever the models are."""
    followed = []
    for what, graph in (("the original", original), ("the planned model", planned)):
        try:
            followed.append(follow(graph))
        except UntraceableError as untraceable:
            return Comparison(None, f"{what} cannot be followed position by position: {untraceable}")
    ours, theirs = followed
    alike = ours.effects == theirs.effects and _interface(original) == _interface(planned)
    pairs = zip(ours.outputs, theirs.outputs, strict=True)
    return Comparison(alike and all(np.array_equal(a, b) for a, b in pairs))


def _interface(graph: Graph) -> list[list[object]]:
    inputs = [tensor for tensor, _ in network_inputs(graph)]
    return [[(kind(tensor), tensor.shape) for tensor in ends] for ends in (inputs, network_outputs(graph))]
