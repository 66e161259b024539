"""The kinds of layers that network files are lists of, each a few calls of the Builder.

A layer takes the value before it and its parameters as the file has them, and returns the value after it; blocks
(separable convolution, residual unit, inverted residual) are layers too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from mcuplan.graph import DType
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.values import Value
from mcuplan.zoo.windows import Padding, Pair

GLOBAL: Literal["global"] = "global"
"""As a kernel or stride: the whole map."""

Layer = Callable[..., Value]


def apply(b: Builder, x: Value, kind: str, name: str, parameters: Mapping[str, Any]) -> Value:
    """The value after one layer; KeyError for a ``kind`` that does not exist."""
    return KINDS[kind](b, x, name, **parameters)


def _over(x: Value, pair: Pair | Literal["global"]) -> Pair:
    return x.shape[1:3] if isinstance(pair, str) else pair


def _conv2d(
    b: Builder,
    x: Value,
    name: str,
    *,
    filters: int,
    kernel: Pair = 1,
    stride: Pair = 1,
    padding: str = "SAME",
    activation: str = "NONE",
) -> Value:
    return b.conv2d(x, filters, kernel, stride=stride, padding=Padding(padding), activation=activation, name=name)


def _depthwise(
    b: Builder,
    x: Value,
    name: str,
    *,
    kernel: Pair = 3,
    multiplier: int = 1,
    stride: Pair = 1,
    padding: str = "SAME",
    activation: str = "NONE",
) -> Value:
    return b.depthwise_conv2d(
        x, kernel, multiplier=multiplier, stride=stride, padding=Padding(padding), activation=activation, name=name
    )


def _separable(
    b: Builder, x: Value, name: str, *, filters: int, stride: int = 1, kernel: Pair = 3, activation: str = "RELU"
) -> Value:
    """A depthwise-separable convolution (Howard et al. 2017): depthwise, then pointwise, each activated."""
    x = b.depthwise_conv2d(x, kernel, stride=stride, activation=activation, name=f"{name}/depthwise")
    return b.conv2d(x, filters, 1, activation=activation, name=f"{name}/pointwise")


def _residual_unit(b: Builder, x: Value, name: str, *, filters: int, stride: int = 1) -> Value:
    """Two 3x3 convolutions around a shortcut (He et al. 2016); the shortcut is a 1x1 convolution if shapes change."""
    shortcut = x
    x = b.conv2d(x, filters, 3, stride=stride, activation="RELU", name=f"{name}/conv_1")
    x = b.conv2d(x, filters, 3, name=f"{name}/conv_2")
    if shortcut.shape != x.shape:
        shortcut = b.conv2d(shortcut, filters, 1, stride=stride, name=f"{name}/shortcut")
    return b.add(shortcut, x, activation="RELU", name=f"{name}/add")


def _inverted_residual(
    b: Builder,
    x: Value,
    name: str,
    *,
    filters: int,
    expansion: int = 6,
    kernel: int = 3,
    stride: int = 1,
    repeats: int = 1,
    padding: str = "SAME",
) -> Value:
    """``repeats`` inverted residuals (Sandler et al. 2018): expand, depthwise, project, add where shapes agree.

    The stride is the first one's; an expansion of 1 has no expanding convolution.
    """
    pad = Padding(padding)
    for block in range(repeats):
        prefix = f"{name}/{block}" if repeats > 1 else name
        shortcut = x
        if expansion != 1:
            x = b.conv2d(x, x.channels * expansion, 1, padding=pad, activation="RELU6", name=f"{prefix}/expand")
        x = b.depthwise_conv2d(
            x, kernel, stride=stride if block == 0 else 1, padding=pad, activation="RELU6", name=f"{prefix}/depthwise"
        )
        x = b.conv2d(x, filters, 1, padding=pad, name=f"{prefix}/project")
        if x.shape == shortcut.shape:
            x = b.add(x, shortcut, name=f"{prefix}/add")
    return x


def _average_pool(
    b: Builder,
    x: Value,
    name: str,
    *,
    kernel: Pair | Literal["global"] = GLOBAL,
    stride: Pair | Literal["global"] = GLOBAL,
) -> Value:
    return b.average_pool(x, _over(x, kernel), stride=_over(x, stride), name=name)


def _fully_connected(b: Builder, x: Value, name: str, *, units: int, activation: str = "NONE") -> Value:
    return b.fully_connected(x, units, activation=activation, name=name)


def _reshape(b: Builder, x: Value, name: str, *, shape: Sequence[int]) -> Value:
    return b.reshape(x, shape, name=name)


def _squeeze(b: Builder, x: Value, name: str, *, axes: Sequence[int]) -> Value:
    return b.squeeze(x, axes, name=name)


def _transpose(b: Builder, x: Value, name: str, *, permutation: Sequence[int]) -> Value:
    return b.transpose(x, permutation, name=name)


def _mean(b: Builder, x: Value, name: str, *, axes: Sequence[int]) -> Value:
    return b.mean(x, axes, name=name)


def _softmax(b: Builder, x: Value, name: str) -> Value:
    return b.softmax(x, name=name)


def _times(b: Builder, x: Value, name: str, *, by: float) -> Value:
    return b.mul(x, b.scalar(by, name=f"{name}/y"), name=name)


def _minus(b: Builder, x: Value, name: str, *, by: float) -> Value:
    return b.sub(x, b.scalar(by, name=f"{name}/y"), name=name)


def _quantize(b: Builder, x: Value, name: str, *, low: float, high: float) -> Value:
    """From the float of the outside world; nothing in a float model."""
    return x if b.dtype is DType.FLOAT32 else b.quantize(x, low=low, high=high, name=name)


def _dequantize(b: Builder, x: Value, name: str) -> Value:
    """To the float of the outside world; nothing in a float model."""
    return x if b.dtype is DType.FLOAT32 else b.dequantize(x, name=name)


KINDS: Mapping[str, Layer] = {
    "conv2d": _conv2d,
    "depthwise": _depthwise,
    "separable": _separable,
    "residual_unit": _residual_unit,
    "inverted_residual": _inverted_residual,
    "average_pool": _average_pool,
    "fully_connected": _fully_connected,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "mean": _mean,
    "softmax": _softmax,
    "times": _times,
    "minus": _minus,
    "quantize": _quantize,
    "dequantize": _dequantize,
}
"""Layers by the name that network files use."""
