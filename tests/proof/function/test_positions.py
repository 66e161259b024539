"""Models followed position by position: equal where the same is computed, told apart where one position is not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drawn.sketch import Sketch
from runtimes import require, run_tflm_each

from mcuplan.graph import Buffer, DType, Graph, Quantization
from mcuplan.operators.geometry import SAME, VALID
from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.proof.function.positions import compare_positions, positions_agree
from mcuplan.proof.function.same_function import DifferenceKind, same_function
from mcuplan.tflite import write
from mcuplan.zoo import build


def halves(*, overlap: int = 1, swap: bool = False, weights: int = 0) -> tuple[Graph, Graph]:
    """A 3x3 convolution on 8 rows, and the same in two halves of 4 rows, with rows of padding written out."""
    values = [(i * 37 + weights) % 23 - 11 for i in range(2 * 9 * 2)]
    whole = Sketch()
    x = whole.input(1, 8, 6, 2)
    y = whole.conv(x, padding=SAME, weights=[(i * 37) % 23 - 11 for i in range(36)])
    parts = Sketch()
    x = parts.input(1, 8, 6, 2)
    top = parts.slice(x, (0, 0, 0, 0), (1, 4 + overlap, 6, 2))
    bottom = parts.slice(x, (0, 4 - overlap, 0, 0), (1, 4 + overlap, 6, 2))
    top = parts.conv(parts.pad(top, ((0, 0), (1, 1 - overlap), (1, 1), (0, 0))), padding=VALID, weights=values)
    bottom = parts.conv(parts.pad(bottom, ((0, 0), (1 - overlap, 1), (1, 1), (0, 0))), padding=VALID, weights=values)
    z = parts.concat([bottom, top] if swap else [top, bottom], 1)
    return whole.graph(y), parts.graph(z)


def test_two_halves_with_their_halo_are_the_whole() -> None:
    original, patched = halves()
    assert positions_agree(original, patched) is True
    assert same_function(original, patched) == ()


@pytest.mark.parametrize(("rows", "same"), [([0, 1, 2, 3], True), ([1, 1, 2, 3], False), ([0, 2, 1, 3], False)])
def test_gathered_rows_are_where_they_came_from(rows: list[int], same: bool) -> None:
    """Rows put in disorder by a CONCATENATION, and in order again by a GATHER, which says of each where it lies."""
    whole = Sketch()
    y = whole.conv(whole.input(1, 4, 6, 2))
    parts = Sketch()
    x = parts.input(1, 4, 6, 2)
    top, bottom = parts.slice(x, (0, 0, 0, 0), (1, 1, 6, 2)), parts.slice(x, (0, 1, 0, 0), (1, 3, 6, 2))
    mixed = parts.concat([bottom, top], 1)
    order = [3 if row == 0 else row - 1 for row in rows]
    z = parts.conv(parts.op("GATHER", [mixed, parts.constant(order)], (1, 4, 6, 2), axis=1))
    assert positions_agree(whole.graph(y), parts.graph(z)) is same


@pytest.mark.parametrize(("row", "same"), [([1, 0, 2, 0, 1, 2, 3], True), ([1, 0, 2, 0, 1, 2, 2], False)])
def test_places_that_are_looked_up_together_are_followed(row: list[int], same: bool) -> None:
    """A row of numbers taken apart by SPLIT_V: three that nobody asks for, and four rows of a map."""
    whole = Sketch()
    y = whole.conv(whole.input(1, 4, 6, 2))
    parts = Sketch()
    x = parts.input(1, 4, 6, 2)
    table, sizes = parts.constant(row), parts.constant([3, 4])
    ends = [parts.tensor(3, dtype=DType.INT32), parts.tensor(4, dtype=DType.INT32)]
    parts.into("SPLIT_V", [table, sizes, parts.constant([0])], ends, num_splits=2)
    z = parts.conv(parts.op("GATHER", [x, ends[1]], (1, 4, 6, 2), axis=1))
    assert positions_agree(whole.graph(y), parts.graph(z)) is same


@pytest.mark.parametrize(("kernel", "same"), [((1, 1), True), ((1, 2), False), ((2, 1), False), ((3, 3), False)])
@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_a_dilation_counts_where_there_is_more_than_one_tap(operator: str, kernel: tuple[int, int], same: bool) -> None:
    graphs = []
    for dilation in (1, 2):
        s = Sketch()
        graphs.append(s.graph(s.conv(s.input(1, 6, 6, 2), kernel, padding=SAME, operator=operator, dilation=dilation)))
    assert positions_agree(*graphs) is same
    assert (same_function(*graphs) == ()) is same


@pytest.mark.parametrize("fault", [{"overlap": 0}, {"swap": True}, {"weights": 1}])
def test_a_halo_left_out_a_swap_and_other_weights_are_seen(fault: dict[str, int]) -> None:
    original, patched = halves(**fault)
    assert positions_agree(original, patched) is False
    assert {d.kind for d in same_function(original, patched)} == {DifferenceKind.POSITIONS}


def as_float(graph: Graph, weights: bool) -> Graph:
    """The graph with float maps, and its weights still int8 where ``weights`` does not say otherwise."""
    main = graph.main
    kept = {t for op in main.operators for t in op.inputs[1:2] if op.name == "CONV_2D"} if not weights else set()
    converted = {t for op in main.operators for t in op.inputs[1:3] if op.name == "CONV_2D"} - kept
    buffers = list(graph.buffers)
    for t in converted:
        tensor = main.tensors[t]
        data = np.frombuffer(bytes(graph.data(tensor) or b""), {DType.INT8: "<i1", DType.INT32: "<i4"}[tensor.dtype])
        buffers[tensor.buffer] = Buffer(data.astype("<f4").tobytes())
    tensors = [
        replace(t, dtype=DType.FLOAT32, quantization=None)
        if i in converted or (t.dtype is DType.INT8 and i not in kept)
        else t
        for i, t in enumerate(main.tensors)
    ]
    return replace(graph, subgraphs=(replace(main, tensors=tuple(tensors)),), buffers=tuple(buffers))


def test_hybrid_convolutions_look_at_their_whole_input() -> None:
    """Float input and int8 weights: the scale comes from all of the input, so halves would have their own."""
    original, patched = halves()
    assert positions_agree(as_float(original, weights=True), as_float(patched, weights=True)) is True
    hybrid = compare_positions(as_float(original, weights=False), as_float(patched, weights=False))
    assert hybrid.agree is None
    assert "TFLM refuses it" in hybrid.reason


def test_padding_of_a_pooling_is_not_zeros() -> None:
    """SAME pooling leaves padding out of the window; PAD and a VALID one count it."""
    whole = Sketch()
    x = whole.input(1, 4, 4, 2)
    window = {"filter_height": 3, "filter_width": 3, "stride_h": 1, "stride_w": 1}
    y = whole.op("MAX_POOL_2D", [x], (1, 4, 4, 2), padding=SAME, **window)
    padded = Sketch()
    x = padded.input(1, 4, 4, 2)
    around = padded.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    z = padded.op("MAX_POOL_2D", [around], (1, 4, 4, 2), padding=VALID, **window)
    assert positions_agree(whole.graph(y), padded.graph(z)) is False


def test_element_wise_operators_look_at_their_place_alone() -> None:
    whole = Sketch()
    x = whole.input(1, 4, 4, 2)
    y = whole.add(whole.relu(x), x)
    parts = Sketch()
    x = parts.input(1, 4, 4, 2)
    rows = [parts.slice(x, (0, r, 0, 0), (1, 2, 4, 2)) for r in (0, 2)]
    z = parts.concat([parts.add(parts.relu(part), part) for part in rows], 1)
    assert positions_agree(whole.graph(y), parts.graph(z)) is True
    w = parts.concat([parts.add(parts.relu(rows[0]), rows[0]), parts.add(parts.relu(rows[1]), rows[0])], 1)
    assert positions_agree(whole.graph(y), parts.graph(w)) is False


@pytest.mark.parametrize("heights", [(2, 2), (1, 2, 1)])
def test_strips_of_joined_channels_are_the_whole(heights: tuple[int, ...]) -> None:
    """Both models end with CONCATENATION, one of channels and one of rows: that is no other wiring of the same."""
    whole = Sketch()
    x = whole.input(1, 4, 4, 2)
    y = whole.concat([whole.relu(x), x], 3)
    parts = Sketch()
    x = parts.input(1, 4, 4, 2)
    strips, row = [], 0
    for height in heights:
        part = parts.slice(x, (0, row, 0, 0), (1, height, 4, 2))
        strips.append(parts.concat([parts.relu(part), part], 3))
        row += height
    assert same_function(whole.graph(y), parts.graph(parts.concat(strips, 1))) == ()
    if len(heights) == 2:
        assert same_function(whole.graph(y), parts.graph(parts.concat(strips[::-1], 1))) != ()


def test_variables_cannot_be_followed() -> None:
    s = Sketch()
    x = s.input(1, 4)
    s.tensors[x] = replace(s.tensors[x], is_variable=True)
    y = s.relu(x)
    graph = s.graph(y)
    graph = replace(graph, subgraphs=(replace(graph.main, inputs=()),))
    assert positions_agree(graph, graph) is None


@pytest.mark.parametrize(("name", "most_macs"), [("resnet8", 1.2), ("visual-wake-words", 1.02), ("ds-cnn", 1.2)])
def test_every_place_in_a_loops_tables_counts(name: str, most_macs: float) -> None:
    """Each table of a patched model's loops with one row off: what is not seen does not change a real run either."""
    original = build(name)
    plan = find_patch_plan(original, effort="fast", max_overhead=math.inf, max_macs=most_macs)  # tables by SLICE
    assert plan is not None
    assert same_function(original, plan.graph) == ()
    changed = [_one_row_off(plan.graph, buffer) for buffer in _tables(plan.graph)]
    found = [same_function(original, graph) for graph in changed]
    assert sum(map(bool, found)) >= 2
    assert {d.kind for differences in found for d in differences} <= {
        DifferenceKind.POSITIONS,
        DifferenceKind.STRUCTURE,
    }
    require("tflm")
    first, *others = run_tflm_each([write(original), *map(write, changed)])
    for differences, run in zip(found, others, strict=True):
        assert differences or run.outputs == first.outputs


