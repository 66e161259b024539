"""Latency: the model by hand, its errors on what was measured, loops, ranges, and refusal where nothing was."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import ModuleType

import pytest

from mcuplan.boards import load_board
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.latency import estimate_latency, find_latency, find_spread, find_throughput, latency_range
from mcuplan.estimates.throughput import cycles, spreads, throughputs
from mcuplan.estimates.work import invoke_work
from mcuplan.tflite import load
from mcuplan.tflm import Target
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

NANO = ("nRF52840", 64, "cmsis-nn")
M4 = Target.parse("cortex-m4+cmsis-nn")


def shared() -> Path:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED names no folder with measurements")
    return Path(folder)


def tool() -> ModuleType:
    """tools/fit_latency.py, which is not part of the package."""
    folder = Path(__file__).parents[2] / "tools"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("fit_latency", folder / "fit_latency.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(folder))


def test_work_by_hand() -> None:
    """Kinds of operators, their MACs and calls."""
    b = Builder()
    x = b.conv2d(b.input((1, 64, 4, 3)), 8, 3)
    x = b.conv2d(x, 2, 1)
    x = b.depthwise_conv2d(x, 3)
    work = invoke_work(b.graph([b.softmax(b.fully_connected(b.reshape(x, (1, 512)), 5))]))
    assert [row.kind for row in work.operators] == ["conv.window", "conv.1x1", "depthwise", "rest", "dense", "rest"]
    assert [row.macs for row in work.operators] == [64 * 4 * 8 * 27, 64 * 4 * 16, 64 * 4 * 2 * 9, 0, 2560, 0]
    assert [row.calls for row in work.operators] == [1] * 6


def test_latency_by_hand() -> None:
    """Two cycles for each instruction of a convolution, 100 for its call, one for the rest, at 64 MHz."""
    b = Builder()
    graph = b.graph([b.depthwise_conv2d(b.input((1, 4, 4, 2)), 3)])
    factors = {"call": 100.0, "depthwise": 2.0, "all": 1.0}
    throughput = replace(find_throughput(*NANO), factors=factors, macs_range=(288, 288))
    work = invoke_work(graph)
    latency = estimate_latency(graph, throughput)
    expected = (2 * work.operators[0].instructions + 100 + work.interpreter) / 64
    assert latency.total_us == pytest.approx(expected)
    assert latency.notes == ()


def test_every_fitted_model_is_within_twelve_per_cent_and_twenty_five_left_out() -> None:
    assert {t.id for t in throughputs()} >= {"nrf52840-arduino", "esp32-esp-nn", "stm32l4r5zi-microtvm", "ra6m4-tflm"}
    for throughput in throughputs():
        assert len(throughput.errors) == 4
        assert 0 < throughput.worst_percent <= 12
        assert median(abs(e.percent) for e in throughput.errors) <= 10.2
        assert throughput.worst_left_out_percent <= 25
        assert throughput.error_percent == max(throughput.worst_percent, throughput.worst_left_out_percent)


def test_no_figure_is_from_a_runtime_with_other_kernels() -> None:
    """Skymizer's and Nuvoton's runs on Mbed OS and Zephyr are ONNC's, as their system descriptions say."""
    for throughput in throughputs():
        assert not re.search("skymizer|nuvoton|onnc", throughput.source + throughput.system, re.IGNORECASE)


def test_measured_totals() -> None:
    """The microseconds of the benchmark's own rows, added up, on the two boards measured by operator."""
    folder = shared()
    rows = json.loads((folder / "truth" / "latency.json").read_text())["per_operator"]["rows"]
    for board, chip in (("nano33ble", NANO), ("esp32", ("ESP32", 240, "esp-nn"))):
        for model in {row["model"] for row in rows}:
            measured = sum(r["us_per_inference"] for r in rows if (r["board"], r["model"]) == (board, model))
            latency = estimate_latency(load(str(folder / "models" / f"{model}.tflite")), find_throughput(*chip))
            assert latency.total_us == pytest.approx(measured, rel=0.035)


def test_data_is_what_the_tool_makes() -> None:
    import mcuplan.estimates

    stored = Path(mcuplan.estimates.__file__).parent / "data" / "latency.json"
    assert json.loads(json.dumps(tool().fitted(shared()))) == json.loads(stored.read_text())


def test_no_data_no_number() -> None:
    with pytest.raises(EstimateError, match=r"no latency was measured on RP2040 at 133 MHz with cmsis-nn kernels"):
        find_latency(build("sine"), "RP2040", 133, Target.parse("cortex-m0plus+cmsis-nn"))
    with pytest.raises(EstimateError, match="reference kernels"):
        find_throughput("nRF52840", 64, "reference")


