"""The shared models need no more arena than the project's targets, at no more than 10% more MACs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from runtimes import require, run_tflm_each

from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.rewriting.verify import static_check
from mcuplan.tflite import load, write

SHARED = os.environ.get("MCUPLAN_SHARED")

pytestmark = pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED does not name the folder of shared models")


@pytest.mark.parametrize("name", ["person_detect", "mlperf_vww_int8", "mlperf_resnet8_int8"])
def test_target(name: str) -> None:
    assert SHARED is not None
    rows = json.loads((Path(SHARED) / "truth" / "papers.json").read_text(encoding="utf-8"))["tflm_targets"]["rows"]
    row = next(row for row in rows if row["model"] == name)
    graph = load(Path(SHARED) / "models" / f"{name}.tflite")
    plan = find_patch_plan(graph, max_overhead=row["max_mac_factor"])
    assert plan is not None
    assert plan.before.declare_bytes == row["stock"]
    assert plan.after.declare_bytes <= row["target"]
    assert plan.macs_factor <= row["max_mac_factor"]
    assert static_check(plan.graph) == ()
    require("tflm")
    before, after = run_tflm_each([write(graph), write(plan.graph)])
    assert before.ok
    assert after.outputs == before.outputs
