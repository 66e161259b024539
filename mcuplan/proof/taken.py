"""Whether TFLM takes a model at all: in one that it refuses, shapes need not be what kernels write."""

from __future__ import annotations

from collections.abc import Collection

from mcuplan.graph import CUSTOM, Graph
from mcuplan.tflm.results import Refusal
from mcuplan.tflm.support import FLEX_PREFIX, unsupported
from mcuplan.tflm.target import Target


def custom_operators(graph: Graph) -> frozenset[str]:
    """The codes of a model's custom operators; TensorFlow's own (Flex) are none that a firmware could bring."""
    found = (op.label for _, _, op in graph.operators() if op.name == CUSTOM)
    return frozenset(label for label in found if not label.startswith(FLEX_PREFIX))


def refusals(graph: Graph, target: Target, brought: Collection[str] | None = None) -> tuple[Refusal, ...]:
    """What ``mcuplan check`` says against a model; custom operators ``brought`` (None: all) count as there."""
    return unsupported(graph, target, custom_operators(graph) if brought is None else brought)


def sentence(refusal: Refusal) -> str:
    """A refusal with its place, in words; names in it are the model's."""
    inside = f" of subgraph {refusal.subgraph}" if refusal.subgraph else ""
    if refusal.operator >= 0:
        return f"operator {refusal.operator}{inside}: {refusal.reason}"
    return f"tensor {refusal.tensor}{inside}: {refusal.reason}" if refusal.tensor >= 0 else refusal.reason
