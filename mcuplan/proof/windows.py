"""Which input positions a window reads, worked out here from TFLM's own arithmetic.

The search has a geometry too (:mod:`mcuplan.operators`). This one is another on purpose: a halo that is one row short
there would be proven right by the geometry that it came from.

Source: ``ComputePaddingHeightWidth`` and ``ComputeOutSize`` in tensorflow/lite/kernels/padding.h.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.graph import Operator
from mcuplan.operators import Options

_SAME, _VALID = 0, 1
_RANK = 4


@dataclass(frozen=True, slots=True)
class Taps:
    """A window along one axis: output ``o`` reads ``o * stride - before + k * dilation`` for each tap ``k``.

    What lies outside ``[0, size)`` is padding. ``output`` positions come of it.
    """

    size: int
    output: int
    kernel: int
    stride: int
    dilation: int
    before: int

    @property
    def behind(self) -> int:
        """Positions behind the input that the last window reads."""
        return max((self.output - 1) * self.stride + (self.kernel - 1) * self.dilation + 1 - self.before - self.size, 0)

    def first(self, output: int) -> int | None:
        """The first input position that an output position reads; None where its window lies in padding alone."""
        begin = output * self.stride - self.before
        tap = begin if begin >= 0 else begin + -(begin // self.dilation) * self.dilation
        return tap if tap < min(self.size, begin + (self.kernel - 1) * self.dilation + 1) else None


def taps(size: int, kernel: int, stride: int, dilation: int, padding: int) -> Taps | None:
    """The window along an axis of ``size`` positions; None where no kernel has such a one."""
    if min(size, kernel, stride, dilation) < 1 or padding not in (_SAME, _VALID):
        return None
    extent = (kernel - 1) * dilation + 1
    output = (size + stride - (1 if padding == _SAME else extent)) // stride
    if output < 1:
        return None
    missing = max((output - 1) * stride + extent - size, 0)
    return Taps(size, output, kernel, stride, dilation, missing // 2)


def window(op: Operator, source: tuple[int, ...], weights: tuple[int, ...] | None) -> tuple[Taps, Taps] | None:
    """Rows and columns that a convolution (with ``weights`` of that shape) or a pooling (None) reads of ``source``."""
    if len(source) != _RANK or (weights is not None and len(weights) != _RANK):
        return None
    options = Options(op)
    high, wide = weights[1:3] if weights else options.pool
    (down, across), (tall, broad) = options.strides, options.dilations
    rows = taps(source[1], high, down, tall, options.padding)
    columns = taps(source[2], wide, across, broad, options.padding)
    return None if rows is None or columns is None else (rows, columns)
