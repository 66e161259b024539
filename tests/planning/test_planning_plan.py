"""Plans: figures of known models, what is left alone, limits, and every promise about the outputs."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import runtimes
from planning.random_graphs import random_graph

from mcuplan.graph import Graph
from mcuplan.planning.arena_problem import ArenaProblem
from mcuplan.planning.plan import PlanOptions, alias_choices, make_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflite import load, read, write
from mcuplan.tflm import Target, predict
from mcuplan.tflm.offline import METADATA_NAME
from mcuplan.zoo import build

M4 = Target.parse("cortex-m4+cmsis-nn")
REFERENCE = Target.parse("cortex-m4+reference")


def test_visual_wake_words() -> None:
    plan = make_plan(build("visual-wake-words"), M4)
    assert (plan.before.nonpersistent_bytes, plan.after.nonpersistent_bytes) == (73_728, 55_296)
    assert (plan.before.declare_bytes, plan.after.declare_bytes) == (100_720, 82_192)
    assert plan.lower_bound_bytes == 55_296
    assert plan.optimal
    assert sum(step.gain_bytes for step in plan.steps) == plan.gain_bytes == 18_528


def test_a_model_that_cannot_gain_is_left_alone() -> None:
    graph = build("person-detection")
    plan = make_plan(graph, M4)
    assert plan.gain_bytes == 0
    assert plan.graph is graph
    assert plan.optimal
    assert plan.lower_bound_bytes == 55_296


def test_residual_additions_lie_in_place() -> None:
    graph = build("resnet8")
    problem = ArenaProblem(graph, M4)
    layout = problem.layout(problem.options[0])
    added = Counter(graph.main.operators[a.operator].name for a in layout.aliases)
    assert added["ADD"] == 3
    assert static_check(set_offline_plan(graph, layout.offsets), M4) == ()


def test_fit_stops_at_the_first_step_that_suffices() -> None:
    plan = make_plan(build("visual-wake-words"), M4, PlanOptions(fit_bytes=90_000))
    assert [step.name for step in plan.steps] == ["clean-up", "allocation"]
    assert plan.after.declare_bytes <= 90_000
    assert make_plan(build("visual-wake-words"), M4, PlanOptions(fit_bytes=200_000)).steps == ()


def test_no_time_at_all_still_gives_a_right_answer() -> None:
    plan = make_plan(build("visual-wake-words"), M4, PlanOptions(time_limit=0))
    assert plan.after.declare_bytes <= plan.before.declare_bytes
    assert static_check(plan.graph, M4) == ()


def test_a_plan_is_deterministic() -> None:
    first, second = (make_plan(build("visual-wake-words"), M4).graph for _ in range(2))
    assert write(first) == write(second)


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_stand_the_static_check(seed: int) -> None:
    graph = random_graph(seed)
    problem = ArenaProblem(graph, REFERENCE)
    every = [o for options in problem.options for o in options]
    for chosen in alias_choices(every):
        planned = set_offline_plan(graph, problem.layout(chosen, "fast").offsets)
        assert static_check(planned, REFERENCE) == ()
    plan = make_plan(graph, REFERENCE)
    assert static_check(plan.graph, REFERENCE) == ()
    assert plan.after.declare_bytes <= plan.before.declare_bytes
    assert plan.after.nonpersistent_bytes >= plan.lower_bound_bytes


def _same_on_tflm(pairs: list[tuple[str, Graph, Graph]]) -> None:
    runtimes.require("tflm")
    runs = list(runtimes.run_tflm_each([write(g) for _, *both in pairs for g in both]))
    for (name, _, planned), before, after in zip(pairs, runs[::2], runs[1::2], strict=True):
        assert before.ok == after.ok, name
        if before.ok:
            assert after.outputs_crc32 == before.outputs_crc32, name
            assert not name.startswith("plan") or after.arena_used_bytes <= before.arena_used_bytes, name
            assert after.head_bytes == predict(planned, REFERENCE).nonpersistent_bytes, name


def test_random_graphs_give_the_same_outputs_on_tflm() -> None:
    pairs = []
    for seed in range(100, 160):
        graph = random_graph(seed)
        pairs.append((f"plan of {seed}", graph, make_plan(graph, REFERENCE).graph))
        problem = ArenaProblem(graph, REFERENCE)
        offsets = problem.layout([o for options in problem.options for o in options], "fast").offsets
        pairs.append((f"aliases of {seed}", graph, set_offline_plan(graph, offsets)))
    _same_on_tflm(pairs)


SHARED = os.environ.get("MCUPLAN_SHARED")


def test_shared_models_give_the_same_outputs_on_tflm() -> None:
    if not SHARED:
        pytest.skip("MCUPLAN_SHARED is not set: the shared models are not at hand")
    pairs = []
    for path in sorted((Path(SHARED) / "models").glob("*.tflite")):
        graph = load(path)
        if any(op.name == "CUSTOM" for _, _, op in graph.operators()):
            continue
        plan = make_plan(graph, REFERENCE)
        assert static_check(plan.graph, REFERENCE) == (), path.name
        pairs.append((f"plan of {path.name}", graph, plan.graph))
        problem = ArenaProblem(graph, REFERENCE)
        offsets = problem.layout([o for options in problem.options for o in options]).offsets
        aliased = set_offline_plan(graph, offsets)
        assert static_check(aliased, REFERENCE) == (), path.name
        pairs.append((f"aliases of {path.name}", graph, aliased))
    # ADD_N's scratch holds pointers, which the 64-bit wheel makes larger.
    _same_on_tflm([p for p in pairs if not any(op.name == "ADD_N" for _, _, op in p[1].operators())])


def test_an_existing_plan_is_replaced() -> None:
    graph = build("visual-wake-words")
    offsets = [-1] * len(graph.main.tensors)
    offsets[graph.main.outputs[0]] = 200_000
    wasteful = set_offline_plan(graph, offsets)
    plan = make_plan(read(write(wasteful)), M4)
    assert plan.before.nonpersistent_bytes > 200_000
    assert plan.after.nonpersistent_bytes == 55_296
    assert [entry.name for entry in plan.graph.metadata].count(METADATA_NAME) == 1


@pytest.mark.parametrize("name", ["visual-wake-words", "resnet8"])
def test_a_planned_model_planned_again_stays_as_it_is(name: str) -> None:
    planned = write(make_plan(build(name), M4).graph)
    again = make_plan(read(planned), M4)
    assert write(again.graph) == planned
    assert again.gain_bytes == sum(step.gain_bytes for step in again.steps) == 0
    assert again.steps[0].name == "plan in the model"


def test_a_plan_for_two_targets_is_safe_on_both() -> None:
    graph = build("resnet8")
    plan = make_plan(graph, (M4, REFERENCE))
    assert plan.targets == (M4, REFERENCE)
    for arena in plan.arenas:
        assert static_check(plan.graph, arena.target) == ()
        assert arena.before == predict(graph, arena.target)
        assert arena.after == predict(plan.graph, arena.target)
    assert plan.after.declare_bytes == max(arena.after.declare_bytes for arena in plan.arenas)
