"""``mcuplan report``: verdicts and pictures as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from mcuplan.cli import complain
from mcuplan.cli.parameters import COUNT, SIZE, board_options, models_argument, target_options


@click.command("report", short_help="Write verdicts and pictures as one HTML file.")
@models_argument()
@board_options
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.option("--ram", type=SIZE, help="Limit on RAM: 64kB (1,000 bytes each), 64KiB (1,024).")
@click.option("--flash", type=SIZE, help="Limit on flash, model and code.")
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@click.option("--plan/--no-plan", "planned", default=True, help="Search a plan and draw it beside TFLM's own.")
@click.option("--patch", is_flag=True, help="Search patch stages too, and draw arena against MACs; may take minutes.")
@click.option("--max-overhead", type=click.FloatRange(min=1.0), default=1.1, show_default=True,
              help="Most instructions with --patch, as a factor; MACs without cost data.")  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="Configuration to use for every model.")
@target_options
def command(
    models: tuple[str, ...],
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    output: Path,
    ram: int | None,
    flash: int | None,
    macs: int | None,
    planned: bool,
    patch: bool,
    max_overhead: float,
    config: Path | None,
    kernels: str | None,
    lean: bool,
    target: str | None,
    build: str | None,
    custom_operators: tuple[str, ...],
) -> int:
    """Write one self-contained HTML file: verdict per board, arena map, memory per operator and block, dataflow.

    The exit code is that of `check`: 0 all pass, 1 a limit is broken or a model unsupported, 2 unreadable input.
    """
    from datetime import date

    from mcuplan.api.checking import Checker, CheckOptions
    from mcuplan.cli.output import write_text
    from mcuplan.reports.html.render import render_report
    from mcuplan.reports.html.subject import subjects

    options = CheckOptions(
        boards=boards, board_dirs=board_dirs, ram=ram, flash=flash, macs=macs, kernels=kernels, target=target,
        lean=lean, build=build, custom_operators=custom_operators, config=config or "auto",
    )  # fmt: skip
    checker = Checker(options)
    checker.analyses = {}
    report = checker.report(models)
    for sentence in dict.fromkeys(result.error for result in report.results if result.error is not None):
        complain(sentence)
    found = subjects(report, checker.analyses, planned, max_overhead if patch else None)
    write_text(render_report(report, found, date.today().isoformat()), output)
    return report.exit_code
