"""A difference as one HTML file: totals, attributions, the two arenas side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcuplan.budget.analysis import Analysis
from mcuplan.findings.diff.boards import BoardChange
from mcuplan.findings.diff.changes import OperatorChange, QuantizationChange
from mcuplan.findings.diff.difference import Change, Diff
from mcuplan.reports.changes import LABELS as LABELS_OF_FIGURES
from mcuplan.reports.changes import against, before_after, board_name, growth, verdicts
from mcuplan.reports.html.arena_map import ArenaMap, arena_map, scale_top
from mcuplan.reports.html.render import render
from mcuplan.reports.terminal.diff import LABELS, bound_note, growth_sentence, plan_notes, signed
from mcuplan.version import __version__

_PARTS, _LISTED = 40, 300


@dataclass(frozen=True, slots=True)
class PartLine:
    """One attribution."""

    what: str
    name: str
    old: str
    new: str
    change: str


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """One resource and its attributions."""

    label: str
    old: str
    new: str
    change: str
    parts: tuple[PartLine, ...]


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One figure on one board; the verdict stands at its first."""

    board: str
    verdict: str
    label: str
    amounts: str
    change: str
    limit: str


@dataclass(frozen=True, slots=True)
class GrowthLine:
    """One limit on growth."""

    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ListLine:
    """One operator or tensor that changed."""

    kind: str
    where: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class DiffPage:
    """The whole page."""

    version: str
    old: str
    new: str
    target: str
    growth: tuple[GrowthLine, ...]
    changes: tuple[ChangeTable, ...]
    boards: tuple[BoardLine, ...]
    maps: tuple[ArenaMap, ...]
    operators: tuple[ListLine, ...]
    operators_total: int
    quantization: tuple[ListLine, ...]
    quantization_total: int


def render_diff(found: Diff, old: Analysis, new: Analysis) -> str:
    """The difference as one HTML document."""
    top = scale_top((old.arena, new.arena), None)
    return render("diff.html", page=DiffPage(
        version=__version__,
        old=found.old.model,
        new=found.new.model,
        target="; ".join((f"{found.target}{bound_note(found)}", *plan_notes(found))),
        growth=tuple(GrowthLine("fail" if g.broken else "pass", growth_sentence(g)) for g in found.growth),
        changes=tuple(map(_table, found.changes)),
        boards=tuple(line for board in found.boards for line in _board(board)),
        maps=(arena_map(old.graph, old.arena, "Old", None, top), arena_map(new.graph, new.arena, "New", None, top)),
        operators=tuple(_line(c.kind, c) for c in found.operators[:_LISTED]),
        operators_total=len(found.operators),
        quantization=tuple(_line(c.role, c) for c in found.quantization[:_LISTED]),
        quantization_total=len(found.quantization),
    ))  # fmt: skip


def _board(board: BoardChange) -> Iterator[BoardLine]:
    for figure in board.figures:
        first = figure is board.figures[0]
        yield BoardLine(
            board_name(board), verdicts(board) if first else "", LABELS_OF_FIGURES[figure.resource],
            before_after(figure, "→"), growth(figure), against(figure),
        )  # fmt: skip


def _line(kind: str, change: OperatorChange | QuantizationChange) -> ListLine:
    where = f"{change.place} {change.operator_name}"
    return ListLine(kind, where, change.name, change.detail)


def _table(change: Change) -> ChangeTable:
    parts = [PartLine(p.what, p.name, f"{p.old:,}", f"{p.new:,}", signed(p.change)) for p in change.parts[:_PARTS]]
    rest = change.parts[_PARTS:]
    if rest:
        old, new = sum(p.old for p in rest), sum(p.new for p in rest)
        parts.append(PartLine(f"{len(rest)} smaller changes", "", f"{old:,}", f"{new:,}", signed(new - old)))
    return ChangeTable(
        LABELS[change.resource], f"{change.old:,}", f"{change.new:,}", signed(change.change), tuple(parts)
    )
