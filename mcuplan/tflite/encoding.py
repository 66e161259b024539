"""Records into FlatBuffer bytes, by the schema's data alone (the reverse of :mod:`mcuplan.tflite.records`)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from mcuplan.errors import ModelError
from mcuplan.graph import Record
from mcuplan.tflite.backwards import Backwards
from mcuplan.tflite.records import UNKNOWN
from mcuplan.tflite.schema import IDENTIFIER, Field, Kind, Table, schema
from mcuplan.tflite.text import encode

_LARGEST_ALIGNMENT = 8


def encode_root(root: Record) -> bytes:
    """A whole FlatBuffer with ``root`` as its root table and the TFLite file identifier.

    Raises ModelError for values that the schema cannot hold, and for more than 2 GB.
    """
    try:
        encoder = _Encoder()
        return encoder.file.finish(encoder.record(root), IDENTIFIER)
    except (struct.error, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"this graph does not fit the TFLite schema: {error}") from error


class _Encoder:
    def __init__(self) -> None:
        self.file = Backwards()

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
        start, slots = self.file.size, [0] * table.slots
        scalars = [field for field in table.fields if field.kind is Kind.SCALAR]
        for field in (field for field in scalars if field.width == 8):
            self.scalar(field, record, slots)
        for slot, position in references:
            slots[slot] = self.file.offset(position)
        for width in (4, 2, 1):
            for field in (field for field in scalars if field.width == width):
                self.scalar(field, record, slots)
        for field in table.fields:
            if field.kind is Kind.UNION and (member := record.get(field.name)) is not None:
                slots[field.slot] = self.file.number(struct.pack("<B", _tag(field.target, member.table)), 1)
        return self.file.end_table(start, slots)

    def scalar(self, field: Field, record: Record, slots: list[int]) -> None:
        """Write a scalar unless it is the default, bit for bit (-0.0 is not 0.0)."""
        raw = struct.pack("<" + field.format, record.get(field.name, field.default))
        if raw != struct.pack("<" + field.format, field.default):
            slots[field.slot] = self.file.number(raw, field.width)

    def references(self, field: Field, record: Record) -> list[tuple[int, int]]:
        """Write what the field refers to, if anything; its vtable slot and position."""
        value = record.get(field.name)
        if value is None or field.kind is Kind.SCALAR:
            return []
        if field.kind is Kind.STRING:
            return [(field.slot, self.file.string(encode(value)))]
        if field.kind is Kind.TABLE:
            return [(field.slot, self.record(value))]
        if field.kind is Kind.UNION:
            return [(field.slot + 1, self.record(value))]
        if field.kind is Kind.SCALARS:
            return [(field.slot, self.scalars(field, value))]
        items = [self.file.string(encode(v)) if field.kind is Kind.STRINGS else self.record(v) for v in value]
        return [(field.slot, self.file.offsets(items))]

    def scalars(self, field: Field, values: Any) -> int:
        """A vector of scalars; bytes and views of bytes are copied whole."""
        count = len(values)
        raw = values if field.format == "B" and not isinstance(values, tuple) else None
        return self.file.vector(
            struct.pack(f"<{count}{field.format}", *values) if raw is None else raw,
            count,
            field.width,
            max(field.width, field.align),
        )

    def unknown(self, record: Record) -> int:
        """A table newer than the schema, from its raw bytes; see :func:`mcuplan.tflite.records.read_unknown`.

        The widest slots go first, so that no padding comes between them and reading gives the same bytes again.
        """
        if not record["relocatable"]:
            raise ModelError(
                f"this model cannot be written back: {record.table} is newer than the schema known here "
                "and may point to data that cannot be moved with it"
            )
        self.file.align(_LARGEST_ALIGNMENT)
        start, positions = self.file.size, [0] * len(record["slots"])
        present = [(slot, raw) for slot, raw in enumerate(record["slots"]) if raw]
        for slot, raw in sorted(present, key=lambda item: -_alignment(item[1])):
            self.file.align(_alignment(raw), len(raw))
            positions[slot] = self.file.put(raw)
        return self.file.end_table(start, positions)


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
