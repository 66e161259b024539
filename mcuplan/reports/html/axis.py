"""Where bytes and steps lie in a picture: linear scales and round ticks."""

from __future__ import annotations

from dataclasses import dataclass

CHARACTER = 7.4
"""Width of a character of chart text, in picture units: what decides whether a label fits. On narrow screens text is
larger (report.css), so that this is more than most characters take on wide ones."""
BOLD = 8.6
"""The same for bold text, most of it capitals."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    label: str


def x_tick(at: float, label: str, width: float, left: float = 0.0) -> Tick:
    """A mark on a lying axis whose label, centred below it, stays inside a picture ``width`` units wide, and right of
    ``left`` (where the lowest label of a standing axis ends).

    Examples
    --------
    >>> x_tick(300, "200", 480), x_tick(479, "300", 480)
    (Tick(at=300, label='200'), Tick(at=467.9, label='300'))
    """
    half = len(label) * CHARACTER / 2
    return Tick(min(max(at, round(left + half, 1)), round(width - half - 1, 1)), label)


def nice_ticks(top: int, count: int = 5) -> tuple[int, ...]:
    """Round values from 0 to at most ``top``, about ``count`` of them: steps of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> nice_ticks(87_920)
    (0, 20000, 40000, 60000, 80000)
    """
    if top <= 0:
        return (0,)
    rough = max(top // count, 1)
    power = 10 ** (len(str(rough)) - 1)
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    return tuple(range(0, top + 1, step))


def short_bytes(amount: int) -> str:
    """Bytes for an axis: ``800 B``, ``20 kB``, ``1.5 MB``."""
    if amount < 1_000:
        return f"{amount} B"
    unit, size = ("MB", 1_000_000) if amount >= 999_500 else ("kB", 1_000)
    return f"{amount / size:.3g} {unit}" if amount < 999_500_000 else f"{amount / size:,.0f} {unit}"


def fit(text: str, width: float) -> str:
    """``text`` where it fits in ``width`` picture units, else its beginning, else nothing."""
    room = int(width / CHARACTER)
    if len(text) <= room:
        return text
    return f"{text[: room - 1]}…" if room >= 4 else ""
