"""``mcuplan diff``: what changed between models, and what made it so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcuplan.cli.parameters import board_options, examples, limit_options, performance_options, target_options

if TYPE_CHECKING:
    from mcuplan.findings.diff.parts import Measure

_MEASURES: tuple[Measure, ...] = ("arena", "ram", "flash", "macs", "instructions")


@click.command("diff", short_help="Show what changed between models, folders or commits, and why.", epilog=examples(
    "mcuplan diff zoo:sine zoo:ds-cnn",
    "mcuplan diff zoo:ds-cnn zoo:ds-cnn --target cortex-m4+reference --to cortex-m4+cmsis-nn",
))  # fmt: skip
@click.argument("models", metavar="[OLD NEW | PATH...]", nargs=-1)
@click.option("--base", metavar="REVISION",
              help="Compare every model of the git repository (or those below PATH) with what it was where this branch "
              "left REVISION.")  # fmt: skip
@click.option("--max-growth", "growth", multiple=True, metavar="RESOURCE=AMOUNT",
              help="Exit with 1 where arena, ram, flash, macs, instructions grow by more: ram=2kB.")  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice(["text", "markdown", "html", "json"]), default="text", show_default=True
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file.")
@click.option("--why", is_flag=True, help="Work out what would bring back what no longer passes; takes seconds.")
@board_options
@limit_options
@performance_options
@click.option("--to", metavar="TARGET", help="The target for NEW, where it is not OLD's: what would an update change?")
@target_options
def command(
    models: tuple[str, ...], base: str | None, to: str | None, growth: tuple[str, ...], format_: str,
    output: Path | None, why: bool, config: Path | None, **asked: Any,
) -> int:  # fmt: skip
    """Compare OLD and NEW: verdicts, arena, RAM, flash, MACs, time, operators, quantization, each change attributed.

    A model is a file, zoo:NAME, or REVISION:path as in `git show` (HEAD~1:models/kws.tflite); two folders are compared
    model by model. Verdicts are those on the configured boards, or those of --board. With --to the same model may be
    given twice: what changes is then what another TFLM or kernel library does with it.

    \b
    Exit codes:
      0  no limit on growth is broken
      1  a limit on growth is broken
      2  bad usage, or a model that cannot be read
    """
    from mcuplan.api.changes import Comparing, compared, folder_changes, repository_changes
    from mcuplan.api.criteria import CheckOptions
    from mcuplan.cli.diff_formats import show_changes, show_pair

    comparing = Comparing(CheckOptions(**asked, config=config or "auto"), _growth(growth), why)
    if base is not None:
        if to:
            raise click.UsageError("--to contradicts --base: state one of them")
        return show_changes(repository_changes(base, models, comparing), format_, output)
    if len(models) != 2:
        raise click.UsageError("name two models, OLD and NEW, or --base REVISION")
    old, new = models
    if os.path.isdir(old) and os.path.isdir(new):
        return show_changes(folder_changes(old, new, comparing), format_, output)
    return show_pair(compared(old, new, to, comparing), format_, output)


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
