"""The tables of docs/estimates.md are the figures that mcuplan has."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mcuplan.estimates.footprint import footprint
from mcuplan.estimates.instructions import invoke_instructions
from mcuplan.estimates.latency import estimate_latency, find_throughput
from mcuplan.estimates.quantize import to_int8
from mcuplan.estimates.throughput import throughputs
from mcuplan.tflite import load
from mcuplan.tflm import Target

DOCS = Path(__file__).parents[2] / "docs" / "estimates.md"
PAIRS = ("mlperf_vww", "mlperf_resnet8", "mlperf_ad", "micro_kws_m", "mnist_lstm")
CLOCKS = {
    "NRF5340-DK_MICROTVM-CMSIS-NN": 128, "NUCLEO-L4R5ZI_MICROTVM-CMSIS-NN": 120, "NUMAKER_M467HJ-zephyr": 200,
    "NUCLEO_L4R5ZI-mbed_os": 120, "NUCLEO_L4R5ZI-zephyr": 120, "NUCLEO-L4R5ZI_X-CUBE-AI-8.0": 120,
}  # fmt: skip


def models() -> Path:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED names no folder with real models")
    return Path(folder)


def test_latency_errors() -> None:
    text = DOCS.read_text()
    for throughput in throughputs():
        for e in throughput.errors:
            row = f"| {throughput.id} | {e.model} | {e.measured_us / 1e3:,.1f} | {e.percent:+.1f}% "
            assert f"{row}| {e.left_out_percent:+.1f}% |" in text


def test_whole_models_instructions() -> None:
    """What stock models are predicted to take, as the table says."""
    folder = models()
    for row in json.loads((folder / "truth" / "instructions_models.json").read_text()):
        graph = load(str(folder / "models" / f"{row['model']}.tflite"))
        found = invoke_instructions(graph, Target.parse(row["target"]))
        assert found is not None
        stock = row["stock_instructions"]
        told = f"| {row['model']} | {stock:,} | {round(found.total):,} ({(found.total / stock - 1) * 100:+.1f}%) |"
        assert told in DOCS.read_text()


@pytest.mark.parametrize("pair", PAIRS)
def test_int8_pairs(pair: str) -> None:
    folder = models() / "models"
    target = Target.parse("cortex-m4+cmsis-nn")
    ours = footprint(to_int8(load(str(folder / f"{pair}_float.tflite"))), target)
    real = footprint(load(str(folder / f"{pair}_int8.tflite")), target)
    files = f"{real.model_bytes:,} | {ours.model_bytes:,} | {(ours.model_bytes / real.model_bytes - 1) * 100:+.2f}%"
    activations = f"{real.activations_bytes:,} | {ours.activations_bytes:,}"
    assert f"| {pair} | {files} | {activations} | {real.arena_bytes:,} | {ours.arena_bytes:,} |" in DOCS.read_text()


@pytest.mark.parametrize("system", CLOCKS)
def test_cycles_do_not_carry_over(system: str) -> None:
    folder = models()
    rows = json.loads((folder / "truth" / "latency.json").read_text())["mlperf_tiny_v1_1"]["rows"]
    nano, cells = find_throughput("nRF52840", 64, "cmsis-nn"), []
    for model in ("mlperf_ad_int8", "mlperf_kws_int8", "mlperf_vww_int8", "mlperf_resnet8_int8"):
        rate = next(
            r["inferences_per_s"]
            for r in rows
            if (r["system"], r["model"], r["mode"]) == (system, model, "performance")
        )
        us = estimate_latency(load(str(folder / "models" / f"{model}.tflite")), nano).total_us
        assert us is not None
        cells.append(f"{(us * 64 / CLOCKS[system] * rate / 1e6 - 1) * 100:+.0f}%")
    assert f"| {system} | {' | '.join(cells)} |" in DOCS.read_text()
