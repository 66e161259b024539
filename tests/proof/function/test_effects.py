"""Models with variables, followed position by position: what is read and assigned counts, and in which sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from drawn.sketch import Sketch

from mcuplan.graph import DType, Graph, Operator
from mcuplan.proof.function.positions import compare_positions
from mcuplan.proof.function.same_function import same_function

ROWS = 4
"""Rows that a variable keeps from one call to the next."""


def handle(s: Sketch, name: str) -> int:
    v = s.tensor(dtype=DType.RESOURCE)
    s.into("VAR_HANDLE", [], [v], container="", shared_name=name)
    return v


def streaming(
    parts: Sequence[int] = (8,), *, first: Sequence[int] = (1,) * ROWS, kept: int = 1, late: bool = False
) -> Graph:
    """A network fed a row at a time: 4 rows before it come from a variable, and a convolution reads all 5.

    The convolution's 8 output channels come in ``parts``. Before the first call the variable holds ``first``; rows
    from ``kept`` on are kept for the next one. ``late``: the variable is read after the new rows were assigned to it.
    """
    s = Sketch()
    x = s.input(1, 1, 1, 1)
    s.into("CALL_ONCE", [], [], init_subgraph_index=1)
    v = handle(s, "rows")
    before = s.tensor(1, ROWS, 1, 1)
    s.into("READ_VARIABLE", [v], [before])
    rows = s.concat([before, x], 1)
    s.into("ASSIGN_VARIABLE", [v, s.slice(rows, (0, kept, 0, 0), (1, ROWS, 1, 1))], [])
    if late:
        again = s.tensor(1, ROWS, 1, 1)
        s.into("READ_VARIABLE", [v], [again])
        rows = s.concat([again, x], 1)
    made, at = [], 0
    for size in parts:
        weights = [i % 7 for i in range(at * (ROWS + 1), (at + size) * (ROWS + 1))]
        made.append(s.conv(rows, (ROWS + 1, 1), filters=size, weights=weights))
        s.operators[-1] = replace(s.operators[-1], inputs=(*s.operators[-1].inputs[:2], -1))
        at += size
    y = s.concat(made, 3) if len(made) > 1 else made[0]
    once = Sketch(s.buffers)
    w = handle(once, "rows")
    once.into("ASSIGN_VARIABLE", [w, once.constant(first, (1, ROWS, 1, 1), DType.INT8)], [])
    return s.graph(s.relu(y), others=[once.subgraph()])


def reordered(graph: Graph, *names: str) -> Graph:
    """The main subgraph with the operators of these names last, in this sequence."""

    def place(op: Operator) -> int:
        return names.index(op.name) + 1 if op.name in names else 0

    main = replace(graph.main, operators=tuple(sorted(graph.main.operators, key=place)))
    return replace(graph, subgraphs=(main, *graph.subgraphs[1:]))


@pytest.mark.parametrize("parts", [(4, 4), (1, 3, 4)])
def test_a_convolution_in_parts_beside_variables(parts: tuple[int, ...]) -> None:
    assert compare_positions(streaming(), streaming(parts)).agree
    assert same_function(streaming(), streaming(parts)) == ()


@pytest.mark.parametrize(
    "other",
    [
        streaming((4, 4), kept=0),  # another value is assigned
        streaming((4, 4), first=(1, 1, 1, 2)),  # the variable begins otherwise
        streaming((4, 4), late=True),  # what is read is what was just assigned
        reordered(streaming((4, 4)), "CALL_ONCE"),  # the variable is filled after it was read
    ],
    ids=["assigned", "begun", "late", "once"],
)
def test_what_is_kept_counts(other: Graph) -> None:
    assert compare_positions(streaming((4, 4)), other).agree is False
    assert same_function(streaming(), other) != ()


def test_an_assignment_that_nobody_reads_counts() -> None:
    """Its value is what the next call begins with."""
    graph = streaming()
    assigned = [op for op in graph.main.operators if op.name != "ASSIGN_VARIABLE"]
    less = replace(graph, subgraphs=(replace(graph.main, operators=tuple(assigned)), *graph.subgraphs[1:]))
    assert compare_positions(graph, less).agree is False


def test_custom_operators_are_followed_in_their_sequence() -> None:
    def custom(*names: str, parts: Sequence[int] = (8,)) -> Graph:
        s = Sketch()
        x = s.input(1, 4, 4, 1)
        outs = [s.tensor(1, 4, 4, 1) for _ in names]
        for name, y in sorted(zip(names, outs, strict=True)):
            s.into("CUSTOM", [x], [y], custom=name)
        made = [s.conv(outs[0], filters=size, weights=[i % 5 for i in range(9 * size)]) for size in parts]
        for k, op in enumerate(s.operators):
            s.operators[k] = replace(op, inputs=(*op.inputs[:2], -1)) if op.name == "CONV_2D" else op
        return s.graph(s.concat(made, 3) if len(made) > 1 else made[0], outs[-1])

    assert compare_positions(custom("a", "b"), custom("a", "b")).agree
    # The parts begin their filters anew, which the whole does not: 36 values do not repeat after 5.
    assert compare_positions(custom("a", "b"), custom("a", "b", parts=(4, 4))).agree is False
    assert compare_positions(custom("a", "b"), custom("b", "a")).agree is False


def test_once_runs_a_subgraph_that_is_there() -> None:
    graph = streaming()
    gone = replace(graph, subgraphs=graph.subgraphs[:1])
    found = compare_positions(gone, gone)
    assert (found.agree, "cannot be followed" in found.reason) == (None, True)
