"""Random networks with patch stages give, bit for bit, what they gave before: on a real TFLM and on LiteRT."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from random_networks import random_network
from runtimes import require, run_litert_each, run_tflm_each

from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.channels import check_channels
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, write_stage
from mcuplan.patching.writing.in_place import goes_by_channels
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import write
from mcuplan.tflm import Target

REFERENCE = Target.parse("cortex-m4+reference")
KINDS = [kind for kind in Kind if kind not in (Kind.HEADED_LOOP, Kind.CASCADE)]
"""Headed loops and cascades take rows that the firmware gives: test_writing_fed.py has them."""

GROUPS = 6
GROUP_SIZE = 20


def random_form(draw: random.Random, kind: Kind, height: int, width: int, channels: int) -> StageForm:
    if kind is Kind.CHANNELS:
        cuts = sorted(draw.sample(range(1, channels), min(draw.randint(1, 3), channels - 1)))
        return StageForm(kind, (0, *cuts, channels), "crop", False)
    if kind is Kind.IN_PLACE:
        return StageForm(kind, (0, height), "crop", False)
    rows = draw.randint(1, max(height // 3, 1))
    if kind is Kind.PATCHES:
        rows, columns = draw.randint(1, max(height - 1, 1)), draw.randint(1, width)
        return StageForm(kind, even_cuts(height, rows), "crop", False, columns)
    cuts = even_cuts(height, rows)
    if kind is Kind.STRIPS and draw.random() < 0.5:  # uneven
        cuts = (0, *sorted(draw.sample(range(1, height), min(3, height - 1))), height)
    stream = kind is Kind.LOOP or draw.random() < 0.7
    return StageForm(kind, cuts, draw.choice(("pad", "crop")), stream)


@pytest.fixture(autouse=True)
def _any_rows_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fast forms gather rows however few elements they have: the networks here are small."""
    monkeypatch.setattr("mcuplan.patching.writing.build._GATHERED_ELEMENTS", 1)


def suits(kind: Kind, graph: Graph, stage: PatchStage) -> bool:
    """Whether a stage is one that a kind is for."""
    if kind is Kind.IN_PLACE:
        return stage.last - stage.first == 1 and goes_by_channels(graph, stage.first)
    return kind is not Kind.CHANNELS or is_split(graph, stage)


def is_split(graph: Graph, stage: PatchStage) -> bool:
    """Whether a stage is a convolution, or one with operators behind it that take each channel by itself."""
    try:
        check_channels(graph, stage, (0, 1, graph.main.tensors[stage.result].shape[3]))
    except UnsupportedStageError:
        return False
    return True


def rewritten(seed: int) -> Iterator[tuple[str, Graph, Graph]]:
    """One random stage of one random network in one random form of each kind, planned."""
    graph = random_network(seed)
    draw = random.Random(seed)
    reader = StageReader(graph)
    stages = [s for k in range(len(graph.main.operators)) for s in reader.stages(k)]
    if not stages:
        return
    for kind in KINDS:
        stage = draw.choice([s for s in stages if suits(kind, graph, s)] or stages)
        _, height, width, channels = graph.main.tensors[stage.result].shape
        form = replace(random_form(draw, kind, height, width, channels), fast=seed % 3 > 0)
        try:
            draft = write_stage(Draft(graph), stage, form).tidy()
        except UnsupportedStageError:
            continue
        planned = DraftProblem(draft, REFERENCE, aliases=seed % 2 == 0).plan("fast")
        yield f"seed {seed}, {stage}, {form}", graph, planned.graph


def test_every_kind_of_form_is_among_them() -> None:
    named = [name for seed in range(GROUP_SIZE) for name, _, _ in rewritten(seed)]
    assert all(sum(repr(kind) in name for name in named) >= 3 for kind in KINDS)
    gathers = [op for seed in range(GROUP_SIZE) for _, _, after in rewritten(seed) for _, _, op in after.operators()
               if op.name == "GATHER"]  # fmt: skip
    assert len(gathers) > GROUP_SIZE


@pytest.mark.parametrize("group", range(GROUPS))
def test_rewritten_networks_give_the_same_outputs(group: int) -> None:
    require("tflm")
    seeds = range(group * GROUP_SIZE, (group + 1) * GROUP_SIZE)
    cases = [case for seed in seeds for case in rewritten(seed)]
    assert len(cases) > GROUP_SIZE
    models = [write(graph) for _, before, after in cases for graph in (before, after)]
    runs = run_tflm_each(models, seed=group + 1)
    wrong = [
        (name, a.message, b.message)
        for (name, _, _), a, b in zip(cases, runs[::2], runs[1::2], strict=True)
        if not a.ok or not b.ok or a.outputs != b.outputs
    ]
    assert not wrong


def test_the_plans_of_rewritten_networks_are_proven() -> None:
    found = [(name, clobbers[0]) for seed in range(GROUP_SIZE) for name, _, after in rewritten(seed)
             if (clobbers := static_check(after, REFERENCE))]  # fmt: skip
    assert not found


@pytest.mark.parametrize("group", range(2))
def test_rewritten_networks_give_the_same_outputs_on_litert(group: int) -> None:
    require("litert")
    seeds = range(group * GROUP_SIZE, (group + 1) * GROUP_SIZE)
    cases = [case for seed in seeds for case in rewritten(seed)]
    models = [write(graph) for _, before, after in cases for graph in (before, after)]
    runs = run_litert_each(models, seed=group + 1)
    pairs = [(n, a, b) for (n, _, _), a, b in zip(cases, runs[::2], runs[1::2], strict=True) if a.ok]
    assert len(pairs) > GROUP_SIZE
    assert not [(name, b.message) for name, a, b in pairs if not b.ok or a.outputs != b.outputs]
