"""``mcuplan sweep``: thousands of models on many boards, as a table of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcuplan.cli.parameters import (
    COUNT,
    board_options,
    examples,
    limit_options,
    models_argument,
    performance_options,
    place_options,
    stage_options,
    stages_are_sought,
)

if TYPE_CHECKING:
    from mcuplan.api.sweep import SweepResult


@click.command("sweep", short_help="Check thousands of models on many boards; write a table of rows.", epilog=examples(
    "mcuplan sweep zoo:sine zoo:ds-cnn -b sparkfun-edge -b raspberry-pi-pico -o field.csv --plot field.html",
    "mcuplan sweep zoo:sine -b sparkfun-edge --plan as-is --plan plan -o planned.jsonl",
))  # fmt: skip
@models_argument()
@board_options
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="The table: .jsonl, .csv or .parquet. Run again, a sweep that was interrupted goes on.")  # fmt: skip
@click.option("--target", "targets", multiple=True, metavar="TARGET",
              help="A target in place of the boards' own, where it is for their core. May be repeated.")  # fmt: skip
@click.option("--kernels", metavar="LIBRARY", help="Kernel library: cmsis-nn or reference.")
@click.option("--lean", is_flag=True, help="For firmware with lean registrations: +lean.")
@click.option("--plan", "ways", multiple=True, type=click.Choice(["as-is", "plan", "patch"]),
              help="How models are taken: as they are (default), with a memory plan, with patch stages. May be "
              "repeated.")  # fmt: skip
@click.option("--effort", type=click.Choice(["fast", "default", "best"]), default="fast", show_default=True,
              help="How long a plan is sought.")  # fmt: skip
@stage_options("--plan patch")
@limit_options
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@performance_options
@place_options
@click.option("--build", type=click.Choice(["O2-logs", "O2", "Os"]), help="How TFLM is compiled.")
@click.option("--custom-operator", "custom_operators", multiple=True, metavar="NAME",
              help="A custom operator for which your firmware has a kernel. May be repeated.")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Processes (default: one for each processor).")
@click.option("--dask", metavar="ADDRESS", help="Work on a Dask cluster: its scheduler's address, tcp://HOST:8786.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever the output holds.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path),
              help="Also draw the field, arena against flash by board, as an HTML page.")  # fmt: skip
def command(
    models: tuple[str, ...], boards: tuple[str, ...], board_dirs: tuple[Path, ...], output: Path,
    targets: tuple[str, ...], ways: tuple[Any, ...], effort: Any, max_overhead: float | None, max_macs: float | None,
    least: bool | None, plot: Path | None, config: Path | None, **asked: Any,
) -> int:  # fmt: skip
    """Check every MODEL on every --board, and write a row for each: the verdict, and what it takes of what there is.

    What is not stated is as the configuration nearest to the working folder has it, the same for all models. What
    cannot be read is a row as well and hides no other, so that the exit code is 0 once every row is written, and 2
    where the sweep itself could not be made.
    """
    from mcuplan.api.plan import PlanOptions
    from mcuplan.api.sweep import sweep
    from mcuplan.cli.progress import sweeping

    stages_are_sought("patch" in ways, "--plan patch", max_overhead=max_overhead, max_macs=max_macs, least=least)
    planning = PlanOptions(effort=effort, max_overhead=max_overhead, max_macs=max_macs, least=least)
    with sweeping() as progress:
        found = sweep(
            models, board=boards, board_dirs=board_dirs, output=output, target=targets, plan=ways or "as-is",
            planning=planning, progress=progress, config=config or "auto", **_in_base_units(asked),
        )  # fmt: skip
    if plot is not None:
        from mcuplan.cli.output import write_text
        from mcuplan.reports.html.sweep_page import render_sweep

        write_text(render_sweep(lambda: found.rows), plot)
    _show(found)
    return 0


def _in_base_units(asked: dict[str, Any]) -> dict[str, Any]:
    """Seconds, joules and watts, as Python gives them; options are in us, uJ and mW."""
    scales = {"latency": 1e-6, "energy": 1e-6, "power": 1e-3}
    return {
        name: amount * scales[name] if name in scales and amount is not None else amount
        for name, amount in asked.items()
    }  # fmt: skip


def _show(found: SweepResult) -> None:
    from mcuplan.cli.output import write_text
    from mcuplan.text import counted

    told = ", ".join(f"{rows:,} {verdict}" for verdict, rows in found.verdicts.items() if rows)
    before = (
        f"; {found.found_done:,} {'was' if found.found_done == 1 else 'were'} done before" if found.found_done else ""
    )
    items, rows = counted(found.items, "model"), counted(sum(found.verdicts.values()), "row")
    write_text(f"{items}, {rows}: {told or 'none'}{before}\n", None)
