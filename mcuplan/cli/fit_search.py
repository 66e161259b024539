"""``mcuplan fit-search``: the widest and largest form of a network that fits a board."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan.cli.parameters import SIZE, kernel_options, models_argument, one_board_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcuplan.budget import Limits
    from mcuplan.estimates.frontier import Size
    from mcuplan.graph import Graph
    from mcuplan.tflm import Target


@click.command("fit-search", short_help="Find the widths and resolutions of a network that fit a board.")
@models_argument(1)
@click.option("--int8", is_flag=True, help="Search for the int8 form of a float model.")
@click.option("--widths", metavar="F,F,...", help="Widths to try.  [default: 0.25 to 2]")
@click.option("--step", type=click.IntRange(1, 4096), default=16, show_default=True, help="Rows between resolutions.")
@click.option("--ram", type=SIZE, metavar="SIZE", help="Limit on RAM.")
@click.option("--flash", type=SIZE, metavar="SIZE", help="Limit on flash.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@one_board_options
@kernel_options
def command(
    models: str,
    int8: bool,
    widths: str | None,
    step: int,
    ram: int | None,
    flash: int | None,
    form: str,
    output: Path | None,
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    kernels: str | None,
    target: str | None,
) -> int:
    """Find, for each width of MODEL, the largest resolution that fits.

    Without a board the limits are the rule of thumb of `mcuplan check`, or --ram and --flash.
    The exit code is 1 where nothing fits.
    """
    from mcuplan import budget
    from mcuplan.api.models import load_model
    from mcuplan.api.targets import choose_target
    from mcuplan.boards import load_board
    from mcuplan.cli.output import show, write_text
    from mcuplan.estimates.frontier import WIDTHS, frontier
    from mcuplan.reports.documents.estimates import estimate_json
    from mcuplan.reports.terminal.frontier import frontier_lines

    if len(boards) > 1:
        raise click.UsageError("fit-search takes one board")
    board = load_board(boards[0], board_dirs) if boards else None
    asked = budget.Asked(ram=ram, flash=flash)
    limits = budget.limits_on_board(board, asked) if board else budget.limits_without_board(asked)
    graph = load_model(models)
    if int8:
        from mcuplan.estimates.quantize import to_int8

        graph = to_int8(graph)
    measure = _measure(choose_target(board, kernels, target), limits)
    said = tuple(f"{limit.resource.value} {limit.amount:,} ({limit.source})" for limit in limits)
    result = frontier(graph, models, said, measure, _widths(widths) or WIDTHS, step)
    if form == "json":
        write_text(estimate_json(result, "fit-search"), output)
    else:
        show(lambda width, _: frontier_lines(result, width), output)
    return 0 if result.points else 1


def _widths(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(","))) if text else ()
    except ValueError:
        raise click.UsageError(f"--widths {text!r}: write factors with commas between, such as 0.5,0.75,1") from None


def _measure(target: Target, limits: Limits) -> Callable[[Graph], Size]:
    from mcuplan import budget
    from mcuplan.estimates.frontier import Size
    from mcuplan.tflite import write

    def measure(graph: Graph) -> Size:
        sized = graph if graph.file_bytes else replace(graph, file_bytes=len(write(graph)))
        analysis = budget.analyse(sized, target)
        need = analysis.need()
        fits = not budget.judge(need, limits).violations
        return Size(need.ram.total_bytes, need.flash.total_bytes, need.macs, fits)

    return measure
