"""Amounts as people write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.budget.units import UnitError, parse_bytes, parse_count


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("0", 0),
        ("250000", 250_000),
        ("250,000", 250_000),
        ("250_000 B", 250_000),
        ("250kB", 250_000),
        ("250 kB", 250_000),
        ("250KiB", 256_000),
        ("250kib", 256_000),
        ("1.5MB", 1_500_000),
        ("1.5 MiB", 1_572_864),
        ("1GiB", 1 << 30),
        (" 12 bytes ", 12),
    ],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert parse_bytes(text) == bytes_


@pytest.mark.parametrize(
    ("text", "macs"), [("60M", 60_000_000), ("1.2G", 1_200_000_000), ("800k", 800_000), ("7", 7), ("3B", 3 * 10**9)]
)
def test_counts(text: str, macs: int) -> None:
    assert parse_count(text) == macs


def test_integers_are_taken_as_they_are() -> None:
    assert parse_bytes(4096) == 4096
    assert parse_count(60_000_000) == 60_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("256KB", "write 256kB (1,000 bytes each) or 256KiB (1,024 bytes each)"),
        ("256K", "ambiguous"),
        ("1M", "write 1MB (1,000,000 bytes each) or 1MiB (1,048,576 bytes each)"),
        ("12parsecs", "unknown unit 'parsecs'"),
        ("lots", "write a number and a unit"),
        ("", "write a number and a unit"),
        ("-5kB", "cannot be negative"),
        ("1,5MB", "write a number and a unit"),
        ("0.5", "not a whole number of bytes"),
        ("nan", "write a number"),
        ("1e5", "unknown unit 'e'|write a number"),
        ("9" * 60, "too long"),
        ("1" + "0" * 30, "more bytes than any microcontroller"),
        ("٣kB", "write a number"),
    ],
)
def test_what_is_not_a_size(text: str, says: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_bytes(text)
    assert any(part in str(caught.value) for part in says.split("|"))


@pytest.mark.parametrize("text", ["60MiB", "60 MACs", "-1M", "0.3", ""])
def test_what_is_not_a_count(text: str) -> None:
    with pytest.raises(UnitError):
        parse_count(text)


@given(st.text(max_size=60))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    with contextlib.suppress(UnitError):
        assert parse_bytes(text) >= 0


@given(st.integers(0, 10**9), st.sampled_from([("kB", 1000), ("KiB", 1024), ("MB", 10**6), ("B", 1)]))
def test_units_multiply(number: int, unit: tuple[str, int]) -> None:
    if number * unit[1] <= 10**15:
        assert parse_bytes(f"{number}{unit[0]}") == number * unit[1]
        assert parse_bytes(f"{number:,} {unit[0]}") == number * unit[1]
