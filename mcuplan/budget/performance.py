"""Time, energy and average power of a model on a board, and the limits that a user states for them.

Estimates, unlike RAM and flash: there is a figure only where the board was measured, and it may be off by its error.
The room of estimates is imported only once there is a board or a limit, for start-up time is a feature.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from mcuplan.budget.limits import LimitError
from mcuplan.errors import McuplanError
from mcuplan.text import show_rough

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.boards.spec import PowerMode
    from mcuplan.budget.analysis import Analysis
    from mcuplan.estimates.basis import Basis
    from mcuplan.estimates.latency import Latency


class Quantity(enum.StrEnum):
    """What is estimated; the value is the option, and the key of the configuration, that limits it."""

    LATENCY = "latency"
    ENERGY = "energy"
    POWER = "power"


Unit: TypeAlias = Literal["us", "uJ", "mW"]
UNITS: Mapping[Quantity, Unit] = {Quantity.LATENCY: "us", Quantity.ENERGY: "uJ", Quantity.POWER: "mW"}
"""Microseconds and microjoules of one inference, milliwatts on average."""


@dataclass(frozen=True, slots=True)
class AskedPerformance:
    """Limits that a user states, in the units of :data:`UNITS`, and the period in seconds; None where none is.

    ``sources`` names the option or key that states each.
    """

    latency: float | None = None
    energy: float | None = None
    power: float | None = None
    period: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def limits(self) -> Iterator[tuple[Quantity, float, str]]:
        """The limits that are stated, each with who states it.

        Raises
        ------
        LimitError
            For a limit on average power without a period.
        """
        if self.power is not None and self.period is None:
            raise LimitError(
                f"a limit on average power ({self.sources.get('power', 'your limit')}) says nothing without a period: "
                "state how often the model runs with --period 10s, or the key 'period'"
            )
        for quantity in Quantity:
            amount: float | None = getattr(self, quantity.value)
            if amount is not None:
                yield quantity, amount, self.sources.get(quantity.value, "your limit")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure in its unit of :data:`UNITS`; ``error_percent`` is how far it may be off, None where nobody says."""

    quantity: Quantity
    amount: float
    error_percent: float | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class HeldEstimate:
    """A limit and what is held against it; ``figure`` is None where nothing is known: then it is not judged."""

    quantity: Quantity
    limit: float
    source: str
    figure: float | None
    error_percent: float | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the figure keeps the limit; None: it cannot be judged."""
        return None if self.figure is None else self.figure <= self.limit

    @property
    def close(self) -> bool:
        """Whether the error of the estimate could turn the verdict."""
        if self.figure is None or self.error_percent is None:
            return False
        return abs(self.figure - self.limit) <= self.figure * self.error_percent / 100


@dataclass(frozen=True, slots=True)
class Performance:
    """What is known of a model's time, energy and power on a board; ``unknown`` says why a figure is missing."""

    estimates: tuple[Estimate, ...] = ()
    held: tuple[HeldEstimate, ...] = ()
    unknown: Mapping[Quantity, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def estimate(self, quantity: Quantity) -> Estimate | None:
        """The figure for ``quantity``, None where there is none."""
        return next((e for e in self.estimates if e.quantity is quantity), None)

    @property
    def broken(self) -> tuple[HeldEstimate, ...]:
        """The limits that a known figure is over."""
        return tuple(row for row in self.held if row.kept is False)


class _UnknownError(McuplanError):
    """Why there is no figure; never leaves this module."""


NOTHING = Performance()
"""Where no board is named and no limit is stated."""


def estimate_performance(analysis: Analysis, board: Board | None, asked: AskedPerformance) -> Performance:
    """Estimates for one model on one board (None: no board), held against the limits that are stated.

    Raises
    ------
    LimitError
        For a limit on average power without a period.
    """
    stated = list(asked.limits())
    if board is None and not stated:
        return NOTHING
    unknown, notes = dict[Quantity, str](), list[str]()
    found = {e.quantity: e for e in _estimates(analysis, board, asked.period, unknown, notes)}
    held = []
    for quantity, limit, source in stated:
        if (known := found.get(quantity)) is None:
            held.append(HeldEstimate(quantity, limit, source, None))
        else:
            held.append(HeldEstimate(quantity, limit, source, known.amount, known.error_percent))
    return Performance(tuple(found.values()), tuple(held), unknown, tuple(notes))


def _estimates(
    analysis: Analysis, board: Board | None, period: float | None, unknown: dict[Quantity, str], notes: list[str]
) -> Iterator[Estimate]:
    """What is known, one figure after the other; ``unknown`` gets the reasons for what is not."""
    try:
        latency = _latency(analysis, board)
    except _UnknownError as reason:
        unknown |= dict.fromkeys(Quantity, str(reason))
        return
    assert board is not None
    assert latency.total_us is not None
    error = latency.error_percent or 0.0
    notes.extend(latency.notes)
    yield Estimate(Quantity.LATENCY, latency.total_us, error, latency.basis)
    mode = board.power_mode("active")
    if mode is None:
        unknown |= dict.fromkeys((Quantity.ENERGY, Quantity.POWER), f"no power of {board.name} is known")
        return
    # A datasheet's power has no stated error: the time's is the least that the energy may be off.
    basis = _joined(mode_basis(board, mode), latency.basis)
    yield Estimate(Quantity.ENERGY, latency.total_us * mode.milliwatts / 1e3, error, basis)
    if period is None:
        unknown[Quantity.POWER] = "no period is stated"
    elif latency.total_us > period * 1e6:
        unknown[Quantity.POWER] = f"one inference takes longer than the period of {period:g} s"
    else:
        yield _power(board, mode, latency, period, error)


def _latency(analysis: Analysis, board: Board | None) -> Latency:
    """The time of one inference, all operators measured.

    Raises
    ------
    _UnknownError
        Where it is not known; the text is the reason.
    """
    if board is None:
        raise _UnknownError("no board is named")
    if analysis.refusals:
        raise _UnknownError("TFLM does not run the model")
    from mcuplan.estimates.errors import EstimateError
    from mcuplan.estimates.latency import find_latency

    try:
        soc = board.soc
        latency = find_latency(analysis.graph, soc.name, soc.clock_mhz, analysis.target, analysis.arena.plan)
    except EstimateError as error:
        raise _UnknownError(str(error)) from None
    if latency.range_us is not None:
        low, high = (show_rough(us / 1e3) for us in latency.range_us)
        raise _UnknownError(
            f"no latency was measured on {board.soc.name} at {board.soc.clock_mhz:g} MHz; other boards with its core "
            f"would take {low} to {high} ms, which is a range, not a figure"
        )
    if latency.total_us is None:
        raise _UnknownError(f"{', '.join(latency.missing)} was not measured on {board.name}")
    return latency


def _power(board: Board, active: PowerMode, latency: Latency, period: float, error: float) -> Estimate:
    """Average milliwatts: active while the model runs once a period, asleep for the rest."""
    from mcuplan.estimates.basis import Basis
    from mcuplan.estimates.duty import Stage, average_power

    assert latency.total_us is not None
    sleep = board.power_mode("sleep")
    awake = Basis("no sleep power is known: counted as active all the time", "an upper bound of the processor's share")
    asleep = awake if sleep is None else mode_basis(board, sleep)
    watts = (sleep or active).milliwatts / 1e3
    stage = Stage("inference", latency.total_us / 1e6, active.milliwatts / 1e3)
    average = average_power(period, [stage], watts)
    # The time's error moves only what is drawn while awake; of a figure that is an upper bound no error is known.
    share = stage.joules / period / average.known_watts if sleep and average.known_watts else None
    basis = _joined(_joined(mode_basis(board, active), asleep), latency.basis)
    return Estimate(Quantity.POWER, average.known_watts * 1e3, share and error * share, basis)


def mode_basis(board: Board, mode: PowerMode) -> Basis:
    """Where a power figure of a board comes from."""
    from mcuplan.estimates.basis import Basis

    said = f"{mode.state} power {mode.milliwatts:g} mW of the {mode.scope}: {mode.condition}"
    return Basis(
        f"{said} ({board.source(mode.source).title})",
        "not stated by its source; another program, temperature or specimen can take more or less",
    )


def _joined(first: Basis, second: Basis) -> Basis:
    from mcuplan.estimates.basis import Basis

    return Basis(f"{first.source}; {second.source}", f"{first.error}; {second.error}")
