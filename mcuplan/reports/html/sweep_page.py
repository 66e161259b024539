"""A sweep as a picture: what models take of RAM and flash, board by board, and which fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from mcuplan.reports.documents.sweep import SweepRow
from mcuplan.reports.html.axis import Tick, nice_ticks, short_bytes, x_tick
from mcuplan.reports.html.render import render
from mcuplan.text import show_bytes
from mcuplan.version import __version__

WIDTH, HEIGHT = 480.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 14.0, 16.0, 34.0
_FAR = 1.4
"""A limit up to so many times beyond all points is drawn; a farther one would press them together."""
_GRID = 2.0
"""Picture units within which points become one mark: so that a page is no larger than its picture, however many."""
_NAMES = 3

Key: TypeAlias = tuple[str, str]
"""A panel: its board and its manner of planning."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Models that lie at one place, with one verdict."""

    x: float
    y: float
    verdict: str
    details: str


@dataclass(frozen=True, slots=True)
class Room:
    """The corner of the picture that limits leave: a model in it fits. Open where a limit lies far outside."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One board: flash to the right, RAM upwards."""

    title: str
    summary: str
    sentence: str
    marks: tuple[Mark, ...]
    room: Room | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(slots=True)
class _Extent:
    """What a first look at a board's rows gives: how far they reach, its limits, its verdicts."""

    flash: int = 0
    ram: int = 0
    flash_limit: int | None = None
    ram_limit: int | None = None
    verdicts: Counter[str] = field(default_factory=Counter)

    def take(self, row: SweepRow) -> None:
        """Count a row in."""
        self.verdicts[row.verdict] += 1
        self.flash = max(self.flash, row.flash_bytes or 0)
        self.ram = max(self.ram, row.ram_bytes or 0)
        self.flash_limit = row.flash_limit or self.flash_limit
        self.ram_limit = row.ram_limit or self.ram_limit


def render_sweep(rows: Callable[[], Iterable[SweepRow]]) -> str:
    """The page; ``rows`` is asked twice for all rows, so that no more than the picture is held."""
    extents: dict[Key, _Extent] = {}
    for row in rows():
        extents.setdefault(_key(row), _Extent()).take(row)
    scales = {key: _Scale(extent) for key, extent in extents.items()}
    for row in rows():
        scales[_key(row)].place(row)
    panels = tuple(_panel(key, extents[key], scale) for key, scale in scales.items())
    total = sum((extent.verdicts for extent in extents.values()), Counter[str]())
    return render("sweep.html", panels=panels, summary=_counts(total), version=__version__)


def _key(row: SweepRow) -> Key:
    return row.board or "no board", row.plan


class _Scale:
    """Bytes to places, and what lies at each."""

    def __init__(self, extent: _Extent) -> None:
        self.flash = _reach(extent.flash, extent.flash_limit)
        self.ram = _reach(extent.ram, extent.ram_limit)
        self.at: dict[tuple[float, float, str], tuple[list[str], int]] = {}

    def x(self, flash: int) -> float:
        """Where so much flash is."""
        return round(_LEFT + flash / self.flash * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, ram: int) -> float:
        """Where so much RAM is."""
        return round(HEIGHT - _BOTTOM - ram / self.ram * (HEIGHT - _TOP - _BOTTOM), 1)

    def place(self, row: SweepRow) -> None:
        """Put a row where it lies; one without figures lies nowhere."""
        if row.flash_bytes is None or row.ram_bytes is None:
            return
        x, y = (round(round(at / _GRID) * _GRID, 1) for at in (self.x(row.flash_bytes), self.y(row.ram_bytes)))
        names, count = self.at.get((x, y, row.verdict), ([], 0))
        if count < _NAMES:
            names.append(_told(row))
        self.at[x, y, row.verdict] = names, count + 1


def _reach(most: int, limit: int | None) -> float:
    """The bytes at the end of an axis."""
    top = max(most, 1)
    return 1.04 * (limit if limit is not None and top < limit <= _FAR * top else top)


def _told(row: SweepRow) -> str:
    arena = f", arena {row.arena_bytes:,} B" if row.arena_bytes is not None else ""
    time = f", {row.latency_us / 1e3:,.3g} ms" if row.latency_us is not None else ""
    why = f": {row.reason}" if row.reason else ""
    return (
        f"{row.model} {row.verdict}: RAM {row.ram_bytes:,} B{arena}, flash {row.flash_bytes:,} B, "
        f"{row.macs or 0:,} MACs{time}{why}"
    )


def _panel(key: Key, extent: _Extent, scale: _Scale) -> Panel:
    board, way = key
    marks = []
    for (x, y, verdict), (names, count) in sorted(scale.at.items(), key=lambda at: at[0][2] == "pass"):
        more = f"; and {count - len(names):,} more here" if count > len(names) else ""
        marks.append(Mark(x, y, verdict, "; ".join(names) + more))
    counts = _counts(extent.verdicts)
    title = board if way == "as-is" else f"{board}, {'planned' if way == 'plan' else 'with patch stages'}"
    return Panel(
        title=title,
        summary=f"{title}: {counts}",
        sentence=_sentence(extent),
        marks=tuple(marks),
        room=_room(extent, scale),
        x_ticks=tuple(x_tick(scale.x(at), short_bytes(at), WIDTH) for at in nice_ticks(int(scale.flash), 5)),
        y_ticks=tuple(Tick(scale.y(at), short_bytes(at)) for at in nice_ticks(int(scale.ram), 4)),
    )


def _room(extent: _Extent, scale: _Scale) -> Room | None:
    if extent.ram_limit is None and extent.flash_limit is None:
        return None
    right, top = WIDTH - _RIGHT, _TOP
    x = right if extent.flash_limit is None else min(scale.x(extent.flash_limit), right)
    y = top if extent.ram_limit is None else max(scale.y(extent.ram_limit), top)
    return Room(_LEFT, y, round(x - _LEFT, 1), round(HEIGHT - _BOTTOM - y, 1), "fits")


def _sentence(extent: _Extent) -> str:
    limits = [
        f"{show_bytes(limit)} of {name}"
        for name, limit in (("RAM", extent.ram_limit), ("flash", extent.flash_limit))
        if limit is not None
    ]
    room = f"There is room for {' and '.join(limits)}." if limits else ""
    unread = extent.verdicts["error"]
    return f"{room} {unread:,} could not be read." if unread else room


def _counts(verdicts: Counter[str]) -> str:
    said = {"pass": "fit", "fail": "do not", "unsupported": "are refused by TFLM", "error": "cannot be read"}
    return ", ".join(f"{verdicts[name]:,} {text}" for name, text in said.items() if verdicts[name])
