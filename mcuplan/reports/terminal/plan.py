"""``mcuplan plan`` on a terminal: each step's gain, what bounds the rest, and a map of the arena."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_letters

from rich.text import Text

from mcuplan.findings.costs import describe, tensor_name
from mcuplan.findings.planned import bounded_note
from mcuplan.graph import Graph
from mcuplan.reports.documents.plan import PlanReport, TimesShown
from mcuplan.reports.terminal.check import FAIL, PASS, refused_lines
from mcuplan.reports.terminal.glyphs import Glyphs
from mcuplan.reports.terminal.grid import Column, grid
from mcuplan.reports.terminal.lines import PATH, Lines
from mcuplan.reports.terminal.patches import (
    advice_lines,
    block_lines,
    extreme_lines,
    front_lines,
    stage_lines,
    streamed_lines,
)
from mcuplan.text import show_share
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer

_ROWS = 16
_NAMED = 8


def plan_lines(
    report: PlanReport, graph: Graph, arena: ArenaPrediction, width: int, glyphs: Glyphs, show_map: bool
) -> Iterator[Text]:
    """The plan of one model."""
    lines = Lines(width)
    yield lines.title(report.model)
    yield from lines.wrapped(Text(f"  {report.target}"), hang=2)
    if len(report.targets) > 1:
        yield Text("  safe on all of")
        for each in report.targets:
            bytes_ = f"{each.before_bytes:,} -> {each.after_bytes:,} bytes"
            yield from lines.wrapped(Text(f"{each.target}: arena to declare {bytes_}"), indent=4, hang=2)
    for note in report.notes:
        yield from lines.wrapped(Text(f"  {note}"), hang=2)
    yield from refused_lines(report.refusals, lines)
    yield Text()
    yield from _steps(report, width)
    yield Text()
    yield from lines.wrapped(_bound(report), hang=2)
    yield from lines.wrapped(_verdict(report), hang=2)
    if note := bounded_note(report.instructions_bounded, report.instructions_after or 0):
        yield from lines.wrapped(Text(note), hang=2)
    if report.times is not None:
        yield from lines.wrapped(_times(report.times), hang=2)
    if report.rows is not None:
        yield from lines.wrapped(Text(report.rows.told), hang=2)
    for saving in report.savings:
        yield from lines.wrapped(Text(f"file: {saving.saved_bytes:,} bytes less, {saving.name}"), hang=2)
    if report.output is not None:
        yield from lines.wrapped(Text(f"written: {report.output}, {report.output_bytes:,} bytes"), hang=2, word=PATH)
    yield from _patches(report, width, glyphs)
    if show_map:
        yield Text()
        yield from arena_map(graph, arena, width)


def _patches(report: PlanReport, width: int, glyphs: Glyphs) -> Iterator[Text]:
    if report.stages:
        placed = report.after.declare_bytes
        yield Text()
        yield from stage_lines(report, width)
        yield from front_lines(report.front, placed, width)
        yield from extreme_lines(report.extremes, width)
        yield from block_lines(report.blocks, width, glyphs)
    yield from advice_lines(report.advice, width)
    if report.input_rows_streamed is not None:
        yield from streamed_lines(report.input_rows_streamed, width, glyphs)


def _steps(report: PlanReport, width: int) -> Iterator[Text]:
    columns = (
        Column("step", least=10), Column("arena to declare", right=True), Column("saves", right=True),
        Column("what", least=16, most=200),
    )  # fmt: skip
    rows = [("given model", f"{report.before.declare_bytes:,}", "", "the file's order, TFLM's own plan")]
    for step in report.steps:
        rows.append((step.name, f"{step.after_bytes:,}", f"{step.gain_bytes:,}" if step.gain_bytes else "-",
                     step.detail))  # fmt: skip
    before, after = report.before, report.after
    share = show_share(report.gain_bytes / max(before.declare_bytes, 1))
    rows.append(("planned model", f"{after.declare_bytes:,}", f"{report.gain_bytes:,}", f"{share} less"))
    yield from grid(columns, rows, width)
    yield Text()
    sections = [
        (name, f"{b:,}", f"{a:,}", f"{a - b:+,}" if a != b else "")
        for name, b, a in (
            ("planned section", before.nonpersistent_bytes, after.nonpersistent_bytes),
            ("persistent section", before.persistent_bytes, after.persistent_bytes),
            ("used after Invoke", before.used_bytes, after.used_bytes),
            ("to declare", before.declare_bytes, after.declare_bytes),
            ("flash: model", report.flash_before.model_bytes, report.flash_after.model_bytes),
            ("flash: TFLM's code", report.flash_before.runtime_bytes, report.flash_after.runtime_bytes),
        )
    ]
    heads = (
        Column("bytes", least=12),
        Column("before", right=True),
        Column("after", right=True),
        Column("", right=True),
    )
    yield from grid(heads, sections, width)


def _bound(report: PlanReport) -> Text:
    bound = f"lower bound of the planned section: {report.lower_bound_bytes:,} bytes"
    gap = report.after.nonpersistent_bytes - report.lower_bound_bytes
    if gap <= 0:
        return Text(f"{bound}, met")
    state = "proven optimal for this order and these aliases" if report.optimal else "not proven optimal"
    return Text(f"{bound}, {gap:,} below the plan ({state}: {report.proof})")


def _verdict(report: PlanReport) -> Text:
    if report.fits is not None:
        told = f"fits: {report.fit_bytes:,} bytes of RAM are left for the arena beside interpreter, stack and the like"
        if report.short_of is not None:
            told = f"does not fit: takes {report.short_of}"
        return Text(told, style=PASS if report.fits else FAIL)
    if report.gain_bytes <= 0:
        return Text("nothing to gain: the model is left as it is")
    return Text(f"saves {report.gain_bytes:,} bytes of arena at {_price(report)}")


def _times(times: TimesShown) -> Text:
    error = "" if times.error_percent is None else f", up to {times.error_percent:.0f}% off"
    before, after = (f"{us / 1e3:,.3g} ms" for us in (times.before_us, times.after_us))
    return Text(f"one inference on {times.board}: {before} -> {after} (estimated{error})")


def _price(report: PlanReport) -> str:
    """What the plan costs: instructions where the target has cost data, and multiply-accumulates."""
    macs = f"{report.macs_factor:.4g}x the multiply-accumulates"
    if report.instructions_factor is None:
        return f"{macs} (no cost data for {report.target}: its instructions are not known)"
    return f"{report.instructions_factor:.3g}x the instructions ({macs})"


def arena_map(graph: Graph, arena: ArenaPrediction, width: int) -> Iterator[Text]:
    """Address against time: each cell shows the buffer that holds the address at that step.

    Addresses rise upwards; the largest buffers have letters, smaller ones a dot, bytes that two buffers share a
    ``+``.
    """
    height = arena.nonpersistent_bytes
    if not height:
        return
    named = sorted(arena.plan, key=lambda b: (-b.size, b.first))[: len(ascii_letters)]
    letter = {id(b): mark for b, mark in zip(named, ascii_letters, strict=False)}
    first = min(b.first for b in arena.plan)
    steps = arena.steps - first + 1
    label = len(f"{height:,}") + 1
    room = max(min(width - label - 2, steps * 2), 8)
    rows = min(_ROWS, max(height // 16, 1))
    yield Text("the planned section: address (bytes) against step", style="bold")
    for row in reversed(range(rows)):
        address = (2 * row + 1) * height // (2 * rows)
        cells = "".join(_cell(arena.plan, letter, address, first + column * steps // room) for column in range(room))
        yield Text(f"{(row + 1) * height // rows:>{label},} |{cells}")
    yield Text(f"{'step':>{label}} {first}{arena.steps!s:>{room - len(str(first)) + 1}}")
    for b in named[:_NAMED]:
        yield from Lines(width).wrapped(
            Text(f"{letter[id(b)]}  {b.size:,} bytes at {b.offset:,}: {describe(graph, b)} {tensor_name(graph, b)}"),
            hang=3,
        )


def _cell(plan: Sequence[PlannedBuffer], letter: dict[int, str], address: int, step: int) -> str:
    here = [b for b in plan if b.first <= step <= b.last and b.offset <= address < b.end]
    if not here:
        return " "
    return "+" if len(here) > 1 else letter.get(id(here[0]), ".")
