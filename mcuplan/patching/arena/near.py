"""Good combinations of stages soon: shortest paths through the lattice, for many bounds on bytes in use at once.

Where bytes in use may be no more than some bound, persistent growth and time at a price are lengths of edges that add
up: so for each bound and price one pass over the boundaries finds the best combination (a Lagrangian heuristic for the
shortest path with a limit: G. Handler and I. Zang, "A dual algorithm for the constrained shortest path problem", 1980).
Only what the best of them is made of is written and counted, and then the pass is made again, until it is made of
nothing else (as in C. Dellin and S. Srinivasa, "A unifying formalism for shortest path problems with expensive edge
evaluations", 2016). :mod:`.lattice` then seeks better ones in earnest: in networks of many operators it would not come
to an end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcuplan.patching.arena.lattice import Lattice, Path
from mcuplan.patching.arena.options import Candidate, Option
from mcuplan.tflm.alignment import ARENA_ALIGNMENT

Floats = NDArray[np.float64]

_BOUNDS = 48
"""Bounds on bytes in use that are tried in one pass."""

_FINER = 2
"""Passes around the best bound of those before."""

_PRICES = (0.0, *(16.0 * 2**k for k in range(13)))
"""What all time that is allowed may cost, in bytes."""

_PASSES = 64
"""Passes until what was found by its rows has to be exact."""

_PARTS = (8.0, 4.0, 2.5, 2.0, 1.7, 1.5, 1.35, 1.2, 1.1, 1.0)
"""Parts of the arena that is to be gone below: most stages need not be looked at where there is a plan that takes no
more than a small one."""


class _Sums(NamedTuple):
    """What adds up along a path, for each bound and price: length, persistent growth, that of the peak while TFLM
    plans, and time."""

    length: Floats
    growth: Floats
    planning: Floats
    time: Floats

    def behind(self, other: _Sums) -> _Sums:
        """The sums of a path gone on."""
        return _Sums(*(a + b for a, b in zip(self, other, strict=True)))


class _Edge(NamedTuple):
    """A stage, its forms, and for each bound and price the best of them: which, and what it takes."""

    candidate: Candidate
    options: Sequence[Option]
    best: NDArray[np.intp]
    sums: _Sums


class _Found(NamedTuple):
    """Bytes of arena at least, the bound they were found at, and the stages in their forms."""

    least: int
    bound: int
    choices: tuple[tuple[Candidate, Option], ...]


class Near:
    """The combinations that add no more than ``most_macs`` and take fewer than ``below`` bytes."""

    def __init__(self, lattice: Lattice, most_macs: float, below: int) -> None:
        self._lattice = lattice
        self._most_macs = most_macs
        self._below = below
        self._persistent = lattice.outside.persistent_bytes + ARENA_ALIGNMENT - 1
        self._room = 0

    def known(self, most_time: float) -> Path | None:
        """The same of the forms that are known already; they are not looked for."""
        self._room = self._below - self._lattice.outside.persistent_bytes
        return self._exact(most_time, _PLANNED[0], [c for c in self._every() if c.options])

    def best(self, most_time: float) -> Path | None:
        """The best combination found that adds no more than ``most_time``, written and counted; None where none is."""
        for part in _PARTS:
            below = int(self._below / part)
            self._room = max(self._room, below - self._lattice.outside.persistent_bytes)
            best: Path | None = None
            for planned in _PLANNED:
                found = self._exact(most_time, planned)
                if found is not None and (best is None or self._lattice.least(found) < self._lattice.least(best)):
                    best = found
                if best is not None and self._lattice.least(best) <= best.peak + best.growth + self._persistent:
                    break  # what TFLM takes while it plans is no matter
            if best is not None and self._lattice.least(best) < below:
                return best
        return None

    def _every(self) -> Iterator[Candidate]:
        return (c for found in self._lattice.stages.values() for c in found)

    def _exact(self, most_time: float, planned: float, known: Sequence[Candidate] | None = None) -> Path | None:
        candidates = known
        if candidates is None:
            candidates = [c for c in self._every() if self._lattice.options.within(c, self._room)]
        for _ in range(_PASSES):
            found = self._finest(candidates, most_time, planned)
            if found is None or not found.choices:
                return None
            new = [(c, o) for c, o in found.choices if not o.tried]
            for candidate, option in new:
                self._lattice.deadline.check()
                self._lattice.options.tried(candidate, option)
            if not new:
                return self._lattice.combined([(c.stage, o.form) for c, o in found.choices])
        return None

    def _finest(self, candidates: Sequence[Candidate], most_time: float, planned: float) -> _Found | None:
        """The best over all bounds: over some of them, then over those beside the best."""
        usable = [(c, self._usable(c)) for c in candidates]
        passing = {o.inside + c.passing for c, options in usable for o in options}
        values = sorted(v for v in {*passing, *self._lattice.outside.operator_bytes} if v < self._room)
        best: _Found | None = None
        for _ in range(1 + _FINER):
            step = max(-(-len(values) // _BOUNDS), 1)
            bounds = values[::-1][::step][::-1]
            found = self._pass(usable, bounds, most_time, planned) if bounds else None
            if found is None:
                break
            best = found if best is None or found.least < best.least else best
            at = bounds.index(found.bound)
            low = bounds[at - 1] if at else values[0]
            high = bounds[min(at + 1, len(bounds) - 1)]
            values = [v for v in values if low <= v <= high]
            if step == 1:
                break
        return best

    def _usable(self, candidate: Candidate) -> Sequence[Option]:
        """The forms that are exact, or may still become so."""
        exhausted = self._lattice.exhausted
        return [o for o in candidate.options if o.tried or o.counted or not exhausted]

    def _pass(
        self,
        usable: Sequence[tuple[Candidate, Sequence[Option]]],
        bounds: Sequence[int],
        most_time: float,
        planned: float,
    ) -> _Found | None:
        lattice, limit = self._lattice, np.array(bounds)[:, None]
        prices = np.array(_PRICES) / most_time if 0 < most_time < math.inf else np.zeros(1)
        behind: list[list[_Edge]] = [[] for _ in range(lattice.end)]
        for candidate, options in usable:
            if options:
                behind[candidate.stage.first].append(_edge(candidate, options, limit, prices, planned))
        shape = len(bounds), len(prices)
        none = _Sums(*(np.zeros(shape) for _ in _Sums._fields))
        reached = [none, *(none._replace(length=np.full(shape, math.inf)) for _ in range(lattice.end))]
        by = [np.full(shape, -1) for _ in range(lattice.end + 1)]
        edges: list[_Edge] = []
        for at in range(lattice.end):
            if not lattice.fed[at]:
                small = np.broadcast_to(limit >= lattice.outside.operator_bytes[at], shape)
                _relax(reached, by, at + 1, reached[at], -1, small)
            for edge in behind[at]:
                _relax(reached, by, edge.candidate.stage.last, reached[at].behind(edge.sums), len(edges))
                edges.append(edge)
        outside, end = lattice.outside, reached[-1]
        arena = np.maximum(
            limit + outside.persistent_bytes + end.growth, outside.planning_bytes + end.planning
        )  # fmt: skip
        arena = np.where((end.length < math.inf) & (end.time <= most_time), arena, math.inf)
        for cell in np.argsort(arena, axis=None)[:_CELLS]:
            row, column = divmod(int(cell), len(prices))
            if arena[row, column] == math.inf:
                break
            choices = self._choices(by, edges, row, column)
            if sum(o.extra_macs for _, o in choices) <= self._most_macs:
                return _Found(self._least(choices), bounds[row], choices)
        return None

    def _choices(
        self, by: Sequence[NDArray[np.int_]], edges: Sequence[_Edge], row: int, column: int
    ) -> tuple[tuple[Candidate, Option], ...]:
        found: list[tuple[Candidate, Option]] = []
        at = self._lattice.end
        while at:
            number = int(by[at][row, column])
            if number < 0:
                at -= 1
                continue
            edge = edges[number]
            found.append((edge.candidate, edge.options[edge.best[row, column]]))
            at = edge.candidate.stage.first
        return tuple(reversed(found))

    def _least(self, choices: Sequence[tuple[Candidate, Option]]) -> int:
        """Bytes of arena that the stages take at least."""
        outside, staged = self._lattice.outside, set[int]()
        for candidate, _ in choices:
            staged.update(range(candidate.stage.first, candidate.stage.last))
        whole = [size for k, size in enumerate(outside.operator_bytes) if k not in staged]
        peak = max([*whole, *(o.inside + c.passing for c, o in choices)], default=0)
        return max(
            peak + outside.persistent_bytes + sum(o.growth for _, o in choices),
            outside.planning_bytes + sum(o.planning for _, o in choices),
        )


_PLANNED = (0.0, 0.5, 1.0)
"""How much of the length of a path is the growth of the peak while TFLM plans; the rest is persistent growth."""

_CELLS = 16
"""Of the best bounds and prices, how many are looked at for one within the limit on MACs."""


def _edge(
    candidate: Candidate, options: Sequence[Option], limit: NDArray[np.int_], prices: Floats, planned: float
) -> _Edge:
    inside = np.array([o.inside + candidate.passing for o in options])
    taken = [(o.growth, max(o.planning, o.growth), o.extra_time) for o in options]
    growth, planning, time = (np.array(each, dtype=np.float64) for each in zip(*taken, strict=True))
    length = ((1 - planned) * growth + planned * planning)[:, None, None] + time[:, None, None] * prices
    length = np.where(inside[:, None, None] <= limit, length, math.inf)
    best = np.argmin(length, axis=0)
    return _Edge(candidate, options, best, _Sums(np.min(length, axis=0), growth[best], planning[best], time[best]))


def _relax(
    reached: list[_Sums], by: list[NDArray[np.int_]], at: int, found: _Sums, edge: int,
    where: NDArray[np.bool_] | None = None,
) -> None:  # fmt: skip
    """Come to a boundary by an edge where that is shorter than the ways known there."""
    better = found.length < reached[at].length
    better = better if where is None else better & where
    reached[at] = _Sums(*(np.where(better, new, old) for new, old in zip(found, reached[at], strict=True)))
    by[at] = np.where(better, edge, by[at])
