"""What a stage takes at least, from its rows alone: which forms are worth writing out.

The bytes in use are those of rows that are read later and of maps that the running operator writes; offsets, scratch
and small tables are left out. Bytes of the persistent section are those of TFLM's nodes, parsed options, operator data
and tensors on a 32-bit core (a node 32, a tensor 12, two words for each output channel of a convolution:
micro/micro_allocator.cc, micro/kernels/conv.cc), rounded down. A stage as it is written takes more, never less.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import DType
from mcuplan.patching.writing.cascade import Cascade, find_cascades
from mcuplan.patching.writing.flow import Flow, displaced
from mcuplan.patching.writing.headed import Headed
from mcuplan.patching.writing.loop import Run, ends_bytes
from mcuplan.patching.writing.patches import Patches
from mcuplan.patching.writing.rows import Layer, StageNet, StripRows, UnsupportedStageError

_NODE = 44
"""A node and its output."""

_CONVOLUTION = 80
"""Options and operator data of a convolution, beside the node."""

_ADDED = 80
"""A PAD, MUL or CONCATENATION with all it needs."""

_PAD = 100
_COPY = 44
"""A SLICE, and less than a GATHER."""

_RESHAPE = 76

_GATHER = 80
_LOOKED_UP = 12
"""What is looked up, a part of more."""

_KEPT = 36
"""A loop variable's tensors beside the one that is made anyway."""

_LOOP = 480
_CHANNEL = 8


@dataclass(frozen=True, slots=True)
class Least:
    """Bytes in use while the stage runs, and bytes that the persistent section grows by, at least."""

    inside: int
    growth: int


def least_of_strips(net: StageNet, strips: Sequence[StripRows], run: Run | None) -> Least:
    """The least that strips take, written out or, with ``run``, partly as one loop."""
    if run is None:
        there = {net.source: net.height(net.source)} if net.feed is None else {}
        inside = max(_live(net, list(_steps(net, strips)), there, {net.source} - there.keys()))
        return Least(inside, _growth(net, strips))
    source, result = (net.height(t) * net.row_bytes(t) for t in (net.source, net.result))
    source = source if net.feed is None else 0
    # A loop's variables are whole, one over the other at best; the result comes when there is a row of it.
    ends = [source] * run.first + [max(source, result)] * (run.last - run.first) + [result] * (len(strips) - run.last)
    steps = [list(_steps(net, [strip])) for strip in strips]
    whole = [end for end, own in zip(ends, steps, strict=True) for _ in own]
    live = _live(net, [step for own in steps for step in own], {}, {net.source, net.result})
    copies = [*strips[: run.first + 1], *strips[run.last :]]
    growth = _growth(net, copies) + _turn_growth(net, strips[run.first], (), streams=False)
    return Least(max(map(sum, zip(whole, live, strict=True))), growth)


def least_of_flow(flow: Flow) -> Least:
    """The least that one loop without border strips takes."""
    net = flow.net
    ends = ends_bytes(net, displaced(flow))
    turns = [flow.strip, flow.later(1), flow.later(2)]
    before = {t: window.new for t, window in flow.strip.items() if t != net.source}
    live = list(_live(net, list(_steps(net, turns)), before, {net.source, net.result}))
    turn = len(live) // len(turns)
    growth = _growth(net, turns[:1]) + _turn_growth(net, flow.strip, flow.inside, streams=True)
    return Least(ends + max(live[turn : 2 * turn]), growth)


def least_of_headed(headed: Headed) -> Least:
    """The least that a flow takes behind a first strip of its own."""
    least = least_of_flow(headed.flow)
    net, head = headed.net, headed.head
    made = [layer for layer in net.layers if head[layer.output].new < head[layer.output].high]
    return replace(least, growth=least.growth + sum(_clone(net, layer) for layer in made))


