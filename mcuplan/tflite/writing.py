"""A :class:`~mcuplan.graph.Graph` into the bytes of a `.tflite` file, nothing lost.

The graph becomes a tree of records that :mod:`mcuplan.tflite.encoding` lays out: buffers 16-aligned as the schema
asks, every table of its own (TFLM writes into some shape vectors, so none is shared).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcuplan.errors import ModelError
from mcuplan.graph import Buffer, Graph, Operator, OperatorCode, Quantization, Record, Subgraph, Tensor
from mcuplan.tflite.appended import moved
from mcuplan.tflite.encoding import encode_root
from mcuplan.tflite.schema import PLACEHOLDER_CODE, builtin_code

_ALIGNMENT = 16
_UNKNOWN_YET = 2
"""Placeholder for the file offset of bytes outside the FlatBuffer; 0 and 1 would mean that there are none."""


def write(graph: Graph) -> bytes:
    """The model as a `.tflite` file of schema version 3.

    Reading the bytes gives an equal graph (``file_bytes`` and ``notes`` aside). Operator codes that
    ``graph.operator_codes`` lacks are appended. Raises ModelError for a graph that the schema cannot hold: an
    unknown options table or field, a number out of range, more than 2 GB.
    """
    body = _with_outside(graph)
    return body + moved(graph.appended, len(body)) if graph.appended else body


def _with_outside(graph: Graph) -> bytes:
    """The FlatBuffer and, behind it, 16-aligned, the bytes that the graph keeps outside it."""
    outside = [buffer.data or b"" for buffer in graph.buffers if buffer.external]
    outside += [op.custom_options or b"" for _, _, op in graph.operators() if op.custom_options_external]
    body = encode_root(_model(graph, _Outside([_UNKNOWN_YET] * len(outside))))
    if not outside:
        return body
    # The offsets' fields have a fixed size, so that the body is as long with the true values as with placeholders.
    offsets, end = [], len(body)
    for data in outside:
        offsets.append(_aligned(end))
        end = offsets[-1] + len(data)
    body = encode_root(_model(graph, _Outside(offsets)))
    file = bytearray(end)
    file[: len(body)] = body
    for offset, data in zip(offsets, outside, strict=True):
        file[offset : offset + len(data)] = data
    return bytes(file)


def _aligned(position: int) -> int:
    return (position + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT


class _Outside:
    """Hands out, in writing order, the file offsets of bytes that lie outside the FlatBuffer."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self._offsets = iter(offsets)

    def next(self) -> int:
        """The next offset of data outside the FlatBuffer."""
        return next(self._offsets)


@dataclass(frozen=True, slots=True)
class _Codes:
    """The operator codes to write and where each is."""

    codes: tuple[OperatorCode, ...]
    index: dict[OperatorCode, int]

    @classmethod
    def of(cls, graph: Graph) -> _Codes:
        """The graph's operator codes in their order, those that only operators name behind them."""
        used = (op.code for _, _, op in graph.operators())
        listed = list(graph.operator_codes)
        index = {code: i for i, code in reversed(list(enumerate(listed)))}
        for code in used:
            if code not in index:
                index[code] = len(listed)
                listed.append(code)
        return cls(tuple(listed), index)


def _model(graph: Graph, outside: _Outside) -> Record:
    codes = _Codes.of(graph)
    return Record(
        "Model",
        {
            "version": graph.schema_version,
            "operator_codes": [_operator_code(code) for code in codes.codes],
            "buffers": [_buffer(buffer, outside) for buffer in graph.buffers],
            "subgraphs": [_subgraph(subgraph, codes, outside) for subgraph in graph.subgraphs],
            "description": graph.description,
            "metadata_buffer": graph.metadata_buffers,
            "metadata": [Record("Metadata", {"name": m.name, "buffer": m.buffer}) for m in graph.metadata] or None,
            "signature_defs": graph.signatures or None,
            "external_buffer_groups": graph.external_buffer_groups,
            "external_buffers": graph.external_buffers,
        },
    )


def _operator_code(code: OperatorCode) -> Record:
    code = _with_raw_codes(code)
    return Record(
        "OperatorCode",
        {
            "deprecated_builtin_code": code.deprecated_builtin_code,
            "custom_code": code.custom_code,
            "version": code.version,
            "builtin_code": code.builtin_code,
        },
    )


def _with_raw_codes(code: OperatorCode) -> OperatorCode:
    """The code with raw fields that stand for its name; a graph made in memory need only give the name."""
    wanted = builtin_code(code.name)
    if wanted is None:
        raise ModelError(f"this graph does not fit the TFLite schema: no builtin operator is called {code.name!r}")
    if wanted == max(code.deprecated_builtin_code, code.builtin_code):
        return code
    return replace(code, deprecated_builtin_code=min(wanted, PLACEHOLDER_CODE), builtin_code=wanted)


def _buffer(buffer: Buffer, outside: _Outside) -> Record:
    if buffer.external:
        return Record("Buffer", {"offset": outside.next(), "size": len(buffer)})
    return Record("Buffer", {"data": buffer.data})


def _subgraph(subgraph: Subgraph, codes: _Codes, outside: _Outside) -> Record:
    return Record(
        "SubGraph",
        {
            "tensors": _present((_tensor(tensor) for tensor in subgraph.tensors), subgraph.has_tensors),
            "inputs": _present(subgraph.inputs, subgraph.has_inputs),
            "outputs": _present(subgraph.outputs, subgraph.has_outputs),
            "operators": [_operator(op, codes, outside) for op in subgraph.operators],
            "name": subgraph.name,
            "debug_metadata_index": subgraph.debug_metadata_index,
        },
    )


def _tensor(tensor: Tensor) -> Record:
    return Record(
        "Tensor",
        {
            "shape": tensor.shape if tensor.has_shape else None,
            "type": int(tensor.dtype),
            "buffer": tensor.buffer,
            "name": tensor.name or None,
            "quantization": None if tensor.quantization is None else _quantization(tensor.quantization),
            "is_variable": tensor.is_variable,
            "sparsity": tensor.sparsity,
            "shape_signature": tensor.shape_signature,
            "has_rank": tensor.has_rank,
            "variant_tensors": tensor.variant_tensors,
            "external_buffer": tensor.external_buffer,
        },
    )


def _quantization(quantization: Quantization) -> Record:
    return Record(
        "QuantizationParameters",
        {
            "min": quantization.min,
            "max": quantization.max,
            "scale": _present(quantization.scales, quantization.has_scales),
            "zero_point": _present(quantization.zero_points, quantization.has_zero_points),
            "details": quantization.details,
            "quantized_dimension": quantization.dimension,
        },
    )


def _present(values: Iterable[Any], present: bool) -> tuple[Any, ...] | None:
    return tuple(values) if present else None


def _operator(op: Operator, codes: _Codes, outside: _Outside) -> Record:
    custom: dict[str, Any] = {"custom_options": op.custom_options}
    if op.custom_options_external:
        size = len(op.custom_options or b"")
        custom = {"large_custom_options_offset": outside.next(), "large_custom_options_size": size}
    return Record(
        "Operator",
        {
            "opcode_index": codes.index[op.code],
            "inputs": _present(op.inputs, op.has_inputs),
            "outputs": _present(op.outputs, op.has_outputs),
            "builtin_options": op.options,
            "custom_options_format": op.custom_options_format,
            "mutating_variable_inputs": op.mutating_variable_inputs,
            "intermediates": op.intermediates,
            "builtin_options_2": op.options_2,
            "debug_metadata_index": op.debug_metadata_index,
            **custom,
        },
    )
