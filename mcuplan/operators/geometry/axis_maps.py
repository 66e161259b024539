"""How one spatial axis of an operator's input stands to the same axis of its output.

Rows and columns never mix in the operators that mcuplan patches, so one :class:`AxisMap` an axis says it all.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise

from mcuplan.operators.geometry.axes import Axis
from mcuplan.operators.geometry.regions import NOTHING, Span

_SHARED_MAPS = 4096
"""How many maps are kept for reuse: networks repeat the same few windows."""


@dataclass(frozen=True, slots=True)
class AxisMap:
    """For each output position, the span of input positions that it reads.

    Output position ``o`` reads positions in ``[low[o], high[o])``: the first and the last of them, and with strides,
    dilation or interpolation not always those between. Where it reads padding alone the two are equal. ``input`` is
    the input's size.
    """

    input: int
    low: tuple[int, ...]
    high: tuple[int, ...]
    axis: Axis | None = field(default=None, compare=False, repr=False)
    """The sliding window that the map is of; None for mirrors and resizes."""

    @property
    def output(self) -> int:
        """Output positions."""
        return len(self.low)

    def needs(self, span: Span) -> Span:
        """The shortest input span that holds everything that output ``span`` reads, clipped to the input."""
        pairs = [
            (low, high)
            for low, high in zip(self.low[span.begin : span.end], self.high[span.begin : span.end], strict=True)
            if low < high
        ]
        return Span(min(low for low, _ in pairs), max(high for _, high in pairs)) if pairs else NOTHING

    @property
    def reach(self) -> int:
        """Input positions from the first to the last that one output position reads, at most."""
        return max((high - low for low, high in zip(self.low, self.high, strict=True)), default=0)

    @property
    def moves_forwards(self) -> bool:
        """Whether no output position reads further back than one before it, and none between two reads nothing.

        Then :meth:`envelope` is the map itself.
        """
        something = [o for o, (low, high) in enumerate(zip(self.low, self.high, strict=True)) if low < high]
        together = something == list(range(something[0], something[-1] + 1)) if something else True
        return together and all(
            self.low[a] <= self.low[b] and self.high[a] <= self.high[b] for a, b in pairwise(something)
        )

    def envelope(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """``low`` and ``high`` made monotone outwards: span ``[b, e)`` reads inside ``[low[b], high[e - 1])``.

        The same as the map itself except at the border of windows with more dilation than padding.
        """
        size = self.input
        lows = [low if low < high else size for low, high in zip(self.low, self.high, strict=True)]
        highs = [high if low < high else 0 for low, high in zip(self.low, self.high, strict=True)]
        falling = list(accumulate(reversed(lows), min))
        return tuple(reversed(falling)), tuple(accumulate(highs, max))


@lru_cache(_SHARED_MAPS)
def identity(size: int) -> AxisMap:
    """Position ``o`` reads position ``o``: element-wise operators, concatenation on channels."""
    return windowed(Axis(size, size, 1, 1, 1, 0, 0))


@lru_cache(_SHARED_MAPS)
def windowed(axis: Axis) -> AxisMap:
    """A sliding window: only the taps that fall inside the input count.

    ``axis.before`` may be negative (an input that is cropped) and ``axis.stride`` 0 (an input of size 1 that is
    broadcast). Explicit padding is a window of one tap.
    """
    ends = [_taps_inside(axis, o * axis.stride - axis.before) for o in range(axis.output)]
    return AxisMap(axis.input, tuple(low for low, _ in ends), tuple(high for _, high in ends), axis)


def _taps_inside(axis: Axis, start: int) -> tuple[int, int]:
    first = max(-(start // axis.dilation), 0)
    last = min((axis.input - 1 - start) // axis.dilation, axis.kernel - 1)
    if first > last:
        return 0, 0
    return start + first * axis.dilation, start + last * axis.dilation + 1


def padded(size: int, before: int, after: int) -> AxisMap:
    """Explicit padding with a constant; negative amounts crop."""
    return windowed(Axis(size, size + before + after, 1, 1, 1, before, after))


def broadcast(output: int) -> AxisMap:
    """An input of size 1 that every output position reads."""
    return windowed(Axis(1, output, 1, 0, 1, 0, 0))


def shifted(size: int, offset: int, output: int) -> AxisMap:
    """One input of a concatenation along this axis: its ``size`` positions lie at ``offset`` of the output."""
    return windowed(Axis(size, output, 1, 1, 1, offset, output - size - offset))


def mirrored(size: int, before: int, after: int, border: bool) -> AxisMap:
    """Mirror padding; ``border`` tells that the border position itself is repeated (SYMMETRIC, not REFLECT)."""
    skip = 0 if border else 1
    taps = [
        *(before - o - 1 + skip for o in range(before)),
        *range(size),
        *(size - 1 - skip - o for o in range(after)),
    ]
    return _single(size, taps)


def nearest(size: int, output: int, *, align_corners: bool, half_pixel_centers: bool) -> AxisMap:
    """RESIZE_NEAREST_NEIGHBOR, in the kernel's own float32 arithmetic (``resize_nearest_neighbor.h``)."""
    corners = align_corners and output > 1
    scale = _float32((size - corners) / (output - corners))
    offset = 0.5 if half_pixel_centers else 0.0
    taps = []
    for o in range(output):
        place = _float32((o + offset) * scale)
        tap = int(place + 0.5) if align_corners else int(place)
        taps.append(min(tap, size - 1))
    return _single(size, taps)


def bilinear(size: int, output: int, *, half_pixel_centers: bool) -> AxisMap:
    """RESIZE_BILINEAR: all that the float or the integer kernel reads (``resize_bilinear.h``).

    The integer kernel's scale has 10 fractional bits, so that it may read a position more than the float one.
    """
    scale = _float32(size / output)
    scale_10 = ((1 << 10) * size + output // 2) // output
    low, high = [], []
    for o in range(output):
        place = _float32(_float32((o + 0.5) * scale) - 0.5) if half_pixel_centers else _float32(o * scale)
        place_10 = o * scale_10 + (scale_10 // 2 - (1 << 9) if half_pixel_centers else 0)
        first = min(max(int(place // 1), 0), max(int(place_10 / (1 << 10)), 0))
        last = max(-int(-place // 1), int((place_10 + (1 << 10) - 1) / (1 << 10)))
        low.append(min(first, size - 1))
        high.append(min(last, size - 1) + 1)
    return AxisMap(size, tuple(low), tuple(high))


def _single(size: int, taps: Sequence[int]) -> AxisMap:
    return AxisMap(size, tuple(taps), tuple(tap + 1 for tap in taps))


def _float32(value: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded
