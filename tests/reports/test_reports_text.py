"""Names made safe; amounts with units."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.reports.terminal.glyphs import BLOCKS, PLAIN, bar, glyphs_for
from mcuplan.text import safe_name, show_bytes, show_count, show_share


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("conv1/Relu6", "conv1/Relu6"),
        ("C:\\models\\a.tflite", "C:\\models\\a.tflite"),
        ("Fuß größer 模型", "Fuß größer 模型"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\u202eevil\u200b", "\\u202eevil\\u200b"),
        ("bell\x07 del\x7f nbsp\xa0", "bell\\x07 del\\x7f nbsp\\xa0"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("<script>[bold]{x}", "<script>[bold]{x}"),
        ("", ""),
    ],
)
def test_safe_names(name: str, shown: str) -> None:
    assert safe_name(name) == shown


def test_long_names_keep_both_ends() -> None:
    assert safe_name("start" + "x" * 10_000 + "end", 20) == "startxxx...xxxxxxend"
    assert safe_name("a" * 60) == "a" * 60
    assert len(safe_name("\x00" * 1_000_000)) == 60


@given(st.text(alphabet=st.characters(codec=None), max_size=300), st.integers(10, 80))
def test_any_name_is_one_harmless_line(name: str, longest: int) -> None:
    shown = safe_name(name, longest)
    assert len(shown) <= longest
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in shown)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0 B"), (9_999, "9,999 B"), (10_000, "10.0 kB"), (82_320, "82.3 kB"), (999_949, "999.9 kB"),
     (999_950, "1.00 MB"), (1_048_576, "1.05 MB")],
)  # fmt: skip
def test_bytes(amount: int, shown: str) -> None:
    assert show_bytes(amount) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(288, "288"), (336_000, "336.0 k"), (7_157_888, "7.16 M"), (999_949, "999.9 k"), (1_500_000_000, "1.50 G")],
)
def test_counts(amount: int, shown: str) -> None:
    assert show_count(amount) == shown


@pytest.mark.parametrize(
    ("part", "shown"),
    [(0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.995, ">99%"), (1.0, "100%"), (1.004, ">100%"), (6.61, "661%")],
)
def test_shares_never_round_across_a_limit(part: float, shown: str) -> None:
    assert show_share(part) == shown


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(2, 80))
def test_bars_have_their_width_and_a_mark_only_when_over(figure: int, limit: int, width: int) -> None:
    drawn = bar(figure, limit, width, PLAIN)
    assert len(drawn) == width
    assert ("|" in drawn) == (figure > limit)
    assert ("#" in drawn) == (figure > 0) or "|" in drawn


def test_bars_are_ascii_where_the_terminal_is() -> None:
    assert glyphs_for("utf-8") is BLOCKS
    for encoding in ("ascii", "latin-1", None, "no-such-encoding"):
        assert glyphs_for(encoding) is PLAIN
