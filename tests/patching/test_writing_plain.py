"""Loops for TFLMs without DYNAMIC_UPDATE_SLICE: rows are pushed up from the bottom of the result."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from random_networks import random_network
from runtimes import require, run_tflm_each

from mcuplan.graph import DType, Graph
from mcuplan.operators import loop_turns
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, stage_cost, write_stage
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import write
from mcuplan.tflm import Target
from mcuplan.tflm.history import refusals
from mcuplan.zoo.builder import Builder

OLD = Target.parse("zephyr-2024-05/cortex-m4+reference")
SEEDS = range(24)


def looped(seed: int) -> Iterator[tuple[str, Graph, Graph]]:
    """One random stage of one random network as a loop, planned for the old TFLM."""
    graph = random_network(seed)
    draw = random.Random(seed)
    reader = StageReader(graph, plain=True)
    pricer = StagePricer(reader, OLD, None)
    stages = [s for k in range(len(graph.main.operators)) for s in reader.stages(k)]
    for stage in draw.sample(stages, min(3, len(stages))):
        height = graph.main.tensors[stage.result].shape[1]
        rows = draw.choice([n for n in range(1, height + 1) if height % n == 0])
        form = StageForm(Kind.LOOP, even_cuts(height, rows), draw.choice(("pad", "crop")), fast=draw.random() < 0.5)
        try:
            draft = write_stage(Draft(graph, plain=True), stage, form).tidy()
        except UnsupportedStageError:
            continue
        problem = DraftProblem(draft, OLD)
        assert stage_cost(reader, stage, form, pricer).inside <= problem.lower_bound_bytes
        yield f"seed {seed}, {stage}, {form}", graph, problem.plan("fast").graph


def test_loops_are_the_same_bit_for_bit() -> None:
    cases = [case for seed in SEEDS for case in looped(seed)]
    assert len(cases) > len(SEEDS) // 2
    for name, before, after in cases:
        assert same_function(before, after) == (), name
        assert static_check(after, OLD) == (), name
        floats = any(t.dtype is DType.FLOAT32 for t in before.main.tensors)
        assert floats or list(refusals(after, OLD)) == [], name
        (loop,) = [op for op in after.main.operators if op.name == "WHILE"]
        assert loop_turns(after, after.main, loop) is not None, name
    require("tflm")
    runs = run_tflm_each([write(graph) for _, before, after in cases for graph in (before, after)], seed=9)
    pairs = zip(cases, runs[::2], runs[1::2], strict=True)
    assert not [(name, b.message) for (name, _, _), a, b in pairs if not b.ok or a.outputs != b.outputs]


def test_a_result_whose_rows_do_not_come_out_even() -> None:
    """7 rows in turns of 2: the last turn would push one row too many."""
    b = Builder()
    graph = b.graph([b.conv2d(b.conv2d(b.input((1, 7, 8, 4)), 4, 3), 4, 3)])
    stage = PatchStage(0, 2, graph.main.inputs[0], graph.main.outputs[0])
    write_stage(Draft(graph, plain=True), stage, StageForm(Kind.LOOP, even_cuts(7, 1)))
    for form in (
        StageForm(Kind.LOOP, even_cuts(7, 2), fast=True),
        StageForm(Kind.BORDERED_LOOP, even_cuts(7, 1)),
        StageForm(Kind.PATCHES, even_cuts(7, 4), "crop", False, 4),
    ):
        with pytest.raises(UnsupportedStageError):
            write_stage(Draft(graph, plain=True), stage, form)


@pytest.mark.parametrize(
    ("target", "plain"),
    [("zephyr-2024-05/cortex-m4+cmsis-nn", True), ("arduino-2023-02/cortex-m4+cmsis-nn", True),
     ("cortex-m4+cmsis-nn", False)],
)  # fmt: skip
def test_the_search_writes_what_the_target_has(target: str, plain: bool) -> None:
    """A narrow network of equal maps, of which loops need the least."""
    b = Builder()
    x = b.conv2d(b.input((1, 32, 32, 1)), 8, 3, stride=2)
    for _ in range(3):
        x = b.conv2d(b.depthwise_conv2d(b.conv2d(x, 32, 1), 3), 8, 1)
    graph = b.graph([x])
    plan = find_patch_plan(graph, target, 2.0, effort="fast")
    assert plan is not None
    names = {op.name for _, _, op in plan.graph.operators()}
    assert "WHILE" in names
    assert plain == ("DYNAMIC_UPDATE_SLICE" not in names)
    assert list(refusals(plan.graph, Target.parse(target))) == []
    assert static_check(plan.graph, Target.parse(target)) == ()
    assert same_function(graph, plan.graph) == ()
