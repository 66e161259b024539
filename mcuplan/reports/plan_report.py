"""The document of ``mcuplan plan``: what a plan does and what each step gains. Sizes are bytes.

Like the report it is made of plain frozen dataclasses with stable keys; names from the model are untrusted text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcuplan import __version__
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.reports.peak import live_steps, lower_bound
from mcuplan.reports.report import Arena, Tool
from mcuplan.tflite import write
from mcuplan.tflm import code_size
from mcuplan.tflm.results import ArenaPrediction

if TYPE_CHECKING:
    from pydantic import ConfigDict

    from mcuplan.patching.arena.search import PatchPlan, StageChoice
    from mcuplan.planning.plan import Plan

PLAN_SCHEMA_VERSION = "1.0"
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
class StageShown:
    """A patch stage: operators ``[first, last)`` of the given model run in strips of rows."""

    __pydantic_config__ = _CONFIG

    first: int
    last: int
    kind: str
    """`strips`: one after the other, each with operators of its own; `loop`: one loop runs them all; `bordered loop`: a
    loop runs those inside the map; `patches`: a loop over patches in two dimensions."""
    strips: int
    """Strips of rows, or rows of patches."""
    cuts: tuple[int, ...]
    """Rows of the result where strips begin, and its height last; a loop takes strips of ``cuts[1]`` rows."""
    columns: int | None
    """Columns of a patch; null for strips of whole rows."""
    streamed: bool
    """True: rows that the next strip needs again are kept; False: they are computed again."""
    padding: str
    """`pad`: rows and columns of padding are written out; `crop`: surplus rows are computed and cut off."""
    macs: int
    whole_macs: int
    """MACs of the same operators run whole."""


@dataclass(frozen=True, slots=True)
class FrontShown:
    """A choice of stages that no other one found beats in both arena and MACs."""

    __pydantic_config__ = _CONFIG

    declare_bytes: int
    macs_factor: float
    stages: tuple[StageShown, ...]


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
    steps: tuple[StepGain, ...]
    plan: PlanShown
    flash_before: FlashShown
    flash_after: FlashShown
    """Before --strip and --int8-io, whose savings are listed apart."""
    stages: tuple[StageShown, ...] = ()
    """Patch stages, in the order in which they run."""
    front: tuple[FrontShown, ...] = ()
    """Patch plans found, from the fewest MACs to the least arena."""
    savings: tuple[SavingShown, ...] = ()
    """Bytes of flash saved by --int8-io and --strip, step by step."""
    fit_bytes: int | None = None
    """The arena that was asked for, null where none was."""
    fits: bool | None = None
    output: str | None = None
    """The file written, null where none was."""
    output_bytes: int | None = None
    schema_version: str = PLAN_SCHEMA_VERSION


def arena_shown(graph: Graph, arena: ArenaPrediction) -> Arena:
    """The arena as reports show it."""
    return Arena(
        arena.declare_bytes, arena.used_bytes, arena.nonpersistent_bytes, arena.persistent_bytes, arena.exact,
        arena.bounded_bytes, lower_bound(live_steps(graph, arena)),
    )  # fmt: skip


def _stage(choice: StageChoice) -> StageShown:
    form = choice.form
    return StageShown(
        choice.first, choice.last, form.kind.value, form.strips, form.cuts, form.columns or None, form.stream,
        form.padding, choice.macs, choice.whole_macs,
    )  # fmt: skip


def _front(patch: PatchPlan) -> tuple[FrontShown, ...]:
    points = sorted(patch.front, key=lambda point: (point.macs_factor, point.declare_bytes))
    return tuple(FrontShown(p.declare_bytes, round(p.macs_factor, 6), tuple(map(_stage, p.stages))) for p in points)


def plan_report(
    model: str,
    original: Graph,
    plan: Plan,
    patch: PatchPlan | None = None,
    *,
    fit_bytes: int | None = None,
    output: str | None = None,
    output_bytes: int | None = None,
    savings: tuple[SavingShown, ...] = (),
) -> PlanReport:
    """The document for one plan; with ``patch`` the stages that were taken on top of it."""
    told = _planned(model, original, plan)
    if patch is not None:
        told = _patched(told, patch)
    fits = None if fit_bytes is None else told.after.declare_bytes <= fit_bytes
    return replace(told, savings=savings, fit_bytes=fit_bytes, fits=fits, output=output, output_bytes=output_bytes)


def _planned(model: str, original: Graph, plan: Plan) -> PlanReport:
    before, after = model_macs(original).total, model_macs(plan.graph).total
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
        macs_factor=round(after / before, 6) if before else 1.0,
        steps=tuple(StepGain(s.name, s.detail, s.before_bytes, s.after_bytes, s.gain_bytes) for s in plan.steps),
        plan=PlanShown(plan.order, plan.offsets, aliases),
        flash_before=_flash(original, original.file_bytes or len(write(original)), plan.after.target),
        flash_after=_flash(plan.graph, len(write(plan.graph)), plan.after.target),
    )


def _flash(graph: Graph, file_bytes: int, target: str) -> FlashShown:
    code = code_size(graph, target)
    return FlashShown(file_bytes, code.total_bytes + code.data_bytes)


def _patched(told: PlanReport, patch: PatchPlan) -> PlanReport:
    after = arena_shown(patch.graph, patch.after)
    strips = " + ".join(str(choice.form.strips) for choice in patch.stages)
    count = len(patch.stages)
    noun = "stage" if count == 1 else "stages"
    detail = f"{count} {noun} of {strips} strips, {patch.macs_factor - 1:+.1%} multiply-accumulates"
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
        proof=f"the least of {patch.tried} candidates of stages",
        macs_factor=round(patch.macs_factor, 6),
        steps=(*told.steps, taken),
        plan=PlanShown((), (), ()),
        flash_after=_flash(patch.graph, len(write(patch.graph)), patch.after.target),
        stages=tuple(map(_stage, patch.stages)),
        front=_front(patch),
    )
