"""Counted loops: how often a WHILE runs its body, where its own constants tell."""

from __future__ import annotations

import struct

from mcuplan.graph import DType, Graph, Operator, Subgraph
from mcuplan.operators.facts import constant_values
from mcuplan.operators.options import Options


def loop_turns(graph: Graph, subgraph: Subgraph, operator: Operator) -> int | None:
    """Turns of a WHILE that counts from a constant, in one of two ways; None for any other.

    Either the condition is ``LESS(variable, end)`` and the body gives ``ADD(variable, step)`` back for that variable;
    or both are looked up: the condition is the element of a constant table of booleans at the variable, and the body
    gives back the element of a constant table of integers there, each with a SLICE of one element.
    """
    condition, body = (_called(graph, operator, name) for name in ("cond_subgraph_index", "body_subgraph_index"))
    if condition is None or body is None or not condition.outputs:
        return None
    test = _producer(condition, condition.outputs[0])
    asked = None if test is None else _counter(test, condition)
    if test is None or asked is None or asked >= min(len(operator.inputs), len(body.inputs), len(body.outputs)):
        return None
    advance = _producer(body, body.outputs[asked])
    start = _constant(graph, subgraph, operator.inputs[asked])
    if advance is None or start is None or body.inputs[asked] not in advance.inputs:
        return None
    if test.name == "LESS" and advance.name == "ADD":
        return _counted(graph, condition, body, test, advance, body.inputs[asked], start)
    if test.name == "SLICE" and advance.name == "SLICE" and advance.inputs[1] == body.inputs[asked]:
        return _looked_up(_table(graph, condition, test), _table(graph, body, advance), start)
    return None


def _counter(test: Operator, condition: Subgraph) -> int | None:
    """Which of the loop's variables the condition looks at."""
    position = 1 if test.name == "SLICE" else 0
    tensor = test.inputs[position] if position < len(test.inputs) else -1
    return condition.inputs.index(tensor) if tensor in condition.inputs else None


def _counted(
    graph: Graph, condition: Subgraph, body: Subgraph, test: Operator, advance: Operator, counter: int, start: int
) -> int | None:
    """Turns of ``while (v < end) v += step``."""
    if Options(advance).activation:  # a counter that is clamped may never reach its end
        return None
    other = advance.inputs[1 - advance.inputs.index(counter)]
    end, step = _constant(graph, condition, test.inputs[1]), _constant(graph, body, other)
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


def _called(graph: Graph, operator: Operator, option: str) -> Subgraph | None:
    index = operator.option(option, -1)
    return graph.subgraphs[index] if 0 <= index < len(graph.subgraphs) else None


def _producer(subgraph: Subgraph, tensor: int) -> Operator | None:
    k = subgraph.producers.get(tensor)
    return None if k is None else subgraph.operators[k]


def _constant(graph: Graph, subgraph: Subgraph, tensor: int) -> int | None:
    values = constant_values(graph, subgraph.tensors[tensor]) if tensor >= 0 else None
    return values[0] if values is not None and len(values) == 1 else None
