"""Real ranges and spreads of tensors, and the quantization that follows from them.

The zoo calibrates in closed form, without running anything: weights are independent draws, so the standard deviation
of a layer's output follows from that of its input (Glorot and Bengio 2010, He et al. 2015), and the bias removes the
mean as a folded batch normalization would. The quantized range then is a few standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mcuplan.graph import DType, Quantization


def float32(value: float) -> float:
    """The nearest float32, as a file stores scales."""
    return float(np.float32(value))


@dataclass(frozen=True, slots=True)
class Spread:
    """What a tensor's elements look like over typical inputs: their mean and standard deviation, in real units."""

    mean: float
    std: float

    @classmethod
    def uniform(cls, low: float, high: float) -> Spread:
        """Elements equally likely anywhere in [low, high]."""
        return cls((low + high) / 2, (high - low) / math.sqrt(12))

    def plus(self, other: Spread, sign: int = 1) -> Spread:
        """The sum (``sign`` -1: the difference) of two independent tensors."""
        return Spread(self.mean + sign * other.mean, math.hypot(self.std, other.std))

    def times(self, other: Spread) -> Spread:
        """The product of two independent tensors."""
        square = (self.std**2 + self.mean**2) * (other.std**2 + other.mean**2)
        mean = self.mean * other.mean
        return Spread(mean, math.sqrt(max(square - mean * mean, 0.0)))

    def averaged(self, count: int) -> Spread:
        """The mean of ``count`` elements.

        Neighbours are neither independent (std / sqrt(count)) nor equal (std): halfway between, in the exponent.
        """
        return Spread(self.mean, self.std * count**-0.25)


@dataclass(frozen=True, slots=True)
class Affine:
    """``real = scale * (q - zero_point)`` for a whole tensor."""

    scale: float
    zero_point: int

    @property
    def quantization(self) -> Quantization:
        """As the file says it."""
        return Quantization(scales=(self.scale,), zero_points=(self.zero_point,))


def _affine_int8(low: float, high: float) -> Affine:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float32((high - low) / 255)
    return Affine(scale, max(-128, min(127, round(-128 - low / scale))))


def _affine_int16(low: float, high: float) -> Affine:
    return Affine(float32(max(-low, high) / 32767), 0)


def _affine_uint8(low: float, high: float) -> Affine:
    signed = _affine_int8(low, high)
    return Affine(signed.scale, signed.zero_point + 128)


_AFFINE: dict[DType, Callable[[float, float], Affine]] = {
    DType.INT8: _affine_int8,
    DType.INT16: _affine_int16,
    DType.UINT8: _affine_uint8,
}


def affine(low: float, high: float, dtype: DType) -> Affine | None:
    """The quantization that covers [low, high] and represents zero exactly; None for float tensors.

    TFLite's 8-bit specification: int8 (and uint8) uses all 256 steps with a zero point, int16 is symmetric with
    zero point 0.
    """
    make = _AFFINE.get(dtype)
    return None if make is None else make(low, high)


@dataclass(frozen=True, slots=True)
class Activation:
    """A fused activation function: its code in the schema (``ActivationFunctionType``) and its bounds."""

    code: int
    low: float = -math.inf
    high: float = math.inf

    def applied(self, before: Spread) -> Spread:
        """The spread after it, for normally distributed elements.

        Of the lower bound 0 only (the rectified Gaussian); an upper bound is taken as far enough out not to matter.
        """
        if self.low != 0.0 or before.std == 0.0:
            return before
        z = before.mean / before.std
        below = (1 + math.erf(z / math.sqrt(2))) / 2
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        mean = before.mean * below + before.std * density
        square = (before.mean**2 + before.std**2) * below + before.mean * before.std * density
        return Spread(mean, math.sqrt(max(square - mean * mean, 0.0)))

    def bounds(self, before: Spread, reach_low: float, reach_high: float) -> tuple[float, float]:
        """The real range to quantize: so many standard deviations around the mean, cut where it cuts.

        RELU6 is always quantized as [0, 6], as converters do.
        """
        if math.isfinite(self.low) and math.isfinite(self.high):
            return self.low, self.high
        return (
            max(self.low, before.mean - reach_low * before.std),
            min(self.high, before.mean + reach_high * before.std),
        )


ACTIVATIONS: dict[str, Activation] = {
    "NONE": Activation(0),
    "RELU": Activation(1, 0.0),
    "RELU_N1_TO_1": Activation(2, -1.0, 1.0),
    "RELU6": Activation(3, 0.0, 6.0),
}
"""The fused activation functions that TFLM's kernels take, by their schema name."""
