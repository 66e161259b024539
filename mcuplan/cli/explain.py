"""``mcuplan explain``: where every byte of the arena goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcuplan.cli.parameters import config_option, models_argument, one_board, one_board_options, target_options

if TYPE_CHECKING:
    from rich.text import Text

    from mcuplan.budget import Analysis
    from mcuplan.graph import Graph
    from mcuplan.reports.terminal.glyphs import Glyphs
    from mcuplan.tflm import Target
    from mcuplan.tflm.recording import Comparison


@click.command("explain", short_help="Show where every byte of the arena goes.")
@models_argument(1)
@click.option(
    "--compare", metavar="LOG", type=click.Path(dir_okay=False, path_type=Path),
    help="A log that TFLM's RecordingMicroInterpreter printed (PrintAllocations), to hold against the prediction.",
)  # fmt: skip
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@one_board_options
@config_option
@target_options
def command(
    models: str, compare: Path | None, format_: str, config: Path | None, boards: tuple[str, ...], **asked: Any,
) -> int:  # fmt: skip
    """Account for every byte of MODEL's tensor arena: a table that adds up, and each operator's persistent bytes.

    With --compare the exit code is 1 where the log differs from the prediction.
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.models import load_model
    from mcuplan.cli.output import show

    one_board("explain", boards)
    place = deployment(models, CheckOptions(boards=boards, **asked, config=config or "auto"))
    analysis = place.analyse(load_model(models))
    compared = None if compare is None else _compared(analysis.graph, place.target, compare)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.explain import explain_report
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(explain_report(models, analysis, compared)), None)
    elif compared is not None:
        from mcuplan.reports.terminal.explain import comparison_lines

        show(lambda width, _: comparison_lines(compared, width))
    else:
        show(lambda width, glyphs: _lines(models, analysis, width, glyphs))
    return int(any(row.difference for row in compared or ()))


def _compared(graph: Graph, target: Target, log: Path) -> Sequence[Comparison]:
    """The lines of a log beside the prediction."""
    from mcuplan.tflm.recording import compare, parse_log, read_log, recorded_lines

    return compare(recorded_lines(graph, target), parse_log(read_log(log), str(log)))


def _lines(model: str, analysis: Analysis, width: int, glyphs: Glyphs) -> Iterator[Text]:
    from rich.text import Text

    from mcuplan.findings.diagnostics import diagnose
    from mcuplan.findings.explanation import explain
    from mcuplan.reports.documents.build import refusal_shown
    from mcuplan.reports.terminal import explain as explain_text
    from mcuplan.reports.terminal.check import refused_lines
    from mcuplan.reports.terminal.lines import Lines

    graph, target, arena = analysis.graph, analysis.target, analysis.arena
    explanation = explain(graph, target, arena)
    kind = "exact" if arena.exact else f"an upper bound, {arena.bounded_bytes:,} bytes of it bounded"
    yield Lines(width).title(model)
    yield Text(f"  {arena.target}: {kind}")
    yield from refused_lines([refusal_shown(refusal) for refusal in analysis.refusals], Lines(width))
    yield Text()
    yield from explain_text.explanation_lines(explanation, width, glyphs)
    yield Text()
    yield from explain_text.operator_bytes_table(explanation.operators, width)
    yield from explain_text.note_lines(arena, diagnose(graph, target, arena), width)
