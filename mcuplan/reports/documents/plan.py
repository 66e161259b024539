"""The document of ``mcuplan plan``: what a plan does and what each step gains. Sizes are bytes.

Like the report it is made of plain frozen dataclasses with stable keys; names from the model are untrusted text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcuplan.budget.stages import StageLimits
from mcuplan.findings.peak import live_steps, lower_bound
from mcuplan.findings.planned import flash_bytes, instructions_of_both, macs_factor
from mcuplan.findings.tool import Tool
from mcuplan.graph import Graph
from mcuplan.reports.documents.build import refusal_shown
from mcuplan.reports.documents.patches import (
    AdviceShown,
    BlockShown,
    ExtremeShown,
    FrontShown,
    PartsShown,
    StageShown,
    StreamedShown,
    extremes_shown,
    patch_shown,
)
from mcuplan.reports.documents.report import Arena, Refusal
from mcuplan.reports.documents.rows import RowsShown
from mcuplan.tflm import Target
from mcuplan.tflm.aliasing import kernel_rules
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.results import Refusal as TflmRefusal
from mcuplan.version import __version__

if TYPE_CHECKING:
    from pydantic import ConfigDict

    from mcuplan.boards import Board
    from mcuplan.estimates.latency import Latency
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.planning.plan import Plan

PLAN_SCHEMA_VERSION = "1.3"
_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class StepGain:
    """One step of the plan, with the arena to declare before and after it."""

    __pydantic_config__ = _CONFIG

    name: str
    detail: str
    before_bytes: int
    after_bytes: int
    gain_bytes: int


@dataclass(frozen=True, slots=True)
class TargetShown:
    """One of the targets that a plan is for, with the arena to declare on it. Since 1.2."""

    __pydantic_config__ = _CONFIG

    target: str
    before_bytes: int
    after_bytes: int


@dataclass(frozen=True, slots=True)
class AliasShown:
    """Two tensors that share bytes: ``tensor`` lies at byte ``at`` of ``of``."""

    __pydantic_config__ = _CONFIG

    subgraph: int
    operator: int
    tensor: int
    tensor_name: str
    of: int
    of_name: str
    at: int
    relation: str
    """`share`: both hold the same values there; `overwrite`: an output takes the place of an input that dies."""
    reason: str


@dataclass(frozen=True, slots=True)
class PlanShown:
    """The plan itself: order of operators, offsets of tensors (-1: none), aliases."""

    __pydantic_config__ = _CONFIG

    order: tuple[int, ...]
    offsets: tuple[int, ...]
    aliases: tuple[AliasShown, ...]


@dataclass(frozen=True, slots=True)
class FlashShown:
    """Flash of a model: its file and TFLM's code for its operators."""

    __pydantic_config__ = _CONFIG

    model_bytes: int
    runtime_bytes: int


@dataclass(frozen=True, slots=True)
class SavingShown:
    """Bytes of the file that one lossless step of --strip or --int8-io saved."""

    __pydantic_config__ = _CONFIG

    name: str
    saved_bytes: int


