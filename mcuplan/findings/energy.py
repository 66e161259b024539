"""From models, a board and what the user states to the figures of ``mcuplan energy``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan import budget
from mcuplan.estimates import duty
from mcuplan.estimates.basis import Basis
from mcuplan.estimates.bill import Bill, BillLine, bill
from mcuplan.estimates.duty import Load, Stage
from mcuplan.estimates.energy import EnergyReport, RamUse, StageEnergy
from mcuplan.estimates.energy_bound import energy_bound, energy_table, traffic
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.latency import Latency, find_latency
from mcuplan.estimates.quantities import Battery
from mcuplan.graph import Graph
from mcuplan.tflm import Target

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.boards.spec import Part


_UNSTATED = "not stated by its source; another program, temperature or specimen can take more or less"


_EXACT = "arenas exact, 4,096 bytes of stack are an allowance; each model keeps an arena of its own"
_BOUND = "arenas are upper bounds, 4,096 bytes of stack are an allowance; each model keeps an arena of its own"


@dataclass(frozen=True, slots=True)
class Run:
    """A model that runs once a period with ``probability``; ``seconds`` where its time was measured."""

    model: str
    graph: Graph
    probability: float = 1.0
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What the user states of the device; None where nothing is stated. SI units."""

    period: float | None = None
    battery: Battery | None = None
    active_watts: float | None = None
    sleep_watts: float | None = None
    parts: tuple[tuple[str, float | None], ...] = ()
    """Parts of the board, by a piece of their name, and the seconds of each period that they are on (None: always)."""
    extra: tuple[Load, ...] = ()
    buffers: tuple[tuple[str, int], ...] = ()
    grams_per_kwh: float | None = None
    devices: int = 1


