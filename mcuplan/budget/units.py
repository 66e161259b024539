"""Amounts as people write them: ``250kB``, ``250KiB``, ``1.5 MB``, ``60M``."""

from __future__ import annotations

import re
from decimal import Decimal

from mcuplan.errors import McuplanError


class UnitError(McuplanError):
    """An amount that cannot be read; the sentence says what was written and what would be right."""


_BYTE_UNITS = {
    "": 1, "B": 1, "byte": 1, "bytes": 1,
    "kB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_AMBIGUOUS_BYTES = {
    "KB": "kB", "kb": "kB", "Kb": "kB", "K": "kB", "k": "kB",
    "mb": "MB", "Mb": "MB", "M": "MB", "m": "MB",
    "gb": "GB", "Gb": "GB", "G": "GB", "g": "GB",
}  # fmt: skip
_BINARY_TWIN = {"kB": "KiB", "MB": "MiB", "GB": "GiB"}
_COUNT_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
# A comma only between groups of three: "1,5MB" must not be read as 15 MB.
_AMOUNT = re.compile(
    r"\s*(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*)(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII
)
_LARGEST = 10**15


def _split(text: str, what: str, example: str) -> tuple[Decimal, str]:
    # Longer texts are mistakes, and converting them would take time that grows with the square of their length.
    if len(text) > 40:
        raise UnitError(f"{text[:20]!r}... is too long for {what}")
    found = _AMOUNT.fullmatch(text)
    if found is None:
        hint = "; a limit cannot be negative" if text.strip().startswith("-") else ""
        raise UnitError(f"{text!r} is not {what}: write a number and a unit, such as {example}{hint}")
    number = found["number"].replace("_", "").replace(",", "")
    return Decimal(number), found["unit"]


def _whole(value: Decimal, text: str, what: str) -> int:
    if value != value.to_integral_value():
        raise UnitError(f"{text!r} is {value.normalize():f}, not a whole number of {what}")
    if value > _LARGEST:
        raise UnitError(f"{text!r} is more {what} than any microcontroller could have")
    return int(value)


def parse_bytes(text: str | int) -> int:
    """A size in bytes from ``250000``, ``250kB`` (1,000), ``250KiB`` (1,024), ``1.5MB``, ``2MiB``, ...

    Raises
    ------
    UnitError
        For anything else. ``KB`` is refused because half of its readers take it for 1,000 and half for 1,024.

    Examples
    --------
    >>> parse_bytes("250kB"), parse_bytes("250KiB"), parse_bytes("1.5 MB")
    (250000, 256000, 1500000)
    """
    if isinstance(text, int):
        text = str(text)
    number, unit = _split(text, "a size", "250kB (1,000 bytes each) or 256KiB (1,024 bytes each)")
    if unit.lower() in ("kib", "mib", "gib"):
        unit = f"{unit[0].upper()}iB"
    if unit in _AMBIGUOUS_BYTES:
        decimal = _AMBIGUOUS_BYTES[unit]
        binary = _BINARY_TWIN[decimal]
        raise UnitError(
            f"{text!r} is ambiguous: write {number}{decimal} ({_step(decimal)} bytes each) "
            f"or {number}{binary} ({_step(binary)} bytes each)"
        )
    if unit not in _BYTE_UNITS:
        raise UnitError(f"{text!r} has an unknown unit {unit!r}: use B, kB, KiB, MB, MiB, GB or GiB")
    return _whole(number * _BYTE_UNITS[unit], text, "bytes")


def _step(unit: str) -> str:
    return f"{_BYTE_UNITS[unit]:,}"


def parse_count(text: str | int) -> int:
    """A number of operations from ``60000000``, ``60M``, ``1.2G``, ``800k``.

    Raises
    ------
    UnitError
        For anything else.

    Examples
    --------
    >>> parse_count("60M"), parse_count("7_500k")
    (60000000, 7500000)
    """
    if isinstance(text, int):
        text = str(text)
    number, unit = _split(text, "a number of MACs", "60M (millions) or 800k (thousands)")
    if unit not in _COUNT_UNITS:
        raise UnitError(f"{text!r} has an unknown unit {unit!r}: use k (thousands), M (millions) or G (billions)")
    return _whole(number * _COUNT_UNITS[unit], text, "MACs")
