"""Small random CNNs for the tests of this room: chains, residuals, branches, every padding, odd sizes."""

from __future__ import annotations

import random

from mcuplan.graph import Graph
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.values import Value
from mcuplan.zoo.windows import Padding

HEIGHTS = (9, 12, 13, 16, 18, 24)
WIDTHS = (3, 5, 6, 8)
CHANNELS = (1, 2, 3, 4)


def random_network(seed: int) -> Graph:
    """A CNN of 2 to 6 layers with maps all the way, then a global mean; int8, but for some seeds float32 or int16."""
    draw = random.Random(seed)
    precision = {3: "float32", 6: "int16", 7: "float32"}.get(seed % 8, "int8")
    b = Builder(precision=precision, seed=seed)
    x = b.input((1, draw.choice(HEIGHTS), draw.choice(WIDTHS), draw.choice(CHANNELS)))
    for number in range(draw.randint(2, 5)):
        x = _layer(b, x, draw, f"layer{number}")
    x = b.conv2d(x, draw.choice((2, 4)), 1, name="last")
    return b.graph([b.mean(x, (1, 2)) if seed % 3 == 0 else x])


def _padding(draw: random.Random, x: Value, kernel: int) -> Padding:
    fits = min(x.shape[1:3]) > kernel + 1
    return draw.choice((Padding.SAME, Padding.SAME, Padding.VALID, Padding.SYMMETRIC) if fits else (Padding.SAME,))


def _layer(b: Builder, x: Value, draw: random.Random, name: str) -> Value:
    kind = draw.choice(
        ("conv", "depthwise", "depthwise", "pointwise", "residual", "branch", "pool", "relu", "scale", "pad")
    )
    kernel = draw.choice((1, 2, 3, 3, 3, 5))
    stride = draw.choice((1, 1, 2)) if min(x.shape[1:3]) > 4 else 1
    activation = draw.choice(("NONE", "RELU", "RELU6"))
    if kind == "conv":
        padding = _padding(draw, x, kernel)
        dilation = draw.choice((1, 2)) if stride == 1 and padding is Padding.SAME else 1
        filters = draw.choice((2, 4, 6))
        return b.conv2d(
            x, filters, kernel, stride=stride, padding=padding, dilation=dilation, activation=activation, name=name
        )
    if kind == "depthwise":
        padding = _padding(draw, x, kernel)
        return b.depthwise_conv2d(x, kernel, stride=stride, padding=padding, activation=activation, name=name)
    if kind == "pointwise":
        return b.conv2d(x, draw.choice((2, 3, 8)), 1, activation=activation, name=name)
    if kind == "residual":
        wide = b.conv2d(x, 2 * x.channels, 1, activation="RELU", name=f"{name}/wide")
        deep = b.depthwise_conv2d(wide, 3, name=f"{name}/deep")
        return b.add(b.conv2d(deep, x.channels, 1, name=f"{name}/narrow"), x, activation=activation, name=name)
    if kind == "branch":
        left = b.conv2d(x, 2, kernel, stride=stride, name=f"{name}/left")
        right = b.conv2d(x, 3, 1, stride=stride, name=f"{name}/right")
        if left.affine is not None:  # TFLM joins only what has the same scale
            left, right = (b.quantize(v, low=-3.0, high=3.0, name=f"{name}/{i}") for i, v in enumerate((left, right)))
        return b.concatenation([left, right], axis=3, name=name)
    if kind == "pool":
        pool = draw.choice((b.max_pool, b.average_pool))
        padding = draw.choice((Padding.SAME, Padding.VALID)) if min(x.shape[1:3]) > 3 else Padding.SAME
        return pool(x, draw.choice((2, 3)), stride=stride, padding=padding, name=name)
    if kind == "pad":
        rows, columns = ((draw.randint(0, 2), draw.randint(0, 2)) for _ in range(2))
        return b.pad(x, ((0, 0), rows, columns, (0, 0)), name=name)
    if kind == "scale":
        return b.mul(x, b.scalar(0.7), name=name)
    return b.relu(x, name=name)
