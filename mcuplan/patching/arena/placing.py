"""Offsets for a graph with patch stages: tensors that the rewriting ties are one block, and the rest is solved.

Time is that of a run: loops are followed turn by turn (two turns show everything that recurs). Each byte of a block is
in use from a write to the last read before the next one, so that rows of a map become free as strips consume them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcuplan.graph import Graph
from mcuplan.memory import Buffer, Problem, Window, lower_bound, solve
from mcuplan.patching.writing.build import Draft, Place, Tie
from mcuplan.planning.allocation import ALIGNMENT, ArenaProblem
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import AliasOption, Relation
from mcuplan.tflm.arena import predict
from mcuplan.tflm.offline import ONLINE
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import Target

SHOWN_TURNS = 2
"""Turns of a loop that are followed: the second begins with what the first one left."""


class TieError(ValueError):
    """Ties that contradict each other: a bug in the rewriting."""


class Blocks:
    """Tensors at fixed displacements from one another (union-find with displacements)."""

    def __init__(self) -> None:
        self._parent: dict[Place, tuple[Place, int]] = {}

    def find(self, place: Place) -> tuple[Place, int]:
        """The root of a tensor's block and the tensor's displacement from it."""
        parent, at = self._parent.get(place, (place, 0))
        if parent == place:
            return place, 0
        root, more = self.find(parent)
        self._parent[place] = root, at + more
        return root, at + more

    def tie(self, inner: Place, outer: Place, at: int) -> bool:
        """Put ``inner`` at byte ``at`` of ``outer``; False where they lie otherwise already."""
        a, a_at = self.find(inner)
        b, b_at = self.find(outer)
        if a == b:
            return a_at - b_at == at
        self._parent[a] = b, b_at + at - a_at
        return True


@dataclass(frozen=True, slots=True)
class Touch:
    """Bytes ``[begin, end)`` of a tensor, written or read at a step."""

    place: Place
    step: int
    begin: int
    end: int
    writes: bool


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
        self.options: dict[tuple[int, int], list[AliasOption]] = {}
        for options in self.problem.options:
            for option in options:
                self.options.setdefault((option.subgraph, option.operator), []).append(option)
        self.others = {trails: list(self._other_ties(trails)) if aliases else [] for trails in (True, False)}
        self.steps: dict[tuple[int, int], list[int]] = {}
        self.touches: list[Touch] = []
        self.end = self._run()
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

    # -- time --------------------------------------------------------------------------------------------------------

    def _run(self) -> int:
        main = self.draft.graph.main
        self._touch(0, main.inputs, 0, writes=True)
        loops = {loop.operator: loop for loop in self.draft.loops}
        step = 0
        for k in range(len(main.operators)):
            step += 1
            if k in loops:
                loop = loops[k]
                self._touch(0, main.operators[k].inputs, step, writes=False)
                for _ in range(min(loop.turns, SHOWN_TURNS)):
                    step = self._subgraph(loop.condition, step)
                    step = self._subgraph(loop.body, step)
                step = self._subgraph(loop.condition, step)
                self._touch(0, main.operators[k].outputs, step, writes=False)
                self.steps.setdefault((0, k), []).append(step)
            else:
                self._operator(0, k, step)
        self._touch(0, main.outputs, step + 1, writes=False)
        return step + 1

    def _subgraph(self, index: int, step: int) -> int:
        subgraph = self.draft.graph.subgraphs[index]
        self._touch(index, subgraph.inputs, step, writes=False)
        for k in range(len(subgraph.operators)):
            step += 1
            self._operator(index, k, step)
        step += 1
        self._touch(index, subgraph.outputs, step, writes=False)
        return step

    def _touch(self, index: int, tensors: Sequence[int], step: int, writes: bool) -> None:
        for t in tensors:
            size = self.bytes.get((index, t))
            if size:
                self.touches.append(Touch((index, t), step, 0, size, writes))

    def _operator(self, index: int, k: int, step: int) -> None:
        op = self.draft.graph.subgraphs[index].operators[k]
        self.steps.setdefault((index, k), []).append(step)
        parts = {
            o.outer: (o.at, o.at + self.bytes.get((index, o.inner), 0))
            for o in self.options.get((index, k), ())
            if o.relation is Relation.SHARE and op.name in ("SLICE", "STRIDED_SLICE")
        }
        for t in dict.fromkeys(op.inputs):
            size = self.bytes.get((index, t))
            if size:
                begin, end = parts.get(t, (0, size))
                self.touches.append(Touch((index, t), step, begin, end, False))
        self._touch(index, op.outputs, step, writes=True)

    # -- the allocation problem --------------------------------------------------------------------------------------

    def _pieces(self, blocks: Blocks) -> Iterator[tuple[Buffer, dict[Place, int]]]:
        """Every buffer of the problem and the tensors in it with their displacements; scratch has none."""
        members: dict[Place, dict[Place, int]] = {}
        for place in self.bytes:
            root, at = blocks.find(place)
            members.setdefault(root, {})[place] = at
        touches: dict[Place, list[Touch]] = {}
        for touch in self.touches:
            touches.setdefault(blocks.find(touch.place)[0], []).append(touch)
        number = 0
        for root, tensors in members.items():
            least = min(tensors.values())
            displaced = {place: at - least for place, at in tensors.items()}
            size = max(at + self.bytes[place] for place, at in displaced.items())
            hull = _hull([(t, displaced[t.place]) for t in touches.get(root, ())])
            if hull:
                yield _buffer(number, _up(size), hull), displaced
                number += 1
        for b in self.problem.stock.plan:
            if b.tensor < 0 and b.size:
                hull = dict.fromkeys(self.steps.get((b.subgraph, b.operator), ()), (0, b.size))
                if hull:
                    yield _buffer(number, b.size, hull), {}
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


def _hull(touches: Sequence[tuple[Touch, int]]) -> dict[int, tuple[int, int]]:
    """For each step, the lowest and highest byte in use of a block."""
    cuts = sorted({c for touch, at in touches for c in (at + touch.begin, at + touch.end)})
    hull: dict[int, tuple[int, int]] = {}
    ordered = sorted(touches, key=lambda row: (row[0].step, row[0].writes))
    for begin, end in pairwise(cuts):
        since: int | None = None
        until = 0
        spans: list[tuple[int, int]] = []
        for touch, at in ordered:
            if at + touch.begin > begin or at + touch.end < end:
                continue
            if touch.writes:
                if since is not None:
                    spans.append((since, until))
                since = until = touch.step
            else:
                since = touch.step if since is None else since
                until = touch.step
        if since is not None:
            spans.append((since, until))
        for first, last in spans:
            for step in range(first, last + 1):
                low, high = hull.get(step, (begin, end))
                hull[step] = min(low, begin), max(high, end)
    return hull


def _buffer(number: int, size: int, hull: Mapping[int, tuple[int, int]]) -> Buffer:
    first, last = min(hull), max(hull)
    windows: list[Window] = []
    for step in range(first, last + 1):
        here = hull.get(step)
        if here is None:
            continue
        old = windows[-1] if windows else None
        if old is not None and old.upper == step and (old.begin, old.end) == here:
            windows[-1] = Window(old.lower, step + 1, *here)
        else:
            windows.append(Window(step, step + 1, *here))
    whole = len(windows) == 1 and (windows[0].begin, windows[0].end) == (0, size)
    return Buffer(number, size, first, last + 1, ALIGNMENT, windows=() if whole else tuple(windows))
