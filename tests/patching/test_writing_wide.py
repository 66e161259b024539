"""1x1 convolutions that make the columns of padding which the next operator wants: bytes, proofs, outputs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from runtimes import require, run_litert_each, run_tflm_each

from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.arena.trials import Trials
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, stage_cost, write_stage
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.proof.whole_inputs import with_whole_inputs
from mcuplan.tflite import write
from mcuplan.tflm import Target
from mcuplan.zoo.builder import Builder

TARGET = Target.parse("cortex-m4+cmsis-nn")


def network(stride: int = 1, blocks: int = 1) -> Graph:
    """12 x 10 x 3, then inverted residuals: 4 channels, widened to 24, by a depthwise convolution, and narrowed."""
    b = Builder()
    x = b.conv2d(b.input((1, 12, 10, 3)), 4, 3)
    for _ in range(blocks):
        x = b.conv2d(b.depthwise_conv2d(b.conv2d(x, 24, 1), 3, stride=stride), 4, 1)
    return b.graph([b.relu(x)])


def stage_of(graph: Graph, fed: bool) -> PatchStage:
    source = graph.main.inputs[0] if fed else None
    return next(s for s in StageReader(graph, source).stages(0) if s.last == len(graph.main.operators) - 1)


def wide(kind: Kind, graph: Graph, rows: int = 1) -> StageForm:
    height = graph.main.tensors[graph.main.outputs[0]].shape[1]
    return StageForm(kind, even_cuts(height, rows), "wide", fast=True)


@pytest.fixture(autouse=True)
def _any_rows_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcuplan.patching.writing.build._GATHERED_ELEMENTS", 1)


def test_the_fewer_channels_are_padded() -> None:
    """A row is padded where it has 4 channels, and not where it has 24: there two columns are written over."""
    graph = network()
    after = write_stage(Draft(graph), stage_of(graph, fed=False), wide(Kind.LOOP, graph)).tidy().graph
    body = after.subgraphs[2]
    pads = [body.tensors[op.outputs[0]].shape for op in body.operators if op.name == "PAD"]
    assert (1, 1, 12, 4) in pads
    assert all(shape[3] != 24 for shape in pads)
    written = [op for op in body.operators if op.name == "DYNAMIC_UPDATE_SLICE"]
    assert [body.tensors[op.inputs[1]].shape for op in written[:2]] == [(1, 1, 1, 24)] * 2


def test_a_row_is_not_held_twice() -> None:
    """With PAD a row of 10 x 24 bytes and its padded copy are held at once, and a tenth and two of ten columns more."""
    graph = network()
    reader, trials, stage = StageReader(graph), Trials(graph, TARGET), stage_of(graph, fed=False)
    pricer = StagePricer(reader, TARGET, None)
    for rows in (2, 3, 4):
        inside = {}
        for padding in ("pad", "wide"):
            form = StageForm(Kind.LOOP, even_cuts(12, rows), padding, fast=True)  # type: ignore[arg-type]
            cost, trial = stage_cost(reader, stage, form, pricer), trials(stage, form)
            assert trial is not None
            assert cost.inside <= trial.inside
            assert cost.growth <= trial.growth
            inside[padding] = trial.inside
        assert inside["wide"] <= inside["pad"]
    assert inside["wide"] < inside["pad"]


def test_only_flows_are_made_wide_and_only_where_something_is() -> None:
    graph = network()
    for kind in (Kind.STRIPS, Kind.BORDERED_LOOP):
        with pytest.raises(UnsupportedStageError, match="not gathered"):
            write_stage(Draft(graph), stage_of(graph, fed=False), wide(kind, graph))
    b = Builder()
    plain = b.graph([b.relu(b.conv2d(b.conv2d(b.input((1, 12, 10, 3)), 4, 3), 4, 3))])
    with pytest.raises(UnsupportedStageError, match="no 1x1 convolution makes what is padded"):
        write_stage(Draft(plain), stage_of(plain, fed=False), wide(Kind.LOOP, plain))


def cases() -> Iterator[tuple[str, Graph, Graph]]:
    for stride in (1, 2):
        for blocks in (1, 2):
            graph = network(stride, blocks)
            for kind, fed in ((Kind.LOOP, False), (Kind.LOOP, True), (Kind.CASCADE, True)):
                for rows in (1, 2):
                    name = f"stride {stride}, {blocks} blocks, {kind}, fed {fed}, {rows} rows"
                    source = graph.main.inputs[0] if fed else None
                    try:
                        draft = write_stage(
                            Draft(graph, streamed=source), stage_of(graph, fed), wide(kind, graph, rows)
                        )
                    except UnsupportedStageError:
                        continue
                    yield name, graph, DraftProblem(draft.tidy(), TARGET).plan("fast").graph


def test_they_are_proven_and_give_the_same_outputs() -> None:
    found = list(cases())
    assert sum("cascade" in name for name, _, _ in found) >= 2
    assert sum("fed False" in name for name, _, _ in found) >= 4
    for name, before, after in found:
        assert not static_check(after, TARGET), name
        assert not same_function(before, after), name
    require("tflm")
    require("litert")
    models = [write(graph) for _, before, after in found for graph in (before, with_whole_inputs(after))]
    for run in (run_tflm_each, run_litert_each):
        runs = run(models, seed=5)
        wrong = [name for (name, _, _), a, b in zip(found, runs[::2], runs[1::2], strict=True)
                 if not a.ok or not b.ok or a.outputs != b.outputs]  # fmt: skip
        assert not wrong


def test_choices_changed_one_by_one_never_place_worse() -> None:
    """Rows kept of two blocks lie in place or apart, each for itself; all in place or all apart is not the best."""
    graph = network(stride=2, blocks=2)
    source = graph.main.inputs[0]
    draft = write_stage(Draft(graph, streamed=source), stage_of(graph, fed=True), wide(Kind.LOOP, graph)).tidy()
    problem = DraftProblem(draft, TARGET)
    assert len(problem.every) >= 2
    plain, climbed = (problem.plan("fast", climbs=climbs) for climbs in (False, True))
    assert climbed.rank() <= plain.rank()
    assert not static_check(climbed.graph, TARGET)