def _tables(graph: Graph) -> list[int]:
    """Buffers of the tables of places and of answers that loops look up."""
    found = []
    for subgraph in graph.subgraphs[1:]:
        for op in subgraph.operators:
            table = subgraph.tensors[op.inputs[0]]
            if op.name == "SLICE" and graph.is_constant(table) and table.rank == 1 and _places(table.elements):
                found.append(table.buffer)
    return sorted(set(found))


def _places(elements: int) -> bool:
    """Tables of places have three integers a turn and one more; those of counters three a turn."""
    return elements > 4 and elements % 3 == 1


def _one_row_off(graph: Graph, buffer: int) -> Graph:
    data = bytearray(graph.buffers[buffer].data or b"")
    if len(data) % 4:
        data[0] = 1 - data[0]  # a table of answers: the loop ends at once
    else:
        at = 4 * (len(data) // 8 // 3 * 3 + 1)
        row = int.from_bytes(data[at : at + 4], "little", signed=True)
        data[at : at + 4] = (row - 1 if row > 0 else row + 1).to_bytes(4, "little", signed=True)
    buffers = (*graph.buffers[:buffer], Buffer(bytes(data)), *graph.buffers[buffer + 1 :])
    return replace(graph, buffers=buffers)


def masked_rows(dtype: DType, selects: bool, answers: list[int]) -> Graph:
    """A map of four rows of which only those with an answer of 1 are kept: by a product, or by a choice."""
    s = Sketch()
    x = s.input(1, 4, 3, 2, dtype=dtype)
    if selects:
        mask = s.constant(answers, (1, 4, 1, 1), dtype=DType.BOOL)
        outside = s.constant([0 if dtype is DType.FLOAT32 else 3], (1, 1, 1, 1), dtype=dtype)
        return s.graph(s.op_like("SELECT_V2", [mask, x, outside], x))
    one = Quantization((1.0,), (0,))
    mask = s.constant(answers, (1, 4, 1, 1), dtype=dtype, quantization=one)
    return s.graph(s.op_like("MUL", [x, mask], x))


def cut_rows(dtype: DType) -> Graph:
    """Two rows in the middle, between one of padding above and one below."""
    s = Sketch()
    x = s.input(1, 4, 3, 2, dtype=dtype)
    return s.graph(s.pad(s.slice(x, (0, 1, 0, 0), (1, 2, 3, 2)), ((0, 0), (1, 1), (0, 0), (0, 0))))


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.FLOAT32])
def test_rows_that_are_masked_are_padding(dtype: DType) -> None:
    """A product with 0 gives what padding puts, but not in float: infinity times 0 is no number."""
    masked = compare_positions(cut_rows(dtype), masked_rows(dtype, selects=False, answers=[0, 1, 1, 0]))
    if dtype is DType.FLOAT32:
        assert masked.agree is None
        assert "0 times infinity is no 0" in masked.reason
    else:
        assert masked.agree is True
    assert positions_agree(cut_rows(dtype), masked_rows(dtype, False, answers=[0, 1, 0, 0])) is not True
    if dtype is not DType.INT16:  # SELECT_V2 of the zero point of int8
        assert positions_agree(cut_rows(dtype), masked_rows(dtype, True, [0, 1, 1, 0])) is True
        assert positions_agree(cut_rows(dtype), masked_rows(dtype, True, [0, 1, 0, 0])) is False


