"""``mcuplan check``: from models to verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcuplan.cli import complain
from mcuplan.cli.parameters import (
    COUNT,
    board_options,
    examples,
    limit_options,
    models_argument,
    performance_options,
    place_options,
    target_options,
)
from mcuplan.cli.report_formats import report_options, write_report

if TYPE_CHECKING:
    from mcuplan.api.checking import Kept


@click.command("check", short_help="Check models against boards and limits.", epilog=examples(
    "mcuplan check zoo:person-detection --board sparkfun-edge",
    "mcuplan check zoo:sine --ram 64kB --flash 256kB",
    "mcuplan check zoo:sine --arena-size 2048",
    "mcuplan check zoo:sine --format markdown -o report.md",
))  # fmt: skip
@models_argument()
@board_options
@limit_options
@place_options
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@performance_options
@target_options
@click.option(
    "--all-targets", is_flag=True, help="Check on the target of each of the boards' toolchains, in one table."
)
@report_options
@click.option("--why", is_flag=True, help="Work out what would change the verdict, with the commands; takes seconds.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Allow what this file records, forbid growth.")
@click.option("--write-baseline", is_flag=True, help="Record what is over its limits in the baseline file.")
def command(
    models: tuple[str, ...], all_targets: bool, format_: str, output: Path | None, also: tuple[tuple[str, Path], ...],
    quiet: bool, why: bool, config: Path | None, write_baseline: bool, **asked: Any,
) -> int:  # fmt: skip
    """Will these models run on those boards?

    MODEL is a .tflite file, a C array, a folder, a pattern, or zoo:NAME. Without a board the tinyML rule of thumb
    counts: arena and model each under 250,000 bytes, under 60 million MACs.

    \b
    Exit codes:
      0  every model passes
      1  a limit is broken, or TFLM cannot run a model
      2  bad usage, or a model that cannot be read
    """
    from mcuplan.api.criteria import CheckOptions
    from mcuplan.api.runs import check_models
    from mcuplan.api.targets import every_toolchain

    if all_targets:
        if not asked["boards"]:
            raise click.UsageError("--all-targets needs a board: name it with --board")
        if asked["target"] or why:
            other = "--target" if asked["target"] else "--why"
            raise click.UsageError(f"--all-targets contradicts {other}: state one of them")
        asked["boards"] = every_toolchain(asked["boards"], asked["board_dirs"])
    options = CheckOptions(**asked, config=config or "auto")
    keep: Kept | None = {} if any(name == "html" for name, _ in also) else None
    report = check_models(models, options, write_baseline=write_baseline, why=why, keep=keep)
    errors = [*(result.error for result in report.results), *(group.error for group in report.shared)]
    for sentence in dict.fromkeys(error for error in errors if error is not None):
        complain(sentence)
    for name, file in (*also, (format_, output)):
        write_report(report, name, file, keep, all_targets, quiet)
    return report.exit_code
