"""What of a sliding window is computed again: counted by hand, and on the keyword network."""

from __future__ import annotations

from mcuplan.findings.sliding import sliding
from mcuplan.tflm.target import Target
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.windows import Padding

TARGET = Target.parse("cortex-m4+cmsis-nn")


def test_rows_that_see_padding_are_new_and_others_move_on() -> None:
    """A 3 x 3 convolution over 10 rows of 4: moved on by one row, rows 1 to 7 are those that were rows 2 to 8."""
    b = Builder()
    graph = b.graph([b.conv2d(b.input((1, 10, 4, 2)), 2, 3)])
    (same,) = sliding(graph, TARGET, 1).operators
    assert (same.positions, same.new_positions) == (40, 4 * 3)
    b = Builder()
    graph = b.graph([b.conv2d(b.input((1, 10, 4, 2)), 2, 3, padding=Padding.VALID)])
    (valid,) = sliding(graph, TARGET, 1).operators
    assert (valid.positions, valid.new_positions) == (8 * 2, 2)


def test_a_window_that_does_not_move_is_all_known_and_strides_must_fit() -> None:
    b = Builder()
    graph = b.graph([b.conv2d(b.input((1, 12, 4, 2)), 2, 3, stride=2, padding=Padding.VALID)])
    assert [sliding(graph, TARGET, hop).operators[0].new_positions for hop in (0, 1, 2, 4)] == [0, 5, 1, 2]


def test_the_keyword_network() -> None:
    moved = sliding(build("ds-cnn"), TARGET, 2)
    assert [(op.new_positions, op.positions) for op in moved.operators[:3]] == [(30, 125), (40, 125), (40, 125)]
    assert 0.40 < moved.new_instructions / moved.instructions < 0.43
    assert sliding(build("ds-cnn"), TARGET, 1).new_instructions == moved.instructions