def test_a_product_of_float_rows_by_0_is_no_padding_on_a_real_tflm() -> None:
    """What the proof refuses is different indeed: infinities come through a product with 0 as no numbers."""
    require("tflm")
    data = np.full((1, 4, 3, 2), np.inf, "<f4").tobytes()
    padded, multiplied, selected = (
        run_tflm_each([write(graph)], inputs=[data])[0].outputs
        for graph in (
            cut_rows(DType.FLOAT32),
            masked_rows(DType.FLOAT32, False, [0, 1, 1, 0]),
            masked_rows(DType.FLOAT32, True, [0, 1, 1, 0]),
        )
    )
    assert selected == padded
    assert multiplied != padded


# -- types and quantizations ---------------------------------------------------------------------------------------


def placed(quantization: Quantization, byte: int, in_loop: bool = False) -> Graph:
    """Rows put over a constant by DYNAMIC_UPDATE_SLICE, which leaves one row of the constant; or in a loop's turn."""
    s = Sketch()
    kind = Quantization((1.0,), (5,))
    x = s.input(1, 2, 2, 1, quantization=kind)
    c = s.constant([byte] * 6, (1, 3, 2, 1), dtype=DType.INT8, quantization=quantization)
    at = (0, 0, 0, 0)
    if not in_loop:
        y = s.tensor(1, 3, 2, 1, quantization=kind)
        s.into("DYNAMIC_UPDATE_SLICE", [c, x, s.constant(at)], [y])
        return s.graph(y)
    condition, body = Sketch(s.buffers), Sketch(s.buffers)
    counts = [sketch.input(1, dtype=DType.INT32) for sketch in (condition, body)]
    for sketch in (condition, body):
        sketch.input(1, 2, 2, 1, quantization=kind)
        sketch.input(1, 3, 2, 1, quantization=kind)
    more = condition.tensor(1, dtype=DType.BOOL)
    condition.into("LESS", [counts[0], condition.constant((1,), (1,))], [more])
    after = body.op("ADD", [counts[1], body.constant((1,), (1,))], (1,))
    y = body.tensor(1, 3, 2, 1, quantization=kind)
    body.into("DYNAMIC_UPDATE_SLICE", [2, 1, body.constant(at)], [y])
    done = [s.tensor(1, dtype=DType.INT32)] + [s.tensor(1, rows, 2, 1, quantization=kind) for rows in (2, 3)]
    called = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    s.into("WHILE", [s.constant((0,), (1,)), x, c], done, **called)
    return s.graph(done[2], others=[condition.subgraph(more), body.subgraph(after, 1, y)])


