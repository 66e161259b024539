"""``mcuplan diff``: what changed between two models, and what made it so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan.cli.parameters import examples, one_board, one_board_options, target_options

if TYPE_CHECKING:
    from mcuplan.findings.diff.difference import Measure

_MEASURES: tuple[Measure, ...] = ("arena", "ram", "flash", "macs", "instructions")


@click.command("diff", short_help="Show what changed between two models, and why.", epilog=examples(
    "mcuplan diff zoo:sine zoo:ds-cnn",
    "mcuplan diff zoo:ds-cnn zoo:ds-cnn --target cortex-m4+reference --to cortex-m4+cmsis-nn",
))  # fmt: skip
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--max-growth", "growth", multiple=True, metavar="RESOURCE=AMOUNT",
              help="Exit with 1 where arena, ram, flash, macs, instructions grow by more: ram=2kB.")  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice(["text", "markdown", "html", "json"]), default="text", show_default=True
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file.")
@one_board_options
@click.option("--to", metavar="TARGET", help="The target for NEW, where it is not OLD's: what would an update change?")
@target_options
def command(
    old: str, new: str, to: str | None, growth: tuple[str, ...], format_: str, output: Path | None,
    boards: tuple[str, ...], board_dirs: tuple[Path, ...], kernels: str | None, lean: bool, target: str | None,
    build: str | None, custom_operators: tuple[str, ...],
) -> int:  # fmt: skip
    """Compare OLD and NEW: arena, RAM, flash, MACs, instructions, operators, quantization, each change attributed.

    A model is a file, zoo:NAME, or REVISION:path as in `git show` (HEAD~1:models/kws.tflite). With --to the same model
    may be given twice: what changes is then what another TFLM or kernel library does with it.

    \b
    Exit codes:
      0  no limit on growth is broken
      1  a limit on growth is broken
      2  bad usage, or a model that cannot be read
    """
    from mcuplan import budget
    from mcuplan.api.revisions import load_revision
    from mcuplan.api.targets import choose_target, find_board
    from mcuplan.cli.output import show, write_text
    from mcuplan.findings.diff.difference import diff

    board = find_board(one_board("diff", boards), board_dirs)
    limits = _growth(growth)
    chosen = choose_target(board, kernels, target, lean)
    custom = (*custom_operators, *(board.soc.custom_operators if board else ()))
    newer = choose_target(board, None, to, lean) if to else chosen
    analyses = [
        budget.analyse(load_revision(name), of, build or budget.DEFAULT_BUILD, custom)
        for name, of in ((old, chosen), (new, newer))
    ]
    found = diff(old, analyses[0], new, analyses[1], limits)
    if format_ == "text":
        from mcuplan.reports.terminal.diff import diff_lines

        show(lambda width, _: diff_lines(found, width), output)
    elif format_ == "markdown":
        from mcuplan.reports.markdown.diff import diff_markdown

        write_text(diff_markdown(found), output)
    elif format_ == "html":
        from mcuplan.reports.html.diff_page import render_diff

        write_text(render_diff(found, analyses[0], analyses[1]), output)
    else:
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(found), output)
    return found.exit_code


def _growth(entries: tuple[str, ...]) -> dict[Measure, int]:
    from mcuplan.budget.units import parse_bytes, parse_count

    limits: dict[Measure, int] = {}
    for part in (part for entry in entries for part in entry.split(",")):
        name, equals, amount = part.partition("=")
        measure = next((m for m in _MEASURES if m == name.strip().lower()), None)
        if measure is None or not equals:
            raise click.UsageError(f"--max-growth {part!r}: write {', '.join(_MEASURES)} = an amount, such as ram=2kB")
        limits[measure] = (parse_count if measure in ("macs", "instructions") else parse_bytes)(amount)
    return limits
