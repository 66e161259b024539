"""Bytes of tensors as TFLM counts them."""

from __future__ import annotations

from collections.abc import Mapping

from mcuplan.graph import Graph, Subgraph, Tensor
from mcuplan.operators import OperatorFacts


def element_count(tensor: Tensor) -> int:
    """Elements of a tensor; dimensions that the file leaves open count as 1."""
    count = 1
    for size in tensor.shape:
        count *= max(size, 1) if size < 0 else size
    return count


def tensor_bytes(tensor: Tensor, type_bytes: Mapping[str, int]) -> int:
    """Bytes that TFLM gives a tensor in the arena; 0 for types that it cannot size.

    Source: micro/memory_helpers.cc, ``TfLiteEvalTensorByteLength``; int4 takes a whole byte.
    """
    return element_count(tensor) * type_bytes.get(tensor.dtype.label, 0)


def subgraph_bytes(graph: Graph, subgraph: Subgraph, type_bytes: Mapping[str, int]) -> list[int]:
    """Bytes of each tensor of a subgraph.

    RESHAPE works out a -1 in its output's shape from its input (micro/kernels/reshape_common.cc).
    """
    sizes = [tensor_bytes(t, type_bytes) for t in subgraph.tensors]
    for op in subgraph.operators:
        if op.name == "RESHAPE" and op.outputs and subgraph.tensors[op.outputs[0]].is_dynamic:
            facts = OperatorFacts(graph, subgraph, op)
            y = subgraph.tensors[op.outputs[0]]
            if facts["x"].present and y.shape.count(-1) == 1:
                sizes[op.outputs[0]] = max(facts["x"].elements, 0) * type_bytes.get(y.dtype.label, 0)
    return sizes
