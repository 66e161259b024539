"""A model's boards before and after, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mcuplan.findings.diff.boards import BoardChange, FigureChange, Held
from mcuplan.reports.changes import LABELS, against, before_after, board_name, grown_most, growth
from mcuplan.reports.markdown.markup import code, plain

_MARKS = {"pass": "✅", "fail": "❌", "unsupported": "❌", "error": "❌"}


def columns_for(boards: Iterable[BoardChange]) -> tuple[Held, ...]:
    """The figures that a table of these boards has: instructions and time only where some are known."""
    known = {figure.resource for board in boards for figure in board.figures}
    columns: tuple[Held, ...] = ("ram", "flash", "macs", "instructions", "latency")
    return tuple(name for name in columns if name in known or name in ("ram", "flash", "macs"))


def head(columns: Sequence[Held], *before: str) -> list[str]:
    """The head of a table with ``before`` its figures."""
    names = [*before, *(LABELS[name] for name in columns)]
    return [f"| {' | '.join(names)} |".replace("|  |", "| |"), "|:--" * len(names) + "|"]


def figure_cells(board: BoardChange, columns: Sequence[Held]) -> list[str]:
    """The cells of a board's figures."""
    figures = {figure.resource: figure for figure in board.figures}
    return [figure_cell(figures[name]) if name in figures else "–" for name in columns]


def boards_table(boards: Sequence[BoardChange]) -> Iterator[str]:
    """A table of one model's boards, what is wrong below it; nothing without boards."""
    if not boards:
        return
    columns = columns_for(boards)
    yield from head(columns, "", "Board")
    for board in boards:
        cells = (verdict_cell(board), plain(board_name(board), 60), *figure_cells(board, columns))
        yield f"| {' | '.join(cells)} |"
    yield ""
    for board in boards:
        if told := list(about(board)):
            yield f"**{plain(board_name(board), 60)}**"
            yield ""
            yield from told
            yield ""


def verdict_cell(board: BoardChange) -> str:
    """The verdict before and after."""
    told = [f"{_MARKS[verdict]} {verdict}" for verdict in (board.before, board.after) if verdict]
    if board.after is None:
        return f"was {told[0]}" if told else "–"
    return " → ".join(dict.fromkeys(told))


def figure_cell(figure: FigureChange) -> str:
    """A figure before and after, how much it grew, and what is left of its limit."""
    change, limit = growth(figure), against(figure)
    over = figure.left is not None and figure.left < 0
    parts = [before_after(figure, "→"), f"**{change}**" if change else "", f"❌ **{limit}**" if over else limit]
    return "<br>".join(part for part in parts if part)


def about(board: BoardChange) -> Iterator[str]:
    """What is wrong on a board, what grew most, what would help: items of a list."""
    yield from (f"- {plain(problem)}" for problem in board.problems)
    grown = grown_most(board)
    if grown is not None:
        text, name = grown
        yield f"- {plain(text)}{f' {code(name, 40)}' if name else ''}"
    if board.remedies:
        yield f"- {'what would bring it back' if board.before == 'pass' else 'what would help'}:"
        for remedy in board.remedies:
            yield f"  - {plain(remedy.text, 300)}{f': {code(remedy.command, 1000)}' if remedy.command else ''}"
