"""What time is counted from: the work of every operator of one Invoke, loops turn by turn.

Work is instructions as the cost model of a Cortex-M4 with CMSIS-NN counts them, on every system: what a measured system
takes for them is fitted to it (:mod:`mcuplan.estimates.throughput`), its other kernels lie in the factors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from mcuplan.estimates.instructions import (
    Address,
    Call,
    CostModel,
    addresses,
    cost_model,
    in_place,
    known_call,
    model_instructions,
    planned_addresses,
)
from mcuplan.frozen import quick
from mcuplan.graph import CUSTOM, Graph
from mcuplan.operators import model_macs
from mcuplan.tflm import PlannedBuffer
from mcuplan.tflm.target import Target

COUNTED_AS = "cortex-m4+cmsis-nn"
"""The target whose instructions are the measure of work."""


@quick
@dataclass(frozen=True, slots=True)
class OperatorWork:
    """One operator in one Invoke.

    ``kind`` tells what its factor goes by: ``conv.1x1``, ``conv.window``, ``depthwise``, ``dense``, ``elementwise``,
    ``pool`` or ``rest``. ``instructions`` and ``macs`` are of all its ``calls``. ``foreign`` names the operator where
    nothing like it was measured anywhere: float arithmetic, custom kernels.
    """

    subgraph: int
    operator: int
    name: str
    kind: str
    instructions: float
    macs: int
    calls: int
    foreign: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one Invoke: operator by operator, and the interpreter's instructions."""

    operators: tuple[OperatorWork, ...]
    interpreter: float
    exact: bool

    @property
    def instructions(self) -> float:
        """All instructions."""
        return self.interpreter + sum(row.instructions for row in self.operators)


@cache
def _counting() -> tuple[Target, CostModel]:
    target = Target.parse(COUNTED_AS)
    model = cost_model(target)
    assert model is not None
    return target, model


def invoke_work(graph: Graph, plan: Iterable[PlannedBuffer] | None = None) -> Work:
    """The work of one Invoke of ``graph``, with the memory plan ``plan`` or the one that TFLM makes.

    The plan tells which tensors share an address, so that nothing is copied between them.
    """
    target, model = _counting()
    address = planned_addresses(graph, target) if plan is None else addresses(plan)
    if len(graph.subgraphs) != 1:
        return _work(graph, model, address)
    # Boards with other targets have other plans, of which most networks' work does not depend.
    moved = tuple(in_place(graph, address))
    return graph.once(("work", moved), lambda: _work(graph, model, address))


def _work(graph: Graph, model: CostModel, address: Address) -> Work:
    found = model_instructions(graph, model, address)
    rows = []
    macs = {(row.subgraph, row.operator): row.macs or 0 for row in model_macs(graph).per_operator}
    for row in found.operators:
        operator = graph.subgraphs[row.subgraph].operators[row.operator]
        call = known_call(graph, row.subgraph, row.operator)
        done = macs[row.subgraph, row.operator] * row.calls
        foreign = _foreign(row.name, call, operator.name == CUSTOM, done) if row.calls else ""
        rows.append(
            OperatorWork(row.subgraph, row.operator, row.name, _kind(call), row.total, done, row.calls, foreign)
        )
    return Work(tuple(rows), found.interpreter, found.exact)


def _foreign(name: str, call: Call | None, custom: bool, macs: int) -> str:
    """The operator, where no measured network has its like."""
    if custom or (call is None and macs):
        return name
    if call is not None and macs and call.dtype != "int8":
        return f"{name} on {call.dtype}"
    return ""


_KINDS = {
    "DEPTHWISE_CONV_2D": "depthwise",
    **dict.fromkeys(("FULLY_CONNECTED", "BATCH_MATMUL", "SVDF"), "dense"),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"), "elementwise"),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN"), "pool"),
}


def _kind(call: Call | None) -> str:
    if call is None:
        return "rest"
    if call.operator in ("CONV_2D", "TRANSPOSE_CONV"):
        return "conv.1x1" if call.kernel == (1, 1) else "conv.window"
    return _KINDS.get(call.operator, "rest")
