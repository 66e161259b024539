"""The arena as a picture: address upwards, the schedule to the right, each buffer a rectangle.

Geometry only, in picture units; the template draws it. Strings are safe to show but not yet escaped for HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcuplan.findings.costs import describe, place, tensor_name
from mcuplan.findings.peak import live_at, live_steps, peak_step
from mcuplan.graph import Graph
from mcuplan.reports.html.axis import BOLD, CHARACTER, Tick, fit, nice_ticks, short_bytes, x_tick
from mcuplan.text import safe_name, show_bytes
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer

WIDTH, HEIGHT = 480.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 8.0, 16.0, 34.0
_DRAWN = 400
"""Buffers drawn one by one, the largest first; the others become one shape without labels."""
_CALLOUTS = 5
_READABLE = 10
_LIMIT_IN_SIGHT = 1.4
"""A limit up to this many times the arena is drawn as a line; a farther one is said in words."""
_NAME = 24
"""Characters of an operator's name in a label: where it stands depends on how long it is."""


@dataclass(frozen=True, slots=True)
class BufferBox:
    """One buffer: its rectangle, the short label that fits in it, all that is known of it, whether the peak has it."""

    x: float
    y: float
    width: float
    height: float
    label: str
    size_label: str
    details: str
    at_peak: bool
    callout: str = ""


@dataclass(frozen=True, slots=True)
class Callout:
    """A label beside a buffer of the peak that is too narrow for its own."""

    x: float
    y: float
    anchor: str
    label: str


@dataclass(frozen=True, slots=True)
class Band:
    """A part of the arena that lasts for the whole schedule."""

    y: float
    height: float
    label: str
    details: str
    text_y: float


@dataclass(frozen=True, slots=True)
class Limit:
    """The most bytes that the arena may have, and whose limit that is."""

    arena_bytes: int
    source: str
    beside_bytes: int = 0
    """What the limit has to hold besides the arena: interpreter, stack and the like."""

    @property
    def label(self) -> str:
        """What stands at the line: not the limit itself where something else is counted against it too."""
        amount = show_bytes(max(self.arena_bytes, 0))
        return f"{amount} for the arena" if self.beside_bytes else f"limit {amount}"

    def sentence(self, verdict: str) -> str:
        """The limit in words; ``verdict`` says what it means for the arena."""
        if not self.beside_bytes:
            return f"The limit of {show_bytes(max(self.arena_bytes, 0))} {verdict}."
        whole, left = (show_bytes(max(b, 0)) for b in (self.arena_bytes + self.beside_bytes, self.arena_bytes))
        return f"The limit of {whole} leaves {left} beside interpreter, stack and the like, which {verdict}."


@dataclass(frozen=True, slots=True)
class LimitLine:
    """A limit in the picture; ``y`` is None where it lies too far above."""

    y: float | None
    label: str
    broken: bool
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Peak:
    """The step in which most bytes are taken."""

    x: float
    width: float
    text_x: float
    label: str


@dataclass(frozen=True, slots=True)
class ArenaMap:
    """One arena, ready to draw."""

    title: str
    summary: str
    boxes: tuple[BufferBox, ...]
    callouts: tuple[Callout, ...]
    crumbs: str
    crumbs_count: int
    bands: tuple[Band, ...]
    limit: LimitLine | None
    peak: Peak | None
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


def scale_top(arenas: Sequence[ArenaPrediction], limit: Limit | None) -> int:
    """The address at the top of maps that are to be compared: the largest arena, or a limit close above it."""
    top = max((arena.declare_bytes for arena in arenas), default=1)
    if limit is not None and top < limit.arena_bytes <= _LIMIT_IN_SIGHT * top:
        top = limit.arena_bytes
    return max(top, 16)