def least_cascade(net: StageNet, result_rows: int) -> tuple[Cascade, Least]:
    """Of the cascades of a stage the one that takes the fewest bytes in all, and the least that it takes.

    Raises
    ------
    UnsupportedStageError
        Where there is none.
    """
    found = [(cascade, _of_cascade(cascade)) for cascade in find_cascades(net, result_rows)]
    if not found:
        raise UnsupportedStageError("no layer makes more than one row for a row of the result")
    return min(found, key=lambda each: each[1].inside + each[1].growth)


def _of_cascade(cascade: Cascade) -> Least:
    net, first, second = cascade.net, cascade.first, cascade.second
    steps: list[_Step] = []
    turn = 0
    for j in range(3):
        for time in range(cascade.times):
            steps += _steps(first.net, [first.later(j * cascade.times + time)])
        steps += _steps(second.net, [second.later(j)])
        turn = turn or len(steps)
    windows = {**second.strip, **first.strip}
    before = {t: window.new for t, window in windows.items() if t not in (net.source, net.result)}
    live = list(_live(net, steps, before, {net.source, net.result}))
    growth = _growth(first.net, [first.strip] * cascade.times) + _growth(second.net, [second.strip])
    growth += _turn_growth(second.net, second.strip, second.inside, streams=True)
    return Least(net.height(net.result) * net.row_bytes(net.result) + max(live[turn : 2 * turn]), growth)