def test_a_board_that_was_not_measured_gets_a_range() -> None:
    graph = build("person-detection")
    spread = find_spread("cortex-m4+cmsis-nn")
    assert spread is not None
    assert set(spread.systems) == {t.id for t in throughputs() if t.target == spread.target}
    latency = find_latency(graph, "STM32F401RE", 84, M4)
    work = invoke_work(graph)
    assert latency.total_us is None
    assert latency.error_percent is None
    assert latency.range_us == pytest.approx([work.instructions * f / 84 for f in (spread.least, spread.most)])
    for throughput in throughputs():
        if throughput.target != spread.target:
            continue
        for e in throughput.errors:
            assert e.measured_us > 0
    assert latency_range(build("person-detection-float"), 84, spread).range_us is None


def test_a_core_whose_networks_have_no_rate_in_common_gets_a_range() -> None:
    """Helium runs an instruction of the Cortex-M4 in 0.14 to 0.43 cycles: four networks on one board, no figure."""
    assert not [t for t in throughputs() if "m85" in t.target]
    board = load_board("ek-ra8m1", ())
    latency = find_latency(build("resnet8"), board.soc.name, board.soc.clock_mhz, Target.parse("cortex-m85+cmsis-nn"))
    assert latency.total_us is None
    assert latency.range_us is not None
    low, high = latency.range_us
    assert low < 8_478 < high  # what ResNet-8 took on the EK-RA8D1, the same core and clock
    assert "1 measured system of" in latency.basis.source
    assert "range" in latency.basis.error


def test_spreads_hold_every_measured_network() -> None:
    folder = shared()
    for spread in spreads():
        for throughput in throughputs():
            for e in throughput.errors if throughput.target == spread.target else ():
                graph = load(str(folder / "models" / f"{e.model}.tflite"))
                rate = e.measured_us * throughput.clock_mhz / invoke_work(graph).instructions
                assert spread.least * 0.999 <= rate <= spread.most * 1.001


def test_loops_count_turn_by_turn() -> None:
    """What ``plan --patch`` writes takes longer than the model it was made from, by operators and by whole networks."""
    from mcuplan.patching.arena.search import find_patch_plan

    graph = build("resnet8")
    plan = find_patch_plan(graph, M4, effort="fast")
    assert plan is not None
    for chip in (NANO, ("STM32L4R5ZI", 120, "cmsis-nn")):
        before, after = (estimate_latency(g, find_throughput(*chip)).total_us for g in (graph, plan.graph))
        assert before is not None
        assert after is not None
        assert 1.0 <= after / before < 2.0


def test_operators_nobody_measured_count_by_the_average() -> None:
    b = Builder()
    graph = b.graph([b.mean(b.conv2d(b.input((1, 8, 8, 3)), 4, 3), (1, 2))])
    throughput = find_throughput(*NANO)
    latency = estimate_latency(graph, throughput)
    assert latency.total_us == pytest.approx(cycles(invoke_work(graph), throughput.factors)[1] / 64)
    assert latency.missing == ()


@pytest.mark.parametrize("chip", [NANO, ("STM32L4R5ZI", 120, "cmsis-nn")])
def test_float_models_leave_no_total(chip: tuple[str, float, str]) -> None:
    latency = estimate_latency(build("person-detection-float"), find_throughput(*chip))
    assert latency.total_us is None
    assert "CONV_2D on float32" in latency.missing


def test_far_models_are_noted() -> None:
    latency = estimate_latency(build("sine"), find_throughput(*NANO))
    assert "outside what was measured" in latency.notes[0]


def test_totals_only() -> None:
    throughput = find_throughput("STM32L4R5ZI", 120, "cmsis-nn")
    graph = build("person-detection")
    latency = estimate_latency(graph, throughput)
    assert latency.total_us == pytest.approx(invoke_work(graph).instructions * throughput.factors["all"] / 120)
    assert all(row.microseconds is None for row in latency.operators)


def test_middle_rate_is_equally_far() -> None:
    rate = tool().middle_rate([2.0, 3.0, 2.5])
    assert rate / 2.0 - 1 == pytest.approx(1 - rate / 3.0)


def test_every_board_with_a_range_or_a_figure_says_which() -> None:
    board = load_board("nucleo-f401re", ())
    latency = find_latency(build("sine"), board.soc.name, board.soc.clock_mhz, M4)
    assert "range" in latency.basis.error
