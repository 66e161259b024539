"""Constant tensors as numpy arrays and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.estimates.errors import EstimateError
from mcuplan.graph import DType, Graph, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMPY = {
    DType.FLOAT32: "<f4", DType.INT8: "i1", DType.UINT8: "u1", DType.INT16: "<i2", DType.INT32: "<i4",
    DType.INT64: "<i8", DType.BOOL: "?", DType.FLOAT16: "<f2",
}  # fmt: skip


def array_of(graph: Graph, tensor: Tensor) -> NDArray[Any]:
    """The values of a constant tensor, in its shape.

    Raises
    ------
    EstimateError
        Where the tensor is no dense constant of a type of whole bytes, its buffer has another size, or a value is not
        finite.
    """
    name = _NUMPY.get(tensor.dtype)
    data = graph.data(tensor)
    if name is None or data is None or tensor.sparsity is not None:
        raise EstimateError(f"tensor {tensor.name!r} is no dense {tensor.dtype.label} constant that can be re-encoded")
    values = np.frombuffer(data, dtype=name)
    if values.size != tensor.elements:
        raise EstimateError(f"tensor {tensor.name!r} has {values.size} values where its shape asks {tensor.elements}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise EstimateError(f"tensor {tensor.name!r} holds values that are not finite")
    return values.reshape(tensor.shape)


def bytes_of(values: NDArray[Any], dtype: DType) -> bytes:
    """``values`` converted to ``dtype``, little-endian, in C order."""
    return np.ascontiguousarray(values, dtype=_NUMPY[dtype]).tobytes()
