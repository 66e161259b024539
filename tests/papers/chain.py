"""Chains of convolutions as papers list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.findings.chains import Chain, ChainLayer
from mcuplan.operators.geometry import Axis


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """A convolution as papers list it: symmetric padding, floor arithmetic, 1 byte an element."""

    kernel: int
    stride: int
    padding: int
    channels: int
    depthwise: bool = False


def chain(height: int, width: int, channels: int, specs: Sequence[LayerSpec]) -> Chain:
    """A chain of convolutions over an input of ``height`` x ``width`` x ``channels``.

    Examples
    --------
    >>> two = chain(8, 8, 4, [LayerSpec(3, 1, 1, 4), LayerSpec(3, 1, 1, 4)])
    >>> two.macs, two.layers[1].output_total
    (18432, 256)
    """
    layers: list[ChainLayer] = []
    for index, spec in enumerate(specs):
        rows, columns = _axis(height, spec), _axis(width, spec)
        height, width = rows.output, columns.output
        taps = spec.kernel**2 * (1 if spec.depthwise else channels)
        label = f"{'depthwise' if spec.depthwise else 'convolution'} {spec.kernel}x{spec.kernel} (layer {index})"
        layers.append(ChainLayer(rows, columns, channels, spec.channels, height * width * spec.channels * taps, label))
        channels = spec.channels
    return Chain(tuple(layers))


def _axis(size: int, spec: LayerSpec) -> Axis:
    output = (size + 2 * spec.padding - spec.kernel) // spec.stride + 1
    after = max((output - 1) * spec.stride + spec.kernel - size - spec.padding, 0)
    return Axis(size, output, spec.kernel, spec.stride, 1, spec.padding, after)
