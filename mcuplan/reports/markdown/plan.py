"""A plan in Markdown: what it saves and what it costs, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Iterator

from mcuplan.findings.planned import bounded_note
from mcuplan.reports.documents.patches import manner
from mcuplan.reports.documents.performance import show_quantity
from mcuplan.reports.documents.plan import PlanReport
from mcuplan.reports.markdown.markup import code, plain
from mcuplan.text import counted

_STAGES = 40


def plan_markdown(report: PlanReport) -> str:
    """GitHub-flavoured Markdown: before and after, each step's gain, the stages, and the ends of the front."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: PlanReport) -> Iterator[str]:
    mark = "" if report.fits is None else "✅ " if report.fits else "❌ "
    yield f"### {mark}mcuplan: a plan for {code(report.model)}"
    yield ""
    for refusal in report.refusals:
        yield f"- ❌ TFLM refuses the model: {plain(refusal.reason)}"
    if report.short_of is not None:
        yield f"- ❌ does not fit: takes {plain(report.short_of)}"
    if report.refusals or report.short_of is not None:
        yield ""
    yield f"| {plain(report.target, 100)} | Before | After | Change |"
    yield "|:--|--:|--:|--:|"
    for label, before, after in _amounts(report):
        yield _row(label, f"{before:,}", f"{after:,}", f"**{after - before:+,}**" if after != before else "0")
    yield from _costs(report)
    yield ""
    for step in report.steps:
        if step.gain_bytes > 0:
            yield f"- {plain(step.name)}: {step.gain_bytes:,} bytes less ({plain(step.detail)})"
    for stage in report.stages[:_STAGES]:
        yield f"- operators {stage.first} to {stage.last - 1} as a {manner(stage)}"
    if len(report.stages) > _STAGES:
        yield f"- and {counted(len(report.stages) - _STAGES, 'more stage')}"
    for end in report.extremes:
        yield f"- {end.name}: {end.declare_bytes:,} bytes of arena: {code(end.command, 1000)}"
    if note := bounded_note(report.instructions_bounded, report.instructions_after or 0):
        yield f"- {note}"
    if report.times is not None:
        error = "" if report.times.error_percent is None else f", up to {report.times.error_percent:.0f}% off"
        yield f"- time on {plain(report.times.board)} is estimated{error}"


def _amounts(report: PlanReport) -> Iterator[tuple[str, int, int]]:
    before, after = report.before, report.after
    yield "arena to declare", before.declare_bytes, after.declare_bytes
    yield "arena used", before.used_bytes, after.used_bytes
    yield "planned section", before.nonpersistent_bytes, after.nonpersistent_bytes
    yield "persistent section", before.persistent_bytes, after.persistent_bytes
    yield "flash: model", report.flash_before.model_bytes, report.flash_after.model_bytes
    yield "flash: TFLM's code", report.flash_before.runtime_bytes, report.flash_after.runtime_bytes


def _costs(report: PlanReport) -> Iterator[str]:
    """Instructions, time and MACs, where they are known."""
    factor = report.instructions_factor
    if report.instructions_before is not None and report.instructions_after is not None and factor is not None:
        before, after = report.instructions_before, report.instructions_after
        yield _row("instructions", f"{before:,}", f"{after:,}", f"{factor - 1:+.1%}")
    else:
        yield _row("instructions", "not known", "not known", "")
    yield _row("multiply-accumulates", "", "", f"{report.macs_factor - 1:+.1%}")
    if report.times is not None:
        times = report.times
        shown = (show_quantity(us, "us") for us in (times.before_us, times.after_us))
        yield _row(f"time on {plain(times.board, 60)}", *shown, f"{times.after_us / times.before_us - 1:+.1%}")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