def energy_report(runs: Sequence[Run], board: Board | None, target: Target, use: Use) -> EnergyReport:
    """All figures for a device that runs ``runs`` on ``board``.

    Raises
    ------
    EstimateError
        Where a duty cycle is asked for and the time or the power it needs is not known, or a part is not on the board.
    """
    bases, notes = [energy_table().basis], list[str]()
    active = _active(board, use, bases, notes)
    stages = tuple(_stage(run, board, target, active, bases, notes) for run in runs)
    parts = [(_part(board, name), seconds) for name, seconds in use.parts]
    average = _average(stages, board, active, use, parts, bases, notes) if use.period is not None else None
    watts = average.watts if average else None
    if use.battery is not None:
        if average is None:
            raise EstimateError("how long a battery lasts depends on how often the model runs: state --period")
        nominal = "nominal energy used up, without self-discharge or losses of a regulator"
        notes.append(f"battery life: {nominal if watts else 'unknown, for some power is'}")
    co2 = duty.grams_co2_a_year(watts, use.grams_per_kwh, use.devices) if use.grams_per_kwh and watts else None
    return EnergyReport(
        board.id if board else None, stages, active, _ram(runs, board, target, use, bases), average,
        duty.is_tinyml(average) if average else None, use.battery.text if use.battery else None,
        duty.battery_hours(use.battery, watts) if use.battery is not None and watts else None,
        co2, _bill(board, [part for part, _ in parts]) if board else None, tuple(bases), tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _active(board: Board | None, use: Use, bases: list[Basis], notes: list[str]) -> float | None:
    """Watts while the model runs: stated, or the board's figure at its own clock."""
    if use.active_watts is not None:
        bases.append(Basis("active power: stated by the user", "as good as the measurement"))
        return use.active_watts
    mode = board.power_mode("active") if board else None
    if board is None or mode is None:
        return None
    said = (
        f"active power {mode.milliwatts:g} mW of the {mode.scope}: {mode.condition} ({board.source(mode.source).title})"
    )
    bases.append(Basis(said, _UNSTATED))
    if mode.scope == "chip":
        notes.append("power of the chip alone: regulators, LEDs and other parts of the board come on top")
    return mode.milliwatts / 1e3


def _stage(
    run: Run, board: Board | None, target: Target, active: float | None, bases: list[Basis], notes: list[str]
) -> StageEnergy:
    moves = traffic(run.graph)
    seconds, error = run.seconds, None
    if seconds is not None:
        bases.append(Basis("inference time: stated by the user", "as good as the measurement"))
    elif board is not None:
        latency = _latency(run, board, target, notes)
        if latency is not None and latency.total_us is not None:
            bases.append(latency.basis)
            notes.extend(latency.notes)
            seconds, error = latency.total_us / 1e6, latency.error_percent
    return StageEnergy(
        run.model, run.probability, energy_bound(moves, "float32"), energy_bound(moves, "int8"),
        None if seconds is None else seconds * 1e6,
        None if seconds is None or active is None else seconds * active * 1e6, error,
    )  # fmt: skip


def _latency(run: Run, board: Board, target: Target, notes: list[str]) -> Latency | None:
    try:
        latency = find_latency(run.graph, board.soc.name, board.soc.clock_mhz, target)
    except EstimateError as error:
        notes.append(str(error))
        return None
    if latency.range_us is not None:
        notes.append(f"no latency was measured on {board.name}: only a range is known, from {latency.basis.source}")
    if latency.missing:
        notes.append(f"time unknown: {', '.join(latency.missing)} was not measured on {board.name}")
    return latency


def _average(
    stages: Sequence[StageEnergy],
    board: Board | None,
    active: float | None,
    use: Use,
    parts: Sequence[tuple[Part, float | None]],
    bases: list[Basis],
    notes: list[str],
) -> duty.AveragePower:
    assert use.period is not None
    if active is None:
        where = f"the active power of {board.name} is not known" if board else "no board is named"
        raise EstimateError(f"{where}, so there is no average power: state --power")
    running = []
    for stage in stages:
        if stage.microseconds is None:
            raise EstimateError(
                f"how long {stage.model} runs is not known, so there is no average power: state --latency"
            )
        running.append(Stage(stage.model, stage.microseconds / 1e6, active, stage.probability))
    loads = [Load(part.name, part.watts, seconds) for part, seconds in parts]
    bases.extend(_part_basis(board, part) for part, _ in parts if board is not None and part.watts is not None)
    bases.extend(Basis(f"{load.name}: stated by the user", "as good as the measurement") for load in use.extra)
    power = duty.average_power(use.period, running, _sleep(board, active, use, bases, notes), [*loads, *use.extra])
    if power.longest_seconds > use.period:
        notes.append(f"a period in which every model runs takes {power.longest_seconds:.3g} s, longer than the period")
    unknown = [share.name for share in power.shares if share.watts is None]
    if unknown:
        notes.append(f"the power of {', '.join(unknown)} is not known: state it with --extra")
    return power


def _sleep(board: Board | None, active: float, use: Use, bases: list[Basis], notes: list[str]) -> float:
    if use.sleep_watts is not None:
        bases.append(Basis("sleep power: stated by the user", "as good as the measurement"))
        return use.sleep_watts
    mode = board.power_mode("sleep") if board else None
    if board is None or mode is None:
        notes.append("no sleep power is known, so the processor is counted as active all the time: state --sleep-power")
        return active
    said = (
        f"sleep power {mode.milliwatts:g} mW of the {mode.scope}: {mode.condition} ({board.source(mode.source).title})"
    )
    bases.append(Basis(said, _UNSTATED))
    return mode.milliwatts / 1e3


def _part_basis(board: Board, part: Part) -> Basis:
    condition = f", {part.condition}" if part.condition else ""
    return Basis(f"{part.name}: {part.power_w:g} W{condition} ({board.source(part.source).title})", _UNSTATED)


def _part(board: Board | None, name: str) -> Part:
    """The one part of the board whose name or kind holds ``name``."""
    if board is None:
        raise EstimateError(f"part {name!r}: parts are those of a board: state --board, or its power with --extra")
    wanted = name.casefold()
    found = [part for part in board.parts if wanted in part.name.casefold()]
    found = found or [part for part in board.parts if wanted == part.kind]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(part.name for part in (found or board.parts)) or "none"
    raise EstimateError(
        f"part {name!r} is {'more than one' if found else 'none'} of the parts of {board.name}: {listed}"
    )


def _ram(runs: Sequence[Run], board: Board | None, target: Target, use: Use, bases: list[Basis]) -> RamUse:
    analyses = [budget.analyse(run.graph, target) for run in runs]
    need = budget.together(analyses, budget.Arenas.SUM)
    exact = all(analysis.arena.exact for analysis in analyses)
    bases.append(Basis(f"RAM: TFLM replayed for {target}, as in `mcuplan check`", _EXACT if exact else _BOUND))
    free = None
    if board is not None:
        reserved = board.reserved.ram_bytes if board.reserved and board.reserved.ram_bytes else 0
        free = board.arena_ram_bytes - reserved
    return RamUse(need.ram.total_bytes, use.buffers, free)


def _bill(board: Board, parts: Sequence[Part]) -> Bill | None:
    lines = list(_bill_lines(board, parts))
    return bill(lines) if any(line.amount is not None for line in lines) else None


def _bill_lines(board: Board, parts: Sequence[Part]) -> Iterator[BillLine]:
    price = board.price
    yield BillLine(
        board.name, price.amount if price else None, price.currency if price else "", price.year if price else None,
        board.source(price.source).title if price else "",
    )  # fmt: skip
    for part in parts:
        # What is on the board comes with it.
        if not part.on_board:
            of = part.price
            yield BillLine(
                part.name, of.amount if of else None, of.currency if of else "", of.year if of else None,
                board.source(of.source).title if of else "",
            )  # fmt: skip
