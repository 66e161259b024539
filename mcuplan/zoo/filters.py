"""Weights of a layer: drawn integers, with scales and biases that keep a network's activations in range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcuplan.zoo.draws import Draws
from mcuplan.zoo.ranges import Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GAINS = (0.7, 1.3)
_OFFSETS = (-0.3, 0.3)
"""How a layer's channels differ from each other: their spread and mean, in units of the layer's spread."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Drawn weights: symmetric integers, their scales (one a channel of ``axis``, or one), biases in real units."""

    weights: NDArray[np.int8]
    axis: int
    scales: NDArray[np.float32]
    biases: NDArray[np.float64]
    spread: Spread

    @property
    def real(self) -> NDArray[np.float32]:
        """The reals that the integers stand for."""
        along = [1] * self.weights.ndim
        along[self.axis] = -1
        return self.weights * self.scales.reshape(along)


def drawn_filters(
    draws: Draws, source: Spread, shape: tuple[int, ...], *, axis: int, per_channel: bool, activation: str
) -> Filters:
    """Draw the weights of a layer of ``shape`` whose input spreads as ``source``; its channels are along ``axis``.

    The integers are uniform draws; the scales make each channel's sums spread by its own gain around its own
    offset, given the input's spread, and the bias takes away what the input's mean adds.
    """
    channels = shape[axis]
    weights = draws.int8(math.prod(shape)).reshape(shape)
    others = tuple(i for i in range(len(shape)) if i != axis)
    sums = weights.sum(axis=others, dtype=np.int64)
    squares = np.square(weights.astype(np.int32)).sum(axis=others, dtype=np.int64)
    energy = np.maximum(squares if per_channel else np.full(channels, squares.mean()), 1)
    gains = draws.uniform(channels, *_GAINS) if per_channel else np.ones(channels)
    # A spread of 2 puts RELU6's cut at three standard deviations.
    target = 2.0 if activation == "RELU6" else 1.0
    scales = (target * gains / (np.sqrt(energy) * source.std)).astype(np.float32)
    offsets = target * draws.uniform(channels, *_OFFSETS)
    biases = offsets - scales.astype(np.float64) * sums * source.mean
    variance = (1 + Spread.uniform(*_GAINS).std ** 2 if per_channel else 1) + Spread.uniform(*_OFFSETS).std ** 2
    spread = Spread(0.0, target * math.sqrt(variance))
    return Filters(weights, axis, scales if per_channel else scales[:1], biases, spread)
