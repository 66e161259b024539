"""Rows of strips, worked out by hand."""

from __future__ import annotations

import pytest

from mcuplan.graph import Graph
from mcuplan.operators import Axis, model_macs
from mcuplan.operators.geometry import SAME, window_axis
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.flow import find_flow
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, stage_cost, stage_strips, write_stage
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader
from mcuplan.patching.writing.rows import Layer, RowsRead, RowWindow, UnsupportedStageError
from mcuplan.tflm import DEFAULT_TARGET, Target
from mcuplan.zoo.builder import Builder


def two_convolutions(height: int = 8) -> Graph:
    """3x3 convolutions on a map of ``height`` rows and 4 columns, 1 -> 2 -> 2 channels."""
    b = Builder()
    x = b.conv2d(b.input((1, height, 4, 1)), 2, 3, name="first")
    return b.graph([b.conv2d(x, 2, 3, name="second")])


def whole(graph: Graph) -> tuple[StageReader, PatchStage]:
    reader = StageReader(graph)
    return reader, list(reader.stages(0))[-1]


def test_even_cuts() -> None:
    assert even_cuts(8, 4) == (0, 4, 8)
    assert even_cuts(9, 4) == (0, 4, 8, 9)


def test_a_stage_has_one_map_in_and_one_out() -> None:
    b = Builder()
    x = b.input((1, 8, 4, 2))
    y = b.conv2d(x, 2, 3)
    z = b.add(b.conv2d(y, 2, 3), y)
    reader = StageReader(b.graph([z]))
    assert [(s.first, s.last) for s in reader.stages(0)] == [(0, 1), (0, 3)]
    assert [(s.first, s.last) for s in reader.stages(1)] == [(1, 2), (1, 3)]
    assert list(reader.stages(2)) == []  # the sum alone reads two maps


def test_recomputed_halo() -> None:
    """Two strips of 4 rows: the second convolution's halo is one row of the first one's result on each side."""
    reader, stage = whole(two_convolutions())
    net, strips = stage_strips(reader, stage, StageForm(Kind.STRIPS, (0, 4, 8), "crop", stream=False))
    first = net.layers[0].output
    assert [s[first] for s in strips] == [RowWindow(0, 0, 5), RowWindow(3, 3, 8)]
    assert [s[net.source] for s in strips] == [RowWindow(0, 0, 6), RowWindow(2, 2, 8)]


def test_kept_halo() -> None:
    """With rows kept the first convolution makes each row once: 5, then 3 with 2 kept."""
    reader, stage = whole(two_convolutions())
    net, strips = stage_strips(reader, stage, StageForm(Kind.STRIPS, (0, 4, 8), "crop"))
    first = net.layers[0].output
    assert [s[first] for s in strips] == [RowWindow(0, 0, 5), RowWindow(3, 5, 8)]
    assert strips[1][first].kept == 2


def test_explicit_padding_costs_no_macs_and_cropping_does() -> None:
    graph = two_convolutions()
    reader, stage = whole(graph)
    pricer = StagePricer(reader, Target.parse(DEFAULT_TARGET), None)
    macs = model_macs(graph).total
    assert macs == 8 * 4 * 2 * 9 + 8 * 4 * 2 * 18
    padded = stage_cost(reader, stage, StageForm(Kind.STRIPS, (0, 4, 8), "pad"), pricer)
    assert padded.whole_macs == padded.macs == macs
    # Cropped: each strip gives each convolution one row more than it keeps on the side that is no border.
    cropped = stage_cost(reader, stage, StageForm(Kind.STRIPS, (0, 4, 8), "crop"), pricer)
    assert cropped.macs == macs + 4 * 2 * 9 * 2 + 4 * 2 * 18 * 2


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "begin", "end", "span"),
    [
        (8, 3, 1, 0, 4, RowsRead(0, 5, 5, 0)),
        (8, 3, 1, 4, 8, RowsRead(3, 8, 5, 1)),
        (8, 3, 1, 2, 4, RowsRead(1, 5, 4, 1)),
        # Even size, stride 2: TFLite pads nothing above, so an even number of rows must be given.
        (8, 3, 2, 1, 2, RowsRead(2, 6, 2, 0)),
        (8, 3, 2, 3, 4, RowsRead(6, 8, 1, 0)),
        # Odd size, stride 2: one row of padding above, which an odd number of rows has too.
        (9, 3, 2, 0, 2, RowsRead(0, 5, 3, 0)),
        (9, 1, 2, 1, 3, RowsRead(2, 5, 2, 0)),
    ],
)
def test_cropped_spans(size: int, kernel: int, stride: int, begin: int, end: int, span: RowsRead) -> None:
    axis = window_axis(size, kernel, stride, 1, SAME)
    assert Layer(0, (0,), 1, axis, crops=True).span(begin, end) == span


