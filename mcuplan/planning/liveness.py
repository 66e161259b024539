"""When a run of the graph touches which bytes of which tensors, and from when to when bytes are in use therefore.

Steps are those of TFLM's planner (:mod:`mcuplan.tflm.lifetimes`): one more for each operator and for each subgraph
that control flow enters. Loops that a rewriting made are followed turn by turn (two show everything that recurs).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from mcuplan.deadline import Deadline
from mcuplan.graph import Graph, Operator
from mcuplan.memory import Window
from mcuplan.planning.ties import Loop, Place
from mcuplan.tflm.aliasing import AliasOption, Relation
from mcuplan.tflm.lifetimes import NEVER, entered_subgraphs

SHOWN_TURNS = 2
"""Turns of a loop that are followed: the second begins with what the first one left."""

Parts = Mapping[tuple[int, int], Mapping[int, Sequence[tuple[int, int]]]]
"""By operator that reads parts of a tensor only: the bytes ``[begin, end)`` of it, by tensor."""


@dataclass(frozen=True, slots=True)
class Touch:
    """Bytes ``[begin, end)`` of a tensor, written or read at a step."""

    step: int
    begin: int
    end: int
    writes: bool


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes ``[begin, end)`` are in use from step ``first`` to step ``last``, both included."""

    begin: int
    end: int
    first: int
    last: int


def parts_read(graph: Graph, options: Iterable[AliasOption], sizes: Mapping[Place, int]) -> Parts:
    """What operators read that only hand pieces of a tensor on (SLICE, SPLIT, ...), as far as each is one range."""
    found: dict[tuple[int, int], dict[int, list[tuple[int, int]]]] = {}
    for option in options:
        op = graph.subgraphs[option.subgraph].operators[option.operator]
        if option.relation is Relation.SHARE and option.inner in op.outputs:
            piece = option.at, option.at + sizes.get((option.subgraph, option.inner), 0)
            found.setdefault((option.subgraph, option.operator), {}).setdefault(option.outer, []).append(piece)
    return {
        (s, k): read
        for (s, k), tensors in found.items()
        if (read := {t: p for t, p in tensors.items() if len(p) == len(graph.subgraphs[s].operators[k].outputs)})
    }


class Run:
    """One run of a graph.

    Parameters
    ----------
    graph
        Subgraphs and their operators.
    sizes
        Bytes of each tensor in the arena.
    parts
        What operators read that do not read all of their inputs.
    loops
        Loops that a rewriting made. Other control flow is followed as TFLM's planner does: once.

    Attributes
    ----------
    touches
        Every read and write of each tensor, steps ascending, reads before writes.
    steps
        The steps at which each operator runs, by subgraph and operator.
    """

    def __init__(self, graph: Graph, sizes: Mapping[Place, int], parts: Parts, loops: Sequence[Loop] = ()) -> None:
        self.graph = graph
        self.touches: dict[Place, list[Touch]] = {}
        self.steps: dict[tuple[int, int], list[int]] = {}
        self._sizes = sizes
        self._parts = parts
        self._loops = {loop.operator: loop for loop in loops}
        self._step = 0
        self._touch(0, graph.main.inputs, writes=True)
        self._follow(0)
        # Outputs are read once more when all is done, so the last operator must not overwrite them.
        self._touch(0, graph.main.outputs, writes=False, later=1)

    def _follow(self, index: int) -> None:
        """Run a subgraph's operators and what they call; without recursion, as chains of calls can be long."""
        running = {index}
        walks = [(index, self._operators(index, running))]
        while walks:
            caller, walk = walks[-1]
            called = next(walk, None)
            if called is None:
                walks.pop()
                running.discard(caller)
            else:
                running.add(called)
                walks.append((called, self._operators(called, running)))

    def _operators(self, index: int, running: Set[int]) -> Iterator[int]:
        """Run a subgraph's operators; each subgraph that is yielded is to be run before this one goes on."""
        for k, op in enumerate(self.graph.subgraphs[index].operators):
            self._step += 1
            loop = self._loops.get(k) if index == 0 else None
            if loop is not None:
                self._loop(loop, op)
                self.steps.setdefault((index, k), []).append(self._step)
                continue
            self.steps.setdefault((index, k), []).append(self._step)
            called = [s for s in entered_subgraphs(self.graph, op) if s not in running]
            if called:
                yield from self._calls(index, op, called)
            else:
                self._reads(index, k, op)
                self._touch(index, op.outputs, writes=True)

    def _reads(self, index: int, k: int, op: Operator) -> None:
        parts = self._parts.get((index, k), {})
        for t in dict.fromkeys(op.inputs):
            if t in parts:
                read = (Touch(self._step, begin, end, False) for begin, end in parts[t])
                self.touches.setdefault((index, t), []).extend(read)
            else:
                self._touch(index, (t,), writes=False)

    def _calls(self, index: int, op: Operator, called: Sequence[int]) -> Iterator[int]:
        """Control flow whose ends are copied, and live all the while."""
        self._touch(index, op.inputs, writes=False)
        self._touch(index, op.outputs, writes=True)
        for s in called:
            subgraph = self.graph.subgraphs[s]
            self._step += 1
            self._touch(s, subgraph.inputs, writes=True)
            yield s
            self._touch(s, subgraph.outputs, writes=False, later=1)
        self._touch(index, op.inputs, writes=False)
        self._touch(index, op.outputs, writes=False)

    def _loop(self, loop: Loop, op: Operator) -> None:
        """A loop whose variables lie in the same bytes all the way through."""
        self._touch(0, op.inputs, writes=False)
        for _ in range(min(loop.turns, SHOWN_TURNS)):
            self._turn(loop.condition)
            self._turn(loop.body)
        self._turn(loop.condition)
        self._touch(0, op.outputs, writes=False)

    def _turn(self, index: int) -> None:
        subgraph = self.graph.subgraphs[index]
        self._touch(index, subgraph.inputs, writes=False)
        self._follow(index)
        self._step += 1
        self._touch(index, subgraph.outputs, writes=False)

    def _touch(self, index: int, tensors: Sequence[int], writes: bool, later: int = 0) -> None:
        for t in tensors:
            size = self._sizes.get((index, t))
            if size:
                self.touches.setdefault((index, t), []).append(Touch(self._step + later, 0, size, writes))


