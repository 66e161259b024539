"""``mcuplan fit-search``: the widest and largest form of a network that fits a board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcuplan.cli.parameters import (
    COUNT,
    config_option,
    examples,
    limit_options,
    models_argument,
    one_board,
    one_board_options,
    target_options,
)


@click.command("fit-search", short_help="Find the widths and resolutions of a network that fit a board.",
               epilog=examples(
    "mcuplan fit-search zoo:visual-wake-words --ram 64kB --widths 0.5,1",
))  # fmt: skip
@models_argument(1)
@click.option("--int8", is_flag=True, help="Search for the int8 form of a float model.")
@click.option("--widths", metavar="F,F,...", help="Widths to try.  [default: 0.25 to 2]")
@click.option("--step", type=click.IntRange(1, 4096), default=16, show_default=True, help="Rows between resolutions.")
@limit_options
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@one_board_options
@config_option
@target_options
def command(
    models: str, int8: bool, widths: str | None, step: int, form: str, output: Path | None, config: Path | None,
    boards: tuple[str, ...], **asked: Any,
) -> int:  # fmt: skip
    """Find, for each width of MODEL, the largest resolution that fits.

    The limits are those of `mcuplan check`: the board's, those stated, or without either the rule of thumb.
    The exit code is 1 where nothing fits.
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.fit_search import fit_search
    from mcuplan.cli.output import show, write_text
    from mcuplan.reports.documents.estimates import estimate_json
    from mcuplan.reports.terminal.frontier import frontier_lines

    one_board("fit-search", boards)
    place = deployment(models, CheckOptions(boards=boards, **asked, config=config or "auto"), needs_board=True)
    result = fit_search(models, place, _widths(widths), step, int8)
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
