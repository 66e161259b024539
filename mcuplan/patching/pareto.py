"""Pareto curves of bytes against MACs, and the best paths over stages whose costs are such curves.

RAM is the maximum along a path, MACs are the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_UNREACHED = np.int64(2**60)


@dataclass(frozen=True)
class Curve:
    """Alternatives that no other beats in both: rising bytes, falling MACs, and a code that says how each is made."""

    bytes: NDArray[np.int64]
    macs: NDArray[np.int64]
    codes: NDArray[np.int64]

    @staticmethod
    def point(held: int, macs: int, code: int) -> Curve:
        """A single alternative."""
        return Curve(*(np.array([value], dtype=np.int64) for value in (held, macs, code)))

    def __len__(self) -> int:
        return len(self.bytes)

    def shifted(self, held: int, macs: int) -> Curve:
        """Every alternative with that many more bytes and MACs."""
        return Curve(self.bytes + held, self.macs + macs, self.codes)

    def coded(self, code: int) -> Curve:
        """The same alternatives, all with one code."""
        return Curve(self.bytes, self.macs, np.full_like(self.codes, code))

    def floor(self, held: int) -> Curve:
        """Every alternative with at least ``held`` bytes, the beaten ones left out."""
        return merge([Curve(np.maximum(self.bytes, held), self.macs, self.codes)])

    def code_of(self, held: int, macs: int) -> int:
        """The code of the alternative with exactly these costs; :class:`KeyError` where there is none."""
        at = int(np.searchsorted(self.bytes, held))
        if at == len(self) or self.bytes[at] != held or self.macs[at] != macs:
            raise KeyError((held, macs))
        return int(self.codes[at])


def merge(curves: Sequence[Curve]) -> Curve:
    """The alternatives of all curves that no other beats; of equals, the first."""
    if len(curves) == 1 and len(curves[0]) == 1:
        return curves[0]
    held, macs, codes = (
        np.concatenate(parts) for parts in zip(*((c.bytes, c.macs, c.codes) for c in curves), strict=True)
    )
    order = np.lexsort((macs, held))
    held, macs, codes = held[order], macs[order], codes[order]
    best = np.minimum.accumulate(macs)
    keep = np.ones(len(macs), dtype=bool)
    keep[1:] = macs[1:] < best[:-1]
    return Curve(held[keep], macs[keep], codes[keep])


Edges = Mapping[tuple[int, int], Curve]
"""For boundaries ``(a, b)``, a < b, the alternatives of running what lies between them as one stage."""


@dataclass(frozen=True, slots=True)
class Point:
    """RAM and MACs of one plan."""

    ram_bytes: int
    macs: int


@dataclass(frozen=True, slots=True)
class Step:
    """One stage on a path: its boundaries, its costs, and the code of the alternative."""

    first: int
    end: int
    ram_bytes: int
    macs: int
    code: int


class Front:
    """Every plan that no other beats in both, by rising RAM and falling MACs."""

    def __init__(self, edges: Edges, boundaries: int) -> None:
        self._edges = edges
        self._boundaries = boundaries
        given = [np.zeros(int(boundaries == 0), dtype=np.int64), *(curve.bytes for curve in edges.values())]
        limits = np.unique(np.concatenate(given))
        macs = _shortest(edges, boundaries, limits)
        keep = np.ones(len(macs), dtype=bool)
        keep[1:] = macs[1:] < np.minimum.accumulate(macs)[:-1]
        keep &= macs < _UNREACHED
        self.points = tuple(Point(int(ram), int(cost)) for ram, cost in zip(limits[keep], macs[keep], strict=True))

    def least_ram(self, max_macs: float | None = None) -> Point | None:
        """The point with the least RAM among those with at most ``max_macs``; None where there is none."""
        return next((p for p in self.points if max_macs is None or p.macs <= max_macs), None)

    def fewest_macs(self, max_ram_bytes: int) -> Point | None:
        """The point with the fewest MACs among those with at most that RAM; None where there is none."""
        return next((p for p in reversed(self.points) if p.ram_bytes <= max_ram_bytes), None)

    def path(self, point: Point) -> tuple[Step, ...]:
        """The stages behind a point; of equal paths, the one whose stages take the least RAM added up."""
        best: list[_Reached] = [_Reached(0, 0, None)]
        for end in range(1, self._boundaries + 1):
            found = _Reached(int(_UNREACHED), 0, None)
            for first in range(end):
                step = self._step(first, end, point.ram_bytes)
                if step is not None and best[first].macs < _UNREACHED:
                    here = _Reached(best[first].macs + step.macs, best[first].ram_sum + step.ram_bytes, step)
                    found = min(found, here, key=lambda reached: (reached.macs, reached.ram_sum))
            best.append(found)
        return _traced(best)

    def _step(self, first: int, end: int, limit: int) -> Step | None:
        """The alternative between two boundaries with the fewest MACs within a RAM limit."""
        curve = self._edges.get((first, end))
        at = -1 if curve is None else int(np.searchsorted(curve.bytes, limit, side="right")) - 1
        if curve is None or at < 0:
            return None
        return Step(first, end, int(curve.bytes[at]), int(curve.macs[at]), int(curve.codes[at]))


@dataclass(frozen=True, slots=True)
class _Reached:
    """The best way to a boundary: its MACs, the RAM of its stages added up, and its last stage."""

    macs: int
    ram_sum: int
    step: Step | None


def _shortest(edges: Edges, boundaries: int, limits: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each RAM limit, the fewest MACs of a path from the first boundary to the last."""
    reached = [np.zeros(len(limits), dtype=np.int64)]
    for end in range(1, boundaries + 1):
        best = np.full(len(limits), _UNREACHED)
        for first in range(end):
            curve = edges.get((first, end))
            if curve is None:
                continue
            at = np.searchsorted(curve.bytes, limits, side="right") - 1
            macs = np.where(at >= 0, curve.macs[np.maximum(at, 0)], _UNREACHED)
            np.minimum(best, reached[first] + macs, out=best)
        reached.append(np.minimum(best, _UNREACHED))
    return reached[-1]


def _traced(best: Sequence[_Reached]) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = len(best) - 1
    while (step := best[at].step) is not None:
        steps.append(step)
        at = step.first
    return tuple(reversed(steps))