def uses(touches: Iterable[tuple[Touch, int]], deadline: Deadline | None = None) -> list[Use]:
    """From when to when bytes are in use that are touched so: each from a write to the last read before the next one.

    Touches come with the byte that their tensor begins at. Bytes that are read and never written are in use from
    the first read on.
    """
    edges: dict[int, tuple[list[_Key], list[_Key]]] = {}
    for number, (touch, at) in enumerate(touches):
        if touch.begin < touch.end:
            key = touch.step, touch.writes, number
            edges.setdefault(at + touch.begin, ([], []))[0].append(key)
            edges.setdefault(at + touch.end, ([], []))[1].append(key)
    here: list[_Key] = []
    open_: dict[tuple[int, int], int] = {}  # spans of the range before, with the byte where they began
    found: list[Use] = []
    for begin in sorted(edges):
        if deadline is not None:
            deadline.check()
        come, gone = edges[begin]
        for key in gone:
            del here[bisect_left(here, key)]
        for key in come:
            insort(here, key)
        spans = _spans(here)
        found += [
            Use(since, begin, first, last) for (first, last), since in open_.items() if (first, last) not in spans
        ]
        open_ = {span: open_.get(span, begin) for span in spans}
    return found


_Key = tuple[int, bool, int]
"""A touch while bytes are swept over: its step, whether it writes, and its number."""


def _spans(touches: Sequence[_Key]) -> dict[tuple[int, int], None]:
    """From when to when one byte is in use, given all that touches it in order."""
    spans: dict[tuple[int, int], None] = {}
    since: int | None = None
    until = 0
    for step, writes, _ in touches:
        if writes and since is not None:
            spans[since, until] = None
            since = None
        since = step if since is None else since
        until = step
    if since is not None:
        spans[since, until] = None
    return spans


def windows(placed: Iterable[Use]) -> list[Window]:
    """The hull of what is in use at each step, one window for each run of steps with the same bytes in use."""
    changes: list[tuple[int, bool, int, int]] = []
    for use in placed:
        changes.append((use.first, True, use.begin, use.end))
        changes.append((use.last + 1, False, use.begin, use.end))
    changes.sort()
    begins: list[int] = []
    ends: list[int] = []
    found: list[Window] = []
    for (step, comes, begin, end), (after, *_) in pairwise([*changes, (NEVER, False, 0, 0)]):
        if comes:
            insort(begins, begin)
            insort(ends, end)
        else:
            del begins[bisect_left(begins, begin)]
            del ends[bisect_left(ends, end)]
        if after <= step or not begins:
            continue
        old = found[-1] if found else None
        if old is not None and (old.upper, old.begin, old.end) == (step, begins[0], ends[-1]):
            found[-1] = Window(old.lower, after, old.begin, old.end)
        else:
            found.append(Window(step, after, begins[0], ends[-1]))
    return found
