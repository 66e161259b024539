"""Every offset, vtable, vector, string and union of a FlatBuffer, bounded before anything is read.

The accessors of the ``tflite`` package check nothing, so this walk goes first. It accepts what the C++
``flatbuffers::Verifier`` accepts (alignment included), with two limits of its own that no honest file meets: how
often the parts of a file may overlap (the work of verifying it), and how much larger the file may become when
everything that it shares is written out (the work of reading it). Types never contain themselves, so that the
schema bounds the depth.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from mcuplan.errors import ModelError
from mcuplan.tflite.records import four_bytes
from mcuplan.tflite.schema import Field, Kind, Table, schema

_SPARE = 16_384
"""Bytes that any file may share, however small it is."""

_NEWER_SLOTS = 32
"""How many vtable slots behind the known ones are looked at to find fields newer than the schema."""

_VIEWED = "Buffer"
"""The table whose bytes are viewed in place, however many times they are shared."""


def verify(data: memoryview, name: str, root: str = "Model") -> frozenset[str]:
    """Check that ``data`` is a FlatBuffer whose root table is a ``root`` of the schema.

    The file identifier is not looked at. Returns the names of tables that carry fields newer than the schema.
    Raises ModelError, its text beginning with ``name``, for the first thing that is wrong.
    """
    if len(data) < 8:
        raise ModelError(f"{name}: the file is truncated: {len(data)} bytes cannot hold a model")
    verifier = _Verifier(data, name)
    weight = verifier.reference(0, schema().tables[root])
    if weight > 2 * len(data) + _SPARE:
        raise verifier.damaged("its parts are shared so often that it would grow out of all proportion when read")
    return frozenset(verifier.newer)


class _Plan(NamedTuple):
    """What a vtable says about every table that uses it.

    ``size`` is how many bytes from the table's start must lie in the file, ``wide`` the offsets of scalars that
    need 8-byte alignment, ``references`` the offsets of fields that point elsewhere (with the bytes of an element of
    plain vectors and of strings, 0 for what is followed further), ``unions`` the offsets of tags and values (0 where
    the value is absent).
    """

    size: int
    wide: tuple[int, ...]
    references: tuple[tuple[int, int, Field], ...]
    unions: tuple[tuple[int, int, Field], ...]


_REFERENCE = 4
"""Bytes of an offset to something that lies elsewhere, whatever the width of its elements."""

_INLINE = {Kind.SCALAR: 0, Kind.UNION: 1}
"""Bytes of fields that are no reference: a union's tag, and scalars as wide as they are (0)."""


