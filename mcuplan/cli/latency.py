"""``mcuplan latency``: how long one inference takes on a board that was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcuplan.cli.parameters import (
    config_option,
    examples,
    kernel_options,
    models_argument,
    one_board,
    one_board_options,
)


@click.command("latency", short_help="Estimate the time of one inference on a measured board.", epilog=examples(
    "mcuplan latency zoo:ds-cnn --board nucleo-l4r5zi",
    "mcuplan latency zoo:ds-cnn --board nucleo-l4r5zi --limit 200ms",
))  # fmt: skip
@models_argument(1)
@click.option(
    "--limit", metavar="TIME", help="The longest one inference may take; the exit code is 1 where it is longer."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@one_board_options
@config_option
@kernel_options
def command(
    models: str, limit: str | None, form: str, output: Path | None, config: Path | None, boards: tuple[str, ...],
    **asked: Any,
) -> int:  # fmt: skip
    """Estimate how long one inference of MODEL takes, operator by operator.

    A figure only for boards on which TFLM was measured; it says by whom, and how far the model is off. For other boards
    with a core and a kernel library that were, a range. Loops count turn by turn.
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.models import load_model
    from mcuplan.cli.output import show, write_text
    from mcuplan.estimates.latency import find_latency
    from mcuplan.estimates.limits import held
    from mcuplan.estimates.quantities import parse_duration
    from mcuplan.reports.documents.estimates import estimate_json
    from mcuplan.reports.terminal.estimates import latency_lines, limit_lines

    one_board("latency", boards)
    place = deployment(models, CheckOptions(boards=boards, **asked, config=config or "auto"), needs_board=True)
    if place.board is None:
        raise click.UsageError("latency takes one board: --board NAME")
    soc = place.board.soc
    latency = find_latency(load_model(models), soc.name, soc.clock_mhz, place.target)
    limits = []
    us = place.criteria.performance.latency if limit is None else parse_duration(limit) * 1e6
    if us is not None:
        limits.append(held("latency", "us", latency.total_us, us, latency.error_percent))
    if form == "json":
        write_text(estimate_json(latency, "latency", limits), output)
    else:
        show(lambda width, _: [*latency_lines(models, latency, width), *limit_lines(limits, width)], output)
    return 0 if all(row.kept for row in limits) else 1
