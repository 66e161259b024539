"""A model's resources split into items that add up to their totals, each with a key that tells what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcuplan.budget.analysis import Analysis
from mcuplan.findings.costs import describe, operator_weights, place, tensor_name
from mcuplan.findings.peak import live_at, live_steps, peak_step
from mcuplan.graph import Graph
from mcuplan.tflm.results import PlannedBuffer

if TYPE_CHECKING:
    from mcuplan.estimates.instructions import ModelInstructions

Key = tuple[str, int, int, int]
"""What an item is, and the subgraph, operator and position it belongs to (-1: none)."""


@dataclass(frozen=True, slots=True)
class Item:
    """Some of a resource. ``of_operator``: the key names an operator, which may have another index elsewhere."""

    key: Key
    what: str
    amount: int
    name: str = ""
    of_operator: bool = False

    def plus(self, amount: int) -> Item:
        """The same with more."""
        return replace(self, amount=self.amount + amount)


def arena_items(analysis: Analysis) -> Iterator[Item]:
    """The arena to declare: buffers live at the peak, gaps, persistent bytes by operator, set-up."""
    arena, graph = analysis.arena, analysis.graph
    top = peak_step(live_steps(graph, arena))
    live = live_at(arena, top.time) if top else ()
    for buffer in live:
        yield _buffer(graph, buffer)
    # Where tensors share bytes the live ones are more than the section: then this is negative.
    rest = arena.nonpersistent_bytes - sum(buffer.size for buffer in live)
    yield Item(("gaps", -1, -1, -1), "gaps of the plan, less shared bytes", rest)
    counted = 0
    for a in arena.persistent:
        counted += a.used
        if a.operator >= 0 and a.subgraph >= 0:
            label = graph.subgraphs[a.subgraph].operators[a.operator].label
            what = f"persistent bytes of operator {place(a.subgraph, a.operator)}, {label}"
            yield Item(("persistent", a.subgraph, a.operator, -1), what, a.used, "", True)
        else:
            yield Item((f"persistent: {a.kind.value}", -1, -1, -1), f"persistent: {a.kind.value}", a.used)
    yield Item(("persistent: rest", -1, -1, -1), "persistent: rest", arena.persistent_bytes - counted)
    setup = arena.declare_bytes - arena.nonpersistent_bytes - arena.persistent_bytes
    yield Item(("setup", -1, -1, -1), "set-up beyond inference, and rounding", setup)


def _buffer(graph: Graph, buffer: PlannedBuffer) -> Item:
    what, name, s = describe(graph, buffer), tensor_name(graph, buffer), buffer.subgraph
    subgraph = graph.subgraphs[s]
    if buffer.tensor < 0:
        return Item(("scratch", s, buffer.operator, -1), what, buffer.size, name, True)
    producer = subgraph.producers.get(buffer.tensor)
    if producer is not None:
        position = subgraph.operators[producer].outputs.index(buffer.tensor)
        return Item(("output", s, producer, position), what, buffer.size, name, True)
    if buffer.tensor in subgraph.inputs:
        return Item(("input", s, -1, subgraph.inputs.index(buffer.tensor)), what, buffer.size, name)
    return Item(("unused", -1, -1, -1), "tensors that nothing produces", buffer.size)


def ram_items(analysis: Analysis) -> Iterator[Item]:
    """All RAM: the arena's items, and what stands beside it."""
    yield from arena_items(analysis)
    ram = analysis.need().ram
    yield Item(("interpreter", -1, -1, -1), "interpreter", ram.interpreter_bytes)
    yield Item(("resolver", -1, -1, -1), "op resolver", ram.resolver_bytes)
    yield Item(("data", -1, -1, -1), "data of the kernels", ram.data_bytes)
    yield Item(("stack", -1, -1, -1), "stack (allowance)", ram.stack_bytes)


def flash_items(analysis: Analysis) -> Iterator[Item]:
    """Model and code: weights by operator, the model's structure, TFLM's code by kind of operator."""
    graph, code = analysis.graph, analysis.code
    weights = 0
    for (s, k), amount in operator_weights(graph).items():
        weights += amount
        label = graph.subgraphs[s].operators[k].label
        what = f"weights of operator {place(s, k)}, {label}"
        yield Item(("weights", s, k, -1), what, amount, _output(graph, s, k), True)
    yield Item(("structure", -1, -1, -1), "the model's structure and metadata", graph.file_bytes - weights)
    yield Item(("interpreter", -1, -1, -1), "TFLM interpreter code", code.interpreter_bytes)
    alone = 0
    for operator in code.operators:
        alone += operator.saved_bytes
        yield Item((f"code:{operator.name}", -1, -1, -1), f"code of {operator.name}", operator.saved_bytes)
    yield Item(("shared code", -1, -1, -1), "code that operators share", code.kernels_bytes - alone)
    yield Item(("margin", -1, -1, -1), "margin for the linker", code.margin_bytes)
    yield Item(("lean", -1, -1, -1), "lean registrations", code.lean.flash_bytes)
    yield Item(("data", -1, -1, -1), "initialised data", code.data_bytes)


def macs_items(analysis: Analysis) -> Iterator[Item]:
    """MACs by operator; operators of subgraphs that nothing reaches count for nothing."""
    graph = analysis.graph
    counted = 0
    for row in analysis.macs.per_operator:
        counted += row.macs or 0
        label = graph.subgraphs[row.subgraph].operators[row.operator].label
        what = f"operator {place(row.subgraph, row.operator)}, {label}"
        name = _output(graph, row.subgraph, row.operator)
        yield Item(("macs", row.subgraph, row.operator, -1), what, row.macs or 0, name, True)
    yield Item(("unreached", -1, -1, -1), "operators that nothing reaches", analysis.macs.total - counted)


def instructions_items(analysis: Analysis, found: ModelInstructions) -> Iterator[Item]:
    """Instructions of one Invoke by operator, each as often as it runs, and the interpreter's own."""
    for row in found.operators:
        what = f"operator {place(row.subgraph, row.operator)}, {row.name}"
        name = _output(analysis.graph, row.subgraph, row.operator)
        yield Item(("instructions", row.subgraph, row.operator, -1), what, round(row.total), name, True)
    yield Item(("dispatch", -1, -1, -1), "the interpreter", round(found.interpreter))


def _output(graph: Graph, subgraph: int, operator: int) -> str:
    chosen = graph.subgraphs[subgraph]
    first = next((t for t in chosen.operators[operator].outputs if t >= 0), -1)
    return chosen.tensors[first].name if first >= 0 else ""