class _Verifier:
    def __init__(self, data: memoryview, name: str) -> None:
        self.data = data
        self.name = name
        self.end = len(data)
        self.words = four_bytes(data, "I")
        self.plans: dict[tuple[str, int], _Plan] = {}
        self.tables: dict[str, dict[int, int]] = {}
        self.vectors: dict[tuple[str, int], int] = {}
        self.newer: set[str] = set()
        self.work = self.end + _SPARE

    def damaged(self, what: str) -> ModelError:
        """The error of a file whose parts contradict each other."""
        return ModelError(f"{self.name}: the file is damaged: {what}")

    def outside(self, what: str, at: int) -> ModelError:
        """The error of a part at byte ``at`` that reaches beyond the file's end."""
        return ModelError(
            f"{self.name}: the file is truncated or damaged: {what} at byte {at} "
            f"reaches outside the file's {self.end} bytes"
        )

    def target(self, at: int, what: str) -> int:
        """Where the offset at ``at`` (aligned, inside the file) points; at least four aligned bytes are there."""
        distance = self.words[at >> 2]
        target = at + distance
        if target + 4 > self.end:
            raise self.outside(f"the offset of {what}", at)
        if not distance or target & 3:
            raise self.damaged(f"the offset of {what} at byte {at} is {'zero' if not distance else 'misaligned'}")
        return target

    def spend(self, work: int) -> None:
        """Count work against what a file of this size can need. Raises ModelError when that is used up."""
        self.work -= work
        if self.work < 0:
            raise self.damaged("its parts overlap so often that it refers to more than it can hold")

    def reference(self, at: int, table: Table) -> int:
        """Verify the table that the reference at byte ``at`` leads to; its bytes."""
        return self.table(self.target(at, table.name), table)

    def table(self, position: int, table: Table) -> int:
        """Check the table at ``position`` (aligned, four bytes inside).

        Returns its weight: how many bytes it and all below it would take if nothing were shared.
        """
        seen = self.tables.get(table.name)
        if seen is None:
            seen = self.tables[table.name] = {}
        known = seen.get(position)
        if known is not None:
            return known
        self.spend(1)
        words, end = self.words, self.end
        distance = words[position >> 2]
        vtable = position - (distance - 0x1_0000_0000 if distance & 0x8000_0000 else distance)
        plan = self.plans.get((table.name, vtable)) or self.plan(vtable, table)
        if position + plan.size > end:
            raise self.outside(table.name, position)
        for offset in plan.wide:
            if (position + offset) & 7:
                raise self.damaged(f"a field of {table.name} at byte {position} is misaligned")
        weight = plan.size
        viewed = table.name == _VIEWED
        for offset, width, field in plan.references:
            at = position + offset
            if not width:
                weight += self.follow(at, field, table)
                continue
            # Plain vectors and strings, most of what a file refers to: looked at here, for a call costs as much again.
            target = at + words[at >> 2]
            if target + 4 > end or target & 3 or target == at:
                self.target(at, field.name)
            length = words[target >> 2] * width
            is_text = field.kind is Kind.STRING
            if target + 4 + length + is_text > end:
                raise self.outside(f"{table.name}.{field.name} ({length // width} elements)", target)
            if is_text:
                self.string(target + 4, length, table, field)
            weight += 4 if viewed else 4 + length
        for tag_offset, value_offset, field in plan.unions:
            tag = self.data[position + tag_offset]
            if tag and value_offset:
                weight += self.union(position + value_offset, tag, field)
        seen[position] = weight
        return weight

    def slots(self, vtable: int, what: str) -> int:
        """How many slots the vtable has; all of it is inside the file."""
        if vtable < 0 or vtable & 1 or vtable + 4 > self.end:
            raise self.damaged(f"the vtable of a {what} would lie at byte {vtable}")
        size = self.data[vtable] | self.data[vtable + 1] << 8
        if size & 1 or size < 4 or vtable + size > self.end:
            raise self.damaged(f"the vtable of a {what} at byte {vtable} claims {size} bytes")
        return (size - 4) // 2

    def plan(self, vtable: int, table: Table) -> _Plan:
        """Check the vtable at ``vtable`` as one of ``table``'s."""
        slots = self.slots(vtable, table.name)
        offsets = struct.unpack_from(f"<{min(slots, table.slots + _NEWER_SLOTS)}H", self.data, vtable + 4)
        if any(offsets[table.slots :]):
            self.newer.add(table.name)
        offsets += (0,) * (table.slots - len(offsets))
        end, wide = 4, []
        references, unions = [], []
        for field in table.fields:
            offset = offsets[field.slot]
            width = _INLINE.get(field.kind, _REFERENCE) or field.width
            if offset:
                end = max(end, offset + width)
                if offset & (min(width, 4) - 1):
                    raise self.damaged(f"{table.name}.{field.name} is misaligned (vtable at byte {vtable})")
            if field.kind is Kind.UNION:
                value = offsets[field.slot + 1]
                if value & 3:
                    raise self.damaged(f"{table.name}.{field.name} is misaligned (vtable at byte {vtable})")
                end = max(end, value + 4 if value else 0)
                if offset:
                    unions.append((offset, value, field))
            elif not offset:
                continue
            elif field.kind is not Kind.SCALAR:
                references.append((offset, _plain_width(field), field))
            elif width == 8:
                wide.append(offset)
        plan = self.plans[table.name, vtable] = _Plan(end, tuple(wide), tuple(references), tuple(unions))
        return plan

    def follow(self, at: int, field: Field, table: Table) -> int:
        """Check the table, or the vector of tables or strings, that the field at ``at`` of a ``table`` refers to.

        Returns its weight.
        """
        if field.kind is Kind.TABLE:
            return self.reference(at, schema().tables[field.target])
        position = self.target(at, field.name)
        count = self.words[position >> 2]
        first = position + 4
        if first + count * _REFERENCE > self.end:
            raise self.outside(f"{table.name}.{field.name} ({count} elements)", position)
        known = self.vectors.get((table.name + field.name, position))
        if known is None:
            self.spend(count)
            known = self.elements(first, count, field, table)
            self.vectors[table.name + field.name, position] = known
        return known

    def elements(self, first: int, count: int, field: Field, table: Table) -> int:
        """Check the tables or strings that a vector of offsets refers to; their weight."""
        places = range(first, first + 4 * count, 4)
        if field.kind is Kind.TABLES:
            of = schema().tables[field.target]
            what = f"an element of {table.name}.{field.name}"
            return 4 + 4 * count + sum([self.table(self.target(at, what), of) for at in places])
        weight = 4 + 4 * count
        for at in places:
            position = self.target(at, field.name)
            length = self.words[position >> 2]
            if position + 4 + length + 1 > self.end:
                raise self.outside(f"a string of {table.name}.{field.name}", position)
            weight += self.string(position + 4, length, table, field)
        return weight

    def string(self, first: int, length: int, table: Table, field: Field) -> int:
        """Verify that a string ends with a zero byte; bytes of length and text."""
        if self.data[first + length]:
            raise self.damaged(f"the string {table.name}.{field.name} at byte {first} does not end with a zero byte")
        return 4 + length

    def union(self, at: int, tag: int, field: Field) -> int:
        """Verify the member of a union that ``tag`` chooses; its bytes."""
        member = schema().union_member(field.target, tag)
        return self.reference(at, member) if member else self.unknown(self.target(at, field.target))

    def unknown(self, position: int) -> int:
        """Check the vtable of a table that the schema does not know, as far as its inline bytes go."""
        distance = self.words[position >> 2]
        vtable = position - (distance - 0x1_0000_0000 if distance & 0x8000_0000 else distance)
        slots = self.slots(vtable, "table of unknown type")
        self.spend(slots)
        inline, *offsets = struct.unpack_from(f"<{1 + slots}H", self.data, vtable + 2)
        if position + max(inline, 4) > self.end or max(offsets, default=0) >= max(inline, 4):
            raise self.outside("a table of unknown type", position)
        return 2 * slots + int(inline)


def _plain_width(field: Field) -> int:
    """Bytes of an element of what a field refers to; 0 where elements refer further."""
    return field.width if field.kind is Kind.SCALARS else int(field.kind is Kind.STRING)
