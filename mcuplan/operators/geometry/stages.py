"""Patch stages and their receptive fields, backwards: which input region an output region needs.

Regions are rectangles: an operator computes its output rectangle whole, so each tensor's region is the smallest
rectangle that holds all that its readers' rectangles read. Halos are clipped at the borders of the feature map.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from mcuplan.errors import McuplanError
from mcuplan.graph import Graph, Subgraph
from mcuplan.operators.geometry.eligibility import Barrier, Direction, OperatorMap, operator_map, operator_maps
from mcuplan.operators.geometry.regions import NOTHING, Region, Span, hull

__all__ = [
    "Direction",
    "MappedStage",
    "PatchError",
    "PatchStage",
    "Region",
    "Span",
    "Strip",
    "barriers",
    "cuts",
    "line_buffers",
    "patches",
    "required",
    "stages",
    "strips",
]  # fmt: skip


class PatchError(McuplanError):
    """A stage or a division of it into patches that cannot be."""


@dataclass(frozen=True, slots=True)
class PatchStage:
    """Operators ``[first, last)`` of one subgraph that read one feature map and hand one on (tensors).

    Nothing else of the network sees inside: every other activation that they read or write stays among them.
    """

    first: int
    last: int
    source: int
    result: int


@dataclass(frozen=True, slots=True)
class MappedStage(PatchStage):
    """A stage of ``subgraph`` with what its operators read: ``rows`` and ``columns`` are the result's size.

    ``run`` holds the maps of a longer run that begins at operator ``start`` (stages of one run share it).
    """

    subgraph: int
    rows: int
    columns: int
    start: int = field(repr=False, compare=False)
    run: tuple[OperatorMap, ...] = field(repr=False, compare=False)

    @property
    def operators(self) -> tuple[OperatorMap, ...]:
        """The maps of its operators, in order."""
        return self.run[self.first - self.start : self.last - self.start]

    @property
    def inner(self) -> tuple[int, ...]:
        """The tensors that it writes, its result left out, in order."""
        return tuple(t for op in self.operators for t in op.outputs if t != self.result)

    def size(self, direction: Direction) -> int:
        """Rows or columns of its result."""
        return self.rows if direction is Direction.ROWS else self.columns


def barriers(graph: Graph, subgraph: int = 0) -> tuple[Barrier, ...]:
    """The operators that cannot stand inside a stage, each with the reason."""
    return tuple(found for found in operator_maps(graph, subgraph) if isinstance(found, Barrier))


def patch_stages(
    subgraph: Subgraph, reads: Callable[[int], Collection[int] | None], first: int, last: int | None = None
) -> Iterator[PatchStage]:
    """Every stage that begins with operator ``first``, shortest first; it ends at ``last`` at the latest.

    A stage is a run of the execution order, hence convex. Tensors of the rest of the network may be live meanwhile,
    such as the shortcut of a residual block whose branch is the stage.

    Parameters
    ----------
    subgraph
        The operators.
    reads
        The activations that an operator reads; None where it cannot stand inside a stage.
    first, last
        Operators.
    """
    produced: set[int] = set()
    entries: set[int] = set()
    for k in range(first, len(subgraph.operators) if last is None else last):
        read = reads(k)
        if read is None:
            return
        entries |= set(read) - produced
        if len(entries) > 1:
            return
        own = subgraph.operators[k].outputs
        produced |= set(own)
        outward = [t for t in produced if _seen_outside(subgraph, t, k)]
        if entries and len(outward) == 1 and outward[0] in own:
            yield PatchStage(first, k + 1, min(entries), outward[0])


def stages(graph: Graph, subgraph: int = 0) -> tuple[MappedStage, ...]:
    """Every stage of a subgraph, by first and then by last operator.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> found = stages(build("person-detection"))
    >>> max(stage.last - stage.first for stage in found)
    29
    """
    found = operator_maps(graph, subgraph)
    return tuple(stage for start, run in _runs(found) for stage in _stages_of(graph, subgraph, start, run))


def mapped(graph: Graph, stage: PatchStage, subgraph: int = 0) -> MappedStage:
    """The stage with what its operators read.

    Raises
    ------
    PatchError
        Where one of them cannot stand inside a stage.
    """
    found = [operator_map(graph, k, subgraph) for k in range(stage.first, stage.last)]
    for item in found:
        if isinstance(item, Barrier):
            raise PatchError(f"operator {item.operator}: {item.reason}")
    run = tuple(item for item in found if isinstance(item, OperatorMap))
    _, rows, columns, _ = graph.subgraphs[subgraph].tensors[stage.result].shape
    ends = stage.source, stage.result
    return MappedStage(stage.first, stage.last, *ends, subgraph, rows, columns, stage.first, run)


def _runs(found: Sequence[OperatorMap | Barrier]) -> Iterator[tuple[int, tuple[OperatorMap, ...]]]:
    """The longest runs without a barrier, with the operator that each begins at."""
    for mapped, items in groupby(found, key=lambda item: isinstance(item, OperatorMap)):
        if mapped:
            run = tuple(item for item in items if isinstance(item, OperatorMap))
            yield run[0].operator, run


def _stages_of(graph: Graph, index: int, start: int, run: tuple[OperatorMap, ...]) -> Iterator[MappedStage]:
    subgraph = graph.subgraphs[index]
    reads = {op.operator: [i.tensor for i in op.inputs] for op in run}
    for op in run:
        for stage in patch_stages(subgraph, reads.get, op.operator, start + len(run)):
            _, rows, columns, _ = subgraph.tensors[stage.result].shape
            yield MappedStage(stage.first, stage.last, stage.source, stage.result, index, rows, columns, start, run)


def _seen_outside(subgraph: Subgraph, tensor: int, last: int) -> bool:
    return tensor in subgraph.outputs or any(k > last for k in subgraph.consumers.get(tensor, ()))


def cuts(stage: MappedStage) -> tuple[int, ...]:
    """Inner tensors that are all that crosses from the operators before to those behind: between blocks."""
    readers = {i.tensor: op.operator for op in stage.operators for i in op.inputs}
    found: list[int] = []
    live = {stage.source: readers[stage.source]}
    for op in stage.operators[:-1]:
        live |= {t: readers[t] for t in op.outputs if t in readers}
        live = {t: last for t, last in live.items() if last > op.operator}
        if len(live) == 1 and stage.source not in live:
            found.extend(live)
    return tuple(dict.fromkeys(found))


# -- regions ------------------------------------------------------------------------------------------------------


def required(stage: MappedStage, output_region: Region) -> Mapping[int, Region]:
    """The region of each tensor of ``stage`` that ``output_region`` needs, by tensor index.

    The stage's input and output are among them; a tensor of which nothing is needed has an empty region.

    Raises
    ------
    PatchError
        Where the region does not lie inside the output.
    """
    if output_region not in Region(Span(0, stage.rows), Span(0, stage.columns)):
        raise PatchError(f"{output_region} does not lie inside an output of {stage.rows} x {stage.columns}")
    rows = _backwards(stage, output_region.rows, Direction.ROWS)
    columns = _backwards(stage, output_region.columns, Direction.COLUMNS)
    return {tensor: Region(rows[tensor], columns[tensor]) for tensor in rows}


def _backwards(stage: MappedStage, wanted: Span, direction: Direction) -> dict[int, Span]:
    return _walk(stage, wanted, direction, {})


def _walk(stage: MappedStage, wanted: Span, direction: Direction, fixed: Mapping[int, Span]) -> dict[int, Span]:
    """What each tensor must hold for output span ``wanted``, where tensors in ``fixed`` are computed as given there."""
    needed = {stage.result: wanted}
    for op in reversed(stage.operators):
        computed = hull(fixed.get(t, needed.get(t, NOTHING)) for t in op.outputs)
        for tensor in op.outputs:
            needed.setdefault(tensor, NOTHING)
        for entry in op.inputs:
            needed[entry.tensor] = needed.get(entry.tensor, NOTHING).hull(entry.along(direction).needs(computed))
    return needed


def halo(stage: MappedStage, direction: Direction = Direction.ROWS) -> int:
    """Positions of the source that two neighbouring strips (of columns, patches) both read, away from the borders.

    That is the receptive field of one position of the result less the step to the next one. Position ``o`` of the
    result needs positions ``[low + o * step, high + o * step]`` of each tensor, bounds that windows add up to.

    Raises
    ------
    PatchError
        Where an operator does not slide, such as a resize.
    """
    needs = {stage.result: (1, 0, 0)}
    for op in reversed(stage.operators):
        step, low, high = needs[next(t for t in op.outputs if t in needs)]
        for entry in op.inputs:
            axis = entry.along(direction).axis
            if axis is None:
                raise PatchError(f"operator {op.operator} does not slide over its input")
            first, last = low * axis.stride - axis.before, high * axis.stride - axis.before + axis.extent - 1
            _, lowest, highest = needs.get(entry.tensor, (0, first, last))
            needs[entry.tensor] = step * axis.stride, min(lowest, first), max(highest, last)
    step, low, high = needs[stage.source]
    return high - low + 1 - step


def patches(stage: MappedStage, rows: Sequence[int], columns: Sequence[int]) -> tuple[Region, ...]:
    """The output cut into patches of the given heights and widths, row by row.

    Raises
    ------
    PatchError
        Where they do not add up to the output.
    """
    ends = [
        _checked(stage, sizes, direction) for sizes, direction in ((rows, Direction.ROWS), (columns, Direction.COLUMNS))
    ]
    return tuple(Region(r, c) for r in ends[0] for c in ends[1])


def _checked(stage: MappedStage, sizes: Sequence[int], direction: Direction) -> list[Span]:
    if sum(sizes) != stage.size(direction) or min(sizes, default=0) < 1:
        raise PatchError(f"patches of {list(sizes)} {direction.name.lower()} do not divide {stage.size(direction)}")
    bounds = [0]
    for size in sizes:
        bounds.append(bounds[-1] + size)
    return [Span(b, e) for b, e in pairwise(bounds)]


# -- strips, with halos recomputed or kept -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Strip:
    """One step of a stage that runs strip by strip; spans by tensor index, along the axis of the strips.

    ``needed`` is what a tensor must hold for this step's readers, ``computed`` what its operator computes in this
    step. For a tensor with a line buffer the rest of ``needed`` was ``held`` from steps before, and ``kept`` is what
    stays for steps to come; other tensors hold and keep nothing, and compute all that is needed. Of the stage's input
    nothing is computed.
    """

    output: Span
    needed: Mapping[int, Span]
    computed: Mapping[int, Span]
    held: Mapping[int, Span]
    kept: Mapping[int, Span]


def strips(
    stage: MappedStage, sizes: Sequence[int], kept: Collection[int] = (), direction: Direction = Direction.ROWS
) -> tuple[Strip, ...]:
    """The steps of ``stage`` with its output in strips of ``sizes``.

    Parameters
    ----------
    stage
        The stage.
    sizes
        Rows (or columns) of the output in each step; they may differ.
    kept
        Inner tensors whose halos stay in line buffers from one step to the next, so that each of their rows is
        computed once. Halos of the others are recomputed. All of :attr:`MappedStage.inner` gives streaming, none gives
        patches with recompute.
    direction
        Strips of rows or of columns.

    Raises
    ------
    PatchError
        Where the sizes do not add up to the output, or a kept tensor is no inner tensor.
    """
    outputs = _checked(stage, sizes, direction)
    strange = set(kept) - set(stage.inner)
    if strange:
        raise PatchError(f"tensor {min(strange)} is not computed inside the stage and cannot be kept")
    fixed = _computed_once(stage, outputs, kept, direction)
    walks = [_walk(stage, span, direction, spans) for span, spans in zip(outputs, fixed, strict=True)]
    done: list[Strip] = []
    later = dict.fromkeys(kept, NOTHING)
    for span, needed, own in reversed(list(zip(outputs, walks, fixed, strict=True))):
        keep = {t: _part(later[t], own[t].end) for t in kept}
        held = {t: _part(needed[t], own[t].begin) for t in kept}
        done.append(Strip(span, needed, _computed(stage, needed, own), held, keep))
        later = {t: later[t].hull(needed[t]) for t in kept}
    return tuple(reversed(done))


def _part(span: Span, end: int) -> Span:
    """What of ``span`` lies before ``end``."""
    return Span(span.begin, min(span.end, end)) if span and span.begin < end else NOTHING


def _computed(stage: MappedStage, needed: Mapping[int, Span], own: Mapping[int, Span]) -> dict[int, Span]:
    computed: dict[int, Span] = {}
    for op in stage.operators:
        span = hull(own.get(t, needed[t]) for t in op.outputs)
        computed |= dict.fromkeys(op.outputs, span)
    return computed


def _computed_once(
    stage: MappedStage, outputs: Sequence[Span], kept: Collection[int], direction: Direction
) -> list[dict[int, Span]]:
    """For each step, the rows of the kept tensors that are computed in it: those that no step before needed.

    A tensor must reach as far as the output up to this step asks for, whatever is kept elsewhere; what was reached
    before is there already.
    """
    whole = _backwards(stage, Span(0, stage.size(direction)), direction)
    reached = {t: whole[t].begin for t in kept}
    found = []
    for span in outputs:
        prefix = _backwards(stage, Span(0, span.end), direction)
        step = {}
        for t in kept:
            end = max(prefix[t].end, reached[t])
            step[t] = Span(reached[t], end)
            reached[t] = end
        found.append(step)
    return found


def line_buffers(steps: Sequence[Strip]) -> Mapping[int, int]:
    """Rows (or columns) that the line buffer of each kept tensor holds between steps, at most."""
    return {t: max(len(step.kept[t]) for step in steps) for t in steps[0].kept}
