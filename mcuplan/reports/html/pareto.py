"""What patch stages can do: arena against MACs, the alternatives that no other beats, and the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcuplan.reports.html.arena_map import Limit, LimitLine
from mcuplan.reports.html.axis import CHARACTER, Tick, nice_ticks, short_bytes, x_tick

WIDTH, HEIGHT = 480.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 14.0, 16.0, 34.0
_LEAST_OVERHEAD = 0.05
_X_TICKS = 4


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to run the model: its arena to declare and its work (instructions or MACs) by that of the given model."""

    name: str
    declare_bytes: int
    work_factor: float


@dataclass(frozen=True, slots=True)
class Dot:
    """One alternative in the picture; ``label`` is empty where it would cover another."""

    x: float
    y: float
    label: str
    anchor: str
    text_x: float
    text_y: float
    details: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ParetoChart:
    """Arena upwards, additional work to the right; ``line`` joins what no other alternative beats."""

    summary: str
    measure: str
    dots: tuple[Dot, ...]
    line: str
    limit: LimitLine | None
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


def pareto_chart(alternatives: Sequence[Alternative], limit: Limit | None, measure: str) -> ParetoChart:
    """Draw alternatives by ``measure`` (instructions or MACs); the last one is the plan that was chosen."""
    top = max(a.declare_bytes for a in alternatives)
    if limit is not None and top < limit.arena_bytes <= 1.4 * top:
        top = limit.arena_bytes
    most = max(max(a.work_factor for a in alternatives) - 1, _LEAST_OVERHEAD) * 1.05
    unit_x = (WIDTH - _LEFT - _RIGHT) / most
    unit_y = (HEIGHT - _TOP - _BOTTOM) / (top * 1.04)
    ground = HEIGHT - _BOTTOM

    def x(a: Alternative) -> float:
        return round(_LEFT + max(a.work_factor - 1, 0) * unit_x, 1)

    def y(declared: int) -> float:
        return round(ground - declared * unit_y, 1)

    at = y(limit.arena_bytes) if limit is not None and 0 < limit.arena_bytes <= top else None
    dots: list[Dot] = []
    for i, a in enumerate(alternatives):
        text = f"{a.name} {short_bytes(a.declare_bytes)}"
        left = x(a) + 8 + len(text) * CHARACTER <= WIDTH - _RIGHT
        free = all(abs(y(a.declare_bytes) - dot.y) > 13 or not dot.label for dot in dots)
        dots.append(
            Dot(
                x(a), y(a.declare_bytes), text if free else "", "start" if left else "end",
                x(a) + (8 if left else -8), _text_y(y(a.declare_bytes), at),
                f"{a.name}: {a.declare_bytes:,} bytes at {_percent(a.work_factor)} {measure}",
                i == len(alternatives) - 1,
            )
        )  # fmt: skip
    line = None
    if limit is not None and limit.arena_bytes > 0:
        near = limit.arena_bytes <= top
        verdict = "is drawn as a line" if near else "lies above the picture"
        broken = all(a.declare_bytes > limit.arena_bytes for a in alternatives)
        line = LimitLine(y(limit.arena_bytes) if near else None, limit.label, broken, limit.sentence(verdict))
    best = [a for a in alternatives if not any(_beats(b, a) for b in alternatives)]
    corners = sorted((x(a), y(a.declare_bytes)) for a in best)
    path = "".join(f"L{cx} {before[1]}L{cx} {cy}" for before, (cx, cy) in pairwise(corners))
    return ParetoChart(
        measure=measure,
        summary=f"Arena against {measure} of {len(alternatives)} alternatives",
        dots=tuple(dots),
        line=f"M{corners[0][0]} {corners[0][1]}{path}",
        limit=line,
        y_ticks=tuple(Tick(y(at), short_bytes(at)) for at in nice_ticks(top, 4)),
        # Ticks at round per mille.
        x_ticks=tuple(
            x_tick(round(_LEFT + at / 1_000 * unit_x, 1), f"+{at / 10:g}%", WIDTH, _LEFT)
            for at in nice_ticks(int(1_000 * most), _X_TICKS)
        ),
    )


def _text_y(y: float, limit: float | None) -> float:
    """Above the dot; below it, and below the line of the limit, where that line or its label is in the way."""
    if limit is None or not y - 20 < limit < y + 16:
        return round(y - 7, 1)
    return round(max(y, limit) + 16, 1)


def _beats(a: Alternative, b: Alternative) -> bool:
    """Whether ``a`` is at least as good as ``b`` in both and better in one."""
    mine, other = (a.declare_bytes, a.work_factor), (b.declare_bytes, b.work_factor)
    return mine != other and mine[0] <= other[0] and mine[1] <= other[1]


def _percent(factor: float) -> str:
    return f"{100 * (factor - 1):+.1f}%"
