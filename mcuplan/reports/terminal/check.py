"""The report as lines of text, coloured by verdict alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from shlex import quote

from rich.text import Text

from mcuplan.budget.verdict import CLOSE
from mcuplan.findings.advice import Help
from mcuplan.findings.costs import ResourceName, place
from mcuplan.reports.documents.performance import estimate_facts, unjudged
from mcuplan.reports.documents.report import (
    HOW_SHARED,
    NearLimit,
    PlanFault,
    Refusal,
    Report,
    Result,
    Rule,
    SharedResult,
    Violation,
)
from mcuplan.reports.terminal.glyphs import Glyphs, bar
from mcuplan.reports.terminal.lines import COMMAND, PATH, Lines, harmless
from mcuplan.text import counted, safe_name, show_bytes, show_count, show_share, shown

PASS, WARN, FAIL = "green", "yellow", "red"
_STYLES = {"pass": PASS, "fail": FAIL, "unsupported": FAIL, "error": FAIL}
_LABELS = {"ram": "RAM", "arena": "arena", "flash": "flash", "macs": "MACs"}
_FULL_MODELS = 3
"""Up to this many models, each is shown in full; more are a line each, with what is wrong with them."""
_FULL_BOARDS = 4
_REFUSALS = 5
_FAULTS = 3
_NAMED = 8


def report_lines(
    report: Report, width: int, glyphs: Glyphs, *, quiet: bool = False, errors: bool = True
) -> Iterator[Text]:
    """The whole report; with ``quiet`` only what does not pass; without ``errors`` no model that cannot be read."""
    lines = Lines(width)
    hidden = {verdict for verdict, hide in (("pass", quiet), ("error", not errors)) if hide}
    # A limit that nobody could judge is said even where everything else passes.
    results = [r for r in report.results if r.verdict not in hidden or unjudged(r)]
    groups = [(name, list(rows)) for name, rows in groupby(results, key=lambda r: r.model)]
    full = len(groups) <= _FULL_MODELS and not quiet
    for index, (_, rows) in enumerate(groups):
        if full:
            yield from [Text()] * (index > 0)
            yield from _model(rows, lines, glyphs)
        else:
            for row in rows:
                yield from _short(row, lines)
                yield from _why([row], lines)
    for group in report.shared:
        if group.verdict not in hidden:
            yield from [Text()] * full
            yield from _shared(group, lines, glyphs)
    if quiet:
        yield from _explanation(report)
    elif len(report.results) > 1:
        yield Text()
        yield from lines.wrapped(_summary(report))


def _explanation(report: Report) -> Iterator[Text]:
    """The command that explains the first result that does not pass, and works out what would change it."""
    bad = [row for row in report.results if row.verdict in ("fail", "unsupported")]
    if not bad or any(row.why is not None for row in report.results):
        return
    board = f" --board {quote(bad[0].board)}" if bad[0].board else ""
    stated = "".join(f" {rule.source} {rule.limit}" for rule in bad[0].limits.rules if rule.source.startswith("--"))
    more = f" (the first of {len(bad)})" if len(bad) > 1 else ""
    # On a line of its own, unbroken: it is to be copied.
    yield harmless(
        Text(f"Explain it{more}: mcuplan check {quote(bad[0].model)}{board}{stated} --why"), COMMAND, COMMAND
    )


def _summary(report: Report) -> Text:
    verdicts = [*(r.verdict for r in report.results), *(group.verdict for group in report.shared)]
    models, boards = len({r.model for r in report.results}), len({r.board for r in report.results if r.board})
    where = f" on {boards} boards" if boards > 1 else ""
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("pass", "fail", "unsupported", "error") if v in verdicts)
    near = sum(bool(row.warnings) for row in report.results) + sum(bool(group.warnings) for group in report.shared)
    close = f", {near} close to a limit" if near else ""
    return Text(f"{models} model{'s' * (models > 1)}{where}: {counts}{close}")


def _model(rows: Sequence[Result], lines: Lines, glyphs: Glyphs) -> Iterator[Text]:
    """One model on its boards, then what it spends most on where it is worst off."""
    for index, row in enumerate(rows):
        if len(rows) > _FULL_BOARDS:
            yield from _short(row, lines)
            continue
        yield from [Text()] * (index > 0)
        yield from _verdict(row, lines)
        yield from _figures(row, lines, glyphs, row.arena is None or row.arena.exact)
        yield from _arena(row, lines)
        for label, said in estimate_facts(row):
            yield from lines.wrapped(Text(f"{label:<7}{said}"), indent=2, hang=7)
        yield from _violations(row.violations, lines)
        yield from _warnings(row.warnings, lines)
        yield from _refusals(row.refusals, lines)
        yield from _faults(row.faults, lines)
    worst = max(rows, key=_badness)
    if worst.arena is None:
        return
    which = f" (on {_board(worst)})" if len(rows) > 1 else ""
    yield from _peak(worst, which, lines)
    yield from _costs(worst, which, lines)
    if worst.why is None:
        yield from _help(worst.help, lines)
    yield from _notes(worst.notes, lines)
    yield from _why(rows, lines)


def _badness(row: Result) -> tuple[int, float]:
    order = ("pass", "fail", "unsupported", "error")
    return order.index(row.verdict), max((r.figure / max(r.limit, 1) for r in row.limits.rules), default=0.0)


def _board(row: Result | SharedResult) -> str:
    return row.board_name or row.board or "no board"


def _verdict(row: Result, lines: Lines) -> Iterator[Text]:
    head = Text()
    head.append(f"{row.verdict.upper():<5}", style=f"bold {_STYLES[row.verdict]}")
    head.append(f" {row.model}", style="bold")
    if row.board:
        head.append(f" on {_board(row)}")
    yield from lines.wrapped(head, hang=6, word=PATH)
    if row.error is not None:
        yield from lines.wrapped(Text(row.error), indent=6, word=PATH)
    if row.facts is not None and row.flash is not None:
        facts = row.facts
        yield from lines.wrapped(
            Text(
                f"{counted(facts.operators, 'operator')}, {facts.activations}, "
                f"model {show_bytes(row.flash.model_bytes)}; {row.target}"
            ),
            indent=6,
        )
    if row.planned is not None:
        yield from lines.wrapped(Text(row.planned.sentence), indent=6)
    if row.rows is not None:
        yield from lines.wrapped(Text(row.rows.told), indent=6)


def _figures(row: Result | SharedResult, lines: Lines, glyphs: Glyphs, arena_exact: bool = True) -> Iterator[Text]:
    if row.ram is None or row.flash is None or row.macs is None:
        return
    totals: dict[ResourceName, int] = {"ram": row.ram.total_bytes, "flash": row.flash.total_bytes, "macs": row.macs}
    rules = {rule.resource: rule for rule in row.limits.rules}
    bounds = {"ram": not arena_exact, "flash": not row.flash.exact}
    if "arena" in rules:
        yield _gauge("arena", row.ram.arena_bytes, rules["arena"], lines.width, glyphs, not arena_exact)
    for resource, total in totals.items():
        rule = rules.get(resource)
        bound = bounds.get(resource, False) and (rule is None or rule.counted != "model")
        yield _gauge(resource, total, rule, lines.width, glyphs, bound)
    for rule in row.limits.rules:
        if rule.baseline:
            yield from lines.wrapped(Text(_allowed(rule)), indent=2, hang=2)
    for said in row.room:
        yield from lines.wrapped(Text(said), indent=2, hang=2)


def _allowed(rule: Rule) -> str:
    """Whose leave a figure over its limit has."""
    unit = "MACs" if rule.resource == "macs" else "bytes"
    return f"{_LABELS[rule.resource]}: {rule.limit:,} {unit} allowed by {rule.source}"


_COUNTED = {"arena": "arena", "model": "model", "need": "", "macs": ""}


def _gauge(resource: str, total: int, rule: Rule | None, width: int, glyphs: Glyphs, bound: bool) -> Text:
    """One bar with its figures, ``<=`` before a bound; without bar where the terminal is too narrow for both."""
    mark = "<=" if bound else ""
    show = show_count if resource == "macs" else show_bytes
    line = Text(f"  {_LABELS[resource]:<6}", no_wrap=True)
    if rule is None:
        line.append(f"{mark}{show(total)}, no limit")
        line.truncate(width)
        return line
    part = rule.figure / max(rule.limit, 1)
    broken = rule.figure >= rule.limit if rule.strict else rule.figure > rule.limit
    style = FAIL if broken else WARN if part >= CLOSE else PASS
    figures = f"{mark + show(rule.figure):>9} of {show(rule.limit):>8} {show_share(part):>5}"
    counted = f" {_COUNTED[rule.counted]}" if _COUNTED[rule.counted] and resource != "arena" else ""
    room = width - len(line) - len(figures) - 8
    if room >= 8:
        line.append(bar(rule.figure, rule.limit, min(room, 60), glyphs), style=style)
        line.append(" ")
    line.append(figures + counted)
    line.truncate(width)
    return line


def _arena(row: Result, lines: Lines) -> Iterator[Text]:
    if row.arena is None or row.ram is None:
        return
    a, r = row.arena, row.ram
    bound = "" if a.exact else "at most "
    said = (
        f"declare {bound}{a.declare_bytes:,} bytes (uses {a.used_bytes:,}: {a.nonpersistent_bytes:,} planned + "
        f"{a.persistent_bytes:,} persistent)"
    )
    yield from lines.wrapped(Text(f"arena {said}"), indent=2, hang=6)
    if any(rule.resource == "ram" and rule.counted == "need" for rule in row.limits.rules):
        objects = r.interpreter_bytes + r.resolver_bytes
        data = f" + {r.data_bytes:,} kernel data" if r.data_bytes else ""
        here = r.arena_bytes - r.elsewhere_bytes
        inside = "arena + " if not r.elsewhere_bytes else f"{here:,} of the arenas + " if here else ""
        yield from lines.wrapped(
            Text(f"RAM   {inside}{objects:,} interpreter and resolver{data} + {r.stack_bytes:,} stack"),
            indent=2,
            hang=6,
        )


def _violations(broken: Iterable[Violation], lines: Lines) -> Iterator[Text]:
    for violation in broken:
        yield from lines.wrapped(Text(violation.message, style=FAIL), indent=2, hang=2)


def _warnings(near: Iterable[NearLimit], lines: Lines) -> Iterator[Text]:
    for warning in near:
        yield from lines.wrapped(Text(f"warning: {warning.message}", style=WARN), indent=2, hang=2)


def _refusals(refusals: Sequence[Refusal], lines: Lines) -> Iterator[Text]:
    """Reasons, those that differ only in the operator said once."""
    kinds: dict[tuple[str, str, str], list[Refusal]] = {}
    for refusal in refusals:
        kinds.setdefault((refusal.rule, refusal.reason, refusal.remedy), []).append(refusal)
    for (_, reason, remedy), same in list(kinds.items())[:_REFUSALS]:
        text = Text(f"{_operators(same)}{reason}{_tensor(same[0])}", style=FAIL)
        yield from lines.wrapped(text, indent=2, hang=2)
        if remedy:
            yield from lines.wrapped(Text(f"remedy: {remedy}"), indent=4, hang=2)
    if len(kinds) > _REFUSALS:
        yield Text(f"  and {len(kinds) - _REFUSALS} more reasons (all are in --format json)")


def refused_lines(refusals: Sequence[Refusal], lines: Lines) -> Iterator[Text]:
    """That TFLM refuses a model, and why; nothing where it does not."""
    if refusals:
        yield from lines.wrapped(Text("  TFLM refuses this model:", style=FAIL), hang=2)
        yield from _refusals(refusals, lines)


def _faults(faults: Sequence[PlanFault], lines: Lines) -> Iterator[Text]:
    """What the model's own plan does wrong on this target, and what to do about it."""
    if not faults:
        return
    head = f"its memory plan is wrong on this target, at {counted(len(faults), 'place')}"
    if all(fault.rule == "plan-lean" for fault in faults):
        head = "it does not go with this firmware"
    yield from lines.wrapped(Text(head, style=FAIL), indent=2, hang=2)
    for fault in faults[:_FAULTS]:
        yield from lines.wrapped(Text(fault.message, style=FAIL), indent=4, hang=2)
    if len(faults) > _FAULTS:
        yield from lines.wrapped(Text(f"and {len(faults) - _FAULTS} more (all are in --format json)"), indent=4)
    yield from lines.wrapped(Text(f"remedy: {faults[0].remedy}"), indent=4, hang=2)


