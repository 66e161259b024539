"""``mcuplan compare``: models against boards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcuplan.api.comparing import ORDERS
from mcuplan.cli import complain
from mcuplan.cli.parameters import COUNT, board_options, examples, models_argument, target_options

if TYPE_CHECKING:
    from rich.text import Text

    from mcuplan.boards import Board
    from mcuplan.reports.documents.report import Report


@click.command("compare", short_help="Check models against many boards; name the cheapest that passes.",
               epilog=examples(
    "mcuplan compare zoo:person-detection --cheapest",
    "mcuplan compare zoo:sine --filter arduino --sort price --passing",
    "mcuplan compare zoo:sine --filter esp32 --format markdown -o boards.md",
))  # fmt: skip
@models_argument()
@board_options
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@target_options
@click.option("--cheapest", is_flag=True, help="Name the cheapest board that each model passes on.")
@click.option("--sort", "order", type=click.Choice(ORDERS), default="name", show_default=True,
              help="Order of the boards: a property of theirs, or how full the models make them (use).")  # fmt: skip
@click.option("--filter", "words", multiple=True, metavar="WORD", help="Only boards that have WORD in their name, "
              "maker, chip, core or toolchain. May be repeated.")  # fmt: skip
@click.option("--passing", is_flag=True, help="Only boards on which some model passes.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True,
              help="How to report.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to a file.")
def command(
    models: tuple[str, ...], cheapest: bool, order: str, words: tuple[str, ...], passing: bool, format_: str,
    output: Path | None, config: Path | None, **asked: Any,
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
    from mcuplan.api.comparing import arranged, narrowed, ordered
    from mcuplan.api.criteria import CheckOptions
    from mcuplan.api.runs import compare_models, compared_boards

    options = CheckOptions(**asked, config=config or "auto")
    chosen = ordered(narrowed(compared_boards(models, options), words), order)
    if not chosen:
        raise click.UsageError(f"no board has {' and '.join(map(repr, words))} in its name, maker, chip or core")
    report = arranged(compare_models(models, chosen, options), order, passing)
    for sentence in dict.fromkeys(result.error for result in report.results if result.error is not None):
        complain(sentence)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(report), output)
        return report.exit_code
    if format_ == "markdown":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.markdown.compare import compare_markdown

        write_text(compare_markdown(report, chosen), output)
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