@dataclass(frozen=True, slots=True)
class TimesShown:
    """Estimated time of one inference before and after, on the first board that was measured. Since 1.3."""

    __pydantic_config__ = _CONFIG

    board: str
    before_us: float
    after_us: float
    error_percent: float | None
    """The largest error on a measured network, in the fit or left out of it."""
    source: str


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What ``mcuplan plan --format json`` writes."""

    __pydantic_config__ = _CONFIG

    tool: Tool
    model: str
    target: str
    tflm_version: str
    before: Arena
    after: Arena
    gain_bytes: int
    lower_bound_bytes: int
    """No offsets get the non-persistent section below this, in the plan's order and with its aliases."""
    optimal: bool
    proof: str
    macs_factor: float
    """Multiply-accumulates of the planned model over those of the given one."""
    instructions_before: int | None
    """Instructions of one Invoke of the given model, as the target's kernels and the interpreter take them, by a cost
    model fitted to measurements; null where the target has no cost data. Since 1.2."""
    instructions_after: int | None
    """The same of the planned model. Since 1.2."""
    instructions_factor: float | None
    """Instructions of the planned model over those of the given one. Since 1.2."""
    steps: tuple[StepGain, ...]
    plan: PlanShown
    flash_before: FlashShown
    flash_after: FlashShown
    """Before --strip and --int8-io, whose savings are listed apart."""
    stages: tuple[StageShown, ...] = ()
    """Patch stages, in the order in which they run."""
    parts: tuple[PartsShown, ...] = ()
    """Convolutions split by output channels before stages were sought: then stages may hold their parts. Since 1.3."""
    front: tuple[FrontShown, ...] = ()
    """Patch plans found, from the least time to the least arena."""
    blocks: tuple[BlockShown, ...] = ()
    """Live bytes block by block, without and with patch stages."""
    stages_tried: int = 0
    """Stages that were written and counted."""
    least_declare_bytes: int | None = None
    """No combination of stages in the space searched needs less arena; null where the search ended before it knew."""
    no_stages: str | None = None
    """Why stages were looked for in vain; null where there are some, or none were looked for."""
    advice: tuple[AdviceShown, ...] = ()
    """With --advice: why stages compute rows again, and what a designer could change."""
    input_rows_streamed: StreamedShown | None = None
    """With --input-rows-streamed: an analysis of stages that never have the input whole in memory."""
    savings: tuple[SavingShown, ...] = ()
    """Bytes of flash saved by --int8-io and --strip, step by step."""
    fit_bytes: int | None = None
    """The arena that there is room for beside the interpreter, the stack and the like; null without --fit."""
    fits: bool | None = None
    """Whether RAM, counted as `mcuplan check` does, and on a board flash suffice; null without --fit."""
    short_of: str | None = None
    """With --fit: what the planned model takes more of than there is."""
    output: str | None = None
    """The file written, null where none was."""
    output_bytes: int | None = None
    targets: tuple[TargetShown, ...] = ()
    """What the plan is for, safe on each; `before` and `after` are of the one that needs most. Since 1.2."""
    refusals: tuple[Refusal, ...] = ()
    """Why TFLM refuses the model, which was planned all the same. Since 1.2."""
    notes: tuple[str, ...] = ()
    """What the plan stands on that was read in the kernels' source and never run, a sentence each. Since 1.2."""
    rows_buffer_bytes: int = 0
    """With --rows: what the source of the input's rows may have to hold, beside `after.declare_bytes` and not in it.
    Since 1.3."""
    rows: RowsShown | None = None
    """With --rows: the input that comes row by row. Since 1.3."""
    extremes: tuple[ExtremeShown, ...] = ()
    """With patch stages: the plans with the least time and the least arena within the limits. Since 1.3."""
    instructions_bounded: int = 0
    """Of `instructions_after`, those that are a bound from above: their operators have no cost model. Since 1.3."""
    times: TimesShown | None = None
    """Null where no board was named whose time is known. Since 1.3."""
    schema_version: str = PLAN_SCHEMA_VERSION


def arena_shown(graph: Graph, arena: ArenaPrediction) -> Arena:
    """The arena as reports show it."""
    return Arena(
        arena.declare_bytes, arena.used_bytes, arena.nonpersistent_bytes, arena.persistent_bytes, arena.exact,
        arena.bounded_bytes, lower_bound(live_steps(graph, arena)),
    )  # fmt: skip


def plan_report(
    model: str,
    original: Graph,
    plan: Plan,
    patch: PatchPlan | None = None,
    *,
    fit_bytes: int | None = None,
    short: str | None = None,
    output: str | None = None,
    output_bytes: int | None = None,
    savings: tuple[SavingShown, ...] = (),
    advice: tuple[AdviceShown, ...] = (),
    streamed: StreamedShown | None = None,
    no_stages: str | None = None,
    refusals: Sequence[TflmRefusal] = (),
    arenas: Sequence[tuple[ArenaPrediction, ArenaPrediction]] = (),
    rows: RowsShown | None = None,
    times: tuple[Board, Latency, Latency] | None = None,
    command: Sequence[str] = (),
    limits: StageLimits | None = None,
) -> PlanReport:
    """The document for one plan; with ``patch`` the stages that were taken on top of it.

    ``times`` are of the given and the written model on a board, ``command`` plans the same without stages,
    ``limits`` are what stages might cost (None: as mcuplan takes them by itself).
    """
    told = _planned(model, original, plan)
    if patch is not None:
        told = _patched(told, patch)
    told = _costed(told, original, plan.before, patch.graph if patch else plan.graph, (patch or plan).after)
    fits = None if fit_bytes is None else short is None
    ends: tuple[ExtremeShown, ...] = ()
    if patch and command and fits is None:
        ends = extremes_shown(patch, plan.after.declare_bytes, command, limits or StageLimits())
    return replace(
        told, savings=savings, fit_bytes=fit_bytes, fits=fits, short_of=short, output=output, output_bytes=output_bytes,
        extremes=ends, times=_times(*times) if times else None,
        advice=advice, input_rows_streamed=streamed, no_stages=no_stages, rows=rows,
        rows_buffer_bytes=0 if rows is None else rows.buffer_bytes,
        refusals=tuple(map(refusal_shown, refusals)),
        notes=_notes([after.target for _, after in arenas] or [told.target]),
        targets=tuple(
            TargetShown(before.target, before.declare_bytes, after.declare_bytes) for before, after in arenas
        ),
    )  # fmt: skip


