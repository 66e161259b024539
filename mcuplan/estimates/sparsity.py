"""Unstructured pruning: how many weights are zero or small, and what that could save.

TFLM's kernels read dense tensors: weights that are zero take the same RAM, the same flash and the same time. Only a
compressed file with a decoder of one's own would be smaller; the figure given is that of a bitmap (a bit a weight) and
the weights that stay (Han et al., "Deep Compression", ICLR 2016, uses such a sparse form).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcuplan.estimates.arrays import array_of
from mcuplan.estimates.basis import Basis
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.rounding import along_axis
from mcuplan.graph import DType, Graph, Tensor
from mcuplan.operators import operator_info

_ROLES = ("w", "recurrent", "time")


@dataclass(frozen=True, slots=True)
class LayerSparsity:
    """One constant of weights: how many are zero, how many are smaller than the threshold (zeros included).

    ``compressed_bytes`` is a bitmap and the weights that stay, ``stored_bytes`` what the file holds.
    """

    operator: int
    operator_name: str
    tensor_name: str
    elements: int
    zeros: int
    small: int
    stored_bytes: int
    compressed_bytes: int


@dataclass(frozen=True, slots=True)
class Sparsity:
    """The weights of a model against a magnitude threshold, the layers with most small weights first."""

    threshold: float
    elements: int
    zeros: int
    small: int
    stored_bytes: int
    compressed_bytes: int
    layers: tuple[LayerSparsity, ...]
    basis: Basis


BASIS = Basis(
    "zeros counted in the file; compressed: a bitmap of one bit a weight and the weights that stay, or the dense tensor"
    " where that is smaller",
    "exact for this form; a decoder's code, RAM and time are not counted, and TFLM has no kernel that reads it",
)


def sparsity(graph: Graph, threshold: float) -> Sparsity:
    """Count weights of magnitude below ``threshold`` (in real units) in every convolution, dense and recurrent layer.

    Raises
    ------
    EstimateError
        For a negative threshold, a model without weights, or scales that do not fit the weights they are for.
    """
    if not 0 <= threshold < float("inf"):
        raise EstimateError(f"{threshold:g} is no threshold: state a magnitude of 0 or more")
    rows, seen = [], set[tuple[int, int]]()
    for s, k, op in graph.operators():
        for position, role in enumerate(operator_info(op.label).inputs):
            t = op.inputs[position] if position < len(op.inputs) else -1
            if role not in _ROLES or t < 0 or (s, t) in seen or not graph.is_constant(graph.subgraphs[s].tensors[t]):
                continue
            seen.add((s, t))
            rows.append(_row(graph, s, k, op.label, t, threshold))
    if not rows:
        raise EstimateError("the model has no convolution, dense or recurrent weights that could be pruned")
    rows.sort(key=lambda row: -row.small / max(row.elements, 1))
    return Sparsity(
        threshold, sum(r.elements for r in rows), sum(r.zeros for r in rows), sum(r.small for r in rows),
        sum(r.stored_bytes for r in rows), sum(r.compressed_bytes for r in rows), tuple(rows), BASIS,
    )  # fmt: skip


def _along(tensor: Tensor, numbers: Sequence[float]) -> NDArray[np.float64]:
    """One number for the tensor, or one for each place along its quantized axis, shaped to be broadcast."""
    axis, rank = tensor.quantization.dimension if tensor.quantization else 0, len(tensor.shape)
    if len(numbers) == 1:
        return np.array(numbers[0], dtype=np.float64)
    if not (0 <= axis < rank and tensor.shape[axis] == len(numbers)):
        raise EstimateError(
            f"the weights {tensor.name!r} have {len(numbers)} scales, which do not fit their axis {axis}"
        )
    return along_axis(np.array(numbers, dtype=np.float64), axis, rank)


def _row(graph: Graph, s: int, k: int, label: str, t: int, threshold: float) -> LayerSparsity:
    tensor = graph.subgraphs[s].tensors[t]
    values = array_of(graph, tensor)
    real = np.abs(values.astype(np.float64))
    q = tensor.quantization
    if tensor.dtype is not DType.FLOAT32 and q is not None and q.scales:
        real = np.abs((values - _along(tensor, q.zero_points or (0,))) * _along(tensor, q.scales))
    zeros = int((real == 0).sum())
    small = max(int((real < threshold).sum()), zeros)
    stored = values.nbytes
    packed = -(-values.size // 8) + (values.size - small) * values.itemsize
    return LayerSparsity(k, label, tensor.name, values.size, zeros, small, stored, min(stored, packed))
