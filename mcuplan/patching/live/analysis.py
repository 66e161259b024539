"""Memory block by block, as the lecture draws it: layer by layer against patch by patch, and what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import barriers
from mcuplan.patching.inputs import NetworkInput
from mcuplan.patching.live.cost import LiveAccounting
from mcuplan.patching.live.search import (
    DEFAULT_GRAPH_SPACE,
    GraphPlan,
    GraphSearch,
    GraphSpace,
    Progress,
    search_graph,
)
from mcuplan.patching.pareto import Point


@dataclass(frozen=True, slots=True)
class BlockMemory:
    """Operators ``[first, last]`` that a designer names as one: most live bytes without and with patches."""

    first: int
    last: int
    layer_bytes: int
    patch_bytes: int
    patched: bool


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the plan's peak is not lower: the operator at the peak and what is live there."""

    operator: int
    bytes: int
    sentence: str


@dataclass(frozen=True)
class PatchAnalysis:
    """What patch stages do for a graph, in live bytes.

    ``plan`` is None where none keeps within the limits; ``front`` holds every plan that no other beats in both RAM
    and MACs. ``input_rows_streamed`` tells that the network's input was taken to come row by row.
    """

    plan: GraphPlan | None
    front: tuple[Point, ...]
    blocks: tuple[BlockMemory, ...]
    obstacle: Obstacle | None
    macs: int
    input_rows_streamed: bool


def analyse(
    graph: Graph,
    blocks: Sequence[tuple[int, int]] | None = None,
    *,
    subgraph: int = 0,
    max_overhead: float | None = None,
    max_ram_bytes: int | None = None,
    input_rows_streamed: bool = False,
    space: GraphSpace = DEFAULT_GRAPH_SPACE,
    progress: Progress | None = None,
) -> PatchAnalysis:
    """Find the stages that serve best and compare each block's memory.

    Parameters
    ----------
    graph, subgraph
        The model and the subgraph to look at.
    blocks
        First and last operator of each block, in order; each operator by itself where None.
    max_overhead
        Most MACs, as a factor of the graph's own (1.1 is 10% more).
    max_ram_bytes
        Most live bytes; the plan is then the one with the fewest MACs, otherwise the one with the least RAM.
    input_rows_streamed
        The network's inputs come row by row, as from a camera, and are never whole in memory.
    space, progress
        What the search may use, and whom to tell how far it is.
    """
    source = NetworkInput.STREAMED if input_rows_streamed else NetworkInput.WHOLE
    found = search_graph(graph, subgraph, LiveAccounting(source), space, progress)
    plan = _chosen(found, max_overhead, max_ram_bytes)
    runs = blocks if blocks is not None else [(k, k) for k in range(len(found.model.subgraph.operators))]
    memory = () if plan is None else per_block(plan, runs)
    obstacle = None if plan is None else _obstacle(found, plan, subgraph)
    return PatchAnalysis(plan, found.front.points, memory, obstacle, sum(found.model.macs), input_rows_streamed)


def _chosen(found: GraphSearch, max_overhead: float | None, max_ram_bytes: int | None) -> GraphPlan | None:
    if max_ram_bytes is None:
        return found.least_ram(max_overhead)
    plan = found.fewest_macs(max_ram_bytes)
    return plan if plan is None or max_overhead is None or plan.factor <= max_overhead else None


def per_block(plan: GraphPlan, blocks: Sequence[tuple[int, int]]) -> tuple[BlockMemory, ...]:
    """Most live bytes of each block, without and with the plan's stages."""
    staged = {k for cost in plan.stages for k in range(cost.stage.first, cost.stage.last)}
    return tuple(
        BlockMemory(
            first,
            last,
            max(plan.before_bytes[first : last + 1]),
            max(plan.operator_bytes[first : last + 1]),
            any(k in staged for k in range(first, last + 1)),
        )
        for first, last in blocks
    )


def _obstacle(found: GraphSearch, plan: GraphPlan, subgraph: int) -> Obstacle | None:
    """What the operator at the peak cannot do without."""
    model = found.model
    if not plan.operator_bytes:
        return None
    at = plan.operator_bytes.index(plan.ram_bytes)
    op = model.subgraph.operators[at]
    where = f"{op.label}, operator {at}, where {plan.ram_bytes:,} bytes are live"
    reason = next((b.reason for b in barriers(model.graph, subgraph) if b.operator == at), None)
    if reason is not None:
        return Obstacle(at, plan.ram_bytes, f"the peak is at {where}: {reason}")
    stage = next((c.stage for c in plan.stages if c.stage.first <= at < c.stage.last), None)
    ends = (stage.source, stage.result) if stage is not None else ()
    whole = {
        t: model.bytes_of(t)
        for t, (first, last) in model.lifespans.items()
        if first <= at <= last and (stage is None or t in ends or not stage.first <= first < stage.last)
    }
    if not whole:
        inside = "" if stage is None else f", inside the stage of operators {stage.first} to {stage.last - 1}"
        return Obstacle(at, plan.ram_bytes, f"the peak is at {where}{inside}")
    largest = max(sorted(whole), key=whole.__getitem__)
    given = "the network's input" if largest in model.subgraph.inputs else f"tensor {largest}"
    return Obstacle(
        at,
        plan.ram_bytes,
        f"the peak is at {where}: {given} ({whole[largest]:,} bytes whole) goes in or comes out there",
    )
