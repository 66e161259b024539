"""A verified `.tflite` FlatBuffer into a :class:`~mcuplan.graph.Graph`.

The tables of the main structure are read with the accessors of the ``tflite`` package (2.18); fields newer than
those, by their vtable slot; options and the rarer records, by the schema's data.
"""

from __future__ import annotations

from typing import Any

import tflite

from mcuplan.errors import ModelError
from mcuplan.graph import (
    Buffer,
    DType,
    Graph,
    Metadata,
    Operator,
    OperatorCode,
    Quantization,
    Record,
    Subgraph,
    Tensor,
)
from mcuplan.tflite.records import field_position, read_record, read_records, read_scalar, read_union
from mcuplan.tflite.schema import Field, Table, builtin_name, schema
from mcuplan.tflite.text import decode


def read_verified(data: memoryview, name: str) -> Graph:
    """The graph in ``data``, a FlatBuffer that has passed :mod:`mcuplan.tflite.verify`.

    Constant bytes stay where they are: every ``Buffer.data`` is a view into ``data``. Raises ModelError, its text
    beginning with ``name``, for what the schema cannot express: an element type without a name, an index out of
    range where an object must be looked up.
    """
    return _Reader(data, name).graph()


class _Newer:
    """Fields that the accessors of ``tflite`` 2.18 lack, found by name in the schema's data."""

    def __init__(self, table: str) -> None:
        self.table: Table = schema().tables[table]
        self.fields: dict[str, Field] = {field.name: field for field in self.table.fields}

    def scalar(self, data: memoryview, accessor: Any, name: str) -> Any:
        return read_scalar(data, accessor._tab.Pos, self.fields[name])

    def records(self, data: memoryview, accessor: Any, name: str) -> tuple[Record, ...] | None:
        field = self.fields[name]
        at = field_position(data, accessor._tab.Pos, field.slot)
        return read_records(data, at, schema().tables[field.target]) if at else None

    def union(self, data: memoryview, accessor: Any, name: str) -> Record | None:
        field = self.fields[name]
        tag = field_position(data, accessor._tab.Pos, field.slot)
        value = field_position(data, accessor._tab.Pos, field.slot + 1)
        return read_union(data, field.target, data[tag] if tag else 0, value)


def _items(vector: Any) -> tuple[Any, ...]:
    """A vector accessor's result as a tuple; the accessors answer 0 for an absent vector."""
    return () if isinstance(vector, int) else tuple(vector.tolist())


def _items_or_none(vector: Any) -> tuple[Any, ...] | None:
    return None if isinstance(vector, int) else tuple(vector.tolist())


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else decode(raw)


