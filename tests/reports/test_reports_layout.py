"""Grids and wrapped lines fit the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from mcuplan.reports.terminal.grid import Bars, Column, grid
from mcuplan.reports.terminal.lines import Lines

COLUMNS = (Column("name", least=4), Column("note", optional=True), Column("bytes", right=True))
ROWS = (("first operator", "yes", "1,000"), ("b", "no", "10"))


def plain(width: int, bars: Bars | None = None) -> list[str]:
    return [line.plain for line in grid(COLUMNS, ROWS, width, bars)]


def test_a_wide_grid_shows_all() -> None:
    assert plain(40) == [
        "name            note  bytes",
        "first operator  yes   1,000",
        "b               no       10",
    ]


def test_names_shrink_first_and_optional_columns_go_next() -> None:
    assert plain(20)[1] == "first..  yes   1,000"
    assert plain(14)[1] == "first..  1,000"


def test_bars_take_what_is_left_or_go() -> None:
    bars = Bars([lambda room: Text("#" * room)] * 2)
    assert plain(41, bars)[1] == "first operator  yes   1,000  " + "#" * 12
    assert "#" not in "".join(plain(16, bars))


@given(st.integers(1, 120), st.lists(st.text(st.characters(categories=("L", "N")), max_size=40), min_size=1))
def test_no_line_is_wider_than_the_terminal(width: int, names: list[str]) -> None:
    for line in grid((Column("n", least=3), Column("x", right=True)), [(name, "1") for name in names], width):
        assert line.cell_len <= width


def test_wrapped_lines_hang() -> None:
    lines = [line.plain for line in Lines(24).wrapped(Text("RAM: the arena takes far too many bytes"), 2, 2)]
    assert lines == ["  RAM: the arena takes", "    far too many bytes"]


@given(st.integers(4, 80), st.integers(0, 10), st.integers(0, 10), st.text(st.characters(categories=("L", "Zs"))))
def test_wrapping_loses_no_letter_and_keeps_the_width(width: int, indent: int, hang: int, text: str) -> None:
    text = " ".join(text.split())
    lines = list(Lines(width).wrapped(Text(text), indent, hang))
    assert all(line.cell_len <= width for line in lines)
    assert "".join("".join(line.plain.split()) for line in lines) == "".join(text.split())
