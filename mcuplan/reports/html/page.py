"""What the templates show, gathered: everything here is a string or a number that is safe to show once escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcuplan.budget.analysis import Analysis
from mcuplan.findings.costs import place
from mcuplan.findings.explanation import explain
from mcuplan.findings.inspection import BufferRow, OperatorRow, block_rows, buffer_rows, operator_rows
from mcuplan.findings.peak import live_steps, peak_step
from mcuplan.reports.documents.patches import manner, patch_shown
from mcuplan.reports.documents.performance import show_quantity
from mcuplan.reports.documents.report import Report, Result
from mcuplan.reports.html.arena_map import ArenaMap, arena_map, scale_top
from mcuplan.reports.html.bars import (
    ColumnChart,
    Row,
    block_bars,
    kind_bars,
    operator_columns,
    patched_block_bars,
    step_columns,
)
from mcuplan.reports.html.cards import STATES, Card, Tip, arena_limit, card, shared_card, tips
from mcuplan.reports.html.costs import CostTable, cost_table
from mcuplan.reports.html.flow import FlowPicture, flow_picture
from mcuplan.reports.html.pareto import Alternative, ParetoChart, pareto_chart
from mcuplan.reports.html.subject import Subject
from mcuplan.reports.html.table import OperatorTable, operator_table
from mcuplan.text import show_bytes, show_share
from mcuplan.version import __version__

_BUFFERS = 500
_PERSISTENT_KINDS = 6


@dataclass(frozen=True, slots=True)
class BufferLine:
    """One buffer as a line of the table under its map."""

    offset: int
    size: int
    lifespan: str
    what: str
    name: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure's provenance: what it is, how good, where from."""

    what: str
    quality: str
    source: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """Everything drawn of one model."""

    board: str
    maps: tuple[ArenaMap, ...]
    plan_note: str
    plan_steps: tuple[str, ...]
    costs: CostTable | None
    buffers: tuple[BufferLine, ...]
    buffers_total: int
    operators: ColumnChart
    patched: ColumnChart | None
    blocks: tuple[Row, ...]
    flash: tuple[Row, ...]
    arena: tuple[Row, ...]
    flow: FlowPicture
    pareto: ParetoChart | None
    stages: tuple[str, ...]
    patched_blocks: tuple[Row, ...]
    patches_note: str
    subgraphs: int
    table: OperatorTable
    provenance: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its cards, what stands out, what would help, its pictures (None: it could not be read)."""

    anchor: str
    name: str
    path: str
    """Where it is, where that is more than its name."""
    sha256: str
    facts: str
    peak: str
    state: str
    cards: tuple[Card, ...]
    tips: tuple[Tip, ...]
    pictures: Pictures | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One verdict in the overview; ``order`` sorts what is worse before what is better."""

    board: str
    verdict: str
    state: str
    shares: str
    order: float


@dataclass(frozen=True, slots=True)
class Line:
    """One model in the overview."""

    anchor: str
    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    title: str
    version: str
    summary: str
    state: str
    boards: tuple[str, ...]
    overview: tuple[Line, ...]
    models: tuple[Model, ...]
    shared: tuple[Card, ...]
    made: str
    """What made the page and when, and what TFLM the figures are of."""


def page(report: Report, subjects: Sequence[Subject], made: str = "") -> Page:
    """The page of a report, a subject a model; ``made`` is a date to stand at its foot."""
    names = _names([subject.model for subject in subjects])
    models = tuple(_model(subject, names[subject.model], f"m{k}") for k, subject in enumerate(subjects, 1))
    boards = tuple(dict.fromkeys(map(_board, report.results)))
    overview = [_line(subject, model, boards) for subject, model in zip(subjects, models, strict=True)]
    name = models[0].name if len(models) == 1 else f"{len(models)} models"
    return Page(
        title=f"{name} – mcuplan",
        version=__version__,
        summary=_summary(report),
        state="pass" if report.exit_code == 0 else "fail",
        boards=boards,
        # What fails is what a reader looks for.
        overview=tuple(sorted(overview, key=lambda line: min((c.order for c in line.cells if c), default=0.0))),
        models=models,
        shared=tuple(map(shared_card, report.shared)),
        made=_made(report, made),
    )


