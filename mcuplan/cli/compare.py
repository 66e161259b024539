"""``mcuplan compare``: models against boards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan.cli import complain
from mcuplan.cli.parameters import COUNT, board_options, models_argument, target_options

if TYPE_CHECKING:
    from rich.text import Text

    from mcuplan.boards import Board
    from mcuplan.reports.documents.report import Report


@click.command("compare", short_help="Check models against many boards; name the cheapest that passes.")
@models_argument()
@board_options
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@target_options
@click.option("--cheapest", is_flag=True, help="Name the cheapest board that each model passes on.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", help="How to report.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to a file.")
def command(
    models: tuple[str, ...],
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    macs: int | None,
    kernels: str | None,
    lean: bool,
    target: str | None,
    build: str | None,
    custom_operators: tuple[str, ...],
    cheapest: bool,
    format_: str,
    output: Path | None,
) -> int:
    """Check every MODEL against every board of the catalogue, or those that --board names.

    \b
    Exit codes:
      0  every model passes on some board
      1  some model passes on none
      2  bad usage, or a model that cannot be read
    """
    from mcuplan.api.checking import CheckOptions
    from mcuplan.api.runs import compare_models
    from mcuplan.boards import all_boards, load_board

    chosen = tuple(load_board(ref, board_dirs) for ref in boards) or all_boards(board_dirs)
    options = CheckOptions(
        macs=macs, kernels=kernels, target=target, lean=lean, build=build, custom_operators=custom_operators
    )
    report = compare_models(models, chosen, options)
    for sentence in dict.fromkeys(result.error for result in report.results if result.error is not None):
        complain(sentence)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(report), output)
        return report.exit_code
    from mcuplan.cli.output import show

    show(lambda width, _glyphs: _lines(report, chosen, cheapest, width), output)
    return report.exit_code


def _lines(report: Report, boards: Sequence[Board], cheapest: bool, width: int) -> Iterator[Text]:
    from rich.text import Text

    from mcuplan.reports.terminal import tables

    yield from tables.comparison(report, width)
    if cheapest:
        yield Text()
        yield from tables.cheapest(report, boards, width)
