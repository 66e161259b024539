"""Bytes of tensors as TFLM counts them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mcuplan.graph import Graph, Subgraph, Tensor
from mcuplan.operators import OperatorCall


def element_count(tensor: Tensor) -> int:
    """Elements of a tensor; dimensions that the file leaves open count as 1."""
    return math.prod(tensor.shape) if not tensor.is_dynamic else math.prod(1 if d < 0 else d for d in tensor.shape)


def tensor_bytes(tensor: Tensor, type_bytes: Mapping[str, int]) -> int:
    """Bytes that TFLM gives a tensor in the arena; 0 for types that it cannot size.

    Source: micro/memory_helpers.cc, ``TfLiteEvalTensorByteLength``; int4 takes a whole byte.
    """
    return element_count(tensor) * type_bytes.get(tensor.dtype.label, 0)


def reshaped_elements(graph: Graph, subgraph: Subgraph) -> dict[int, int]:
    """Elements of the tensors whose shape RESHAPE settles, by their index.

    It works out a -1 from its input, and reads the shape [0] of an output without a shape operand as a scalar
    (micro/kernels/reshape_common.cc).
    """
    settled = {}
    for op in subgraph.operators:
        if op.name == "RESHAPE" and op.outputs:
            x, y = OperatorCall(graph, subgraph, op)["x"], subgraph.tensors[op.outputs[0]]
            if y.shape == (0,) and len(op.inputs) == 1:
                settled[op.outputs[0]] = 1
            elif x.present and y.shape.count(-1) == 1:
                settled[op.outputs[0]] = max(x.elements, 0)
    return settled


def subgraph_bytes(graph: Graph, subgraph: Subgraph, type_bytes: Mapping[str, int]) -> list[int]:
    """Bytes of each tensor of a subgraph, as its kernels leave them."""
    sizes = [tensor_bytes(t, type_bytes) for t in subgraph.tensors]
    for t, elements in reshaped_elements(graph, subgraph).items():
        sizes[t] = elements * type_bytes.get(subgraph.tensors[t].dtype.label, 0)
    return sizes
