"""A model's inputs and outputs as C++ constants: what stands in ``tensors.h`` of a project."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mcuplan.graph import DType, Graph, Tensor

_TYPES = {
    DType.FLOAT32: "float", DType.INT8: "std::int8_t", DType.UINT8: "std::uint8_t", DType.INT16: "std::int16_t",
    DType.UINT16: "std::uint16_t", DType.INT32: "std::int32_t", DType.UINT32: "std::uint32_t",
    DType.INT64: "std::int64_t", DType.UINT64: "std::uint64_t", DType.BOOL: "bool",
}  # fmt: skip
_RANGES = {DType.INT8: (-128, 127), DType.UINT8: (0, 255), DType.INT16: (-32768, 32767)}
"""Types that are quantized on the device; a zero point of theirs fits an int."""


@dataclass(frozen=True, slots=True)
class TensorConstants:
    """One input or output: identifiers, C++ type ("" where C++ has none), shape, and its quantization.

    ``scale`` is the text of a float ("" where the tensor has not one scale and zero point), ``least`` and ``most``
    are the type's range. ``about`` is untrusted text.
    """

    name: str
    about: str
    type: str
    shape: tuple[int, ...]
    elements: int
    scale: str = ""
    zero_point: int = 0
    least: int = 0
    most: int = 0


def tensor_constants(graph: Graph, camel: str, role: Literal["Input", "Output"]) -> tuple[TensorConstants, ...]:
    """The constants of each input or output of ``graph``; ``camel`` begins their names.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> found, = tensor_constants(build("person-detection"), "Person", "Input")
    >>> found.name, found.type, found.shape, found.elements, found.zero_point
    ('PersonInput0', 'std::int8_t', (1, 96, 96, 1), 9216, -1)
    """
    main = graph.main
    indices = main.inputs if role == "Input" else main.outputs
    return tuple(_constants(main.tensors[t], f"{camel}{role}{i}", role, i) for i, t in enumerate(indices))


def _constants(tensor: Tensor, name: str, role: str, position: int) -> TensorConstants:
    shape = tuple(max(size, 1) if size < 0 else size for size in tensor.shape)
    about = f"{role} {position}, {tensor.name or 'unnamed'}: {tensor.dtype.label} {list(shape)}"
    plain = TensorConstants(name, about, _TYPES.get(tensor.dtype, ""), shape, math.prod(shape))
    q = tensor.quantization
    usable = q is not None and len(q.scales) == 1 and len(q.zero_points) <= 1 and tensor.dtype in _RANGES
    if q is None or not usable or not (math.isfinite(q.scales[0]) and q.scales[0] > 0):
        return plain
    least, most = _RANGES[tensor.dtype]
    zero = int(q.zero_points[0]) if q.zero_points else 0
    if not least <= zero <= most:
        return plain
    return TensorConstants(
        name, about, plain.type, shape, plain.elements, float32_literal(q.scales[0]), zero, least, most
    )


def float32_literal(value: float) -> str:
    """The shortest decimal text that C++ reads as the float32 nearest to ``value``, with a point.

    Examples
    --------
    >>> float32_literal(0.1), float32_literal(1.0), float32_literal(1 / 255)
    ('0.1', '1.0', '0.003921569')
    """
    text = str(np.float32(value))
    return text if any(mark in text for mark in ".e") else f"{text}.0"
