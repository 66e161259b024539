"""What a model costs as given, planned and with patch stages: arena, instructions, MACs and time, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.findings.planned import bounded_note
from mcuplan.findings.variants import Variant, variants
from mcuplan.reports.documents.performance import show_quantity
from mcuplan.reports.html.subject import Subject

if TYPE_CHECKING:
    from mcuplan.estimates.latency import Latency


@dataclass(frozen=True, slots=True)
class CostLine:
    """One form of the model; text, empty where nothing is known."""

    name: str
    arena: str
    instructions: str
    macs: str
    time: str


@dataclass(frozen=True, slots=True)
class CostTable:
    """All forms, and what is to be said of instructions and time that are estimates or not known."""

    lines: tuple[CostLine, ...]
    note: str


def cost_table(subject: Subject) -> CostTable | None:
    """The table of a model; None where nothing was found that needs less arena."""
    found = variants(subject.study, subject.board)
    if not found:
        return None
    given = found[0]
    lines = tuple(
        CostLine(
            "as given" if each is given else each.name,
            f"{each.declare_bytes:,}",
            _with_factor(each.instructions, given.instructions),
            _with_factor(each.macs, given.macs),
            show_time(each.latency),
        )
        for each in found
    )
    return CostTable(lines, " ".join(_notes(subject, found)))


def show_time(latency: Latency | None) -> str:
    """``about 69.2 ms``, a range named as one, or nothing; forms side by side differ by less than what each is off.

    Examples
    --------
    >>> show_time(None)
    ''
    """
    if latency is None:
        return ""
    if latency.total_us is not None:
        return f"about {show_quantity(latency.total_us, 'us')}"
    if latency.range_us is not None:
        low, high = (show_quantity(us, "us", 5) for us in latency.range_us)
        return f"range {low} to {high}"
    return ""


def _with_factor(amount: float | None, given: float | None) -> str:
    if amount is None:
        return "not known"
    factor = f" (x{amount / given:.3f})" if given and amount != given else ""
    return f"{amount:,.0f}{factor}"


def _notes(subject: Subject, found: Sequence[Variant]) -> list[str]:
    analysis, first = subject.study.analysis, found[0]
    assert analysis is not None
    notes = []
    if first.instructions is None:
        notes.append(f"There are no cost data for {analysis.target}: instructions are not known.")
    if note := bounded_note(first.bounded, first.instructions or 0):
        notes.append(f"{note[0].upper()}{note[1:]}.")
    if first.latency is not None and (first.latency.total_us is not None or first.latency.range_us is not None):
        name = subject.board.name if subject.board is not None else ""
        notes.append(f"One inference on {name}: {first.latency.basis.error}.")
    return notes
