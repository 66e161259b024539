"""1x1 convolutions over their source: what they take and cost, worked by hand, and that nobody else is written so."""

from __future__ import annotations

import pytest

from mcuplan.graph import Graph
from mcuplan.operators import Options
from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.patching.arena.trials import Trials
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, stage_cost, write_stage
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflm import Target
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

CORTEX_M4 = Target.parse("cortex-m4+cmsis-nn")
IN_PLACE = StageForm(Kind.IN_PLACE, (0, 8), "crop", False)


def pointwise(filters: int = 32, kernel: int = 1, precision: str = "int8", dilation: int = 1) -> Graph:
    """8 x 8 positions of 32 channels become as many of ``filters``; a convolution before makes the map."""
    b = Builder(precision=precision)
    x = b.conv2d(b.input((1, 8, 8, 3)), 32, 3)
    return b.graph([b.conv2d(x, filters, kernel, dilation=dilation)])


@pytest.mark.parametrize(
    ("filters", "ahead"),
    [
        (32, 32),  # position p takes the place of position p - 1
        (16, 16),
        (48, 48 + 63 * 16),  # the last one begins 63 x 16 bytes farther down than it would
    ],
)
def test_bytes_by_hand(filters: int, ahead: int) -> None:
    """The source, the result before it, and the scratch for two positions: 4 bytes a channel of the source."""
    graph = pointwise(filters)
    (stage,) = (s for s in StageReader(graph).stages(1) if s.last == 2)
    trial = Trials(graph, CORTEX_M4)(stage, IN_PLACE)
    assert trial is not None
    assert trial.inside == max(64 * 32 + ahead, 64 * filters) + 4 * 32
    assert trial.growth in (0, 4)  # a handle for the scratch, which rounding may take up
    cost = stage_cost(StageReader(graph), stage, IN_PLACE, StagePricer(StageReader(graph), CORTEX_M4, None))
    assert cost.inside == 64 * max(32, filters) + 4 * 32
    assert (cost.macs, cost.growth) == (cost.whole_macs, 0)


def test_it_is_the_same_convolution_with_a_dilation() -> None:
    graph = pointwise()
    (stage,) = (s for s in StageReader(graph).stages(1) if s.last == 2)
    written = write_stage(Draft(graph), stage, IN_PLACE).graph
    before, after = graph.main.operators[1], written.main.operators[1]
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)
    assert (Options(before).dilations, Options(after).dilations) == ((1, 1), (2, 2))
    assert len(written.main.operators) == len(graph.main.operators)
    assert same_function(graph, written) == ()


@pytest.mark.parametrize(
    "graph", [pointwise(kernel=3), pointwise(precision="int16"), pointwise(precision="float32"), pointwise(dilation=2)]
)
def test_others_are_not_written_so(graph: Graph) -> None:
    """Wider windows, types of which the kernels were not read, and what has a dilation already."""
    (stage,) = (s for s in StageReader(graph).stages(1) if s.last == 2)
    with pytest.raises(UnsupportedStageError, match="1x1"):
        write_stage(Draft(graph), stage, IN_PLACE)


def test_keyword_spotting_needs_one_map_and_what_windows_leave() -> None:
    """25 x 5 x 64 bytes; each depthwise window needs a row and two positions before it, each pointwise one a position:
    4 x (448 + 64). No loop, no operator more."""
    graph = build("ds-cnn")
    plan = find_patch_plan(graph, "cortex-m4+cmsis-nn", effort="fast")
    assert plan is not None
    assert {choice.form.kind for choice in plan.stages} == {Kind.IN_PLACE}
    assert plan.after.nonpersistent_bytes <= 8000 + 4 * (448 + 64) + 64
    assert len(plan.graph.main.operators) == len(plan.given.main.operators)
    assert plan.instructions_factor is not None
    assert plan.instructions_factor <= 1.1
    assert static_check(plan.graph, CORTEX_M4) == ()
    assert same_function(graph, plan.graph) == ()


def test_where_time_is_not_known_it_is_not_tried() -> None:
    """ESP-NN runs dilations by TFLM's reference kernel, many times slower."""
    plan = find_patch_plan(build("ds-cnn"), "esp32s3+esp-nn", effort="fast")
    assert plan is None or not any(choice.form.kind is Kind.IN_PLACE for choice in plan.stages)
