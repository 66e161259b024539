"""The verdict on real models, against what TFLM said of them on emulated Cortex-M4 (the shared measurements)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcuplan import zoo
from mcuplan.tflite import load
from mcuplan.tflm.support import unsupported

SHARED = os.environ.get("MCUPLAN_SHARED")

TARGETS = {"cmsis-nn": "cortex-m4+cmsis-nn", "reference": "cortex-m4+reference"}


def _measured() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every shared model with its measurements by target."""
    if SHARED is None:
        return
    for truth, folder in (("arena", "models"), ("operators", "models/operators")):
        for row in json.loads((Path(SHARED) / "truth" / f"{truth}.json").read_text("utf-8")):
            yield Path(SHARED) / folder / f"{row['model']}.tflite", row["targets"]


MEASURED = list(_measured())

needs_shared = pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED does not name the shared folder")


@needs_shared
@pytest.mark.parametrize("kernels", TARGETS)
def test_the_verdict_is_that_of_the_measurements(kernels: str) -> None:
    wrong = [
        (path.stem, refusals)
        for path, targets in MEASURED
        if bool(refusals := unsupported(load(path), kernels)) == targets[TARGETS[kernels]]["ok"]
    ]
    assert wrong == []
    assert len(MEASURED) == 93


@needs_shared
@pytest.mark.parametrize(
    ("model", "rule", "operators"),
    [
        ("mlperf_kws_hybrid", "hybrid-weights", [(k, "CONV_2D") for k in (0, 2, 4, 6, 8)]),
        ("custom_zero_out", "custom-operator", [(0, "ZeroOut")]),
        ("person_detect_vela", "custom-operator", [(0, "ethos-u")]),
    ],
)  # fmt: skip
def test_refused_models_name_the_operators(model: str, rule: str, operators: list[tuple[int, str]]) -> None:
    found = unsupported(load(Path(SHARED or "") / "models" / f"{model}.tflite"))
    assert {refusal.rule for refusal in found} == {rule}
    assert [(refusal.operator, refusal.operator_name) for refusal in found] == operators


@needs_shared
def test_declared_custom_operators_are_taken() -> None:
    folder = Path(SHARED or "") / "models"
    assert unsupported(load(folder / "custom_zero_out.tflite"), custom_operators=["ZeroOut"]) == ()
    assert unsupported(load(folder / "person_detect_vela.tflite"), custom_operators=["ethos-u"]) == ()


@pytest.mark.parametrize("name", zoo.names())
def test_every_zoo_model_runs(name: str) -> None:
    graph = zoo.build(name)
    assert unsupported(graph, "cmsis-nn") == unsupported(graph, "reference") == ()
