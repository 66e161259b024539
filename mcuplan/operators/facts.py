"""The facts of one tensor, by the names that formulas and analyses use."""

from __future__ import annotations

from mcuplan.graph import DType, Graph, Tensor


class TensorFacts:
    """One tensor as formulas see it.

    ``bytes`` is what the dense tensor takes in memory, where every element has at least a byte of its own (int4
    tensors are unpacked); -1 where its elements have no fixed size.
    """

    __slots__ = ("constant", "dims", "dtype", "elements", "index", "present", "rank", "scales", "tensor", "variable")

    def __init__(self, graph: Graph, tensor: Tensor | None, index: int) -> None:
        self.tensor = tensor
        self.index = index
        self.present = tensor is not None
        self.dims = tensor.shape if tensor else ()
        self.rank = len(self.dims)
        self.elements = tensor.elements if tensor else 0
        self.dtype = tensor.dtype.label if tensor else "absent"
        self.scales = len(tensor.quantization.scales) if tensor and tensor.quantization else 0
        self.constant = tensor is not None and graph.is_constant(tensor)
        self.variable = tensor is not None and tensor.is_variable

    @property
    def bytes(self) -> int:
        """Bytes in memory, one element at least one byte."""
        if self.tensor is None:
            return 0
        bits = self.tensor.dtype.bits
        return -1 if bits is None else self.elements * max(bits // 8, 1)

    @property
    def channels(self) -> int:
        """Size of the last dimension; 1 for a scalar."""
        return self.dims[-1] if self.dims else 1

    @property
    def batch(self) -> int:
        """Size of the first dimension; 1 for a scalar."""
        return self.dims[0] if self.dims else 1


def constant_values(graph: Graph, tensor: Tensor) -> tuple[int, ...] | None:
    """The values of a constant int32 or int64 tensor (axes, paddings, shapes); None where it is not one."""
    import struct

    code = {DType.INT32: "i", DType.INT64: "q"}.get(tensor.dtype)
    data = graph.data(tensor)
    if code is None or data is None or len(data) < tensor.elements * struct.calcsize(code):
        return None
    return struct.unpack_from(f"<{tensor.elements}{code}", data)
