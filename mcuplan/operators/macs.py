"""Multiply-accumulates (MACs), counted from shapes alone.

The counting rule: one MAC for each product that is summed into an output of a convolution, a matrix product or a
recurrent cell. Taps that fall on padding count (kernels differ in whether they skip them), bias additions,
element-wise products, pooling, activations and requantization do not. One ``Invoke`` is counted: of an IF the branch
that has more, of a WHILE as many turns as its own constants tell (one where they do not, and the count is not exact),
of CALL_ONCE nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcuplan.graph import CUSTOM, Graph, Operator, Subgraph
from mcuplan.operators.call import OperatorCall, call_at
from mcuplan.operators.calls import called_subgraphs, callees_first
from mcuplan.operators.formulas import UNFIT, evaluate
from mcuplan.operators.input_rows import is_rows_operator
from mcuplan.operators.likeness import Kind, kinds
from mcuplan.operators.loops import loop_turns


@dataclass(frozen=True, slots=True)
class OperatorMacs:
    """MACs of one operator; None where mcuplan cannot tell (a custom operator, a shape that is not known)."""

    subgraph: int
    operator: int
    macs: int | None


@dataclass(frozen=True, slots=True)
class ModelMacs:
    """MACs of a whole model, and of each operator in one run of it.

    ``exact`` is False where an operator's count is unknown (``total`` leaves it out) or a loop's turns are (``total``
    counts one).
    """

    total: int
    per_operator: tuple[OperatorMacs, ...]
    exact: bool = True


def operator_macs(graph: Graph, subgraph: Subgraph, operator: Operator) -> int | None:
    """MACs of one operator in one run, by the rule above; None where unknown.

    Formulas are in ``operators/data/operators.json``.
    """
    return _macs(OperatorCall(graph, subgraph, operator))


def _macs(call: OperatorCall) -> int | None:
    info, operator = call.info, call.operator
    if not info.known:
        return None if operator.name == CUSTOM and not is_rows_operator(operator) else 0
    if info.macs == 0:
        return 0
    try:
        count = evaluate(info.macs, call)
    except UNFIT:
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
    return graph.once("macs", lambda: _model_macs(graph))


def _model_macs(graph: Graph) -> ModelMacs:
    known = kinds(graph)
    rows = tuple(OperatorMacs(s, i, _known_macs(graph, s, i, known[s][i])) for s, i, _ in graph.operators())
    by_subgraph: dict[int, int] = {}
    for row in rows:
        by_subgraph[row.subgraph] = by_subgraph.get(row.subgraph, 0) + (row.macs or 0)
    total, counted = _runs(graph, by_subgraph)[0]
    return ModelMacs(total, rows, counted and all(row.macs is not None for row in rows))


def _known_macs(graph: Graph, index: int, place: int, kind: Kind | None) -> int | None:
    if kind is None:
        return _macs(call_at(graph, index, place))
    return kind.form.once("macs", lambda: _macs(call_at(graph, index, place)))


def _runs(graph: Graph, own: Mapping[int, int]) -> dict[int, tuple[int, bool]]:
    """MACs of one run of each subgraph that the main one reaches, and whether every loop's turns are known."""
    found: dict[int, tuple[int, bool]] = {}
    for index in callees_first(graph):
        found[index] = _run(graph, index, own.get(index, 0), found)
    return found


def _run(graph: Graph, index: int, own: int, known: Mapping[int, tuple[int, bool]]) -> tuple[int, bool]:
    """MACs of one run of a subgraph with all that it calls."""
    total, exact = own, True
    for op in graph.subgraphs[index].operators:
        called = called_subgraphs(op)
        if not called or op.name == "CALL_ONCE":
            continue
        runs = [known.get(s, (0, False)) for s in called]
        exact = exact and all(counted for _, counted in runs)
        macs = [count for count, _ in runs]
        if op.name == "IF":
            total += max(macs)
            continue
        turns = loop_turns(graph, graph.subgraphs[index], op)
        exact = exact and (turns is not None or not sum(macs))
        condition, body = macs[0], macs[-1]
        total += (turns if turns is not None else 1) * (condition + body) + condition
    return total, exact
