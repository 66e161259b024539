"""Counted loops: how often a WHILE runs its body, where its own constants tell."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mcuplan.graph import DType, Graph, Operator, Subgraph
from mcuplan.operators.calls import called_subgraphs
from mcuplan.operators.facts import constant_values
from mcuplan.operators.options import Options


def loop_turns(graph: Graph, subgraph: Subgraph, operator: Operator) -> int | None:
    """Turns of a WHILE that counts from a constant, in one of two ways; None for any other.

    The condition is ``LESS(variable, end)`` and the body gives ``ADD(variable, step)`` back for that variable; or the
    body looks it up, and perhaps the condition its answer: the body gives back the element of a constant table of
    integers at the variable, and the condition is LESS or the element of a table of booleans there, each with a SLICE
    of one element.
    """
    loop = _loop(graph, operator)
    start = None if loop is None else _constant(graph, subgraph, operator.inputs[loop.asked])
    if loop is None or start is None:
        return None
    if loop.test.name == "LESS" and loop.advance.name == "ADD":
        return _counted(graph, loop, start)
    if loop.advance.name == "SLICE" and loop.advance.inputs[1:2] == (loop.counter,):
        after = _table(graph, loop.body, loop.advance)
        if loop.test.name == "SLICE":
            return _looked_up(_table(graph, loop.condition, loop.test), after, start)
        end = _constant(graph, loop.condition, loop.test.inputs[1])
        return None if end is None or after is None else _below(end, after, start)
    return None


def never_ends(graph: Graph, subgraph: Subgraph, operator: Operator) -> bool:
    """True for ``while (v < end) v += step`` whose constant step is 0 or less: once it runs, it runs on.

    A loop that begins at its end or above, by a constant, is none: it does not run.
    """
    loop = _loop(graph, operator)
    if loop is None or loop.test.name != "LESS" or loop.advance.name != "ADD":
        return False
    end, step = _ends(graph, loop)
    start = _constant(graph, subgraph, operator.inputs[loop.asked])
    return end is not None and step is not None and step <= 0 and (start is None or start < end)


_WAYS = (("LESS", "ADD"), ("LESS", "SLICE"), ("SLICE", "SLICE"))
"""Operators of a condition and a body of which turns are counted."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """A WHILE whose condition looks at variable ``asked``, and the operator of its body that gives that variable."""

    condition: Subgraph
    body: Subgraph
    test: Operator
    advance: Operator
    asked: int

    @property
    def counter(self) -> int:
        """The variable's tensor in the body."""
        return self.body.inputs[self.asked]


def _loop(graph: Graph, operator: Operator) -> _Loop | None:
    condition, body = (_called(graph, operator, place) for place in range(2))
    if condition is None or body is None or not condition.outputs:
        return None
    test = _producer(condition, condition.outputs[0])
    asked = None if test is None else _counter(test, condition)
    if test is None or asked is None or asked >= min(len(operator.inputs), len(body.inputs), len(body.outputs)):
        return None
    advance = _producer(body, body.outputs[asked])
    wide = {"LESS": 2, "ADD": 2, "SLICE": 3}
    kinds = (test.name, advance.name) if advance is not None else ()
    if advance is None or kinds not in _WAYS or body.inputs[asked] not in advance.inputs:
        return None
    known = all(len(op.inputs) == wide[op.name] for op in (test, advance))
    return _Loop(condition, body, test, advance, asked) if known else None


def _counter(test: Operator, condition: Subgraph) -> int | None:
    """Which of the loop's variables the condition looks at."""
    position = 1 if test.name == "SLICE" else 0
    tensor = test.inputs[position] if position < len(test.inputs) else -1
    return condition.inputs.index(tensor) if tensor in condition.inputs else None


def _ends(graph: Graph, loop: _Loop) -> tuple[int | None, int | None]:
    """End and step of ``while (v < end) v += step``, where they are constant."""
    other = loop.advance.inputs[1 - loop.advance.inputs.index(loop.counter)]
    return _constant(graph, loop.condition, loop.test.inputs[1]), _constant(graph, loop.body, other)


def _counted(graph: Graph, loop: _Loop, start: int) -> int | None:
    """Turns of ``while (v < end) v += step``."""
    if Options(loop.advance).activation:  # a counter that is clamped may never reach its end
        return None
    end, step = _ends(graph, loop)
    return None if end is None or step is None or step <= 0 else max(-((start - end) // step), 0)


def _looked_up(answers: tuple[int, ...] | None, after: tuple[int, ...] | None, start: int) -> int | None:
    """Turns of ``while (answers[v]) v = after[v]``; None where it leaves a table or goes round in circles."""
    if answers is None or after is None:
        return None
    at, turns = start, 0
    while 0 <= at < len(answers) and turns <= len(after):
        if not answers[at]:
            return turns
        if not at < len(after):
            return None
        at, turns = after[at], turns + 1
    return None


def _below(end: int, after: tuple[int, ...], start: int) -> int | None:
    """Turns of ``while (v < end) v = after[v]``; None where it leaves the table or goes round in circles."""
    at, turns = start, 0
    while at < end:
        if not 0 <= at < len(after) or turns > len(after):
            return None
        at, turns = after[at], turns + 1
    return turns


def _table(graph: Graph, subgraph: Subgraph, lookup: Operator) -> tuple[int, ...] | None:
    """The table that a SLICE takes one element of; None where it is no constant or takes more."""
    if len(lookup.inputs) != 3 or min(lookup.inputs) < 0 or _constant(graph, subgraph, lookup.inputs[2]) != 1:
        return None
    tensor = subgraph.tensors[lookup.inputs[0]]
    data = graph.data(tensor)
    if data is None or tensor.rank != 1:
        return None
    if tensor.dtype is DType.BOOL and len(data) >= tensor.elements:
        return struct.unpack_from(f"<{tensor.elements}b", data)
    return constant_values(graph, tensor)


def _called(graph: Graph, operator: Operator, place: int) -> Subgraph | None:
    """The subgraph that control flow names in that place: of a WHILE 0 is the condition, 1 the body."""
    called = called_subgraphs(operator)
    index = called[place] if place < len(called) else -1
    return graph.subgraphs[index] if 0 <= index < len(graph.subgraphs) else None


def _producer(subgraph: Subgraph, tensor: int) -> Operator | None:
    k = subgraph.producers.get(tensor)
    return None if k is None else subgraph.operators[k]


def _constant(graph: Graph, subgraph: Subgraph, tensor: int) -> int | None:
    values = constant_values(graph, subgraph.tensors[tensor]) if tensor >= 0 else None
    return values[0] if values is not None and len(values) == 1 else None
