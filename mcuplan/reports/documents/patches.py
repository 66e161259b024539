"""Patch stages as ``mcuplan plan`` tells them: stages, the Pareto front, memory block by block, and advice.

Names and texts from the model are untrusted text.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcuplan.budget.stages import StageLimits
from mcuplan.findings.blocks import blocks
from mcuplan.findings.planned import block_peaks
from mcuplan.graph import Graph
from mcuplan.operators.geometry.eligibility import Direction
from mcuplan.operators.geometry.stages import halo, mapped
from mcuplan.text import counted

if TYPE_CHECKING:
    from pydantic import ConfigDict

    from mcuplan.patching.arena.search import FrontPoint, PatchPlan, StageChoice
    from mcuplan.patching.live.analysis import PatchAnalysis

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class StageShown:
    """A patch stage: operators ``[first, last)`` of the given model, as far as clean-up left them, run in pieces."""

    __pydantic_config__ = _CONFIG

    first: int
    last: int
    first_operator: str
    last_operator: str
    kind: str
    """`strips`: one after the other, each with operators of its own; `loop`: one loop runs them all; `headed loop`: all
    but the first; `cascade`: the same with the first layers several times a turn; `bordered loop`: a loop runs those
    inside the map; `patches`: a loop over patches in two dimensions; `channels`: one convolution in parts by output
    channels; `in place`: one 1x1 convolution, whole, by a kernel that lets its result lie over its source."""
    strips: int
    """Strips of rows, rows of patches, or parts by channels."""
    cuts: tuple[int, ...]
    """Rows of the result where strips begin, and its height last; a loop takes strips of `cuts[1]` rows. Of `channels`,
    the channels where parts begin."""
    columns: int | None
    """Columns of a patch; null for strips of whole rows."""
    halo_rows: int
    """Rows of the stage's input that two neighbouring strips both read."""
    halo_columns: int | None
    """The same for columns of patches; null for strips of whole rows."""
    streamed: bool
    """True: rows that the next strip needs again are kept; False: they are computed again."""
    padding: str
    """`pad`: rows and columns of padding are written out; `crop`: surplus rows are computed and cut off."""
    live_bytes: int
    """Bytes of the planned section in use while the stage runs, alignment left out."""
    growth_bytes: int
    """What the stage adds to the persistent section."""
    macs: int
    whole_macs: int
    """MACs of the same operators run whole."""


@dataclass(frozen=True, slots=True)
class PartsShown:
    """A convolution of the given model that was split by output channels before stages were sought. Since 1.3."""

    __pydantic_config__ = _CONFIG

    operator: int
    parts: int


@dataclass(frozen=True, slots=True)
class FrontShown:
    """A choice of stages that no other one found beats in both arena and time."""

    __pydantic_config__ = _CONFIG

    declare_bytes: int
    macs_factor: float
    instructions_factor: float | None
    """Null where the target has no cost data: then time is MACs. Since 1.2."""
    stages: tuple[StageShown, ...]


@dataclass(frozen=True, slots=True)
class ExtremeShown:
    """An end of the front: ``least time`` or ``least arena`` within the limits, with the command for it. Since 1.3."""

    __pydantic_config__ = _CONFIG

    name: str
    declare_bytes: int
    macs_factor: float
    instructions_factor: float | None
    """Null where the target has no cost data."""
    command: str


@dataclass(frozen=True, slots=True)
class BlockShown:
    """Operators ``[first, last]`` that a designer names as one: most live bytes at one of them, without and with."""

    __pydantic_config__ = _CONFIG

    kind: str
    first: int
    last: int
    before_bytes: int
    """Every operator run whole, every tensor with bytes of its own."""
    after_bytes: int
    patched: bool
    """Whether one of its operators runs in a stage."""


@dataclass(frozen=True, slots=True)
class StreamedStageShown:
    """A stage of the analysis: operators ``[first, last)``, its strips' heights and patches' widths."""

    __pydantic_config__ = _CONFIG

    first: int
    last: int
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    """Empty for strips of whole rows."""
    kept: tuple[int, ...]
    """Tensors of which rows are kept for the next strip."""


@dataclass(frozen=True, slots=True)
class LivePointShown:
    """A point of the analysis' Pareto front."""

    __pydantic_config__ = _CONFIG

    live_bytes: int
    macs_factor: float


@dataclass(frozen=True, slots=True)
class StreamedShown:
    """What patch stages would do if the input came row by row, as papers on them count: an analysis, no model.

    Bytes are those of activations that must be in memory; the network's input never is as a whole. TFLM needs it
    whole, so that no model is written from this.
    """

    __pydantic_config__ = _CONFIG

    before_bytes: int
    live_bytes: int
    macs_factor: float
    stages: tuple[StreamedStageShown, ...]
    front: tuple[LivePointShown, ...]
    blocks: tuple[BlockShown, ...]
    obstacle: str | None
    """What stands in the way of fewer bytes."""


@dataclass(frozen=True, slots=True)
class AdviceShown:
    """Why a stage computes so much again, and what a designer could change in the network."""

    __pydantic_config__ = _CONFIG

    first: int
    last: int
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatchShown:
    """All that is told of patch stages."""

    stages: tuple[StageShown, ...]
    parts: tuple[PartsShown, ...]
    front: tuple[FrontShown, ...]
    blocks: tuple[BlockShown, ...]
    tried: int
    least_declare_bytes: int | None


