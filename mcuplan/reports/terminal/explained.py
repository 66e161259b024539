"""All that ``mcuplan explain`` says of one model."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from mcuplan.budget import Analysis
from mcuplan.findings.diagnostics import diagnose
from mcuplan.findings.explanation import explain
from mcuplan.findings.lean import lean_told
from mcuplan.findings.rows import rows_told
from mcuplan.reports.documents.build import refusal_shown
from mcuplan.reports.terminal import explain as explain_text
from mcuplan.reports.terminal.check import refused_lines
from mcuplan.reports.terminal.glyphs import Glyphs
from mcuplan.reports.terminal.lines import Lines


def explain_lines(model: str, analysis: Analysis, width: int, glyphs: Glyphs) -> Iterator[Text]:
    """What a model is predicted for, where every byte of its arena goes, and what is odd about it."""
    graph, target, arena = analysis.graph, analysis.target, analysis.arena
    explanation = explain(graph, target, arena)
    kind = "exact" if arena.exact else f"an upper bound, {arena.bounded_bytes:,} bytes of it bounded"
    yield Lines(width).title(model)
    yield from Lines(width).wrapped(Text(f"{arena.target}: {kind}"), indent=2, hang=2)
    for told in filter(None, (rows_told(graph), lean_told(graph, target))):
        yield from Lines(width).wrapped(Text(f"  {told}"), hang=2)
    yield from refused_lines([refusal_shown(refusal) for refusal in analysis.refusals], Lines(width))
    yield Text()
    yield from explain_text.explanation_lines(explanation, width, glyphs)
    yield Text()
    yield from explain_text.operator_bytes_table(explanation.operators, width)
    yield from explain_text.note_lines(arena, diagnose(graph, target, arena), width)