def least_of_patches(patches: Patches) -> Least:
    """The least that one loop over patches takes: regions over one another as far as kernels could allow."""
    net = patches.net
    size = {t: math.prod(patches.shape(t)) * max((net.tensors[t].dtype.bits or 8) // 8, 1) for t in net.tensors}
    last_reader = {t: i for i, layer in enumerate(net.layers) for t in layer.inputs}
    held = {net.source: size[net.source]}
    most = held[net.source]
    for i, layer in enumerate(net.layers):
        dying = [held.pop(t) for t in set(layer.inputs) if last_reader[t] == i]
        most = max(most, sum(held.values()) + max(sum(dying), size[layer.output]))
        held[layer.output] = size[layer.output]
    pieces = (patches.rows.piece, patches.columns.piece)
    cut = _COPY if pieces != patches.shape(net.result)[1:3] else 0
    return Least(ends_bytes(net, patches.displaced()) + most, _LOOP + cut)


def least_of_channels(net: StageNet, cuts: Sequence[int]) -> Least:
    """The least that a convolution in parts takes, its scratch left out: parts are whole until they are joined.

    The last one may lie over the source.
    """
    source, result = (net.height(t) * net.row_bytes(t) for t in (net.source, net.result))
    last = result // cuts[-1] * (cuts[-1] - cuts[-2])
    growth = (len(cuts) - 2) * (_NODE + _CONVOLUTION) + _NODE
    return Least(max(source + result - last, 2 * result), growth)


@dataclass(frozen=True, slots=True)
class _Step:
    """One layer in one strip: the rows that it reads of each input, its new rows ``[new, high)``, and all made."""

    layer: Layer
    reads: Mapping[int, tuple[int, int]]
    new: int
    high: int
    made: int


def _steps(net: StageNet, strips: Sequence[StripRows]) -> Iterator[_Step]:
    for strip in strips:
        for layer in net.layers:
            window = strip[layer.output]
            if window.new < window.high:
                span = layer.span(window.new, window.high)
                reads = dict.fromkeys(layer.inputs, (span.begin, span.end))
                yield _Step(layer, reads, window.new, window.high, span.made)


_Need = dict[int, tuple[int, int]]
"""Of each tensor that is read later, before it is made anew, the rows from the first to the last."""


def _needs(steps: Sequence[_Step]) -> tuple[_Need, list[_Need]]:
    """What is needed before the first step, and behind each step of the tensors that it reads and makes."""
    need: _Need = {}
    behind: list[_Need] = []
    for step in reversed(steps):
        out = step.layer.output
        behind.append({t: need[t] for t in (out, *step.reads) if t in need})
        begin, end = need.pop(out, (step.new, step.new))
        if begin < step.new:
            need[out] = begin, min(end, step.new)
        for t, (first, last) in step.reads.items():
            begin, end = need.get(t, (first, last))
            need[t] = min(begin, first), max(end, last)
    return need, behind[::-1]


def _alive(need: _Need, t: int, have: Mapping[int, int]) -> int:
    """Rows of a tensor that are there and read later."""
    begin, end = need.get(t, (0, 0))
    return max(min(end, have.get(t, 0)) - begin, 0)


def _live(net: StageNet, steps: Sequence[_Step], there: Mapping[int, int], left_out: Collection[int]) -> Iterator[int]:
    """Bytes live at each step.

    ``there`` are the rows that are there before the first step: with the source among them its rows count until they
    are read for the last time, and the result's from when they are made; tensors ``left_out`` do not count.
    """
    row = {t: net.row_bytes(t) for t in net.tensors}
    have = dict(there)
    need, behind = _needs(steps)
    held = {t: _alive(need, t, have) * row[t] for t in there if t not in left_out}
    total = sum(held.values())
    for step, later in zip(steps, behind, strict=True):
        out = step.layer.output
        # An element-wise result takes the place of an operand that nobody reads afterwards.
        dying = [held[t] for t in step.reads if t not in later and t in held] if step.layer.pointwise else []
        made = max(step.made * row[out] - max(dying, default=0), 0)
        yield total + (made if out not in left_out else 0)
        have[out] = step.high
        for t in (out, *step.reads):
            if t not in left_out:
                size = (step.high if t == net.result else _alive(later, t, have)) * row[t]
                total += size - held.get(t, 0)
                held[t] = size


def _growth(net: StageNet, strips: Sequence[StripRows]) -> int:
    """Persistent bytes of the operators of all strips, without those that the model has anyway."""
    total = -sum(_clone(net, layer) for layer in net.layers if layer.operator >= 0)
    for strip in strips:
        for layer in net.layers:
            window = strip[layer.output]
            if window.new < window.high:
                total += _clone(net, layer) + (_ADDED if window.kept and layer.output != net.result else 0)
    return max(total, 0)


def begun_growth(net: StageNet, displaced: int | None) -> int:
    """Persistent bytes of laying down what a loop's result begins with (:func:`.loop.begin_over_source`)."""
    source, result = net.tensors[net.source], net.tensors[net.result]
    if displaced is None:
        return _COPY
    if not displaced and source.shape == result.shape:
        return 0
    item = max((source.dtype.bits or 8) // 8, 1)
    before, row = displaced // item, source.elements // source.shape[1]
    behind = max(result.elements - before - source.elements, 0)
    padded = _PAD if before or behind else 0
    cut = _COPY if before + source.elements + behind > result.elements else 0
    if before % row == behind % row == result.elements % row == 0:
        return padded + cut + (0 if source.shape[2:] == result.shape[2:] else _RESHAPE)
    return padded + cut + 2 * _RESHAPE


def _turn_growth(net: StageNet, strip: StripRows, inside: Collection[int], streams: bool) -> int:
    """Persistent bytes of a loop beside clones and joins: itself, rows kept, padding gathered, rows cut off."""
    total = _LOOP
    for t, window in strip.items():
        if t == net.result or (t == net.source and not streams):
            continue
        if window.kept:
            total += _COPY + _KEPT + (_ADDED if t == net.source else 0)
        if t in inside:
            total += _GATHER + _LOOKED_UP + (0 if window.kept else _ADDED)
    for layer in net.layers:
        window = strip[layer.output]
        if window.new < window.high and layer.span(window.new, window.high).made > window.high - window.new:
            total += _COPY
    return total


def _clone(net: StageNet, layer: Layer) -> int:
    if layer.pads and layer.operator < 0:
        return _PAD
    if layer.operator < 0:
        return _ADDED
    output = net.tensors[layer.output]
    channels = 0 if output.dtype is DType.FLOAT32 else output.shape[3]  # CMSIS-NN keeps nothing for floats
    return _NODE + (_CONVOLUTION + _CHANNEL * channels if layer.row_macs else 0)
