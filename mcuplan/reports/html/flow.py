"""The dataflow as a picture: operators in layers, layers down a column, columns from left to right.

Layers are the longest ways from the inputs (the first step of Sugiyama, Tagawa & Toda 1981). Long models are folded
into columns, so that a chain of a hundred operators is not a hundred lines high. Tensors that skip layers go around.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mcuplan.findings.blocks import blocks
from mcuplan.findings.costs import place
from mcuplan.findings.inspection import OperatorRow
from mcuplan.graph import Graph
from mcuplan.operators import called_subgraphs, loop_turns
from mcuplan.reports.html.axis import fit
from mcuplan.text import counted, safe_name

_NODE_WIDTH, _NODE_HEIGHT = 172.0, 24.0
_PITCH_X, _PITCH_Y = 188.0, 40.0
_MARGIN, _ASIDE = 14.0, 26.0
_COLUMN_LAYERS = 16
_MOST_NODES = 320


@dataclass(frozen=True, slots=True)
class Node:
    """One operator, or several that follow each other; ``weight`` is its share of the peak, 0 to 1.

    ``row``: its (first) operator's place, as the operator table has it; ``patched``: it belongs to a patch stage.
    """

    x: float
    y: float
    label: str
    details: str
    weight: float
    peak: bool
    row: str
    patched: bool = False
    width: float = _NODE_WIDTH
    height: float = _NODE_HEIGHT


@dataclass(frozen=True, slots=True)
class FlowPicture:
    """The picture of the main subgraph; ``paths`` are the tensors between nodes, as SVG path data."""

    summary: str
    nodes: tuple[Node, ...]
    paths: tuple[str, ...]
    width: float
    height: float
    grouped: str


def flow_picture(
    graph: Graph, rows: Sequence[OperatorRow], patched: Collection[int] = (), peak: tuple[int, int] | None = None
) -> FlowPicture:
    """Lay out the main subgraph; above 320 operators blocks or runs of operators stand for their members.

    A loop is one box, which stands for the operators of its subgraphs too. ``patched`` are the operators that patch
    stages run; ``peak`` are subgraph and operator during which most bytes are live (None: the first with most).
    """
    groups, grouped = _groups(graph)
    edges = _edges(graph, groups)
    layers = _layers(len(groups), edges)
    lanes, widths = _lanes(layers, edges)
    at, width, depth = _positions(layers, lanes, widths)
    main = [row for row in rows if row.subgraph == 0]
    loops = _loops(graph)
    inside = {k: loop.subgraphs for k, loop in loops.items()}
    by_subgraph: dict[int, int] = {}
    for row in rows:
        by_subgraph[row.subgraph] = max(by_subgraph.get(row.subgraph, 0), row.live_bytes)
    live = [max([row.live_bytes, *(by_subgraph.get(s, 0) for s in inside.get(row.operator, ()))]) for row in main]
    top = max(live, default=0)
    peaking = _peaking(groups, live, inside, peak)
    nodes = []
    for index, group in enumerate(groups):
        most = max(live[k] for k in group)
        x, y = at[index]
        nodes.append(
            Node(
                x, y, _label(group, main, loops), _details(group, main, most, loops), round(most / max(top, 1), 2),
                index == peaking, place(0, group[0]), any(k in patched for k in group),
            )
        )  # fmt: skip
    return FlowPicture(
        summary=f"Dataflow of {counted(len(main), 'operator')} in {len(groups)} boxes",
        nodes=tuple(nodes),
        paths=tuple(_path(at[a], at[b], layers[b] - layers[a]) for a, b in edges),
        width=width,
        height=depth * _PITCH_Y + 2 * _MARGIN,
        grouped=grouped,
    )


@dataclass(frozen=True, slots=True)
class _Loop:
    """What a WHILE runs: the subgraphs that it reaches, their operators, and how often (None: not known)."""

    subgraphs: frozenset[int]
    operators: int
    turns: int | None


def _loops(graph: Graph) -> dict[int, _Loop]:
    """The loops of the main subgraph, by operator."""
    found = {}
    for k, op in enumerate(graph.main.operators):
        if op.name != "WHILE":
            continue
        reached: set[int] = set()
        todo = list(called_subgraphs(op))
        while todo:
            index = todo.pop()
            if 0 < index < len(graph.subgraphs) and index not in reached:
                reached.add(index)
                todo += [called for inner in graph.subgraphs[index].operators for called in called_subgraphs(inner)]
        count = sum(len(graph.subgraphs[index].operators) for index in reached)
        found[k] = _Loop(frozenset(reached), count, loop_turns(graph, graph.main, op))
    return found


def _peaking(
    groups: Sequence[range],
    live: Sequence[int],
    inside: Mapping[int, frozenset[int]],
    peak: tuple[int, int] | None,
) -> int:
    """The box that the peak is in; -1: none."""
    if peak is not None:
        subgraph, operator = peak
        holds = (k for k in range(len(live)) if (k == operator if subgraph == 0 else subgraph in inside.get(k, ())))
        at = next(holds, -1)
    else:
        at = max(range(len(live)), key=lambda k: live[k], default=-1)
    return next((g for g, group in enumerate(groups) if at in group), -1)


def _groups(graph: Graph) -> tuple[list[range], str]:
    count = len(graph.main.operators)
    if count <= _MOST_NODES:
        return [range(k, k + 1) for k in range(count)], ""
    by_block = [block.operators for block in blocks(graph)]
    if len(by_block) <= _MOST_NODES:
        return by_block, "Each box is a block."
    run = -(-count // _MOST_NODES)
    return [range(k, min(k + run, count)) for k in range(0, count, run)], f"Each box is a run of {run} operators."


def _edges(graph: Graph, groups: Sequence[range]) -> list[tuple[int, int]]:
    owner = {k: g for g, group in enumerate(groups) for k in group}
    main = graph.main
    found: dict[tuple[int, int], None] = {}
    for k, op in enumerate(main.operators):
        for t in op.inputs:
            producer = main.producers.get(t) if t >= 0 else None
            if producer is not None and owner[producer] < owner[k]:
                found[owner[producer], owner[k]] = None
    return list(found)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way to each node; edges go from lower to higher indices."""
    layers = [0] * count
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        layers[b] = max(layers[b], layers[a] + 1)
    return layers


