"""What makes patches overlap, and which layers a designer could change to make them overlap less.

Halos grow with every window between a layer and the stage's output, by (kernel - 1) x dilation positions of the
layer's own input, which count once more for each stride between. MCUNetV2 (arXiv:2110.15352) takes
receptive field out of the patched stage and puts it back behind it, where nothing is patched. Every figure here is
counted on the changed chain; accuracy is another matter, and needs training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mcuplan.findings.chains import Chain, ChainLayer, chain_of
from mcuplan.graph import Graph
from mcuplan.operators.geometry import SAME, VALID, Axis, window_axis
from mcuplan.operators.geometry.regions import Span, even
from mcuplan.operators.geometry.stages import PatchError
from mcuplan.patching.writing.forms import StageForm

_HALVES = 2
"""Patches along an axis that the overlap is counted for where the plan's stage has strips: MCUNetV2's 2 x 2."""


@dataclass(frozen=True, slots=True)
class LayerOverlap:
    """One layer of a patched stage.

    ``rows`` and ``columns`` are the size of its output; ``computed_rows`` and ``computed_columns`` what all patches
    together compute of it along each axis. ``field`` is how many of its output rows one output row of the stage needs.
    """

    layer: int
    label: str
    rows: int
    columns: int
    computed_rows: int
    computed_columns: int
    field: int
    macs: int

    @property
    def extra_macs(self) -> int:
        """MACs of positions that some patch before has computed already."""
        return self.macs * self.computed_rows * self.computed_columns // (self.rows * self.columns) - self.macs


@dataclass(frozen=True, slots=True)
class Overlap:
    """A stage in patches: what is computed more than once, layer by layer."""

    first: int
    last: int
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    layers: tuple[LayerOverlap, ...]
    network_macs: int

    @property
    def extra_macs(self) -> int:
        """MACs that patches add."""
        return sum(layer.extra_macs for layer in self.layers)

    @property
    def stage_macs(self) -> int:
        """MACs of the stage without patches."""
        return sum(layer.macs for layer in self.layers)

    @property
    def stage_overhead(self) -> float:
        """Added MACs as a part of the stage's."""
        return self.extra_macs / self.stage_macs if self.stage_macs else 0.0

    @property
    def network_overhead(self) -> float:
        """Added MACs as a part of the network's."""
        return self.extra_macs / self.network_macs if self.network_macs else 0.0

    def effect(self) -> str:
        """What patches do to the MACs; where strides leave rows out that only whole maps compute, they save some."""
        verb = "save" if self.extra_macs < 0 else "add"
        return f"{verb} {abs(self.network_overhead):.1%} MACs ({abs(self.stage_overhead):.1%} of the stage)"


@dataclass(frozen=True, slots=True)
class Change:
    """Kernel and stride of one layer, before and after."""

    layer: int
    label: str
    kernel: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Move:
    """Receptive field or a stride moved from a layer of the patched stage to a later layer.

    ``overlap`` is that of the changed network in as many patches. ``field`` is the receptive field of the network's
    last layer in input rows, before and after.
    """

    taken: Change
    given: Change
    overlap: Overlap
    field: tuple[int, int]

    @property
    def patched_macs(self) -> int:
        """MACs of the changed network with the patches."""
        return self.overlap.network_macs + self.overlap.extra_macs

    @property
    def is_stride(self) -> bool:
        """Whether a stride moves; a kernel otherwise."""
        return self.taken.stride[0] != self.taken.stride[1]

    def sentence(self) -> str:
        """The move in words, with what it does to the overlap."""
        what, index = ("stride", 1) if self.is_stride else ("kernel", 0)
        taken, given = ((c.kernel, c.stride)[index] for c in (self.taken, self.given))
        return (
            f"{what} {taken[0]} -> {taken[1]} in {self.taken.label} and {given[0]} -> {given[1]} in "
            f"{self.given.label}: patches {self.overlap.effect()}, {self.patched_macs:,} in all"
        )


@dataclass(frozen=True, slots=True)
class Advice:
    """Why a stage's patches overlap as they do, and the moves that make them overlap less.

    Kernels come first, the lowest overlap before others; then strides, the fewest MACs before others.
    """

    overlap: Overlap
    moves: tuple[Move, ...]

    def sentences(self) -> tuple[str, ...]:
        """Why the overlap is what it is, and the moves, one sentence each."""
        found = self.overlap
        begin = found.layers[0]
        patch = max(found.heights), max(found.widths)
        grown = f"one output row of the stage needs {begin.field} rows of the output of {begin.label}"
        why = f"patches of {patch[0]} x {patch[1]} {found.effect()}: {grown}"
        return (why, *(move.sentence() for move in self.moves))


