"""Offsets for a graph with patch stages: which of the ties that can be loosened are kept, and the best plan of all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcuplan.deadline import Deadline
from mcuplan.graph import Graph
from mcuplan.patching.writing.build import Draft
from mcuplan.planning.arena_problem import ArenaProblem, Arrangement, Layout
from mcuplan.planning.blocks import Blocks, TieError
from mcuplan.planning.plan import worst
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import AliasOption, Relation
from mcuplan.tflm.arena import predict
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import Target


@dataclass(frozen=True)
class PlannedDraft:
    """A draft with offsets in it: the graph to write and what TFLM makes of it, on the target that needs most.

    ``usable`` tells that all scratch, which TFLM places, comes to lie where kernels can use it.
    """

    graph: Graph
    arena: ArenaPrediction
    lower_bound_bytes: int
    usable: bool = True

    def rank(self) -> tuple[bool, int, int]:
        """The less, the better."""
        return not self.usable, self.arena.declare_bytes, self.arena.nonpersistent_bytes


_CLIMBS = 24
"""Arrangements placed from one beginning, about."""


class DraftProblem:
    """The arena problem of a draft, and the arrangements of its tensors that are worth placing."""

    def __init__(
        self,
        draft: Draft,
        targets: Target | Sequence[Target],
        aliases: bool = True,
        deadline: Deadline | None = None,
    ) -> None:
        self.draft = draft
        self.aliases = aliases
        self.problem = ArenaProblem(draft.graph, targets, draft.ties, draft.loops, draft.own, deadline)
        self.every = frozenset(tie.choice for tie in draft.ties if tie.choice)
        self._blocks: dict[bool, tuple[Blocks, tuple[AliasOption, ...]]] = {}
        self._arranged: dict[tuple[frozenset[str], bool], Arrangement | None] = {}

    def _aliases(self, trails: bool) -> list[AliasOption]:
        """All aliases, with or without outputs that lie some rows before their inputs; copies first."""
        every = (o for options in self.problem.options for o in options if self.aliases)
        return sorted((o for o in every if trails or o.at >= 0), key=lambda o: o.relation is Relation.OVERWRITE)

    def _laid(self, trails: bool) -> tuple[Blocks, tuple[AliasOption, ...]]:
        if trails not in self._blocks:
            self._blocks[trails] = self.problem.blocks(self._aliases(trails))
        return self._blocks[trails]

    def arrangement(self, choices: frozenset[str], trails: bool = True) -> Arrangement | None:
        """The blocks where rows kept lie in place for the tensors of ``choices``; None where that is contradictory."""
        if (choices, trails) not in self._arranged:
            try:
                found = self.problem.arrangement(*self._laid(trails), choices)
            except TieError:
                if not choices:
                    raise
                found = None
            self._arranged[choices, trails] = found
        return self._arranged[choices, trails]

    @property
    def tightest(self) -> Arrangement:
        """Everything over one another, which leaves the fewest bytes in use."""
        found = self.arrangement(self.every) or self.arrangement(frozenset())
        assert found is not None
        return found

    def arrangements(self, thorough: bool = True) -> Iterator[Arrangement]:
        """Choices worth placing: all in place, all apart, and (``thorough``) apart but where the most bytes are in use.

        Each with outputs that trail over their inputs, and without: tensors that lie over one another cannot be moved
        one by one. What comes to the same is told once.
        """
        told: set[tuple[object, ...]] = set()
        for trails in (True, False) if self._laid(True)[1] != self._laid(False)[1] else (True,):
            for choices in self._choices(trails, thorough):
                found = self.arrangement(choices, trails)
                same = () if found is None else tuple((p.buffer, tuple(p.tensors.items())) for p in found.pieces)
                if found is not None and same not in told:
                    told.add(same)
                    yield found

    def _choices(self, trails: bool, thorough: bool) -> Iterator[frozenset[str]]:
        yield self.every
        if not self.every:
            return
        best: frozenset[str] = frozenset()
        yield best
        if not thorough:
            return
        least = self._bound(best, trails)
        while True:
            more = [best | {choice} for choice in sorted(self.every - best)]
            found = min(more, key=lambda choices: self._bound(choices, trails), default=best)
            if self._bound(found, trails) >= least:
                break
            best, least = found, self._bound(found, trails)
        if best and best != self.every:
            yield best

    def _bound(self, choices: frozenset[str], trails: bool) -> float:
        found = self.arrangement(choices, trails)
        return float("inf") if found is None else found.lower_bound_bytes

    @property
    def lower_bound_bytes(self) -> int:
        """The lower bound with everything over one another."""
        return self.tightest.lower_bound_bytes

    def plan(
        self, effort: str = "default", thorough: bool = True, below: int | None = None, climbs: bool = False
    ) -> PlannedDraft:
        """Solve, write the offsets into the graph and replay TFLM.

        All arrangements that may be better than others are placed fast, where it ``climbs`` also those with one choice
        changed, as long as that helps; of what more effort makes of the best two the better one is taken. Little is
        spent on those that do not come ``below`` so many bytes of the planned section.
        """
        placed: dict[tuple[bool, int, int, int], Arrangement] = {}
        best: _Solved | None = None
        for arrangement in self.arrangements(thorough):
            least = arrangement.lower_bound_bytes
            if best is None or not best.usable or least < best.head_bytes:
                found = self._solved(arrangement, "fast")
                placed.setdefault((*found.rank, least), arrangement)
                best = found if best is None else min(best, found, key=lambda solved: solved.rank)
        assert best is not None
        for solved, arrangement in self._climb(best) if climbs else ():
            placed.setdefault((*solved.rank, arrangement.lower_bound_bytes), arrangement)
            best = min(best, solved, key=lambda each: each.rank)
        for rank in sorted(placed)[: 0 if effort == "fast" else 2]:
            arrangement = placed[rank]
            if not best.usable or arrangement.lower_bound_bytes < best.head_bytes:
                best = min(best, self._solved(arrangement, effort, below), key=lambda solved: solved.rank)
            if best.usable:
                below = min(below or best.head_bytes, best.head_bytes)
        return best.planned or self._planned(best.layout)

    def _climb(self, best: _Solved) -> Iterator[tuple[_Solved, Arrangement]]:
        """Choices changed one by one, from all apart and from all in place, placed fast; what is better is gone on
        from."""
        for choices in (frozenset[str](), self.every):
            tries, better = 0, True
            least = math.inf
            while better and tries < _CLIMBS:
                better = False
                for choice in sorted(self.every):
                    found = self.arrangement(choices ^ {choice})
                    if found is None or found.lower_bound_bytes >= min(least, best.head_bytes):
                        continue
                    tries += 1
                    solved = self._solved(found, "fast")
                    yield solved, found
                    if solved.usable and solved.head_bytes < least:
                        least, choices, better = solved.head_bytes, choices ^ {choice}, True

    def _solved(self, arrangement: Arrangement, effort: str, below: int | None = None) -> _Solved:
        layout = self.problem.solve(arrangement, effort, below=None if effort == "best" else below)
        head = layout.head_bytes
        if len(self.problem.targets) == 1:  # the higher its head, the more there is to declare
            return _Solved(layout, (not layout.usable, head, head), head)
        planned = self._planned(layout)
        return _Solved(layout, planned.rank(), planned.arena.nonpersistent_bytes, planned)

    def _planned(self, layout: Layout) -> PlannedDraft:
        graph = set_offline_plan(self.draft.graph, layout.offsets)
        arena = worst([predict(graph, target) for target in self.problem.targets])
        return PlannedDraft(graph, arena, self.lower_bound_bytes, layout.usable)


@dataclass(frozen=True, slots=True)
class _Solved:
    """Offsets of an arrangement, how they rank (the less, the better), and the planned section that TFLM makes."""

    layout: Layout
    rank: tuple[bool, int, int]
    head_bytes: int
    planned: PlannedDraft | None = None

    @property
    def usable(self) -> bool:
        """Whether all scratch comes to lie where kernels can use it."""
        return self.layout.usable
