"""What a pull request changes, as its comment: models before and after, board by board, under 60 kB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcuplan.findings.diff.boards import BoardChange, Changes, Held, ModelChange
from mcuplan.reports.changes import board_name, heading, model_notes
from mcuplan.reports.markdown.boards import about, columns_for, figure_cells, head, verdict_cell
from mcuplan.reports.markdown.markup import code, fitting, plain
from mcuplan.reports.terminal.diff import growth_sentence

LONGEST = 60_000
"""Bytes that a comment stays under; GitHub takes 65,536 characters."""


def changes_markdown(found: Changes) -> str:
    """GitHub-flavoured Markdown: a row a model and board, then what is wrong and what would help."""
    rows = [row for model in found.models for row in _rows(model)]
    columns = columns_for(board for model in found.models for board in model.boards)
    opening = [f"### {_mark(found)}mcuplan: {heading(found)}", ""]
    if rows:
        opening += [f"Since {plain(found.old, 100)}.", "", *head(columns, "", "Model", "Board")]
    room = LONGEST - 1_000 - len("\n".join(opening).encode())
    lines = fitting([_row(*row, columns) for row in rows], room * 2 // 3)
    room -= len("\n".join(lines).encode())
    after = ["", f"and {len(rows) - len(lines)} more rows"] if len(lines) < len(rows) else []
    sections = ["\n".join(section) for model in found.models for section in _sections(model)]
    sections += [f"- {plain(note)}" for note in found.notes]
    kept = fitting(sections, room)
    left = ["", f"{len(sections) - len(kept)} more notes are left out."] if len(kept) < len(sections) else []
    return "\n".join([*opening, *lines, *after, *([""] if kept else []), *kept, *left]).rstrip() + "\n"


def _mark(found: Changes) -> str:
    boards = [board for model in found.models for board in model.boards]
    if found.exit_code or any(board.worse for board in boards):
        return "❌ "
    return "✅ " if boards and all(board.after in ("pass", None) for board in boards) else ""


def _rows(model: ModelChange) -> Iterator[tuple[ModelChange, BoardChange | None]]:
    if not model.boards:
        yield model, None
    for board in model.boards:
        yield model, board


def _row(model: ModelChange, board: BoardChange | None, columns: Sequence[Held]) -> str:
    name = code(model.model) + ("" if model.kind == "changed" else f" {model.kind}")
    if board is None:
        return f"| ❔ | {name} | – {'| – ' * len(columns)}|"
    cells = (verdict_cell(board), name, plain(board_name(board), 60), *figure_cells(board, columns))
    return f"| {' | '.join(cells)} |"


def _sections(model: ModelChange) -> Iterator[list[str]]:
    said = [f"- {plain(note)}" for note in model_notes(model)]
    said += [f"- {'❌' if limit.broken else '✅'} {growth_sentence(limit)}" for limit in model.growth]
    if said:
        yield [f"**{code(model.model)}**", "", *said, ""]
    for board in model.boards:
        lines = list(about(board))
        if lines:
            yield [f"**{code(model.model)} on {plain(board_name(board), 60)}**", "", *lines, ""]
