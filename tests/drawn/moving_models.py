"""Random models that move maps of many kinds: slices, padding, joins, updates, masks and loops between operators
that compute. Types and quantizations are drawn, so that bytes come to stand for other things on the way."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from drawn.sketch import Sketch
from mcuplan.graph import DType, Graph, Quantization, Subgraph
from mcuplan.operators.geometry import SAME, VALID

KINDS = (Quantization((0.5,), (3,)), Quantization((0.5,), (-4,)), Quantization((0.25,), (3,)))
ONE = Quantization((1.0,), (0,))
ROWS, COLUMNS, CHANNELS = 4, 3, 2


@dataclass
class Moving:
    """A model while it is drawn: maps of ``CHANNELS`` channels, read and written by random operators."""

    draw: random.Random
    dtype: DType
    sketch: Sketch = field(default_factory=Sketch)
    pool: list[int] = field(default_factory=list)
    others: list[Subgraph] = field(default_factory=list)

    def kind(self) -> Quantization:
        return self.draw.choice(KINDS) if self.draw.random() < 0.4 else KINDS[0]

    def map(self, rows: int = ROWS, columns: int = COLUMNS, kind: Quantization | None = None) -> int:
        return self.sketch.tensor(1, rows, columns, CHANNELS, dtype=self.dtype, quantization=kind or self.kind())

    def like(self, t: int, rows: int | None = None) -> int:
        """A map like ``t``, mostly of its kind."""
        tensor = self.sketch.tensors[t]
        kind = tensor.quantization if self.draw.random() < 0.7 else self.kind()
        return self.map(rows or tensor.shape[1], tensor.shape[2], kind)

    def constant(self, rows: int) -> int:
        """Rows of one element, often what stands for 0 in some kind, or of any."""
        size = rows * COLUMNS * CHANNELS
        if self.draw.random() < 0.6:
            values: list[float] = [self.draw.choice((0, 3, -4))] * size
        else:
            values = [self.draw.choice((0, 3, -4, 7)) for _ in range(size)]
        return self.sketch.constant(values, (1, rows, COLUMNS, CHANNELS), dtype=self.dtype, quantization=self.kind())

    def rows_of(self, t: int) -> int:
        return self.sketch.tensors[t].shape[1]

    def one(self) -> int:
        if self.draw.random() < 0.2:
            return self.constant(self.draw.randint(1, ROWS))
        return self.draw.choice(self.pool[-5:])

    def step(self) -> None:
        s, draw, x = self.sketch, self.draw, self.one()
        rows = self.rows_of(x)
        match draw.choice(("slice", "pad", "join", "update", "mask", "relu", "add", "conv", "pool", "loop", "select")):
            case "slice":
                count = draw.randint(1, rows)
                y = self.like(x, count)
                begin = (0, draw.randint(0, rows - count), 0, 0)
                s.into("SLICE", [x, s.constant(begin), s.constant((1, count, COLUMNS, CHANNELS))], [y])
            case "pad":
                above, below = draw.randint(0, 1), draw.randint(0, 1)
                y = self.like(x, rows + above + below)
                s.into("PAD", [x, s.constant((0, 0, above, below, 0, 0, 0, 0), (4, 2))], [y])
            case "join":
                other = self.one()
                y = self.like(x, rows + self.rows_of(other))
                s.into("CONCATENATION", [x, other], [y], axis=1)
            case "update":
                whole = self.draw.choice(self.pool)
                if rows > self.rows_of(whole):
                    return
                y = self.like(whole)
                s.into("DYNAMIC_UPDATE_SLICE", [whole, x, s.constant((0, draw.randint(0, 3), 0, 0))], [y])
            case "mask":
                ones = [draw.choice((0, 1)) for _ in range(rows)]
                q = ONE if draw.random() < 0.7 else self.kind()
                mask = s.constant(ones, (1, rows, 1, 1), dtype=self.dtype, quantization=q)
                y = self.like(x)
                s.into("MUL", [x, mask], [y])
            case "select":
                ones = [draw.choice((0, 1)) for _ in range(rows)]
                answers = s.constant(ones, (1, rows, 1, 1), dtype=DType.BOOL)
                fill = s.constant([draw.choice((0, 3, -4))], (1, 1, 1, 1), dtype=self.dtype, quantization=self.kind())
                y = self.like(x)
                s.into("SELECT_V2", [answers, x, fill], [y])
            case "relu":
                y = self.like(x)
                s.into("RELU", [x], [y])
            case "add":
                fits = [t for t in self.pool if s.tensors[t].shape == s.tensors[x].shape]
                if not fits:
                    return
                y = self.like(x)
                s.into("ADD", [x, draw.choice(fits)], [y])
            case "conv":
                padding = draw.choice((SAME, VALID))
                if rows < 3 and padding == VALID:
                    return
                y = s.conv(x, (3, 1), padding=padding, filters=CHANNELS)
            case "pool":
                y = self.like(x)
                s.into("MAX_POOL_2D", [x], [y], padding=SAME, filter_height=3, filter_width=1, stride_h=1, stride_w=1)
            case "loop":
                y = self.loop(x)
        self.pool.append(y)

    def loop(self, x: int) -> int:
        """A WHILE that counts to 2: each turn takes a row of ``x`` and puts it into the result, or adds to it."""
        s, draw, rows = self.sketch, self.draw, self.rows_of(x)
        source, begun = s.tensors[x], draw.choice(self.pool)
        condition, body = Sketch(s.buffers), Sketch(s.buffers)
        inner = Moving(draw, self.dtype, body)
        result = s.tensors[begun]
        numbers = [condition.input(1, dtype=DType.INT32), body.input(1, dtype=DType.INT32)]
        for sketch in (condition, body):
            sketch.input(*source.shape, dtype=self.dtype, quantization=source.quantization)
            kind = result.quantization if draw.random() < 0.7 else self.kind()
            sketch.input(*result.shape, dtype=self.dtype, quantization=kind)
        verdict = condition.tensor(1, dtype=DType.BOOL)
        condition.into("LESS", [numbers[0], condition.constant((2,), (1,))], [verdict])
        row = inner.map(1, kind=source.quantization)
        at = body.constant((0, draw.randrange(rows), 0, 0))
        body.into("SLICE", [1, at, body.constant((1, 1, COLUMNS, CHANNELS))], [row])
        made = inner.map(result.shape[1], kind=body.tensors[2].quantization if draw.random() < 0.7 else None)
        zero = body.constant((0,), (1,))
        place = body.op("CONCATENATION", [zero, numbers[1], zero, zero], (4,), axis=0)
        body.into("DYNAMIC_UPDATE_SLICE", [2, row, place], [made])
        more = body.op("ADD", [numbers[1], body.constant((1,), (1,))], (1,))
        done = [s.tensor(1, dtype=DType.INT32), self.like(x), self.like(begun)]
        self.others += [condition.subgraph(verdict), body.subgraph(more, 1, made)]
        start = s.constant((0,), (1,))
        called = {"cond_subgraph_index": len(self.others) - 1, "body_subgraph_index": len(self.others)}
        s.into("WHILE", [start, x, begun], done, **called)
        return done[2]


def moving_graph(seed: int, steps: int = 9) -> Graph:
    """One random model; its output is the last map."""
    draw = random.Random(seed)
    moving = Moving(draw, draw.choice((DType.INT8, DType.INT8, DType.FLOAT32)))
    inputs = [moving.map(kind=KINDS[0]) for _ in range(2)]
    moving.sketch.inputs += inputs
    moving.pool += inputs
    while len(moving.pool) < steps:
        moving.step()
    return moving.sketch.graph(moving.pool[-1], others=moving.others)
