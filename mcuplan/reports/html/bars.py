"""Bars: memory operator by operator, block by block, and sizes by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.findings.costs import place
from mcuplan.findings.inspection import BlockRow, OperatorRow
from mcuplan.findings.peak import live_at, live_steps
from mcuplan.graph import Graph
from mcuplan.reports.documents.patches import BlockShown
from mcuplan.reports.html.axis import Tick, nice_ticks, short_bytes, x_tick
from mcuplan.text import show_bytes
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer

WIDTH, HEIGHT = 480.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 8.0, 10.0, 34.0
_MOST_COLUMNS = 120
_MOST_ROWS = 26


@dataclass(frozen=True, slots=True)
class Column:
    """An upright bar: operators or steps that follow each other, one or several."""

    x: float
    y: float
    width: float
    height: float
    details: str
    peak: bool


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """Upright bars over operators or steps; ``axis`` says which."""

    summary: str
    axis: str
    columns: tuple[Column, ...]
    together: int
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class Row:
    """A lying bar with its label and its amount; ``share`` of the longest is 0 to 100."""

    label: str
    amount: str
    share: float
    details: str = ""
    peak: bool = False


@dataclass(frozen=True, slots=True)
class _Moment:
    """Bytes in use at one point of the schedule, and what runs then."""

    what: str
    bytes: int


def operator_columns(rows: Sequence[OperatorRow], top: int = 0, peak: tuple[int, int] | None = None) -> ColumnChart:
    """Live bytes while each operator runs; beyond 120 operators each bar is the most of several.

    ``top`` is the amount at the upper edge (0: the most of all), for charts that are to be compared; ``peak`` subgraph
    and operator of the bar that is marked (None: the first of the highest).
    """
    marked = next((i for i, r in enumerate(rows) if (r.subgraph, r.operator) == peak), None)
    moments = [_Moment(f"operator {place(r.subgraph, r.operator)}, {r.name}", r.live_bytes) for r in rows]
    return _chart(moments, "operator", "Bytes live while each operator runs", top, marked)


def step_columns(graph: Graph, arena: ArenaPrediction, top: int = 0) -> ColumnChart:
    """Bytes of the arena in use at each step of a plan, those that tensors share counted once; ``top`` as above."""
    moments = []
    for step in live_steps(graph, arena):
        running = f"step {step.time}"
        if step.operator >= 0:
            label = graph.subgraphs[step.subgraph].operators[step.operator].label
            running += f", operator {place(step.subgraph, step.operator)}, {label}"
        moments.append(_Moment(running, occupied(live_at(arena, step.time))))
    return _chart(moments, "step of the schedule", "Bytes in use at each step", top)


def occupied(buffers: Sequence[PlannedBuffer]) -> int:
    """Bytes that some of ``buffers`` lie on."""
    total = reached = 0
    for b in sorted(buffers, key=lambda b: b.offset):
        total += max(b.end - max(b.offset, reached), 0)
        reached = max(reached, b.end)
    return total


def _chart(moments: Sequence[_Moment], axis: str, summary: str, top: int, marked: int | None = None) -> ColumnChart:
    together = max(-(-len(moments) // _MOST_COLUMNS), 1)
    groups = [moments[i : i + together] for i in range(0, len(moments), together)]
    most = max((moment.bytes for moment in moments), default=0)
    top = max(top, most)
    pitch = (WIDTH - _LEFT - _RIGHT) / max(len(groups), 1)
    unit = (HEIGHT - _TOP - _BOTTOM) / max(top, 1)
    ground = HEIGHT - _BOTTOM
    gap = min(pitch * 0.15, 2.0)
    first = next((i for i, group in enumerate(groups) if any(m.bytes == most > 0 for m in group)), -1)
    peak = first if marked is None else marked // together
    columns = []
    for i, group in enumerate(groups):
        largest = max(group, key=lambda moment: moment.bytes)
        height = round(largest.bytes * unit, 1)
        columns.append(
            Column(
                round(_LEFT + i * pitch + gap / 2, 2), round(ground - height, 1), round(pitch - gap, 2), height,
                f"{_span(group, largest)}: {largest.bytes:,} bytes", i == peak,
            )
        )  # fmt: skip
    return ColumnChart(
        summary=f"{summary}; at most {most:,}",
        axis=axis,
        columns=tuple(columns),
        together=together,
        y_ticks=tuple(Tick(round(ground - at * unit, 1), short_bytes(at)) for at in nice_ticks(top, 4)),
        x_ticks=tuple(
            x_tick(round(_LEFT + (at / together + 0.5) * pitch, 1), str(at), WIDTH)
            for at in nice_ticks(len(moments) - 1, 8)
        ),
    )


def _span(group: Sequence[_Moment], largest: _Moment) -> str:
    return largest.what if len(group) == 1 else f"the most of {len(group)}, {largest.what}"


def block_bars(rows: Sequence[BlockRow]) -> tuple[Row, ...]:
    """Most live bytes in each block, in order; beyond 26 blocks each bar is the most of several."""
    together = max(-(-len(rows) // _MOST_ROWS), 1)
    groups = [rows[i : i + together] for i in range(0, len(rows), together)]
    top = max((row.live_bytes for row in rows), default=0)
    found: list[Row] = []
    for group in groups:
        first, last = group[0], group[-1]
        most = max(group, key=lambda row: row.live_bytes)
        span = place(first.subgraph, first.first)
        if last.last != first.first or last.subgraph != first.subgraph:
            span += f"–{place(last.subgraph, last.last)}"
        kind = most.kind.replace("depthwise-separable", "separable")
        shape = "×".join(map(str, most.output_shape[1:]))[:24]
        peak = most.live_bytes == top > 0 and not any(row.peak for row in found)
        found.append(
            Row(f"{span} {kind}", short_bytes(most.live_bytes), _share(most.live_bytes, top), f"output {shape}", peak)
        )
    return tuple(found)


def patched_block_bars(blocks: Sequence[BlockShown]) -> tuple[Row, ...]:
    """Most live bytes in each block with patch stages, to the scale of the blocks without them."""
    together = max(-(-len(blocks) // _MOST_ROWS), 1)
    groups = [blocks[i : i + together] for i in range(0, len(blocks), together)]
    top = max((block.before_bytes for block in blocks), default=0)
    most = max((block.after_bytes for block in blocks), default=0)
    found: list[Row] = []
    for group in groups:
        largest = max(group, key=lambda block: block.after_bytes)
        span = str(group[0].first) if group[-1].last == group[0].first else f"{group[0].first}–{group[-1].last}"
        kind = largest.kind.replace("depthwise-separable", "separable")
        how = "in a stage" if any(block.patched for block in group) else "run whole"
        peak = largest.after_bytes == most > 0 and not any(row.peak for row in found)
        details = f"{how}; {max(block.before_bytes for block in group):,} bytes without patch stages"
        found.append(
            Row(f"{span} {kind}", short_bytes(largest.after_bytes), _share(largest.after_bytes, top), details, peak)
        )
    return tuple(found)


def kind_bars(items: Sequence[tuple[str, int]]) -> tuple[Row, ...]:
    """Sizes by kind, as given, those of no bytes left out."""
    top = max((size for _, size in items), default=0)
    return tuple(
        Row(label, show_bytes(size), _share(size, top), f"{size:,} bytes") for label, size in items if size > 0
    )


def _share(part: int, whole: int) -> float:
    return round(100 * part / max(whole, 1), 2)
