"""Windows worked by hand, and against a brute-force walk over taps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcuplan.operators.geometry import SAME, VALID, window_axis


def test_same_padding_puts_the_odd_position_behind() -> None:
    # 96 rows, 3 taps, stride 2: 48 outputs need (48 - 1) * 2 + 3 = 97 rows, one more than there are.
    axis = window_axis(96, 3, 2, 1, SAME)
    assert (axis.output, axis.before, axis.after) == (48, 0, 1)
    assert axis.needs(0, 1) == (0, 3)
    assert axis.needs(47, 48) == (94, 96)


def test_stride_one_same_padding_is_symmetric() -> None:
    axis = window_axis(8, 3, 1, 1, SAME)
    assert (axis.output, axis.before, axis.after) == (8, 1, 1)
    assert axis.needs(0, 4) == (0, 5)
    assert axis.needs(4, 8) == (3, 8)


def test_valid_padding() -> None:
    axis = window_axis(10, 3, 2, 2, VALID)  # taps at 0, 2, 4: extent 5
    assert (axis.extent, axis.output, axis.before, axis.after) == (5, 3, 0, 0)
    assert axis.needs(1, 3) == (2, 9)


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.sampled_from([SAME, VALID]),
)
def test_needs_is_the_range_of_taps_inside_the_input(
    size: int, kernel: int, stride: int, dilation: int, padding: int
) -> None:
    axis = window_axis(size, kernel, stride, dilation, padding)
    for begin in range(axis.output):
        end = min(begin + 3, axis.output)
        taps = {o * stride - axis.before + k * dilation for o in range(begin, end) for k in range(kernel)}
        first, last = axis.needs(begin, end)
        assert first == max(min(taps), 0)
        assert last == min(max(taps) + 1, size)
        if padding == VALID:
            assert min(taps) >= 0
            assert max(taps) < size
