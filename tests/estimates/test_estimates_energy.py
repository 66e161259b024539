"""Energy and power: the lecture's ratios, sums worked out by hand, units, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.boards import load_board
from mcuplan.estimates.bill import BillLine, bill
from mcuplan.estimates.duty import Load, Stage, average_power, battery_hours, grams_co2_a_year, is_tinyml
from mcuplan.estimates.energy_bound import Traffic, energy_bound, energy_table, traffic
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.quantities import parse_audio, parse_battery, parse_duration, parse_frame, parse_power
from mcuplan.findings.energy import Run, Use, energy_report
from mcuplan.tflite import load
from mcuplan.tflm import Target
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

TARGET = Target.parse("cortex-m4+cmsis-nn")


def test_the_lectures_ratios() -> None:
    table = energy_table()
    assert table.add["float32"] / table.add["int8"] == pytest.approx(30)
    assert table.multiply["float32"] / table.multiply["int8"] == pytest.approx(18.5)
    for size in (8192, 32768, 1 << 20, 1 << 30):
        assert table.memory_pj(32 * 1000, size) / table.memory_pj(8 * 1000, size) == 4


def test_memory_by_size() -> None:
    table = energy_table()
    assert [table.access_pj(size) for size in (100, 8192, 8193, 32768, 1 << 20, (1 << 20) + 1)] == [
        10, 10, 20, 20, 100, 1300,
    ]  # fmt: skip
    assert table.dram == (1300, 2600)


def test_bound_by_hand() -> None:
    moves = Traffic(macs=1000, weights=800, activations=160, largest_step=80)
    int8, float32 = energy_bound(moves, "int8"), energy_bound(moves, "float32")
    assert int8.arithmetic_uj == pytest.approx(1000 * 0.23e-6)
    assert int8.memory_uj == pytest.approx((800 + 160) / 8 * 10e-6)
    assert float32.arithmetic_uj == pytest.approx(1000 * 4.6e-6)
    assert float32.memory_uj == pytest.approx(4 * int8.memory_uj)
    assert float32.total_uj == float32.arithmetic_uj + float32.memory_uj


def test_traffic_by_hand() -> None:
    b = Builder()
    x = b.input((1, 4))
    y = b.fully_connected(x, 3)
    graph = b.graph([b.add(y, y)])
    moves = traffic(graph)
    assert (moves.macs, moves.weights) == (12, 15)
    assert moves.activations == (4 + 3) + (3 + 3 + 3)
    assert moves.largest_step == 9


def test_average_power_by_hand() -> None:
    stages = [Stage("small", 0.1, 0.01), Stage("big", 1.0, 0.02, 0.05)]
    power = average_power(10, stages, 1e-6, [Load("microphone", 300e-6), Load("radio", 0.04, 0.01)])
    assert [share.watts for share in power.shares] == pytest.approx([0.1e-3, 0.1e-3, 1e-6 * (1 - 0.015), 300e-6, 40e-6])
    assert power.watts == pytest.approx(sum(share.watts or 0 for share in power.shares))
    assert power.busy == pytest.approx(0.015)
    assert power.longest_seconds == pytest.approx(1.1)
    assert is_tinyml(power) is True


def test_unknown_power_is_no_total() -> None:
    power = average_power(10, [Stage("m", 0.1, 0.01)], 0, [Load("gesture", None)])
    assert power.watts is None
    assert power.known_watts == pytest.approx(1e-4)
    assert is_tinyml(power) is None
    heavy = average_power(1, [Stage("m", 0.5, 0.01)], 0, [Load("gesture", None)])
    assert is_tinyml(heavy) is False


@given(st.floats(0.01, 1), st.floats(0.001, 1), st.floats(1, 100))
def test_longer_periods_take_less(seconds: float, watts: float, factor: float) -> None:
    stages, sleep = [Stage("m", seconds, watts)], watts / 2000
    short, long = average_power(1, stages, sleep), average_power(factor, stages, sleep)
    assert long.watts is not None
    assert short.watts is not None
    assert sleep * 0.999 <= long.watts <= short.watts * 1.0001


def test_too_short_a_period() -> None:
    with pytest.raises(EstimateError, match=r"inference takes 2 s on average, longer than the period of 1 s"):
        average_power(1, [Stage("m", 2, 0.01)], 0)
    with pytest.raises(EstimateError, match="radio is on for 3 s of a period of 1 s"):
        average_power(1, [], 0, [Load("radio", 1, 3)])


def test_battery_and_co2() -> None:
    assert battery_hours(parse_battery("220mAh@3V"), 0.001) == pytest.approx(660)
    assert grams_co2_a_year(0.001, 400, 1000) == pytest.approx(3504)


def test_units() -> None:
    assert parse_duration("10s") == 10
    assert parse_duration("2 min") == 120
    assert parse_power("4.5\u00b5W") == pytest.approx(4.5e-6)
    assert parse_battery("0.66Wh").watt_hours == pytest.approx(0.66)
    assert parse_frame("160x120") == 19_200
    assert parse_audio("16kHz:1s") == 32_000


@pytest.mark.parametrize("text", ["", "10", "-1s", "1e3s", "s", "10 parsecs", "0s", "9" * 400 + "s", "1\u0661s"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(EstimateError):
        parse_duration(text)


@pytest.mark.parametrize("text", ["220mAh", "220@3V", "220mAh@", "220mAh@3A", "@3V", "0mAh@3V"])
def test_bad_batteries(text: str) -> None:
    with pytest.raises(EstimateError):
        parse_battery(text)


@pytest.mark.parametrize("text", ["160", "160x", "0x120", "160x120x0", "axb", "160x120x2x2"])
def test_bad_frames(text: str) -> None:
    with pytest.raises(EstimateError):
        parse_frame(text)


def test_bill_adds_each_currency() -> None:
    total = bill([
        BillLine("board", 29.7, "EUR", 2022, "lecture"), BillLine("camera", 25.99, "USD", 2022, "lecture"),
        BillLine("case", 0.3, "EUR", 2022, "lecture"), BillLine("wire", None, "", None, ""),
    ])  # fmt: skip
    assert total.totals == (("EUR", pytest.approx(30.0)), ("USD", pytest.approx(25.99)))
    assert not total.complete


def test_device_on_the_lectures_board() -> None:
    board = load_board("arduino-nano-33-ble-sense")
    use = Use(
        period=10, battery=parse_battery("220mAh@3V"), parts=(("microphone", None), ("Arducam", 1.0)),
        buffers=(("frame", parse_frame("160x120")),),
    )  # fmt: skip
    run = Run("person", build("person-detection"))
    report = energy_report([run], board, TARGET, use)
    assert report.average is not None
    assert report.average.watts is None  # nobody states the Arducam's power
    assert report.battery_hours is None
    assert report.ram.total_bytes == report.ram.models_bytes + 19_200
    assert report.bill is not None
    assert report.bill.totals == (("EUR", 29.7), ("USD", 25.99))
    known = energy_report([run], board, TARGET, Use(period=10, parts=(("microphone", None),)))
    assert known.tinyml is True
    stage = known.stages[0]
    assert stage.microseconds is not None
    assert stage.microjoules == pytest.approx(stage.microseconds * 9.98e-3)
    assert all(basis.source and basis.error for basis in known.bases)
    sources = " ".join(basis.source for basis in known.bases)
    for what in (
        "active power 9.98 mW",
        "sleep power 0.0045 mW",
        "MP34DT05 microphone: 0.0003 W",
        "cycles an instruction by kind of operator",
    ):
        assert what in sources


def test_stated_figures_replace_the_boards() -> None:
    run = Run("m", build("sine"), seconds=0.5)
    use = Use(period=5, active_watts=0.02, sleep_watts=1e-6)
    report = energy_report([run], None, TARGET, use)
    assert report.average is not None
    assert report.average.watts == pytest.approx(0.002 + 0.9e-6)
    assert report.stages[0].microjoules == pytest.approx(10_000)
    assert report.ram.available_bytes is None


def test_a_cascade_adds_up() -> None:
    small, big = Run("small", build("sine"), seconds=0.1), Run("big", build("person-detection"), 0.1, 1.0)
    use = Use(period=10, active_watts=0.01, sleep_watts=0.0 + 1e-9)
    both = energy_report([small, big], None, TARGET, use)
    assert both.average is not None
    assert both.average.watts == pytest.approx(0.01 * (0.1 + 0.1) / 10, rel=1e-5)
    alone = [energy_report([run], None, TARGET, Use()).ram.models_bytes for run in (small, big)]
    assert max(alone) < both.ram.models_bytes < sum(alone)


def test_what_is_not_known_is_refused() -> None:
    graph = build("sine")
    with pytest.raises(EstimateError, match="the active power of Raspberry Pi Pico is not known"):
        energy_report([Run("m", graph, seconds=0.1)], load_board("raspberry-pi-pico"), TARGET, Use(period=1))
    with pytest.raises(EstimateError, match="how long m runs is not known"):
        energy_report([Run("m", graph)], load_board("raspberry-pi-pico"), TARGET, Use(period=1, active_watts=0.1))
    with pytest.raises(EstimateError, match="is none of the parts"):
        energy_report([Run("m", graph)], load_board("nano33ble"), TARGET, Use(period=1, parts=(("laser", None),)))
    with pytest.raises(EstimateError, match="is more than one of the parts"):
        energy_report([Run("m", graph)], load_board("nano33ble"), TARGET, Use(period=1, parts=(("sensor", None),)))
    with pytest.raises(EstimateError, match="state --period"):
        energy_report([Run("m", graph)], None, TARGET, Use(battery=parse_battery("1Wh")))


def test_measured_energy() -> None:
    """Power from ST's runs and the times of Skymizer's, against the energy Skymizer measured on the same board."""
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED names no folder with measurements")
    truth = json.loads(Path(folder, "truth", "latency.json").read_text())["mlperf_tiny_v1_1"]["rows"]
    board = load_board("nucleo-l4r5zi")
    rows = [r for r in truth if r["system"] == "NUCLEO_L4R5ZI-mbed_os" and r["mode"] == "energy"]
    assert len(rows) == 4
    for row in rows:
        graph = load(str(Path(folder, "models", f"{row['model']}.tflite")))
        run = Run("m", graph, seconds=1 / row["inferences_per_s"])
        stage = energy_report([run], board, TARGET, Use()).stages[0]
        assert stage.microjoules == pytest.approx(row["energy_uj"], rel=0.03)
