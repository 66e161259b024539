"""Offsets for a graph with patch stages: tensors that the rewriting ties are one block, and the rest is solved.

Each byte of a block is in use from a write to the last read before the next one, so that rows of a map become free as
strips consume them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from mcuplan.graph import Graph
from mcuplan.memory import Buffer, Problem, lower_bound, solve
from mcuplan.patching.arena.blocks import Blocks, TieError
from mcuplan.patching.arena.touches import Run, Touch, buffer_of, bytes_in_use
from mcuplan.patching.writing.build import Draft, Place, Tie
from mcuplan.planning.allocation import ALIGNMENT, ArenaProblem
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import Relation
from mcuplan.tflm.arena import predict
from mcuplan.tflm.offline import ONLINE
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import Target


@dataclass(frozen=True)
class PlannedDraft:
    """A draft with offsets in it: the graph to write and what TFLM makes of it."""

    graph: Graph
    arena: ArenaPrediction
    lower_bound_bytes: int


@dataclass(frozen=True)
class Arrangement:
    """The blocks for one choice of ties, as an allocation problem; scratch pieces have no tensors.

    ``trails`` tells that outputs of convolutions and pools outside the stages lie some rows before their inputs.
    """

    choices: frozenset[str]
    trails: bool
    pieces: tuple[tuple[Buffer, dict[Place, int]], ...]
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
            allocation = Problem(tuple(buffer for buffer, _ in pieces))
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
            if option.relation is Relation.SHARE and op.name in ("SLICE", "STRIDED_SLICE"):
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

    def _pieces(self, blocks: Blocks) -> Iterator[tuple[Buffer, dict[Place, int]]]:
        """Every buffer of the problem and the tensors in it with their displacements; scratch has none."""
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
                yield buffer_of(number, _up(size), used), displaced
                number += 1
        for b in self.problem.stock.plan:
            if b.tensor < 0 and b.size:
                used = dict.fromkeys(self.run.steps.get((b.subgraph, b.operator), ()), (0, b.size))
                if used:
                    yield buffer_of(number, b.size, used), {}
                    number += 1

    @property
    def declare_bound(self) -> int:
        """Bytes of arena to declare if the solver met the lower bound."""
        return _up(self.lower_bound_bytes) + _up(self.problem.stock.persistent_bytes)

    def plan(self, effort: str = "default", time_limit: float | None = None) -> PlannedDraft:
        """Solve, write the offsets into the graph and replay TFLM."""
        planned = [self._placed(arrangement, effort, time_limit) for arrangement in self.arrangements()]
        return min(planned, key=lambda p: (p.arena.declare_bytes, p.arena.nonpersistent_bytes))

    def _placed(self, arrangement: Arrangement, effort: str, time_limit: float | None) -> PlannedDraft:
        first = [0]
        for subgraph in self.draft.graph.subgraphs:
            first.append(first[-1] + len(subgraph.tensors))

        def spread(offsets: Mapping[Hashable, int]) -> list[int]:
            found = [ONLINE] * self.problem.tensor_count
            for buffer, tensors in arrangement.pieces:
                for (s, t), at in tensors.items():
                    found[first[s] + t] = offsets[buffer.id] + at
            return found

        solution = solve(
            arrangement.allocation,
            objective=lambda offsets: self.problem.head(spread(offsets)),
            effort=effort,
            time_limit=time_limit,
        )
        graph = set_offline_plan(self.draft.graph, spread(solution.offsets))
        return PlannedDraft(graph, predict(graph, self.target), self.lower_bound_bytes)


def _up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
