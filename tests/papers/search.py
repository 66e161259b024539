"""The best ways to cut a chain of layers into patch stages, in the papers' accounting.

The space: the chain cut anywhere into stages; each stage either a fusion in strips of equal height (the last may be
shorter), each inner tensor's halo recomputed or kept in a line buffer, or patches of equal height and width, halos
recomputed. Heights and widths come from :class:`Space`. Over this space the search is exact: every point of the
Pareto front (RAM against MACs) is found.

How: the strips' ends say how far each tensor must have been computed, whatever is kept; so the rows that a kept tensor
adds to a strip do not depend on what is kept elsewhere. Between two kept tensors all is recomputed and costs add up.
A dynamic programme over the kept tensors, from the stage's end backwards, keeps the Pareto-best (bytes, MACs) and
serves every stage with that end at once. Stages are then edges of a graph over the layers' boundaries, RAM the maximum
along a path and MACs the sum: for all RAM limits at once, the shortest path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mcuplan.findings.chains import Chain, ChainLayer
from mcuplan.operators.geometry.regions import even
from mcuplan.operators.geometry.row_arrays import Ints, RowMap, begins, row_map, strip_ends
from mcuplan.patching.inputs import NetworkInput
from mcuplan.patching.pareto import Curve, Front, Point, Step, merge
from papers.accounting import PAPERS, Accounting, StageCost, fusion, patches, reach

Progress = Callable[[int, int], None]
"""Told after each step: how many are done, of how many."""


@dataclass(frozen=True, slots=True)
class Space:
    """What the search may use.

    ``heights`` are the strips' heights to try and ``parts`` numbers of equal strips or patches along an axis.
    ``fusion``, ``patches``: which stages of several layers; ``line_buffers``, ``recompute``: what fusions may do.
    """

    heights: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    parts: tuple[int, ...] = (1, 2, 3, 4)
    fusion: bool = True
    line_buffers: bool = True
    recompute: bool = True
    patches: bool = True
    longest: int | None = None
    """Layers of a stage, at most; None for no limit."""

    def sizes(self, total: int) -> tuple[int, ...]:
        """Sizes of strips to try on an axis of ``total`` positions."""
        parts = {-(-total // n) for n in self.parts}
        return tuple(sorted({size for size in self.heights if size <= total} | parts))


DEFAULT_SPACE = Space()


@dataclass(frozen=True, slots=True)
class ChainStage:
    """One stage of a plan: layers ``[first, last]``, its strips, and the layers whose input has a line buffer.

    ``widths`` is empty for a fusion and holds the patches' widths otherwise.
    """

    cost: StageCost
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    kept: tuple[int, ...]

    @property
    def first(self) -> int:
        """Its first layer."""
        return self.cost.first

    @property
    def last(self) -> int:
        """Its last layer."""
        return self.cost.last


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """A chain cut into stages; a stage of one layer is that layer as it is."""

    stages: tuple[ChainStage, ...]
    chain_macs: int

    @property
    def ram_bytes(self) -> int:
        """Bytes of RAM, the largest stage's."""
        return max(stage.cost.ram_bytes for stage in self.stages)

    @property
    def macs(self) -> int:
        """MACs of one inference."""
        return sum(stage.cost.macs for stage in self.stages)

    @property
    def factor(self) -> float:
        """MACs against those of the chain layer by layer."""
        return self.macs / self.chain_macs


def search(
    chain: Chain, accounting: Accounting = PAPERS, space: Space = DEFAULT_SPACE, progress: Progress | None = None
) -> ChainSearch:
    """Search the whole space; the result answers any limit on RAM or MACs.

    Examples
    --------
    >>> from papers.chain import LayerSpec, chain
    >>> found = search(chain(32, 32, 3, [LayerSpec(3, 2, 1, 16), LayerSpec(3, 1, 1, 16), LayerSpec(3, 2, 1, 32)]))
    >>> plan = found.least_ram(max_factor=1.0)
    >>> plan.ram_bytes, [(stage.first, stage.last) for stage in plan.stages]
    (1062, [(0, 2)])
    """
    return ChainSearch(chain, accounting, space, progress)


