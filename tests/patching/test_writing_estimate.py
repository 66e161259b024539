"""What a stage takes at least is never more than what it takes as it is written."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

import pytest
from random_networks import random_network
from test_writing_runs import random_form

from mcuplan.estimates.instructions import cost_model, model_instructions, planned_addresses
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.arena.space import EFFORTS, forms
from mcuplan.patching.arena.trials import Trials, cut_out
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.floors import floors
from mcuplan.patching.writing.forms import Kind, StageForm, balanced, even_cuts, stage_cost, write_stage
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm import Target, predict
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

TARGETS = ("cortex-m4+cmsis-nn", "cortex-m4+reference", "cortex-m55+cmsis-nn", "cortex-m4+cmsis-nn+lean")


@pytest.mark.parametrize("seed", range(40))
def test_random_stages(seed: int) -> None:
    draw = random.Random(seed)
    graph = random_network(seed)
    target = Target.parse(TARGETS[seed % len(TARGETS)])
    reader, trials = StageReader(graph), Trials(graph, target)
    pricer = StagePricer(reader, target, None)
    stages = [s for k in range(len(graph.main.operators)) for s in reader.stages(k)]
    for kind in Kind:
        for stage in draw.sample(stages, min(3, len(stages))):
            _, height, width, channels = graph.main.tensors[stage.result].shape
            form = replace(random_form(draw, kind, height, width, channels), fast=draw.random() < 0.5)
            try:
                cost = stage_cost(reader, stage, form, pricer)
            except UnsupportedStageError:
                assert trials(stage, form) is None
                continue
            trial = trials(stage, form)
            assert trial is not None
            assert cost.inside <= trial.inside, (stage, form)
            assert cost.growth <= max(trial.growth, 0), (stage, form)


NETWORKS = {
    **{str(seed): random_network(seed) for seed in range(12)},
    **{name: set_offline_plan(build(name), None) for name in ("person-detection", "ds-cnn")},
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("plain", [False, True])
def test_what_kinds_of_forms_take_at_least_is_no_more_than_any_form_does(name: str, plain: bool) -> None:
    draw, graph = random.Random(name), NETWORKS[name]
    reader = StageReader(graph, None, plain)
    pricer = StagePricer(reader, Target.parse(TARGETS[len(name) % len(TARGETS)]), None)
    stages = [s for k in range(len(graph.main.operators)) for s in reader.stages(k) if s.last - s.first < 10]
    compared = 0
    for stage in draw.sample(stages, min(len(stages), 6)):
        known = {kind: floor for floor in floors(reader, stage, pricer) for kind in floor.kinds}
        for form in forms(graph, stage, EFFORTS["default"], priced=True):
            with suppress(UnsupportedStageError):
                cost, floor = stage_cost(reader, stage, form, pricer), known[form.kind]
                assert floor.inside <= cost.inside, (stage, form)
                assert floor.growth <= cost.growth, (stage, form)
                compared += 1
    assert compared or not stages


@pytest.mark.parametrize("name", ["person-detection", "resnet8", "mcunet-vww"])
def test_known_networks(name: str) -> None:
    draw = random.Random(name)
    graph = set_offline_plan(build(name), None)
    target = Target.parse("cortex-m4+cmsis-nn")
    reader, trials = StageReader(graph), Trials(graph, target)
    pricer = StagePricer(reader, target, None)
    stages = [s for k in range(len(graph.main.operators)) for s in reader.stages(k) if s.last - s.first < 10]
    for kind in Kind:
        for stage in draw.sample(stages, 8):
            _, height, width, channels = graph.main.tensors[stage.result].shape
            form = replace(random_form(draw, kind, height, width, channels), fast=draw.random() < 0.5)
            try:
                least = stage_cost(reader, stage, form, pricer)
            except UnsupportedStageError:
                continue
            trial = trials(stage, form)
            assert trial is not None
            assert least.inside <= trial.inside, (stage, form)
            assert least.growth <= trial.growth, (stage, form)


@pytest.mark.parametrize("name", ["person-detection", "resnet8", "ds-cnn"])
def test_instructions_from_rows_alone_are_those_of_the_written_stage(name: str) -> None:
    """Without FILL, for which there is a bound only; half of the forms within 2%, nearly all within 5%."""
    draw, target = random.Random(name), Target.parse("cortex-m4+cmsis-nn")
    graph = set_offline_plan(build(name), None)
    model = cost_model(target)
    assert model is not None
    reader = StageReader(graph)
    pricer = StagePricer(reader, target, model)
    stages = [s for k in range(len(graph.main.operators)) for s in reader.stages(k) if s.last - s.first < 8]
    errors = []
    for kind in Kind:
        for stage in draw.sample(stages, 8):
            _, height, width, channels = graph.main.tensors[stage.result].shape
            form = replace(random_form(draw, kind, height, width, channels), fast=draw.random() < 0.5)
            try:
                cost = stage_cost(reader, stage, form, pricer)
            except UnsupportedStageError:
                continue
            small, inner = cut_out(graph, stage)
            planned = DraftProblem(write_stage(Draft(small), inner, form).tidy(), target).plan("fast").graph
            true = model_instructions(planned, model, planned_addresses(planned, target))
            whole = model_instructions(small, model, planned_addresses(small, target))
            assert cost.whole_instructions == pytest.approx(whole.total, rel=0.001, abs=500)
            errors.append(abs(cost.instructions / (true.total - true.bounded) - 1))
    errors.sort()
    assert len(errors) > 12
    assert errors[len(errors) // 2] < 0.02
    assert errors[len(errors) * 9 // 10] < 0.05


def test_a_stage_cut_out_keeps_a_source_that_is_read_later() -> None:
    b = Builder()
    x = b.conv2d(b.input((1, 8, 8, 2)), 2, 3, name="x")
    y = b.conv2d(b.conv2d(x, 2, 3), 2, 3)
    graph = b.graph([b.add(y, x)])
    stage = next(s for s in StageReader(graph).stages(1) if s.last == 3)
    small, inner = cut_out(graph, stage)
    assert [t for t in small.main.outputs if t == inner.source] == [inner.source]
    assert predict(small).nonpersistent_bytes >= 2 * 128
    whole = next(s for s in StageReader(graph).stages(0) if s.last == 4)
    assert len(cut_out(graph, whole)[0].main.outputs) == 1


@pytest.mark.parametrize("kind", [Kind.STRIPS, Kind.BORDERED_LOOP, Kind.LOOP])
def test_a_source_that_is_read_later_is_counted_beside_the_result(kind: Kind) -> None:
    """An inverted residual: 16 x 8 x 4 bytes go in and stay for the ADD, as many come out."""
    b = Builder()
    x = b.conv2d(b.input((1, 16, 8, 4)), 4, 3, name="x")
    y = b.conv2d(b.depthwise_conv2d(b.conv2d(x, 24, 1), 3), 4, 1)
    graph = b.graph([b.add(y, x)])
    target = Target.parse("cortex-m4+cmsis-nn")
    reader = StageReader(graph)
    stage = next(s for s in reader.stages(1) if s.last == 4)
    form = StageForm(kind, even_cuts(16, 2))
    cost, trial = stage_cost(reader, stage, form, StagePricer(reader, target, None)), Trials(graph, target)(stage, form)
    assert trial is not None
    assert 2 * 16 * 8 * 4 < cost.inside <= trial.inside
    assert trial.inside <= cost.inside + 2 * 16  # what two small tables are aligned to


def test_uneven_strips_need_less() -> None:
    """A map that shrinks to a fourth: with rows recomputed, the strip inside has halos on both sides and gets fewer."""
    b = Builder()
    x = b.conv2d(b.conv2d(b.conv2d(b.input((1, 24, 8, 8)), 8, 3), 8, 3), 8, 3)
    graph = b.graph([x])
    reader = StageReader(graph)
    stage = list(reader.stages(0))[-1]
    even = StageForm(Kind.STRIPS, even_cuts(24, 8), "pad", stream=False)
    uneven = balanced(reader, stage, even)
    pricer = StagePricer(reader, Target.parse("cortex-m4+cmsis-nn"), None)
    before, after = (stage_cost(reader, stage, form, pricer).inside for form in (even, uneven))
    assert after < before
    assert uneven.cuts[0] == 0
    assert uneven.cuts[-1] == 24
    assert len(uneven.cuts) == len(even.cuts)
    trials = Trials(graph, Target.parse("cortex-m4+cmsis-nn"))
    tried = [trials(stage, form) for form in (even, uneven)]
    assert tried[0] is not None
    assert tried[1] is not None
    assert tried[1].inside < tried[0].inside
