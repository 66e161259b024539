"""Records into FlatBuffer bytes, by the schema's data alone (the reverse of :mod:`mcuplan.tflite.records`)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers

from mcuplan.errors import ModelError
from mcuplan.graph import Record
from mcuplan.tflite.records import UNKNOWN
from mcuplan.tflite.schema import IDENTIFIER, Field, Kind, Table, schema
from mcuplan.tflite.text import encode

_PREPEND: Mapping[str, str] = {
    "b": "PrependInt8", "B": "PrependUint8", "?": "PrependBool", "h": "PrependInt16", "H": "PrependUint16",
    "i": "PrependInt32", "I": "PrependUint32", "q": "PrependInt64", "Q": "PrependUint64", "f": "PrependFloat32",
    "d": "PrependFloat64",
}  # fmt: skip

_LARGEST_ALIGNMENT = 8


def encode_root(root: Record, size_hint: int = 0) -> bytes:
    """A whole FlatBuffer with ``root`` as its root table and the TFLite file identifier.

    ``size_hint`` is about how many bytes will come out, which saves growing the buffer. Raises ModelError for
    values that the schema cannot hold.
    """
    try:
        encoder = _Encoder(size_hint)
        encoder.builder.Finish(encoder.record(root), file_identifier=IDENTIFIER)
        return bytes(encoder.builder.Output())
    except (struct.error, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"this graph does not fit the TFLite schema: {error}") from error
    except flatbuffers.builder.BuilderSizeError:
        raise ModelError("a model above 2 GB cannot be written") from None


class _Encoder:
    def __init__(self, size_hint: int) -> None:
        self.builder = flatbuffers.Builder(max(1024, size_hint))

    def record(self, record: Record) -> int:
        """Write the table and everything below it; its position, as the builder counts."""
        if UNKNOWN in record.table:
            return self.unknown(record)
        table = schema().tables.get(record.table)
        if table is None:
            raise ModelError(f"this graph does not fit the TFLite schema: it has no table {record.table!r}")
        unknown = record.fields.keys() - {field.name for field in table.fields}
        if unknown:
            raise ModelError(f"this graph does not fit the TFLite schema: {table.name} has no {sorted(unknown)[0]!r}")
        references = [reference for field in table.fields for reference in self.references(field, record)]
        return self.table(table, record, references)

    def table(self, table: Table, record: Record, references: Sequence[tuple[int, int]]) -> int:
        """The table itself: widest fields first, as ``flatc`` does, to need the least padding."""
        builder = self.builder
        builder.StartObject(table.slots)
        scalars = [field for field in table.fields if field.kind is Kind.SCALAR]
        for field in (field for field in scalars if field.width == 8):
            self.scalar(field, record)
        for slot, position in references:
            builder.PrependUOffsetTRelativeSlot(slot, position, 0)
        for width in (4, 2, 1):
            for field in (field for field in scalars if field.width == width):
                self.scalar(field, record)
        for field in table.fields:
            if field.kind is Kind.UNION and (member := record.get(field.name)) is not None:
                builder.PrependUint8Slot(field.slot, _tag(field.target, member.table), 0)
        return int(builder.EndObject())

    def scalar(self, field: Field, record: Record) -> None:
        """Write a scalar unless it is the default, bit for bit (-0.0 is not 0.0)."""
        value = record.get(field.name, field.default)
        if struct.pack("<" + field.format, value) != struct.pack("<" + field.format, field.default):
            getattr(self.builder, _PREPEND[field.format])(value)
            self.builder.Slot(field.slot)

    def references(self, field: Field, record: Record) -> list[tuple[int, int]]:
        """Write what the field refers to, if anything; its vtable slot and position."""
        value = record.get(field.name)
        if value is None or field.kind is Kind.SCALAR:
            return []
        if field.kind is Kind.STRING:
            return [(field.slot, self.builder.CreateString(encode(value)))]
        if field.kind is Kind.TABLE:
            return [(field.slot, self.record(value))]
        if field.kind is Kind.UNION:
            return [(field.slot + 1, self.record(value))]
        if field.kind is Kind.SCALARS:
            return [(field.slot, self.scalars(field, value))]
        items = [self.builder.CreateString(encode(v)) if field.kind is Kind.STRINGS else self.record(v) for v in value]
        return [(field.slot, self.offsets(items))]

    def scalars(self, field: Field, values: Any) -> int:
        """A vector of scalars; bytes and views of bytes are copied whole."""
        count = len(values)
        raw = values if field.format == "B" and not isinstance(values, tuple) else None
        return self.vector(
            struct.pack(f"<{count}{field.format}", *values) if raw is None else raw,
            count,
            field.width,
            max(field.width, field.align),
        )

    def vector(self, raw: bytes | memoryview, count: int, width: int, align: int) -> int:
        """Write a vector of ``count`` elements of ``width`` bytes, given as bytes; its position."""
        builder = self.builder
        builder.StartVector(width, count, align)
        self.place(raw)
        return int(builder.EndVector())

    def place(self, raw: bytes | memoryview) -> None:
        """Copy bytes below what is already written (the builder works from the end to the start)."""
        builder = self.builder
        builder.head -= len(raw)
        builder.Bytes[builder.head : builder.head + len(raw)] = raw

    def offsets(self, positions: Sequence[int]) -> int:
        """Write a vector of references to what lies at ``positions``; its position."""
        builder = self.builder
        builder.StartVector(4, len(positions), 4)
        for position in reversed(positions):
            builder.PrependUOffsetTRelative(position)
        return int(builder.EndVector())

    def unknown(self, record: Record) -> int:
        """A table newer than the schema, from its raw bytes; see :func:`mcuplan.tflite.records.read_unknown`.

        The widest slots go first, so that no padding comes between them and reading gives the same bytes again.
        """
        if not record["relocatable"]:
            raise ModelError(
                f"this model cannot be written back: {record.table} is newer than the schema known here "
                "and may point to data that cannot be moved with it"
            )
        builder, slots = self.builder, record["slots"]
        builder.Prep(_LARGEST_ALIGNMENT, 0)
        builder.StartObject(len(slots))
        present = [(slot, raw) for slot, raw in enumerate(slots) if raw]
        for slot, raw in sorted(present, key=lambda item: -_alignment(item[1])):
            builder.Prep(_alignment(raw), len(raw))
            self.place(raw)
            builder.Slot(slot)
        return int(builder.EndObject())


def _alignment(raw: bytes) -> int:
    """The largest power of two, at most 8, that divides the length."""
    return min(_LARGEST_ALIGNMENT, len(raw) & -len(raw))


def _tag(union: str, table: str) -> int:
    """The union tag of a member table, ModelError where the union has no such member."""
    prefix, _, number = table.partition(UNKNOWN)
    if number and prefix == union:
        return int(number)
    try:
        return schema().unions[union].index(table) + 1
    except ValueError:
        raise ModelError(f"this graph does not fit the TFLite schema: {union} has no member {table!r}") from None
