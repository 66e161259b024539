"""Offsets for a graph with patch stages: tensors that the rewriting ties are one block, and the rest is solved.

Each byte of a block is in use from a write to the last read before the next one, so that rows of a map become free as
strips consume them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import Graph
from mcuplan.memory import Buffer, Problem, lower_bound, solve
from mcuplan.patching.arena.blocks import Blocks, TieError
from mcuplan.patching.arena.touches import Run, Touch, buffer_of, bytes_in_use
from mcuplan.patching.writing.build import Draft, Place, Tie
from mcuplan.planning.allocation import ALIGNMENT, ArenaProblem, misaligned
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import Relation
from mcuplan.tflm.arena import predict
from mcuplan.tflm.offline import ONLINE
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer
from mcuplan.tflm.target import Target


@dataclass(frozen=True)
class PlannedDraft:
    """A draft with offsets in it: the graph to write and what TFLM makes of it.

    ``usable`` tells that all scratch, which TFLM places, comes to lie where kernels can use it.
    """

    graph: Graph
    arena: ArenaPrediction
    lower_bound_bytes: int
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Piece:
    """A buffer of the allocation problem: ``tensors`` at displacements in bytes, or ``scratch`` by its number in
    TFLM's plan (-1: none)."""

    buffer: Buffer
    tensors: Mapping[Place, int]
    scratch: int = -1


@dataclass(frozen=True)
class Arrangement:
    """The blocks for one choice of ties, as an allocation problem.

    ``trails`` tells that outputs of convolutions and pools outside the stages lie some rows before their inputs.
    """

    choices: frozenset[str]
    trails: bool
    pieces: tuple[Piece, ...]
    allocation: Problem
    lower_bound_bytes: int


