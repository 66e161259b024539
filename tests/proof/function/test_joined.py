"""Convolutions split by output channels and joined again: the same function exactly where every channel is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn.sketch import Sketch

from mcuplan.graph import DType, Graph, Quantization
from mcuplan.operators.geometry import SAME
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, write_stage
from mcuplan.patching.writing.reader import StageReader
from mcuplan.proof.function.same_function import same_function
from mcuplan.zoo.builder import Builder


def split(cuts: tuple[int, ...] = (0, 3, 8), *, kernel: int = 3) -> tuple[Graph, Graph]:
    """A convolution with a scale for each of its 8 channels, and the same in parts."""
    b = Builder()
    graph = b.graph([b.relu(b.conv2d(b.relu(b.input((1, 5, 5, 4))), 8, kernel))])
    stage = next(s for s in StageReader(graph).stages(1) if s.last == 2)
    return graph, write_stage(Draft(graph), stage, StageForm(Kind.CHANNELS, cuts, "crop", False)).tidy().graph


def split_block(kind: str = "", cuts: tuple[int, ...] = (0, 8, 24)) -> tuple[Graph, Graph]:
    """An inverted residual's widening and depthwise convolution, 24 channels, and the same in parts; then narrowed."""
    b = Builder()
    x = b.conv2d(b.relu(b.input((1, 5, 5, 4))), 24, 1)
    x = b.pad(x, ((0, 0), (1, 1), (0, 2), (0, 0))) if kind == "pad" else b.relu(x) if kind == "relu" else x
    x = b.depthwise_conv2d(x, 3)
    x = b.max_pool(x, 2) if kind == "pool" else x
    last = 4 if kind else 3
    graph = b.graph([b.conv2d(x, 4, 1)])
    stage = next(s for s in StageReader(graph).stages(1) if s.last == last)
    return graph, write_stage(Draft(graph), stage, StageForm(Kind.CHANNELS, cuts, "crop", False)).tidy().graph


@pytest.mark.parametrize("kind", ["", "pad", "relu", "pool"])
@pytest.mark.parametrize("cuts", [(0, 8, 24), (0, 1, 2, 24)])
def test_operators_by_channel_behind_a_convolution_in_parts(kind: str, cuts: tuple[int, ...]) -> None:
    original, parts = split_block(kind, cuts)
    assert sum(op.name == "DEPTHWISE_CONV_2D" for op in parts.main.operators) == len(cuts) - 1
    assert same_function(original, parts) == ()


@pytest.mark.parametrize("position", [0, 1])
def test_depthwise_parts_whose_filters_are_exchanged_are_seen(position: int) -> None:
    """Two parts of 12 channels; one filter is another one's, or one reads the other part's map."""
    original, parts = split_block("", (0, 12, 24))
    first, second = (k for k, op in enumerate(parts.main.operators) if op.name == "DEPTHWISE_CONV_2D")
    operators = list(parts.main.operators)
    inputs = list(operators[first].inputs)
    inputs[position] = operators[second].inputs[position]
    operators[first if position else second] = replace(
        operators[first if position else second],
        inputs=tuple(inputs) if position else (operators[first].inputs[0], *operators[second].inputs[1:]),
    )
    assert same_function(original, replace(parts, subgraphs=(replace(parts.main, operators=tuple(operators)),)))


def test_padded_channels_are_not_by_channel() -> None:
    """A PAD of channels in each part puts them between the parts, and not behind them all."""
    b = Builder()
    x = b.input((1, 3, 3, 4))
    sides = ((0, 0), (0, 0), (0, 0), (0, 1))
    parts = [b.pad(b.slice(x, (0, 0, 0, at), (1, 3, 3, 2)), sides) for at in (0, 2)]
    other = Builder()
    whole = other.pad(other.input((1, 3, 3, 4)), ((0, 0), (0, 0), (0, 0), (0, 2)))
    assert same_function(other.graph([whole]), b.graph([b.concatenation(parts, 3)]))


def changed(graph: Graph, t: int, **facts: object) -> Graph:
    tensors = list(graph.main.tensors)
    tensors[t] = replace(tensors[t], **facts)  # type: ignore[arg-type]
    return replace(graph, subgraphs=(replace(graph.main, tensors=tuple(tensors)), *graph.subgraphs[1:]))


@pytest.mark.parametrize("cuts", [(0, 4, 8), (0, 1, 2, 8), (0, 7, 8), tuple(range(9))])
@pytest.mark.parametrize("kernel", [1, 3])
def test_parts_of_any_size_are_the_whole(cuts: tuple[int, ...], kernel: int) -> None:
    original, parts = split(cuts, kernel=kernel)
    assert sum(op.name == "CONV_2D" for op in parts.main.operators) == len(cuts) - 1
    assert same_function(original, parts) == ()


def test_parts_joined_in_another_order_are_seen() -> None:
    original, parts = split()
    joins = next(k for k, op in enumerate(parts.main.operators) if op.name == "CONCATENATION")
    operators = list(parts.main.operators)
    operators[joins] = replace(operators[joins], inputs=operators[joins].inputs[::-1])
    assert same_function(original, replace(parts, subgraphs=(replace(parts.main, operators=tuple(operators)),)))


@pytest.mark.parametrize("position", [1, 2])
def test_another_scale_of_one_channel_is_seen(position: int) -> None:
    original, parts = split()
    conv = next(op for op in parts.main.operators if op.name == "CONV_2D")
    q = parts.main.tensors[conv.inputs[position]].quantization
    assert q is not None
    other = replace(q, scales=(q.scales[0] * 2, *q.scales[1:]))
    assert same_function(original, changed(parts, conv.inputs[position], quantization=other))


def test_a_part_that_reads_another_map_is_seen() -> None:
    original, parts = split()
    conv = next(k for k, op in enumerate(parts.main.operators) if op.name == "CONV_2D")
    operators = list(parts.main.operators)
    operators[conv] = replace(operators[conv], inputs=(parts.main.inputs[0], *operators[conv].inputs[1:]))
    assert same_function(original, replace(parts, subgraphs=(replace(parts.main, operators=tuple(operators)),)))


def test_convolutions_in_groups_are_not_put_together() -> None:
    """Two filters of 2 channels over 4: in a whole convolution the second one reads channels 2 and 3, in a part not."""
    whole, parts = Sketch(), Sketch()
    values = [1, 2, 3, 4]
    options = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1, "padding": SAME}

    def conv(s: Sketch, x: int, filters: list[int]) -> int:
        weights = s.constant(filters, (len(filters) // 2, 1, 1, 2), DType.INT8, quantization=Quantization((0.5,), (0,)))
        return s.op("CONV_2D", [x, weights, -1], (1, 3, 3, len(filters) // 2), **options)

    y = conv(whole, whole.input(1, 3, 3, 4), values)
    x = parts.input(1, 3, 3, 4)
    z = parts.concat([conv(parts, x, values[:2]), conv(parts, x, values[2:])], 3)
    assert same_function(whole.graph(y), parts.graph(z))
