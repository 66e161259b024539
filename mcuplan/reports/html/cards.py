"""The verdict on one board: gauges, what is broken, what would help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from mcuplan.budget.verdict import CLOSE
from mcuplan.findings.advice import Help
from mcuplan.findings.costs import place
from mcuplan.reports.documents.performance import estimate_facts, unjudged
from mcuplan.reports.documents.report import HOW_SHARED, Result, Rule, SharedResult
from mcuplan.reports.html.arena_map import Limit
from mcuplan.reports.html.subject import Subject
from mcuplan.text import counted, show_bytes, show_count, show_share

_LABELS = {"ram": "RAM", "arena": "Arena", "flash": "Flash", "macs": "MACs"}
_COUNTED = {"arena": "arena alone", "model": "model alone", "need": "", "macs": ""}
_REASONS = 8
STATES = {"pass": "pass", "fail": "fail", "unsupported": "fail", "error": "fail"}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure against its limit; ``filled`` and ``mark`` are percent of the bar, ``mark`` -1 inside the limit."""

    label: str
    figure: str
    limit: str
    share: str
    state: str
    filled: float
    mark: float
    note: str


@dataclass(frozen=True, slots=True)
class Card:
    """One board's verdict."""

    title: str
    verdict: str
    state: str
    target: str
    gauges: tuple[Gauge, ...]
    arena: str
    estimates: tuple[tuple[str, str], ...]
    """Time, energy and power where they are known: a label and a sentence each."""
    problems: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tip:
    """Something that would help, the bytes it saves, the command that does it."""

    text: str
    saves: str
    command: str


def card(row: Result) -> Card:
    """The card of one result."""
    return Card(
        title=(row.board_name or row.board or ("Rule of thumb (no board)" if row.error is None else "Unreadable")),
        verdict=row.verdict.upper(),
        state=STATES[row.verdict],
        target=f"{row.target}{f'; {row.planned.sentence}' if row.planned else ''}" if row.target else "",
        gauges=tuple(gauges(row, row.arena is None or row.arena.exact)),
        arena=_arena(row),
        estimates=tuple((label.capitalize(), f"estimate: {said}") for label, said in estimate_facts(row)),
        problems=tuple(_problems(row)),
        notes=(*(w.message for w in row.warnings), *row.room, *row.notes),
    )


def shared_card(group: SharedResult) -> Card:
    """The card of several models on one board."""
    names = ", ".join(group.models)
    how = HOW_SHARED[group.arenas]
    problems = [v.message for v in group.violations]
    return Card(
        title=f"{group.name} together on {group.board_name or group.board}",
        verdict=group.verdict.upper(),
        state=STATES[group.verdict],
        target=group.target or "",
        gauges=tuple(gauges(group)),
        arena=f"{names}; {how}",
        estimates=(),
        problems=tuple(problems if group.error is None else [group.error]),
        notes=(*(w.message for w in group.warnings), *group.room, *group.notes),
    )


def gauges(row: Result | SharedResult, arena_exact: bool = True) -> Iterator[Gauge]:
    """RAM, flash and MACs, each against its limit where it has one."""
    if row.ram is None or row.flash is None or row.macs is None:
        return
    rules = {rule.resource: rule for rule in row.limits.rules}
    bound = {"ram": not arena_exact, "flash": not row.flash.exact}
    if "arena" in rules:
        yield _gauge("arena", row.ram.arena_bytes, rules["arena"], not arena_exact)
    for resource, total in (("ram", row.ram.total_bytes), ("flash", row.flash.total_bytes), ("macs", row.macs)):
        rule = next((rule for name, rule in rules.items() if name == resource), None)
        yield _gauge(resource, total, rule, bound.get(resource, False) and (rule is None or rule.counted != "model"))


def _gauge(resource: str, total: int, rule: Rule | None, bound: bool) -> Gauge:
    show = show_count if resource == "macs" else show_bytes
    most = "≤ " if bound else ""
    if rule is None:
        return Gauge(_LABELS[resource], most + show(total), "", "", "none", 0, -1, "no limit")
    part = rule.figure / max(rule.limit, 1)
    broken = rule.figure >= rule.limit if rule.strict else rule.figure > rule.limit
    return Gauge(
        label=_LABELS[resource],
        figure=most + show(rule.figure),
        limit=show(rule.limit),
        share=show_share(part),
        state="fail" if broken else "warn" if part >= CLOSE else "pass",
        filled=100 if part > 1 else round(100 * part, 1),
        mark=round(100 / part, 1) if part > 1 else -1,
        note=_COUNTED[rule.counted],
    )


