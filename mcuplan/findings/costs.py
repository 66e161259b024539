"""The largest items among all that a model takes, each as a share of its limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from mcuplan.budget.analysis import Analysis
from mcuplan.budget.limits import Counted, Limits
from mcuplan.budget.need import Need
from mcuplan.graph import Graph
from mcuplan.tflm.results import PlannedBuffer

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}

ResourceName = Literal["ram", "arena", "flash", "macs"]


@dataclass(frozen=True, slots=True)
class Cost:
    """One of the largest items."""

    __pydantic_config__ = _CONFIG

    resource: ResourceName
    what: str
    amount: int
    """Bytes, or MACs."""
    share: float
    """Part of the limit; of the total where there is no limit."""
    name: str = ""
    """The model's own name for it."""


class _Item(NamedTuple):
    resource: ResourceName
    what: str
    amount: int
    name: str = ""


def largest_costs(
    analysis: Analysis, need: Need, limits: Limits, live: Sequence[PlannedBuffer], count: int = 5
) -> tuple[Cost, ...]:
    """The ``count`` largest items, by share of their limit.

    RAM splits into the buffers ``live`` at the peak, what the plan leaves unused above them, the persistent section
    by kind, what setting up takes on top, and what stands outside the arena; flash into each operator's weights, the
    rest of the model, and TFLM's code; MACs by operator. Only what a limit counts is listed. A resource without a
    limit takes part only where none has one: then shares are of the total.
    """
    totals = {
        "ram": need.ram.total_bytes, "flash": need.flash.total_bytes, "macs": need.macs,
    }  # fmt: skip
    whole: Mapping[str, int] = {limit.resource.value: limit.amount for limit in limits} or totals
    counted = {limit.resource.value: limit.counted for limit in limits}
    items: list[_Item] = []
    if "ram" in whole:
        items += _ram(analysis, need, live, arena_only=counted.get("ram") is Counted.ARENA)
    elif "arena" in whole:
        items += (item._replace(resource="arena") for item in _ram(analysis, need, live, arena_only=True))
    if "flash" in whole:
        items += _flash(analysis, need, model_only=counted.get("flash") is Counted.MODEL)
    if "macs" in whole:
        items += _macs(analysis)

    def share(item: _Item) -> float:
        return round(item.amount / max(whole[item.resource], 1), 4)

    shown = sorted((i for i in items if i.amount > 0), key=lambda i: (-share(i), -i.amount, i.what))[:count]
    return tuple(Cost(item.resource, item.what, item.amount, share(item), item.name) for item in shown)


def _ram(analysis: Analysis, need: Need, live: Sequence[PlannedBuffer], arena_only: bool) -> Iterator[_Item]:
    arena, graph = analysis.arena, analysis.graph
    for buffer in live:
        yield _Item("ram", describe(graph, buffer), buffer.size, tensor_name(graph, buffer))
    gaps = arena.nonpersistent_bytes - sum(buffer.size for buffer in live)
    yield _Item("ram", "gaps that TFLM's planner leaves", gaps)
    kinds: dict[str, int] = {}
    for allocation in arena.persistent:
        kinds[allocation.kind] = kinds.get(allocation.kind, 0) + allocation.used
    for kind, used in kinds.items():
        yield _Item("ram", f"persistent: {kind}", used)
    yield _Item("ram", "set-up beyond inference", arena.declare_bytes - arena.final_bytes)
    if not arena_only:
        yield _Item("ram", "stack (allowance)", need.ram.stack_bytes)
        yield _Item("ram", "interpreter and op resolver", need.ram.interpreter_bytes + need.ram.resolver_bytes)
        yield _Item("ram", "data of the kernels", need.ram.data_bytes)


def _flash(analysis: Analysis, need: Need, model_only: bool) -> Iterator[_Item]:
    graph = analysis.graph
    for (s, k), amount in operator_weights(graph).items():
        label = graph.subgraphs[s].operators[k].label
        yield _Item("flash", f"weights of operator {place(s, k)}, {label}", amount)
    yield _Item("flash", "the model's structure and metadata", need.flash.model_bytes - need.flash.weights_bytes)
    if not model_only:
        code = analysis.code
        yield _Item("flash", "TFLM interpreter code", code.interpreter_bytes)
        yield _Item("flash", "lean registrations", code.lean.flash_bytes)
        for operator in code.operators:
            yield _Item("flash", f"code of {operator.name}", operator.saved_bytes)


def operator_weights(graph: Graph) -> dict[tuple[int, int], int]:
    """Bytes of the constants that each ``(subgraph, operator)`` reads; one that several read counts for the first."""
    seen: set[int] = set()
    found: dict[tuple[int, int], int] = {}
    for s, k, op in graph.operators():
        tensors = graph.subgraphs[s].tensors
        mine = {tensors[t].buffer for t in op.inputs if t >= 0} - seen
        seen |= mine
        found[s, k] = sum(len(graph.buffers[index]) for index in mine)
    return found


def _macs(analysis: Analysis) -> Iterator[_Item]:
    for row in analysis.macs.per_operator:
        if row.macs:
            label = analysis.graph.subgraphs[row.subgraph].operators[row.operator].label
            yield _Item("macs", f"MACs of operator {place(row.subgraph, row.operator)}, {label}", row.macs)


def place(subgraph: int, operator: int) -> str:
    """An operator's index as reports show it: ``7``, or ``1:7`` in subgraph 1."""
    return f"{subgraph}:{operator}" if subgraph else str(operator)


def tensor_name(graph: Graph, buffer: PlannedBuffer) -> str:
    """The name of the buffer's tensor, empty for scratch."""
    return graph.subgraphs[buffer.subgraph].tensors[buffer.tensor].name if buffer.tensor >= 0 else ""


def describe(graph: Graph, buffer: PlannedBuffer) -> str:
    """What a planned buffer is: ``output of operator 3, CONV_2D``, ``scratch of ...``, ``network input``."""
    subgraph = graph.subgraphs[buffer.subgraph]
    if buffer.tensor < 0:
        return f"scratch of operator {place(buffer.subgraph, buffer.operator)}, " + (
            subgraph.operators[buffer.operator].label
        )
    producer = subgraph.producers.get(buffer.tensor)
    if producer is not None:
        return f"output of operator {place(buffer.subgraph, producer)}, {subgraph.operators[producer].label}"
    if buffer.tensor in subgraph.inputs:
        return "network input" if buffer.subgraph == 0 else f"input of subgraph {buffer.subgraph}"
    return f"tensor {place(buffer.subgraph, buffer.tensor)} that nothing produces"
