"""Random small graphs in which much may share bytes: copies, pieces, parts, windows, element-wise operators."""

from __future__ import annotations

import random

from mcuplan.graph import Graph
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.values import Value
from mcuplan.zoo.windows import Padding


def random_graph(seed: int, operators: int = 14) -> Graph:
    """A valid int8 graph over (1, rows, columns, channels) maps, with up to ``operators`` operators.

    Any value made so far may be read again, so that tensors die early, late, or are outputs as well.
    """
    rng = random.Random(seed)
    b = Builder(precision="int8", seed=seed)
    shape = (1, rng.choice((3, 4, 6)), rng.choice((2, 4)), rng.choice((2, 4, 6)))
    values = [b.input(shape, low=-1.0, high=1.0, name="in")]
    for k in range(operators):
        made = _operator(b, rng, values, f"op{k}")
        if made is not None:
            values.append(made)
    last = values[-1]
    others = rng.sample(values[1:-1], k=min(rng.choice((0, 0, 1, 2)), max(len(values) - 2, 0)))
    return b.graph([last, *others])


def _operator(b: Builder, rng: random.Random, values: list[Value], name: str) -> Value | None:
    recent = values[-4:]
    x = rng.choice(recent)
    rows = x.shape[1]
    kinds = ("conv", "window", "window", "depthwise", "relu", "add", "add", "slice", "concatenation", "concatenation",
             "reshape", "pool", "rows")  # fmt: skip
    match rng.choice(kinds):
        case "conv":
            return b.conv2d(x, rng.choice((2, 4, 6)), (1, 1), name=name)
        case "window":
            kernel, padding = rng.choice(((3, 3), (2, 3), (3, 1))), rng.choice((Padding.SAME, Padding.VALID))
            if padding is Padding.VALID and (rows < kernel[0] or x.shape[2] < kernel[1]):
                padding = Padding.SAME
            return b.conv2d(x, rng.choice((2, 4, 8)), kernel, stride=rng.choice((1, 1, 2)), padding=padding, name=name)
        case "depthwise":
            return b.depthwise_conv2d(x, (3, 3), stride=rng.choice((1, 2)), name=name)
        case "rows":
            return b.pad(x, ((0, 0), (rng.randint(0, 2), 1), (0, 0), (0, 0)), name=name) if rows < 8 else None
        case "relu":
            return b.relu(x, name=name)
        case "add":
            same = [v for v in values if v.shape == x.shape]
            return b.add(x, rng.choice(same), name=name)
        case "slice":
            begin = rng.randrange(rows)
            size = rng.randint(1, rows - begin)
            return b.slice(x, (0, begin, 0, 0), (1, size, *x.shape[2:]), name=name)
        case "concatenation":
            # One quantization for all parts: slices and copies of one value have that.
            like = [v for v in values if v.shape[2:] == x.shape[2:] and v.affine == x.affine and len(v.shape) == 4]
            if rows > 10 or not like:
                return None
            return b.concatenation([rng.choice(like) for _ in range(rng.choice((2, 2, 3)))], 1, name=name)
        case "reshape":
            if rows % 2:
                return b.reshape(x, x.shape, name=name)
            return b.reshape(x, (1, rows // 2, x.shape[2] * 2, x.shape[3]), name=name)
        case _:
            return b.max_pool(x, (2, 1), padding=Padding.SAME, name=name) if rows > 1 else None