def _lanes(layers: Sequence[int], edges: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """A lane for each node, below those it reads from (barycentre order), and how many lanes each layer takes."""
    sources: dict[int, list[int]] = {}
    for a, b in edges:
        sources.setdefault(b, []).append(a)
    depth = max(layers, default=-1) + 1
    members: list[list[int]] = [[] for _ in range(depth)]
    for node, layer in enumerate(layers):
        members[layer].append(node)
    lanes = [0] * len(layers)
    widths = []
    for together in members:

        def wish(node: int) -> float:
            return fmean(lanes[s] for s in sources[node]) if node in sources else 0.0

        free = 0
        for node in sorted(together, key=lambda node: (wish(node), node)):
            lanes[node] = max(free, int(wish(node)))
            free = lanes[node] + 1
        widths.append(free)
    return lanes, widths


def _positions(
    layers: Sequence[int], lanes: Sequence[int], widths: Sequence[int]
) -> tuple[list[tuple[float, float]], float, int]:
    depth = len(widths)
    columns = max(-(-depth // _COLUMN_LAYERS), 1)
    tall = max(-(-depth // columns), 1)
    lefts = [_MARGIN]
    for c in range(columns):
        lefts.append(lefts[-1] + max(widths[c * tall : (c + 1) * tall], default=1) * _PITCH_X + _ASIDE)
    at = [
        (round(lefts[layer // tall] + lane * _PITCH_X, 1), round(_MARGIN + layer % tall * _PITCH_Y, 1))
        for layer, lane in zip(layers, lanes, strict=True)
    ]
    return at, lefts[-1], tall


def _path(a: tuple[float, float], b: tuple[float, float], layers: int) -> str:
    """A line down to the next layer, around the boxes between where it skips some, or over to another column."""
    ax, ay = a[0] + _NODE_WIDTH / 2, a[1] + _NODE_HEIGHT
    bx, by = b[0] + _NODE_WIDTH / 2, b[1]
    if b[1] <= a[1]:
        gutter = b[0] - (_PITCH_X - _NODE_WIDTH) / 2 - 8
        return f"M{ax} {ay}v8H{gutter}V{by - 8}H{bx}v8"
    if layers > 1 and a[0] == b[0]:
        side = a[0] + _NODE_WIDTH
        rise = by - ay + 16
        return f"M{side} {ay - 8}c20 14 20 {rise - 14} 0 {rise}"
    middle = (ay + by) / 2
    return f"M{ax} {ay}C{ax} {middle} {bx} {middle} {bx} {by}"


def _label(group: range, rows: Sequence[OperatorRow], loops: Mapping[int, _Loop]) -> str:
    row = rows[group[-1]]
    number = str(group[0]) if len(group) == 1 else f"{group[0]}–{group[-1]}"
    if len(group) == 1 and group[0] in loops:
        loop = loops[group[0]]
        turns = f" ×{loop.turns}" if loop.turns is not None else ""
        return fit(f"{number} loop{turns}, {counted(loop.operators, 'operator')}", _NODE_WIDTH - 8)
    shape = "×".join(map(str, row.output_shape[1:]))
    text = f"{number} {_SHORT.get(row.name) or safe_name(row.name, 18)}"
    return fit(f"{text} {shape}" if shape and len(text) + len(shape) < 24 else text, _NODE_WIDTH - 8)


_SHORT = {
    "DEPTHWISE_CONV_2D": "DW_CONV_2D",
    "FULLY_CONNECTED": "DENSE",
    "AVERAGE_POOL_2D": "AVG_POOL",
    "MAX_POOL_2D": "MAX_POOL",
}
"""Names shortened to leave room for the shape."""


def _details(group: range, rows: Sequence[OperatorRow], live: int, loops: Mapping[int, _Loop]) -> str:
    first, last = rows[group[0]], rows[group[-1]]
    names = first.name if len(group) == 1 else f"{first.name} to {last.name}"
    numbers = f"operator {group[0]}" if len(group) == 1 else f"operators {group[0]} to {group[-1]}"
    shape = " x ".join(map(str, last.output_shape)) or "scalar"
    if len(group) == 1 and group[0] in loops:
        loop = loops[group[0]]
        turns = "" if loop.turns is None else f" of {loop.turns:,} turns"
        return f"{numbers}, {names}: a loop{turns} over {counted(loop.operators, 'operator')}; {live:,} bytes live"
    macs = sum(rows[k].macs or 0 for k in group)
    weights = sum(rows[k].weights_bytes for k in group)
    return (
        f"{numbers}, {names}; output {shape[:80]} {last.output_type}; {live:,} bytes live; "
        f"{macs:,} MACs; {weights:,} bytes of weights"
    )