def _arena(row: Result) -> str:
    if row.arena is None:
        return ""
    a = row.arena
    bound = "" if a.exact else "at most "
    return (
        f"Arena to declare: {bound}{a.declare_bytes:,} bytes ({a.nonpersistent_bytes:,} planned, "
        f"{a.persistent_bytes:,} persistent)"
    )


def _problems(row: Result) -> Iterator[str]:
    if row.error is not None:
        yield row.error
    for violation in row.violations:
        yield violation.message
    yield from unjudged(row)
    for refusal in row.refusals[:_REASONS]:
        where = (
            f"Operator {place(refusal.subgraph, refusal.operator)}, {refusal.operator_name}: "
            if refusal.operator >= 0
            else ""
        )
        remedy = f" Remedy: {refusal.remedy}" if refusal.remedy else ""
        yield f"{where}{refusal.reason}.{remedy}"
    if len(row.refusals) > _REASONS:
        yield f"and {counted(len(row.refusals) - _REASONS, 'more reason')}"
    for fault in row.faults[:_REASONS]:
        yield f"Memory plan: {fault.message}."
    if len(row.faults) > _REASONS:
        yield f"and {counted(len(row.faults) - _REASONS, 'more place')} where the memory plan is wrong"
    if row.faults:
        yield f"Remedy: {row.faults[0].remedy}."


def arena_limit(row: Result) -> Limit | None:
    """The most bytes the arena may have: the limit on RAM less what stands beside the arena."""
    rule = next((rule for rule in row.limits.rules if rule.resource == "ram"), None)
    if rule is None or row.ram is None:
        return None
    inside = row.ram.arena_bytes - row.ram.elsewhere_bytes
    beside = 0 if rule.counted == "arena" else row.ram.total_bytes - inside
    return Limit(rule.limit - beside - int(rule.strict), rule.source, beside)


def tips(subject: Subject) -> Iterator[Tip]:
    """What would help: the plans that were found, the one that saves most first, then what the report knows."""
    yield from (tip for _, tip in sorted(_plans(subject), key=lambda found: -found[0]))
    for tip in subject.shown.help:
        if not (subject.study.plan is not None and "a better memory plan" in tip.text):
            yield _tip(tip)


def _plans(subject: Subject) -> Iterator[tuple[int, Tip]]:
    """Plans and the bytes they save."""
    options = f" --board {quote(subject.shown.board)}" if subject.shown.board else ""
    command = f"mcuplan plan {quote(subject.model)}{options}"
    plan, patches, limit = subject.study.plan, subject.study.patches, arena_limit(subject.shown)
    if plan is not None and plan.gain_bytes > 0:
        told = _gain("mcuplan's plan", plan.before.declare_bytes, plan.after.declare_bytes, limit)
        yield plan.gain_bytes, Tip(*told, f"{command} -o planned.tflite")
    if patches is not None:
        how = f" at {patches.price}"
        told = _gain("patch stages", patches.before.declare_bytes, patches.after.declare_bytes, limit, how)
        stages = subject.study.stages
        command += " ".join((" --patch", *(stages.options() if stages is not None else ())))
        yield patches.gain_bytes, Tip(*told, f"{command} -o patched.tflite")


def _gain(what: str, before: int, after: int, limit: Limit | None, how: str = "") -> tuple[str, str]:
    """What a plan does and whether RAM then fits, and what it saves."""
    verdict = ""
    if limit is not None and before > limit.arena_bytes:
        over = after - limit.arena_bytes
        verdict = "; RAM then fits" if over <= 0 else f"; still {over:,} bytes too many"
    return (
        f"{what}: the arena goes from {before:,} to {after:,} bytes{how}, same outputs bit for bit{verdict}",
        f"{before - after:,} bytes of RAM",
    )


def _tip(tip: Help) -> Tip:
    unit = "MACs" if tip.resource == "macs" else "bytes of RAM" if tip.resource == "ram" else "bytes of flash"
    saves = f"up to {tip.saves:,} {unit}" if tip.saves else ""
    return Tip(tip.text.replace("`", ""), saves, tip.command)