def arena_map(graph: Graph, arena: ArenaPrediction, title: str, limit: Limit | None = None, top: int = 0) -> ArenaMap:
    """Lay out ``arena``; ``top`` is the address at the upper edge (0: what this arena asks for)."""
    top = top or scale_top((arena,), limit)
    first = -1 if any(b.first < 0 for b in arena.plan) else 0
    steps = max(arena.steps + 1 - first, 1)
    unit_x = (WIDTH - _LEFT - _RIGHT) / steps
    unit_y = (HEIGHT - _TOP - _BOTTOM) / top
    ground = HEIGHT - _BOTTOM
    step = peak_step(live_steps(graph, arena))
    peaking = set(map(id, live_at(arena, step.time))) if step else set()

    def box(b: PlannedBuffer) -> BufferBox:
        width = (b.last - b.first + 1) * unit_x
        height = b.size * unit_y
        text, size = short_label(graph, b), short_bytes(b.size)
        label = _inside(text, width) if height >= 12 else ""
        return BufferBox(
            x=round(_LEFT + (b.first - first) * unit_x, 1),
            y=round(ground - b.end * unit_y, 1),
            width=round(width, 1),
            height=round(height, 1),
            label=label,
            size_label=fit(size, width - 4) if label and height >= 27 else "",
            details=buffer_details(graph, b),
            at_peak=id(b) in peaking,
            callout=f"{text}, {size}",
        )

    order = sorted(arena.plan, key=lambda b: (-b.size * (b.last - b.first + 1), b.first, b.offset))
    drawn = sorted(order[:_DRAWN], key=lambda b: (b.first, b.offset))
    boxes = tuple(map(box, drawn))
    line = _limit(arena, limit, ground, unit_y, top)
    callouts = _callouts(boxes, line)
    crumbs = [box(b) for b in order[_DRAWN:]]
    return ArenaMap(
        title=title,
        summary=_summary(arena, title),
        boxes=tuple(
            replace(b, label="", size_label="") if _covered(b, callouts) or _overlaid(b, boxes[i + 1 :]) else b
            for i, b in enumerate(boxes)
        ),
        callouts=callouts,
        crumbs="".join(f"M{c.x} {c.y}h{max(c.width, 0.3)}v{max(c.height, 0.3)}h-{max(c.width, 0.3)}z" for c in crumbs),
        crumbs_count=len(crumbs),
        bands=_bands(arena, ground, unit_y, line),
        limit=line,
        peak=_peak(graph, step.time - first, step.subgraph, step.operator, unit_x) if step and arena.plan else None,
        y_ticks=tuple(Tick(round(ground - at * unit_y, 1), short_bytes(at)) for at in nice_ticks(top)),
        x_ticks=tuple(
            x_tick(round(_LEFT + (at - first + 0.5) * unit_x, 1), str(at), WIDTH) for at in nice_ticks(arena.steps, 8)
        ),
    )


def buffer_details(graph: Graph, b: PlannedBuffer) -> str:
    """All that is known of one buffer, in a sentence."""
    parts = [describe(graph, b)]
    if b.tensor >= 0:
        tensor = graph.subgraphs[b.subgraph].tensors[b.tensor]
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        parts.append(f"tensor {tensor_name(graph, b) or place(b.subgraph, b.tensor)}")
        parts.append(f"{shape[:80]} {tensor.dtype.label}")
    parts.append(f"{b.bytes:,} bytes" if b.exact else f"at most {b.bytes:,} bytes")
    parts.append(f"steps [{b.first}, {b.last + 1})")
    parts.append(f"offset {b.offset:,}{' (offline plan)' if b.offline else ''}")
    return "; ".join(parts)


def short_label(graph: Graph, b: PlannedBuffer) -> str:
    """Whose buffer it is, in few characters: ``2 CONV_2D``."""
    subgraph = graph.subgraphs[b.subgraph]
    if b.tensor < 0:
        return f"{place(b.subgraph, b.operator)} scratch"
    producer = subgraph.producers.get(b.tensor)
    if producer is not None:
        return f"{place(b.subgraph, producer)} {safe_name(subgraph.operators[producer].label, _NAME)}"
    return "input" if b.tensor in subgraph.inputs else "unused"


def _inside(text: str, width: float) -> str:
    """The label inside a box: whole, or most of it; a few letters say nothing."""
    shown = fit(text, width - 4)
    return shown if shown == text or len(shown) >= _READABLE else ""


def _callouts(boxes: Sequence[BufferBox], line: LimitLine | None) -> tuple[Callout, ...]:
    """Labels for the largest buffers of the peak that have none inside, where they cover neither each other nor the
    line of the limit with its label."""
    wanted = [b for b in boxes if b.at_peak and not b.label and b.height >= 6]
    taken = [] if line is None or line.y is None else [line.y - 4]
    found: list[Callout] = []
    for b in sorted(wanted, key=lambda b: -b.height):
        y = round(b.y + b.height / 2 + 4, 1)
        if len(found) == _CALLOUTS or any(abs(y - other) < 15 for other in (*taken, *(c.y for c in found))):
            continue
        length = len(b.callout) * BOLD
        if b.x + b.width + 5 + length <= WIDTH - _RIGHT:
            found.append(Callout(b.x + b.width + 5, y, "start", b.callout))
        elif b.x - 5 - length >= _LEFT:
            found.append(Callout(b.x - 5, y, "end", b.callout))
        elif b.y - 4 - _TOP > 10:  # wider than what is left beside it: the label stands above it
            found.append(Callout(round(min(max(b.x, _LEFT), WIDTH - _RIGHT - length), 1), b.y - 4, "start", b.callout))
    return tuple(found)


