"""From a model to its plan, step by step: a plan, patch stages on top of it, a smaller file; and where it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcuplan.deadline import Deadline
from mcuplan.rewriting.origin import PlanOrigin, plan_origin, set_plan_origin
from mcuplan.version import __version__

if TYPE_CHECKING:
    from mcuplan.api.plan import PlanOptions, PlanProgress
    from mcuplan.boards import Board
    from mcuplan.budget import Analysis, Limits
    from mcuplan.graph import Graph
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.planning.plan import Plan
    from mcuplan.reports.documents.patches import AdviceShown, StreamedShown
    from mcuplan.rewriting.strip import StripSaving
    from mcuplan.tflite import ModelFile
    from mcuplan.tflm import Target


@dataclass(frozen=True, slots=True)
class Steps:
    """A plan for the graph ``start``, the patch stages on top of it (if any), the graph to write, what made its file
    smaller, and analyses; ``no_stages`` says why stages were looked for in vain."""

    start: Graph
    plan: Plan
    patch: PatchPlan | None
    graph: Graph
    savings: tuple[StripSaving, ...] = ()
    advice: tuple[AdviceShown, ...] = ()
    streamed: StreamedShown | None = None
    no_stages: str | None = None


def fit_limits(board: Board | None, ram: int | None) -> Limits:
    """What has to be kept for ``--fit``: RAM as ``check`` counts it against ``ram``, and on a board its flash too."""
    from mcuplan import budget

    if board is not None:
        return budget.limits_on_board(board, budget.Asked(ram=ram))
    return budget.Limits(ram=budget.limits_without_board(budget.Asked(ram=ram)).ram)


def arena_room(analysis: Analysis, limits: Limits) -> int:
    """The arena that fits: what the limit on RAM leaves beside the interpreter, the stack and the like."""
    assert limits.ram is not None
    need = analysis.need().ram
    return max(limits.ram.amount - (need.total_bytes - need.arena_bytes), 0)


def find_steps(
    given: ModelFile, targets: Sequence[Target], options: PlanOptions, fit_bytes: int | None, progress: PlanProgress
) -> Steps:
    """The plan for a model, and the graph to write; ``fit_bytes`` is the arena at which to stop."""
    from mcuplan.planning import plan as planning

    original = start = given.graph
    savings: tuple[StripSaving, ...] = ()
    if options.int8_io:
        from mcuplan.rewriting.strip import int8_io as without_conversions

        start, savings = without_conversions(original)
    deadline = Deadline(options.time_limit)
    asked = planning.PlanOptions(
        options.effort, options.time_limit, options.reorder, options.alias, options.clean_up, fit_bytes,
        progress.height, deadline,
    )  # fmt: skip
    plan = planning.make_plan(start, targets, asked)
    patch, no_stages = _patch(start, targets, options, fit_bytes, plan, progress, deadline)
    streamed = _streamed(start, options.max_macs or _STREAMED_MACS) if options.input_rows_streamed else None
    graph = patch.graph if patch else plan.graph
    if options.strip or options.strip_signatures:
        from mcuplan.rewriting.strip import strip as stripped

        graph, more = stripped(graph, options.strip_signatures)
        savings = (*savings, *more)
    advice = _advice(patch, start) if patch and options.advice else ()
    if graph is not original:
        origin = _origin(given, targets)
        graph = set_plan_origin(graph, origin)
        plan = replace(plan, graph=set_plan_origin(plan.graph, origin))
        patch = replace(patch, graph=set_plan_origin(patch.graph, origin)) if patch else None
    return Steps(start, plan, patch, graph, savings, advice, streamed, no_stages)


def _origin(given: ModelFile, targets: Sequence[Target]) -> PlanOrigin:
    """What the planned model says of itself; one that was planned before is still from the model it was then."""
    before = plan_origin(given.graph)
    digest = before.model_sha256 if before else given.sha256
    return PlanOrigin(tuple(map(str, targets)), __version__, digest)


def _patch(
    graph: Graph,
    targets: Sequence[Target],
    options: PlanOptions,
    fit_bytes: int | None,
    plan: Plan,
    progress: PlanProgress,
    deadline: Deadline,
) -> tuple[PatchPlan | None, str | None]:
    """Patch stages where they are asked for, or where nothing cheaper fits; else why there are none, if they were."""
    missed = fit_bytes is not None and plan.after.declare_bytes > fit_bytes
    if not (missed if fit_bytes is not None else options.patch):
        return None, None
    from mcuplan.patching.arena.search import PatchRefusal, find_patch_plan, no_gain

    try:
        found = find_patch_plan(
            graph,
            targets,
            options.max_overhead,
            fit_bytes,
            options.effort,
            options.clean_up,
            progress.patches,
            options.max_macs,
            deadline=deadline,
        )
    except PatchRefusal as refusal:
        return None, str(refusal)
    if found and found.after.declare_bytes < plan.after.declare_bytes:
        return found, None
    if deadline.struck:
        return None, f"the time limit of {deadline.seconds:g} s ended the search"
    return None, no_gain(graph)


def _advice(patch: PatchPlan, start: Graph) -> tuple[AdviceShown, ...]:
    """What a designer could change, for each stage that computes something again."""
    from mcuplan.findings.redistribution import stage_advice
    from mcuplan.operators.geometry.stages import PatchError
    from mcuplan.reports.documents.patches import AdviceShown, patch_shown

    told = []
    for choice, shown in zip(patch.stages, patch_shown(patch).stages, strict=True):
        if choice.macs <= choice.whole_macs:
            continue
        try:
            sentences = stage_advice(start, shown.first, shown.last, choice.form).sentences()
        except PatchError as error:
            sentences = (f"no advice: {error}",)
        told.append(AdviceShown(shown.first, shown.last, sentences))
    return tuple(told)


_STREAMED_MACS = 1.1
"""Most MACs, as a factor, of the analysis of streamed inputs where nothing else is asked for: it knows no kernels."""


def _streamed(graph: Graph, max_overhead: float) -> StreamedShown | None:
    """The analysis of an input whose rows are streamed; None for a model that contradicts itself."""
    from mcuplan.findings.blocks import blocks
    from mcuplan.patching.live.analysis import analyse
    from mcuplan.reports.documents.patches import streamed_shown
    from mcuplan.tflm.support import contradiction

    if contradiction(graph):
        return None
    runs = [(block.first, block.last) for block in blocks(graph)]
    return streamed_shown(graph, analyse(graph, runs, max_overhead=max_overhead, input_rows_streamed=True))


def shortage(graph: Graph, target: Target, limits: Limits) -> str | None:
    """Which of ``limits`` a planned model with all that inference takes breaks; None where it keeps them."""
    from mcuplan import budget

    broken = budget.judge(budget.analyse(graph, target).need(), limits).violations
    names = {budget.Resource.RAM: "RAM", budget.Resource.FLASH: "flash", budget.Resource.MACS: "MACs"}
    short = [f"{v.figure:,} bytes of {names[v.limit.resource]}, {v.limit.amount:,} are there" for v in broken]
    return " and ".join(short) or None
