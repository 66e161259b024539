"""What kernels work out while they prepare and keep for good, worked out here: lean registrations have it in flash.

Which requests those are stands in ``kernels.json`` ('keeps'). TFLM works each array out of the model alone, so that the
firmware can hold it as a constant; registrations compare the two when the firmware starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.graph import Graph
from mcuplan.operators import OperatorCall, TensorFacts
from mcuplan.tflm.kernels import node_needs
from mcuplan.tflm.target import Target

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

WORD = 4
"""Bytes of an element of every array: int32."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The arrays that an operator keeps: of ``count`` int32 elements each, one for each of ``parts``, in their order.

    ``filter`` is the buffer of the operator's filter, by which firmware knows it. ``values`` is None for arrays that
    the kernel asks for and never reads (float operators).
    """

    operator: str
    filter: int
    count: int
    parts: tuple[str, ...]
    values: tuple[tuple[int, ...], ...] | None


def kept(graph: Graph, target: Target) -> tuple[Kept, ...]:
    """What the operators of ``graph`` keep in flash on a lean ``target``, in the order of operators, each set once.

    Operators that share a filter and scales share a set. Empty for a target that is not lean.
    """
    return tuple(dict.fromkeys(_kept(graph, target))) if target.lean else ()


def _kept(graph: Graph, target: Target) -> Iterator[Kept]:
    for s, _, op in graph.operators():
        facts = OperatorCall(graph, graph.subgraphs[s], op)
        requests = [r for r in node_needs(facts, target).prepare if r.in_flash]
        if not requests:
            continue
        x, w = facts["x"], facts["w"]
        count = requests[0].bytes // WORD
        parts = tuple(r.in_flash for r in requests)
        values = None if x.dtype == "float32" else tuple(_values(part, facts, count) for part in parts)
        yield Kept(op.label, w.tensor.buffer, count, parts, values)


def _values(part: str, facts: OperatorCall, count: int) -> tuple[int, ...]:
    if part == "sums":
        bias = _constants(facts, facts["b"], "<i4") if facts["b"].present else None
        return _sums(facts, count, _zero_point(facts["w"]), bias)
    if part == "state sums":
        return _sums(facts, count, _zero_point(facts["state"]), None)
    multipliers, shifts = zip(*_requantization(facts, count), strict=True)
    return multipliers if part == "multipliers" else shifts


def _requantization(facts: OperatorCall, count: int) -> Iterator[tuple[int, int]]:
    """Multiplier and shift of each channel: of input scale x filter scale / output scale, in double.

    Source: kernels/kernel_util.cc, ``PopulateConvolutionQuantizationParams``; the same in
    micro/kernels/fully_connected_common.cc. A filter with one scale has it for every channel.
    """
    x, y = _scale(facts["x"]), _scale(facts["y"])
    quantization = facts["w"].tensor.quantization
    scales = quantization.scales if len(quantization.scales) > 1 else quantization.scales[:1] * count
    found = {scale: quantized_multiplier(x * scale / y if y else math.inf) for scale in set(scales)}
    return (found[scale] for scale in scales)


def _scale(tensor: TensorFacts) -> float:
    quantization = tensor.tensor.quantization if tensor.tensor else None
    return quantization.scales[0] if quantization and quantization.scales else 0.0


def _zero_point(tensor: TensorFacts) -> int:
    quantization = tensor.tensor.quantization if tensor.tensor else None
    return quantization.zero_points[0] if quantization and quantization.zero_points else 0


def quantized_multiplier(real: float) -> tuple[int, int]:
    """``real`` as a Q31 multiplier and a left shift, as ``QuantizeMultiplier`` of
    kernels/internal/quantization_util.cc gives them; (0, 0) for what is not finite, on which TFLM aborts.

    Examples
    --------
    >>> quantized_multiplier(0.75), quantized_multiplier(1.0), quantized_multiplier(2.0**-40)
    ((1610612736, 0), (1073741824, 1), (0, 0))
    """
    if real == 0 or not math.isfinite(real):
        return 0, 0
    fraction, shift = math.frexp(real)
    scaled = math.copysign(math.floor(abs(fraction) * 2**31 + 0.5), real)
    if scaled == 2**31:
        scaled, shift = scaled / 2, shift + 1
    return (0, 0) if shift < -31 else (int(scaled), shift)


def _sums(facts: OperatorCall, count: int, zero_point: int, bias: NDArray[int64] | None) -> tuple[int, ...]:
    """CMSIS-NN's kernel sums for MVE: of each filter less ``zero_point``, times the input's offset, plus the bias.

    Source: CMSIS-NN, Source/FullyConnectedFunctions/arm_vector_sum_s8.c; its callers are
    micro/kernels/cmsis_nn/fully_connected.cc and svdf.cc, the latter with the state's zero point and without the bias.
    """
    import numpy as np

    filters = _constants(facts, facts["w"], "<i1").reshape(count, -1)
    sums = (filters.sum(axis=1) - filters.shape[1] * zero_point) * -_zero_point(facts["x"])
    return tuple(int(v) for v in (sums if bias is None else sums + bias).astype(np.int32))


def _constants(facts: OperatorCall, tensor: TensorFacts, code: str) -> NDArray[int64]:
    import numpy as np

    assert tensor.tensor is not None
    return np.frombuffer(facts.graph.buffers[tensor.tensor.buffer].data or b"", code).astype(np.int64)