def overlap(chain: Chain, first: int, last: int, heights: Sequence[int], widths: Sequence[int]) -> Overlap:
    """Count what patches of the given heights and widths compute more than once in layers ``[first, last]``.

    Raises
    ------
    PatchError
        Where the patches do not add up to the output.
    """
    _whole(chain.layers[last], heights, widths)
    rows, columns = _bounds(heights), _bounds(widths)
    field = Span(0, 1)
    found = []
    for index in range(last, first - 1, -1):
        layer = chain.layers[index]
        found.append(
            LayerOverlap(
                index, layer.label, layer.rows.output, layer.columns.output, sum(map(len, rows)),
                sum(map(len, columns)), len(field), layer.macs,
            )
        )  # fmt: skip
        rows = [layer.row_map.needs(span) for span in rows]
        columns = [layer.column_map.needs(span) for span in columns]
        field = Span(0, (len(field) - 1) * layer.rows.stride + layer.rows.extent)
    return Overlap(first, last, tuple(heights), tuple(widths), tuple(reversed(found)), chain.macs)


def _whole(layer: ChainLayer, heights: Sequence[int], widths: Sequence[int]) -> None:
    for sizes, size, name in ((heights, layer.rows.output, "rows"), (widths, layer.columns.output, "columns")):
        if sum(sizes) != size or min(sizes, default=0) < 1:
            raise PatchError(f"patches of {list(sizes)} {name} do not divide {size}")


