"""What was measured and fitted: how long a system takes for work, by chip, clock and kernel library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from mcuplan.estimates.work import Work


@dataclass(frozen=True, slots=True)
class ModelError:
    """How far the fitted model is off on one measured network, in per cent of the measured total (+: too long).

    ``left_out_percent`` is the error where that network was left out of the fit.
    """

    model: str
    measured_us: float
    percent: float
    left_out_percent: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """The fitted model for one system.

    ``factors`` are cycles: for each instruction by kind of operator, for each ``call`` of one, and ``all`` for each
    instruction of kinds that were not measured and of the interpreter; where only whole networks were measured ``all``
    stands alone.
    """

    id: str
    socs: tuple[str, ...]
    target: str
    clock_mhz: float
    kernels: str
    system: str
    source: str
    factors: Mapping[str, float]
    macs_range: tuple[int, int]
    errors: tuple[ModelError, ...]

    @property
    def by_operator(self) -> bool:
        """Whether operators were measured by themselves."""
        return len(self.factors) > 1

    @property
    def worst_percent(self) -> float:
        """The largest error on a measured network, per cent."""
        return max(abs(e.percent) for e in self.errors)

    @property
    def worst_left_out_percent(self) -> float:
        """The largest error on a network that was left out of the fit, per cent."""
        return max(abs(e.left_out_percent) for e in self.errors)

    @property
    def error_percent(self) -> float:
        """How far a figure may be off, as all commands count it: the larger of the two."""
        return max(self.worst_percent, self.worst_left_out_percent)


@dataclass(frozen=True, slots=True)
class Spread:
    """Cycles an instruction, whole networks, that ``systems`` of one core and kernel library took: least and most."""

    target: str
    systems: tuple[str, ...]
    least: float
    most: float


def cycles(work: Work, factors: Mapping[str, float]) -> tuple[tuple[float, ...], float]:
    """Cycles of each operator, and of one Invoke with the interpreter's share."""
    rest, call = factors["all"], factors.get("call", 0.0)
    own = tuple(row.instructions * factors.get(row.kind, rest) + row.calls * call for row in work.operators)
    return own, sum(own) + work.interpreter * rest


def _read() -> Any:
    return json.loads(resources.files("mcuplan.estimates").joinpath("data/latency.json").read_text("utf-8"))


@cache
def throughputs() -> tuple[Throughput, ...]:
    """Every fitted model that mcuplan comes with."""
    return tuple(
        Throughput(
            row["id"], tuple(row["socs"]), row["target"], row["clock_mhz"], row["kernels"], row["system"],
            row["source"], dict(row["factors"]), (row["macs_range"][0], row["macs_range"][1]),
            tuple(ModelError(**e) for e in row["errors"]),
        )
        for row in _read()["fitted"]
    )  # fmt: skip


@cache
def spreads() -> tuple[Spread, ...]:
    """What the measured systems of each core and kernel library took for an instruction."""
    return tuple(Spread(**{**row, "systems": tuple(row["systems"])}) for row in _read()["spreads"])
