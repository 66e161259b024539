"""The TFLite schema as data: tables, unions and enums, read once from ``data/schema.json``.

The verifier, the reader of records and the writer all walk these tables, so a new field or options table is a line
of data. Source of the facts: ``schema.fbs``, version 3d, of TensorFlow Lite.
"""

from __future__ import annotations

import enum
import functools
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcuplan.graph import CUSTOM, OperatorCode, Record

IDENTIFIER = b"TFL3"
"""The FlatBuffer file identifier of every schema version in use (3, 3a to 3d)."""

PLACEHOLDER_CODE = 127
"""``deprecated_builtin_code`` of operators whose code does not fit it (``PLACEHOLDER_FOR_GREATER_OP_CODES``)."""


class Kind(enum.Enum):
    """What a field holds, which decides how it is verified, read and written."""

    SCALAR = enum.auto()
    STRING = enum.auto()
    TABLE = enum.auto()
    UNION = enum.auto()
    SCALARS = enum.auto()
    STRINGS = enum.auto()
    TABLES = enum.auto()


FORMATS: Mapping[str, str] = {
    "i8": "b", "u8": "B", "bool": "?", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "q", "u64": "Q",
    "f32": "f", "f64": "d",
}  # fmt: skip
"""``struct`` format character of each scalar type, little-endian in files."""

_WIDTHS: Mapping[str, int] = {"b": 1, "B": 1, "?": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table.

    ``slot`` is its vtable slot (of the tag, for a union: its value follows at ``slot + 1``), ``format`` the
    ``struct`` character of a scalar or of a vector's elements, ``width`` their bytes, ``target`` the table or union
    referred to, and ``align`` the alignment in bytes that the schema forces on a vector's first element.
    """

    name: str
    kind: Kind
    slot: int
    format: str = ""
    width: int = 4
    target: str = ""
    default: Any = None
    align: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its fields in slot order and how many vtable slots the schema knows."""

    name: str
    fields: tuple[Field, ...]
    slots: int


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables, unions (member names; tag 1 is the first) and enums (names by code)."""

    tables: Mapping[str, Table]
    unions: Mapping[str, tuple[str, ...]]
    enums: Mapping[str, tuple[str, ...]]

    def union_member(self, union: str, tag: int) -> Table | None:
        """The table behind ``tag``, None for a tag that this schema does not know."""
        members = self.unions[union]
        return self.tables[members[tag - 1]] if 1 <= tag <= len(members) else None


def _field(text: str, slot: int, enums: Mapping[str, Any], unions: Mapping[str, Any]) -> Field:
    """Parse one field from the notation that ``data/schema.json`` explains."""
    text, _, align = text.partition(" @")
    name, _, rest = text.partition(": ")
    type_name, _, default = rest.partition(" = ")
    vector = type_name.startswith("[")
    element = type_name.strip("[]")
    scalar = FORMATS.get(enums[element]["type"] if element in enums else element)
    forced = int(align) if align else 0
    if scalar is not None:
        width = _WIDTHS[scalar]
        if vector:
            return Field(name, Kind.SCALARS, slot, scalar, width, align=forced)
        value = json.loads(default) if default else 0
        typed = bool(value) if scalar == "?" else float(value) if scalar in "fd" else value
        return Field(name, Kind.SCALAR, slot, scalar, width, default=typed)
    if element == "str":
        return Field(name, Kind.STRINGS if vector else Kind.STRING, slot)
    if element in unions:
        return Field(name, Kind.UNION, slot, target=element)
    return Field(name, Kind.TABLES if vector else Kind.TABLE, slot, target=element)


def _table(name: str, texts: list[str], enums: Mapping[str, Any], unions: Mapping[str, Any]) -> Table:
    fields: list[Field] = []
    slot = 0
    for text in texts:
        parsed = _field(text, slot, enums, unions)
        fields.append(parsed)
        slot += 2 if parsed.kind is Kind.UNION else 1
    return Table(name, tuple(fields), slot)


@functools.cache
def schema() -> Schema:
    """The schema, parsed on first use."""
    raw = pkgutil.get_data(__name__, "data/schema.json")
    assert raw is not None, "mcuplan/tflite/data/schema.json is missing from this installation"
    facts = json.loads(raw)
    enums, unions = facts["enums"], facts["unions"]
    return Schema(
        tables={name: _table(name, texts, enums, unions) for name, texts in facts["tables"].items()},
        unions={name: tuple(members) for name, members in unions.items()},
        enums={name: tuple(entry["names"]) for name, entry in enums.items()},
    )


@functools.cache
def builtin_codes() -> Mapping[str, int]:
    """Code of each builtin operator by its schema name."""
    return {name: code for code, name in enumerate(schema().enums["BuiltinOperator"])}


def builtin_name(code: int) -> str:
    """Schema name of a builtin operator; ``BUILTIN_<code>`` for codes newer than this table (or negative)."""
    names = schema().enums["BuiltinOperator"]
    return names[code] if 0 <= code < len(names) else f"BUILTIN_{code}"


def operator_code(name: str, version: int = 1, custom_code: str | None = None) -> OperatorCode:
    """An :class:`OperatorCode` with the raw fields that a converter would write for ``name``.

    ``name`` is a builtin operator's schema name, or ``CUSTOM`` together with ``custom_code``. Raises ValueError for
    a name that the schema does not have.
    """
    code = builtin_code(name)
    if code is None:
        raise ValueError(f"no builtin operator is called {name!r}; custom operators are {CUSTOM!r} with a custom_code")
    return OperatorCode(name, version, custom_code, min(code, PLACEHOLDER_CODE), code)


def builtin_code(name: str) -> int | None:
    """Code of a builtin operator's schema name or of ``BUILTIN_<code>``; None for any other text."""
    known = builtin_codes().get(name)
    if known is not None:
        return known
    prefix, _, digits = name.partition("BUILTIN_")
    return int(digits) if not prefix and digits.removeprefix("-").isdecimal() else None


def record(table: str, **fields: Any) -> Record:
    """A :class:`Record` of ``table`` with ``fields`` set and every other field at the schema's default.

    Enum fields are integers (see :func:`enum_code`). Raises ValueError for a table or field that does not exist.

    Examples
    --------
    >>> record("SoftmaxOptions", beta=1.0)
    Record(table='SoftmaxOptions', fields={'beta': 1.0})
    """
    known = schema().tables.get(table)
    if known is None:
        raise ValueError(f"the TFLite schema has no table {table!r}")
    values = {field.name: field.default for field in known.fields}
    unknown = fields.keys() - values.keys()
    if unknown:
        raise ValueError(f"the TFLite schema's {table} has no field {sorted(unknown)[0]!r}")
    return Record(table, values | fields)


def enum_code(enum_name: str, member: str) -> int:
    """The integer behind an enum member, as in ``enum_code("Padding", "VALID")``; ValueError if there is none."""
    return schema().enums[enum_name].index(member)