class ChainSearch:
    """The Pareto front of a chain, and the plan behind each of its points."""

    def __init__(self, chain: Chain, accounting: Accounting, space: Space, progress: Progress | None) -> None:
        self.chain = chain
        self.accounting = accounting
        self.space = space
        self._facts = tuple(map(_facts, chain.layers))
        self._edges: dict[tuple[int, int], Curve] = {}
        for last in range(len(chain)):
            self._add_stages(last)
            if progress is not None:
                progress(last + 1, len(chain))

    @cached_property
    def front(self) -> Front:
        """RAM and MACs of every plan that no other beats in both, by rising RAM."""
        return Front(self._edges, len(self.chain))

    def least_ram(self, max_factor: float | None = None) -> ChainPlan | None:
        """The plan with the least RAM among those with at most ``max_factor`` times the chain's MACs; None if none."""
        limit = None if max_factor is None else max_factor * self.chain.macs
        point = self.front.least_ram(limit)
        return None if point is None else self.plan(point)

    def fewest_macs(self, max_ram_bytes: int) -> ChainPlan | None:
        """The plan with the fewest MACs that takes at most ``max_ram_bytes``; None where nothing fits."""
        point = self.front.fewest_macs(max_ram_bytes)
        return None if point is None else self.plan(point)

    def plan(self, point: Point) -> ChainPlan:
        """The plan behind a point of the front."""
        return ChainPlan(tuple(map(self._stage, self.front.path(point))), self.chain.macs)

    # -- stages with one end ------------------------------------------------------------------------------------

    def _sweep(self, last: int, height: int, first: int) -> _Sweep:
        ends = strip_ends(self.chain.layers[last].rows.output, height)
        return _Sweep(self._facts, ends, (first, last), self.accounting.network_input, self.space)

    def _first_allowed(self, last: int) -> int:
        return 0 if self.space.longest is None else max(last - self.space.longest + 1, 0)

    def _first_fused(self, last: int) -> int:
        return self._first_allowed(last) if self.space.fusion else last

    def _fixed_bytes(self, first: int, last: int) -> int:
        """The stage's own input and output."""
        layers = self.chain.layers
        given = first > 0 or self.accounting.network_input is NetworkInput.WHOLE
        taken = last < len(layers) - 1 or self.accounting.network_output
        return layers[first].input_total * given + layers[last].output_total * taken

    def _add_stages(self, last: int) -> None:
        found: dict[int, list[Curve]] = {}
        rows = self.chain.layers[last].rows.output
        for height in self.space.sizes(rows):
            sweep = self._sweep(last, height, self._first_fused(last))
            for first, curve in sweep.stages.items():
                found.setdefault(first, []).append(curve.coded(_code(height, 0)))
        if self.space.patches:
            for first, curve in _patch_curves(self.chain, last, self.accounting, self.space).items():
                if first >= self._first_allowed(last):
                    found.setdefault(first, []).append(curve)
        for first, curves in found.items():
            self._edges[first, last + 1] = merge(curves).shifted(self._fixed_bytes(first, last), 0)

    def _stage(self, step: Step) -> ChainStage:
        first, last = step.first, step.end - 1
        height, width = _decode(step.code)
        layer = self.chain.layers[last]
        heights = even(layer.rows.output, height)
        if width:
            widths = even(layer.columns.output, width)
            cost = patches(self.chain, first, last, heights, widths, self.accounting)
            return ChainStage(cost, heights, widths, ())
        sweep = self._sweep(last, height, first)
        kept = sweep.kept(first, step.ram_bytes - self._fixed_bytes(first, last), step.macs)
        cost = fusion(self.chain, first, last, heights, kept, self.accounting)
        return ChainStage(cost, heights, (), kept)


_WIDTH_STEP = 1 << 20


def _code(height: int, width: int) -> int:
    return height * _WIDTH_STEP + width


