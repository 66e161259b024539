"""The report as a pull-request comment or a job summary: a table, what is wrong, details folded away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from mcuplan.budget.verdict import CLOSE
from mcuplan.findings.costs import place
from mcuplan.reports.documents.performance import estimate_facts, unjudged
from mcuplan.reports.documents.report import Report, Result, Rule, SharedResult
from mcuplan.reports.markdown.markup import code, fitting, html_text, plain
from mcuplan.reports.problems import board_label, group_problems, result_problems
from mcuplan.text import counted, show_bytes, show_count, show_share

LONGEST = 60_000
"""Bytes that a comment stays under; GitHub takes 65,536 characters."""
_ROOM = LONGEST - 1_000
_MARKS = {"pass": "✅ pass", "fail": "❌ fail", "unsupported": "❌ unsupported", "error": "❌ unreadable"}
_REASONS = 5


def render(report: Report) -> str:
    """GitHub-flavoured Markdown, under 60 kB whatever the report holds; what has no room is counted."""
    # Table rows come first; details only take what room they leave.
    rows = [*(_row(r) for r in report.results), *(_row(group) for group in report.shared)]
    head = [f"### mcuplan: {_summary(report)}", ""]
    shown = fitting(rows, _ROOM // 2)
    lines = [*head, "| Verdict | Model | Board | RAM | Flash | MACs |", "|:--|:--|:--|:--|:--|:--|", *shown]
    if len(shown) < len(rows):
        lines += ["", f"and {len(rows) - len(shown)} more results"]
    sections = ["\n".join(section) for section in _sections(report)]
    kept = fitting(sections, _ROOM - len("\n".join(lines).encode()))
    if kept:
        lines += ["", *kept]
    if len(kept) < len(sections):
        lines += ["", f"Details of {len(sections) - len(kept)} more are left out."]
    return "\n".join(lines) + "\n"


def _summary(report: Report) -> str:
    verdicts = [*(r.verdict for r in report.results), *(group.verdict for group in report.shared)]
    names = {"pass": "pass", "fail": "fail", "unsupported": "unsupported", "error": "unreadable"}
    near = sum(bool(row.warnings) for row in report.results) + sum(bool(group.warnings) for group in report.shared)
    counts = [f"{verdicts.count(v)} {label}" for v, label in names.items() if v in verdicts]
    return ", ".join([*counts, *([f"{near} close to a limit"] if near else [])]) or "nothing checked"


def _row(row: Result | SharedResult) -> str:
    name = code(row.model) if isinstance(row, Result) else f"{code(row.name)} together"
    board = plain(board_label(row), 60) if row.board else "–"
    return f"| {_MARKS[row.verdict]} | {name} | {board} | {' | '.join(_figures(row))} |"


def _figures(row: Result | SharedResult) -> Iterator[str]:
    totals = {
        "ram": row.ram.total_bytes if row.ram else None,
        "flash": row.flash.total_bytes if row.flash else None,
        "macs": row.macs,
    }
    for resource, total in totals.items():
        show = show_count if resource == "macs" else show_bytes
        rule = next((rule for rule in row.limits.rules if rule.resource == resource), None)
        told = "–" if total is None else show(total) if rule is None else _against(rule)
        arena = next((rule for rule in row.limits.rules if rule.resource == "arena"), None)
        yield f"{told}; arena {_against(arena)}" if resource == "ram" and arena is not None else told


def _against(rule: Rule) -> str:
    show = show_count if rule.resource == "macs" else show_bytes
    part = rule.figure / max(rule.limit, 1)
    broken = rule.figure >= rule.limit if rule.strict else rule.figure > rule.limit
    share = show_share(part)
    mark = f"❌ **{share}**" if broken else f"⚠️ {share}" if part >= CLOSE else share
    return f"{mark} {show(rule.figure)} of {show(rule.limit)}"


def _sections(report: Report) -> Iterator[list[str]]:
    """What is wrong of every result first, then the details of every model."""
    for row in report.results:
        messages = [f.message for f in list(result_problems(row))[:_REASONS]]
        near = [f"⚠️ {warning.message}" for warning in row.warnings]
        remedies = [f"remedy: {row.faults[0].remedy}"] if row.faults else []
        yield from _wrong(row, [*messages, *unjudged(row)], [*remedies, *near], code(row.model))
    for group in report.shared:
        near = [f"⚠️ {warning.message}" for warning in group.warnings]
        yield from _wrong(group, [f.message for f in group_problems(group)], near, code(group.name))
    for _, rows in groupby(report.results, key=lambda r: r.model):
        worst = max(rows, key=lambda r: (r.verdict != "pass", max((_part(rule) for rule in r.limits.rules), default=0)))
        if worst.arena is not None:
            yield list(_details(worst))


def _part(rule: Rule) -> float:
    return rule.figure / max(rule.limit, 1)


def _wrong(row: Result | SharedResult, messages: Sequence[str], after: Sequence[str], name: str) -> Iterator[list[str]]:
    """What is wrong with one result, and what is said ``after`` that: remedies and warnings."""
    if messages or after:
        problems = (*row.refusals, *row.faults, *row.violations, *unjudged(row)) if isinstance(row, Result) else ()
        total = len(problems)
        more = total - len(messages)
        last = [f"- and {counted(more, 'more reason')}"] if more > 0 else []
        where = f" on {plain(board_label(row), 60)}" if row.board else ""
        yield [
            f"**{name}{where}**",
            "",
            *(f"- {plain(message)}" for message in messages),
            *last,
            *(f"- {plain(said, 1000)}" for said in after),
            "",
        ]


def _details(row: Result) -> Iterator[str]:
    assert row.arena is not None
    a = row.arena
    where = f" on {html_text(board_label(row), 60)}" if row.board else ""
    # HTML in a summary: Markdown inside it is not interpreted, so that the name is escaped and nothing more.
    yield f"<details><summary>{html_text(row.model, 60)}{where}: where the memory goes</summary>"
    yield ""
    most = "" if a.exact else "at most "
    yield (
        f"Arena to declare: {most}{a.declare_bytes:,} bytes ({a.nonpersistent_bytes:,} planned, "
        f"{a.persistent_bytes:,} persistent); {row.target}."
    )
    if row.planned is not None:
        yield f"The model is {plain(row.planned.sentence)}."
    if row.rows is not None:
        yield f"{plain(row.rows.told).capitalize()}."
    if row.peak is not None and row.peak.operator >= 0:
        where = f"operator {place(row.peak.subgraph, row.peak.operator)}, {plain(row.peak.operator_name, 60)}"
        yield f"Memory peaks at {where}: {row.peak.live_bytes:,} bytes are live."
    for label, said in estimate_facts(row):
        yield f"{label.capitalize()}: {said}."
    yield ""
    if row.costs:
        yield "| Of its limit | | What |"
        yield "|--:|--:|:--|"
        for cost in row.costs:
            show = show_count if cost.resource == "macs" else show_bytes
            label = {"ram": "RAM", "arena": "arena", "flash": "flash", "macs": "MACs"}[cost.resource]
            what = f"{plain(cost.what, 80)} {code(cost.name, 40) if cost.name else ''}".strip()
            yield f"| {label} {show_share(cost.share)} | {show(cost.amount)} | {what} |"
        yield ""
    if row.help:
        yield "What would help:"
        yield ""
        for tip in row.help:
            unit = "MACs" if tip.resource == "macs" else "bytes"
            gain = f" (saves up to {tip.saves:,} {unit})" if tip.saves else ""
            yield f"- {plain(tip.text, 300)}{gain}{f': {code(tip.command, 200)}' if tip.command else ''}"
        yield ""
    yield from _why(row)
    yield "</details>"
    yield ""


def _why(row: Result) -> Iterator[str]:
    """What would change the verdict, where it was asked for."""
    if not row.why:
        return
    from mcuplan.reports.terminal.why import gain_text

    yield "What would make more room, best first:" if row.verdict == "pass" else "What would change the verdict:"
    yield ""
    for change in row.why:
        yield (
            f"1. {plain(change.text, 200)}: **{plain(change.effect, 200)}**; {gain_text(change)}; costs "
            f"{plain(change.cost, 200)}: {code(change.command, 1000)}"
        )
    yield ""
