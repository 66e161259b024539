"""Quantization of real numbers to integers, and the error it makes.

``real = scale * (q - zero_point)``. Weights are symmetric: int8 in [-127, 127], int4 in [-7, 7], one scale for the
whole tensor or one a channel (TensorFlow Lite 8-bit quantization specification).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.estimates.errors import EstimateError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def along_axis(numbers: NDArray[np.float64], axis: int | None, rank: int) -> NDArray[np.float64]:
    """One number, or one for each place along ``axis``, shaped to be broadcast over ``rank`` dimensions."""
    return numbers.reshape([-1 if k == axis else 1 for k in range(rank)])


@dataclass(frozen=True)
class Quantized:
    """Integers and how they stand for reals; ``scales`` has one element, or one a channel of ``axis``."""

    values: NDArray[np.int32]
    scales: NDArray[np.float64]
    axis: int | None
    zero_point: int = 0

    @property
    def real(self) -> NDArray[np.float64]:
        """The reals that the integers stand for."""
        scales = along_axis(self.scales, self.axis, self.values.ndim)
        result: NDArray[np.float64] = (self.values - self.zero_point) * scales
        return result


def symmetric(values: NDArray[Any], bits: int, axis: int | None = None) -> Quantized:
    """``values`` in [-(2^(bits-1) - 1), 2^(bits-1) - 1], by the largest magnitude of the tensor or of each channel.

    A tensor or channel of zeros gets the scale 1.

    Raises
    ------
    EstimateError
        Where the values have no such axis.
    """
    top = 2 ** (bits - 1) - 1
    real = np.asarray(values, dtype=np.float64)
    if axis is not None and not 0 <= axis < real.ndim:
        raise EstimateError(f"weights of shape {list(real.shape)} have no channels along axis {axis}")
    if axis is None:
        largest = np.array([np.abs(real).max(initial=0.0)])
    else:
        others = tuple(i for i in range(real.ndim) if i != axis)
        largest = np.abs(real).max(axis=others, initial=0.0)
    scales = np.where(largest > 0, largest / top, 1.0)
    return Quantized(np.rint(real / along_axis(scales, axis, real.ndim)).astype(np.int32), scales, axis)


def unsigned(values: NDArray[Any], bits: int = 8) -> Quantized:
    """``values`` in [0, 2^bits - 1] with a zero point, the range widened to hold zero.

    The lecture's quantization example is this at 8 bits: a range of [0, 1] gives the scale 1/255.
    """
    real = np.asarray(values, dtype=np.float64)
    low, high = min(float(real.min(initial=0.0)), 0.0), max(float(real.max(initial=0.0)), 0.0)
    top = 2**bits - 1
    scale = (high - low) / top or 1.0
    zero = round(-low / scale)
    return Quantized(np.clip(np.rint(real / scale) + zero, 0, top).astype(np.int32), np.array([scale]), None, zero)


def sqnr_db(values: NDArray[Any], quantized: Quantized) -> float:
    """Signal-to-quantization-noise ratio in decibels, 10 log10(sum w^2 / sum (w - w')^2); inf where nothing is lost."""
    real = np.asarray(values, dtype=np.float64)
    noise = float(np.square(real - quantized.real).sum())
    signal = float(np.square(real).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