def _times(board: Board, before: Latency, after: Latency) -> TimesShown:
    assert before.total_us is not None
    assert after.total_us is not None
    return TimesShown(
        board.id, round(before.total_us, 1), round(after.total_us, 1), after.error_percent, after.basis.source
    )  # fmt: skip


def _notes(targets: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for name in targets for note in kernel_rules(Target.parse(name)).notes))


def _planned(model: str, original: Graph, plan: Plan) -> PlanReport:
    tensors = [s.tensors for s in plan.graph.subgraphs]
    aliases = tuple(
        AliasShown(
            a.subgraph, a.operator, a.inner, tensors[a.subgraph][a.inner].name, a.outer,
            tensors[a.subgraph][a.outer].name, a.at, a.relation.value, a.reason,
        )
        for a in plan.aliases
    )  # fmt: skip
    return PlanReport(
        tool=Tool("mcuplan", __version__),
        model=model,
        target=plan.after.target,
        tflm_version=plan.after.tflm_version,
        before=arena_shown(original, plan.before),
        after=arena_shown(plan.graph, plan.after),
        gain_bytes=plan.gain_bytes,
        lower_bound_bytes=plan.lower_bound_bytes,
        optimal=plan.optimal,
        proof=plan.proof,
        macs_factor=round(macs_factor(original, plan.graph), 6),
        instructions_before=None,
        instructions_after=None,
        instructions_factor=None,
        steps=tuple(StepGain(s.name, s.detail, s.before_bytes, s.after_bytes, s.gain_bytes) for s in plan.steps),
        plan=PlanShown(plan.order, plan.offsets, aliases),
        flash_before=FlashShown(*flash_bytes(original, plan.after.target, original.file_bytes)),
        flash_after=FlashShown(*flash_bytes(plan.graph, plan.after.target)),
    )


def _costed(
    told: PlanReport, original: Graph, before: ArenaPrediction, graph: Graph, after: ArenaPrediction
) -> PlanReport:
    """With the instructions of both models, where the target has cost data."""
    target = Target.parse(told.target)
    found = instructions_of_both(target, (original, before), (graph, after))
    if found is None:
        return told
    old, new = found
    return replace(
        told,
        instructions_before=round(old.total),
        instructions_after=round(new.total),
        instructions_factor=round(new.total / old.total, 6),
        instructions_bounded=round(new.bounded),
    )


def _patched(told: PlanReport, patch: PatchPlan) -> PlanReport:
    after = arena_shown(patch.graph, patch.after)
    count = len(patch.stages)
    noun = "stage" if count == 1 else "stages"
    detail = f"{count} {noun}, {patch.price}"
    shown = patch_shown(patch)
    taken = StepGain(
        "patch stages", detail, told.after.declare_bytes, after.declare_bytes,
        told.after.declare_bytes - after.declare_bytes,
    )  # fmt: skip
    return replace(
        told,
        after=after,
        gain_bytes=told.before.declare_bytes - after.declare_bytes,
        lower_bound_bytes=patch.lower_bound_bytes,
        optimal=False,
        proof=f"the least of those placed; {patch.tried} stages were written and counted",
        macs_factor=round(patch.macs_factor, 6),
        steps=(*told.steps, taken),
        plan=PlanShown((), (), ()),
        flash_after=FlashShown(*flash_bytes(patch.graph, patch.after.target)),
        stages=shown.stages,
        parts=shown.parts,
        front=shown.front,
        blocks=shown.blocks,
        stages_tried=shown.tried,
        least_declare_bytes=shown.least_declare_bytes,
    )
