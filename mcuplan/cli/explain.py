"""``mcuplan explain``: where every byte of the arena goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcuplan.cli.parameters import (
    config_option,
    examples,
    models_argument,
    one_board,
    one_board_options,
    target_options,
)


@click.command("explain", short_help="Show where every byte of the arena goes.", epilog=examples(
    "mcuplan explain zoo:person-detection",
    "mcuplan explain zoo:sine --board esp32-devkitc --format json",
))  # fmt: skip
@models_argument(1)
@click.option(
    "--compare", metavar="LOG", type=click.Path(dir_okay=False, path_type=Path),
    help="A device's log to hold against the prediction: what RecordingMicroInterpreter printed (PrintAllocations), or "
    "TFLM's complaint that the arena is too small.",
)  # fmt: skip
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@one_board_options
@config_option
@target_options
def command(
    models: str, compare: Path | None, format_: str, config: Path | None, boards: tuple[str, ...], **asked: Any,
) -> int:  # fmt: skip
    """Account for every byte of MODEL's tensor arena: a table that adds up, and each operator's persistent bytes.

    With --compare the exit code is 1 where the log differs from the prediction, or TFLM says in it that its arena is
    too small.
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.models import load_model
    from mcuplan.cli.output import show
    from mcuplan.findings.device_log import DeviceLog

    one_board("explain", boards)
    place = deployment(models, CheckOptions(boards=boards, **asked, config=config or "auto"))
    analysis = place.analyse(load_model(models))
    log = None if compare is None else DeviceLog.of(analysis, compare)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.explain import explain_report, log_report
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(log_report(models, log) if log else explain_report(models, analysis)), None)
    elif log is not None:
        from mcuplan.reports.terminal.explain import log_lines

        show(lambda width, _: log_lines(log, width))
    else:
        from mcuplan.reports.terminal.explained import explain_lines

        show(lambda width, glyphs: explain_lines(models, analysis, width, glyphs))
    return int(log is not None and log.differs)
