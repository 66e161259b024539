"""The search for the least arena: what it finds on known networks, and what it says where nothing can be gained."""

from __future__ import annotations

import pytest
from runtimes import require, run_litert_each, run_tflm_each

from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.patching.arena.search import PatchPlan, PatchRefusal, find_patch_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import write
from mcuplan.tflm import predict
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

REFERENCE = "cortex-m4+reference"


def person_detection() -> tuple[Graph, PatchPlan]:
    graph = build("person-detection")
    plan = find_patch_plan(graph, effort="fast")
    assert plan is not None
    return graph, plan


def test_person_detection_needs_a_third_less() -> None:
    graph, plan = person_detection()
    assert plan.before.declare_bytes == 82320
    assert plan.after.declare_bytes <= 60000
    assert plan.after == predict(plan.graph)
    assert plan.after.nonpersistent_bytes >= plan.lower_bound_bytes
    assert 1 <= plan.macs_factor <= 1.1
    extra = sum(stage.macs - stage.whole_macs for stage in plan.stages)
    assert plan.macs_factor == (model_macs(graph).total + extra) / model_macs(graph).total
    assert [p.declare_bytes for p in plan.front] == sorted((p.declare_bytes for p in plan.front), reverse=True)
    assert plan.front[0].macs_factor == 1


def test_the_search_is_deterministic() -> None:
    assert write(person_detection()[1].graph) == write(person_detection()[1].graph)


def test_no_overhead_allowed() -> None:
    plan = find_patch_plan(build("person-detection"), max_overhead=1.0, effort="fast")
    assert plan is not None
    assert plan.macs_factor == 1
    assert plan.after.declare_bytes < plan.before.declare_bytes


def test_the_fewest_macs_that_fit() -> None:
    plan = find_patch_plan(build("person-detection"), fit_bytes=70_000, effort="fast")
    least = find_patch_plan(build("person-detection"), effort="fast")
    assert plan is not None
    assert least is not None
    assert plan.after.declare_bytes <= 70_000
    assert plan.macs_factor <= least.macs_factor


@pytest.mark.parametrize("name", ["person-detection", "resnet8"])
def test_found_plans_run_as_predicted(name: str) -> None:
    require("tflm")
    graph = build(name)
    plan = find_patch_plan(graph, REFERENCE, effort="fast")
    assert plan is not None
    before, after = run_tflm_each([write(graph), write(plan.graph)])
    assert before.ok
    assert after.outputs == before.outputs
    assert after.head_bytes == plan.after.nonpersistent_bytes
    assert static_check(plan.graph, REFERENCE) == ()
    require("litert")
    before_, after_ = run_litert_each([write(graph), write(plan.graph)])
    assert after_.outputs == before_.outputs


def test_nothing_spatial() -> None:
    with pytest.raises(PatchRefusal, match="no convolution or pooling over rows"):
        find_patch_plan(build("autoencoder"))


def test_batches() -> None:
    b = Builder()
    graph = b.graph([b.conv2d(b.input((2, 8, 8, 3)), 4, 3)])
    with pytest.raises(PatchRefusal, match="a batch of 2"):
        find_patch_plan(graph)


def test_unread_kernels() -> None:
    with pytest.raises(PatchRefusal, match="esp-nn"):
        find_patch_plan(build("person-detection"), "esp32s3+esp-nn-1.2.4")


def test_nothing_to_gain() -> None:
    b = Builder()
    graph = b.graph([b.conv2d(b.conv2d(b.input((1, 4, 4, 1)), 1, 3), 1, 3)])
    assert find_patch_plan(graph) is None
