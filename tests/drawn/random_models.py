"""Random small models that TFLM runs, random plans for them, and random damage to plans."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from drawn.sketch import Sketch
from drawn.toy_executor import ELEMENTWISE, Toy, size_of
from mcuplan.graph import DType, Graph, Subgraph
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm import predict
from mcuplan.tflm.offline import ONLINE


def grow(sketch: Sketch, pool: list[int], steps: int, draw: random.Random) -> None:
    """Add ``steps`` random operators that read tensors of ``pool`` and put their results there."""
    for _ in range(steps):
        x = draw.choice(pool[-4:])
        shape = sketch.shape(x)
        partners = [t for t in pool if sketch.shape(t) == shape]
        kind = draw.choice(("add", "relu", "reshape", "concat", "slice", "split", "opaque", "pack", "unpack", "mul"))
        match kind:
            case "add" | "mul":
                pool.append(sketch.add(x, draw.choice(partners), kind.upper()))
            case "relu":
                pool.append(sketch.relu(x))
            case "reshape":
                size = math.prod(shape)
                rows = draw.choice([n for n in range(1, size + 1) if size % n == 0])
                pool.append(sketch.reshape(x, 1, rows, size // rows))
            case "concat":
                axis = draw.randrange(1, len(shape))
                if math.prod(shape) < 200:
                    pool.append(sketch.concat([draw.choice(partners), x], axis))
            case "slice":
                size = [draw.randint(1, n) for n in shape] if draw.random() < 0.4 else list(shape)
                size[1] = draw.randint(1, shape[1])
                begin = [draw.randint(0, n - m) for n, m in zip(shape, size, strict=True)]
                pool.append(sketch.slice(x, begin, size))
            case "split":
                if shape[1] % 2 == 0:
                    half = (shape[0], shape[1] // 2, *shape[2:])
                    a, b = sketch.tensor(*half), sketch.tensor(*half)
                    sketch.into("SPLIT", [sketch.constant((1,), ()), x], [a, b], num_splits=2)
                    pool += [a, b]
            case "opaque":
                pool.append(sketch.opaque(x, draw.choice(partners)))
            case "pack":
                if math.prod(shape) < 100 and len(shape) < 4:
                    pool.append(
                        sketch.op("PACK", [x, draw.choice(partners)], (shape[0], 2, *shape[1:]), values_count=2, axis=1)
                    )
            case "unpack":
                if len(shape) > 3 and shape[1] <= 4:
                    parts = [sketch.tensor(shape[0], *shape[2:]) for _ in range(shape[1])]
                    sketch.into("UNPACK", [x], parts, num=shape[1], axis=1)
                    pool += parts


def random_graph(seed: int, steps: int = 8) -> Graph:
    """A model of move, element-wise and opaque operators; all its loose ends are outputs."""
    draw = random.Random(seed)
    sketch = Sketch()
    pool = [sketch.input(1, 4, draw.choice((4, 8, 12))) for _ in range(draw.randint(1, 2))]
    first = list(pool)
    grow(sketch, pool, steps, draw)
    return sketch.graph(*_loose(sketch, pool, first))


def _loose(sketch: Sketch, pool: Sequence[int], first: Sequence[int]) -> list[int]:
    read = {t for op in sketch.operators for t in op.inputs}
    ends = [t for t in dict.fromkeys(pool) if t not in read and t not in first]
    return ends[:3] or [pool[-1]]


def control_graph(seed: int) -> Graph:
    """A model with an IF or a WHILE between random operators; the loop runs three times on a real runtime."""
    draw = random.Random(seed)
    loop = draw.random() < 0.6
    sketch = Sketch()
    shape = (1, 4, draw.choice((4, 8)))
    pool = [sketch.input(*shape)]
    grow(sketch, pool, 2, draw)
    state = [sketch.opaque(pool[0]) for _ in range(draw.randint(1, 3))]
    results = [sketch.tensor(*shape) for _ in state]
    bodies: list[Subgraph] = []
    if loop:
        counter = sketch.tensor(1, dtype=DType.INT32)
        types = {"in_data_type": DType.INT8, "out_data_type": DType.INT32}
        sketch.into("CAST", [_one_byte(sketch, pool[0])], [counter], **types)
        count = sketch.tensor(1, dtype=DType.INT32)
        condition = Sketch(sketch.buffers)
        ends = [condition.input(1, dtype=DType.INT32), *(condition.input(*shape) for _ in state)]
        verdict = condition.tensor(1, dtype=DType.BOOL)
        condition.into("LESS", [ends[0], condition.constant((1000,), (1,))], [verdict])
        body = Sketch(sketch.buffers)
        number = body.input(1, dtype=DType.INT32)
        inner = [body.input(*shape) for _ in state]
        more = body.op("ADD", [number, body.constant((400,), (1,))], (1,))
        outs = _inner(body, inner, draw)
        bodies = [condition.subgraph(verdict), body.subgraph(more, *outs)]
        sketch.into("WHILE", [counter, *state], [count, *results], cond_subgraph_index=1, body_subgraph_index=2)
    else:
        choice = sketch.tensor(1, dtype=DType.BOOL)
        byte = _one_byte(sketch, pool[0])
        sketch.into("LESS", [byte, sketch.constant((5,), (1,), dtype=DType.INT8)], [choice])
        for _ in range(2):
            branch = Sketch(sketch.buffers)
            inner = [branch.input(*shape) for _ in state]
            bodies.append(branch.subgraph(*_inner(branch, inner, draw)))
        sketch.into("IF", [choice, *state], results, then_subgraph_index=1, else_subgraph_index=2)
    pool += results
    grow(sketch, pool, 3, draw)
    return sketch.graph(*_loose(sketch, pool, pool[:1]), others=bodies)


ROWS, WIDTH = 3, 16


def counted_graph(seed: int) -> Graph:
    """A WHILE that counts its turns: each takes the next row of a picture and puts a row of the result in place.

    The result begins as a tensor of which no byte is left in the end, and which may be overwritten before.
    """
    draw = random.Random(seed)
    sketch = Sketch()
    picture = (1, ROWS, WIDTH)
    image = sketch.input(*picture)
    first = [sketch.opaque(image), sketch.opaque(sketch.relu(image))]
    draw.shuffle(first)
    x, blank = first
    start = sketch.constant((0,), (1,))
    condition, body = Sketch(sketch.buffers), Sketch(sketch.buffers)
    number = condition.input(1, dtype=DType.INT32)
    for _ in range(2):
        condition.input(*picture)
    verdict = condition.tensor(1, dtype=DType.BOOL)
    condition.into("LESS", [number, condition.constant((ROWS,), (1,))], [verdict])
    count = body.input(1, dtype=DType.INT32)
    source, made = body.input(*picture), body.input(*picture)
    zero = body.constant((0,), (1,))
    place = body.op("CONCATENATION", [zero, count, zero], (3,), axis=0)
    row = body.op("SLICE", [source, place, body.constant((1, 1, WIDTH))], (1, 1, WIDTH))
    row = body.opaque(row) if draw.random() < 0.5 else body.relu(row)
    after = body.op("DYNAMIC_UPDATE_SLICE", [made, row, place], picture)
    more = body.op("ADD", [count, body.constant((1,), (1,))], (1,))
    outs = [sketch.tensor(1, dtype=DType.INT32), sketch.tensor(*picture), sketch.tensor(*picture)]
    sketch.into("WHILE", [start, x, blank], outs, cond_subgraph_index=1, body_subgraph_index=2)
    pool = [outs[2]] if draw.random() < 0.7 else outs[1:]
    grow(sketch, pool, 2, draw)
    called = [condition.subgraph(verdict), body.subgraph(more, source, after)]
    return sketch.graph(*_loose(sketch, pool, []), others=called)


def any_graph(seed: int) -> Graph:
    """One of the three kinds of random models."""
    return (control_graph, counted_graph, random_graph, random_graph)[seed % 4](seed)


def _one_byte(sketch: Sketch, x: int) -> int:
    size = math.prod(sketch.shape(x))
    flat = sketch.reshape(x, size)
    return sketch.slice(flat, (size // 2,), (1,))


def _inner(sketch: Sketch, inputs: Sequence[int], draw: random.Random) -> list[int]:
    """A result for each input: passed through, or computed from the inputs."""
    pool = list(inputs)
    outs = []
    for x in inputs:
        way = draw.random()
        if way < 0.25:
            outs.append(x)
        elif way < 0.6:
            outs.append(sketch.add(x, draw.choice(pool)))
        else:
            outs.append(sketch.opaque(draw.choice(list(inputs)), x))
        pool.append(outs[-1])
    return outs


# -- plans ----------------------------------------------------------------------------------------------------------

Offsets = dict[tuple[int, int], int]


def pinned(graph: Graph, offsets: Offsets) -> Graph:
    every = [offsets.get((s, t), ONLINE) for s, g in enumerate(graph.subgraphs) for t in range(len(g.tensors))]
    return set_offline_plan(graph, every)


def random_plan(graph: Graph, draw: random.Random) -> Offsets:
    """Offsets with many tensors laid over others, safe or not; groups that live at one time are kept apart."""
    plan = {(b.subgraph, b.tensor): b for b in predict(graph).plan if b.tensor >= 0}
    group: dict[tuple[int, int], Offsets] = {key: {key: 0} for key in plan}
    pairs = _pairs(graph)
    draw.shuffle(pairs)
    for inner, outer, at in pairs[: draw.randint(0, len(pairs))]:
        if inner in group and outer in group and group[inner] is not group[outer]:
            shift = group[outer][outer] + at - group[inner][inner]
            group[outer].update({key: was + shift for key, was in group[inner].items()})
            for key in group[inner]:
                group[key] = group[outer]
    offsets: Offsets = {}
    placed: list[tuple[int, int, int, int]] = []
    groups = list({id(g): g for g in group.values()}.values())
    draw.shuffle(groups)
    for members in groups:
        least = min(members.values())
        first, last = min(plan[key].first for key in members), max(plan[key].last for key in members)
        size = max(was - least + plan[key].size for key, was in members.items())
        at = 0
        for begin, end, since, until in sorted(placed):
            if since <= last and first <= until and begin < at + size and at < end:
                at = -(-end // 16) * 16
        placed.append((at, at + size, first, last))
        offsets.update({key: at + was - least for key, was in members.items()})
    return offsets


def _pairs(graph: Graph) -> list[tuple[tuple[int, int], tuple[int, int], int]]:
    """(inner, outer, byte) for tensors that operators move or overwrite, and for the ends of control flow."""
    found = []
    toy = Toy(graph, {}, {})
    for s, subgraph in enumerate(graph.subgraphs):
        for op in subgraph.operators:
            if op.name in ELEMENTWISE:
                found += [((s, op.outputs[0]), (s, x), 0) for x in set(op.inputs)]
            seen = set()
            for source, begin, target, to, _ in toy.moves(s, op):
                if (source, target) not in seen:
                    found.append(((s, source), (s, target), to - begin))
                seen.add((source, target))
            if op.name == "WHILE":
                found += [((s, x), (s, y), 0) for x, y in zip(op.inputs, op.outputs, strict=True)]
                if graph.is_constant(subgraph.tensors[op.inputs[0]]):  # rows of the result over rows taken already
                    found += [((s, op.outputs[2]), (s, op.outputs[1]), rows * WIDTH) for rows in (-1, 0, 1)]
            skip = 1 if op.name == "IF" else 0
            for c in (1, 2) if op.name in ("IF", "WHILE") else ():
                called = graph.subgraphs[c]
                found += [((s, x), (c, y), 0) for x, y in zip(op.inputs[skip:], called.inputs, strict=True)]
                found += [((s, x), (c, y), 0) for x, y in zip(op.outputs, called.inputs, strict=False)]
                if op.name == "IF" or c == 2:
                    found += [((s, x), (c, y), 0) for x, y in zip(op.outputs, called.outputs, strict=True)]
    return found


def corrupted(offsets: Offsets, draw: random.Random) -> Offsets:
    """One of the ways in which a plan goes wrong: an offset moved, two swapped, one tensor laid over another."""
    bad = dict(offsets)
    a, b = draw.sample(sorted(bad), 2) if len(bad) > 1 else (next(iter(bad)),) * 2
    top = max(bad.values())
    match draw.randrange(5):
        case 0:
            bad[a] = draw.randrange(0, top + 32, 16)
        case 1:
            bad[a], bad[b] = bad[b], bad[a]
        case 2:
            bad[a] = bad[b]
        case 3:
            bad[a] = max(bad[a] + draw.choice((-32, -16, -4, 4, 8, 16, 48)), 0)
        case 4:
            bad[a] = bad[b] + draw.choice((4, 8, 16))
    return bad


def placement(graph: Graph) -> tuple[Offsets, dict[tuple[int, int], list[tuple[int, int]]]]:
    """Where TFLM puts tensors and scratch of a planned graph."""
    offsets: Offsets = {}
    scratch: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for b in predict(graph).plan:
        if b.tensor >= 0:
            offsets[b.subgraph, b.tensor] = b.offset
        else:
            scratch.setdefault((b.subgraph, b.operator), []).append((b.offset, b.bytes))
    return offsets, scratch


def outputs_of(graph: Graph, offsets: Offsets, scratch: dict[tuple[int, int], list[tuple[int, int]]]) -> list[bytes]:
    """All outputs of the toy on seeded inputs, over the paths through the control flow."""
    draw = random.Random(5)
    data = [draw.randbytes(size_of(graph.main.tensors[t])) for t in graph.main.inputs]
    found: list[bytes] = []
    paths = [(n, b) for n in (0, 1, 3) for b in (0, 1)] if len(graph.subgraphs) > 1 else [(0, 0)]
    for turns, branch in paths:
        found += Toy(graph, offsets, scratch, turns, branch).run(data)
    return found
