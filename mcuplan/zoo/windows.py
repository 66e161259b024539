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
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))  # type: ignore[return-value]

    def output(self, size: Sequence[int]) -> tuple[int, int]:
        """Output rows and columns for input rows and columns (TFLite's ``ComputeOutSize``)."""
        if self.padding is Padding.SAME:
            return tuple(-(-n // s) for n, s in zip(size, self.stride, strict=True))  # type: ignore[return-value]
        return tuple((n - e) // s + 1 for n, e, s in zip(size, self.extent, self.stride, strict=True))  # type: ignore[return-value]

    def same_padding(self, size: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns that SAME adds, as ((top, bottom), (left, right)); the odd one goes last."""
        total = [max((-(-n // s) - 1) * s + e - n, 0) for n, e, s in zip(size, self.extent, self.stride, strict=True)]
        return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
