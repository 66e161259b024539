"""Energy, power, battery life and memory of a device that runs one model, or a cascade of them."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.bill import Bill
from mcuplan.estimates.duty import AveragePower
from mcuplan.estimates.energy_bound import EnergyBound


@dataclass(frozen=True, slots=True)
class StageEnergy:
    """One model: the lower bound of its arithmetic, and time and energy on the board where known.

    ``microseconds`` and ``microjoules`` are None where the board's throughput or power is not known.
    """

    model: str
    probability: float
    bound_float32: EnergyBound
    bound_int8: EnergyBound
    microseconds: float | None
    microjoules: float | None
    error_percent: float | None = None
    """How far the time may be off, as measured; None where it is stated by the user, or nobody knows."""


@dataclass(frozen=True, slots=True)
class RamUse:
    """RAM with the sensor's buffers, in bytes; ``available_bytes`` is the board's, None without one."""

    models_bytes: int
    buffers: tuple[tuple[str, int], ...]
    available_bytes: int | None

    @property
    def total_bytes(self) -> int:
        """Models and buffers."""
        return self.models_bytes + sum(size for _, size in self.buffers)

    @property
    def fits(self) -> bool | None:
        """Whether all of it fits the board."""
        return None if self.available_bytes is None else self.total_bytes <= self.available_bytes


@dataclass(frozen=True, slots=True)
class EnergyReport:
    """Everything asked for about one device; what was not asked or is not known is None."""

    board: str | None
    stages: tuple[StageEnergy, ...]
    active_watts: float | None
    ram: RamUse
    average: AveragePower | None
    tinyml: bool | None
    battery: str | None
    battery_hours: float | None
    grams_co2_a_year: float | None
    bill: Bill | None
    bases: tuple[Basis, ...]
    notes: tuple[str, ...]
