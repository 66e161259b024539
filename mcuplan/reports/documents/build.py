"""From analyses and judgements to the document."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from mcuplan import budget
from mcuplan.budget import Analysis, Arenas, Judgement, Need, Resource, Verdict
from mcuplan.budget.placing import placing_sentences
from mcuplan.budget.verdict import NearLimit as Near
from mcuplan.budget.verdict import figure_for
from mcuplan.findings.advice import advice
from mcuplan.findings.costs import describe, largest_costs, tensor_name
from mcuplan.findings.peak import Step, live_at
from mcuplan.findings.situation import Situation
from mcuplan.findings.tool import Tool
from mcuplan.reports.documents.report import (
    Arena,
    Flash,
    Limits,
    LiveBuffer,
    ModelFacts,
    NearLimit,
    Peak,
    PlanFault,
    Ram,
    Refusal,
    Report,
    Result,
    Rule,
    SharedResult,
    Violation,
)
from mcuplan.reports.documents.room import room_left
from mcuplan.reports.documents.rows import rows_shown
from mcuplan.rewriting.origin import plan_origin
from mcuplan.text import show_bytes, show_count, show_share
from mcuplan.tflm import Target
from mcuplan.tflm.history import warnings as version_warnings
from mcuplan.tflm.results import PlannedBuffer
from mcuplan.tflm.results import Refusal as TflmRefusal
from mcuplan.version import __version__

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.proof.memory.clobbers import Clobber

_NAMES = {"ram": "RAM", "arena": "arena", "flash": "flash", "macs": "MACs"}
_TAKES = {
    ("ram", "arena"): "the arena takes",
    ("arena", "arena"): "to declare are",
    ("ram", "need"): "arena, interpreter and stack take",
    ("flash", "model"): "the model takes",
    ("flash", "need"): "model and code take",
    ("macs", "macs"): "one inference takes",
}


def result(
    model: str, board: Board | None, analysis: Analysis, need: Need, limits: budget.Limits, judgement: Judgement
) -> Result:
    """The result for one model on one board (None: no board)."""
    return result_of(Situation(model, analysis, need, limits, judgement, board))


def result_of(situation: Situation) -> Result:
    """The result for one situation."""
    analysis, need, limits, judgement = situation.analysis, situation.need, situation.limits, situation.judgement
    board, top = situation.board, situation.peak
    live = live_at(analysis.arena, top.time) if top else ()
    return Result(
        model=situation.model,
        board=board.id if board else None,
        board_name=board.name if board else None,
        verdict=judgement.verdict.value,
        target=str(analysis.target),
        tflm_version=analysis.arena.tflm_version,
        facts=_facts(situation),
        arena=_arena(analysis, situation.lower_bound),
        ram=ram(need),
        flash=_flash(need, analysis),
        macs=need.macs,
        limits=limits_shown(limits, need),
        violations=violations(judgement, _bounds(analysis)),
        refusals=tuple(refusal_shown(r) for r in judgement.refusals),
        faults=tuple(_fault(fault, situation) for fault in judgement.faults),
        planned=plan_origin(analysis.graph),
        rows=rows_shown(analysis.graph),
        peak=_peak(analysis, top, live) if top else None,
        costs=largest_costs(analysis, need, limits, live),
        help=advice(situation),
        notes=tuple(_notes(analysis)),
        warnings=warnings(judgement, _bounds(analysis)),
        room=_room(situation),
    )


def _room(situation: Situation) -> tuple[str, ...]:
    if situation.board is None:
        return ()
    need, limits = situation.need, situation.limits
    return (
        *room_left(situation.board, need, limits),
        *placing_sentences(situation.analysis, situation.board, need, limits),
    )


def failed(model: str, board: str | None, error: str) -> Result:
    """The result for a model that could not be read or analysed."""
    return Result(model=model, board=board, verdict=Verdict.ERROR.value, error=error)


def shared(
    name: str,
    models: Sequence[str],
    board: Board,
    arenas: Arenas,
    target: str,
    need: Need,
    limits: budget.Limits,
    judgement: Judgement,
    notes: Iterable[str] = (),
) -> SharedResult:
    """The result for several models on one board."""
    return SharedResult(
        name=name,
        models=tuple(models),
        board=board.id,
        board_name=board.name,
        verdict=judgement.verdict.value,
        arenas=arenas.value,
        target=target,
        ram=ram(need),
        flash=Flash(need.flash.model_bytes, need.flash.weights_bytes, need.flash.runtime_bytes, need.flash.total_bytes),
        macs=need.macs,
        limits=limits_shown(limits, need),
        violations=violations(judgement),
        notes=tuple(notes),
        warnings=warnings(judgement),
        room=tuple(room_left(board, need, limits)),
    )


def shared_failed(name: str, models: Sequence[str], board: str, arenas: Arenas, error: str) -> SharedResult:
    """The result for a group of which a model or the board could not be read."""
    return SharedResult(name, tuple(models), board, Verdict.ERROR.value, arenas.value, error=error)


def report(results: Iterable[Result], groups: Iterable[SharedResult] = ()) -> Report:
    """The whole document; the highest exit code of all verdicts wins."""
    results, groups = tuple(results), tuple(groups)
    verdicts = [*(r.verdict for r in results), *(group.verdict for group in groups)]
    codes = [Verdict(verdict).exit_code for verdict in verdicts]
    return Report(Tool("mcuplan", __version__), results, groups, exit_code=max(codes, default=0))


def ram(need: Need) -> Ram:
    """The RAM items of a need."""
    r = need.ram
    return Ram(
        r.arena_bytes,
        r.interpreter_bytes,
        r.resolver_bytes,
        r.data_bytes,
        r.stack_bytes,
        total_bytes=r.total_bytes,
        elsewhere_bytes=r.elsewhere_bytes,
    )


def limits_shown(limits: budget.Limits, need: Need) -> Limits:
    """Limits with the figures that are held against them."""
    return Limits(
        ram_bytes=limits.ram.amount if limits.ram else None,
        flash_bytes=limits.flash.amount if limits.flash else None,
        macs=limits.macs.amount if limits.macs else None,
        arena_bytes=limits.arena.amount if limits.arena else None,
        rules=tuple(
            Rule(
                limit.resource.value, limit.counted.value, limit.amount, figure_for(limit, need), limit.strict,
                limit.source, limit.baseline, limit.stated,
            )
            for limit in limits
        ),
    )  # fmt: skip


def violations(judgement: Judgement, bounds: Collection[Resource] = ()) -> tuple[Violation, ...]:
    """Broken limits, each with its sentence; figures of the resources in ``bounds`` are called the bounds they are."""
    return tuple(
        Violation(
            v.limit.resource.value, v.limit.counted.value, v.limit.amount, v.figure, v.over,
            violation_sentence(v, exact=v.limit.resource not in bounds),
        )
        for v in judgement.violations
    )  # fmt: skip


def violation_sentence(v: budget.Violation, exact: bool = True) -> str:
    """What is over, by how much, and whose limit it is; exact figures, not rounded ones."""
    resource, limit = v.limit.resource.value, v.limit
    unit, show = ("MACs", show_count) if resource == "macs" else ("bytes", show_bytes)
    verb = "must stay under" if limit.strict else "may be at most"
    bound = "" if exact else "at most "
    grown = ", grown since the baseline" if limit.baseline else ""
    return (
        f"{_NAMES[resource]}: {_TAKES[resource, limit.counted.value]} {bound}{v.figure:,} {unit}, {verb} "
        f"{limit.amount:,} ({limit.source}): {show(v.over)} too many{grown}"
    )


def warnings(judgement: Judgement, bounds: Collection[Resource] = ()) -> tuple[NearLimit, ...]:
    """Limits that are kept with little to spare, each with its sentence."""
    return tuple(
        NearLimit(
            n.limit.resource.value, n.limit.counted.value, n.limit.amount, n.figure, n.left,
            _near_sentence(n, exact=n.limit.resource not in bounds),
        )
        for n in judgement.near
    )  # fmt: skip


def _near_sentence(n: Near, exact: bool) -> str:
    """How full a limit is, and what is left of it."""
    resource, limit = n.limit.resource.value, n.limit
    unit = "MACs" if resource == "macs" else "bytes"
    bound = "" if exact else "at most "
    return (
        f"{_NAMES[resource]}: {_TAKES[resource, limit.counted.value]} {bound}{n.figure:,} {unit}, "
        f"{show_share(n.figure / limit.amount)} of the {limit.amount:,} allowed ({limit.source}): "
        f"{n.left:,} {unit} left"
    )


def _bounds(analysis: Analysis) -> tuple[Resource, ...]:
    """The resources of which mcuplan knows no exact figure."""
    exact = {Resource.FLASH: analysis.code.exact}
    exact |= dict.fromkeys((Resource.RAM, Resource.ARENA), analysis.arena.exact)
    return tuple(resource for resource, known in exact.items() if not known)


def _facts(situation: Situation) -> ModelFacts:
    analysis, graph = situation.analysis, situation.analysis.graph
    types: dict[str, None] = {}
    for op in graph.main.operators:
        for t in op.outputs:
            if t >= 0:
                types[graph.main.tensors[t].dtype.label] = None
    return ModelFacts(
        operators=sum(len(subgraph.operators) for subgraph in graph.subgraphs),
        subgraphs=len(graph.subgraphs),
        activations="+".join(types) or "none",
        macs_exact=analysis.macs.exact,
        sha256=situation.sha256,
    )


def _arena(analysis: Analysis, bound: int) -> Arena:
    a = analysis.arena
    return Arena(
        a.declare_bytes, a.used_bytes, a.nonpersistent_bytes, a.persistent_bytes, a.exact, a.bounded_bytes, bound
    )


def _flash(need: Need, analysis: Analysis) -> Flash:
    f = need.flash
    return Flash(
        f.model_bytes,
        f.weights_bytes,
        f.runtime_bytes,
        f.total_bytes,
        analysis.code.build,
        analysis.code.exact,
        analysis.code.lean.flash_bytes,
    )


def refusal_shown(r: TflmRefusal) -> Refusal:
    """A reason to refuse as reports show it."""
    return Refusal(r.rule, r.reason, r.remedy, r.subgraph, r.operator, r.operator_name, r.tensor, r.tensor_name)


def _fault(clobber: Clobber, situation: Situation) -> PlanFault:
    reader = clobber.reader
    remedy = _declare(situation) if clobber.kind == "lean" else _replan(situation)
    return PlanFault(
        f"plan-{clobber.kind.replace(' ', '-')}", str(clobber), remedy, reader.subgraph, reader.operator,
        reader.operator_name, reader.tensor_subgraph, reader.tensor, reader.tensor_name,
    )  # fmt: skip


def _declare(situation: Situation) -> str:
    """How a firmware gets lean registrations, and how that is said."""
    export = f"mcuplan export {quote(situation.model)} --lean -o DIR"
    return f"write them with `{export}` and say so: --lean, or `lean = true` in the configuration or the board's file"


def _replan(situation: Situation) -> str:
    """How to get a plan for this target."""
    origin, target, board = plan_origin(situation.analysis.graph), situation.analysis.target, situation.board
    made_for = f"the plan in this model was made for {' and '.join(origin.targets)}: " if origin else ""
    own = board is not None and Target.parse(board.target) == target
    where = f"--board {quote(board.id)}" if board is not None and own else f"--target {target}"
    return f"{made_for}make one for {target} with `mcuplan plan {quote(situation.model)} {where} -o OUT.tflite`"


def _peak(analysis: Analysis, top: Step, live: Sequence[PlannedBuffer]) -> Peak:
    graph = analysis.graph
    operators = graph.subgraphs[top.subgraph].operators
    return Peak(
        subgraph=top.subgraph,
        operator=top.operator,
        operator_name=operators[top.operator].label if top.operator >= 0 else "",
        live_bytes=top.live_bytes,
        buffers=tuple(
            LiveBuffer(b.size, b.subgraph, b.tensor, tensor_name(graph, b), b.operator, describe(graph, b))
            for b in live
        ),
    )


def _notes(analysis: Analysis) -> Iterable[str]:
    yield from analysis.arena.notes
    for note in analysis.code.notes:
        if note not in analysis.arena.notes:
            yield note
    yield from version_warnings(analysis.graph, analysis.target)
    yield from _traps(analysis)
    if not analysis.macs.exact:
        yield "the MACs of some operators or loops are not known: they are left out, a loop counts one turn"


def _traps(analysis: Analysis) -> Iterable[str]:
    """What TFLM walks into silently; looked for only where the model has something of the kind."""
    graph, arena = analysis.graph, analysis.arena
    suspects = (
        len(graph.subgraphs) > 1
        or any(b.first < 0 or b.offline for b in arena.plan)
        or any(op.name == "RESHAPE" and len(op.inputs) == 1 for op in graph.main.operators)
    )
    if not suspects:
        return
    from mcuplan.findings.diagnostics import diagnose

    # Faults of the plan are told as such; of a model that TFLM refuses anyway, as notes.
    judged = analysis.plan_judgement
    if judged.not_followed and not analysis.refusals:
        yield f"the memory plan in the model is not proven: {judged.not_followed}"
    clobbers = (*judged.overwritten, *judged.faults) if analysis.refusals else ()
    for trap in diagnose(graph, analysis.target, arena, clobbers):
        yield f"{trap.message} ({trap.name})" if trap.name else trap.message
