"""Spatial geometry: which window of the input an output position reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.frozen import quick

SAME, VALID = 0, 1
"""Codes of the TFLite schema's ``Padding``."""


@quick
@dataclass(frozen=True, slots=True)
class Axis:
    """A sliding window along one spatial axis (rows or columns).

    Output position ``o`` reads input positions ``o * stride - before + k * dilation`` for ``k`` in
    ``range(kernel)``; those outside ``[0, input)`` are padding.
    """

    input: int
    output: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def extent(self) -> int:
        """Input positions from the first tap to the last, both included."""
        return (self.kernel - 1) * self.dilation + 1

    def needs(self, begin: int, end: int) -> tuple[int, int]:
        """The input range ``[first, last)`` that output range ``[begin, end)`` reads, clipped to the input."""
        first = begin * self.stride - self.before
        last = (end - 1) * self.stride - self.before + self.extent
        return max(first, 0), min(last, self.input)


@dataclass(frozen=True, slots=True)
class Window:
    """The sliding window of a convolution or pooling: one :class:`Axis` for rows, one for columns."""

    rows: Axis
    columns: Axis


def window_axis(size: int, kernel: int, stride: int, dilation: int, padding: int, output: int | None = None) -> Axis:
    """The window along one axis, padded as TFLite pads.

    SAME gives ``ceil(size / stride)`` outputs and puts the odd padding position behind the input; VALID gives
    ``ceil((size - extent + 1) / stride)``. Source: ``ComputePaddingHeightWidth`` and ``ComputeOutSize`` in
    tensorflow/lite/kernels/padding.h.

    Parameters
    ----------
    size, kernel, stride, dilation
        Input positions, filter taps, step between windows, step between taps.
    padding
        ``SAME`` or ``VALID``.
    output
        Output positions where the file states them; computed otherwise.
    """
    extent = (kernel - 1) * dilation + 1
    if output is None:
        output = -(-size // stride) if padding == SAME else max(-(-(size - extent + 1) // stride), 0)
    total = max((output - 1) * stride + extent - size, 0) if padding == SAME else 0
    return Axis(size, output, kernel, stride, dilation, total // 2, total - total // 2)


def window(
    input_shape: Sequence[int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: int,
) -> Window:
    """The window over an NHWC input; pairs are (rows, columns)."""
    rows, columns = (window_axis(input_shape[1 + i], kernel[i], strides[i], dilations[i], padding) for i in range(2))
    return Window(rows, columns)
