"""Seeded numbers that are the same on every machine and with every numpy.

Only the raw 64-bit output of PCG64 is used, which numpy promises never to change (NEP 19), unlike the streams of its
distributions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Draws:
    """A stream of draws; the same seed and the same calls give the same numbers."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def int8(self, count: int) -> NDArray[np.int8]:
        """``count`` weights in [-127, 127], all equally likely (-127 twice): TFLite's symmetric int8 range."""
        raw = self._bits.random_raw((count + 7) // 8).astype("<u8").view(np.int8)[:count]
        return np.maximum(raw, np.int8(-127))

    def uniform(self, count: int, low: float, high: float) -> NDArray[np.float64]:
        """``count`` numbers in [low, high)."""
        unit = (self._bits.random_raw(count) >> np.uint64(11)) * 2.0**-53
        return np.asarray(low + (high - low) * unit)

    def scalar(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return float(self.uniform(1, low, high)[0])