def _operators(refusals: Sequence[Refusal]) -> str:
    """``operator 3, CONV_2D: ``, or ``operators 0, 2, 4 and 5 more: ``; empty for reasons of the whole model."""
    places = [place(r.subgraph, r.operator) for r in refusals if r.operator >= 0]
    if not places:
        return ""
    if len(places) == 1:
        return f"operator {places[0]}, {refusals[0].operator_name}: "
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return f"operators {', '.join(places[:_NAMED])}{more}: "


def _tensor(refusal: Refusal) -> str:
    return f" (tensor '{refusal.tensor_name}')" if refusal.tensor_name else ""


def _peak(row: Result, which: str, lines: Lines) -> Iterator[Text]:
    if row.peak is None:
        return
    p = row.peak
    where = f"operator {place(p.subgraph, p.operator)}, {p.operator_name}" if p.operator >= 0 else "the start"
    yield Text()
    head = Text(f"Memory peaks at {where}{which}", style="bold")
    head.append(f": {p.live_bytes:,} bytes live in {counted(len(p.buffers), 'buffer')}", style="not bold")
    yield from lines.wrapped(head, hang=2)


def _costs(row: Result, which: str, lines: Lines) -> Iterator[Text]:
    if not row.costs:
        return
    yield Text()
    yield from lines.wrapped(Text(f"Largest costs{which}, as parts of their limits", style="bold"))
    for cost in row.costs:
        show = show_count if cost.resource == "macs" else show_bytes
        line = Text(f"  {_LABELS[cost.resource]:<6}{show_share(cost.share):>5} {show(cost.amount):>9}  ")
        line.append(shown(cost.what))
        room = lines.width - line.cell_len - 3
        name = _last_parts(cost.name, min(room - 1, 40))
        if name:
            line.append(f"  {name}", style="dim")
        yield lines.cut(line)