def _bounds(sizes: Sequence[int]) -> list[Span]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [Span(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def advise(
    chain: Chain,
    first: int,
    last: int,
    heights: Sequence[int],
    widths: Sequence[int],
    *,
    most: int = 5,
) -> Advice:
    """Say why layers ``[first, last]`` in these patches overlap, and what to move behind them.

    Each move takes taps or a stride from one layer of the stage and gives them to a later layer, so that the last
    layer sees at least as much of the input as before (a stride keeps the network's scale instead). Only moves that
    lower the overlap are returned, at most ``most`` of kernels and as many of strides.

    Raises
    ------
    PatchError
        Where the patches do not add up to the output.
    """
    now = overlap(chain, first, last, heights, widths)
    kernels = sorted(_better(_kernel_moves(chain, now), now), key=_by_overlap)
    strides = sorted(_better(_stride_moves(chain, now), now), key=_by_macs)
    return Advice(now, (*kernels[:most], *strides[:most]))


def stage_advice(graph: Graph, first: int, last: int, form: StageForm, most: int = 2) -> Advice:
    """Why operators ``[first, last)`` overlap when they run in patches, and what to move behind them.

    The overlap is that of the patches that ``form`` says, or of 2 x 2 patches where it has strips. Of kernels and of
    strides at most ``most`` moves each are told.

    Raises
    ------
    PatchError
        Where the network is no chain of layers, or the stage has no two layers with windows of their own.
    """
    chain = chain_of(graph)
    layers = [i for i, layer in enumerate(chain.layers) if first <= layer.operator < last]
    if len(layers) < 2:
        raise PatchError(f"operators {first} to {last - 1} are no two layers of a chain")
    end = chain.layers[layers[-1]]
    rows, columns = end.rows.output, end.columns.output
    patches = form.cuts[1], form.columns
    if not form.columns or patches[0] > rows or patches[1] > columns:
        patches = -(-rows // _HALVES), -(-columns // _HALVES)
    return advise(chain, layers[0], layers[-1], even(rows, patches[0]), even(columns, patches[1]), most=most)


def _better(moves: Iterator[Move], now: Overlap) -> list[Move]:
    return [move for move in moves if move.overlap.network_overhead < now.network_overhead]


def _by_overlap(move: Move) -> tuple[float, int, int]:
    return move.overlap.network_overhead, move.patched_macs, move.taken.layer


def _by_macs(move: Move) -> tuple[int, float, int, int]:
    return move.patched_macs, move.overlap.network_overhead, move.taken.layer, move.given.layer


def _kernel_moves(chain: Chain, now: Overlap) -> Iterator[Move]:
    """Each window of the stage made smaller, and the cheapest later window made larger by as much of the input."""
    for index in range(now.first, now.last + 1):
        layer = chain.layers[index]
        for kernel in range(layer.rows.kernel - 2, 0, -2) if _square(layer) else ():
            found = list(_given_back(chain, index, kernel, now.last))
            if found:
                changed, given = min(found, key=lambda item: item[0].macs)
                taken = Change(index, layer.label, (layer.rows.kernel, kernel), (layer.rows.stride,) * 2)
                yield Move(taken, given, _again(changed, now), (field(chain), field(changed)))


def _given_back(chain: Chain, index: int, kernel: int, last: int) -> Iterator[tuple[Chain, Change]]:
    """The chains in which layer ``index`` has a smaller kernel and one layer behind ``last`` a larger one instead."""
    jumps = _jumps(chain)
    layer = chain.layers[index]
    lost = (layer.rows.kernel - kernel) * layer.rows.dilation * jumps[index]
    for later in range(last + 1, len(chain)):
        window = chain.layers[later].rows
        if window.kernel < 2 or not _square(chain.layers[later]):
            continue
        taps = -(-lost // (jumps[later] * window.dilation))
        larger = window.kernel + taps + taps % 2
        changed = _tried(chain, {index: (kernel, layer.rows.stride), later: (larger, window.stride)})
        if changed is not None:
            yield changed, Change(later, chain.layers[later].label, (window.kernel, larger), (window.stride,) * 2)


def _stride_moves(chain: Chain, now: Overlap) -> Iterator[Move]:
    """Each stride of the stage moved to a later window that has none, the maps between made larger."""
    for index in range(now.first, now.last + 1):
        layer = chain.layers[index]
        stride = layer.rows.stride
        for later in range(index + 1, len(chain)) if stride > 1 and _square(layer) else ():
            window = chain.layers[later].rows
            if window.kernel < 2 or window.stride > 1 or not _square(chain.layers[later]):
                continue
            changed = _tried(chain, {index: (layer.rows.kernel, 1), later: (window.kernel, stride)})
            if changed is not None:
                taken = Change(index, layer.label, (layer.rows.kernel,) * 2, (stride, 1))
                given = Change(later, chain.layers[later].label, (window.kernel,) * 2, (1, stride))
                yield Move(taken, given, _again(changed, now), (field(chain), field(changed)))


def _square(layer: ChainLayer) -> bool:
    rows, columns = layer.rows, layer.columns
    return (rows.kernel, rows.stride, rows.dilation) == (columns.kernel, columns.stride, columns.dilation)


def _tried(chain: Chain, changes: Mapping[int, tuple[int, int]]) -> Chain | None:
    try:
        return redesigned(chain, changes)
    except PatchError:
        return None


def _again(changed: Chain, now: Overlap) -> Overlap:
    """The overlap of the same layers in as many patches."""
    layer = changed.layers[now.last]
    heights = even(layer.rows.output, -(-layer.rows.output // len(now.heights)))
    widths = even(layer.columns.output, -(-layer.columns.output // len(now.widths)))
    return overlap(changed, now.first, now.last, heights, widths)


# -- receptive fields and changed chains ----------------------------------------------------------------------------


def _jumps(chain: Chain) -> list[int]:
    """For each layer, how many input rows of the network lie between two neighbouring rows of its input."""
    jumps = [1]
    for layer in chain.layers:
        jumps.append(jumps[-1] * layer.rows.stride)
    return jumps


def field(chain: Chain) -> int:
    """Receptive field of one output row of the last layer, in rows of the network's input, borders left aside.

    Examples
    --------
    >>> from mcuplan.findings.chains import chain_of
    >>> from mcuplan.zoo import build
    >>> field(chain_of(build("person-detection")))
    315
    """
    jumps = _jumps(chain)
    return 1 + sum((layer.rows.extent - 1) * jump for layer, jump in zip(chain.layers, jumps, strict=False))


def redesigned(chain: Chain, changes: Mapping[int, tuple[int, int]]) -> Chain:
    """The chain with other kernels and strides in some layers, as ``layer -> (kernel, stride)``.

    Layers with padding stay padded to the same scale, those without stay without.

    Raises
    ------
    PatchError
        Where a window no longer fits into its input.
    """
    layers: list[ChainLayer] = []
    for index, layer in enumerate(chain.layers):
        kernel, stride = changes.get(index, (None, None))
        before = layers[-1] if layers else None
        rows = _changed(layer.rows, before.rows.output if before else layer.rows.input, kernel, stride)
        columns = _changed(layer.columns, before.columns.output if before else layer.columns.input, kernel, stride)
        if min(rows.output, columns.output) < 1:
            raise PatchError(f"{layer.label} does not fit into an input of {rows.input} x {columns.input}")
        taps = rows.kernel * columns.kernel, layer.rows.kernel * layer.columns.kernel
        macs = layer.macs_a_position * taps[0] // taps[1] * rows.output * columns.output
        layers.append(replace(layer, rows=rows, columns=columns, macs=macs))
    return Chain(tuple(layers))


def _changed(axis: Axis, size: int, kernel: int | None, stride: int | None) -> Axis:
    kernel = axis.kernel if kernel is None else kernel
    stride = axis.stride if stride is None else stride
    if (size, kernel, stride) == (axis.input, axis.kernel, axis.stride):
        return axis
    less = (axis.kernel - kernel) * axis.dilation
    padded = axis.before > 0 or axis.after > 0 or axis.kernel == 1
    if (size, stride) == (axis.input, axis.stride) and padded:
        # Taps taken off or added on both sides: the output keeps its size and place.
        before, after = axis.before - less // 2, axis.after - (less - less // 2)
        return replace(axis, kernel=kernel, before=before, after=after)
    return window_axis(size, kernel, stride, axis.dilation, SAME if padded else VALID)
