"""What one model does step by step: operators, shapes, MACs, weights, live bytes, lifespans."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.budget.analysis import Analysis
from mcuplan.findings.blocks import blocks
from mcuplan.findings.costs import describe, operator_weights, tensor_name
from mcuplan.findings.peak import live_steps


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One operator. ``live_bytes`` are live while it runs; its outputs are live in the steps ``[start, end)``.

    ``macs`` and ``instructions`` (of one call, without the interpreter's dispatch) are None where unknown, ``lifespan``
    where its output is not in the arena (or it has none). ``calls`` are those of one Invoke, loops counted.
    ``instructions_modelled`` is False where ``instructions`` are bounded from above, by the dearest of the kind.
    """

    subgraph: int
    operator: int
    name: str
    output_shape: tuple[int, ...]
    output_type: str
    output_name: str
    macs: int | None
    weights_bytes: int
    live_bytes: int
    lifespan: tuple[int, int] | None
    instructions: int | None = None
    instructions_modelled: bool = True
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class BlockRow:
    """One block; ``live_bytes`` is the most that is live during one of its operators."""

    subgraph: int
    kind: str
    first: int
    last: int
    output_shape: tuple[int, ...]
    macs: int
    weights_bytes: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class BufferRow:
    """One buffer of the arena's non-persistent section, live in the steps ``[start, end)``."""

    offset: int
    size: int
    start: int
    end: int
    what: str
    name: str
    offline: bool


def operator_rows(analysis: Analysis) -> tuple[OperatorRow, ...]:
    """Every operator of every subgraph, in the file's order."""
    graph = analysis.graph
    live = {(step.subgraph, step.operator): step.live_bytes for step in live_steps(graph, analysis.arena)}
    spans = {(b.subgraph, b.tensor): (b.first, b.last + 1) for b in analysis.arena.plan if b.tensor >= 0}
    macs = {(row.subgraph, row.operator): row.macs for row in analysis.macs.per_operator}
    weights = operator_weights(graph)
    found = analysis.instructions
    costs = {(row.subgraph, row.operator): row for row in found.operators} if found else {}
    rows = []
    for s, k, op in graph.operators():
        cost = costs.get((s, k))
        out = next((t for t in op.outputs if t >= 0), -1)
        tensor = graph.subgraphs[s].tensors[out] if out >= 0 else None
        rows.append(
            OperatorRow(
                s, k, op.label, tensor.shape if tensor else (), tensor.dtype.label if tensor else "",
                tensor.name if tensor else "", macs.get((s, k)), weights[s, k], live.get((s, k), 0),
                spans.get((s, out)),
                None if cost is None or cost.instructions is None else round(cost.instructions),
                cost is None or cost.modelled, cost.calls if cost else None,
            )
        )  # fmt: skip
    return tuple(rows)


def block_rows(analysis: Analysis) -> tuple[BlockRow, ...]:
    """Every block of every subgraph, in order."""
    by_operator = {(row.subgraph, row.operator): row for row in operator_rows(analysis)}
    rows = []
    for s in range(len(analysis.graph.subgraphs)):
        for block in blocks(analysis.graph, s):
            members = [by_operator[s, k] for k in block.operators]
            rows.append(
                BlockRow(
                    s, block.kind, block.first, block.last, members[-1].output_shape,
                    sum(row.macs or 0 for row in members), sum(row.weights_bytes for row in members),
                    max(row.live_bytes for row in members),
                )
            )  # fmt: skip
    return tuple(rows)


def buffer_rows(analysis: Analysis) -> tuple[BufferRow, ...]:
    """Every buffer of the plan, in the order in which they come to life, then by offset."""
    graph = analysis.graph
    ordered = sorted(analysis.arena.plan, key=lambda b: (b.first, b.offset, b.last))
    return tuple(
        BufferRow(b.offset, b.size, b.first, b.last + 1, describe(graph, b), tensor_name(graph, b), b.offline)
        for b in ordered
    )
