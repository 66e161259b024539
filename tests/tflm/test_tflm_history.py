"""An older TFLM is never under-predicted: four arenas measured on a Nano 33 BLE Sense with its Arduino library."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mcuplan.tflite import load
from mcuplan.tflm import PersistentKind, Target, predict
from mcuplan.zoo import build

MEASURED = {
    "person_detect": 82_740,
    "mlperf_kws_int8": 24_164,
    "mlperf_resnet8_int8": 55_188,
    "mlperf_ad_int8": 2_596,
}
OLDER = replace(
    Target.parse("cortex-m4+cmsis-nn"),
    older="a library ships a TFLM of July 2024, older than tflm-2026-08: figures are bounds",
)


@pytest.mark.parametrize("name", MEASURED)
def test_measured_arenas_are_covered(name: str) -> None:
    shared = os.environ.get("MCUPLAN_SHARED")
    if not shared:
        pytest.skip("MCUPLAN_SHARED is not set: the shared models are not at hand")
    arena = predict(load(Path(shared) / "models" / f"{name}.tflite"), OLDER)
    assert arena.used_bytes >= MEASURED[name]
    assert arena.used_bytes - MEASURED[name] < MEASURED[name] // 8


def test_the_margin_is_a_bound_and_says_so() -> None:
    graph = build("ds-cnn")
    exact, bound = predict(graph, "cortex-m4+cmsis-nn"), predict(graph, OLDER)
    # 13 operators of 32 bytes, and the scratch of a 3x3 depthwise convolution over 64 channels: 2 * 64 * 9.
    margin = 13 * 32 + 1_152
    assert exact.exact
    assert not bound.exact
    assert bound.bounded_bytes == margin
    assert bound.persistent[-1].kind is PersistentKind.VERSION_MARGIN
    assert bound.used_bytes == exact.used_bytes + margin
    assert bound.declare_bytes >= exact.declare_bytes + margin
    assert "older" in bound.notes[0]
