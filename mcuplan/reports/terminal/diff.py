"""A difference on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from mcuplan.findings.diff.difference import Change, Diff
from mcuplan.findings.diff.parts import Growth
from mcuplan.reports.terminal.boards import board_lines
from mcuplan.reports.terminal.lines import PATH, Lines
from mcuplan.text import show_bytes, show_count

LABELS = {"arena": "arena", "ram": "RAM", "flash": "flash", "macs": "MACs", "instructions": "instructions"}
_COUNTS = ("macs", "instructions")
_PARTS, _LISTED = 8, 12


def diff_lines(found: Diff, width: int) -> Iterator[Text]:
    """The totals, what made them change, operators and quantization that changed, and limits on growth."""
    lines = Lines(width)
    yield from lines.wrapped(Text(f"{found.old.model} -> {found.new.model}", "bold"), word=PATH)
    yield from lines.wrapped(Text(f"{found.target}{bound_note(found)}"), indent=2)
    for said in plan_notes(found):
        yield from lines.wrapped(Text(said), indent=2, hang=2)
    yield Text()
    width = max(len(LABELS[change.resource]) for change in found.changes) + 1
    for change in found.changes:
        percent = f" {100 * change.change / change.old:+.1f}%" if change.old and change.change else ""
        totals = f"{change.old:>14,} -> {change.new:>13,} {signed(change.change):>14}"
        yield Text(f"  {LABELS[change.resource]:<{width}}{totals}{percent}")
    if found.boards:
        yield Text()
        yield from board_lines(found.boards, lines)
    for change in found.changes:
        # The arena's parts are RAM's too.
        if change.parts and not (change.resource == "ram" and _same_as_arena(found, change)):
            yield from _parts(change, lines)
    yield from _operators(found, lines)
    yield from _quantization(found, lines)
    for growth in found.growth:
        yield Text()
        yield from lines.wrapped(Text(growth_sentence(growth), style="red" if growth.broken else "green"))


def _same_as_arena(found: Diff, ram: Change) -> bool:
    return any(change.resource == "arena" and change.change == ram.change for change in found.changes)


def bound_note(found: Diff) -> str:
    """Says so where an arena is an upper bound."""
    return "" if found.old.exact and found.new.exact else "; arenas are upper bounds"


def plan_notes(found: Diff) -> Iterator[str]:
    """Where the two are from, if ``mcuplan plan`` wrote them; whether TFLM runs them, and whether their plans hold."""
    for label, side in (("old", found.old), ("new", found.new)):
        if side.refusals:
            more = f" and {len(side.refusals) - 1} more" if len(side.refusals) > 1 else ""
            yield f"{label}: unsupported: {side.refusals[0]}{more}"
        if side.planned is not None:
            yield f"{label}: {side.planned.sentence}"
        if side.rows:
            yield f"{label}: {side.rows}"
        if side.plan_faults:
            count = len(side.plan_faults)
            more = f" and {count - 1} more" if count > 1 else ""
            yield f"{label}: its memory plan is wrong on this target: {side.plan_faults[0]}{more}"


def signed(amount: int) -> str:
    """A change with its sign; ``0`` without.

    Examples
    --------
    >>> signed(2_048), signed(-16), signed(0)
    ('+2,048', '-16', '0')
    """
    return f"{amount:+,}" if amount else "0"


def growth_sentence(growth: Growth) -> str:
    """Whether a resource grew by more than it may."""
    show = show_count if growth.resource in _COUNTS else show_bytes
    verb = "grew" if growth.change > 0 else "changed"
    verdict = "more than" if growth.broken else "within"
    unit = "" if growth.resource in _COUNTS else " bytes"
    label = LABELS[growth.resource]
    return f"{label} {verb} by {signed(growth.change)}{unit}, {verdict} the {show(growth.limit)} allowed"


def _parts(change: Change, lines: Lines) -> Iterator[Text]:
    yield Text()
    unit = "" if change.resource in _COUNTS else " bytes"
    yield Text(f"{LABELS[change.resource]} {signed(change.change)}{unit}, of which", style="bold")
    for part in change.parts[:_PARTS]:
        name = f"  {part.name}" if part.name else ""
        line = Text(f"  {signed(part.change):>12}  {part.what}")
        line.append(name, style="dim")
        yield lines.cut(line)
    rest = change.parts[_PARTS:]
    if rest:
        yield Text(f"  {signed(sum(part.change for part in rest)):>12}  {len(rest)} smaller changes")


def _operators(found: Diff, lines: Lines) -> Iterator[Text]:
    if not found.operators:
        return
    yield Text()
    kinds = [change.kind for change in found.operators]
    counts = ", ".join(
        f"{kinds.count(kind)} {kind}" for kind in ("added", "removed", "moved", "changed") if kind in kinds
    )
    yield Text(f"Operators: {counts}", style="bold")
    for change in found.operators[:_LISTED]:
        detail = f": {change.detail}" if change.detail else ""
        text = Text(f"{change.kind:<8} {change.place} {change.operator_name}{detail}")
        if change.name:
            text.append(f"  {change.name}", style="dim")
        yield from lines.wrapped(text, indent=2, hang=9)
    if len(found.operators) > _LISTED:
        yield Text(f"  and {len(found.operators) - _LISTED} more (all are in --format json)")


def _quantization(found: Diff, lines: Lines) -> Iterator[Text]:
    if not found.quantization:
        return
    yield Text()
    count = len(found.quantization)
    yield Text(f"Quantization: {count} tensor{'s' * (count != 1)} changed", style="bold")
    for change in found.quantization[:_LISTED]:
        what = f"{change.place} {change.operator_name} {change.role}: {change.detail}"
        text = Text(what)
        if change.name:
            text.append(f"  {change.name}", style="dim")
        yield from lines.wrapped(text, indent=2, hang=2)
    if count > _LISTED:
        yield Text(f"  and {count - _LISTED} more (all are in --format json)")
