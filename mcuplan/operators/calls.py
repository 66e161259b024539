"""Which subgraphs control flow runs."""

from __future__ import annotations

from mcuplan.graph import Graph, Operator
from mcuplan.operators.options import own_options

_CALLS = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
}


def called_subgraphs(operator: Operator) -> tuple[int, ...]:
    """Indices of the subgraphs that a control-flow operator runs, in the order TFLite names them."""
    names = _CALLS.get(operator.name)
    if names is None:
        return ()
    own = own_options(operator)
    return tuple(own.get(name, -1) for name in names)


def reachable_subgraphs(graph: Graph) -> frozenset[int]:
    """The subgraphs that ``Invoke`` can reach from the main one."""
    seen: set[int] = set()
    todo = [0]
    while todo:
        index = todo.pop()
        if index in seen or not 0 <= index < len(graph.subgraphs):
            continue
        seen.add(index)
        for op in graph.subgraphs[index].operators:
            todo.extend(called_subgraphs(op))
    return frozenset(seen)


def nested_calls(graph: Graph) -> int:
    """Subgraphs that one ``Invoke`` can be inside of at once, the main one not counted; 0 without control flow."""
    depth: dict[int, int] = {}
    for index in callees_first(graph):
        called = {c for op in graph.subgraphs[index].operators for c in called_subgraphs(op)}
        depth[index] = max((depth[c] + 1 for c in called if c in depth), default=0)
    return depth.get(0, 0)


def callees_first(graph: Graph) -> tuple[int, ...]:
    """The subgraphs that ``Invoke`` can reach, each behind those that it calls: what is worked out of a run of one
    can then stand on what is known of its callees, whatever the depth. A call of one that is running does not count.
    """
    order: dict[int, None] = {}
    running, todo = {0}, [0]
    while todo:
        called = {c for op in graph.subgraphs[todo[-1]].operators for c in called_subgraphs(op)}
        missing = [c for c in sorted(called) if 0 <= c < len(graph.subgraphs) and c not in order and c not in running]
        if missing:
            running.add(missing[0])
            todo.append(missing[0])
        else:
            order[todo[-1]] = None
            running.discard(todo.pop())
    return tuple(order)
