"""From a model to its plan, step by step: a plan, patch stages on top of it, a smaller file; and where it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcuplan.api.targets import listed
from mcuplan.budget.limits import Counted
from mcuplan.deadline import Deadline
from mcuplan.errors import McuplanError
from mcuplan.rewriting.origin import PlanOrigin, plan_origin, set_plan_origin
from mcuplan.version import __version__

if TYPE_CHECKING:
    from mcuplan.api.criteria import Deployment
    from mcuplan.api.plan import PlanOptions, PlanProgress
    from mcuplan.api.targets import BoardLike
    from mcuplan.budget import Analysis, Limits
    from mcuplan.budget.stages import StageLimits
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


def arena_room(analysis: Analysis, limits: Limits, stack: int) -> int:
    """The arena that fits: what the limit on it allows, and that on RAM leaves beside interpreter, stack and the like.

    The arena of the model as it is, where neither is limited: only flash or MACs have to fit then.
    """
    need = analysis.need(stack).ram
    rooms = []
    if limits.arena is not None:
        rooms.append(limits.arena.amount)
    if limits.ram is not None:
        beside = 0 if limits.ram.counted is Counted.ARENA else need.total_bytes - need.arena_bytes
        rooms.append(max(limits.ram.amount - int(limits.ram.strict) - beside, 0))
    return min(rooms, default=need.arena_bytes)


def find_steps(
    given: ModelFile,
    targets: Sequence[Target],
    options: PlanOptions,
    stages: StageLimits,
    fit_bytes: int | None,
    progress: PlanProgress,
) -> Steps:
    """The plan for a model, and the graph to write.

    ``stages`` are what patch stages may cost, ``fit_bytes`` is the arena at which to stop.
    """
    from mcuplan.planning import plan as planning

    original = start = given.graph
    savings: tuple[StripSaving, ...] = ()
    if options.int8_io:
        from mcuplan.rewriting.strip import int8_io as without_conversions

        start, savings = without_conversions(original)
    rows = None
    if options.rows:
        start, rows, more = _by_rows(start)
        savings = (*savings, *more)
    deadline = Deadline(options.time_limit)
    asked = planning.PlanOptions(
        options.effort, options.time_limit, options.reorder, options.alias, options.clean_up, fit_bytes,
        progress.height, deadline,
    )  # fmt: skip
    plan = planning.make_plan(start, targets, asked)
    patch, no_stages = _patch(start, targets, options, stages, fit_bytes, plan, progress, deadline, rows)
    streamed = _streamed(start, stages.max_macs or _STREAMED_MACS) if options.input_rows_streamed else None
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


class RowsError(McuplanError):
    """Why a model cannot get its input row by row."""


def _by_rows(graph: Graph) -> tuple[Graph, int, tuple[StripSaving, ...]]:
    """The model with the input that is to come row by row as the firmware gives it, its number, and bytes saved.

    Raises RowsError where no input can.
    """
    from mcuplan.patching.arena.rows import rows_input
    from mcuplan.rewriting.strip import StripSaving
    from mcuplan.tflite import write
    from mcuplan.tflm.support import contradiction

    if why := contradiction(graph):
        raise RowsError(why)
    folded, number, refused = rows_input(graph)
    if refused is not None:
        raise RowsError(refused)
    if folded is graph:
        return graph, number, ()
    saved = len(write(graph)) - len(write(folded))
    return folded, number, (StripSaving("quantizing of the input that comes by rows", saved),)


def _origin(given: ModelFile, targets: Sequence[Target]) -> PlanOrigin:
    """What the planned model says of itself; one that was planned before is still from the model it was then."""
    before = plan_origin(given.graph)
    digest = before.model_sha256 if before else given.sha256
    return PlanOrigin(tuple(map(str, targets)), __version__, digest)


def _patch(
    graph: Graph,
    targets: Sequence[Target],
    options: PlanOptions,
    stages: StageLimits,
    fit_bytes: int | None,
    plan: Plan,
    progress: PlanProgress,
    deadline: Deadline,
    rows: int | None,
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
            stages.max_overhead,
            fit_bytes,
            options.effort,
            options.clean_up,
            progress.patches,
            stages.max_macs,
            least=stages.least or rows is not None,
            deadline=deadline,
            rows=rows,
        )
    except PatchRefusal as refusal:
        if rows is not None:
            raise RowsError(str(refusal)) from None
        return None, str(refusal)
    if rows is not None:
        if found is None:
            late = f" within {deadline.seconds:g} s" if deadline.struck else ""
            raise RowsError(f"no plan by rows that needs less arena was found{late}")
        return found, None
    if found and found.after.declare_bytes < plan.after.declare_bytes:
        return found, None
    if deadline.struck:
        return None, f"the time limit of {deadline.seconds:g} s ended the search"
    return None, no_gain(graph)


def _advice(patch: PatchPlan, start: Graph) -> tuple[AdviceShown, ...]:
    """What a designer could change, for each stage that computes something again."""
    from mcuplan.findings.redistribution import stage_advice
    from mcuplan.operators.geometry.stages import PatchError
    from mcuplan.reports.documents.patches import AdviceShown, stages_shown

    told = []
    for choice, shown in zip(patch.stages, stages_shown(patch), strict=True):
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


_SHORT = {"ram": "bytes of RAM", "arena": "bytes of arena", "flash": "bytes of flash", "macs": "MACs"}


def shortage(graph: Graph, place: Deployment, limits: Limits) -> str | None:
    """Which of ``limits`` a planned model with all that inference takes breaks; None where it keeps them."""
    from mcuplan import budget

    broken = budget.judge(place.analyse(graph).need(place.stack), limits).violations
    short = [f"{v.figure:,} {_SHORT[v.limit.resource.value]}, {v.limit.amount:,} are there" for v in broken]
    return " and ".join(short) or None


def plan_command(
    name: str,
    board: BoardLike | Sequence[BoardLike] | None,
    target: str | None,
    kernels: str | None,
    lean: bool,
    options: PlanOptions,
) -> tuple[str, ...]:
    """The command that plans a model as it was asked for, without patch stages, word by word."""
    words = ["mcuplan", "plan", name]
    for each in listed(board):
        words += ["--board", str(getattr(each, "id", each))]
    for option, value in (("--target", target), ("--kernels", kernels)):
        words += [option, value] if value is not None else []
    words += ["--lean"] if lean else []
    words += ["--int8-io"] if options.int8_io else []
    words += ["--effort", options.effort] if options.effort != "default" else []
    return tuple(words)
