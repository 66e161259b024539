"""An index page over several reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcuplan.reports.documents.report import Report
from mcuplan.reports.html.cards import Card, card
from mcuplan.reports.html.render import render
from mcuplan.text import counted, show_bytes
from mcuplan.version import __version__


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One report: where it is, the model, its figures, a card for each board."""

    file: str
    model: str
    facts: str
    cards: tuple[Card, ...]


def render_index(reports: Mapping[str, Report]) -> str:
    """The page that leads to ``reports``, which are by file name."""
    rows = tuple(_row(file, report) for file, report in reports.items())
    boards = tuple(c.title for c in rows[0].cards) if rows else ()
    return render("index.html", rows=rows, boards=boards, version=__version__)


def _row(file: str, report: Report) -> IndexRow:
    first = report.results[0]
    facts = ""
    if first.facts is not None and first.flash is not None and first.arena is not None:
        operators = counted(first.facts.operators, "operator")
        facts = f"{operators}, {first.facts.activations}, {show_bytes(first.flash.model_bytes)}"
    name = first.model + (", with patch stages" if file.endswith("-patched.html") else "")
    return IndexRow(file, name, facts, tuple(map(card, report.results)))
