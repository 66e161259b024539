"""Patch stages on a terminal: the stages, other choices of them, memory block by block, and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from rich.text import Text

from mcuplan.reports.documents.patches import (
    AdviceShown,
    BlockShown,
    ExtremeShown,
    FrontShown,
    StageShown,
    StreamedShown,
    manner,
)
from mcuplan.reports.documents.plan import PlanReport
from mcuplan.reports.terminal.glyphs import Glyphs
from mcuplan.reports.terminal.grid import Bars, Column, grid
from mcuplan.reports.terminal.lines import Lines
from mcuplan.text import counted

_MANY = 24
"""Blocks shown at most; of more, those that patch stages change come first."""

_POINTS = 12
"""Points of a Pareto front shown at most."""


def stage_lines(report: PlanReport, width: int) -> Iterator[Text]:
    """The stages, and how good they are among those that were searched."""
    columns = (
        Column("patch stage", least=16), Column("as", least=10), Column("halo", right=True, optional=True),
        Column("live bytes", right=True), Column("persistent", right=True), Column("MACs", right=True),
    )  # fmt: skip
    yield from grid(columns, [_stage_row(stage) for stage in report.stages], width)
    if report.parts:
        listed = ", ".join(f"{p.operator} ({p.parts} parts)" for p in report.parts)
        yield from Lines(width).wrapped(Text(f"split by output channels before: CONV_2D {listed}"), hang=2)
    told = f"{report.stages_tried:,} stages written and counted"
    if report.fits:
        told += ": the least time of those that fit"
    elif report.least_declare_bytes is None:
        told += "; the search ended before it had seen all"
    elif report.least_declare_bytes >= report.after.declare_bytes:
        told += ": no other combination in the space searched needs less"
    else:
        told += f": no combination in the space searched needs less than {report.least_declare_bytes:,} bytes of arena"
    yield from Lines(width).wrapped(Text(told), hang=2)


def _stage_row(stage: StageShown) -> tuple[str, ...]:
    overhead = stage.macs / max(stage.whole_macs, 1) - 1
    halo = counted(stage.halo_rows, "row") if stage.columns is None else f"{stage.halo_rows} x {stage.halo_columns}"
    return (
        _operators(stage),
        manner(stage),
        halo,
        f"{stage.live_bytes:,}",
        f"{stage.growth_bytes:+,}",
        f"{overhead:+.1%}",
    )


def _operators(stage: StageShown) -> str:
    if stage.last - stage.first == 1:
        return f"{stage.first} {stage.first_operator}"
    return f"{stage.first}-{stage.last - 1} {stage.first_operator}..."


def front_lines(front: Sequence[FrontShown], chosen_bytes: int, width: int) -> Iterator[Text]:
    """What other choices of stages take, from the least time to the least arena."""
    if len(front) < 2:
        return
    step = max(-(-(len(front) - 1) // (_POINTS - 1)), 1)
    shown = [*front[:-1:step], front[-1]]
    columns = (
        Column("other choices of stages", least=20), Column("arena to declare", right=True),
        Column("instructions", right=True), Column("MACs", right=True), Column(""),
    )  # fmt: skip
    rows = []
    for point in shown:
        stages = ", ".join(f"{s.first}-{s.last - 1}" if s.last - s.first > 1 else f"{s.first}" for s in point.stages)
        mark = "this plan" if point.declare_bytes == chosen_bytes else ""
        rows.append((f"operators {stages}" if stages else "none", f"{point.declare_bytes:,}",
                     "not known" if point.instructions_factor is None else f"{point.instructions_factor - 1:+.1%}",
                     f"{point.macs_factor - 1:+.1%}", mark))  # fmt: skip
    yield Text()
    yield from grid(columns, rows, width)


def extreme_lines(extremes: Sequence[ExtremeShown], width: int) -> Iterator[Text]:
    """The ends of the front, with the command for each."""
    for end in extremes:
        factor, of = (end.instructions_factor, "instructions") if end.instructions_factor else (end.macs_factor, "MACs")
        told = f"{end.name}: {end.declare_bytes:,} bytes at {factor - 1:+.1%} {of}: {end.command}"
        yield from Lines(width).wrapped(Text(told), hang=2)


def block_lines(found: Sequence[BlockShown], width: int, glyphs: Glyphs, title: str = "block") -> Iterator[Text]:
    """Live bytes of each block, without patch stages (light) and with them (dark)."""
    shown = found if len(found) <= _MANY else [b for b in found if b.patched or b.before_bytes != b.after_bytes][:_MANY]
    if not shown:
        return
    columns = (
        Column(title, least=12), Column("operators", optional=True), Column("live before", right=True),
        Column("after", right=True),
    )  # fmt: skip
    rows = [
        (
            block.kind,
            f"{block.first}-{block.last}" if block.last > block.first else f"{block.first}",
            f"{block.before_bytes:,}",
            f"{block.after_bytes:,}",
        )
        for block in shown
    ]
    most = max(max(block.before_bytes, block.after_bytes) for block in shown)
    yield Text()
    yield from grid(columns, rows, width, Bars([partial(_before_and_after, block, most, glyphs) for block in shown]))
    if len(shown) < len(found):
        yield Text(f"{len(found) - len(shown)} more blocks, not changed by the stages")


def _before_and_after(block: BlockShown, most: int, glyphs: Glyphs, room: int) -> Text:
    before, after = (round(figure / max(most, 1) * room) for figure in (block.before_bytes, block.after_bytes))
    return Text(glyphs.full * after + glyphs.empty * max(before - after, 0))


def advice_lines(advice: Sequence[AdviceShown], width: int) -> Iterator[Text]:
    """What a designer could change in the network."""
    for stage in advice:
        yield Text()
        told = f"operators {stage.first} to {stage.last - 1}: what a designer could change (accuracy needs training)"
        yield from Lines(width).wrapped(Text(told), hang=2)
        for sentence in stage.sentences:
            yield from Lines(width).wrapped(Text(f"  {sentence}"), hang=4)


def streamed_lines(found: StreamedShown, width: int, glyphs: Glyphs) -> Iterator[Text]:
    """The analysis of an input whose rows come one after the other."""
    lines = Lines(width)
    yield Text()
    told = (
        "analysis, input rows streamed: as papers count. It is of activations alone; --rows writes a model that does so"
    )
    yield from lines.wrapped(Text(told), hang=2)
    saved = f"live activations {found.before_bytes:,} -> {found.live_bytes:,} bytes at {found.macs_factor:g}x the MACs"
    yield from lines.wrapped(Text(f"  {saved}"), hang=2)
    for stage in found.stages:
        pieces = f"{counted(len(stage.heights), 'strip')} of {counted(stage.heights[0], 'row')}"
        if stage.widths:
            pieces = f"{len(stage.heights)} x {len(stage.widths)} patches of {stage.heights[0]} x {stage.widths[0]}"
        kept = f"rows of {counted(len(stage.kept), 'tensor')} kept" if stage.kept else "halos computed again"
        told = f"  operators {stage.first} to {stage.last - 1} in {pieces}, {kept}"
        yield from lines.wrapped(Text(told), hang=4)
    if found.obstacle is not None:
        yield from lines.wrapped(Text(f"  {found.obstacle}"), hang=4)
    points = found.front[:: max(-(-len(found.front) // _POINTS), 1)]
    told = ", ".join(f"{point.live_bytes:,} at {point.macs_factor:g}x" for point in points)
    yield from lines.wrapped(Text(f"  Pareto front: {told}"), hang=4)
    yield from block_lines(found.blocks, width, glyphs, "block, input streamed")
