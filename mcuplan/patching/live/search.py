"""The best ways to run a graph with patch stages, in live bytes.

The space: the order of operators cut anywhere; each piece a single operator or a stage
(:mod:`mcuplan.operators.geometry`) in strips of equal height (the last may be shorter) with all halos kept, all
recomputed, or kept between blocks and recomputed inside them; or in patches of equal height and width, halos
recomputed. Over this space the search is exact: every point of the Pareto front of live bytes against MACs.

What a strip needs of a tensor does not depend on where the stage begins, so one walk backwards from a last operator
serves every stage that ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mcuplan.graph import Graph
from mcuplan.operators.geometry.eligibility import OperatorMap
from mcuplan.operators.geometry.regions import NOTHING, Span, even, hull
from mcuplan.operators.geometry.row_arrays import Ints, begins, row_map, strip_ends
from mcuplan.operators.geometry.stages import MappedStage, cuts, stages
from mcuplan.patching.inputs import NetworkInput
from mcuplan.patching.live.cost import LiveAccounting, LiveCost, LiveModel
from mcuplan.patching.pareto import Curve, Front, Point, Step, merge

Progress = Callable[[int, int], None]
"""Told after each step: how many are done, of how many."""


class Halos(Enum):
    """What happens to the rows that the next strip needs again."""

    KEPT = "kept"
    BETWEEN_BLOCKS = "kept between blocks"
    RECOMPUTED = "recomputed"


@dataclass(frozen=True, slots=True)
class GraphSpace:
    """What the search may use: strip heights to try, numbers of equal patches along an axis, kinds of halos."""

    heights: tuple[int, ...] = (1, 2, 4, 8)
    parts: tuple[int, ...] = (2, 3, 4)
    halos: tuple[Halos, ...] = tuple(Halos)
    patches: bool = True


DEFAULT_GRAPH_SPACE = GraphSpace()


@dataclass(frozen=True, slots=True)
class GraphPlan:
    """Operators in order: stages with their costs, and between them operators that run whole.

    ``operator_bytes`` are the most live bytes while each operator runs, ``before_bytes`` the same without stages.
    """

    stages: tuple[LiveCost, ...]
    operator_bytes: tuple[int, ...]
    before_bytes: tuple[int, ...]
    macs: int
    before_macs: int

    @property
    def ram_bytes(self) -> int:
        """The most live bytes."""
        return max(self.operator_bytes, default=0)

    @property
    def factor(self) -> float:
        """MACs against those of the graph without stages; 1 where it has none."""
        return self.macs / self.before_macs if self.before_macs else 1.0


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a stage is divided: strips (``width`` 0) or patches, and its halos."""

    height: int
    width: int
    halos: Halos


