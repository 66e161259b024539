"""``mcuplan inspect``: what a model does, operator by operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mcuplan.cli.parameters import models_argument, one_board_options, target_options

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text

    from mcuplan.budget import Analysis
    from mcuplan.reports.terminal.glyphs import Glyphs


@click.command("inspect", short_help="Show a model's operators, shapes, MACs, instructions, live bytes and lifespans.")
@models_argument(1)
@click.option("--blocks", is_flag=True, help="Group operators into blocks: inverted residuals, residual units, ...")
@click.option("--arena", is_flag=True, help="Show every buffer of the arena: offset, bytes, lifespan.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@one_board_options
@target_options
def command(
    models: str,
    blocks: bool,
    arena: bool,
    format_: str,
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    kernels: str | None,
    lean: bool,
    target: str | None,
    build: str | None,
    custom_operators: tuple[str, ...],
) -> int:
    """Show what MODEL does, and how many bytes are live while each operator runs.

    Steps count as TFLM counts them: 0 before the first operator, then one an operator (and one a subgraph that
    control flow enters). Lifespans are half-open: [start, end).
    """
    from mcuplan import budget
    from mcuplan.api.models import load_model
    from mcuplan.api.targets import choose_target
    from mcuplan.boards import load_board
    from mcuplan.cli.output import show

    if len(boards) > 1:
        raise click.UsageError("inspect takes one board")
    board = load_board(boards[0], board_dirs) if boards else None
    chosen = choose_target(board, kernels, target, lean)
    custom = (*custom_operators, *(board.soc.custom_operators if board else ()))
    analysis = budget.analyse(load_model(models), chosen, build or budget.DEFAULT_BUILD, custom)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.inspect import inspect_report
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(inspect_report(models, analysis)), None)
        return 0
    show(lambda width, glyphs: _lines(models, analysis, blocks, arena, width, glyphs))
    return 0


def _lines(model: str, analysis: Analysis, blocks: bool, arena: bool, width: int, glyphs: Glyphs) -> Iterator[Text]:
    from rich.text import Text

    from mcuplan.findings.diagnostics import diagnose
    from mcuplan.findings.inspection import block_rows, buffer_rows, operator_rows
    from mcuplan.reports.terminal import tables
    from mcuplan.reports.terminal.explain import note_lines
    from mcuplan.reports.terminal.summary import summary_lines

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