def _made(report: Report, date: str) -> str:
    versions = list(dict.fromkeys(result.tflm_version for result in report.results if result.tflm_version))
    parts = [f"{report.tool.name} {report.tool.version}", f"TFLM {', '.join(versions)}" if versions else "", date]
    return "; ".join(part for part in parts if part)


def _names(models: Sequence[str]) -> dict[str, str]:
    """A model's name is that of its file, as long as no other file of the page has it too."""
    short = {model: model.replace("\\", "/").rstrip("/").rpartition("/")[2] or model for model in models}
    return {model: name if list(short.values()).count(name) == 1 else model for model, name in short.items()}


def _board(row: Result) -> str:
    return row.board_name or row.board or "Rule of thumb"


def _summary(report: Report) -> str:
    verdicts = [*(r.verdict for r in report.results), *(group.verdict for group in report.shared)]
    names = (("pass", "pass"), ("fail", "fail"), ("unsupported", "unsupported"), ("error", "unreadable"))
    return ", ".join(f"{verdicts.count(v)} {label}" for v, label in names if v in verdicts)


def _line(subject: Subject, model: Model, boards: Sequence[str]) -> Line:
    """A row of the overview, a cell a board (None: not checked on it)."""

    def cell(row: Result) -> Cell:
        parts = [f"{_LABELS[r.resource]} {show_share(r.figure / max(r.limit, 1))}" for r in row.limits.rules]
        fullest = max((r.figure / max(r.limit, 1) for r in row.limits.rules), default=0.0)
        order = round(_VERDICTS.index(row.verdict) - min(fullest, 1e6) / 1e7, 9)
        return Cell(_board(row), row.verdict.upper(), STATES[row.verdict], ", ".join(parts), order)

    by_board = {_board(row): cell(row) for row in subject.results}
    # What could not be read was checked on no board: it is said once.
    if len(subject.results) == 1 and subject.results[0].error is not None:
        by_board = {boards[0]: cell(subject.results[0])}
    return Line(model.anchor, model.name, tuple(by_board.get(board) for board in boards))


_LABELS = {"ram": "RAM", "arena": "arena", "flash": "flash", "macs": "MACs"}
_VERDICTS = ("error", "unsupported", "fail", "pass")
"""From the worst to the best."""


def _model(subject: Subject, name: str, anchor: str) -> Model:
    shown = subject.shown
    facts = ""
    if shown.facts is not None and shown.flash is not None:
        count = shown.facts.operators
        facts = (
            f"{count:,} operator{'s' * (count != 1)}, {shown.facts.activations}, "
            f"model {show_bytes(shown.flash.model_bytes)}"
        )
    return Model(
        anchor=anchor,
        name=name,
        path=subject.model if subject.model != name else "",
        sha256=shown.facts.sha256 if shown.facts is not None else "",
        facts=facts,
        peak=_peak(shown),
        state=STATES[shown.verdict],
        cards=tuple(map(card, subject.results)),
        tips=tuple(tips(subject)),
        pictures=None if subject.study.analysis is None else _pictures(subject, subject.study.analysis),
    )


def _peak(row: Result) -> str:
    if row.peak is None or not row.peak.buffers:
        return ""
    p = row.peak
    running = f"operator {place(p.subgraph, p.operator)}, {p.operator_name}"
    where = running if p.operator >= 0 else "the start"
    largest = "; ".join(f"{(b.what or b.tensor_name)} {show_bytes(b.bytes)}" for b in p.buffers[:3])
    more = f"; {len(p.buffers) - 3} more" if len(p.buffers) > 3 else ""
    return f"Memory peaks at {where}: {p.live_bytes:,} bytes are live ({largest}{more})."


