"""What kernels work out while they prepare and keep for good, worked out here: lean registrations have it in flash.

Which requests those are stands in ``kernels.json`` ('keeps'). TFLM works each array out of the model alone, so that the
firmware can hold it as a constant; registrations compare the two when the firmware starts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcuplan.graph import Graph
from mcuplan.operators import OperatorCall, TensorFacts, call_at
from mcuplan.operators.formulas import evaluate
from mcuplan.tflm.alignment import aligned
from mcuplan.tflm.kernels import node_needs
from mcuplan.tflm.results import LeanSize
from mcuplan.tflm.target import Target
from mcuplan.tflm.versions import document

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

WORD = 4
"""Bytes of an element of every array: int32."""


MOST = 2**24 - 1
"""The most elements of an array that the firmware's table can count."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The arrays that an operator keeps: of ``count`` int32 elements each, one for each of ``parts``, in their order.

    ``filter`` is the buffer of the operator's filter, by which firmware knows it. ``basis`` is all that the elements
    are worked out from; empty for arrays that the kernel asks for and never reads (float operators).
    """

    operator: str
    filter: int
    count: int
    parts: tuple[str, ...]
    basis: tuple[object, ...]
    call: OperatorCall = field(compare=False, repr=False)

    @property
    def values(self) -> tuple[tuple[int, ...], ...]:
        """The elements of each array; none for arrays that are never read."""
        return tuple(_values(part, self.call, self.count) for part in self.parts) if self.basis else ()

    @property
    def array_bytes(self) -> int:
        """Bytes of the arrays in flash, each aligned as TFLM aligns its own."""
        return aligned(WORD * self.count) * len(self.parts) if self.basis else 0


def kept(graph: Graph, target: Target) -> tuple[Kept, ...]:
    """What the operators of ``graph`` keep in flash on a lean ``target``, in the order of operators, each set once.

    Operators that share a filter and scales share a set. Empty for a target that is not lean.
    """
    return tuple(dict.fromkeys(_kept(graph, target))) if target.lean else ()


def _kept(graph: Graph, target: Target) -> Iterator[Kept]:
    reached = document(target.version, "lean")["operators"]
    for s, k, op in graph.operators():
        call = call_at(graph, s, k)
        requests = [r for r in node_needs(call, target).prepare if r.in_flash]
        if requests:
            filter_ = call.inputs[reached[op.label]["filter"]]
            assert filter_.tensor is not None
            parts = tuple(r.in_flash for r in requests)
            basis = () if call["x"].dtype == "float32" else tuple(_basis(call, parts))
            yield Kept(op.label, filter_.tensor.buffer, requests[0].bytes // WORD, parts, basis, call)


def _basis(call: OperatorCall, parts: Sequence[str]) -> Iterator[object]:
    """Scales, zero points and constants: operators that have them in common keep the same numbers."""
    for tensor in dict.fromkeys(t.tensor for part in parts for t in _operands(part, call)):
        quantization = tensor.quantization if tensor else None
        yield quantization and (quantization.scales, quantization.zero_points)
        yield tensor.buffer if tensor and call.graph.is_constant(tensor) else None


_SUMS = re.compile(r"sums\((.*)\)")


def _operands(part: str, call: OperatorCall) -> tuple[TensorFacts, ...]:
    """The tensors that a kind of array is worked out from: those in its brackets, else input, filter and output."""
    sums = _SUMS.fullmatch(part)
    named = sums[1].split(", ") if sums else ("x", "w", "y")
    return tuple(TensorFacts(call.graph, None, -1) if name == "none" else evaluate(name, call) for name in named)


def lean_size(graph: Graph, target: Target) -> LeanSize:
    """What lean registrations for ``graph`` take beside the arena; nothing on a target that is not lean.

    Arrays and tables are exact, the code an upper bound (``code`` in ``lean.json``).
    """
    entries = kept(graph, target)
    if not entries:
        return LeanSize()
    code = document(target.version, "lean")["code"]
    kinds = len({e.operator for e in entries})
    arrays = sum(e.array_bytes for e in {e.basis: e for e in entries}.values())
    return LeanSize(
        flash_bytes=arrays + code["entry"] * len(entries) + code["shared"] + code["operator"] * kinds,
        data_bytes=code["operator_data"] * kinds,
        bss_bytes=code["bss"],
    )


def _values(part: str, call: OperatorCall, count: int) -> tuple[int, ...]:
    if _SUMS.fullmatch(part):
        return _sums(call, count, *_operands(part, call))
    multipliers, shifts = zip(*_requantization(call, count), strict=True)
    return multipliers if part == "multipliers" else shifts


def _requantization(call: OperatorCall, count: int) -> Iterator[tuple[int, int]]:
    """Multiplier and shift of each channel: of input scale x filter scale / output scale, in double.

    Source: kernels/kernel_util.cc, ``PopulateConvolutionQuantizationParams``; the same in
    micro/kernels/fully_connected_common.cc. A filter with one scale has it for every channel.
    """
    x, y = _scale(call["x"]), _scale(call["y"])
    tensor = call["w"].tensor
    scales = tensor.quantization.scales if tensor.quantization else ()
    scales = scales if len(scales) > 1 else scales[:1] * count
    found = {scale: quantized_multiplier(x * scale / y if y else math.inf) for scale in {*scales, 0.0}}
    return (found[scale] for scale in (*scales, *(0.0,) * (count - len(scales)))[:count])


def _scale(tensor: TensorFacts) -> float:
    quantization = tensor.tensor.quantization if tensor.tensor else None
    return quantization.scales[0] if quantization and quantization.scales else 0.0


def _zero_point(tensor: TensorFacts) -> int:
    """The zero point, which TFLM casts to 32 bits."""
    quantization = tensor.tensor.quantization if tensor.tensor else None
    found = quantization.zero_points[0] if quantization and quantization.zero_points else 0
    return (found + 2**31) % 2**32 - 2**31


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


def _sums(
    call: OperatorCall, count: int, filters: TensorFacts, inner: TensorFacts, x: TensorFacts, bias: TensorFacts
) -> tuple[int, ...]:
    """CMSIS-NN's kernel sums: of each of ``filters`` less the zero point of ``inner``, times the offset of ``x``, plus
    the bias, in 32 bits.

    Source: CMSIS-NN, Source/FullyConnectedFunctions/arm_vector_sum_s8.c; its callers are fully_connected.cc, svdf.cc
    and unidirectional_sequence_lstm.cc in micro/kernels/cmsis_nn/.
    """
    import numpy as np

    inputs = filters.elements // count
    weights = _constants(call, filters, "<i1", inputs * count).reshape(count, inputs)
    sums = (weights.sum(axis=1) - inputs * _zero_point(inner)) * -_zero_point(x)
    return tuple(int(v) for v in (sums + _constants(call, bias, "<i4", count)).astype(np.int32))


def _constants(call: OperatorCall, tensor: TensorFacts, code: str, size: int) -> NDArray[int64]:
    """Exactly ``size`` elements of a constant; zeros for an absent one, and behind one that is short."""
    import numpy as np

    found = np.zeros(size, code)
    data = bytes(call.graph.buffers[tensor.tensor.buffer].data or b"" if tensor.tensor else b"")[: found.nbytes]
    found.view("u1")[: len(data)] = np.frombuffer(data, "u1")
    return found.astype(np.int64)
