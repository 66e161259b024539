"""Which rows of which tensor each strip of a patch stage computes, keeps and reads.

A stage is a run of operators with one tensor coming in (its *source*) and one going out (its *result*). The result's
rows are cut into strips. For each strip and each tensor there is a *window* of rows that are in memory: the first of
them kept from the strip before (streaming) and the others computed; where nothing is kept, the halo is recomputed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from mcuplan.graph import Tensor
from mcuplan.operators import Axis, window_axis
from mcuplan.operators.geometry import SAME


class UnsupportedStageError(ValueError):
    """A run of operators that cannot be a patch stage, or not in this form; the text says why."""


class RowsRead(NamedTuple):
    """Input rows ``[begin, end)`` that give some output rows.

    ``top`` and ``bottom`` are rows of padding to add (PAD only), ``drop`` the rows that come before the wanted ones
    and ``made`` the rows that the operator makes in all (cropped SAME only, else those that are wanted).
    """

    begin: int
    end: int
    made: int
    drop: int = 0
    top: int = 0
    bottom: int = 0

    @property
    def empty(self) -> bool:
        """True where all that is read is padding."""
        return self.begin >= self.end


class Inner(NamedTuple):
    """Input rows ``[begin, end)`` that the first output rows from row 0 on need, away from the borders of all maps.

    Of output rows that begin at row ``r`` they lie ``r`` strides farther down. ``made`` are the rows that are made.
    """

    begin: int
    end: int
    made: int


ENDLESS = 1 << 30
"""Rows of a map that goes on above and below."""

_FAR = 1 << 16
"""A row inside it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator of a stage as strips see it.

    ``operator`` is its index in the main subgraph, -1 for one that the stage adds. ``inputs`` are the tensors it reads
    by rows. ``pads`` tells a PAD, which adds ``columns`` (before, behind); ``edges`` one of which these columns are
    there already and are filled in place; ``crops`` that the operator keeps its SAME padding and makes rows that are
    thrown away; ``valid`` that it has no padding; ``masks`` that it clears rows outside the map (for flows); ``pools``
    that padding does not count as zeros; ``pointwise`` that each output element needs the input elements at its place
    only; ``apart`` that it never lies over what it reads. ``row_macs`` are the MACs of one output row.
    """

    operator: int
    inputs: tuple[int, ...]
    output: int
    rows: Axis
    pads: bool = False
    edges: bool = False
    columns: tuple[int, int] = (0, 0)
    crops: bool = False
    valid: bool = False
    masks: bool = False
    pools: bool = False
    pointwise: bool = False
    apart: bool = False
    across: Axis | None = None
    same: bool = False
    row_macs: int = 0
    _spans: dict[tuple[int, int], RowsRead] = field(default_factory=dict, init=False, repr=False, compare=False)
    _inner: dict[int, Inner] = field(default_factory=dict, init=False, repr=False, compare=False)

    def span(self, begin: int, end: int) -> RowsRead:
        """The input rows that output rows ``[begin, end)`` need."""
        found = self._spans.get((begin, end))
        if found is None:
            found = self._spans[begin, end] = self._span(begin, end)
        return found

    def inner(self, rows: int) -> Inner:
        """What ``rows`` output rows need in a map that goes on above and below."""
        found = self._inner.get(rows)
        if found is None:
            axis = self.rows
            if self.crops:
                span = _cropped(replace(axis, input=ENDLESS, output=ENDLESS), _FAR, _FAR + rows)
                at = _FAR * axis.stride
                found = Inner(span.begin - at, span.end - at, span.made)
            else:
                found = Inner(-axis.before, (rows - 1) * axis.stride - axis.before + axis.extent, rows)
            self._inner[rows] = found
        return found

    def _span(self, begin: int, end: int) -> RowsRead:
        if self.crops:
            return _cropped(self.rows, begin, end)
        first, last = self.rows.needs(begin, end)
        if not self.pads:
            return RowsRead(first, last, end - begin)
        top = min(max(self.rows.before - begin, 0), end - begin)
        bottom = min(max(end - self.rows.before - self.rows.input, 0), end - begin)
        return RowsRead(first, last, end - begin, 0, top, bottom)


@lru_cache(maxsize=1 << 16)
def _cropped(rows: Axis, begin: int, end: int) -> RowsRead:
    """The rows to give a SAME operator so that its own padding puts the windows where the whole map has them.

    TFLite pads ``total // 2`` rows before the input, where ``total`` depends on the number of rows given
    (``ComputePaddingHeightWidth`` in tensorflow/lite/kernels/padding.h); so the number is chosen to fit.
    """
    first_tap = begin * rows.stride - rows.before
    last_tap = (end - 1) * rows.stride - rows.before + rows.extent
    first, last = rows.needs(begin, end)
    reach = rows.extent + rows.stride
    found: list[tuple[int, int, int, RowsRead]] = []
    for low in range(first, max(first - reach, 0) - 1, -1):
        for high in range(last, min(last + reach, rows.input) + 1):
            own = window_axis(high - low, rows.kernel, rows.stride, rows.dilation, SAME)
            shift = first_tap - low + own.before
            drop = shift // rows.stride
            if shift % rows.stride or drop < 0 or drop + end - begin > own.output:
                continue
            if (first_tap < low and low > 0) or (last_tap > high and high < rows.input):
                continue
            found.append((own.output, high - low, high, RowsRead(low, high, own.output, drop)))
    if not found:  # the whole map always fits
        return RowsRead(0, rows.input, rows.output, begin)
    return min(found, key=lambda row: row[:3])[3]


@dataclass(frozen=True, slots=True)
class Feed:
    """That a stage's source is no tensor: its rows come from the firmware (``MCUPLAN_ROWS``).

    ``number`` is which input of the network that is, ``picture`` as it was. Its first position is row ``top``, column
    ``left`` of the stage's source: where the first operators pad the picture, the source is the padded one.
    """

    number: int
    picture: Tensor
    top: int = 0
    left: int = 0

    def asked(self, begin: int, end: int) -> tuple[int, int]:
        """The rows of the picture among rows ``[begin, end)`` of the source."""
        rows = self.picture.shape[1]
        return min(max(begin - self.top, 0), rows), min(max(end - self.top, 0), rows)


@dataclass(frozen=True, eq=False)
class StageNet:
    """The operators of a stage in order, its tensors (padded ones that the stage adds included) and its two ends.

    Nets are told apart as objects: what is worked out of one is kept by it.

    With a ``feed`` there is no source in memory, and rows above and below it are padding. ``wide`` tells that what 1x1
    convolutions make is to have the columns of padding that the next operator wants.
    """

    layers: tuple[Layer, ...]
    tensors: Mapping[int, Tensor]
    source: int
    result: int
    feed: Feed | None = None
    wide: bool = False

    def height(self, tensor: int) -> int:
        """Rows of a tensor."""
        return self.tensors[tensor].shape[1]

    def row_bytes(self, tensor: int) -> int:
        """Bytes of one row of a tensor."""
        return self.row_sizes[tensor]

    @cached_property
    def row_sizes(self) -> Mapping[int, int]:
        """Bytes of one row of each tensor."""
        return {
            t: found.elements // found.shape[1] * max((found.dtype.bits or 8) // 8, 1)
            for t, found in self.tensors.items()
        }

    @cached_property
    def whole_macs(self) -> int:
        """MACs of the stage run whole."""
        return sum(layer.row_macs * self.height(layer.output) for layer in self.layers)

    @cached_property
    def free(self) -> frozenset[int]:
        """Tensors that cost no MACs to compute again from the source, the source included."""
        found = {self.source}
        for layer in self.layers:
            if not layer.row_macs and found.issuperset(layer.inputs):
                found.add(layer.output)
        return frozenset(found)


class RowWindow(NamedTuple):
    """Rows ``[low, high)`` of a tensor in one strip; those from ``new`` on are computed, the others kept."""

    low: int
    new: int
    high: int

    @property
    def kept(self) -> int:
        """Rows kept from the strip before."""
        return self.new - self.low


StripRows = Mapping[int, RowWindow]
"""The windows of one strip, by tensor."""


def strip_windows(net: StageNet, cuts: Sequence[int], keep: Collection[int]) -> list[StripRows]:
    """The windows of every strip.

    Parameters
    ----------
    net
        The stage.
    cuts
        Rows of the result where strips begin, 0 first, and its height last.
    keep
        Tensors whose rows are kept from strip to strip as far as the next strip needs them again.
    """
    strips: list[StripRows] = []
    before: StripRows = {}
    for begin, end in pairwise(cuts):
        before = _windows(net, begin, end, before, keep)
        strips.append(before)
    return strips


def _windows(net: StageNet, begin: int, end: int, before: StripRows, keep: Collection[int]) -> StripRows:
    wanted: dict[int, tuple[int, int]] = {net.result: (begin, end)}
    found: dict[int, RowWindow] = {}
    for layer in reversed(net.layers):
        t = layer.output
        old = before.get(t) if t in keep else None
        if t not in wanted:
            found[t] = RowWindow(old[0], old[2], old[2]) if old else RowWindow(0, 0, 0)
            continue
        low, high = wanted[t]
        new = low
        if old is not None and old[0] <= low <= old[2]:
            high = max(high, old[2])
            new = old[2]
        if new < high:
            span = layer.span(new, high)
            while span[0] >= span[1]:  # a strip of padding alone: take rows of the map with it
                if t == net.result:
                    raise UnsupportedStageError("a strip of the result would be padding alone")
                new, high = (new - 1, high) if new > 0 else (new, high + 1)
                span = layer.span(new, high)
            first, last = span[0], span[1]
            for source in layer.inputs:
                known = wanted.get(source)
                if known is None:
                    wanted[source] = first, last
                else:
                    a, b = known
                    wanted[source] = first if first < a else a, last if last > b else b
        found[t] = RowWindow(low if low < new else new, new, high)
    low, high = wanted.get(net.source, (0, 0))
    found[net.source] = RowWindow(low, low, high)
    return found


def stage_macs(net: StageNet, strips: Sequence[StripRows]) -> int:
    """MACs of the stage run by strips, by the counting rule of :mod:`mcuplan.operators.macs`."""
    total = 0
    counted = [(layer, layer.output, layer.row_macs) for layer in net.layers if layer.row_macs]
    for strip in strips:
        for layer, output, macs in counted:
            _, new, high = strip[output]
            if new < high:
                total += macs * layer.span(new, high).made
    return total
