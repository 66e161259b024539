"""Latency: the model by hand, its errors on what was measured, and refusal where nothing was."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.fitting import fitted, middle_rate, nonnegative_least_squares
from mcuplan.estimates.latency import estimate_latency, find_throughput
from mcuplan.estimates.throughput import feature_formulas, features, throughputs
from mcuplan.operators.formulas import compile_formula
from mcuplan.tflite import load
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

NANO = ("nRF52840", 64, "cmsis-nn")


def shared() -> Path:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED names no folder with measurements")
    return Path(folder)


def test_features_by_hand() -> None:
    b = Builder()
    x = b.conv2d(b.input((1, 4, 4, 3)), 8, 3)
    x = b.conv2d(x, 2, 1)
    x = b.depthwise_conv2d(x, 3)
    graph = b.graph([b.softmax(b.fully_connected(b.reshape(x, (1, 32)), 5))])
    known = [list(features(graph, op) or ()) for op in graph.main.operators]
    assert known == [[3456, 3456], [256, 0], [288], [1], [1, 160], [1, 5]]


def test_latency_by_hand() -> None:
    b = Builder()
    graph = b.graph([b.depthwise_conv2d(b.input((1, 4, 4, 2)), 3)])
    throughput = replace(find_throughput(*NANO), cycles={"DEPTHWISE_CONV_2D": (16.0,)}, macs_range=(288, 288))
    latency = estimate_latency(graph, throughput)
    assert latency.total_us == pytest.approx(288 * 16 / 64)
    assert latency.notes == ()


def test_every_fitted_model_is_within_twenty_per_cent() -> None:
    assert {t.id for t in throughputs()} >= {"nrf52840-arduino", "esp32-esp-nn", "stm32l4r5zi-mbed-os"}
    for throughput in throughputs():
        assert 0 < throughput.worst_percent <= 20
        assert throughput.worst_left_out_percent is not None


def test_measured_totals() -> None:
    """The microseconds of the benchmark's own rows, added up, on the two boards measured by operator."""
    folder = shared()
    rows = json.loads((folder / "truth" / "latency.json").read_text())["per_operator"]["rows"]
    for board, chip in (("nano33ble", NANO), ("esp32", ("ESP32", 240, "esp-nn"))):
        for model in {row["model"] for row in rows}:
            measured = sum(r["us_per_inference"] for r in rows if (r["board"], r["model"]) == (board, model))
            latency = estimate_latency(load(str(folder / "models" / f"{model}.tflite")), find_throughput(*chip))
            assert latency.total_us == pytest.approx(measured, rel=0.07)


def test_data_is_what_the_script_makes() -> None:
    import mcuplan.estimates

    stored = Path(mcuplan.estimates.__file__).parent / "data" / "latency.json"
    assert json.loads(json.dumps(fitted(shared()))) == json.loads(stored.read_text())


def test_no_data_no_number() -> None:
    with pytest.raises(EstimateError, match=r"no latency was measured on RP2040 at 133 MHz with cmsis-nn kernels"):
        find_throughput("RP2040", 133, "cmsis-nn")
    with pytest.raises(EstimateError, match="reference kernels"):
        find_throughput("nRF52840", 64, "reference")


def test_unmeasured_operators_leave_no_total() -> None:
    b = Builder()
    graph = b.graph([b.mean(b.conv2d(b.input((1, 8, 8, 3)), 4, 3), (1, 2))])
    latency = estimate_latency(graph, find_throughput(*NANO))
    assert latency.total_us is None
    assert latency.missing == ("MEAN on int8",)
    assert latency.covered_us > 0
    assert latency.operators[1].microseconds is None


@pytest.mark.parametrize("chip", [NANO, ("STM32L4R5ZI", 120, "cmsis-nn")])
def test_float_models_leave_no_total(chip: tuple[str, float, str]) -> None:
    latency = estimate_latency(build("person-detection-float"), find_throughput(*chip))
    assert latency.total_us is None
    assert "CONV_2D on float32" in latency.missing


def test_far_models_are_noted() -> None:
    latency = estimate_latency(build("sine"), find_throughput(*NANO))
    assert "outside what was measured" in latency.notes[0]


def test_totals_only() -> None:
    latency = estimate_latency(build("person-detection"), find_throughput("STM32L4R5ZI", 120, "cmsis-nn"))
    assert latency.total_us == pytest.approx(7_157_888 * 3.162 / 120)
    assert all(row.microseconds is None for row in latency.operators)


def test_middle_rate_is_equally_far() -> None:
    rate = middle_rate([2.0, 3.0, 2.5])
    assert rate / 2.0 - 1 == pytest.approx(1 - rate / 3.0)


def test_nonnegative_least_squares_by_hand() -> None:
    a = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert nonnegative_least_squares(a, np.array([2.0, 5.0, 3.0])) == pytest.approx([2, 3])
    assert nonnegative_least_squares(a, np.array([2.0, 1.0, -1.0])) == pytest.approx([1.5, 0])
    assert nonnegative_least_squares(a, -np.ones(3)) == pytest.approx([0, 0])


def test_formulas_compile() -> None:
    for formulas in feature_formulas().values():
        for formula in formulas:
            compile_formula(formula)
