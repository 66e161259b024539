"""``mcuplan report``: verdicts and pictures as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcuplan.cli import complain
from mcuplan.cli.parameters import (
    COUNT,
    board_options,
    examples,
    limit_options,
    models_argument,
    stage_options,
    stages_are_sought,
    target_options,
)


@click.command("report", short_help="Write verdicts and pictures as one HTML file.", epilog=examples(
    "mcuplan report zoo:sine --board sparkfun-edge -o report.html",
    "mcuplan report zoo:sine zoo:ds-cnn --no-plan -o overview.html",
))  # fmt: skip
@models_argument()
@board_options
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@limit_options
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@click.option("--plan/--no-plan", "planned", default=True, help="Search a plan and draw it beside TFLM's own.")
@click.option("--patch", is_flag=True, help="Search patch stages too, and draw arena against MACs; may take minutes.")
@stage_options("--patch")
@target_options
def command(
    models: tuple[str, ...], output: Path, planned: bool, patch: bool, config: Path | None, **asked: Any,
) -> int:  # fmt: skip
    """Write one self-contained HTML file: verdict per board, arena map, memory per operator and block, dataflow.

    The exit code is that of `check`: 0 all pass, 1 a limit is broken or a model unsupported, 2 unreadable input.
    """
    from datetime import date

    from mcuplan.api.checking import Checker
    from mcuplan.api.criteria import CheckOptions
    from mcuplan.cli.output import write_text
    from mcuplan.reports.html.render import render_report
    from mcuplan.reports.html.subject import subjects

    stages_are_sought(patch, "--patch", **{name: asked[name] for name in ("max_overhead", "max_macs", "least")})
    checker = Checker(CheckOptions(**asked, config=config or "auto"))
    checker.analyses = {}
    report = checker.report(models)
    for sentence in dict.fromkeys(result.error for result in report.results if result.error is not None):
        complain(sentence)
    found = subjects(report, checker.analyses, planned, patch)
    write_text(render_report(report, found, date.today().isoformat()), output)
    return report.exit_code
