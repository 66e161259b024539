"""Receptive fields worked by hand, and against a tap by tap walk of random networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patching_networks import Layer, Network, Read, networks

from mcuplan.graph import DType, Graph
from mcuplan.operators import operator_macs
from mcuplan.operators.geometry.regions import NOTHING
from mcuplan.operators.geometry.stages import (
    Direction,
    MappedStage,
    PatchError,
    Region,
    Span,
    barriers,
    cuts,
    line_buffers,
    patches,
    required,
    stages,
    strips,
)
from mcuplan.patching.arena.search import refusal
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.windows import Padding


def stage_of(graph: Graph, first: int, last: int) -> MappedStage:
    return next(s for s in stages(graph) if (s.first, s.last) == (first, last + 1))


def whole_stage(graph: Graph) -> MappedStage:
    return stage_of(graph, 0, len(graph.main.operators) - 1)


def region(rows: tuple[int, int], columns: tuple[int, int]) -> Region:
    return Region(Span(*rows), Span(*columns))


def two_convolutions(size: int) -> tuple[Graph, MappedStage]:
    b = Builder()
    x = b.input((1, size, size, 4))
    graph = b.graph([b.conv2d(b.conv2d(x, 4, 3), 4, 3)])
    return graph, whole_stage(graph)


# -- the lecture's example ----------------------------------------------------------------------------------------


def test_two_3x3_convolutions_need_two_and_four_more_rows_and_columns() -> None:
    # Two 3x3 stride-1 convolutions: an output patch of w x h needs (w + 2) x (h + 2) of the middle map and
    # (w + 4) x (h + 4) of the input.
    _, stage = two_convolutions(16)
    (middle,) = stage.inner
    found = required(stage, region((4, 8), (6, 12)))
    assert found[stage.result] == region((4, 8), (6, 12))
    assert found[middle] == region((3, 9), (5, 13))
    assert found[stage.source] == region((2, 10), (4, 14))


def test_halos_are_clipped_at_the_borders() -> None:
    _, stage = two_convolutions(16)
    (middle,) = stage.inner
    corner = required(stage, region((0, 8), (0, 8)))
    assert corner[middle] == region((0, 9), (0, 9))
    assert corner[stage.source] == region((0, 10), (0, 10))


def test_2x2_patches_of_two_convolutions_overlap_by_an_eighth() -> None:
    # 16x16 in 8x8 patches, all of them at a corner: 4 x 9x9 instead of 256 in the middle map, 4 x 64 in the output.
    # Both layers have the same MACs a position, so the overlap is (324 + 256) / 512.
    graph, stage = two_convolutions(16)
    (middle,) = stage.inner
    cut = patches(stage, (8, 8), (8, 8))
    assert sum(required(stage, patch)[middle].positions for patch in cut) == 324
    assert overlap(graph, stage, (8, 8), (8, 8)) == (580, 512)


def overlap(graph: Graph, stage: MappedStage, rows: tuple[int, ...], columns: tuple[int, ...]) -> tuple[int, int]:
    """MACs of the stage in patches and as it is, in units of the first operator's MACs a position."""
    macs = {op.operator: operator_macs(graph, graph.main, graph.main.operators[op.operator]) for op in stage.operators}
    sizes = {op.operator: graph.main.tensors[op.outputs[0]].shape for op in stage.operators}
    a_position = {k: count // (sizes[k][1] * sizes[k][2]) for k, count in macs.items() if count is not None}
    unit = next(filter(None, a_position.values()))
    total = sum(
        a_position[op.operator] * required(stage, patch)[op.outputs[0]].positions
        for patch in patches(stage, rows, columns)
        for op in stage.operators
    )
    assert total % unit == 0
    return total // unit, sum(filter(None, macs.values())) // unit


# -- MobileNetV2 --------------------------------------------------------------------------------------------------


def test_mobilenet_v2_overlap() -> None:
    """MCUNetV2 patches MobileNetV2's first blocks, up to the first 28x28 map (its figure 1, with 4x4 patches).

    What the paper and the lecture call about 10% depends on the grid and on what it is a part of. Exactly, with halos
    clipped at the borders: 2x2 patches of 14x14 compute 9.64% more in the stage, which is 2.94% of the network; 4x4
    patches of 7x7 compute 30.6% more in the stage, which is 9.32% of the network. Counted without clipping, as if
    each of the 16 patches were an inner one of 75x75 inputs, it would be 41.9% of the stage.

    By hand for 2x2: the two strips of 14 rows need 29 + 28 = 57 rows of the 56-row map before the last stride, 59 of
    the one before the block's 3x3, 119 of the 112-row map and 121 of the first convolution's output. An operator's
    MACs grow by the square of that: the first convolution's by (121/112)^2.
    """
    graph = build("mobilenet-v2")
    stage = stage_of(graph, 0, 15)
    assert (stage.rows, stage.columns) == (28, 28)
    network = 299_500_672
    extra_2, base_2 = overlap_macs(graph, stage, (14, 14))
    extra_4, base_4 = overlap_macs(graph, stage, (7, 7, 7, 7))
    assert base_2 == base_4 == 91_282_688
    assert (extra_2, extra_4) == (8_801_904, 27_919_344)
    assert round(extra_2 / base_2, 4) == 0.0964
    assert round(extra_2 / network, 4) == 0.0294
    assert round(extra_4 / base_4, 4) == 0.3059
    assert round(extra_4 / network, 4) == 0.0932
    inner = required(stage, region((7, 14), (7, 14)))[stage.source]
    assert (len(inner.rows), len(inner.columns)) == (75, 75)


def overlap_macs(graph: Graph, stage: MappedStage, sizes: tuple[int, ...]) -> tuple[int, int]:
    total = base = 0
    needs = [required(stage, patch) for patch in patches(stage, sizes, sizes)]
    for op in stage.operators:
        macs = operator_macs(graph, graph.main, graph.main.operators[op.operator]) or 0
        _, rows, columns, _ = graph.main.tensors[op.outputs[0]].shape
        base += macs
        total += macs // (rows * columns) * sum(need[op.outputs[0]].positions for need in needs)
    return total - base, base


# -- single operators ---------------------------------------------------------------------------------------------


def test_same_padding_with_stride_two_reads_one_row_less_above() -> None:
    # 96 rows, 3 taps, stride 2: one row of padding, below.
    b = Builder()
    graph = b.graph([b.conv2d(b.input((1, 96, 97, 1)), 1, 3, stride=2)])
    found = required(whole_stage(graph), region((10, 12), (10, 12)))
    assert found[graph.main.inputs[0]] == region((20, 25), (19, 24))


def test_explicit_padding_shifts_and_reads_nothing_in_the_border() -> None:
    b = Builder()
    graph = b.graph([b.pad(b.input((1, 6, 6, 1)), ((0, 0), (2, 1), (0, 3), (0, 0)))])
    stage = whole_stage(graph)
    assert required(stage, region((1, 5), (0, 9)))[stage.source] == region((0, 3), (0, 6))
    assert not required(stage, region((0, 2), (0, 9)))[stage.source]


def test_dilated_taps_outside_the_input_do_not_count() -> None:
    # 2 taps 4 apart over 6 rows, SAME: output row 0 reads rows -2 and 2, hence row 2 alone.
    b = Builder()
    graph = b.graph([b.conv2d(b.input((1, 6, 6, 1)), 1, 2, dilation=4)])
    stage = whole_stage(graph)
    assert required(stage, region((0, 1), (0, 6)))[stage.source].rows == Span(2, 3)
    assert required(stage, region((5, 6), (0, 6)))[stage.source].rows == Span(3, 4)


def test_residual_and_branches_take_the_larger_need() -> None:
    made = Network(12, 12)
    made.residual(3)
    graph, _ = made.finish()
    stage = whole_stage(graph)
    assert required(stage, region((5, 6), (5, 6)))[stage.source] == region((3, 8), (3, 8))
    made = Network(12, 12)
    made.branches(1, 5)
    graph, _ = made.finish()
    stage = whole_stage(graph)
    assert required(stage, region((5, 6), (5, 6)))[stage.source] == region((3, 8), (3, 8))


def test_concatenation_of_rows_reads_only_the_part_that_is_asked_for() -> None:
    b = Builder()
    x = b.input((1, 4, 5, 2))
    graph = b.graph([b.concatenation([b.max_pool(x, 1), b.max_pool(x, 1)], 1)])
    stage = whole_stage(graph)
    first, second = stage.inner
    found = required(stage, region((3, 6), (0, 5)))
    assert (found[first].rows, found[second].rows) == (Span(3, 4), Span(0, 2))


# -- stages -------------------------------------------------------------------------------------------------------


def test_stages_of_a_residual_block() -> None:
    made = Network(9, 9)
    made.residual(3)
    graph, _ = made.finish()
    # Operators: depthwise, depthwise, add. The branch alone is a stage while its input lives on; the second
    # depthwise with the add reads two tensors and is none.
    assert [(s.first, s.last) for s in stages(graph)] == [(0, 1), (0, 2), (0, 3), (1, 2)]
    assert cuts(whole_stage(graph)) == ()


def test_cuts_lie_between_blocks() -> None:
    made = Network(9, 9)
    made.residual(3)
    block = made.value
    made.residual(3)
    graph, _ = made.finish()
    assert cuts(whole_stage(graph)) == (graph.main.operators[2].outputs[0],)
    assert block.shape == graph.main.tensors[graph.main.operators[2].outputs[0]].shape


def test_an_output_inside_ends_a_stage() -> None:
    b = Builder()
    middle = b.conv2d(b.input((1, 8, 8, 1)), 1, 3)
    graph = b.graph([middle, b.conv2d(middle, 1, 3)])
    assert [(s.first, s.last) for s in stages(graph)] == [(0, 1), (1, 2)]


def test_barriers_say_why() -> None:
    b = Builder()
    x = b.mean(b.conv2d(b.input((1, 8, 8, 2)), 2, 3), (1, 2))
    graph = b.graph([b.fully_connected(x, 3)])
    assert [(found.operator, found.reason) for found in barriers(graph)] == [
        (1, "MEAN does not work row by row"),
        (2, "FULLY_CONNECTED does not work row by row"),
    ]
    b = Builder()
    graph = b.graph([b.conv2d(b.input((2, 8, 8, 2)), 2, 3)])
    assert [found.reason for found in barriers(graph)] == ["it writes a batch of 2"]
    assert stages(graph) == ()


def test_hybrid_convolutions_are_barriers() -> None:
    graph, _ = two_convolutions(8)
    main = graph.main
    maps = {t for op in main.operators for t in (op.inputs[0], *op.outputs)}
    tensors = [replace(t, dtype=DType.FLOAT32) if i in maps else t for i, t in enumerate(main.tensors)]
    graph = replace(graph, subgraphs=(replace(main, tensors=tuple(tensors)),))
    why = "CONV_2D with integer weights finds one scale for its whole float input"
    assert [found.reason for found in barriers(graph)] == [why, why]
    assert str(refusal(graph)).endswith(f"{why}")


@pytest.mark.parametrize(("signature", "patchable"), [((-1, 8, 8, 2), True), ((1, -1, 8, 2), False)])
def test_only_the_batch_may_be_open_in_a_signature(signature: tuple[int, ...], patchable: bool) -> None:
    graph, _ = two_convolutions(8)
    main = graph.main
    tensors = tuple(replace(t, shape_signature=signature) if t.rank == 4 else t for t in main.tensors)
    graph = replace(graph, subgraphs=(replace(main, tensors=tensors),))
    assert bool(stages(graph)) is patchable


def test_regions_outside_and_patches_that_do_not_add_up_are_refused() -> None:
    _, stage = two_convolutions(8)
    with pytest.raises(PatchError, match="does not lie inside an output of 8 x 8"):
        required(stage, region((0, 9), (0, 8)))
    with pytest.raises(PatchError, match="do not divide 8"):
        patches(stage, (4, 3), (8,))
    with pytest.raises(PatchError, match="cannot be kept"):
        strips(stage, (4, 4), (stage.source,))


# -- strips -------------------------------------------------------------------------------------------------------


def test_streaming_computes_each_row_once() -> None:
    # 8 rows in strips of 2, 3x3 twice: the middle map must reach one row further than the output, so the first step
    # computes rows 0-2, the next ones two each, the last the remaining one. Two rows stay for the next step.
    _, stage = two_convolutions(8)
    (middle,) = stage.inner
    steps = strips(stage, (2, 2, 2, 2), (middle,))
    assert [step.computed[middle] for step in steps] == [Span(0, 3), Span(3, 5), Span(5, 7), Span(7, 8)]
    assert [step.kept[middle] for step in steps] == [Span(1, 3), Span(3, 5), Span(5, 7), NOTHING]
    assert [step.held[middle] for step in steps][1:] == [Span(1, 3), Span(3, 5), Span(5, 7)]
    assert [step.needed[stage.source] for step in steps] == [Span(0, 4), Span(2, 6), Span(4, 8), Span(6, 8)]
    assert line_buffers(steps) == {middle: 2}


def test_recompute_computes_halos_again() -> None:
    _, stage = two_convolutions(8)
    (middle,) = stage.inner
    steps = strips(stage, (2, 2, 2, 2))
    assert [step.computed[middle] for step in steps] == [Span(0, 3), Span(1, 5), Span(3, 7), Span(5, 8)]
    assert [step.needed[stage.source] for step in steps] == [Span(0, 4), Span(0, 6), Span(2, 8), Span(4, 8)]
    assert line_buffers(steps) == {}


@st.composite
def divided(draw: st.DrawFn) -> tuple[MappedStage, tuple[Read, ...], tuple[int, ...], Direction]:
    graph, reads = draw(networks())
    stage = draw(st.sampled_from(stages(graph)))
    direction = draw(st.sampled_from(list(Direction)))
    left, sizes = stage.size(direction), []
    while left:
        sizes.append(draw(st.integers(1, left)))
        left -= sizes[-1]
    return stage, reads, tuple(sizes), direction


@settings(max_examples=60, deadline=None)
@given(divided(), st.data())
def test_required_regions_against_taps(
    case: tuple[MappedStage, tuple[Read, ...], tuple[int, ...], Direction], data: st.DataObject
) -> None:
    stage, reads, _, _ = case
    wanted = Region(
        *(
            Span(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))))
            for n in (stage.rows, stage.columns)
        )
    )
    found = required(stage, wanted)
    rows, columns = traced(stage, reads, wanted.rows, 0), traced(stage, reads, wanted.columns, 1)
    for tensor in (stage.source, *stage.inner):
        for span, places in ((found[tensor].rows, rows[tensor]), (found[tensor].columns, columns[tensor])):
            assert (span.begin, span.end) == (min(places), max(places) + 1) if places else not span


