"""A verified `.tflite` FlatBuffer into a :class:`~mcuplan.graph.Graph`.

Every table is read by where it lies and by the schema's data; the tests compare with the accessors of the ``tflite``
package, which look a vtable up anew for every field, and bring more modules (numpy among them) than a check has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

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
from mcuplan.tflite.records import (
    field_position,
    read_record,
    read_records,
    read_scalar,
    read_scalars,
    read_slots,
    read_soffset,
    read_start,
    read_tables,
    read_target,
    read_union,
    vector_bytes,
)
from mcuplan.tflite.schema import builtin_name, schema
from mcuplan.tflite.text import decode

_FIELDS = {(table.name, field.name): field for table in schema().tables.values() for field in table.fields}
_DTYPES = {int(dtype): dtype for dtype in DType}
_NO_BUFFER = Buffer()


def read_verified(data: memoryview, name: str) -> Graph:
    """The graph in ``data``, a FlatBuffer that has passed :mod:`mcuplan.tflite.verify`.

    Constant bytes stay where they are: every ``Buffer.data`` is a view into ``data``. Raises ModelError, its text
    beginning with ``name``, for what the schema cannot express: an element type without a name, an index out of
    range where an object must be looked up.
    """
    return _Reader(data, name).graph()


def buffer_positions(data: bytes | memoryview) -> tuple[int, ...]:
    """Where the constant bytes of each buffer begin in ``data``, a FlatBuffer that was read before; -1 for none."""
    at = field_position(data, read_target(data, 0), _FIELDS["Model", "buffers"].slot)
    return tuple(_data_position(data, buffer) for buffer in read_tables(data, at)) if at else ()


def _data_position(data: bytes | memoryview, buffer: int) -> int:
    at = field_position(data, buffer, _FIELDS["Buffer", "data"].slot)
    return read_start(data, at) if at else -1


def _optional(read: Callable[[str, int], Any], has: Mapping[str, int], name: str, default: Any = None) -> Any:
    """What ``read`` makes of a field that is present, else ``default``."""
    return read(name, has[name]) if name in has else default


class _Reader:
    """Reads one file. Only fields that are present are looked at: most are not."""

    def __init__(self, data: memoryview, name: str) -> None:
        self.data = data
        self.name = name
        self.codes: tuple[OperatorCode, ...] = ()
        self.vtables: dict[tuple[str, int], Mapping[str, int]] = {}

    def fail(self, what: str) -> ModelError:
        """The error of a file that the schema cannot express; ``what`` is wrong with it."""
        return ModelError(f"{self.name}: {what}")

    def present_at(self, table: str, position: int) -> Mapping[str, int]:
        """Offsets, by name, of the fields that the table at ``position`` carries (of unions, those with a tag)."""
        key = table, position - read_soffset(self.data, position)
        found = self.vtables.get(key)
        if found is None:
            spec = schema().tables[table]
            offsets = read_slots(self.data, position, spec)
            found = self.vtables[key] = {f.name: offsets[f.slot] for f in spec.fields if offsets[f.slot]}
        return found

    def scalar(self, table: str, position: int, name: str, offset: int) -> Any:
        """A scalar of the table at ``position``."""
        return read_scalar(self.data, position + offset, _FIELDS[table, name])

    def numbers(self, table: str, position: int, name: str, offset: int) -> tuple[Any, ...]:
        """A vector of scalars."""
        return read_scalars(self.data, position + offset, _FIELDS[table, name])

    def text(self, position: int, has: Mapping[str, int], name: str) -> str | None:
        """A string of the table at ``position``; None where it is absent."""
        return decode(bytes(vector_bytes(self.data, position + has[name]))) if name in has else None

    def records(self, table: str, position: int, name: str, offset: int) -> tuple[Record, ...]:
        """A vector of tables that a graph keeps as records."""
        return read_records(self.data, position + offset, schema().tables[_FIELDS[table, name].target])

    def union(self, table: str, position: int, name: str, offset: int) -> Record | None:
        """The member of a union whose tag is present."""
        field = _FIELDS[table, name]
        value = field_position(self.data, position, field.slot + 1)
        return read_union(self.data, field.target, self.data[position + offset], value)

    def graph(self) -> Graph:
        """The whole model. Raises ModelError for what the schema cannot express."""
        at = read_target(self.data, 0)
        has = self.present_at("Model", at)
        tables = partial(self.tables, at, has)
        numbers, records = partial(self.numbers, "Model", at), partial(self.records, "Model", at)
        self.codes = tuple(map(self.operator_code, tables("operator_codes")))
        return Graph(
            subgraphs=tuple(self.subgraph(each, i) for i, each in enumerate(tables("subgraphs"))),
            buffers=tuple(self.buffer(each, i) for i, each in enumerate(tables("buffers"))),
            operator_codes=self.codes,
            metadata=tuple(map(self.metadata, tables("metadata"))),
            signatures=_optional(records, has, "signature_defs") or (),
            description=self.text(at, has, "description"),
            schema_version=_optional(partial(self.scalar, "Model", at), has, "version", 0),
            metadata_buffers=_optional(numbers, has, "metadata_buffer"),
            external_buffer_groups=_optional(records, has, "external_buffer_groups"),
            external_buffers=_optional(records, has, "external_buffers"),
            file_bytes=len(self.data),
        )

    def tables(self, position: int, has: Mapping[str, int], name: str) -> Sequence[int]:
        """Where the tables of a vector lie; none where it is absent."""
        return read_tables(self.data, position + has[name]) if name in has else ()

    def operator_code(self, at: int) -> OperatorCode:
        """TFLite takes the greater of the old one-byte code and the new one (``GetBuiltinCode``)."""
        has, scalar = self.present_at("OperatorCode", at), partial(self.scalar, "OperatorCode", at)
        deprecated = _optional(scalar, has, "deprecated_builtin_code", 0)
        extended = _optional(scalar, has, "builtin_code", 0)
        return OperatorCode(
            name=builtin_name(max(deprecated, extended)),
            version=_optional(scalar, has, "version", 1),
            custom_code=self.text(at, has, "custom_code"),
            deprecated_builtin_code=deprecated,
            builtin_code=extended,
        )

    def metadata(self, at: int) -> Metadata:
        """The entry of metadata whose table lies at ``at``."""
        has = self.present_at("Metadata", at)
        return Metadata(
            self.text(at, has, "name") or "",
            _optional(partial(self.scalar, "Metadata", at), has, "buffer", 0),
        )

    def buffer(self, at: int, index: int) -> Buffer:
        """The buffer whose table lies at ``at``."""
        has = self.present_at("Buffer", at)
        if "data" in has:
            return Buffer(vector_bytes(self.data, at + has["data"]))
        if "offset" in has:
            scalar = partial(self.scalar, "Buffer", at)
            place, size = _optional(scalar, has, "offset", 0), _optional(scalar, has, "size", 0)
            outside = self.outside(place, size, f"buffer {index}")
            return Buffer() if outside is None else Buffer(outside, external=True)
        return _NO_BUFFER

    def outside(self, offset: int, size: int, what: str) -> memoryview | None:
        """Bytes that lie behind the FlatBuffer; offsets of 0 and 1 mean none, as in TFLite."""
        if offset <= 1:
            return None
        if offset + size > len(self.data):
            raise self.fail(
                f"{what} claims bytes {offset} to {offset + size} of a file of {len(self.data)}: the file is truncated"
            )
        return self.data[offset : offset + size]

    def subgraph(self, position: int, index: int) -> Subgraph:
        """The subgraph whose table lies at ``position``, its tensors and operators."""
        has = self.present_at("SubGraph", position)
        tables = partial(self.tables, position, has)
        numbers, scalar = partial(self.numbers, "SubGraph", position), partial(self.scalar, "SubGraph", position)
        return Subgraph(
            tensors=tuple(self.tensor(at, index, i) for i, at in enumerate(tables("tensors"))),
            operators=tuple(self.operator(at, index, i) for i, at in enumerate(tables("operators"))),
            inputs=_optional(numbers, has, "inputs") or (),
            outputs=_optional(numbers, has, "outputs") or (),
            name=self.text(position, has, "name"),
            debug_metadata_index=_optional(scalar, has, "debug_metadata_index", -1),
            has_tensors="tensors" in has,
            has_inputs="inputs" in has,
            has_outputs="outputs" in has,
        )

    def tensor(self, at: int, subgraph: int, index: int) -> Tensor:
        """The tensor whose table lies at ``at``."""
        data, has = self.data, self.present_at("Tensor", at)
        numbers, scalar = partial(self.numbers, "Tensor", at), partial(self.scalar, "Tensor", at)
        code = _optional(scalar, has, "type", 0)
        dtype = _DTYPES.get(code)
        if dtype is None:
            raise self.fail(
                f"tensor {index} of subgraph {subgraph} has element type {code}, which no TFLite schema defines"
            )
        return Tensor(
            name=self.text(at, has, "name") or "",
            dtype=dtype,
            shape=_optional(numbers, has, "shape") or (),
            buffer=_optional(scalar, has, "buffer", 0),
            quantization=self.quantization(read_target(data, at + has["quantization"]))
            if "quantization" in has
            else None,
            is_variable=_optional(scalar, has, "is_variable", False),
            has_shape="shape" in has,
            has_rank=_optional(scalar, has, "has_rank", False),
            shape_signature=_optional(numbers, has, "shape_signature"),
            sparsity=self.sparsity(read_target(data, at + has["sparsity"])) if "sparsity" in has else None,
            variant_tensors=_optional(partial(self.records, "Tensor", at), has, "variant_tensors"),
            external_buffer=_optional(scalar, has, "external_buffer", 0),
        )

    def sparsity(self, at: int) -> Record:
        """The sparsity parameters in the table at byte ``at``."""
        return read_record(self.data, at, schema().tables["SparsityParameters"])

    def quantization(self, at: int) -> Quantization:
        """The quantization in the table at byte ``at``."""
        table = "QuantizationParameters"
        has = self.present_at(table, at)
        numbers = partial(self.numbers, table, at)
        return Quantization(
            scales=_optional(numbers, has, "scale") or (),
            zero_points=_optional(numbers, has, "zero_point") or (),
            dimension=_optional(partial(self.scalar, table, at), has, "quantized_dimension", 0),
            min=_optional(numbers, has, "min"),
            max=_optional(numbers, has, "max"),
            details=_optional(partial(self.union, table, at), has, "details"),
            has_scales="scale" in has,
            has_zero_points="zero_point" in has,
        )

    def operator(self, at: int, subgraph: int, index: int) -> Operator:
        """The operator whose table lies at ``at``."""
        has = self.present_at("Operator", at)
        numbers, union = partial(self.numbers, "Operator", at), partial(self.union, "Operator", at)
        scalar = partial(self.scalar, "Operator", at)
        code = _optional(scalar, has, "opcode_index", 0)
        if code >= len(self.codes):
            raise self.fail(
                f"operator {index} of subgraph {subgraph} has operator code {code}, the model has {len(self.codes)}"
            )
        custom, outside = self.custom_options(at, has, f"operator {index} of subgraph {subgraph}")
        return Operator(
            code=self.codes[code],
            inputs=_optional(numbers, has, "inputs") or (),
            outputs=_optional(numbers, has, "outputs") or (),
            options=_optional(union, has, "builtin_options"),
            options_2=_optional(union, has, "builtin_options_2"),
            custom_options=custom,
            custom_options_format=_optional(scalar, has, "custom_options_format", 0),
            intermediates=_optional(numbers, has, "intermediates"),
            mutating_variable_inputs=_optional(numbers, has, "mutating_variable_inputs"),
            debug_metadata_index=_optional(scalar, has, "debug_metadata_index", -1),
            has_inputs="inputs" in has,
            has_outputs="outputs" in has,
            custom_options_external=outside,
        )

    def custom_options(self, at: int, has: Mapping[str, int], what: str) -> tuple[bytes | None, bool]:
        """The custom options, None where there are none, and whether they lie outside the FlatBuffer."""
        if "custom_options" in has:
            return bytes(vector_bytes(self.data, at + has["custom_options"])), False
        if "large_custom_options_offset" not in has:
            return None, False
        scalar = partial(self.scalar, "Operator", at)
        offset = _optional(scalar, has, "large_custom_options_offset", 0)
        size = _optional(scalar, has, "large_custom_options_size", 0)
        outside = self.outside(offset, size, f"the custom options of {what}")
        return (None, False) if outside is None else (bytes(outside), True)