def _pictures(subject: Subject, analysis: Analysis) -> Pictures:
    operators = operator_rows(analysis)
    top = peak_step(live_steps(analysis.graph, analysis.arena))
    peak = (top.subgraph, top.operator) if top is not None and top.operator >= 0 else None
    buffers = buffer_rows(analysis)
    shown = patch_shown(subject.study.patches) if subject.study.patches else None
    stages = shown.stages if shown else ()
    patched = frozenset(k for stage in stages for k in range(stage.first, stage.last))
    return Pictures(
        board=(subject.shown.board_name or subject.shown.board or "the rule of thumb"),
        maps=_maps(subject, analysis),
        plan_note=_plan_note(subject),
        plan_steps=tuple(
            f"{step.name} saves {step.gain_bytes:,} bytes ({step.detail})"
            for step in (subject.study.plan.steps if subject.study.plan else ())
            if step.gain_bytes > 0
        ),
        costs=cost_table(subject),
        buffers=tuple(map(_buffer_line, buffers[:_BUFFERS])),
        buffers_total=len(buffers),
        operators=operator_columns(operators, peak=peak),
        patched=_per_patch(subject, operators),
        blocks=block_bars(block_rows(analysis)),
        flash=kind_bars(_flash(subject, analysis)),
        arena=kind_bars(tuple(_arena(analysis))),
        flow=flow_picture(analysis.graph, operators, patched, peak),
        pareto=_pareto(subject),
        stages=tuple(f"operators {s.first} to {s.last - 1} as a {manner(s)}" for s in stages),
        patched_blocks=patched_block_bars(shown.blocks) if shown else (),
        patches_note=subject.study.patches_note,
        subgraphs=len(analysis.graph.subgraphs),
        table=operator_table(operators, subject.model),
        provenance=tuple(_provenance(subject, analysis)),
    )


def _buffer_line(row: BufferRow) -> BufferLine:
    return BufferLine(row.offset, row.size, f"[{row.start}, {row.end})", row.what, row.name)


def _maps(subject: Subject, analysis: Analysis) -> tuple[ArenaMap, ...]:
    """The arena as the model is given, and those that are better, drawn to one scale."""
    limit = arena_limit(subject.shown)
    planned = _planned(subject)
    title = f"As given, {planned}" if planned else "Stock TFLM"
    found = [(title, analysis.graph, analysis.arena)]
    if subject.study.plan is not None and subject.study.plan.gain_bytes > 0:
        found.append(("mcuplan's plan", subject.study.plan.graph, subject.study.plan.after))
    if subject.study.patches is not None:
        patches = subject.study.patches
        found.append((f"With patch stages, {patches.price}", patches.graph, patches.after))
    top = scale_top([arena for _, _, arena in found], limit)
    return tuple(arena_map(graph, arena, title, limit, top) for title, graph, arena in found)


def _planned(subject: Subject) -> str:
    """What the plan that the model carries is; empty where TFLM plans for itself."""
    analysis = subject.study.analysis
    carried = analysis is not None and any(b.offline for b in analysis.arena.plan)
    found = "with a memory plan in its metadata" if carried else ""
    if subject.shown.planned is not None:
        found = subject.shown.planned.sentence
    rows = subject.shown.rows
    return "; ".join(part for part in (found, rows.told if rows else "") if part)


def _per_patch(subject: Subject, operators: Sequence[OperatorRow]) -> ColumnChart | None:
    """Memory with patch stages, drawn to the scale of the memory per operator without them."""
    if subject.study.patches is None:
        return None
    top = max((row.live_bytes for row in operators), default=0)
    return step_columns(subject.study.patches.graph, subject.study.patches.after, top)


def _pareto(subject: Subject) -> ParetoChart | None:
    """Arena against time; None where no patch stages were found."""
    if subject.study.patches is None:
        return None
    found = [
        Alternative("as given" if _planned(subject) else "stock TFLM", subject.study.patches.before.declare_bytes, 1.0)
    ]
    if subject.study.plan is not None and subject.study.plan.gain_bytes > 0:
        found.append(Alternative("plan", subject.study.plan.after.declare_bytes, 1.0))
    found += [
        Alternative("patches", point.declare_bytes, point.time_factor)
        for point in subject.study.patches.front
        if point.stages and point.time_factor != subject.study.patches.time_factor
    ]
    patches = subject.study.patches
    found.append(Alternative("patches", patches.after.declare_bytes, patches.time_factor))
    measure = "MACs" if patches.instructions_factor is None else "instructions"
    return pareto_chart(found, arena_limit(subject.shown), measure)


