"""A verified `.tflite` FlatBuffer into a :class:`~mcuplan.graph.Graph`.

Every table is read by where it lies and by the schema's data; the tests compare with the accessors of the ``tflite``
package, which look a vtable up anew for every field, and bring more modules (numpy among them) than a check has.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack_from
from typing import Any, NamedTuple

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
    four_bytes,
    read_record,
    read_records,
    read_slots,
    read_start,
    read_tables,
    read_target,
    read_union,
)
from mcuplan.tflite.schema import Table, builtin_name, schema
from mcuplan.tflite.text import decode

_DTYPES = {int(dtype): dtype for dtype in DType}
_NO_BUFFER = Buffer()


class _Fields(NamedTuple):
    """The fields of a table that are read here, and their vtable slots."""

    table: Table
    slots: tuple[int, ...]


def _fields(name: str, names: str) -> _Fields:
    """Fields of a table by their names in the schema, in the order in which the reader takes them apart.

    ``NAME=`` is the value of a union, whose tag is ``NAME``.
    """
    table = schema().tables[name]
    slots = {field.name: field.slot for field in table.fields}
    return _Fields(table, tuple(slots[each.rstrip("=")] + each.endswith("=") for each in names.split()))


_TENSOR = _fields(
    "Tensor",
    "name type shape buffer quantization is_variable has_rank shape_signature sparsity variant_tensors external_buffer",
)
_QUANTIZATION = _fields("QuantizationParameters", "scale zero_point quantized_dimension min max details details=")
_OPERATOR = _fields(
    "Operator",
    "opcode_index inputs outputs builtin_options builtin_options= builtin_options_2 builtin_options_2= custom_options "
    "custom_options_format intermediates mutating_variable_inputs debug_metadata_index large_custom_options_offset "
    "large_custom_options_size",
)
_BUFFER = _fields("Buffer", "data offset size")
_SUBGRAPH = _fields("SubGraph", "tensors operators inputs outputs name debug_metadata_index")
_CODE = _fields("OperatorCode", "deprecated_builtin_code builtin_code version custom_code")
_METADATA = _fields("Metadata", "name buffer")
_MODEL = _fields(
    "Model",
    "operator_codes subgraphs buffers metadata signature_defs description version metadata_buffer "
    "external_buffer_groups external_buffers",
)


def read_verified(data: memoryview, name: str) -> Graph:
    """The graph in ``data``, a FlatBuffer that has passed :mod:`mcuplan.tflite.verify`.

    Constant bytes stay where they are: every ``Buffer.data`` is a view into ``data``. Raises ModelError, its text
    beginning with ``name``, for what the schema cannot express: an element type without a name, an index out of
    range where an object must be looked up.
    """
    return _Reader(data, name).graph()


def buffer_positions(data: bytes | memoryview) -> tuple[int, ...]:
    """Where the constant bytes of each buffer begin in ``data``, a FlatBuffer that was read before; -1 for none."""
    at = field_position(data, read_target(data, 0), _MODEL.slots[2])
    return tuple(_data_position(data, buffer) for buffer in read_tables(data, at)) if at else ()


def _data_position(data: bytes | memoryview, buffer: int) -> int:
    at = field_position(data, buffer, _BUFFER.slots[0])
    return read_start(data, at) if at else -1


class _Reader:
    """Reads one file.

    Tables are taken apart by the offsets of their fields, 0 for one that is absent; what was verified is aligned, so
    that numbers of four bytes are looked up in views of the file as such.
    """

    def __init__(self, data: memoryview, name: str) -> None:
        self.data = data
        self.name = name
        self.codes: tuple[OperatorCode, ...] = ()
        self.words = four_bytes(data, "I")
        self.ints = four_bytes(data, "i")
        self.floats = four_bytes(data, "f")
        self.vtables: dict[str, dict[int, tuple[int, ...]]] = {}

    def fail(self, what: str) -> ModelError:
        """The error of a file that the schema cannot express; ``what`` is wrong with it."""
        return ModelError(f"{self.name}: {what}")

    def offsets(self, fields: _Fields, position: int) -> tuple[int, ...]:
        """Offsets of the fields in the table at ``position``, 0 for those that it does not carry."""
        vtable = position - self.ints[position >> 2]
        known = self.vtables.get(fields.table.name)
        if known is None:
            known = self.vtables[fields.table.name] = {}
        found = known.get(vtable)
        if found is None:
            slots = read_slots(self.data, position, fields.table)
            found = known[vtable] = tuple(slots[slot] for slot in fields.slots)
        return found

    def vector(self, at: int) -> tuple[int, int]:
        """First element's position and the element count of the vector that the offset at ``at`` points to."""
        position = at + self.words[at >> 2]
        return position + 4, self.words[position >> 2]

    def bytes_at(self, at: int) -> memoryview:
        """The bytes of the vector that the offset at ``at`` points to."""
        first, count = self.vector(at)
        return self.data[first : first + count]

    def integers(self, at: int) -> tuple[int, ...]:
        """The int32 vector that the offset at ``at`` points to."""
        first = (at + self.words[at >> 2] >> 2) + 1
        return tuple(self.ints[first : first + self.words[first - 1]])

    def reals(self, at: int) -> tuple[float, ...]:
        """The float32 vector that the offset at ``at`` points to."""
        first = (at + self.words[at >> 2] >> 2) + 1
        return tuple(self.floats[first : first + self.words[first - 1]])

    def numbers(self, at: int, code: str) -> tuple[Any, ...]:
        """The vector of scalars in the ``struct`` format ``code`` that the offset at ``at`` points to."""
        first, count = self.vector(at)
        return unpack_from(f"<{count}{code}", self.data, first)

    def text(self, at: int) -> str:
        """The string that the offset at ``at`` points to."""
        return decode(bytes(self.bytes_at(at)))

    def table(self, at: int) -> int:
        """Where the table lies that the offset at ``at`` points to."""
        return at + self.words[at >> 2]

    def tables(self, at: int) -> list[int]:
        """Where the tables lie of the vector that the offset at ``at`` points to."""
        first, count = self.vector(at)
        return [place + self.words[place >> 2] for place in range(first, first + 4 * count, 4)]

    def records(self, at: int, table: str) -> tuple[Record, ...]:
        """A vector of tables that a graph keeps as records."""
        return read_records(self.data, at, schema().tables[table])

    def union(self, position: int, tag: int, value: int, union: str) -> Record | None:
        """The member of a union by the offsets of its tag and value; None where the tag is absent."""
        if not tag:
            return None
        return read_union(self.data, union, self.data[position + tag], position + value if value else 0)

    def graph(self) -> Graph:
        """The whole model. Raises ModelError for what the schema cannot express."""
        at = self.table(0)
        codes, subgraphs, buffers, metadata, signatures, description, version, lists, groups, external = self.offsets(
            _MODEL, at
        )
        self.codes = tuple(map(self.operator_code, self.tables(at + codes) if codes else ()))
        return Graph(
            subgraphs=tuple(map(self.subgraph, *_numbered(self.tables(at + subgraphs) if subgraphs else ()))),
            buffers=tuple(map(self.buffer, *_numbered(self.tables(at + buffers) if buffers else ()))),
            operator_codes=self.codes,
            metadata=tuple(map(self.metadata, self.tables(at + metadata) if metadata else ())),
            signatures=self.records(at + signatures, "SignatureDef") if signatures else (),
            description=self.text(at + description) if description else None,
            schema_version=self.words[at + version >> 2] if version else 0,
            metadata_buffers=self.integers(at + lists) if lists else None,
            external_buffer_groups=self.records(at + groups, "ExternalBufferGroup") if groups else None,
            external_buffers=self.records(at + external, "ExternalBuffer") if external else None,
            file_bytes=len(self.data),
        )

    def operator_code(self, at: int) -> OperatorCode:
        """TFLite takes the greater of the old one-byte code and the new one (``GetBuiltinCode``)."""
        old, new, version, custom = self.offsets(_CODE, at)
        deprecated: int = unpack_from("<b", self.data, at + old)[0] if old else 0
        extended = self.ints[at + new >> 2] if new else 0
        return OperatorCode(
            name=builtin_name(max(deprecated, extended)),
            version=self.ints[at + version >> 2] if version else 1,
            custom_code=self.text(at + custom) if custom else None,
            deprecated_builtin_code=deprecated,
            builtin_code=extended,
        )

    def metadata(self, at: int) -> Metadata:
        """The entry of metadata whose table lies at ``at``."""
        name, buffer = self.offsets(_METADATA, at)
        return Metadata(self.text(at + name) if name else "", self.words[at + buffer >> 2] if buffer else 0)

    def buffer(self, at: int, index: int) -> Buffer:
        """The buffer whose table lies at ``at``."""
        data, offset, size = self.offsets(_BUFFER, at)
        if data:
            return Buffer(self.bytes_at(at + data))
        if not offset:
            return _NO_BUFFER
        outside = self.outside(self.long(at, offset), self.long(at, size), f"buffer {index}")
        return Buffer() if outside is None else Buffer(outside, external=True)

    def long(self, at: int, offset: int) -> int:
        """The uint64 at ``offset`` of the table at ``at``; 0 where it is absent."""
        value: int = unpack_from("<Q", self.data, at + offset)[0] if offset else 0
        return value

    def outside(self, offset: int, size: int, what: str) -> memoryview | None:
        """Bytes that lie behind the FlatBuffer; offsets of 0 and 1 mean none, as in TFLite."""
        if offset <= 1:
            return None
        if offset + size > len(self.data):
            raise self.fail(
                f"{what} claims bytes {offset} to {offset + size} of a file of {len(self.data)}: the file is truncated"
            )
        return self.data[offset : offset + size]

    def subgraph(self, at: int, index: int) -> Subgraph:
        """The subgraph whose table lies at ``at``, its tensors and operators."""
        tensors, operators, inputs, outputs, name, debug = self.offsets(_SUBGRAPH, at)
        return Subgraph(
            tensors=tuple(
                self.tensor(each, index, i) for i, each in enumerate(self.tables(at + tensors) if tensors else ())
            ),
            operators=tuple(
                self.operator(each, index, i) for i, each in enumerate(self.tables(at + operators) if operators else ())
            ),
            inputs=self.integers(at + inputs) if inputs else (),
            outputs=self.integers(at + outputs) if outputs else (),
            name=self.text(at + name) if name else None,
            debug_metadata_index=self.ints[at + debug >> 2] if debug else -1,
            has_tensors=tensors > 0,
            has_inputs=inputs > 0,
            has_outputs=outputs > 0,
        )

    def tensor(self, at: int, subgraph: int, index: int) -> Tensor:
        """The tensor whose table lies at ``at``."""
        data = self.data
        (
            name, kind, shape, buffer, quantization, variable, has_rank, signature, sparsity, variants, external,
        ) = self.offsets(_TENSOR, at)  # fmt: skip
        code = data[at + kind] if kind else 0
        dtype = _DTYPES.get(code)
        if dtype is None:
            code = unpack_from("<b", data, at + kind)[0]
            raise self.fail(
                f"tensor {index} of subgraph {subgraph} has element type {code}, which no TFLite schema defines"
            )
        return Tensor(
            self.text(at + name) if name else "",
            dtype,
            self.integers(at + shape) if shape else (),
            self.words[at + buffer >> 2] if buffer else 0,
            self.quantization(self.table(at + quantization)) if quantization else None,
            bool(variable and data[at + variable]),
            shape > 0,
            bool(has_rank and data[at + has_rank]),
            self.integers(at + signature) if signature else None,
            self.sparsity(self.table(at + sparsity)) if sparsity else None,
            self.records(at + variants, "VariantSubType") if variants else None,
            self.words[at + external >> 2] if external else 0,
        )

    def sparsity(self, at: int) -> Record:
        """The sparsity parameters in the table at byte ``at``."""
        return read_record(self.data, at, schema().tables["SparsityParameters"])

    def quantization(self, at: int) -> Quantization:
        """The quantization in the table at byte ``at``."""
        scale, zero_point, dimension, least, most, details, value = self.offsets(_QUANTIZATION, at)
        return Quantization(
            self.reals(at + scale) if scale else (),
            self.numbers(at + zero_point, "q") if zero_point else (),
            self.ints[at + dimension >> 2] if dimension else 0,
            self.reals(at + least) if least else None,
            self.reals(at + most) if most else None,
            self.union(at, details, value, "QuantizationDetails"),
            scale > 0,
            zero_point > 0,
        )

    def operator(self, at: int, subgraph: int, index: int) -> Operator:
        """The operator whose table lies at ``at``."""
        (
            code, inputs, outputs, options, value, options_2, value_2, custom, custom_format, intermediates, mutating,
            debug, large, size,
        ) = self.offsets(_OPERATOR, at)  # fmt: skip
        number = self.words[at + code >> 2] if code else 0
        if number >= len(self.codes):
            raise self.fail(
                f"operator {index} of subgraph {subgraph} has operator code {number}, the model has {len(self.codes)}"
            )
        outside = None
        if large and not custom:
            what = f"the custom options of operator {index} of subgraph {subgraph}"
            outside = self.outside(self.long(at, large), self.long(at, size), what)
        own = self.bytes_at(at + custom) if custom else outside
        return Operator(
            code=self.codes[number],
            inputs=self.integers(at + inputs) if inputs else (),
            outputs=self.integers(at + outputs) if outputs else (),
            options=self.union(at, options, value, "BuiltinOptions"),
            options_2=self.union(at, options_2, value_2, "BuiltinOptions2"),
            custom_options=None if own is None else bytes(own),
            custom_options_format=unpack_from("<b", self.data, at + custom_format)[0] if custom_format else 0,
            intermediates=self.integers(at + intermediates) if intermediates else None,
            mutating_variable_inputs=self.numbers(at + mutating, "?") if mutating else None,
            debug_metadata_index=self.ints[at + debug >> 2] if debug else -1,
            has_inputs=inputs > 0,
            has_outputs=outputs > 0,
            custom_options_external=outside is not None,
        )


def _numbered(tables: Sequence[int]) -> tuple[Sequence[int], range]:
    """The tables, and their indices."""
    return tables, range(len(tables))