def test_pad_span() -> None:
    layer = Layer(0, (0,), 1, Axis(8, 11, 1, 1, 1, 2, 1), pads=True)
    assert layer.span(0, 4) == RowsRead(0, 2, 4, 0, 2, 0)
    assert layer.span(8, 11) == RowsRead(6, 8, 3, 0, 0, 1)
    assert layer.span(0, 2).empty


def test_flow_lags_one_row_a_convolution() -> None:
    """Each 3x3 convolution is a row behind its input, so that 2 rows a turn take 1 turn more than 4."""
    reader, stage = whole(two_convolutions())
    flow = find_flow(reader.net(stage, "crop"), 2)
    first = reader.net(stage, "crop").layers[0].output
    assert (flow.starts[first], flow.starts[stage.result], flow.turns) == (-1, -2, 5)
    with pytest.raises(UnsupportedStageError, match="3 rows do not divide"):
        find_flow(reader.net(stage, "crop"), 3)


def test_an_uneven_flow_ends_where_the_map_ends() -> None:
    """3 rows a turn of 8, two rows behind: all begins 2 rows above the map, so that turns 2 to 4 make 0-1, 2-4, 5-7."""
    reader, stage = whole(two_convolutions())
    flow = find_flow(reader.net(stage, "crop"), 3, gathers=True)
    assert flow.uneven
    assert (flow.starts[stage.source], flow.starts[stage.result], flow.turns) == (-2, -4, 4)
    assert [flow.read_rows(turn) for turn in range(4)] == [[0, 0, 0], [1, 2, 3], [4, 5, 6], [7, 7, 7]]
    assert [flow.result_row(turn) for turn in range(4)] == [0, 0, 2, 5]
    assert [flow.written(turn) for turn in range(4)] == [[2, 2, 2], [1, 2, 2], [0, 1, 2], [0, 1, 2]]


def test_padding_is_gathered_into_windows() -> None:
    """Windows of 3 rows where a row is made each turn: row 3 of what is joined is padding."""
    reader, stage = whole(two_convolutions())
    net = reader.net(stage, "crop")
    flow = find_flow(net, 1, gathers=True)
    inner = net.layers[0].output
    assert flow.inside == {stage.source: (0, 8), inner: (0, 8)}
    assert flow.gathered(inner)[:4] == [[3, 3, 3], [3, 3, 2], [3, 1, 2], [0, 1, 2]]
    assert flow.gathered(inner)[-1] == [0, 1, 3]


def test_a_loop_has_each_operator_once() -> None:
    graph = two_convolutions()
    stage = whole(graph)[1]
    cuts = even_cuts(8, 1)
    rolled = write_stage(Draft(graph), stage, StageForm(Kind.BORDERED_LOOP, cuts, "pad")).tidy()
    flow = write_stage(Draft(graph), stage, StageForm(Kind.LOOP, cuts, "pad")).tidy()
    count = [
        [sum(op.name == "CONV_2D" for op in s.operators) for s in draft.graph.subgraphs] for draft in (rolled, flow)
    ]
    assert count[1] == [0, 0, 2]
    assert count[0][1:] == [0, 2]
    assert count[0][0] > 0
    assert [loop.turns for loop in flow.loops] == [10]


def test_tensors_nobody_names_are_dropped() -> None:
    graph = two_convolutions()
    draft = write_stage(Draft(graph), whole(graph)[1], StageForm(Kind.STRIPS, (0, 4, 8))).tidy()
    for subgraph in draft.graph.subgraphs:
        named = {*subgraph.inputs, *subgraph.outputs}
        for op in subgraph.operators:
            named.update(op.inputs, op.outputs)
        assert named == set(range(len(subgraph.tensors)))


def test_concatenations_have_at_most_ten_parts() -> None:
    graph = two_convolutions(24)
    draft = write_stage(Draft(graph), whole(graph)[1], StageForm(Kind.STRIPS, even_cuts(24, 1))).tidy()
    assert max(len(op.inputs) for op in draft.graph.main.operators if op.name == "CONCATENATION") == 10
