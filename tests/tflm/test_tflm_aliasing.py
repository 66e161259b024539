"""Which tensors may share bytes, worked by hand: outputs that trail over their inputs, padding around an input."""

from __future__ import annotations

import pytest
from drawn.sketch import Sketch

from mcuplan.graph import Graph
from mcuplan.tflm import Target
from mcuplan.tflm.aliasing import AliasOption, Relation, alias_options
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.values import Value
from mcuplan.zoo.windows import Padding

TARGETS = ("cortex-m4+reference", "cortex-m4+cmsis-nn", "cortex-m55+cmsis-nn")


def options(graph: Graph, target: str = "cortex-m4+cmsis-nn") -> tuple[AliasOption, ...]:
    return alias_options(graph, 0, Target.parse(target))


def trailing(b: Builder, y: Value) -> int | None:
    """How many bytes before its input the last operator's output may begin."""
    graph = b.graph([y])
    last = len(graph.main.operators) - 1
    found = [o for o in options(graph) if o.operator == last and o.relation is Relation.OVERWRITE]
    return -found[0].at if found else None


def test_a_convolution_trails_two_rows() -> None:
    """Rows of 16 bytes, a 3x3 window: when row r is written, input rows from r - 1 on are still read."""
    b = Builder()
    assert trailing(b, b.conv2d(b.input((1, 6, 4, 4)), 4, 3)) == 32


def test_a_growing_output_lies_further_ahead() -> None:
    """6 rows of 32 bytes from 6 of 16: after row r, 32 (r + 1) bytes are written and 16 (r - 1) are free."""
    b = Builder()
    assert trailing(b, b.conv2d(b.input((1, 6, 4, 4)), 8, 3)) == 6 * 32 - 4 * 16


def test_strides_free_rows_faster() -> None:
    """Stride 2 on 6 rows, padded below only: row r reads from row 2 r on, so that one row of output is enough."""
    b = Builder()
    assert trailing(b, b.max_pool(b.input((1, 6, 4, 8)), 3, stride=2, padding=Padding.SAME)) == 16
    b = Builder()
    assert trailing(b, b.depthwise_conv2d(b.input((1, 7, 5, 8)), 3, stride=2, padding=Padding.VALID)) == 16


def test_a_window_leaves_the_positions_before_it() -> None:
    """Rows of 5 x 64 bytes, a 3x3 window: position (r, c) is written while (r - 1, c - 1) is still read, so that one
    row and two positions are enough. Kernels that are only known to go row by row want two rows."""
    b = Builder()
    graph = b.graph([b.depthwise_conv2d(b.input((1, 25, 5, 64)), 3)])
    for target in (*TARGETS, "esp32+esp-nn"):
        assert [-o.at for o in options(graph, target)] == [5 * 64 + 2 * 64]
    assert [-o.at for o in options(graph, "esp32s3+esp-nn")] == [2 * 5 * 64]


def test_columns_that_are_skipped_are_left_sooner() -> None:
    """Stride 2 over 8 columns of 32 bytes, the padding behind: (r, c) begins to read at (2 r, 2 c)."""
    b = Builder()
    assert trailing(b, b.depthwise_conv2d(b.input((1, 8, 8, 32)), 3, stride=2)) == 32


def test_where_trailing_wins_nothing_it_is_not_offered() -> None:
    b = Builder()
    assert trailing(b, b.conv2d(b.input((1, 2, 4, 4)), 4, 3)) is None


@pytest.mark.parametrize("target", TARGETS)
def test_pointwise_convolutions_go_channel_by_channel(target: str) -> None:
    b = Builder()
    assert not options(b.graph([b.conv2d(b.input((1, 8, 8, 4)), 4, 1)]), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("filters", "ahead"), [(4, 4), (2, 2), (8, 64 * 8 - 63 * 4)])
def test_a_dilation_that_one_tap_does_not_feel_goes_position_by_position(target: str, filters: int, ahead: int) -> None:
    """64 positions of 4 bytes: the p-th is written, ``filters`` bytes, when it has been read, and those behind it not.

    It goes to the kernel of wider windows also where there is one row.
    """
    for height, width in ((8, 8), (1, 64)):
        b = Builder()
        (found,) = options(b.graph([b.conv2d(b.input((1, height, width, 4)), filters, 1, dilation=2)]), target)
        assert -found.at == -(-ahead // 16) * 16


@pytest.mark.parametrize(("channels", "offered"), [(1, False), (2, True), (124, True), (125, False)])
def test_depthwise_channels_that_kernels_take_at_once(channels: int, offered: bool) -> None:
    b = Builder()
    graph = b.graph([b.depthwise_conv2d(b.input((1, 8, 4, channels)), 3)])
    assert bool(options(graph)) is offered


def test_kernels_that_nobody_read_offer_nothing() -> None:
    b = Builder()
    graph = b.graph([b.conv2d(b.input((1, 8, 8, 4)), 4, 3)])
    for newer in ("esp32s3+esp-nn-1.2.4", "upstream-2027-01/cortex-m4+cmsis-nn"):
        assert not alias_options(graph, 0, Target.parse(newer))


def test_batches_and_16_bit_integers_are_left_out() -> None:
    b = Builder()
    assert not options(b.graph([b.conv2d(b.input((2, 8, 8, 4)), 4, 3)]))
    b = Builder(precision="int16")
    assert not options(b.graph([b.conv2d(b.input((1, 8, 8, 4)), 4, 3)]))


def test_rows_of_padding_around_an_input() -> None:
    """Two rows of 16 bytes before it: the input is byte 32 of the output on. Padded columns leave
    gaps: then the output may begin before its input."""
    b = Builder()
    graph = b.graph([b.pad(b.input((1, 4, 4, 4)), ((0, 0), (2, 1), (0, 0), (0, 0)))])
    (found,) = options(graph)
    assert (found.at, found.relation) == (32, Relation.SHARE)
    assert (found.inner, found.outer) == (graph.main.inputs[0], graph.main.outputs[0])
    b = Builder()
    graph = b.graph([b.pad(b.input((1, 4, 4, 4)), ((0, 0), (2, 1), (1, 1), (0, 0)))])
    # Rows of 16 bytes go into rows of 24: the last to bytes 124 to 140 from byte 48, which is 92 bytes, or 96, ahead.
    (found,) = options(graph)
    assert (found.at, found.relation) == (-96, Relation.OVERWRITE)
    assert (found.inner, found.outer) == (graph.main.outputs[0], graph.main.inputs[0])


@pytest.mark.parametrize(("rows", "at"), [([2, 3, 4], 2 * 16), ([2, 3, 5], None), ([3, 2, 1], None)])
def test_gathered_rows_that_follow_one_another_are_a_piece_of_their_input(rows: list[int], at: int | None) -> None:
    s = Sketch()
    x = s.input(1, 6, 4, 4)
    y = s.op("GATHER", [x, s.constant(rows)], (1, len(rows), 4, 4), axis=1)
    found = [(o.inner, o.outer, o.at, o.relation) for o in options(s.graph(y))]
    assert found == ([] if at is None else [(y, x, at, Relation.SHARE)])
