"""Seeded numbers that are the same on every machine and with every numpy.

The generator is SplitMix64 (Steele, Lea and Flood 2014), a hash of a counter: a few integer operations on whole
arrays, without the start-up time of ``numpy.random``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Draws:
    """A stream of draws; the same seed and the same calls give the same numbers."""

    def __init__(self, seed: int) -> None:
        self._seed = np.uint64(seed)
        self._drawn = 0

    def raw(self, count: int) -> NDArray[np.uint64]:
        """``count`` 64-bit words; arithmetic wraps around, as the generator means it to."""
        z = np.arange(self._drawn + 1, self._drawn + 1 + count, dtype=np.uint64)
        self._drawn += count
        z *= _STEP
        z += self._seed
        z ^= z >> np.uint64(30)
        z *= _MIX_1
        z ^= z >> np.uint64(27)
        z *= _MIX_2
        z ^= z >> np.uint64(31)
        return z

    def int8(self, count: int) -> NDArray[np.int8]:
        """``count`` weights in [-127, 127], all equally likely (-127 twice): TFLite's symmetric int8 range."""
        raw = self.raw((count + 7) // 8).astype("<u8").view(np.int8)[:count]
        return np.maximum(raw, np.int8(-127))

    def uniform(self, count: int, low: float, high: float) -> NDArray[np.float64]:
        """``count`` numbers in [low, high)."""
        unit = (self.raw(count) >> np.uint64(11)) * 2.0**-53
        return np.asarray(low + (high - low) * unit)
