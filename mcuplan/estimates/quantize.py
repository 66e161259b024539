"""The int8 form of a float model, derived as TensorFlow's converter derives it, for its sizes.

Types, per-channel scales, int32 biases and every constant are really re-encoded, so that arena, flash and MACs come
from a real graph. Only the ranges of activations are unknown without data to calibrate on: their scales are
placeholders. No size depends on them, and the graph must not be run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.estimates.arrays import array_of, bytes_of
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.int8_rules import Int8Rule, int8_rules
from mcuplan.estimates.rounding import symmetric
from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Quantization, Record, Subgraph, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACEHOLDER = Quantization(scales=(1 / 128,), zero_points=(0,))
"""Stands for the unknown scale of an activation."""

_VERSION = re.compile(rb"([1-9][0-9]{0,2})\.([0-9]{1,3})\.[0-9]{1,3}")
_METADATA_READ = 4096
_DENSE_PER_CHANNEL = (2, 17)

_QUANTIZED = frozenset({DType.INT8, DType.UINT8, DType.INT16, DType.INT4, DType.INT2, DType.UINT4})


def writes_ranges(graph: Graph) -> bool:
    """Whether the converter that wrote ``graph`` keeps min and max beside int8 scales (8 bytes a scale).

    Older ones do; later ones write CONVERSION_METADATA and no ranges. Read off real pairs of float and int8 models; a
    graph that no TensorFlow converter wrote counts as a later one's.
    """
    names = {entry.name for entry in graph.metadata}
    return "min_runtime_version" in names and "CONVERSION_METADATA" not in names


def converter_version(graph: Graph) -> tuple[int, int] | None:
    """Major and minor version of the TensorFlow whose converter wrote ``graph``, from CONVERSION_METADATA; or None."""
    data = graph.metadata_data("CONVERSION_METADATA")
    found = _VERSION.search(bytes(data[:_METADATA_READ])) if data else None
    return (int(found[1]), int(found[2])) if found else None


def dense_per_channel(graph: Graph) -> bool:
    """Whether the converter that wrote ``graph`` gives dense layers a scale for each unit.

    TensorFlow's does since 2024 (tflite-micro pull request 2602), here taken as 2.17; older ones, and whatever wrote a
    graph without CONVERSION_METADATA, one scale for the tensor.
    """
    version = converter_version(graph)
    return version is not None and version >= _DENSE_PER_CHANNEL


def refuse_unless_float(graph: Graph) -> None:
    """Say why ``graph`` has no int8 form to derive.

    Raises
    ------
    EstimateError
        For a model that is quantized already (in whole or in part), has no float32 tensor, holds float16 weights, has
        control flow, or an operator without an int8 form.
    """
    for tensor in (tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors):
        if tensor.dtype in _QUANTIZED and tensor.quantization is not None and tensor.quantization.scales:
            raise EstimateError(f"the model is quantized already: its tensor {tensor.name!r} is {tensor.dtype.label}")
        if tensor.dtype is DType.FLOAT16:
            raise EstimateError(f"the model has float16 weights ({tensor.name!r}): start from the float32 model")
    if len(graph.subgraphs) > 1:
        raise EstimateError(f"the int8 form of a model with {len(graph.subgraphs)} subgraphs is not derived")
    main = graph.main
    if not any(tensor.dtype is DType.FLOAT32 for tensor in main.tensors):
        raise EstimateError("the model has no float32 tensor that could become int8")
    for k, op in enumerate(main.operators):
        if op.label not in int8_rules():
            raise EstimateError(f"operator {k} ({op.label}) has no int8 form in the converter, or none mcuplan knows")


@dataclass(frozen=True, slots=True)
class _Weights:
    axis: int | None


@dataclass(frozen=True, slots=True)
class _Bias:
    weights: int


@dataclass(frozen=True, slots=True)
class _Typed:
    dtype: DType


@dataclass(frozen=True, slots=True)
class _Output:
    scale: float
    zero_point: int


_Role = _Weights | _Bias | _Typed | _Output


def _roles(subgraph: Subgraph, per_unit: bool) -> Mapping[int, _Role]:
    """What the tensors are whose int8 form is not simply int8 with one scale; ``per_unit``: dense layers by unit.

    Raises
    ------
    EstimateError
        Where one tensor is weights here and a bias there: one is int8, the other int32.
    """
    found: dict[int, _Role] = {}
    weights, biases = set[int](), set[int]()
    for op in subgraph.operators:
        rule = int8_rules()[op.label]
        at = dict(enumerate(op.inputs))
        by_unit = 0 if per_unit and op.name == "FULLY_CONNECTED" else None
        weighed = {
            at[i]: _Weights(by_unit if axis is None else axis) for i, axis in rule.weights.items() if at.get(i, -1) >= 0
        }
        pairs = ((i, w) for i, w in rule.biases.items() if min(at.get(i, -1), at.get(w, -1)) >= 0)
        biased = {at[i]: _Bias(at[w]) for i, w in pairs}
        weights |= {*weighed, *(bias.weights for bias in biased.values())}
        biases |= set(biased)
        found |= {**weighed, **biased}
        found |= {at[i]: _Typed(dtype) for i, dtype in rule.types.items() if at.get(i, -1) >= 0}
        if rule.output is not None:
            found |= {t: _Output(*rule.output) for t in op.outputs}
    for t in sorted(weights & biases):
        name = subgraph.tensors[t].name
        raise EstimateError(f"{name!r} is read as weights and as a bias: it has no one int8 form")
    return found


class _Derivation:
    """The int8 tensors and buffers of one graph, made one by one."""

    def __init__(self, graph: Graph, ranges: bool, per_unit: bool) -> None:
        self.graph = graph
        self.ranges = ranges
        self.roles = _roles(graph.main, per_unit)
        self.buffers = list(graph.buffers)
        self._stored: dict[tuple[int, bytes], int] = {}
        self._scales: dict[int, NDArray[np.float64]] = {}

    def tensor(self, t: int) -> Tensor:
        """The int8 form of tensor ``t``; a tensor that is no float stays."""
        tensor = self.graph.main.tensors[t]
        if tensor.dtype is not DType.FLOAT32:
            return tensor
        if not self.graph.is_constant(tensor):
            return self._activation(tensor, self.roles.get(t))
        match self.roles.get(t):
            case _Bias(weights):
                return self._bias(tensor, weights)
            case _Weights(axis):
                return self._constant(t, tensor, axis, DType.INT8)
            case _Typed(dtype):
                return self._constant(t, tensor, None, dtype)
            case _:
                return self._constant(t, tensor, None, DType.INT8)

    def _activation(self, tensor: Tensor, role: _Role | None) -> Tensor:
        dtype, q = (role.dtype if isinstance(role, _Typed) else DType.INT8), PLACEHOLDER
        if isinstance(role, _Output):
            return replace(tensor, dtype=dtype, quantization=Quantization((role.scale,), (role.zero_point,)))
        if self.ranges:
            q = replace(q, min=(-1.0,), max=(127 / 128,))
        return replace(tensor, dtype=dtype, quantization=q)

    def _constant(self, t: int, tensor: Tensor, axis: int | None, dtype: DType) -> Tensor:
        values = array_of(self.graph, tensor)
        quantized = symmetric(values, 8 if dtype is DType.INT8 else 16, axis)
        self._scales[t] = quantized.scales
        low, high = self._range(values, axis)
        scales = tuple(quantized.scales.tolist())
        q = Quantization(scales, (0,) * len(scales), axis or 0, min=low, max=high)
        return self._stored_as(tensor, quantized.values, dtype, q)

    def _range(self, values: NDArray[Any], axis: int | None) -> tuple[tuple[float, ...] | None, ...]:
        """The least and the greatest weight, of the tensor or of each channel; (None, None) where none are kept."""
        if not self.ranges or not values.size:
            return None, None
        others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
        ends = np.atleast_1d(values.min(axis=others)), np.atleast_1d(values.max(axis=others))
        return tuple(tuple(end.tolist()) for end in ends)

    def _bias(self, tensor: Tensor, weights: int) -> Tensor:
        if weights not in self._scales:
            self.tensor(weights)
        scales = self._scales.get(weights, np.ones(1)) * PLACEHOLDER.scales[0]
        reals = array_of(self.graph, tensor).astype(np.float64)
        # Weights whose channels are not the bias's (grouped, shared) cannot scale it one by one.
        by = scales if len(scales) in (1, reals.size) else scales[:1]
        limit = 2**31 - 1
        values = np.clip(np.rint(reals / by.reshape(-1)), -limit, limit)
        q = Quantization(tuple(by.tolist()), (0,) * len(by))
        return self._stored_as(tensor, values, DType.INT32, q)

    def _stored_as(self, tensor: Tensor, values: NDArray[Any], dtype: DType, q: Quantization) -> Tensor:
        data = bytes_of(values, dtype)
        key = (tensor.buffer, data)
        if key not in self._stored:
            # The first form takes the old buffer's place; tensors that shared it with another form get a new one.
            taken = any(old == tensor.buffer for old, _ in self._stored)
            self._stored[key] = len(self.buffers) if taken else tensor.buffer
            if taken:
                self.buffers.append(Buffer(data))
            else:
                self.buffers[tensor.buffer] = Buffer(data)
        return replace(tensor, dtype=dtype, quantization=q, buffer=self._stored[key])


def to_int8(graph: Graph, *, float_io: bool = False, ranges: bool | None = None, per_unit: bool | None = None) -> Graph:
    """The int8 form of a float model: a real graph with real constants and placeholder activation scales.

    Parameters
    ----------
    graph
        A float32 model with one subgraph.
    float_io
        Keep float inputs and outputs, with QUANTIZE and DEQUANTIZE at the ends, as the converter does where
        ``inference_input_type`` is left alone. False: int8 inputs and outputs.
    ranges
        Keep min and max beside the scales, as older converters do; None: as the converter of ``graph`` does
        (:func:`writes_ranges`).
    per_unit
        Give dense layers a scale for each unit, as newer converters do; None: as that of ``graph`` does
        (:func:`dense_per_channel`).

    Raises
    ------
    EstimateError
        Where the model is not a float model, or some operator has no int8 form (:func:`refuse_unless_float`).

    Notes
    -----
    Rules: TensorFlow Lite 8-bit quantization specification, in ``data/int8.json``. The models that the derivation is
    checked against have one scale for a dense layer.
    """
    refuse_unless_float(graph)
    by_unit = dense_per_channel(graph) if per_unit is None else per_unit
    made = _Derivation(graph, writes_ranges(graph) if ranges is None else ranges, by_unit)
    tensors = [made.tensor(t) for t in range(len(graph.main.tensors))]
    operators = [_operator(op, int8_rules()[op.label], tensors) for op in graph.main.operators]
    main = replace(graph.main, tensors=tuple(tensors), operators=tuple(operators))
    derived = replace(
        graph, subgraphs=(main,), buffers=tuple(made.buffers), operator_codes=(), file_bytes=0,
        description=graph.description,
    )  # fmt: skip
    return _with_float_ends(derived, graph) if float_io else derived


def _operator(op: Operator, rule: Int8Rule, tensors: list[Tensor]) -> Operator:
    """The int8 form of an operator; appends the intermediates it adds to ``tensors``."""
    extra = op.intermediates
    if rule.intermediates and not extra:
        first = len(tensors)
        tensors.extend(
            Tensor(name, DType.INT8, (0,), quantization=PLACEHOLDER)
            if i in rule.quantized_intermediates
            else Tensor(name, DType.FLOAT32, (0,))
            for i, name in enumerate(rule.intermediates)
        )
        extra = tuple(range(first, len(tensors)))
    return replace(op, code=replace(op.code, version=max(op.code.version, rule.version)), intermediates=extra)


def _with_float_ends(derived: Graph, graph: Graph) -> Graph:
    """``derived`` with float inputs and outputs: QUANTIZE after the first, DEQUANTIZE before the last."""
    tensors, old = list(derived.main.tensors), graph.main.tensors
    moved: dict[str, dict[int, int]] = {"inputs": {}, "outputs": {}}
    ends: dict[str, list[Operator]] = {"inputs": [], "outputs": []}
    for side, kind in (("inputs", "QUANTIZE"), ("outputs", "DEQUANTIZE")):
        for t in dict.fromkeys(getattr(derived.main, side)):
            if old[t].dtype is not DType.FLOAT32 or tensors[t].dtype is DType.FLOAT32:
                continue
            tensors.append(old[t])
            moved[side][t] = len(tensors) - 1
            pair = (moved[side][t], t) if side == "inputs" else (t, moved[side][t])
            code = OperatorCode(kind, version=1 if kind == "QUANTIZE" else 2)
            ends[side].append(Operator(code, (pair[0],), (pair[1],)))
    main = replace(
        derived.main,
        tensors=tuple(tensors),
        operators=(*ends["inputs"], *derived.main.operators, *ends["outputs"]),
        inputs=tuple(moved["inputs"].get(t, t) for t in derived.main.inputs),
        outputs=tuple(moved["outputs"].get(t, t) for t in derived.main.outputs),
    )
    return replace(derived, subgraphs=(main,), signatures=tuple(_signature(s, moved) for s in derived.signatures))


def _signature(signature: Record, moved: Mapping[str, Mapping[int, int]]) -> Record:
    fields = dict(signature.fields)
    for side, numbers in moved.items():
        if fields.get(side):
            fields[side] = tuple(
                replace(
                    entry,
                    fields={**entry.fields, "tensor_index": numbers.get(entry["tensor_index"], entry["tensor_index"])},
                )
                for entry in fields[side]
            )
    return replace(signature, fields=fields)
