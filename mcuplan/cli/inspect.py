"""``mcuplan inspect``: what a model does, operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcuplan.cli.parameters import (
    config_option,
    examples,
    models_argument,
    one_board,
    one_board_options,
    target_options,
)

if TYPE_CHECKING:
    from mcuplan.budget import Analysis


@click.command("inspect", short_help="Show a model's operators, shapes, MACs, instructions, live bytes and lifespans.",
               epilog=examples(
    "mcuplan inspect zoo:ds-cnn --blocks",
    "mcuplan inspect zoo:sine --arena --board sparkfun-edge",
))  # fmt: skip
@models_argument(1)
@click.option("--blocks", is_flag=True, help="Group operators into blocks: inverted residuals, residual units, ...")
@click.option("--arena", is_flag=True, help="Show every buffer of the arena: offset, bytes, lifespan.")
@click.option(
    "--model-explorer",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help="Write node data for Google's Model Explorer: FILE.live-bytes.json, .macs, .instructions, .weights.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@one_board_options
@config_option
@target_options
def command(
    models: str, blocks: bool, arena: bool, model_explorer: Path | None, format_: str, config: Path | None,
    boards: tuple[str, ...], **asked: Any,
) -> int:  # fmt: skip
    """Show what MODEL does, and how many bytes are live while each operator runs.

    Steps count as TFLM counts them: 0 before the first operator, then one an operator (and one a subgraph that
    control flow enters). Lifespans are half-open: [start, end).
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.models import load_model
    from mcuplan.cli.output import show

    one_board("inspect", boards)
    place = deployment(models, CheckOptions(boards=boards, **asked, config=config or "auto"))
    analysis = place.analyse(load_model(models))
    if model_explorer is not None:
        return _write_node_data(analysis, model_explorer)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.inspect import inspect_report
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(inspect_report(models, analysis)), None)
        return 0
    from mcuplan.reports.terminal.inspect import inspect_lines

    show(lambda width, glyphs: inspect_lines(models, analysis, width, glyphs, blocks=blocks, arena=arena))
    return 0


def _write_node_data(analysis: Analysis, path: Path) -> int:
    """A file for each series, as Model Explorer takes one a file; their names on stdout."""
    from mcuplan.cli.output import write_text
    from mcuplan.findings.inspection import operator_rows
    from mcuplan.reports.documents.json import to_json
    from mcuplan.reports.model_explorer import node_data

    names = [subgraph.name for subgraph in analysis.graph.subgraphs]
    for series, document in node_data(operator_rows(analysis), names).items():
        file = path.with_name(f"{path.name.removesuffix('.json')}.{series}.json")
        write_text(to_json(document), file)
        write_text(f"{file}\n", None)
    return 0
