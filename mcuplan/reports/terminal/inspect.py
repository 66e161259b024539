"""``mcuplan inspect`` on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from mcuplan.budget import Analysis
from mcuplan.findings.diagnostics import diagnose
from mcuplan.findings.inspection import block_rows, buffer_rows, operator_rows
from mcuplan.reports.terminal import tables
from mcuplan.reports.terminal.explain import note_lines
from mcuplan.reports.terminal.glyphs import Glyphs
from mcuplan.reports.terminal.summary import summary_lines


def inspect_lines(
    model: str, analysis: Analysis, width: int, glyphs: Glyphs, *, blocks: bool = False, arena: bool = False
) -> Iterator[Text]:
    """What a model is, its operators or its ``blocks``, and with ``arena`` every buffer of it."""
    yield from summary_lines(model, analysis, width)
    yield Text()
    if blocks:
        yield from tables.block_table(block_rows(analysis), width, glyphs)
    else:
        yield from tables.operator_table(operator_rows(analysis), width, glyphs)
    if arena:
        yield Text()
        yield from tables.buffer_table(buffer_rows(analysis), width)
        yield from note_lines(analysis.arena, diagnose(analysis.graph, analysis.target, analysis.arena), width)