class GraphSearch:
    """The Pareto front of a graph, and the plan behind each of its points."""

    def __init__(self, model: LiveModel, subgraph: int, space: GraphSpace, progress: Progress | None) -> None:
        self.model = model
        self.space = space
        self._recipes: list[_Recipe] = []
        self._stages = {(stage.first, stage.last): stage for stage in stages(model.graph, subgraph)}
        self._edges = {
            (k, k + 1): Curve.point(live, macs, -1)
            for k, (live, macs) in enumerate(zip(model.layer_by_layer, model.macs, strict=True))
        }
        ends = sorted({last for _, last in self._stages})
        for done, last in enumerate(ends):
            self._add_stages(last)
            if progress is not None:
                progress(done + 1, len(ends))

    @cached_property
    def front(self) -> Front:
        """Live bytes and MACs of every plan that no other beats in both, by rising bytes."""
        return Front(self._edges, len(self.model.subgraph.operators))

    def least_ram(self, max_factor: float | None = None) -> GraphPlan | None:
        """The plan with the least live bytes among those with at most ``max_factor`` times the MACs; None if none."""
        point = self.front.least_ram(None if max_factor is None else max_factor * sum(self.model.macs))
        return None if point is None else self.plan(point)

    def fewest_macs(self, max_ram_bytes: int) -> GraphPlan | None:
        """The plan with the fewest MACs that takes at most ``max_ram_bytes``; None where nothing fits."""
        point = self.front.fewest_macs(max_ram_bytes)
        return None if point is None else self.plan(point)

    def plan(self, point: Point) -> GraphPlan:
        """The plan behind a point of the front."""
        before = self.model.layer_by_layer
        after = list(before)
        found = []
        for step in self.front.path(point):
            if step.code >= 0:
                cost = self._cost(step)
                found.append(cost)
                after[step.first : step.end] = cost.operator_bytes
        return GraphPlan(tuple(found), tuple(after), before, point.macs, sum(self.model.macs))

    def _cost(self, step: Step) -> LiveCost:
        stage = self._stages[step.first, step.end]
        recipe = self._recipes[step.code]
        widths = even(stage.columns, recipe.width) if recipe.width else ()
        kept = _kept(stage, recipe.halos)
        return self.model.cost(stage, even(stage.rows, recipe.height), widths, kept)

    def _add_stages(self, last: int) -> None:
        ending = [stage for (_, end), stage in self._stages.items() if end == last]
        longest = min(ending, key=lambda stage: stage.first)
        found: dict[int, list[Curve]] = {}
        for recipe in self._ways(longest):
            code = len(self._recipes)
            self._recipes.append(recipe)
            kept = frozenset(_kept(longest, recipe.halos))
            sweep = _Sweep(self.model, longest, recipe, kept)
            possible = {s.first: s for s in ending if not (recipe.width and self.model.comes_once(s))}
            for first, live, macs in sweep.costs(possible):
                found.setdefault(first, []).append(Curve.point(live, macs, code))
        for first, curves in found.items():
            at = first, last
            self._edges[at] = merge([self._edges[at], *curves] if at in self._edges else curves)

    def _ways(self, stage: MappedStage) -> Iterator[_Recipe]:
        for height in sorted(h for h in self.space.heights if h < stage.rows):
            for halos in self.space.halos:
                yield _Recipe(height, 0, halos)
        sizes = [sorted({-(-size // n) for n in self.space.parts if n <= size}) for size in (stage.rows, stage.columns)]
        if self.space.patches:
            for height in sizes[0]:
                for width in sizes[1]:
                    yield _Recipe(height, width, Halos.RECOMPUTED)


def search_graph(
    graph: Graph,
    subgraph: int = 0,
    accounting: LiveAccounting | None = None,
    space: GraphSpace = DEFAULT_GRAPH_SPACE,
    progress: Progress | None = None,
) -> GraphSearch:
    """Search the whole space; the result answers any limit on live bytes or MACs.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> found = search_graph(build("visual-wake-words"))
    >>> plan = found.least_ram(max_factor=1.0)
    >>> max(plan.before_bytes), plan.ram_bytes
    (55296, 28032)
    """
    return GraphSearch(LiveModel(graph, subgraph, accounting), subgraph, space, progress)


def _kept(stage: MappedStage, halos: Halos) -> tuple[int, ...]:
    if halos is Halos.RECOMPUTED:
        return ()
    return cuts(stage) if halos is Halos.BETWEEN_BLOCKS else stage.inner


Spans = tuple[Ints, Ints]


def _joined(a: Spans, b: Spans | None) -> Spans:
    """Strip by strip the shortest span that holds both."""
    if b is None:
        return a
    no_a, no_b = a[0] >= a[1], b[0] >= b[1]
    begin = np.where(no_a, b[0], np.where(no_b, a[0], np.minimum(a[0], b[0])))
    end = np.where(no_a, b[1], np.where(no_b, a[1], np.maximum(a[1], b[1])))
    return begin, end


def _length(spans: Spans) -> Ints:
    length: Ints = np.maximum(spans[1] - spans[0], 0)
    return length


def _still_read(needed: Spans, size: int) -> Ints:
    """For each strip, the first position that it or a later one reads; ``size`` where none does, and at the end."""
    first = np.where(needed[0] < needed[1], needed[0], size)
    backwards = np.minimum.accumulate(first[::-1])[::-1]
    return np.concatenate((backwards, np.array([size], dtype=np.int64)))


class _Sweep:
    """Live bytes and MACs of all stages with one last operator, divided one way.

    ``live[k]`` is an array of rows of patches x columns of patches, for the operator ``last - k``.
    """

    def __init__(self, model: LiveModel, stage: MappedStage, recipe: _Recipe, kept: Collection[int]) -> None:
        self.model = model
        self.stage = stage
        self.kept = kept
        self.patched = recipe.width > 0
        self.ends = strip_ends(stage.rows, recipe.height)
        columns = strip_ends(stage.columns, recipe.width or stage.columns)
        self.rows: dict[int, Spans] = {stage.result: (begins(self.ends), self.ends)}
        self.columns: dict[int, Spans] = {stage.result: (begins(columns), columns)}
        self.reached: dict[int, Ints] = {stage.result: self.ends}
        self.whole: dict[int, Span] = {stage.result: Span(0, stage.rows)}
        self.held_before: list[NDArray[np.int64]] = []
        self.readers: dict[int, int] = {}
        self.macs = 0
        self.live: NDArray[np.int64] = np.zeros((0, len(self.ends), len(columns)), dtype=np.int64)

    def costs(self, wanted: dict[int, MappedStage]) -> Iterator[tuple[int, int, int]]:
        """``(first operator, live bytes, MACs)`` of each wanted stage, by first operator, backwards."""
        for op in reversed(self.stage.operators):
            self._take(op)
            if op.operator in wanted:
                yield op.operator, self._peak(wanted[op.operator]), self.macs

    def _take(self, op: OperatorMap) -> None:
        """Go one operator further back: what it computes, what it reads, and what is live because of it."""
        rows, columns = self._computed(op)
        out = op.outputs[0]
        _, height, width, _ = self.model.subgraph.tensors[out].shape
        a_position = self.model.macs[op.operator] // (height * width)
        self.macs += a_position * int(_length(rows).sum()) * int(_length(columns).sum())
        self.live = np.concatenate((self.live, self._earlier()[None]), axis=0)
        for tensor in op.outputs:
            if tensor != self.stage.result:
                self._add(tensor, op.operator, rows, columns)
        whole = hull(self.whole.get(t, NOTHING) for t in op.outputs)
        reached = self._reach(op.outputs)
        for entry in op.inputs:
            self.readers.setdefault(entry.tensor, op.operator)
            row_need, column_need = row_map(entry.rows), row_map(entry.columns)
            self.rows[entry.tensor] = _joined(row_need.needs(*rows), self.rows.get(entry.tensor))
            self.columns[entry.tensor] = _joined(column_need.needs(*columns), self.columns.get(entry.tensor))
            ends = row_need.reached(reached)
            known = self.reached.get(entry.tensor)
            self.reached[entry.tensor] = ends if known is None else np.maximum(ends, known)
            self.whole[entry.tensor] = self.whole.get(entry.tensor, NOTHING).hull(entry.rows.needs(whole))

    def _reach(self, tensors: Sequence[int]) -> Ints:
        reached = np.zeros_like(self.ends)
        for t in tensors:
            reached = np.maximum(reached, self.reached.get(t, 0))
        return reached

    def _fresh(self, tensor: int) -> Spans:
        """What a kept tensor adds in each strip."""
        start = self.whole[tensor].begin
        ends = np.maximum(self.reached[tensor], start)
        begin = begins(ends)
        begin[0] = start
        return begin, ends

    def _computed(self, op: OperatorMap) -> tuple[Spans, Spans]:
        nothing = np.zeros_like(self.ends)
        no_columns = np.zeros_like(self.columns[self.stage.result][0])
        rows, columns = (nothing, nothing), (no_columns, no_columns)
        for t in op.outputs:
            if t in self.rows:
                rows = _joined(self._fresh(t) if t in self.kept else self.rows[t], rows)
                columns = _joined(self.columns[t], columns)
        return rows, columns

    def _earlier(self) -> NDArray[np.int64]:
        """What line buffers of tensors further on hold while an operator before them runs."""
        total = np.zeros(self.live.shape[1:], dtype=np.int64)
        for held in self.held_before:
            total += held
        return total

    def _add(self, tensor: int, producer: int, rows: Spans, columns: Spans) -> None:
        """Count a tensor whose producer was just reached: the last entry of ``live``."""
        last = self.stage.last - 1
        reader = self.readers.get(tensor, producer)
        widths = (_length(columns) * self.model.position_bytes(tensor))[None, :]
        during = slice(last - reader, last - producer + 1)
        if tensor not in self.kept or tensor not in self.rows:
            self.live[during] += (_length(rows)[:, None] * widths)[None]
            return
        begin, ends = self._fresh(tensor)
        first = _still_read(self.rows[tensor], int(ends[-1]))
        before = first[:-1].copy(), begin
        before[0][0] = begin[0]
        self.live[during] += (_length(_joined(rows, before))[:, None] * widths)[None]
        self.live[: last - reader] += (_length((first[1:], ends))[:, None] * widths)[None]
        self.held_before.append(_length(before)[:, None] * widths)

    def _peak(self, stage: MappedStage) -> int:
        given = self._input(stage)
        taken = self._output(stage)
        ends = stage.source, stage.result
        return int((self.live + given + taken).max()) + self.model.passing_bytes(stage.first, stage.last - 1, ends)

    def _input(self, stage: MappedStage) -> NDArray[np.int64]:
        """Bytes of the stage's input for each operator, strip and column of patches, or one number for all."""
        model, tensor = self.model, stage.source
        if not model.dies_inside(stage):
            return np.array(model.bytes_of(tensor))
        _, height, width, _ = model.subgraph.tensors[tensor].shape
        outside = tensor in model.from_outside
        if not outside and not model.accounting.rows_die:
            return np.array(model.bytes_of(tensor))
        done = np.arange(stage.last - 1, stage.first - 1, -1) > self.readers[tensor]
        needed = self.rows[tensor]
        if outside and model.accounting.network_input is NetworkInput.REREAD:
            looked_at = _length(needed)[:, None] * _length(self.columns[tensor]) * model.position_bytes(tensor)
            return np.where(done[:, None, None], 0, looked_at[None])
        first = _still_read(needed, height)
        ends = np.where(needed[0] < needed[1], needed[1], 0)
        come = np.maximum.accumulate(ends) if outside else np.full_like(needed[1], height)
        rows = np.where(done[:, None], come - first[1:], come - first[:-1])
        return np.maximum(rows, 0)[:, :, None] * (width * model.position_bytes(tensor))

    def _output(self, stage: MappedStage) -> NDArray[np.int64]:
        model = self.model
        if not model.accounting.rows_die:
            return np.array(model.bytes_of(stage.result))
        a_row = stage.columns * model.position_bytes(stage.result)
        rows = np.broadcast_to(
            self.ends if self.patched else begins(self.ends), (len(self.live), len(self.ends))
        ).copy()
        rows[0] = self.ends
        return rows[:, :, None] * a_row
