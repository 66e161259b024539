"""Counted loops: how often a WHILE runs its body, where its own constants tell."""

from __future__ import annotations

from mcuplan.graph import Graph, Operator, Subgraph
from mcuplan.operators.facts import constant_values


def loop_turns(graph: Graph, subgraph: Subgraph, operator: Operator) -> int | None:
    """Turns of a WHILE that counts a constant up by a constant until it is no longer below a constant; else None.

    That is: the condition is ``LESS(variable, end)``, the body gives ``ADD(variable, step)`` back for that variable,
    and the loop starts from a constant.
    """
    condition, body = (_called(graph, operator, name) for name in ("cond_subgraph_index", "body_subgraph_index"))
    if condition is None or body is None or not condition.outputs:
        return None
    test = _producer(condition, condition.outputs[0])
    if test is None or test.name != "LESS" or test.inputs[0] not in condition.inputs:
        return None
    variable = condition.inputs.index(test.inputs[0])
    if variable >= min(len(operator.inputs), len(body.inputs), len(body.outputs)):
        return None
    advance = _producer(body, body.outputs[variable])
    if advance is None or advance.name != "ADD" or body.inputs[variable] not in advance.inputs:
        return None
    if advance.option("fused_activation_function", 0):  # a counter that is clamped may never reach its end
        return None
    other = advance.inputs[1 - advance.inputs.index(body.inputs[variable])]
    start = _constant(graph, subgraph, operator.inputs[variable])
    end, step = _constant(graph, condition, test.inputs[1]), _constant(graph, body, other)
    if start is None or end is None or step is None or step <= 0:
        return None
    return max(-((start - end) // step), 0)


def _called(graph: Graph, operator: Operator, option: str) -> Subgraph | None:
    index = operator.option(option, -1)
    return graph.subgraphs[index] if 0 <= index < len(graph.subgraphs) else None


def _producer(subgraph: Subgraph, tensor: int) -> Operator | None:
    k = subgraph.producers.get(tensor)
    return None if k is None else subgraph.operators[k]


def _constant(graph: Graph, subgraph: Subgraph, tensor: int) -> int | None:
    values = constant_values(graph, subgraph.tensors[tensor]) if tensor >= 0 else None
    return values[0] if values is not None and len(values) == 1 else None
