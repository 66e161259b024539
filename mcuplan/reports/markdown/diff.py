"""A difference as a pull-request comment, under 60 kB."""

from __future__ import annotations

from collections.abc import Iterator

from mcuplan.findings.diff.difference import Change, Diff
from mcuplan.reports.markdown.boards import boards_table
from mcuplan.reports.markdown.markup import code, plain
from mcuplan.reports.terminal.diff import LABELS, bound_note, growth_sentence, plan_notes, signed
from mcuplan.text import counted

_PARTS, _LISTED = 12, 40


def diff_markdown(found: Diff) -> str:
    """GitHub-flavoured Markdown: totals, limits on growth, then what made them change, folded away."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Diff) -> Iterator[str]:
    broken = any(growth.broken for growth in found.growth)
    mark = "❌ " if broken else "✅ " if found.growth else ""
    yield f"### {mark}mcuplan: {code(found.old.model)} → {code(found.new.model)}"
    yield ""
    for growth in found.growth:
        yield f"- {'❌' if growth.broken else '✅'} {growth_sentence(growth)}"
    if found.growth:
        yield ""
    yield f"| {found.target} | Old | New | Change |"
    yield "|:--|--:|--:|--:|"
    for change in found.changes:
        percent = f" ({100 * change.change / change.old:+.1f}%)" if change.old and change.change else ""
        shown = f"**{signed(change.change)}**{percent}" if change.change else "0"
        yield f"| {LABELS[change.resource]} | {change.old:,} | {change.new:,} | {shown} |"
    yield ""
    yield from boards_table(found.boards)
    for said in plan_notes(found):
        yield plain(said)
        yield ""
    if bound_note(found):
        yield "Arenas are upper bounds."
        yield ""
    for change in found.changes:
        if change.parts:
            yield from _folded(f"{LABELS[change.resource]} {signed(change.change)}: what made it so", _parts(change))
    if found.operators:
        yield from _folded(f"{counted(len(found.operators), 'operator')} came, went or changed", _operators(found))
    if found.quantization:
        yield from _folded(
            f"Quantization of {counted(len(found.quantization), 'tensor')} changed", _quantization(found)
        )


def _folded(title: str, rows: Iterator[str]) -> Iterator[str]:
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield from rows
    yield ""
    yield "</details>"
    yield ""


def _parts(change: Change) -> Iterator[str]:
    yield "| Change | Old | New | What |"
    yield "|--:|--:|--:|:--|"
    for part in change.parts[:_PARTS]:
        name = f" {code(part.name, 40)}" if part.name else ""
        yield f"| {signed(part.change)} | {part.old:,} | {part.new:,} | {plain(part.what, 80)}{name} |"
    rest = change.parts[_PARTS:]
    if rest:
        old, new = sum(part.old for part in rest), sum(part.new for part in rest)
        yield f"| {signed(new - old)} | {old:,} | {new:,} | {len(rest)} smaller changes |"


def _operators(found: Diff) -> Iterator[str]:
    for change in found.operators[:_LISTED]:
        detail = f": {plain(change.detail, 160)}" if change.detail else ""
        name = f" {code(change.name, 40)}" if change.name else ""
        yield f"- {change.kind} {change.place} {plain(change.operator_name, 40)}{name}{detail}"
    if len(found.operators) > _LISTED:
        yield f"- and {len(found.operators) - _LISTED} more"


def _quantization(found: Diff) -> Iterator[str]:
    for change in found.quantization[:_LISTED]:
        name = f" {code(change.name, 40)}" if change.name else ""
        yield f"- {change.place} {plain(change.operator_name, 40)} {change.role}{name}: {plain(change.detail, 120)}"
    if len(found.quantization) > _LISTED:
        yield f"- and {len(found.quantization) - _LISTED} more"
