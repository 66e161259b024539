"""Tables read into :class:`~mcuplan.graph.Record` by the schema's data alone, defaults filled in.

Only for bytes that :mod:`mcuplan.tflite.verify` has passed: nothing is checked here.
"""

from __future__ import annotations

import itertools
import struct
import sys
from array import array
from collections.abc import Mapping
from functools import cache
from typing import Any

from mcuplan.graph import Record
from mcuplan.tflite.schema import FORMATS, Field, Kind, Table, schema
from mcuplan.tflite.text import decode

_SOFFSET = struct.Struct("<i")
_UOFFSET = struct.Struct("<I")
_VOFFSET = struct.Struct("<H")
_FORMATS = {character: struct.Struct("<" + character) for character in FORMATS.values()}

UNKNOWN = "#"
"""In ``Record.table``: an options table newer than the schema, named ``<union>#<tag>``; see :func:`read_unknown`."""


def four_bytes(data: memoryview, code: str) -> memoryview | array[Any]:
    """The file as little-endian numbers of four bytes in the ``struct`` format ``code``, a last odd bit left out."""
    whole = data[: len(data) // 4 * 4]
    if sys.byteorder == "little":
        return whole.cast(code)  # type: ignore[call-overload, no-any-return]
    numbers = array(code, bytes(whole))
    numbers.byteswap()
    return numbers


def read_slots(data: memoryview, position: int, table: Table) -> tuple[int, ...]:
    """The offset of each vtable slot that the schema knows, 0 where the field is absent."""
    vtable = position - _SOFFSET.unpack_from(data, position)[0]
    present: int = min(table.slots, (_VOFFSET.unpack_from(data, vtable)[0] - 4) // 2)
    offsets: tuple[int, ...] = struct.unpack_from(f"<{present}H", data, vtable + 4)
    return offsets + (0,) * (table.slots - present)


def field_position(data: bytes | memoryview, position: int, slot: int) -> int:
    """Where the field in vtable slot ``slot`` of the table at ``position`` lies; 0 where it is absent."""
    vtable = position - _SOFFSET.unpack_from(data, position)[0]
    entry = 4 + 2 * slot
    if entry + 2 > _VOFFSET.unpack_from(data, vtable)[0]:
        return 0
    offset: int = _VOFFSET.unpack_from(data, vtable + entry)[0]
    return position + offset if offset else 0


def read_scalar(data: memoryview, at: int, field: Field) -> Any:
    """The scalar field at ``at``."""
    return _FORMATS[field.format].unpack_from(data, at)[0]


def read_scalars(data: memoryview, at: int, field: Field) -> tuple[Any, ...]:
    """The vector of scalars that the offset at ``at`` points to."""
    start, count = _vector(data, at)
    return struct.unpack_from(f"<{count}{field.format}", data, start)


def read_target(data: bytes | memoryview, at: int) -> int:
    """Where the table lies that the offset at ``at`` points to."""
    distance: int = _UOFFSET.unpack_from(data, at)[0]
    return at + distance


def read_tables(data: bytes | memoryview, at: int) -> list[int]:
    """Where the tables lie of the vector that the offset at ``at`` points to."""
    start, count = _vector(data, at)
    return [start + 4 * i + offset for i, offset in enumerate(struct.unpack_from(f"<{count}I", data, start))]


def read_start(data: bytes | memoryview, at: int) -> int:
    """Where the first element lies of the vector that the offset at ``at`` points to."""
    return _vector(data, at)[0]


def read_record(data: memoryview, position: int, table: Table) -> Record:
    """The table at ``position``, with everything below it."""
    offsets = read_slots(data, position, table)
    found = dict(_absent(table.name))
    for field in table.fields:
        if offsets[field.slot]:
            found[field.name] = _read_field(data, position, offsets, field)
    return Record(table.name, found)


@cache
def _absent(table: str) -> Mapping[str, Any]:
    """What the fields of a table are where the file does not say: scalars their default, all else None."""
    return {field.name: field.default for field in schema().tables[table].fields}


def _read_field(data: memoryview, position: int, offsets: tuple[int, ...], field: Field) -> Any:
    offset = offsets[field.slot]
    if field.kind is Kind.SCALAR:
        return read_scalar(data, position + offset, field)
    if field.kind is Kind.UNION:
        value = offsets[field.slot + 1]
        return read_union(data, field.target, data[position + offset], position + value if value else 0)
    return _read_reference(data, position + offset, field)


def read_records(data: memoryview, at: int, table: Table) -> tuple[Record, ...]:
    """The vector of tables that the offset at ``at`` points to."""
    return tuple(read_record(data, position, table) for position in read_tables(data, at))


def read_union(data: memoryview, union: str, tag: int, at: int) -> Record | None:
    """The member of ``union`` that ``tag`` selects, its offset at ``at`` (0: the tag stands alone).

    A tag without a table reads as the table with all fields at their defaults.
    """
    if tag == 0:
        return None
    member = schema().union_member(union, tag)
    position = at + _UOFFSET.unpack_from(data, at)[0] if at else 0
    if member is None:
        return read_unknown(data, f"{union}{UNKNOWN}{tag}", position)
    if not position:
        return Record(member.name, dict(_absent(member.name)))
    return read_record(data, position, member)


def read_unknown(data: memoryview, name: str, position: int) -> Record:
    """A table that the schema does not know, as raw bytes.

    ``slots`` holds each vtable slot's inline bytes (None where absent), as far as a vtable tells: a field ends where
    the next one, or the table, begins. ``relocatable`` is False where some slot may be an offset to something
    outside the table, so that the bytes mean nothing elsewhere.
    """
    if not position:
        return Record(name, {"slots": (), "relocatable": True})
    vtable = position - _SOFFSET.unpack_from(data, position)[0]
    vtable_bytes, table_bytes = struct.unpack_from("<2H", data, vtable)
    offsets = struct.unpack_from(f"<{max(0, vtable_bytes - 4) // 2}H", data, vtable + 4)
    ends = sorted({offset for offset in offsets if offset} | {table_bytes})
    follows = dict(itertools.pairwise(ends))
    slots = tuple(bytes(data[position + o : position + follows.get(o, o)]) if o else None for o in offsets)
    movable = not any(_may_be_offset(data, position + o) for o in offsets if o)
    return Record(name, {"slots": slots, "relocatable": movable})


def _may_be_offset(data: memoryview, at: int) -> bool:
    """True where the bytes at ``at`` could be an offset to a table, vector or string in this file."""
    if at % 4 or at + 4 > len(data):
        return False
    distance: int = _UOFFSET.unpack_from(data, at)[0]
    return distance >= 4 and distance % 4 == 0 and at + distance + 4 <= len(data)


def _vector(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """First element's position and the element count of the vector that the offset at ``at`` points to."""
    position = at + _UOFFSET.unpack_from(data, at)[0]
    return position + 4, _UOFFSET.unpack_from(data, position)[0]


def _read_reference(data: memoryview, at: int, field: Field) -> Any:
    if field.kind is Kind.TABLE:
        return read_record(data, at + _UOFFSET.unpack_from(data, at)[0], schema().tables[field.target])
    if field.kind is Kind.TABLES:
        return read_records(data, at, schema().tables[field.target])
    if field.kind is Kind.SCALARS and field.format != "B":
        return read_scalars(data, at, field)
    start, count = _vector(data, at)
    if field.kind is Kind.STRING:
        return decode(bytes(data[start : start + count]))
    if field.kind is Kind.STRINGS:
        texts = (_vector(data, p) for p in range(start, start + 4 * count, 4))
        return tuple(decode(bytes(data[s : s + n])) for s, n in texts)
    return bytes(data[start : start + count])
