"""From an operator of a graph to the call that its cost is counted for."""

from __future__ import annotations

from collections.abc import Callable

from mcuplan.estimates.instructions.call import Call
from mcuplan.graph import Graph
from mcuplan.operators import OperatorCall, TensorFacts, Trait, call_at, constant_values, kinds
from mcuplan.operators.input_rows import ROWS_OPERATOR

Together = Callable[[TensorFacts, TensorFacts], bool]
"""Whether two tensors of the operator's subgraph begin at one address."""


def apart(_a: TensorFacts, _b: TensorFacts) -> bool:
    """No two tensors share an address: what costs most."""
    return False


IN_PLACE = ("DYNAMIC_UPDATE_SLICE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
"""Operators that move nothing where their first input and output share an address."""

_SECOND = {"SPLIT": 1, "TRANSPOSE_CONV": 2}
"""Where an operator's data comes as another input than the first."""

_ALONG = ("CONCATENATION", "SPLIT", "SPLIT_V", "PACK", "UNPACK", "GATHER")
"""Operators whose cost depends on an axis."""

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def call_of(facts: OperatorCall, together: Together = apart) -> Call | None:
    """The call of one operator; None where its shapes are not known, or it goes along an axis that is not there.

    ``together`` tells which tensors share an address: kernels that only move data then move none.
    """
    inputs, outputs = facts.inputs, facts.outputs
    if not inputs or not outputs or any(d < 0 for t in (*inputs, *outputs) for d in t.dims):
        return None
    name = facts.operator.label
    if name == ROWS_OPERATOR:
        return Call(name, outputs[0].dtype, outputs[0].dims, outputs[0].dims)
    position = _SECOND.get(name, 0)
    x, y = inputs[min(position, len(inputs) - 1)], outputs[0]
    made = y.dtype if y.dtype != x.dtype else ""
    axis = facts.axis if name in _ALONG else 0
    if axis is None:
        return None
    call = Call(
        name, x.dtype, x.dims, y.dims, _other(name, facts), detail=_detail(name, facts, axis, together), made=made
    )
    window = facts.window
    if window is None:
        return call
    rows, columns = window.rows, window.columns
    return call._replace(
        kernel=(rows.kernel, columns.kernel),
        stride=(rows.stride, columns.stride),
        dilation=(rows.dilation, columns.dilation),
        before=(rows.before, columns.before),
    )


def known_call(
    graph: Graph, index: int, place: int, together: Callable[[int, int], bool] = lambda _a, _b: False
) -> Call | None:
    """The call of operator ``place`` of subgraph ``index``, worked out once for all operators that are alike.

    ``together`` tells whether two tensors of the subgraph share an address.
    """
    subgraph = graph.subgraphs[index]
    op, kind = subgraph.operators[place], kinds(graph)[index][place]
    moves = op.label in IN_PLACE and op.inputs and op.outputs
    shared = bool(moves and together(op.inputs[0], op.outputs[0]))

    def find() -> Call | None:
        return call_of(call_at(graph, index, place), lambda _a, _b: shared)

    return find() if kind is None else kind.work.once(("call", shared), find)


def _other(name: str, facts: OperatorCall) -> tuple[int, ...]:
    """The second operand's shape, where the cost depends on it."""
    inputs, info = facts.inputs, facts.info
    both = Trait.POINTWISE in info.traits and info.inputs == ("a", "b")
    second = both or name in _WEIGHTED or name == "DYNAMIC_UPDATE_SLICE"
    return inputs[1].dims if second and len(inputs) > 1 else ()


def _detail(name: str, facts: OperatorCall, axis: int, together: Together) -> tuple[int, ...]:
    graph, inputs = facts.graph, facts.inputs
    if name in ("PAD", "PADV2", "TRANSPOSE", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
        return _constant(graph, inputs, 1)
    if name == "CONCATENATION":
        return (axis, *(t.dims[axis] for t in inputs if axis < t.rank))
    if name in ("SPLIT", "SPLIT_V"):
        return (axis, *(t.dims[axis] for t in facts.outputs if axis < t.rank))
    if name in ("PACK", "UNPACK"):
        return (axis, len(inputs) if name == "PACK" else len(facts.outputs))
    if name == "GATHER":
        return (axis,)
    if name == "FULLY_CONNECTED":
        return (1,) if len(inputs) > 1 and inputs[1].scales > 1 else ()
    if name in IN_PLACE:
        return (1,) if together(inputs[0], facts.outputs[0]) else ()
    return ()


def _constant(graph: Graph, inputs: tuple[TensorFacts, ...], position: int) -> tuple[int, ...]:
    tensor = inputs[position].tensor if position < len(inputs) else None
    return (constant_values(graph, tensor) or ()) if tensor is not None else ()
