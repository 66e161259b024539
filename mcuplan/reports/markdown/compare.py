"""Models against boards as one Markdown table, a row a board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcuplan.reports.markdown.markup import code, plain
from mcuplan.text import kibibytes, show_share

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.reports.documents.report import Report, Result


def compare_markdown(report: Report, boards: Sequence[Board]) -> str:
    """GitHub-flavoured Markdown: each board's price and memory, and in a cell a model the verdict and the fullest of
    its limits."""
    models = list(dict.fromkeys(result.model for result in report.results))
    cells = {(result.model, result.board): _cell(result) for result in report.results}
    by_id = {board.id: board for board in boards}
    heads = ["Board", "Price", "RAM", "Flash", *(code(model) for model in models)]
    lines = [_row(heads), _row([":--", "--:", "--:", "--:", *[":--"] * len(models)])]
    for board in dict.fromkeys(result.board for result in report.results if result.board is not None):
        its = by_id[board]
        price = f"{its.price.amount:.2f} {its.price.currency}" if its.price else "–"
        own = [plain(its.name, 60), price, kibibytes(its.arena_ram_bytes), kibibytes(its.flash_bytes)]
        lines.append(_row([*own, *(cells.get((model, board), "–") for model in models)]))
    unread = [f"- {code(r.model)}: {plain(r.error)}" for r in report.results if r.board is None and r.error is not None]
    return "\n".join([*lines, *([""] if unread else []), *unread]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(result: Result) -> str:
    mark = {"pass": "✅", "fail": "❌"}.get(result.verdict, f"❌ {result.verdict}")
    if result.verdict in ("error", "unsupported"):
        return mark
    fullest = max(result.limits.rules, key=lambda rule: rule.figure / max(rule.limit, 1), default=None)
    names = {"ram": "RAM", "arena": "arena", "flash": "flash", "macs": "MACs"}
    said = "" if fullest is None else f" {names[fullest.resource]} {show_share(fullest.figure / max(fullest.limit, 1))}"
    return mark + said
