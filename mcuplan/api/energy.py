"""Energy, average power and battery life of a device that runs a model, from what a user states as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.api.models import load_model
from mcuplan.errors import McuplanError
from mcuplan.estimates.duty import Load
from mcuplan.estimates.limits import EstimateLimit, held
from mcuplan.estimates.quantities import (
    parse_audio,
    parse_battery,
    parse_duration,
    parse_energy,
    parse_frame,
    parse_power,
)
from mcuplan.findings.energy import Run, Use, energy_report

if TYPE_CHECKING:
    from mcuplan.api.criteria import Deployment
    from mcuplan.budget import AskedPerformance
    from mcuplan.estimates.energy import EnergyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOptions:
    """What is stated of the device, as ``mcuplan energy`` takes it; None and () where nothing is."""

    period: str | None = None
    battery: str | None = None
    power: str | None = None
    sleep_power: str | None = None
    latency: str | None = None
    parts: Sequence[str] = ()
    extra: Sequence[str] = ()
    wakes: Sequence[str] = ()
    frames: Sequence[str] = ()
    audio: Sequence[str] = ()
    co2: float | None = None
    fleet: int = 1
    max_power: str | None = None
    max_energy: str | None = None


def estimate_energy(
    model: str, place: Deployment, stated: EnergyOptions
) -> tuple[EnergyReport, tuple[EstimateLimit, ...]]:
    """The figures for a model, and the limits on them; what is not stated may be the configuration's.

    Raises
    ------
    McuplanError
        For amounts that are none, what says nothing without a period, and models that cannot be read.
    """
    configured = place.criteria.performance
    period = configured.period if stated.period is None else parse_duration(stated.period)
    _needs_period(stated, period)
    use = Use(
        period=period,
        battery=None if stated.battery is None else parse_battery(stated.battery),
        active_watts=None if stated.power is None else parse_power(stated.power),
        sleep_watts=None if stated.sleep_power is None else parse_power(stated.sleep_power),
        parts=tuple(map(_timed, stated.parts)),
        extra=tuple(map(_extra, stated.extra)),
        buffers=(
            *((f"frame {text}", parse_frame(text)) for text in stated.frames),
            *((f"audio {text}", parse_audio(text)) for text in stated.audio),
        ),
        grams_per_kwh=stated.co2,
        devices=stated.fleet,
    )
    seconds = None if stated.latency is None else parse_duration(stated.latency)
    runs = [_run(model, 1.0, seconds), *map(_woken, stated.wakes)]
    report = energy_report(runs, place.board, place.target, use)
    return report, tuple(_limits(report, stated, configured))


def _limits(report: EnergyReport, stated: EnergyOptions, configured: AskedPerformance) -> Iterator[EstimateLimit]:
    power = configured.power if stated.max_power is None else parse_power(stated.max_power) * 1e3
    if power is not None:
        watts = report.average.watts if report.average else None
        yield held("average power", "mW", None if watts is None else watts * 1e3, power)
    energy = configured.energy if stated.max_energy is None else parse_energy(stated.max_energy) * 1e6
    if energy is not None:
        yield held("energy of one inference", "uJ", report.stages[0].microjoules, energy)


def _needs_period(stated: EnergyOptions, period: float | None) -> None:
    given = {
        "--battery": stated.battery, "--part": stated.parts, "--extra": stated.extra, "--co2": stated.co2,
        "--sleep-power": stated.sleep_power, "--max-power": stated.max_power,
    }  # fmt: skip
    name = next((name for name, value in given.items() if value), None)
    if period is None and name is not None:
        raise McuplanError(f"{name} says nothing without --period: how often does the model run?")


def _timed(text: str) -> tuple[str, float | None]:
    name, colon, time = text.rpartition(":")
    return (name, parse_duration(time)) if colon else (text, None)


def _extra(text: str) -> Load:
    power, seconds = _timed(text)
    return Load(f"extra {text}", parse_power(power), seconds)


def _run(model: str, probability: float, seconds: float | None) -> Run:
    return Run(model, load_model(model), probability, seconds)


def _woken(text: str) -> Run:
    model, *rest = text.split("@")
    try:
        probability = float(rest[0]) if len(rest) in (1, 2) else -1.0
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise McuplanError(f"--wakes {text!r}: write MODEL@P with a probability P from 0 to 1, such as big.tflite@0.05")
    return _run(model, probability, parse_duration(rest[1]) if len(rest) == 2 else None)
