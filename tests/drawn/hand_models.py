"""Models by hand that several tests of this room use."""

from __future__ import annotations

import math
import random

from drawn.random_models import grow
from drawn.sketch import Sketch
from mcuplan.graph import DType, Graph, Quantization

OTHER = Quantization(scales=(0.25,), zero_points=(3,))
"""Not what a sketch's tensors have."""


# -- control flow --------------------------------------------------------------------------------------------------


def loop(in_place: bool = True) -> tuple[Graph, dict[str, tuple[int, int]]]:
    """A WHILE that passes ``big`` through, counts, and adds ``big`` to a sum."""
    s = Sketch()
    big, total, count = s.input(1, 64), s.input(1, 64), s.input(1, dtype=DType.INT32)
    outs = s.tensor(1, dtype=DType.INT32), s.tensor(1, 64), s.tensor(1, 64)
    cond = Sketch(s.buffers)
    c = cond.input(1, dtype=DType.INT32), cond.input(1, 64), cond.input(1, 64)
    verdict = cond.tensor(1, dtype=DType.BOOL)
    cond.into("LESS", [c[0], cond.constant((3,), (1,))], [verdict])
    body = Sketch(s.buffers)
    b = body.input(1, dtype=DType.INT32), body.input(1, 64), body.input(1, 64)
    more = body.op("ADD", [b[0], body.constant((1,), (1,))], (1,))
    summed = body.add(b[2], b[1])
    s.into("WHILE", [count, big, total], outs, cond_subgraph_index=1, body_subgraph_index=2)
    y = s.add(outs[2], outs[1])
    graph = s.graph(y, others=[cond.subgraph(verdict), body.subgraph(more, b[1], summed)])
    names = {"big": (0, big), "total": (0, total), "count": (0, count), "count'": (0, outs[0]), "big'": (0, outs[1]),
             "total'": (0, outs[2]), "cond count": (1, c[0]), "cond big": (1, c[1]), "cond total": (1, c[2]),
             "verdict": (1, verdict), "body count": (2, b[0]), "body big": (2, b[1]), "body total": (2, b[2]),
             "body more": (2, more), "body sum": (2, summed), "y": (0, y)}  # fmt: skip
    return graph, names


ROLLED = {"big": 0, "big'": 0, "cond big": 0, "body big": 0, "total": 64, "total'": 64, "cond total": 64,
          "body total": 64, "body sum": 64, "count": 128, "count'": 128, "cond count": 128, "body count": 128,
          "body more": 128, "verdict": 144, "y": 64}  # fmt: skip


# -- something to clean up -----------------------------------------------------------------------------------------


def identity(kind: str, s: Sketch, x: int) -> int:
    shape = s.shape(x)
    match kind:
        case "RESHAPE":
            return s.reshape(x, *shape)
        case "SLICE":
            return s.slice(x, [0] * len(shape), shape)
        case "STRIDED_SLICE":
            zeros, ones = s.constant([0] * len(shape)), s.constant([1] * len(shape))
            return s.op(kind, [x, zeros, s.constant(shape), ones], shape)
        case "CONCATENATION":
            return s.concat([x], 1)
        case "SPLIT":
            y = s.tensor(*shape)
            s.into(kind, [s.constant([1], ()), x], [y], num_splits=1)
            return y
        case "TRANSPOSE":
            return s.op(kind, [x, s.constant(range(len(shape)))], shape)
        case "PAD":
            return s.pad(x, [(0, 0)] * len(shape))
        case "BROADCAST_TO":
            return s.op(kind, [x, s.constant(shape)], shape)
        case "QUANTIZE":
            return s.op(kind, [x], shape)
    raise AssertionError(kind)


IDENTITIES = ("RESHAPE", "SLICE", "STRIDED_SLICE", "CONCATENATION", "SPLIT", "TRANSPOSE", "PAD", "BROADCAST_TO",
              "QUANTIZE")  # fmt: skip


def decorated(seed: int) -> Graph:
    """A random model with something to clean up after most operators."""
    draw = random.Random(seed)
    dtype = draw.choice((DType.INT8, DType.INT8, DType.FLOAT32))
    s = Sketch()
    size = draw.randint(5, 9)
    x = s.input(1, size, size, 3, dtype=dtype)
    for _ in range(draw.randint(1, 3)):
        shape = s.shape(x)
        match draw.randrange(5):
            case 0 | 1:
                kernel, stride = draw.choice(((3, 3), (2, 2), (5, 5), (3, 1))), draw.choice((1, 2))
                top, left = draw.randint(0, 2), draw.randint(0, 2)
                p = s.pad(x, ((0, 0), (top, draw.randint(0, 2)), (left, draw.randint(0, 2)), (0, 0)))
                if min(s.shape(p)[1] - kernel[0], s.shape(p)[2] - kernel[1]) > 0:
                    x = s.conv(p, kernel, stride, filters=3, operator=draw.choice(("CONV_2D", "DEPTHWISE_CONV_2D")))
            case 2:
                kinds = [k for k in IDENTITIES if dtype is DType.INT8 or k in ("RESHAPE", "SLICE", "PAD", "TRANSPOSE")]
                x = s.relu(identity(draw.choice(kinds), s, s.relu(x)))
            case 3:
                x = s.reshape(s.reshape(x, 1, math.prod(shape)), *shape)
            case 4:
                same = [[1, 2, 3], [1, 2, 3], [3, 2, 1]][draw.randrange(3)]
                x = s.add(x, s.constant(same, (3,), dtype=dtype))
                s.opaque(x)
    pool = [x]
    if dtype is DType.INT8:
        flat = s.reshape(x, 1, 1, math.prod(s.shape(x)))
        pool = [flat]
        grow(s, pool, 2, draw)
    return s.graph(s.dense(s.reshape(x, 1, math.prod(s.shape(x)))), pool[-1])


# -- floats at the ends --------------------------------------------------------------------------------------------

SCALE, ZERO = 0.03125, -5
FINE = Quantization(scales=(SCALE,), zero_points=(ZERO,))


def float_ends(other_reader: bool = False, second: Quantization | None = None) -> Graph:
    s = Sketch()
    x = s.input(1, 4, 4, dtype=DType.FLOAT32, name="picture")
    q = s.tensor(1, 4, 4, quantization=FINE)
    s.into("QUANTIZE", [x], [q])
    y = s.relu(q)
    if second is not None:
        again = s.tensor(1, 4, 4, quantization=second)
        s.into("QUANTIZE", [x], [again])
        y = s.add(y, again)
    real = s.tensor(1, 4, 4, dtype=DType.FLOAT32, name="verdict")
    s.into("DEQUANTIZE", [y], [real])
    return s.graph(real, *([s.relu(x)] if other_reader else []))
