"""The few characters that draw bars, and plain ones for terminals that cannot show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters of a bar: filled, empty, and the mark where the limit lies in a bar that goes past it."""

    full: str
    empty: str
    mark: str


BLOCKS = Glyphs("█", "░", "│")
PLAIN = Glyphs("#", ".", "|")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Block characters where ``encoding`` has them, else ASCII."""
    try:
        "".join((BLOCKS.full, BLOCKS.empty, BLOCKS.mark)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return BLOCKS


def bar(figure: int, limit: int, width: int, glyphs: Glyphs) -> str:
    """``figure`` against ``limit`` in ``width`` cells.

    A figure over its limit fills the bar, and a mark shows where the limit lies. Anything above zero shows.

    Examples
    --------
    >>> bar(25, 100, 8, PLAIN), bar(1, 1000, 8, PLAIN), bar(200, 100, 9, PLAIN)
    ('##......', '#.......', '####|####')
    """
    if width <= 0:
        return ""
    if limit > 0 and figure <= limit:
        filled = min(width, max(round(figure / limit * width), 1 if figure > 0 else 0))
        return glyphs.full * filled + glyphs.empty * (width - filled)
    at = min(width - 1, round(limit / max(figure, 1) * (width - 1)))
    return glyphs.full * at + glyphs.mark + glyphs.full * (width - 1 - at)