def traced(stage: MappedStage, reads: tuple[Read, ...], wanted: Span, axis: int) -> dict[int, set[int]]:
    """The positions of each tensor that are read for ``wanted``: each operator computes a run of positions."""
    needed: dict[int, set[int]] = {stage.result: set(range(wanted.begin, wanted.end))}
    for op in reversed(stage.operators):
        places = needed.get(op.outputs[0], set())
        computed = range(min(places), max(places) + 1) if places else ()
        for read in reads:
            if read.output == op.outputs[0]:
                own = needed.setdefault(read.input, set())
                own.update(*((read.rows, read.columns)[axis][o] for o in computed))
    return needed


@settings(max_examples=60, deadline=None)
@given(divided(), st.data())
def test_strips_have_what_their_readers_need(
    case: tuple[MappedStage, tuple[Read, ...], tuple[int, ...], Direction], data: st.DataObject
) -> None:
    """Run the strips with nothing but what they say is held and computed: every tap must be there."""
    stage, reads, sizes, direction = case
    kept = data.draw(st.sets(st.sampled_from(stage.inner))) if stage.inner else set()
    steps = strips(stage, sizes, kept, direction)
    axis = 0 if direction is Direction.ROWS else 1
    buffers: dict[int, set[int]] = {t: set() for t in kept}
    once: dict[int, list[int]] = {t: [] for t in kept}
    for step in steps:
        present = {stage.source: positions(step.needed[stage.source])}
        for op in stage.operators:
            tensor = op.outputs[0]
            span = step.computed[tensor] if tensor != stage.result else step.output
            for read in reads:
                if read.output == tensor:
                    used = set().union(*((read.rows, read.columns)[axis][o] for o in range(span.begin, span.end)))
                    assert used <= present[read.input]
            present[tensor] = positions(span) | buffers.get(tensor, set())
            assert positions(step.needed[tensor]) <= present[tensor]
        for tensor in kept:
            once[tensor] += sorted(positions(step.computed[tensor]))
            assert positions(step.kept[tensor]) <= present[tensor]
            assert positions(step.held[tensor]) <= buffers[tensor]
            buffers[tensor] = positions(step.kept[tensor])
    assert all(len(rows) == len(set(rows)) for rows in once.values())
    assert not any(buffers.values())


def positions(span: Span) -> set[int]:
    return set(range(span.begin, span.end))


def test_padding_of_a_layer_record() -> None:
    # The random networks' own layers: SAME as TFLite pads.
    made = Network(5, 5)
    assert made.window(Layer("conv", (3, 3), (2, 2), (1, 1), Padding.SAME))
    _, (read,) = made.finish()
    assert read.rows == ({0, 1}, {1, 2, 3}, {3, 4})
