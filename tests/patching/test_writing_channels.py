"""What an inverted residual widens to, in parts by channels: its bytes, its constants, and the same outputs."""

from __future__ import annotations

import pytest
from runtimes import require, run_tflm_each

from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.arena.trials import Trials
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, stage_cost, write_stage
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import write
from mcuplan.tflm import Target, predict
from mcuplan.zoo.builder import Builder

TARGET = Target.parse("cortex-m4+cmsis-nn")


def block(kernel: int = 3, stride: int = 2, residual: bool = False) -> tuple[Graph, PatchStage]:
    """6 x 6 x 4, widened to 32 channels, a depthwise convolution, and narrowed; and its stage in parts."""
    b = Builder()
    x = b.relu(b.input((1, 6, 6, 4)))
    y = b.conv2d(b.depthwise_conv2d(b.conv2d(x, 32, 1), kernel, stride=stride), 4, 1)
    graph = b.graph([b.add(x, y) if residual else y])
    return graph, next(s for s in StageReader(graph).stages(1) if s.last == 3)


def form(*cuts: int) -> StageForm:
    return StageForm(Kind.CHANNELS, cuts, "crop", False)


def test_bytes_in_use() -> None:
    """144 come in; a half is 576 wide, and 144 when it is made smaller; both make 288, and are joined to 288.

    A convolution holds its input and its half: 720. So does the last one beside the other half's result, which may lie
    over its input: 144 + 576.
    """
    graph, stage = block()
    reader = StageReader(graph)
    cost = stage_cost(reader, stage, form(0, 16, 32), StagePricer(reader, TARGET, None))
    trial = Trials(graph, TARGET)(stage, form(0, 16, 32))
    assert cost.inside == 144 + 576
    assert trial is not None
    assert cost.inside <= trial.inside <= 144 + 576 + 144
    assert cost.extra_macs == 0
    assert max(0, trial.growth - 40) <= cost.growth <= trial.growth


def test_scratch_is_a_part_of_its_own() -> None:
    """Two bytes for each tap of a 5 x 5 kernel and channel: 1,600, in two halves 800 at a time."""
    graph, stage = block(kernel=5)
    parts = write_stage(Draft(graph), stage, form(0, 16, 32)).tidy().graph
    scratch = [[b.bytes for b in predict(g, TARGET).plan if b.tensor < 0] for g in (graph, parts)]
    assert max(scratch[0]) == 5 * 5 * 32 * 2
    assert sorted(scratch[1])[-2:] == [5 * 5 * 16 * 2] * 2


def test_a_residual_source_stays() -> None:
    graph, stage = block(stride=1, residual=True)
    reader = StageReader(graph)
    cost = stage_cost(reader, stage, form(0, 8, 16, 24, 32), StagePricer(reader, TARGET, None))
    trial = Trials(graph, TARGET)(stage, form(0, 8, 16, 24, 32))
    assert trial is not None
    assert cost.inside == 144 + 2 * 6 * 6 * 32  # where the parts are joined
    assert cost.inside <= trial.inside


def test_filters_of_a_depthwise_convolution_are_split_by_channel() -> None:
    graph, stage = block()
    parts = write_stage(Draft(graph), stage, form(0, 8, 32)).tidy().graph
    whole = next(op for op in graph.main.operators if op.name == "DEPTHWISE_CONV_2D")
    split = [op for op in parts.main.operators if op.name == "DEPTHWISE_CONV_2D"]
    weights = graph.main.tensors[whole.inputs[1]]
    data = bytes(graph.data(weights) or b"")
    rows = [data[i : i + 32] for i in range(0, len(data), 32)]
    pieces = [parts.main.tensors[op.inputs[1]] for op in split]
    assert [p.shape for p in pieces] == [(1, 3, 3, 8), (1, 3, 3, 24)]
    assert bytes(parts.data(pieces[0]) or b"") == b"".join(row[:8] for row in rows)
    assert bytes(parts.data(pieces[1]) or b"") == b"".join(row[8:] for row in rows)
    scales = [p.quantization.scales for p in pieces if p.quantization is not None]
    assert weights.quantization is not None
    assert (*scales[0], *scales[1]) == weights.quantization.scales


def test_what_takes_several_channels_at_once_is_not_split() -> None:
    graph, _ = block()
    stage = next(s for s in StageReader(graph).stages(1) if s.last == 4)
    with pytest.raises(UnsupportedStageError, match="CONV_2D does not take each channel by itself"):
        write_stage(Draft(graph), stage, form(0, 16, 32))


@pytest.mark.parametrize(("kernel", "stride", "residual"), [(3, 2, False), (5, 1, True), (3, 1, True)])
def test_the_same_outputs(kernel: int, stride: int, residual: bool) -> None:
    require("tflm")
    graph, stage = block(kernel, stride, residual)
    planned = DraftProblem(write_stage(Draft(graph), stage, form(0, 8, 16, 32)).tidy(), TARGET).plan("fast").graph
    assert same_function(graph, planned) == ()
    assert static_check(planned, TARGET) == ()
    before, after = run_tflm_each([write(graph), write(planned)], seed=3)
    assert before.ok
    assert after.outputs == before.outputs
