"""Subgraphs that call each other, deep."""

from __future__ import annotations

from drawn.sketch import Sketch, planned
from mcuplan.graph import Buffer, DType, Graph


def nested(depth: int) -> Graph:
    """Subgraphs that call each other in a chain, ``depth`` of them."""
    buffers = [Buffer()]
    chain = []
    for level in range(depth):
        s = Sketch(buffers)
        chosen, x = s.input(1, dtype=DType.BOOL), s.input(1, 8)
        y = s.tensor(1, 8)
        if level == depth - 1:
            s.into("RELU", [x], [y])
        else:
            s.into("IF", [chosen, chosen, x], [y], then_subgraph_index=level + 1, else_subgraph_index=level + 1)
        chain.append((s, y))
    first, y = chain[0]
    return planned(first.graph(y, others=[s.subgraph(out) for s, out in chain[1:]]), {})


def chained(depth: int) -> Graph:
    """As :func:`nested`, but each IF has a leaf as its other branch: paths are as many as levels."""
    buffers = [Buffer()]
    chain = []
    for level in range(depth + 2):
        s = Sketch(buffers)
        chosen, x = s.input(1, dtype=DType.BOOL), s.input(1, 8)
        y = s.tensor(1, 8)
        if level < depth:
            s.into("IF", [chosen, chosen, x], [y], then_subgraph_index=level + 1, else_subgraph_index=depth + 1)
        else:
            s.into("RELU", [x], [y])
        chain.append((s, y))
    first, y = chain[0]
    return planned(first.graph(y, others=[s.subgraph(out) for s, out in chain[1:]]), {})
