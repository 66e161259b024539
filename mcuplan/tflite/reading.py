"""A verified `.tflite` FlatBuffer into a :class:`~mcuplan.graph.Graph`.

The tables that a file has few of are read with the accessors of the ``tflite`` package (2.18); fields newer than those,
by their vtable slot; options and the rarer records, by the schema's data. Tensors, operators and buffers, which a file
has thousands of, are read by where their table lies: an accessor looks its vtable up anew for every field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tflite.Model import Model

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
    read_bytes,
    read_record,
    read_records,
    read_scalar,
    read_scalars,
    read_slots,
    read_soffset,
    read_tables,
    read_target,
    read_union,
)
from mcuplan.tflite.schema import builtin_name, schema
from mcuplan.tflite.text import decode

_FIELDS = {(table.name, field.name): field for table in schema().tables.values() for field in table.fields}
_DTYPES = {int(dtype): dtype for dtype in DType}
_NO_BUFFER = Buffer()
_DATA_SLOT = 4 + 2 * _FIELDS["Buffer", "data"].slot
"""Where a vtable has the offset of a buffer's data."""


def read_verified(data: memoryview, name: str) -> Graph:
    """The graph in ``data``, a FlatBuffer that has passed :mod:`mcuplan.tflite.verify`.

    Constant bytes stay where they are: every ``Buffer.data`` is a view into ``data``. Raises ModelError, its text
    beginning with ``name``, for what the schema cannot express: an element type without a name, an index out of
    range where an object must be looked up.
    """
    return _Reader(data, name).graph()


def buffer_positions(data: bytes | memoryview) -> tuple[int, ...]:
    """Where the constant bytes of each buffer begin in ``data``, a FlatBuffer that was read before; -1 for none."""
    model = Model.GetRootAs(data, 0)
    return tuple(_position(model.Buffers(i)) for i in range(model.BuffersLength()))


def _position(buffer: Any) -> int:
    slot = buffer._tab.Offset(_DATA_SLOT)
    return int(buffer._tab.Vector(slot)) if slot else -1


def _optional(read: Callable[[str, int], Any], has: Mapping[str, int], name: str, default: Any = None) -> Any:
    """What ``read`` makes of a field that is present, else ``default``."""
    return read(name, has[name]) if name in has else default


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else decode(raw)


class _Reader:
    """Reads one file. Accessors are only called for fields that are present: most fields are not."""

    def __init__(self, data: memoryview, name: str) -> None:
        self.data = data
        self.name = name
        self.codes: tuple[OperatorCode, ...] = ()
        self.vtables: dict[tuple[str, int], Mapping[str, int]] = {}

    def fail(self, what: str) -> ModelError:
        """The error of a file that the schema cannot express; ``what`` is wrong with it."""
        return ModelError(f"{self.name}: {what}")

    def present(self, table: str, accessor: Any) -> Mapping[str, int]:
        """Offsets, by name, of the fields that the accessor's table carries (of unions, those with a tag)."""
        return self.present_at(table, accessor._tab.Pos)

    def present_at(self, table: str, position: int) -> Mapping[str, int]:
        """Offsets, by name, of the fields that the table at ``position`` carries."""
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
        """A vector of scalars. The accessors' way is an array of numpy, slower for the few elements of most."""
        return read_scalars(self.data, position + offset, _FIELDS[table, name])

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
        model = Model.GetRootAs(self.data, 0)
        has = self.present("Model", model)
        position = model._tab.Pos
        numbers, records = partial(self.numbers, "Model", position), partial(self.records, "Model", position)
        buffers = read_tables(self.data, position + has["buffers"]) if "buffers" in has else ()
        self.codes = tuple(self.operator_code(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength()))
        return Graph(
            subgraphs=tuple(self.subgraph(model.Subgraphs(i), i) for i in range(model.SubgraphsLength())),
            buffers=tuple(self.buffer(at, i) for i, at in enumerate(buffers)),
            operator_codes=self.codes,
            metadata=tuple(_metadata(model.Metadata(i)) for i in range(model.MetadataLength())),
            signatures=_optional(records, has, "signature_defs") or (),
            description=_text(model.Description()),
            schema_version=model.Version(),
            metadata_buffers=_optional(numbers, has, "metadata_buffer"),
            external_buffer_groups=_optional(records, has, "external_buffer_groups"),
            external_buffers=_optional(records, has, "external_buffers"),
            file_bytes=len(self.data),
        )

    def operator_code(self, code: Any) -> OperatorCode:
        """TFLite takes the greater of the old one-byte code and the new one (``GetBuiltinCode``).

        The accessor of the new one answers with that, too, so that the file's own field is read by its slot.
        """
        has = self.present("OperatorCode", code)
        deprecated = code.DeprecatedBuiltinCode()
        extended = _optional(partial(self.scalar, "OperatorCode", code._tab.Pos), has, "builtin_code", 0)
        return OperatorCode(
            name=builtin_name(max(deprecated, extended)),
            version=code.Version(),
            custom_code=_text(code.CustomCode()),
            deprecated_builtin_code=deprecated,
            builtin_code=extended,
        )

    def buffer(self, at: int, index: int) -> Buffer:
        """The buffer whose table lies at ``at``."""
        has = self.present_at("Buffer", at)
        if "data" in has:
            return Buffer(read_bytes(self.data, at + has["data"]))
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

    def subgraph(self, subgraph: Any, index: int) -> Subgraph:
        """One subgraph, its tensors and operators."""
        has, position = self.present("SubGraph", subgraph), subgraph._tab.Pos
        numbers, scalar = partial(self.numbers, "SubGraph", position), partial(self.scalar, "SubGraph", position)
        tensors = read_tables(self.data, position + has["tensors"]) if "tensors" in has else ()
        operators = read_tables(self.data, position + has["operators"]) if "operators" in has else ()
        return Subgraph(
            tensors=tuple(self.tensor(at, index, i) for i, at in enumerate(tensors)),
            operators=tuple(self.operator(at, index, i) for i, at in enumerate(operators)),
            inputs=_optional(numbers, has, "inputs") or (),
            outputs=_optional(numbers, has, "outputs") or (),
            name=_text(subgraph.Name()),
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
            name=decode(bytes(read_bytes(data, at + has["name"]))) if "name" in has else "",
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
            return bytes(read_bytes(self.data, at + has["custom_options"])), False
        if "large_custom_options_offset" not in has:
            return None, False
        scalar = partial(self.scalar, "Operator", at)
        offset = _optional(scalar, has, "large_custom_options_offset", 0)
        size = _optional(scalar, has, "large_custom_options_size", 0)
        outside = self.outside(offset, size, f"the custom options of {what}")
        return (None, False) if outside is None else (bytes(outside), True)


def _metadata(entry: Any) -> Metadata:
    return Metadata(_text(entry.Name()) or "", entry.Buffer())