def padded_below() -> Graph:
    s = Sketch()
    kind = Quantization((1.0,), (5,))
    x = s.input(1, 2, 2, 1, quantization=kind)
    y = s.tensor(1, 3, 2, 1, quantization=kind)
    s.into("PAD", [x, s.constant((0, 0, 0, 1, 0, 0, 0, 0), (4, 2))], [y])
    return s.graph(y)


@pytest.mark.parametrize("in_loop", [False, True])
def test_the_bytes_that_stand_for_0_depend_on_the_zero_point(in_loop: bool) -> None:
    """A row of bytes 0 with zero point 0 stands for 0, yet is no padding of a map whose zero point is 5."""
    assert positions_agree(padded_below(), placed(Quantization((1.0,), (5,)), 5, in_loop)) is True
    assert positions_agree(padded_below(), placed(Quantization((1.0,), (0,)), 0, in_loop)) is False
    assert positions_agree(padded_below(), placed(Quantization((1.0,), (5,)), 0, in_loop)) is False


@pytest.mark.parametrize("in_loop", [False, True])
def test_what_the_proof_says_of_placed_rows_is_what_tflm_does(in_loop: bool) -> None:
    require("tflm")
    cases = [(5, 5), (0, 0), (5, 0)]
    models = [padded_below(), *(placed(Quantization((1.0,), (zero,)), byte, in_loop) for zero, byte in cases)]
    first, *others = run_tflm_each([write(graph) for graph in models])
    assert [run.outputs == first.outputs for run in others] == [True, False, False]


