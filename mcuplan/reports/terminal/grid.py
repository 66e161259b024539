"""Columns of text that fit a terminal: figures keep their width, names give way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from mcuplan.reports.terminal.lines import harmless
from mcuplan.text import WORD

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``least`` is the width it may shrink to (None: never shrinks); ``optional`` ones may go.

    Text of more than ``most`` characters keeps its beginning and end.
    """

    heading: str
    right: bool = False
    least: int | None = None
    optional: bool = False
    most: int = WORD


@dataclass(frozen=True, slots=True)
class Bars:
    """A last column, without heading, that takes the width left over: ``draw[row](room)`` makes a row's bar."""

    draw: Sequence[Callable[[int], Text]]
    least: int = 8
    most: int = 46


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int, bars: Bars | None = None
) -> Iterator[Text]:
    """Headings and rows in ``width`` columns of the terminal.

    Where they do not fit, the widest shrinkable column shrinks first; then optional columns go, from the right; then
    the bars; then lines are cut.
    """
    cells = [[_cell(cell, column) for cell, column in zip(row, columns, strict=True)] for row in rows]
    headings = [_cell(column.heading, column) for column in columns]
    natural = [max([headings[i].cell_len, *(row[i].cell_len for row in cells)]) for i in range(len(columns))]
    shown = list(range(len(columns)))
    for_bars = bars.least + _GAP if bars else 0
    widths = _shrunk([columns[i] for i in shown], [natural[i] for i in shown], width - for_bars)
    while _total(widths) + for_bars > width:
        spare = [i for i in shown if columns[i].optional]
        if not spare:
            break
        shown.remove(spare[-1])
        widths = _shrunk([columns[i] for i in shown], [natural[i] for i in shown], width - for_bars)
    room = min(width - _total(widths) - _GAP, bars.most) if bars else 0
    yield _line([headings[i] for i in shown], [columns[i] for i in shown], widths, width, "bold")
    for index, row in enumerate(cells):
        bar = bars.draw[index](room) if bars and room >= bars.least else None
        yield _line([row[i] for i in shown], [columns[i] for i in shown], widths, width, bar=bar)


def _cell(cell: str | Text, column: Column) -> Text:
    return harmless(cell if isinstance(cell, Text) else Text(cell), column.most, column.most)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _shrunk(columns: Sequence[Column], natural: Sequence[int], width: int) -> list[int]:
    widths = list(natural)
    excess = _total(widths) - width
    while excess > 0:
        givers = [i for i, column in enumerate(columns) if column.least is not None and widths[i] > column.least]
        if not givers:
            break
        widths[max(givers, key=lambda i: widths[i])] -= 1
        excess -= 1
    return widths


def _line(
    cells: Sequence[Text],
    columns: Sequence[Column],
    widths: Sequence[int],
    width: int,
    style: str = "",
    bar: Text | None = None,
) -> Text:
    line = Text(style=style)
    for index, (cell, column, room) in enumerate(zip(cells, columns, widths, strict=True)):
        if index:
            line.append(" " * _GAP)
        shown = cell.copy()
        if shown.cell_len > room:
            shown.truncate(max(room - 2, 0))
            shown.append("..")
            shown.truncate(room)
        pad = " " * (room - shown.cell_len)
        line.append_text(Text(pad) + shown if column.right else shown + Text(pad))
    if bar is not None:
        line.append_text(Text(" " * _GAP) + bar)
    line.rstrip()
    line.truncate(width)
    return line