def _last_parts(name: str, room: int) -> str:
    """As many of the last parts of a tensor's name (``model/block/conv``) as have room; none is cut.

    Examples
    --------
    >>> _last_parts("model/block/conv", 20), _last_parts("model/block/conv", 14), _last_parts("model/block/conv", 4)
    ('model/block/conv', '../block/conv', '')
    """
    shown_name = safe_name(name, 400)
    if len(shown_name) <= room:
        return shown_name
    parts = shown_name.split("/")
    tails = ("/".join(["..", *parts[start:]]) for start in range(1, len(parts)))
    return next((tail for tail in tails if len(tail) <= room), "")


def _help(tips: Sequence[Help], lines: Lines) -> Iterator[Text]:
    if not tips:
        return
    yield Text()
    yield Text("What would help", style="bold")
    for tip in tips:
        gain = f" (saves {tip.saves:,} bytes)" if tip.saves else ""
        command = f": {tip.command}" if tip.command else ""
        yield from lines.wrapped(Text(f"- {tip.text}{gain}{command}"), indent=2, hang=2, word=COMMAND)


def _why(rows: Sequence[Result], lines: Lines) -> Iterator[Text]:
    asked = [row for row in rows if row.why is not None and row.arena is not None]
    if not asked:
        return
    from mcuplan.reports.terminal.why import why_lines

    for row in asked:
        where = f" on {_board(row)}" if row.board else ""
        yield from why_lines(row.why or (), row.verdict == "pass", lines, where)


