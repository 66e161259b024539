"""Time, energy and power on a board: worked by hand from the board's figures, held against limits, or not judged."""

from __future__ import annotations

import pytest

from mcuplan import budget
from mcuplan.boards import Board, load_board
from mcuplan.budget import AskedPerformance, LimitError, Quantity, Verdict, estimate_performance
from mcuplan.budget.performance import NOTHING, HeldEstimate
from mcuplan.tflm import Target
from mcuplan.zoo import build

NANO, UNMEASURED = "arduino-nano-33-ble-sense", "stm32f746g-discovery"


def analysed(board: Board | None, model: str = "sine") -> budget.Analysis:
    return budget.analyse(build(model), Target.parse(board.target if board else "cortex-m4+cmsis-nn"))


def on(name: str, asked: AskedPerformance, model: str = "sine") -> budget.Performance:
    board = load_board(name)
    return estimate_performance(analysed(board, model), board, asked)


def amount(found: budget.Performance, quantity: Quantity) -> float:
    estimate = found.estimate(quantity)
    assert estimate is not None
    return estimate.amount


def test_energy_is_time_by_active_power_and_power_adds_sleep() -> None:
    board = load_board(NANO)
    active, sleep = board.power_mode("active"), board.power_mode("sleep")
    assert active is not None
    assert sleep is not None
    found = on(NANO, AskedPerformance(period=10.0), "person-detection")
    us = amount(found, Quantity.LATENCY)
    assert 500_000 < us < 800_000
    assert amount(found, Quantity.ENERGY) == pytest.approx(us * active.milliwatts / 1_000)
    busy = us / 10e6
    assert amount(found, Quantity.POWER) == pytest.approx(busy * active.milliwatts + (1 - busy) * sleep.milliwatts)
    assert all(e.basis.source and e.basis.error and e.error_percent for e in found.estimates)
    assert found.held == ()


def test_the_same_time_as_the_latency_command() -> None:
    from mcuplan.estimates.latency import estimate_latency, find_throughput

    board = load_board(NANO)
    direct = estimate_latency(build("sine"), find_throughput(board.soc.name, board.soc.clock_mhz, "cmsis-nn"))
    assert amount(on(NANO, AskedPerformance()), Quantity.LATENCY) == direct.total_us


def test_a_known_figure_over_its_limit_fails() -> None:
    found = on(NANO, AskedPerformance(latency=200_000.0, energy=1e6, sources={"latency": "--latency"}), "resnet8")
    us = amount(found, Quantity.LATENCY)
    assert us > 200_000
    assert [(row.quantity, row.source, row.figure, row.kept) for row in found.held] == [
        (Quantity.LATENCY, "--latency", us, False),
        (Quantity.ENERGY, "your limit", amount(found, Quantity.ENERGY), True),
    ]
    assert [row.quantity for row in found.broken] == [Quantity.LATENCY]
    need = analysed(None).need()
    limits = budget.Limits()
    assert budget.judge(need, limits, performance=found).verdict is Verdict.FAIL
    assert budget.judge(need, limits, performance=found).overruns == found.broken
    assert budget.judge(need, limits, performance=NOTHING).verdict is Verdict.PASS


def test_without_data_there_is_no_figure_and_no_verdict() -> None:
    found = on(UNMEASURED, AskedPerformance(latency=1.0, energy=1.0))
    assert found.estimates == ()
    assert [(row.figure, row.kept, row.close) for row in found.held] == [(None, None, False)] * 2
    assert "no latency was measured on STM32F746NG" in found.unknown[Quantity.LATENCY]
    assert found.broken == ()
    assert budget.judge(analysed(None).need(), budget.Limits(), performance=found).verdict is Verdict.PASS


def test_without_power_data_there_is_time_alone() -> None:
    board = load_board(NANO).model_copy(update={"power": None, "name": "Nano"})
    found = estimate_performance(analysed(board), board, AskedPerformance(energy=1.0))
    assert [e.quantity for e in found.estimates] == [Quantity.LATENCY]
    assert found.unknown[Quantity.ENERGY] == "no power of Nano is known"


def test_operators_that_were_not_measured_give_no_figure() -> None:
    found = on(NANO, AskedPerformance(latency=1e9), "resnet8-float")
    assert found.estimates == ()
    assert "CONV_2D on float32" in found.unknown[Quantity.LATENCY]
    assert found.held[0].kept is None


def test_what_tflm_refuses_takes_no_time() -> None:
    from dataclasses import replace

    from mcuplan.tflm.results import Refusal

    board = load_board(NANO)
    refused = replace(analysed(board), refusals=(Refusal("rule", "why", "remedy", 0, 0, "SINE", -1, ""),))
    found = estimate_performance(refused, board, AskedPerformance(latency=1.0))
    assert found.estimates == ()
    assert found.unknown[Quantity.LATENCY] == "TFLM does not run the model"


def test_without_board_or_limit_nothing_is_known_or_asked() -> None:
    assert estimate_performance(analysed(None), None, AskedPerformance(period=1.0)) is NOTHING
    found = estimate_performance(analysed(None), None, AskedPerformance(latency=5.0))
    assert found.unknown[Quantity.LATENCY] == "no board is named"
    assert found.held[0].kept is None


def test_a_period_shorter_than_the_inference_gives_no_average() -> None:
    found = on(NANO, AskedPerformance(power=1.0, period=0.1), "person-detection")
    assert found.estimate(Quantity.POWER) is None
    assert found.unknown[Quantity.POWER] == "one inference takes longer than the period of 0.1 s"
    assert found.held[0].kept is None


def test_without_sleep_power_the_average_is_an_upper_bound() -> None:
    board = load_board(NANO)
    assert board.power is not None
    active = board.power_mode("active")
    assert active is not None
    awake = board.model_copy(update={"power": board.power.model_copy(update={"modes": (active,)})})
    found = estimate_performance(analysed(awake), awake, AskedPerformance(period=10.0))
    power = found.estimate(Quantity.POWER)
    assert power is not None
    assert power.amount == pytest.approx(active.milliwatts)
    assert power.error_percent is None
    assert "active all the time" in power.basis.source


def test_power_needs_a_period() -> None:
    with pytest.raises(LimitError, match=r"average power \(--power\) says nothing without a period"):
        on(NANO, AskedPerformance(power=1.0, sources={"power": "--power"}))


@pytest.mark.parametrize(
    ("figure", "limit", "percent", "kept", "close"),
    [
        (100.0, 100.0, 10.0, True, True),
        (100.0, 111.0, 10.0, True, False),
        (100.0, 110.0, 10.0, True, True),
        (100.0, 90.0, 10.0, False, True),
        (100.0, 89.0, 10.0, False, False),
        (100.0, 99.0, None, False, False),
        (None, 99.0, None, None, False),
    ],
)
def test_close_is_within_the_error(
    figure: float | None, limit: float, percent: float | None, kept: bool | None, close: bool
) -> None:
    row = HeldEstimate(Quantity.LATENCY, limit, "--latency", figure, percent)
    assert (row.kept, row.close) == (kept, close)
