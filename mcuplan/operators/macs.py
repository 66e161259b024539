"""Multiply-accumulates (MACs), counted from shapes alone.

The counting rule: one MAC for each product that is summed into an output of a convolution, a matrix product or a
recurrent cell. Taps that fall on padding count (kernels differ in whether they skip them), bias additions,
element-wise products, pooling, activations and requantization do not. One ``Invoke`` is counted: operators of
subgraphs that control flow calls are counted once, whatever the number of turns.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.graph import CUSTOM, Graph, Operator, Subgraph
from mcuplan.operators.facts import OperatorFacts
from mcuplan.operators.formulas import evaluate
from mcuplan.operators.table import operator_info


@dataclass(frozen=True, slots=True)
class OperatorMacs:
    """MACs of one operator; None where mcuplan cannot tell (a custom operator, a shape that is not known)."""

    subgraph: int
    operator: int
    macs: int | None


@dataclass(frozen=True, slots=True)
class ModelMacs:
    """MACs of a whole model. ``exact`` is False where some operator's count is unknown: ``total`` leaves it out."""

    total: int
    per_operator: tuple[OperatorMacs, ...]

    @property
    def exact(self) -> bool:
        """True where every operator's count is known."""
        return all(row.macs is not None for row in self.per_operator)


def operator_macs(graph: Graph, subgraph: Subgraph, operator: Operator) -> int | None:
    """MACs of one operator in one run, by the rule above; None where unknown.

    Formulas are in ``operators/data/operators.json``.
    """
    info = operator_info(operator.label)
    if not info.known:
        return None if operator.name == CUSTOM else 0
    if info.macs == 0:
        return 0
    try:
        count = evaluate(info.macs, OperatorFacts(graph, subgraph, operator))
    except (IndexError, KeyError, TypeError, ZeroDivisionError):
        return None
    return count if isinstance(count, int) and count >= 0 else None


def model_macs(graph: Graph) -> ModelMacs:
    """MACs of each operator of ``graph`` and their sum over the subgraphs that the main one reaches.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> model_macs(build("person-detection")).total
    7157888
    """
    rows = tuple(OperatorMacs(s, i, operator_macs(graph, graph.subgraphs[s], op)) for s, i, op in graph.operators())
    reached = reachable_subgraphs(graph)
    return ModelMacs(sum(row.macs or 0 for row in rows if row.subgraph in reached), rows)


_CALLS = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
}


def called_subgraphs(operator: Operator) -> tuple[int, ...]:
    """Indices of the subgraphs that a control-flow operator runs, in the order TFLite names them."""
    return tuple(operator.option(name, -1) for name in _CALLS.get(operator.name, ()))


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
