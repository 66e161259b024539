"""How often the taps of a sliding window fall on the input: what kernels loop over, in closed form."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=1 << 14)
def taps_inside(size: int, outputs: int, kernel: int, stride: int, dilation: int, before: int) -> int:
    """Pairs of output position and tap, along one axis, whose input position lies inside ``[0, size)``."""
    return sum(positions_inside(size, outputs, stride, tap * dilation - before) for tap in range(kernel))


def positions_inside(size: int, outputs: int, stride: int, offset: int) -> int:
    """Output positions ``o`` below ``outputs`` with ``0 <= o * stride + offset < size``."""
    first = max(-(offset // stride), 0)
    last = min((size - 1 - offset) // stride, outputs - 1)
    return max(last - first + 1, 0)


@lru_cache(maxsize=1 << 12)
def rows_outside(size: int, outputs: int, kernel: int, stride: int, before: int) -> tuple[int, ...]:
    """Taps before the input, and taps behind it, of each output position that has any."""
    starts = [o * stride - before for o in range(outputs)]
    return tuple(n for s in starts for n in (-s, s + kernel - size) if n > 0)
