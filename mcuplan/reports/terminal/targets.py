"""The targets as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from mcuplan.reports.documents.report import Report, Result
from mcuplan.reports.terminal.grid import Column, grid
from mcuplan.tflm import Target


def target_table(targets: Sequence[Target], width: int) -> Iterator[Text]:
    """A line a target: its name, its TFLM's upstream date, the arenas measured on it, who ships it."""
    columns = (
        Column("target"),
        Column("upstream of"),
        Column("arenas measured", right=True),
        Column("what it is", least=12, optional=True),
    )
    rows = [
        (str(target), target.tflm.upstream, f"{target.records}" if target.records else "by rule", target.tflm.title)
        for target in targets
    ]
    yield from grid(columns, rows, width)


def verdict_table(report: Report, width: int) -> Iterator[Text]:
    """A line a model and target: the verdict, the arena, RAM and flash, and the first reason against it."""
    columns = (
        Column("model", least=12),
        Column("target"),
        Column("verdict"),
        Column("arena", right=True),
        Column("RAM", right=True),
        Column("flash", right=True),
        Column("why not", least=12, optional=True),
    )
    yield from grid(columns, [_verdict(result) for result in report.results], width)


def _verdict(result: Result) -> tuple[str, ...]:
    reasons = [refusal.reason for refusal in result.refusals] + [v.message for v in result.violations]
    why = result.error or next(iter(reasons), "")
    if result.arena is None or result.ram is None or result.flash is None:
        return result.model, result.target or "-", result.verdict, "-", "-", "-", why
    bound = "" if result.arena.exact else "<="
    return (
        result.model, result.target or "-", result.verdict, f"{bound}{result.arena.declare_bytes:,}",
        f"{result.ram.total_bytes:,}", f"{result.flash.total_bytes:,}", why,
    )  # fmt: skip