def _notes(notes: Sequence[str], lines: Lines) -> Iterator[Text]:
    if notes:
        yield Text()
    for note in notes[:3]:
        yield from lines.wrapped(Text(f"Note: {note}"), hang=6)
    if len(notes) > 3:
        yield Text(f"      and {len(notes) - 3} more notes (all are in --format json)")


def _short(row: Result, lines: Lines) -> Iterator[Text]:
    """One result in a line, and what is wrong with it."""
    line = Text()
    line.append(f"{row.verdict.upper():<5}", style=f"bold {_STYLES[row.verdict]}")
    parts = [f"{_LABELS[r.resource]} {show_share(r.figure / max(r.limit, 1)):>4}" for r in row.limits.rules]
    if parts:
        line.append(f"  {'  '.join(parts)} ")
    line.append(f" {row.model}")
    if row.board:
        line.append(f" on {_board(row)}")
    yield from lines.wrapped(line, hang=6, word=PATH)
    if row.error is not None:
        yield from lines.wrapped(Text(row.error), indent=6, word=PATH)
    yield from _violations(row.violations, Lines(lines.width, margin=4))
    yield from _warnings(row.warnings, Lines(lines.width, margin=4))
    for said in unjudged(row):
        yield from lines.wrapped(Text(said, style=WARN), indent=4, hang=2)
    yield from _refusals(row.refusals, Lines(lines.width, margin=4))
    yield from _faults(row.faults, Lines(lines.width, margin=4))


def _shared(group: SharedResult, lines: Lines, glyphs: Glyphs) -> Iterator[Text]:
    head = Text()
    head.append(f"{group.verdict.upper():<5}", style=f"bold {_STYLES[group.verdict]}")
    head.append(f" {group.name}", style="bold")
    head.append(f" together on {_board(group)}")
    yield from lines.wrapped(head, hang=6)
    members = ", ".join(group.models)
    how = HOW_SHARED[group.arenas]
    yield from lines.wrapped(Text(f"{members}; {how}"), indent=6)
    if group.error is not None:
        yield from lines.wrapped(Text(group.error), indent=6, word=PATH)
    yield from _figures(group, lines, glyphs)
    yield from _violations(group.violations, lines)
    yield from _warnings(group.warnings, lines)
    yield from _notes(group.notes, lines)