def loop_that_counts(dtype: DType, quantization: Quantization | None, limit: int) -> Graph:
    """A loop that adds 1 to its counter while it is LESS than ``limit``, both of ``dtype``."""
    s = Sketch()
    x = s.input(1, 4, 2, 1)
    kind = {"dtype": dtype, "quantization": quantization}
    condition, body = Sketch(s.buffers), Sketch(s.buffers)
    for sketch in (condition, body):
        sketch.input(1, **kind)
        sketch.input(1, 4, 2, 1)
    more = condition.tensor(1, dtype=DType.BOOL)
    condition.into("LESS", [0, condition.constant((limit,), (1,), **kind)], [more])
    after = body.tensor(1, **kind)
    body.into("ADD", [0, body.constant((1,), (1,), **kind)], [after])
    y = body.relu(1)
    done = [s.tensor(1, **kind), s.tensor(1, 4, 2, 1)]
    called = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    s.into("WHILE", [s.constant((0,), (1,), **kind), x], done, **called)
    return s.graph(done[1], others=[condition.subgraph(more), body.subgraph(after, y)])


def test_integers_count_as_what_they_stand_for() -> None:
    """Kernels rescale quantized integers before they compare them, so their bytes do not say which is less."""
    plain = loop_that_counts(DType.INT32, None, 2)
    assert positions_agree(plain, plain) is True
    scaled = loop_that_counts(DType.INT8, Quantization((0.5,), (3,)), 2)
    assert compare_positions(scaled, scaled).agree is None
