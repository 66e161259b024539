"""Problems cut down in time, for bounds: what some of the time needs, all of it needs.

Most of what makes a problem impossible lies close together. A stretch begins around a full section and grows; the
search solves it long before it could solve the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mcuplan.memory.problem import Buffer
from mcuplan.memory.sections import Sections

FIRST_REACH = 2
"""Sections to both sides of the centre that the first stretch takes in."""

GROWTH = 1.2
"""How much farther the next stretch reaches."""


def centres(sections: Sections) -> list[int]:
    """The fullest section, and the fullest of those far from it."""
    totals = sections.totals
    fullest = max(range(len(totals)), key=totals.__getitem__)
    far = max(8, len(totals) // 8)
    others = [s for s in range(len(totals)) if abs(s - fullest) >= far]
    return [fullest, max(others, key=totals.__getitem__)] if others else [fullest]


def stretches(sections: Sections, buffers: Sequence[Buffer], centre: int) -> Iterator[list[Buffer]]:
    """The buffers as far as they are live around a section, ever farther around it, but never all of them whole."""
    count = len(sections.steps)
    reach = float(FIRST_REACH)
    while True:
        first, last = max(0, centre - int(reach)), min(count, centre + int(reach) + 1)
        if first == 0 and last == count:
            return
        lower, upper = sections.steps[first][0], sections.steps[last - 1][1]
        yield [part for b in buffers if (part := clipped(b, lower, upper)) is not None]
        reach = max(reach + 1, reach * GROWTH)


def clipped(buffer: Buffer, lower: int, upper: int) -> Buffer | None:
    """The buffer as far as it is live in ``[lower, upper)``; None where it is not."""
    first, last = max(buffer.lower, lower), min(buffer.upper, upper)
    windows = tuple(
        replace(w, lower=max(w.lower, first), upper=min(w.upper, last))
        for w in buffer.windows
        if w.lower < last and first < w.upper
    )
    if first >= last or (buffer.windows and not windows):
        return None
    return replace(buffer, lower=first, upper=last, windows=windows)
