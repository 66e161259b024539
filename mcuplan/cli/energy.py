"""``mcuplan energy``: energy, power and battery life of a device that runs a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcuplan.cli.parameters import (
    GRAMS,
    config_option,
    examples,
    kernel_options,
    models_argument,
    one_board,
    one_board_options,
)


@click.command("energy", short_help="Estimate energy, average power and battery life.", epilog=examples(
    "mcuplan energy zoo:ds-cnn",
    "mcuplan energy zoo:ds-cnn --board nucleo-l4r5zi --period 10s --battery 220mAh@3V",
))  # fmt: skip
@models_argument(1)
@click.option("--period", metavar="TIME", help="How often the model runs, such as 10s.")
@click.option("--battery", metavar="CHARGE@VOLTAGE", help="A battery, such as 220mAh@3V or 660mWh.")
@click.option("--power", metavar="POWER", help="Measured power while the model runs; replaces the board's.")
@click.option("--sleep-power", metavar="POWER", help="Measured power while it sleeps; replaces the board's.")
@click.option("--latency", metavar="TIME", help="Measured time of one inference; replaces the estimate.")
@click.option(
    "--part", "parts", multiple=True, metavar="NAME[:TIME]",
    help="A part of the board that is on, always or for TIME of each period. May be repeated.",
)  # fmt: skip
@click.option(
    "--extra", multiple=True, metavar="POWER[:TIME]",
    help="Power of something else, always or for TIME of each period. May be repeated.",
)  # fmt: skip
@click.option(
    "--wakes", multiple=True, metavar="MODEL@P[@TIME]",
    help="A model that MODEL wakes with probability P, and its measured time. May be repeated.",
)  # fmt: skip
@click.option(
    "--frame", "frames", multiple=True, metavar="WxH[xB]", help="A picture of the sensor in RAM, grey unless B."
)
@click.option("--audio", multiple=True, metavar="RATE:TIME", help="16-bit samples in RAM, such as 16kHz:1s.")
@click.option("--co2", type=GRAMS, metavar="G", help="Grams of CO2 per kWh of your grid.")
@click.option("--fleet", type=click.IntRange(1, 10**9), default=1, metavar="N", help="Devices, with --co2.")
@click.option("--max-power", metavar="POWER", help="Limit on average power; the exit code is 1 where it is broken.")
@click.option(
    "--max-energy", metavar="ENERGY", help="Limit on the energy of one inference; the exit code is 1 over it."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@one_board_options
@config_option
@kernel_options
def command(
    models: str, form: str, output: Path | None, boards: tuple[str, ...], board_dirs: tuple[Path, ...],
    kernels: str | None, lean: bool, target: str | None, config: Path | None, **stated: Any,
) -> int:  # fmt: skip
    """Estimate the energy of one inference of MODEL and the average power of a device that runs it.

    Without a board: the least energy of arithmetic and memory, fp32 against int8. With one: time and energy where
    they were measured. With --period: average power, battery life, and whether it is TinyML (below 1 mW).
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.energy import EnergyOptions, estimate_energy
    from mcuplan.cli.output import show, write_text
    from mcuplan.reports.documents.estimates import estimate_json
    from mcuplan.reports.terminal.energy import energy_lines
    from mcuplan.reports.terminal.estimates import limit_lines

    one_board("energy", boards)
    asked = CheckOptions(
        boards=boards, board_dirs=board_dirs, kernels=kernels, lean=lean, target=target, config=config or "auto"
    )  # fmt: skip
    place = deployment(models, asked, needs_board=True)
    report, limits = estimate_energy(models, place, EnergyOptions(**stated))
    if form == "json":
        write_text(estimate_json(report, "energy", limits), output)
    else:
        show(lambda width, _: [*energy_lines(report, width), *limit_lines(limits, width)], output)
    return 0 if all(row.kept for row in limits) else 1
