"""``mcuplan compare``: models against boards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    models: tuple[str, ...], cheapest: bool, format_: str, output: Path | None, config: Path | None, **asked: Any,
) -> int:  # fmt: skip
    """Check every MODEL against every board of the catalogue, or those that --board names.

    Of the configuration counts what is of the model and its use, not what is of the board it is meant for: boards,
    target, kernels, limits on RAM, arena and flash.

    \b
    Exit codes:
      0  every model passes on some board
      1  some model passes on none
      2  bad usage, or a model that cannot be read
    """
    from mcuplan.api.criteria import CheckOptions
    from mcuplan.api.runs import compare_models, compared_boards

    options = CheckOptions(**asked, config=config or "auto")
    chosen = compared_boards(models, options)
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
