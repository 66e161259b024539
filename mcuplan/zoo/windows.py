"""Sliding windows of convolutions and pools: kernel, stride, dilation, padding, and the sizes that follow."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

Pair = int | Sequence[int]
"""A number that stands for rows and columns, or the two."""


class Padding(enum.Enum):
    """How a window meets the edges.

    ``SAME`` and ``VALID`` are TFLite's. ``SYMMETRIC`` is PyTorch's ``padding=kernel // 2``: TFLite's SAME where that
    pads the same way, else a PAD operator before a VALID window, as converters from PyTorch write it.
    """

    SAME = "SAME"
    VALID = "VALID"
    SYMMETRIC = "SYMMETRIC"


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel, stride and dilation as (rows, columns), and the padding."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding.SAME
    dilation: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, kernel: Pair, stride: Pair = 1, padding: Padding = Padding.SAME, dilation: Pair = 1) -> Window:
        """From numbers that stand for both directions, or pairs."""
        return cls(_pair(kernel), _pair(stride), padding, _pair(dilation))

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of input under the dilated kernel."""
        (rows, columns), (down, across) = self.kernel, self.dilation
        return (rows - 1) * down + 1, (columns - 1) * across + 1

    def output(self, size: Sequence[int]) -> tuple[int, int]:
        """Output rows and columns for input rows and columns (TFLite's ``ComputeOutSize``)."""
        return self._output(0, size[0]), self._output(1, size[1])

    def same_padding(self, size: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns that SAME adds, as ((top, bottom), (left, right)); the odd one goes last."""
        return self._added(0, size[0]), self._added(1, size[1])

    @property
    def options(self) -> dict[str, int]:
        """Padding and strides as TFLite's options name them."""
        padding = 0 if self.padding is Padding.SAME else 1
        return {"padding": padding, "stride_h": self.stride[0], "stride_w": self.stride[1]}

    @property
    def dilation_options(self) -> dict[str, int]:
        """Dilations as TFLite's options name them."""
        return {"dilation_h_factor": self.dilation[0], "dilation_w_factor": self.dilation[1]}

    def _output(self, axis: int, size: int) -> int:
        needed = 1 if self.padding is Padding.SAME else self.extent[axis]
        return (size - needed) // self.stride[axis] + 1

    def _added(self, axis: int, size: int) -> tuple[int, int]:
        outputs = (size - 1) // self.stride[axis] + 1
        total = max((outputs - 1) * self.stride[axis] + self.extent[axis] - size, 0)
        return total // 2, total - total // 2


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
