"""Names made safe; amounts with units."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from mcuplan.reports.terminal.glyphs import BLOCKS, PLAIN, bar, glyphs_for
from mcuplan.reports.terminal.lines import harmless
from mcuplan.text import safe_name, show_bytes, show_count, show_share, shown, without_controls


@pytest.mark.parametrize(
    ("name", "told"),
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
def test_safe_names(name: str, told: str) -> None:
    assert safe_name(name) == told


def test_long_names_keep_both_ends() -> None:
    assert safe_name("start" + "x" * 10_000 + "end", 20) == "startxxx...xxxxxxend"
    assert safe_name("a" * 60) == "a" * 60
    assert len(safe_name("\x00" * 1_000_000)) == 60


@given(st.text(alphabet=st.characters(codec=None), max_size=300), st.integers(10, 80))
def test_any_name_is_one_harmless_line(name: str, longest: int) -> None:
    told = safe_name(name, longest)
    assert len(told) <= longest
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in told)


def test_words_of_a_sentence_are_bounded_and_the_sentence_too() -> None:
    assert shown("tensor " + "a" * 60 + " lives") == "tensor " + "a" * 60 + " lives"
    assert shown("tensor " + "a" * 61 + " lives") == "tensor " + "a" * 28 + "..." + "a" * 29 + " lives"
    assert len(shown("word " * 1_000_000)) == 2_000
    assert shown("a\n\x1b[31m b", 60) == "a\\n\\x1b[31m b"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("::set-output name=a::b", "\\x3a:set-output name=a::b"),
        ("  ::error::b", "  \\x3a:error::b"),
        ("x::group::y", "x\\x3a:group::y"),
        ("##[error]b", "\\x23#[error]b"),
        ("std::vector", "std::vector"),
        ("# ## [x]", "# ## [x]"),
    ],
)
def test_no_text_is_a_command_of_a_log(text: str, seen: str) -> None:
    assert safe_name(text) == shown(text) == seen


def test_names_that_are_a_command_only_together() -> None:
    line = Text.assemble(("::error file=", "bold"), "x", ("::y", "dim"))
    assert harmless(line).plain == "\\x3a:error file=x::y"


def test_styles_stay_where_they_were() -> None:
    line = Text.assemble(("a\n", "bold"), "b", ("\x1b", "dim"))
    assert [(span.start, span.end, span.style) for span in harmless(line).spans] == [(0, 3, "bold"), (4, 8, "dim")]


def test_finished_text_keeps_its_lines() -> None:
    assert without_controls("a\n\tb\u200b\x1b[m\r\u202e\ud800") == "a\n\tb\u200b\\x1b[m\\r\\u202e\\ud800"


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0, "0 B"), (9_999, "9,999 B"), (10_000, "10.0 kB"), (82_320, "82.3 kB"), (999_949, "999.9 kB"),
     (999_950, "1.00 MB"), (1_048_576, "1.05 MB")],
)  # fmt: skip
def test_bytes(amount: int, told: str) -> None:
    assert show_bytes(amount) == told


@pytest.mark.parametrize(
    ("amount", "told"),
    [(288, "288"), (336_000, "336.0 k"), (7_157_888, "7.16 M"), (999_949, "999.9 k"), (1_500_000_000, "1.50 G")],
)
def test_counts(amount: int, told: str) -> None:
    assert show_count(amount) == told


@pytest.mark.parametrize(
    ("part", "told"),
    [(0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.995, ">99%"), (1.0, "100%"), (1.004, ">100%"), (6.61, "661%")],
)
def test_shares_never_round_across_a_limit(part: float, told: str) -> None:
    assert show_share(part) == told


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