class DraftProblem:
    """The allocation problem of a draft on a target."""

    def __init__(self, draft: Draft, target: Target, aliases: bool = True) -> None:
        self.draft = draft
        self.target = target
        self.problem = ArenaProblem(draft.graph, target)
        buffers = self.problem.stock.plan
        self.bytes = {(b.subgraph, b.tensor): b.bytes for b in buffers if b.tensor >= 0}
        self.others = {trails: list(self._other_ties(trails)) if aliases else [] for trails in (True, False)}
        self.run = Run(draft, self.bytes, self._parts())
        self.every = frozenset(tie.choice for tie in draft.ties if tie.choice)
        self._arranged: dict[tuple[frozenset[str], bool], Arrangement] = {}

    def arrangement(self, choices: frozenset[str], trails: bool = True) -> Arrangement:
        """The blocks where rows kept lie in place for the tensors of ``choices``, and apart for the others."""
        if (choices, trails) not in self._arranged:
            blocks = Blocks()
            for tie in (*self.draft.ties, *self.others[trails]):
                known = tie.inner in self.bytes and tie.outer in self.bytes
                wanted = not tie.choice or tie.choice in choices
                if known and wanted and not blocks.tie(tie.inner, tie.outer, tie.at):
                    raise TieError(f"tensors {tie.inner} and {tie.outer} are tied in two ways")
            pieces = tuple(self._pieces(blocks))
            allocation = Problem(tuple(piece.buffer for piece in pieces))
            self._arranged[choices, trails] = Arrangement(choices, trails, pieces, allocation, lower_bound(allocation))
        return self._arranged[choices, trails]

    def arrangements(self) -> Iterator[Arrangement]:
        """Choices worth placing: all in place, all apart, and apart but where the most bytes are in use.

        Each with outputs that trail over their inputs, and without: tensors that lie over one another cannot be moved
        one by one.
        """
        for trails in (True, False) if self.others[True] != self.others[False] else (True,):
            yield from self._arrangements(trails)

    def _arrangements(self, trails: bool) -> Iterator[Arrangement]:
        yield self.arrangement(self.every, trails)
        if not self.every:
            return
        best = self.arrangement(frozenset(), trails)
        yield best
        while True:
            more = [self.arrangement(best.choices | {choice}, trails) for choice in sorted(self.every - best.choices)]
            found = min(more, key=lambda a: a.lower_bound_bytes, default=best)
            if found.lower_bound_bytes >= best.lower_bound_bytes:
                break
            best = found
        if best.choices and best.choices != self.every:
            yield best

    def _parts(self) -> dict[tuple[int, int], dict[int, tuple[int, int]]]:
        """By slice that costs no memory: the bytes of its input that it reads, by tensor."""
        parts: dict[tuple[int, int], dict[int, tuple[int, int]]] = {}
        for option in (o for options in self.problem.options for o in options):
            op = self.draft.graph.subgraphs[option.subgraph].operators[option.operator]
            if option.relation is Relation.SHARE and op.name in ("GATHER", "SLICE", "STRIDED_SLICE"):
                end = option.at + self.bytes.get((option.subgraph, option.inner), 0)
                parts.setdefault((option.subgraph, option.operator), {})[option.outer] = option.at, end
        return parts

    @property
    def lower_bound_bytes(self) -> int:
        """The lower bound with everything over one another, which leaves the fewest bytes in use."""
        return self.arrangement(self.every).lower_bound_bytes

    def _other_ties(self, trails: bool) -> Iterator[Tie]:
        """Aliases of operators whose tensors the rewriting has not placed itself, as far as they are safe."""
        own = self.draft.own
        for s, options in enumerate(self.problem.options):
            free = [o for o in options if (s, o.inner) not in own and (s, o.outer) not in own]
            chosen = [o for o in free if trails or o.at >= 0]
            chosen.sort(key=lambda o: o.relation is Relation.OVERWRITE)
            for group in self.problem.grouping(s, chosen).groups() if chosen else ():
                (first, first_at), *rest = group.tensors.items()
                for tensor, at in rest:
                    if (s, tensor) in self.bytes and (s, first) in self.bytes:
                        yield Tie((s, tensor), (s, first), at - first_at)

    # -- the allocation problem --------------------------------------------------------------------------------------

    def _pieces(self, blocks: Blocks) -> Iterator[Piece]:
        """Every buffer of the problem."""
        members: dict[Place, dict[Place, int]] = {}
        for place in self.bytes:
            root, at = blocks.find(place)
            members.setdefault(root, {})[place] = at
        touches: dict[Place, list[Touch]] = {}
        for touch in self.run.touches:
            touches.setdefault(blocks.find(touch.place)[0], []).append(touch)
        number = 0
        for root, tensors in members.items():
            least = min(tensors.values())
            displaced = {place: at - least for place, at in tensors.items()}
            size = max(at + self.bytes[place] for place, at in displaced.items())
            used = bytes_in_use([(t, displaced[t.place]) for t in touches.get(root, ())])
            if used:
                yield Piece(buffer_of(number, _up(size), used), displaced)
                number += 1
        for i, b in enumerate(self.problem.stock.plan):
            if b.tensor < 0 and b.size:
                used = dict.fromkeys(self.run.steps.get((b.subgraph, b.operator), ()), (0, b.size))
                if used:
                    yield Piece(buffer_of(number, b.size, used), {}, i)
                    number += 1

    def plan(self, effort: str = "default", time_limit: float | None = None) -> PlannedDraft:
        """Solve, write the offsets into the graph and replay TFLM."""
        planned = [self._placed(arrangement, effort, time_limit) for arrangement in self.arrangements()]
        return min(planned, key=lambda p: (not p.usable, p.arena.declare_bytes, p.arena.nonpersistent_bytes))

    def _placed(self, arrangement: Arrangement, effort: str, time_limit: float | None) -> PlannedDraft:
        """Offsets with which all scratch is aligned: what comes to lie wrong is tried at the arena's begin."""
        pinned: dict[int, int] = {}
        while True:
            offsets = self._offsets(arrangement, pinned, effort, time_limit)
            replayed = self.problem.replay(offsets)
            wrong = [i for i, b in enumerate(replayed) if misaligned(b) and i not in pinned]
            if not wrong:
                break
            pinned = self._at_begin(replayed, {*pinned, *wrong})
        graph = set_offline_plan(self.draft.graph, offsets)
        usable = not any(misaligned(b) for b in replayed)
        return PlannedDraft(graph, predict(graph, self.target), self.lower_bound_bytes, usable)

    def _at_begin(self, buffers: Sequence[PlannedBuffer], chosen: set[int]) -> dict[int, int]:
        """Offsets for scratch at the begin of the arena, where TFLM puts it if no tensor is there: largest first."""
        found: dict[int, int] = {}
        for i in sorted(chosen, key=lambda i: (-buffers[i].size, -i)):
            same_step = [
                k for k in found if buffers[k].first <= buffers[i].last and buffers[i].first <= buffers[k].last
            ]
            found[i] = max((found[k] + buffers[k].size for k in same_step), default=0)
        return found

    def _offsets(
        self, arrangement: Arrangement, pinned: Mapping[int, int], effort: str, time_limit: float | None
    ) -> list[int]:
        """Offsets of all tensors, in metadata order, with ``pinned`` scratch (by number in TFLM's plan) where it is."""
        first = [0]
        for subgraph in self.draft.graph.subgraphs:
            first.append(first[-1] + len(subgraph.tensors))
        pieces = arrangement.pieces
        allocation = arrangement.allocation
        if pinned:
            allocation = Problem(tuple(replace(p.buffer, offset=pinned.get(p.scratch)) for p in pieces))

        def spread(offsets: Mapping[Hashable, int]) -> list[int]:
            found = [ONLINE] * self.problem.tensor_count
            for piece in pieces:
                for (s, t), at in piece.tensors.items():
                    found[first[s] + t] = offsets[piece.buffer.id] + at
            return found

        return spread(
            solve(
                allocation,
                objective=lambda offsets: self.problem.score(spread(offsets)),
                effort=effort,
                time_limit=time_limit,
            ).offsets
        )


def _up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