def _decode(code: int) -> tuple[int, int]:
    return divmod(code, _WIDTH_STEP)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a sweep asks of a layer: its rows' map, its input's columns and bytes a position, the columns looked at."""

    rows: RowMap
    columns: int
    bytes: int
    window: int
    macs_a_row: int


def _facts(layer: ChainLayer) -> _Facts:
    window = reach(layer.column_map)
    return _Facts(row_map(layer.row_map), layer.columns.input, layer.input_bytes, window, layer.macs_a_row)


class _Sweep:
    """All fusions within layers ``[first, last]`` that end with ``last``, in strips that end at ``ends``, backwards.

    ``labels[i]`` are the Pareto-best (bytes, MACs) of layers ``i`` to ``last`` where layer ``i``'s input is kept;
    ``stages[m]`` those of the stage that begins with layer ``m``. Codes say which label a value continues.
    """

    def __init__(
        self, facts: Sequence[_Facts], ends: Ints, layers: tuple[int, int], network_input: NetworkInput, space: Space
    ) -> None:
        first_allowed, last = layers
        self._facts = facts
        self._space = space
        self._input = network_input
        # How far each layer's input (at last + 1: the output) has been computed after each strip.
        self._ends = {last + 1: ends}
        for index in range(last, first_allowed - 1, -1):
            self._ends[index] = facts[index].rows.reached(self._ends[index + 1])
        self._begins = {index: begins(ends) for index, ends in self._ends.items()}
        self._fresh = {index: int((ends - self._begins[index]).max()) for index, ends in self._ends.items()}
        self._last, self._first = last, first_allowed
        self._waiting: dict[int, list[Curve]] = {}
        self._finished: dict[int, list[Curve]] = {}
        self.labels = {last + 1: Curve.point(0, 0, 0)}
        for index in range(last + 1, first_allowed, -1):
            if index <= last:
                if index not in self._waiting:
                    continue
                self.labels[index] = merge(self._waiting.pop(index))
            self._continue_from(index)
        self.stages = {first: merge(curves) for first, curves in self._finished.items()}

    def _walk(self, start: int) -> Iterator[_Walked]:
        """From the kept input of layer ``start`` backwards, all recomputed, layer by layer."""
        end = self._ends[start]
        begin = self._begins[start]
        rows = int((end - begin).sum())
        longest = halo = 0
        held = macs = 0
        for index in range(start - 1, self._first - 1, -1):
            layer = self._facts[index]
            macs += rows * layer.macs_a_row
            if index == start - 1 or not layer.rows.identity:
                begin, end = layer.rows.needs(begin, end)
                rows, longest = int((end - begin).sum()), int((end - begin).max())
                halo = max(int(np.where(begin < end, self._begins[index] - begin, 0).max()), 0)
            line_buffer = (halo * layer.columns + layer.window * self._fresh[index]) * layer.bytes
            column_cache = layer.window * longest * layer.bytes
            yield _Walked(index, held, macs, line_buffer, column_cache)
            held += column_cache

    def _continue_from(self, start: int) -> None:
        """Every way on from the labels of ``start``: the tensor that is kept next, or the stage's beginning."""
        label = self.labels[start].coded(start)
        for at in self._walk(start):
            begun = label.shifted(at.held + self._first_buffer(at), at.macs)
            self._finished.setdefault(at.index, []).append(begun)
            if self._space.line_buffers and at.index > self._first:
                held = label.shifted(at.held + at.line_buffer, at.macs)
                self._waiting.setdefault(at.index, []).append(held)
            if not self._space.recompute:
                break

    def _keeps_first(self, at: _Walked) -> bool:
        """Whether a network's input that is not whole in memory is held in a line buffer, not read again."""
        if self._input is NetworkInput.STREAMED or not self._space.recompute:
            return True
        return self._space.line_buffers and at.line_buffer < at.column_cache

    def _first_buffer(self, at: _Walked) -> int:
        """Bytes that hold the input of a stage's first layer where it is not whole in memory."""
        if at.index > 0 or self._input is NetworkInput.WHOLE:
            return 0
        return at.line_buffer if self._keeps_first(at) else at.column_cache

    def kept(self, first: int, held: int, macs: int) -> tuple[int, ...]:
        """The layers whose inputs are kept in the stage from ``first`` that holds these bytes and takes these MACs."""
        found: list[int] = []
        index, start = first, self.stages[first].code_of(held, macs)
        at = self._arrived(start, index)
        buffer = self._first_buffer(at)
        if buffer and self._keeps_first(at):
            found.append(first)
        held, macs = held - at.held - buffer, macs - at.macs
        while start <= self._last:
            found.append(start)
            index, start = start, self.labels[start].code_of(held, macs)
            at = self._arrived(start, index)
            held, macs = held - at.held - at.line_buffer, macs - at.macs
        return tuple(found)

    def _arrived(self, start: int, index: int) -> _Walked:
        return next(at for at in self._walk(start) if at.index == index)


@dataclass(frozen=True, slots=True)
class _Walked:
    """After recomputing back to layer ``index``: bytes held and MACs between, and what holding its input would take."""

    index: int
    held: int
    macs: int
    line_buffer: int
    column_cache: int


def _patch_curves(chain: Chain, last: int, accounting: Accounting, space: Space) -> dict[int, Curve]:
    """All stages that end with layer ``last`` in patches, halos recomputed, by first layer; without its own ends.

    Rows and columns are independent, so each size is walked once an axis and all pairs are made from these.
    """
    layer = chain.layers[last]
    heights, widths = space.sizes(layer.rows.output), space.sizes(layer.columns.output)
    rows = [strip_ends(layer.rows.output, size) for size in heights]
    columns = [strip_ends(layer.columns.output, size) for size in widths]
    row_spans = [(begins(ends), ends) for ends in rows]
    column_spans = [(begins(ends), ends) for ends in columns]
    codes = np.array([[_code(h, w) for w in widths] for h in heights], dtype=np.int64).ravel()
    macs = np.zeros(len(codes), dtype=np.int64)
    pair = np.zeros(len(codes), dtype=np.int64)
    below = np.zeros(len(codes), dtype=np.int64)
    found: dict[int, Curve] = {}
    for index in range(last, -1, -1):
        layer = chain.layers[index]
        macs = macs + layer.macs_a_position * _outer(_sums(row_spans), _sums(column_spans))
        row_spans = [row_map(layer.row_map).needs(*span) for span in row_spans]
        column_spans = [row_map(layer.column_map).needs(*span) for span in column_spans]
        above = layer.input_bytes * _outer(_longest(row_spans), _longest(column_spans))
        reread = index == 0 and accounting.network_input is NetworkInput.REREAD
        held = np.maximum(pair, below + above if reread else below)
        pair = np.maximum(pair, below + above)
        below = above
        if index > 0 or accounting.network_input is not NetworkInput.STREAMED:
            found[index] = merge([Curve(held, macs, codes)])
    return found


def _sums(spans: Sequence[tuple[Ints, Ints]]) -> Ints:
    return np.array([int((end - begin).sum()) for begin, end in spans], dtype=np.int64)


def _longest(spans: Sequence[tuple[Ints, Ints]]) -> Ints:
    return np.array([int((end - begin).max()) for begin, end in spans], dtype=np.int64)


def _outer(rows: Ints, columns: Ints) -> Ints:
    product: Ints = np.outer(rows, columns).ravel()
    return product
