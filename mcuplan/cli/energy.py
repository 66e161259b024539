"""``mcuplan energy``: energy, power and battery life of a device that runs a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan.cli.parameters import kernel_options, models_argument, one_board_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcuplan.estimates.duty import Load
    from mcuplan.estimates.energy import EnergyReport
    from mcuplan.estimates.limits import EstimateLimit
    from mcuplan.findings.energy import Run


@click.command("energy", short_help="Estimate energy, average power and battery life.")
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
@click.option(
    "--co2", type=click.FloatRange(min=0, min_open=True), metavar="G", help="Grams of CO2 per kWh of your grid."
)
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
@kernel_options
def command(
    models: str,
    period: str | None,
    battery: str | None,
    power: str | None,
    sleep_power: str | None,
    latency: str | None,
    parts: tuple[str, ...],
    extra: tuple[str, ...],
    wakes: tuple[str, ...],
    frames: tuple[str, ...],
    audio: tuple[str, ...],
    co2: float | None,
    fleet: int,
    max_power: str | None,
    max_energy: str | None,
    form: str,
    output: Path | None,
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    kernels: str | None,
    target: str | None,
) -> int:
    """Estimate the energy of one inference of MODEL and the average power of a device that runs it.

    Without a board: the least energy of arithmetic and memory, fp32 against int8. With one: time and energy where
    they were measured. With --period: average power, battery life, and whether it is TinyML (below 1 mW).
    """
    from mcuplan.api.targets import choose_target
    from mcuplan.boards import load_board
    from mcuplan.cli.output import show, write_text
    from mcuplan.estimates.quantities import parse_audio, parse_battery, parse_duration, parse_frame, parse_power
    from mcuplan.findings.energy import Use, energy_report
    from mcuplan.reports.documents.estimates import estimate_json
    from mcuplan.reports.terminal.energy import energy_lines
    from mcuplan.reports.terminal.estimates import limit_lines

    if len(boards) > 1:
        raise click.UsageError("energy takes one board")
    board = load_board(boards[0], board_dirs) if boards else None
    _needs_period(
        period,
        {
            "--battery": battery,
            "--part": parts,
            "--extra": extra,
            "--co2": co2,
            "--sleep-power": sleep_power,
            "--max-power": max_power,
        },
    )
    use = Use(
        period=None if period is None else parse_duration(period),
        battery=None if battery is None else parse_battery(battery),
        active_watts=None if power is None else parse_power(power),
        sleep_watts=None if sleep_power is None else parse_power(sleep_power),
        parts=tuple(map(_timed, parts)),
        extra=tuple(map(_extra, extra)),
        buffers=(
            *((f"frame {text}", parse_frame(text)) for text in frames),
            *((f"audio {text}", parse_audio(text)) for text in audio),
        ),
        grams_per_kwh=co2,
        devices=fleet,
    )
    seconds = None if latency is None else parse_duration(latency)
    runs = [_run(models, 1.0, seconds), *(_woken(text) for text in wakes)]
    report = energy_report(runs, board, choose_target(board, kernels, target), use)
    limits = list(_limits(report, max_power, max_energy))
    if form == "json":
        write_text(estimate_json(report, "energy", limits), output)
    else:
        show(lambda width, _: [*energy_lines(report, width), *limit_lines(limits, width)], output)
    return 0 if all(row.kept for row in limits) else 1


def _limits(report: EnergyReport, max_power: str | None, max_energy: str | None) -> Iterator[EstimateLimit]:
    from mcuplan.estimates.limits import held
    from mcuplan.estimates.quantities import parse_energy, parse_power

    if max_power is not None:
        watts = report.average.watts if report.average else None
        yield held("average power", "mW", None if watts is None else watts * 1e3, parse_power(max_power) * 1e3)
    if max_energy is not None:
        yield held("energy of one inference", "uJ", report.stages[0].microjoules, parse_energy(max_energy) * 1e6)


def _needs_period(period: str | None, given: dict[str, object]) -> None:
    if period is None and (names := [name for name, value in given.items() if value]):
        raise click.UsageError(f"{names[0]} says nothing without --period: how often does the model run?")


def _timed(text: str) -> tuple[str, float | None]:
    from mcuplan.estimates.quantities import parse_duration

    name, colon, time = text.rpartition(":")
    return (name, parse_duration(time)) if colon else (text, None)


def _extra(text: str) -> Load:
    from mcuplan.estimates.duty import Load
    from mcuplan.estimates.quantities import parse_power

    power, seconds = _timed(text)
    return Load(f"extra {text}", parse_power(power), seconds)


def _run(model: str, probability: float, seconds: float | None) -> Run:
    from mcuplan.api.models import load_model
    from mcuplan.findings.energy import Run

    return Run(model, load_model(model), probability, seconds)


def _woken(text: str) -> Run:
    from mcuplan.estimates.quantities import parse_duration

    model, *rest = text.split("@")
    try:
        probability = float(rest[0]) if len(rest) in (1, 2) else -1.0
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise click.UsageError(
            f"--wakes {text!r}: write MODEL@P with a probability P from 0 to 1, such as big.tflite@0.05"
        )
    return _run(model, probability, parse_duration(rest[1]) if len(rest) == 2 else None)