class _Reader:
    def __init__(self, data: memoryview, name: str) -> None:
        self.data = data
        self.name = name
        self.model = tflite.Model.GetRootAs(data, 0)
        self.codes: tuple[OperatorCode, ...] = ()
        self.newer = {table: _Newer(table) for table in ("Model", "SubGraph", "Tensor", "Operator")}

    def fail(self, what: str) -> ModelError:
        return ModelError(f"{self.name}: {what}")

    def graph(self) -> Graph:
        model, data = self.model, self.data
        self.codes = tuple(_operator_code(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength()))
        newer = self.newer["Model"]
        return Graph(
            subgraphs=tuple(self.subgraph(i) for i in range(model.SubgraphsLength())),
            buffers=tuple(self.buffer(i) for i in range(model.BuffersLength())),
            operator_codes=self.codes,
            metadata=tuple(_metadata(model.Metadata(i)) for i in range(model.MetadataLength())),
            signatures=newer.records(data, model, "signature_defs") or (),
            description=_text(model.Description()),
            schema_version=model.Version(),
            metadata_buffers=_items_or_none(model.MetadataBufferAsNumpy()),
            external_buffer_groups=newer.records(data, model, "external_buffer_groups"),
            external_buffers=newer.records(data, model, "external_buffers"),
            file_bytes=len(data),
        )

    def buffer(self, index: int) -> Buffer:
        buffer = self.model.Buffers(index)
        if not buffer.DataIsNone():
            start = buffer._tab.Vector(field_offset(buffer, 0))
            return Buffer(self.data[start : start + buffer.DataLength()])
        outside = self.outside(buffer.Offset(), buffer.Size(), f"buffer {index}")
        return Buffer() if outside is None else Buffer(outside, external=True)

    def outside(self, offset: int, size: int, what: str) -> memoryview | None:
        """Bytes that lie behind the FlatBuffer; offsets of 0 and 1 mean none, as in TFLite."""
        if offset <= 1:
            return None
        if offset + size > len(self.data):
            raise self.fail(
                f"{what} claims bytes {offset} to {offset + size} of a file of {len(self.data)}: the file is truncated"
            )
        return self.data[offset : offset + size]

    def subgraph(self, index: int) -> Subgraph:
        subgraph = self.model.Subgraphs(index)
        return Subgraph(
            tensors=tuple(self.tensor(subgraph.Tensors(i), index, i) for i in range(subgraph.TensorsLength())),
            operators=tuple(self.operator(subgraph.Operators(i), index, i) for i in range(subgraph.OperatorsLength())),
            inputs=_items(subgraph.InputsAsNumpy()),
            outputs=_items(subgraph.OutputsAsNumpy()),
            name=_text(subgraph.Name()),
            debug_metadata_index=self.newer["SubGraph"].scalar(self.data, subgraph, "debug_metadata_index"),
        )

    def tensor(self, tensor: Any, subgraph: int, index: int) -> Tensor:
        data, newer = self.data, self.newer["Tensor"]
        code = tensor.Type()
        try:
            dtype = DType(code)
        except ValueError:
            raise self.fail(
                f"tensor {index} of subgraph {subgraph} has element type {code}, which no TFLite schema defines"
            ) from None
        shape = _items_or_none(tensor.ShapeAsNumpy())
        sparsity = tensor.Sparsity()
        return Tensor(
            name=_text(tensor.Name()) or "",
            dtype=dtype,
            shape=shape or (),
            buffer=tensor.Buffer(),
            quantization=self.quantization(tensor.Quantization()),
            is_variable=tensor.IsVariable(),
            has_shape=shape is not None,
            has_rank=tensor.HasRank(),
            shape_signature=_items_or_none(tensor.ShapeSignatureAsNumpy()),
            sparsity=sparsity and read_record(data, sparsity._tab.Pos, schema().tables["SparsityParameters"]),
            variant_tensors=newer.records(data, tensor, "variant_tensors"),
            external_buffer=newer.scalar(data, tensor, "external_buffer"),
        )

    def quantization(self, quantization: Any) -> Quantization | None:
        if quantization is None:
            return None
        scales = _items_or_none(quantization.ScaleAsNumpy())
        zero_points = _items_or_none(quantization.ZeroPointAsNumpy())
        at = field_offset(quantization, 5)
        return Quantization(
            scales=scales or (),
            zero_points=zero_points or (),
            dimension=quantization.QuantizedDimension(),
            min=_items_or_none(quantization.MinAsNumpy()),
            max=_items_or_none(quantization.MaxAsNumpy()),
            details=read_union(
                self.data, "QuantizationDetails", quantization.DetailsType(), at and quantization._tab.Pos + at
            ),
            has_scales=scales is not None,
            has_zero_points=zero_points is not None,
        )

    def operator(self, operator: Any, subgraph: int, index: int) -> Operator:
        data, newer = self.data, self.newer["Operator"]
        code = operator.OpcodeIndex()
        if code >= len(self.codes):
            raise self.fail(
                f"operator {index} of subgraph {subgraph} has operator code {code}, the model has {len(self.codes)}"
            )
        inputs = _items_or_none(operator.InputsAsNumpy())
        outputs = _items_or_none(operator.OutputsAsNumpy())
        custom, outside = self.custom_options(operator, subgraph, index)
        return Operator(
            code=self.codes[code],
            inputs=inputs or (),
            outputs=outputs or (),
            options=newer.union(data, operator, "builtin_options"),
            options_2=newer.union(data, operator, "builtin_options_2"),
            custom_options=custom,
            custom_options_format=operator.CustomOptionsFormat(),
            intermediates=_items_or_none(operator.IntermediatesAsNumpy()),
            mutating_variable_inputs=_items_or_none(operator.MutatingVariableInputsAsNumpy()),
            debug_metadata_index=newer.scalar(data, operator, "debug_metadata_index"),
            has_inputs=inputs is not None,
            has_outputs=outputs is not None,
            custom_options_external=outside,
        )

    def custom_options(self, operator: Any, subgraph: int, index: int) -> tuple[bytes | None, bool]:
        if not operator.CustomOptionsIsNone():
            start = operator._tab.Vector(field_offset(operator, 5))
            return bytes(self.data[start : start + operator.CustomOptionsLength()]), False
        what = f"the custom options of operator {index} of subgraph {subgraph}"
        outside = self.outside(operator.LargeCustomOptionsOffset(), operator.LargeCustomOptionsSize(), what)
        return (None, False) if outside is None else (bytes(outside), True)


def field_offset(accessor: Any, slot: int) -> int:
    """Offset of a vtable slot from the start of the accessor's table; 0 where absent."""
    return int(accessor._tab.Offset(4 + 2 * slot))


def _operator_code(code: Any) -> OperatorCode:
    """TFLite takes the greater of the old one-byte code and the new one (``GetBuiltinCode``)."""
    deprecated, extended = code.DeprecatedBuiltinCode(), code.BuiltinCode()
    return OperatorCode(
        name=builtin_name(max(deprecated, extended)),
        version=code.Version(),
        custom_code=_text(code.CustomCode()),
        deprecated_builtin_code=deprecated,
        builtin_code=extended,
    )


def _metadata(entry: Any) -> Metadata:
    return Metadata(_text(entry.Name()) or "", entry.Buffer())