def _covered(b: BufferBox, callouts: Sequence[Callout]) -> bool:
    """Whether a label beside another buffer lies over this one's."""
    middle_x, middle_y = b.x + b.width / 2, b.y + b.height / 2 + 4
    high = 20 if b.size_label else 13
    for c in callouts:
        length = len(c.label) * BOLD
        center = c.x + (length / 2 if c.anchor == "start" else -length / 2)
        reach = (length + len(b.label) * CHARACTER) / 2
        if abs(middle_y - c.y) < high and abs(middle_x - center) < reach:
            return True
    return False


def _overlaid(b: BufferBox, above: Sequence[BufferBox]) -> bool:
    """Whether a box that is drawn later lies over the label: buffers of a plan may share bytes."""
    if not b.label:
        return False
    half = max(len(b.label), len(b.size_label)) * CHARACTER / 2
    x, y, high = b.x + b.width / 2, b.y + b.height / 2, 14 if b.size_label else 7
    return any(
        o.x < x + half and o.x + o.width > x - half and o.y < y + high and o.y + o.height > y - high for o in above
    )


def _bands(arena: ArenaPrediction, ground: float, unit: float, line: LimitLine | None) -> tuple[Band, ...]:
    """The persistent section above the planned one, and what setting up takes beyond both."""
    found = []
    low = arena.nonpersistent_bytes
    extra = arena.declare_bytes - arena.persistent_bytes - low
    for label, size, why in (
        ("persistent", arena.persistent_bytes, "stays for the life of the interpreter"),
        ("set-up", extra, "taken while AllocateTensors works, and by rounding to 16 bytes"),
    ):
        if size > 0:
            y, height = ground - (low + size) * unit, size * unit
            text = f"{label} {short_bytes(size)}" if height >= 12 else ""
            details = f"{label}: {size:,} bytes, {why}"
            found.append(Band(round(y, 1), round(height, 1), text, details, _free_of(line, y, height)))
            low += size
    return tuple(found)


def _free_of(line: LimitLine | None, y: float, height: float) -> float:
    """Where the label of a band stands: in its middle, or beside the line of the limit where that is there."""
    middle = y + height / 2 + 4
    if line is None or line.y is None or not middle - 14 < line.y < middle + 18:
        return round(middle, 1)
    # The label of the limit stands above its line.
    below = line.y + 15
    return round(below if below < y + height - 2 else line.y - 19, 1)


def _limit(arena: ArenaPrediction, limit: Limit | None, ground: float, unit: float, top: int) -> LimitLine | None:
    if limit is None:
        return None
    broken = arena.declare_bytes > limit.arena_bytes
    y = round(ground - max(limit.arena_bytes, 0) * unit, 1) if limit.arena_bytes <= top else None
    verdict = "is too small for this arena" if broken else "is enough for this arena"
    return LimitLine(y, limit.label, broken, limit.sentence(verdict if y is not None else "lies above the picture"))


def _peak(graph: Graph, step: int, subgraph: int, operator: int, unit: float) -> Peak:
    x = _LEFT + step * unit
    label = "peak"
    if operator >= 0:
        name = safe_name(graph.subgraphs[subgraph].operators[operator].label, _NAME)
        label = f"peak: {place(subgraph, operator)} {name}"
    half = len(label) * BOLD / 2
    middle = min(max(x + unit / 2, _LEFT + half), WIDTH - _RIGHT - half)
    return Peak(round(x, 1), round(unit, 1), round(middle, 1), label)


def _summary(arena: ArenaPrediction, title: str) -> str:
    most = "" if arena.exact else "at most "
    return (
        f"{title}: {most}{arena.declare_bytes:,} bytes to declare, of which {arena.nonpersistent_bytes:,} planned and "
        f"{arena.persistent_bytes:,} persistent"
    )
