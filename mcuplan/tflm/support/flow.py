"""What is read before anything writes it, what writes where it must not, and vectors that TFLM takes for granted."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mcuplan.graph import CUSTOM, Graph, Operator, Subgraph, Tensor
from mcuplan.tflm.support.call import Finding
from mcuplan.tflm.support.table import OperatorRule

LARGEST = 2**31
"""TFLM counts elements in 32 bits with a sign (memory_helpers.cc)."""


def too_large(tensor: Tensor) -> bool:
    """True where the number of elements or bytes overflows; an unknown dimension counts as 1."""
    return abs(math.prod(tensor.shape)) * max(1, (tensor.dtype.bits or 8) // 8) >= LARGEST


def missing_vectors(graph: Graph, index: int) -> Iterator[str]:
    """What TFLM looks up in a subgraph without asking whether the file has it."""
    subgraph = graph.subgraphs[index]
    if not subgraph.has_tensors:
        yield "tensors"
    if index == 0:
        yield from _missing_ends(subgraph)


def _missing_ends(subgraph: Subgraph) -> Iterator[str]:
    if not subgraph.has_inputs:
        yield "inputs"
    if not subgraph.has_outputs:
        yield "outputs"


def called_without_ends(subgraph: Subgraph) -> bool:
    """True where IF and WHILE would look up inputs or outputs that a called subgraph has no vector for."""
    return next(_missing_ends(subgraph), None) is not None


def operator_vectors(op: Operator, rule: OperatorRule | None) -> Iterator[Finding]:
    """A missing vector matters to kernels that look into it."""
    sides = (
        ("inputs", op.has_inputs, rule is None or rule.inputs),
        ("outputs", op.has_outputs, rule is None or rule.outputs),
    )
    for side, present, used in sides:
        if not present and used:
            yield Finding("missing-vector", f"has no list of {side} at all, and its kernel dies looking into it")


def _written_at_start(graph: Graph, subgraph: Subgraph) -> set[int]:
    known = {i for i, t in enumerate(subgraph.tensors) if t.is_variable or 0 in t.shape or graph.is_constant(t)}
    return known.union(subgraph.inputs)


def unwritten(graph: Graph, subgraph: Subgraph) -> Iterator[tuple[int, int]]:
    """Tensors that are read before anything has written them, each once, as ``(operator, tensor)``.

    The subgraph's outputs are read at its end, by operator -1. A custom operator may take a tensor to work in.
    """
    written = _written_at_start(graph, subgraph)
    for k, op in enumerate(subgraph.operators):
        for t in op.inputs:
            if t >= 0 and t not in written:
                written.add(t)
                if op.name != CUSTOM:
                    yield k, t
        written.update(op.outputs)
    for t in subgraph.outputs:
        if t not in written:
            yield -1, t
