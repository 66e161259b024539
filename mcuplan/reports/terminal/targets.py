"""The targets as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from mcuplan.detect import Detection
from mcuplan.reports.documents.report import Report, Result
from mcuplan.reports.terminal.grid import Column, grid
from mcuplan.reports.terminal.lines import Lines
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


def detection_lines(found: Detection, width: int) -> Iterator[Text]:
    """The targets that a project's files tell, or what they tell of one, and each piece of evidence."""
    lines = Lines(width)
    targets = [str(target) for target in found.targets()]
    if len(targets) > 1 or len(found.versions) > 1:
        yield from lines.wrapped(Text("files of equal weight disagree: each is shown, none is chosen", "bold"))
    for target in targets:
        yield Text(target, "bold")
    if not targets:
        parts = (("TFLM", found.versions), ("kernels", found.libraries), ("core", found.cores))
        for what, told in parts:
            yield from lines.wrapped(Text(f"{what}: {' or '.join(told) or 'not told'}"), hang=2)
    yield Text()
    columns = (Column("file", least=16), Column("says", least=24), Column("sure"))
    yield from grid(columns, [(e.path, e.says, e.sure.name.lower()) for e in found.evidence], width)