def _plan_note(subject: Subject) -> str:
    """How good the plan is, or why there is none."""
    plan = subject.study.plan
    if plan is None:
        return subject.study.plan_note
    if plan.optimal:
        return f"With these operators in this order no placement is smaller: {plan.proof}."
    return "No smaller plan was found." if plan.gain_bytes <= 0 else f"The plan: {plan.proof}."


def _flash(subject: Subject, analysis: Analysis) -> tuple[tuple[str, int], ...]:
    code, flash = analysis.code, subject.shown.flash
    if flash is None:
        return ()
    return (
        ("weights", flash.weights_bytes),
        ("model structure, metadata", flash.model_bytes - flash.weights_bytes),
        ("TFLM interpreter", code.interpreter_bytes),
        ("TFLM kernels", code.kernels_bytes),
        ("initialised data", code.data_bytes),
        ("margin for the linker", code.margin_bytes),
        *((("lean registrations", code.lean.flash_bytes),) if code.lean.flash_bytes else ()),
    )


def _arena(analysis: Analysis) -> Iterator[tuple[str, int]]:
    rows = explain(analysis.graph, analysis.target, analysis.arena).rows
    planned = analysis.arena.nonpersistent_bytes
    live = sum(row.bytes for row in rows if row.section == "planned" and not row.what.startswith("gaps"))
    yield "live at the peak", live
    yield "gaps of the plan", planned - live
    persistent = [row for row in rows if row.section == "persistent"]
    for row in persistent[:_PERSISTENT_KINDS]:
        yield row.what, row.bytes
    yield "other persistent", sum(row.bytes for row in persistent[_PERSISTENT_KINDS:])
    yield "set-up", sum(row.bytes for row in rows if row.section == "set-up")


def _provenance(subject: Subject, analysis: Analysis) -> Iterator[Fact]:
    arena, code, target = analysis.arena, analysis.code, analysis.target
    checked = (
        f"{target.records} arenas measured on it" if target.measured else "by the rules of its sources, not measured"
    )
    bounded = "exact" if arena.exact else f"upper bound ({arena.bounded_bytes:,} bytes are not known exactly)"
    yield Fact("Arena", bounded, f"replay of TFLM for {target}; {checked}")
    yield Fact("Model in flash", "exact", "bytes of the file")
    measured = "measured, with the stated margin" if code.exact else "upper bound or estimate, see the notes"
    yield Fact("TFLM's code", measured, f"links of TFLM {target.version}, build {code.build}")
    yield Fact("Interpreter, resolver, data", "exact", f"sizes of TFLM {target.version} objects on {target.core.name}")
    yield Fact("Stack", "allowance", "an assumption, not a measurement; --stack changes it")
    macs = "exact" if analysis.macs.exact else "lower bound: some operators are unknown"
    yield Fact("MACs", macs, "products summed into outputs; taps on padding count, bias and pooling do not")
    if any(result.latency for result in subject.results):
        yield Fact("Time", "estimate", "fitted to measurements on the chip; mcuplan latency tells whose")
    if any(result.energy for result in subject.results):
        yield Fact("Energy", "estimate", "time by the active power of a datasheet; mcuplan energy tells which")
    for rule in subject.shown.limits.rules:
        unit = "MACs" if rule.resource == "macs" else "bytes"
        label = _LABELS[rule.resource]
        yield Fact(f"Limit on {label}", f"{rule.limit:,} {unit}", rule.source)
    for held in subject.shown.limits.estimates:
        yield Fact(f"Limit on {held.quantity}", show_quantity(held.limit, held.unit), held.source)
