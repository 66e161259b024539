"""Average power of a device that wakes once a period: inference, cascades, sensors, sleep. SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.quantities import Battery

TINYML_WATTS = 1e-3
"""The lecture's mark of TinyML: a network that runs below 1 mW."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A model that runs once a period with ``probability``, for ``seconds`` at ``watts``."""

    name: str
    seconds: float
    watts: float
    probability: float = 1.0

    @property
    def joules(self) -> float:
        """Energy of one run."""
        return self.seconds * self.watts


@dataclass(frozen=True, slots=True)
class Load:
    """A part that draws ``watts`` (None: unknown) for ``seconds`` of each period (None: all the time)."""

    name: str
    watts: float | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PowerShare:
    """Average watts that one consumer takes; None where unknown."""

    name: str
    watts: float | None


@dataclass(frozen=True, slots=True)
class AveragePower:
    """``shares`` add up to ``watts``, which is None where one of them is unknown; ``known_watts`` leaves those out.

    ``busy`` is the share of time in which the processor works, ``longest_seconds`` a period in which every stage runs.
    """

    period_seconds: float
    busy: float
    longest_seconds: float
    shares: tuple[PowerShare, ...]
    watts: float | None
    known_watts: float


def average_power(
    period: float, stages: Sequence[Stage], sleep_watts: float, loads: Sequence[Load] = ()
) -> AveragePower:
    """Average power over periods of ``period`` seconds.

    Each stage adds probability x seconds x watts / period; the processor sleeps in the time left; a load adds its
    watts, or watts x seconds / period.

    Raises
    ------
    EstimateError
        Where the stages take longer on average than a period, or a load is on for longer than one.
    """
    busy_seconds = sum(s.probability * s.seconds for s in stages)
    if busy_seconds > period:
        raise EstimateError(f"inference takes {busy_seconds:.3g} s on average, longer than the period of {period:g} s")
    shares = [PowerShare(s.name, s.probability * s.joules / period) for s in stages]
    shares.append(PowerShare("sleep", sleep_watts * (1 - busy_seconds / period)))
    for load in loads:
        if load.seconds is not None and load.seconds > period:
            raise EstimateError(f"{load.name} is on for {load.seconds:g} s of a period of {period:g} s")
        part = 1.0 if load.seconds is None else load.seconds / period
        shares.append(PowerShare(load.name, None if load.watts is None else load.watts * part))
    known = sum(share.watts for share in shares if share.watts is not None)
    total = None if any(share.watts is None for share in shares) else known
    return AveragePower(period, busy_seconds / period, sum(s.seconds for s in stages), tuple(shares), total, known)


def is_tinyml(power: AveragePower) -> bool | None:
    """Whether average power is below 1 mW; None where unknown parts could tip it."""
    if power.known_watts >= TINYML_WATTS:
        return False
    return None if power.watts is None else True


def battery_hours(battery: Battery, watts: float) -> float:
    """Hours that a battery lasts at ``watts``, its nominal energy used up and no self-discharge."""
    return battery.watt_hours / watts


def grams_co2_a_year(watts: float, grams_per_kwh: float, devices: int) -> float:
    """Grams of CO2 that ``devices`` cause in a year of 8,760 hours at a grid's intensity."""
    return watts / 1000 * 8760 * grams_per_kwh * devices
