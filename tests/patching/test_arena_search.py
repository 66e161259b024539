"""The search for the least arena: what it finds on known networks, and what it says where nothing can be gained."""

from __future__ import annotations

import pytest
from runtimes import require, run_litert_each, run_tflm_each

from mcuplan.deadline import Deadline
from mcuplan.estimates.instructions.graphs import invoke_instructions
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.patching.arena.search import PatchPlan, PatchRefusal, find_patch_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import write
from mcuplan.tflm import predict
from mcuplan.tflm.target import DEFAULT_TARGET, Target
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
    assert plan.instructions_factor is not None
    assert 1 <= plan.instructions_factor <= 1.1
    before, after = (invoke_instructions(g, Target.parse(DEFAULT_TARGET)) for g in (graph, plan.graph))
    assert before is not None
    assert after is not None
    assert (plan.instructions_before, plan.instructions_after) == (before.total, after.total)
    extra = sum(stage.macs - stage.whole_macs for stage in plan.stages)
    assert plan.macs_factor == (model_macs(graph).total + extra) / model_macs(graph).total
    assert [p.declare_bytes for p in plan.front] == sorted((p.declare_bytes for p in plan.front), reverse=True)
    times = [point.time_factor for point in plan.front]
    assert times == sorted(times)
    assert times[0] <= 1
    assert plan.extremes == (plan.front[-1], plan.front[0])
    assert plan.front[-1].declare_bytes == plan.after.declare_bytes


def test_the_search_is_deterministic() -> None:
    assert write(person_detection()[1].graph) == write(person_detection()[1].graph)


def test_no_more_macs_allowed() -> None:
    plan = find_patch_plan(build("person-detection"), max_overhead=2.0, max_macs=1.0, effort="fast")
    assert plan is not None
    assert plan.macs_factor == 1
    assert plan.after.declare_bytes < plan.before.declare_bytes


def test_the_knee_saves_most_for_its_time() -> None:
    graph = build("person-detection")
    least, knee = (find_patch_plan(graph, effort="fast", least=wish) for wish in (True, False))
    assert least is not None
    assert knee is not None
    assert knee.instructions_factor is not None
    assert least.instructions_factor is not None
    assert knee.instructions_factor <= least.instructions_factor
    assert least.after.declare_bytes <= knee.after.declare_bytes < knee.before.declare_bytes
    assert knee.after == predict(knee.graph)


def test_without_a_cost_model_time_is_macs() -> None:
    plan = find_patch_plan(build("resnet8"), "cortex-m55+cmsis-nn", effort="fast")
    assert plan is not None
    assert plan.instructions_factor is None
    assert plan.macs_factor <= 1.1
    assert plan.front[-1].instructions_factor is None


def test_stages_for_two_targets_are_safe_on_both() -> None:
    targets = ("cortex-m4+cmsis-nn", REFERENCE)
    plan = find_patch_plan(build("resnet8"), targets, effort="fast")
    assert plan is not None
    assert all(static_check(plan.graph, target) == () for target in targets)
    assert plan.after.declare_bytes == max(predict(plan.graph, target).declare_bytes for target in targets)


@pytest.mark.parametrize("looks", [0, 3, 50, 2_000])
def test_a_time_limit_gives_the_best_so_far(looks: int) -> None:
    clock = iter(range(1 << 40))
    deadline = Deadline(looks, lambda: next(clock))
    plan = find_patch_plan(build("resnet8"), effort="fast", deadline=deadline)
    assert deadline.struck
    assert looks > 3 or plan is None
    if plan is not None:
        assert plan.out_of_time
        assert static_check(plan.graph) == ()


def test_the_least_time_that_fits() -> None:
    plan = find_patch_plan(build("person-detection"), fit_bytes=70_000, effort="fast")
    least = find_patch_plan(build("person-detection"), effort="fast")
    assert plan is not None
    assert least is not None
    assert plan.after.declare_bytes <= 70_000
    assert plan.instructions_factor is not None
    assert least.instructions_factor is not None
    assert plan.instructions_factor <= least.instructions_factor


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
