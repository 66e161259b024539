"""Every arena measured on another TFLM version and kernel library, against the prediction; counted by target.

The measurements and the models are in the folder that ``MCUPLAN_SHARED`` names.
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mcuplan.graph import Graph
from mcuplan.tflite import load
from mcuplan.tflm import Target, predict
from mcuplan.tflm.target import all_targets

SHARED = os.environ.get("MCUPLAN_SHARED")

pytestmark = pytest.mark.skipif(
    SHARED is None, reason="MCUPLAN_SHARED is not set: the folder with the measured arenas and their models"
)

# Operators whose Prepare makes a persistent allocation while its temporary tensors are alive: TFLM checks that
# allocation against the head only (single_arena_buffer_allocator.cc), so it also gets by with less to declare, and the
# two then overlap. What is predicted keeps them apart. By version, with the bytes predicted above the measurement.
_FULL_TENSORS = {"cumsum_i8": 16, "fc_i8_3d": 96, "fc_i8_3d_pc": 96, "gather": 16, "gather_nd": 16, "softmax_i16": 16}
OVER_TEMPORARIES = {
    "arduino-2023-02": _FULL_TENSORS,
    "edge-impulse-1.93.20": _FULL_TENSORS,
    "esp-tflite-micro-1.3.3~1": {"fc_i8_pc": 16, "fc_i8_3d_pc": 16},
    "esp-tflite-micro-1.4.0": {"fc_i8_pc": 16, "fc_i8_3d_pc": 16},
    "pico-2024-12": {"fc_i8_pc": 16, "fc_i8_3d_pc": 16},
    "zephyr-2024-05": {"fc_i8_3d": 16},
}

# The reference kernels' FULLY_CONNECTED makes no such allocation.
NO_EXCEPTION = ("zephyr-2024-05/cortex-m4+reference", "fc_i8_3d")

DECLARE_EXACT = {"zephyr-2024-05/cortex-m4+cmsis-nn": 86, "zephyr-2024-05/cortex-m0plus+cmsis-nn": 86} | {
    "zephyr-2024-05/cortex-m4+reference": 87,
    "pico-2024-12/cortex-m4+cmsis-nn": 87,
    "pico-2024-12/cortex-m0plus+cmsis-nn": 87,
    "edge-impulse-1.93.20/cortex-m4+cmsis-nn": 83,
    "edge-impulse-1.93.20/cortex-m0plus+cmsis-nn": 83,
    "arduino-2023-02/cortex-m4+cmsis-nn": 78,
}


def _truth(name: str) -> Any:
    return json.loads((Path(SHARED or "") / "truth" / name).read_text("utf-8"))


@functools.cache
def _records() -> dict[str, dict[str, Any]]:
    """Measured arenas by target, then by model."""
    if SHARED is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for entry in _truth("arena-versions.json"):
        for target, run in entry["targets"].items():
            if run.get("used_bytes") is not None:
                found.setdefault(target, {})[entry["model"]] = run
    arduino = _truth("arena-arduino-2023-02.json")
    found[arduino["target"]] = {m["model"]: m for m in arduino["models"] if m["used_bytes"] is not None}
    return found


@functools.cache
def _model(name: str) -> Graph:
    folder = Path(SHARED or "") / "models"
    path = folder / f"{name}.tflite"
    return load(path if path.exists() else folder / "operators" / f"{name}.tflite")


def _excess(target: str, model: str) -> int:
    """Bytes that declare is predicted above the measurement, for good reason."""
    if (target, model.rpartition("/")[2]) == NO_EXCEPTION:
        return 0
    return OVER_TEMPORARIES[Target.parse(target).version].get(model.rpartition("/")[2], 0)


@pytest.mark.parametrize("target", _records())
def test_arenas_of_a_target_are_those_measured(target: str) -> None:
    runs = _records()[target]
    exact = Counter[str]()
    for model, run in runs.items():
        arena = predict(_model(model), target)
        assert arena.target == str(Target.parse(target))
        assert arena.exact, model
        for figure in ("used_bytes", "nonpersistent_bytes", "persistent_bytes"):
            if figure in run:
                assert getattr(arena, figure) == run[figure], (model, figure)
        assert arena.declare_bytes - _excess(target, model) == run["declare_bytes"], model
        exact["used"] += 1
        exact["declare"] += arena.declare_bytes == run["declare_bytes"]
        if "scratch" in run:
            asked = [b.bytes for b in arena.plan if b.tensor < 0]
            assert asked == [request["bytes"] for request in run["scratch"]], model
    assert exact["used"] == len(runs) == Target.parse(target).records
    assert exact["declare"] == DECLARE_EXACT.get(target, 87)


@pytest.mark.parametrize("target", _records())
def test_persistent_allocations_of_a_target_are_those_measured(target: str) -> None:
    for model, run in _records()[target].items():
        if "persistent_trace" in run:
            arena = predict(_model(model), target)
            assert [(a.size, a.align, a.used) for a in arena.persistent] == [
                tuple(row[3:]) for row in run["persistent_trace"]
            ], model


def test_every_record_that_a_row_counts_is_there() -> None:
    counted = {str(target): target.records for target in all_targets() if target.records}
    counted |= {str(Target.parse(t)): Target.parse(t).records for t in _records()}
    measured = {str(Target.parse(target)): len(runs) for target, runs in _records().items()}
    # Upstream's own are in test_tflm_truth.py; four figures each with the macro and of boards in test_boards below.
    elsewhere = ("upstream-", "arduino-2023-02-static/", "chirale-", "nxp-")
    assert {t: n for t, n in counted.items() if not t.startswith(elsewhere)} == measured
    assert sum(measured.values()) == 2_303


def test_arenas_of_nxps_own_library_are_those_measured() -> None:
    """Records of tools/measure_arenas with lib/cm4/armgcc/libtflm.a of mcuxsdk-middleware-tensorflow a242972."""
    target = Target.parse("nxp-2025-07/cortex-m4+cmsis-nn")
    records = json.loads((Path(__file__).parent / "data" / "nxp-2025-07.json").read_text("utf-8"))
    over = {"fc_i8_pc": 16, "fc_i8_3d_pc": 16}  # see OVER_TEMPORARIES
    for model, (used, declare, _) in records.items():
        arena = predict(_model(model), target)
        assert (arena.used_bytes, arena.declare_bytes - over.get(model, 0)) == (used, declare), model
    assert len(records) == target.records


BOARDS = {  # model: arduino without and with TF_LITE_STATIC_MEMORY, ESP32 with ESP-NN and plain C
    "person_detect": (82_740, 82_308, 82_300),
    "mlperf_kws_int8": (24_164, 23_940, 22_780),
    "mlperf_resnet8_int8": (55_188, 54_932, 54_364),
    "mlperf_ad_int8": (2_596, 2_404, 2_380),
}


@pytest.mark.parametrize("model", BOARDS)
def test_boards(model: str) -> None:
    rows = _truth("hardware.json")["arena_and_latency"]
    measured = {(r["chip"], r["arena_used_bytes"]) for r in rows if r["model"] == model}
    full, static, esp = BOARDS[model]
    assert measured == {("nRF52840", full), ("ESP32", esp)}
    targets = {
        "arduino-2023-02/cortex-m4+cmsis-nn": full,
        "arduino-2023-02-static/cortex-m4+cmsis-nn": static,
        "chirale-2.0.0/cortex-m4+cmsis-nn": full,  # the library that the Nano was measured with
        "esp-tflite-micro-1.4.0/esp32+esp-nn": esp,
        "esp-tflite-micro-1.4.0/esp32+esp-nn-ansi": esp,
    }
    assert {target: predict(_model(model), target).used_bytes for target in targets} == targets