def manner(stage: StageShown) -> str:
    """Such as ``loop of 24 strips, rows kept``."""
    kept = "rows kept" if stage.streamed else "recomputed"
    if stage.columns is not None:
        return f"loop of {stage.cuts[1]}x{stage.columns} patches, recomputed"
    if stage.kind == "in place":
        return "kernel of wider windows, in place"
    if stage.kind == "channels":
        return f"{stage.strips} parts by output channels"
    if stage.kind == "strips":
        heights = [end - begin for begin, end in zip(stage.cuts, stage.cuts[1:], strict=False)]
        rows = counted(heights[0], "row") if len(set(heights[:-1])) <= 1 else "/".join(map(str, heights)) + " rows"
        return f"{stage.strips} strips of {rows}, {kept}"
    borders = {"bordered loop": ", borders apart", "headed loop": ", the first apart", "cascade": ", in two steps"}.get(
        stage.kind, ""
    )
    return f"loop of {stage.strips} strips, {kept}{borders}"


def stages_shown(patch: PatchPlan) -> tuple[StageShown, ...]:
    """The stages of a plan; operators are counted as in the given model."""
    return tuple(_stage(choice, patch.base, patch.origins) for choice in patch.stages)


def patch_shown(patch: PatchPlan) -> PatchShown:
    """The stages of a plan, its front and its blocks; operators are counted as in the given model."""
    numbers = patch.origins
    front = tuple(
        FrontShown(
            p.declare_bytes,
            round(p.macs_factor, 6),
            None if p.instructions_factor is None else round(p.instructions_factor, 6),
            tuple(_stage(c, patch.base, numbers) for c in p.stages),
        )
        for p in patch.front
    )
    parts = tuple(PartsShown(operator, count) for operator, count in patch.parts)
    peaks = tuple(
        BlockShown(b.kind, b.first, b.last, b.before_bytes, b.after_bytes, b.patched) for b in block_peaks(patch)
    )
    return PatchShown(stages_shown(patch), parts, front, peaks, patch.tried, patch.least_declare_bytes)


def extremes_shown(
    patch: PatchPlan, plain_bytes: int, command: Sequence[str], limits: StageLimits
) -> tuple[ExtremeShown, ...]:
    """The ends of a plan's front within ``limits``; ``command`` plans the same without stages: ``plain_bytes``."""
    least, fastest = patch.extremes

    def patched(within: StageLimits) -> list[str]:
        return [*command, "--patch", *shlex.split(" ".join(within.options()))]

    limits = replace(limits, least=True)
    if fastest.stages:
        factor = max(math.ceil(fastest.time_factor * 1000) / 1000, 1.0)
        quick = _extreme("least time", fastest, fastest.declare_bytes, patched(replace(limits, max_overhead=factor)))
    else:
        quick = _extreme("least time", fastest, min(fastest.declare_bytes, plain_bytes), command)
    return quick, _extreme("least arena", least, least.declare_bytes, patched(limits))


def _extreme(name: str, point: FrontPoint, declare_bytes: int, words: Sequence[str]) -> ExtremeShown:
    factor = point.instructions_factor
    shown = None if factor is None else round(factor, 6)
    return ExtremeShown(name, declare_bytes, round(point.macs_factor, 6), shown, shlex.join(words))


def _stage(choice: StageChoice, base: Graph, numbers: Sequence[int]) -> StageShown:
    form, stage = choice.form, mapped(base, choice.stage)
    operators = base.main.operators
    return StageShown(
        first=numbers[choice.first],
        last=numbers[choice.last - 1] + 1,
        first_operator=operators[choice.first].label,
        last_operator=operators[choice.last - 1].label,
        kind=form.kind.value,
        strips=form.strips,
        cuts=form.cuts,
        columns=form.columns or None,
        halo_rows=halo(stage),
        halo_columns=halo(stage, Direction.COLUMNS) if form.columns else None,
        streamed=form.stream,
        padding=form.padding,
        live_bytes=choice.live_bytes,
        growth_bytes=choice.growth_bytes,
        macs=choice.macs,
        whole_macs=choice.whole_macs,
    )


def streamed_shown(graph: Graph, analysis: PatchAnalysis) -> StreamedShown | None:
    """The analysis of an input whose rows are streamed; None where no plan keeps within the limits."""
    plan = analysis.plan
    if plan is None:
        return None
    kinds = {(block.first, block.last): block.kind for block in blocks(graph)}
    return StreamedShown(
        before_bytes=max(plan.before_bytes, default=0),
        live_bytes=plan.ram_bytes,
        macs_factor=round(plan.factor, 6),
        stages=tuple(StreamedStageShown(c.stage.first, c.stage.last, c.heights, c.widths, c.kept) for c in plan.stages),
        front=tuple(LivePointShown(p.ram_bytes, round(p.macs / max(analysis.macs, 1), 6)) for p in analysis.front),
        blocks=tuple(
            BlockShown(kinds[b.first, b.last], b.first, b.last, b.layer_bytes, b.patch_bytes, b.patched)
            for b in analysis.blocks
        ),
        obstacle=analysis.obstacle.sentence if analysis.obstacle else None,
    )
