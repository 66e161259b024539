"""Convolutions in parts before stages are sought, for kernels that copy a convolution's filters to scratch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from runtimes import require, run_tflm_each

from mcuplan.graph import Graph
from mcuplan.patching.arena.parts import in_parts
from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import load, write
from mcuplan.tflm import Target, predict
from mcuplan.zoo.builder import Builder

S3 = Target.parse("esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.2.3")
SHARED = os.environ.get("MCUPLAN_SHARED")


def unit(second: int = 32) -> Graph:
    """A residual unit on 12x12 maps of 16 channels."""
    b = Builder()
    x = b.input((1, 12, 12, 16))
    y = b.conv2d(b.conv2d(x, 16, 3), second, 3)
    return b.graph([b.add(y, b.conv2d(x, second, 1))])


def test_parts_by_hand() -> None:
    """ESP-NN 1.2.3 copies the filters of a 3x3 convolution of 16 channels twice: 2 * 9 * 16 bytes an output channel,
    and 4 more for its bias: 9,344 bytes for 32 channels, 4,672 for 16. They are to shrink to 2,336, 1,168 and 584; a
    part has 8 channels at least."""
    found = list(in_parts(unit(), [S3]))
    assert [f.parts for f in found] == [((0, 2), (1, 4))]
    (split,) = found
    assert split.origins == (0, 0, 0, 1, 1, 1, 1, 1, 2, 3)
    names = [op.name for op in split.graph.main.operators]
    assert [names[k] for k in (2, 7, 8, 9)] == ["CONCATENATION", "CONCATENATION", "CONV_2D", "ADD"]
    assert same_function(unit(), split.graph) == ()


@pytest.mark.parametrize(
    "target", ["cortex-m4+cmsis-nn", "cortex-m4+reference", "cortex-m55+cmsis-nn", "esp32+esp-nn-1.2.3"]
)
def test_kernels_that_copy_no_filters(target: str) -> None:
    assert list(in_parts(unit(), [Target.parse(target)])) == []


def test_stages_hold_parts() -> None:
    graph = unit()
    plan = find_patch_plan(graph, S3, effort="fast")
    assert plan is not None
    assert plan.parts == ((0, 2), (1, 4))
    assert set(plan.origins) == {0, 1, 2, 3}
    assert plan.after == predict(plan.graph, S3)
    assert plan.after.declare_bytes <= 15_312 < predict(graph, S3).declare_bytes == 26_416
    assert static_check(plan.graph, S3) == ()
    assert same_function(graph, plan.graph) == ()
    require("tflm")
    before, after = run_tflm_each([write(graph), write(plan.graph)], seed=5)
    assert before.ok
    assert after.outputs == before.outputs


@pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED does not name the folder of shared models")
@pytest.mark.parametrize(
    ("name", "goal", "least"),
    [("mlperf_resnet8_int8", 50_000, 41_616), ("mlperf_vww_int8", 70_000, 62_464), ("mlperf_kws_int8", 27_000, 24_432)],
)
def test_goals_on_the_esp32_s3(name: str, goal: int, least: int) -> None:
    """Seconds each, since four bases are searched. The least is what fast effort reached once; it may fall."""
    graph = load(Path(SHARED or "") / "models" / f"{name}.tflite")
    plan = find_patch_plan(graph, S3, effort="fast")
    assert plan is not None
    assert plan.after.declare_bytes <= min(goal, least)
    assert plan.macs_factor <= 1.1
    assert static_check(plan.graph, S3) == ()
    assert same_function(graph, plan.graph) == ()
