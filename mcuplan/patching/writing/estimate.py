"""Bytes in use while a stage runs, at least, from its rows alone: which forms are worth writing out.

Counted are rows that are read later, maps that the running operator writes, and its scratch, by main operators; offsets
and small tables are left out. A stage as it is written takes more, never less.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from mcuplan.patching.writing.cascade import Cascade, find_cascades
from mcuplan.patching.writing.flow import Flow
from mcuplan.patching.writing.loop import Run, ends_bytes
from mcuplan.patching.writing.patches import Patches
from mcuplan.patching.writing.rows import StageNet, StripRows, UnsupportedStageError

Scratch = Mapping[int, int]
"""Scratch of main operators, at least, by operator."""


def least_of_strips(net: StageNet, strips: Sequence[StripRows], run: Run | None, stays: bool, scratch: Scratch) -> int:
    """The least that strips have in use, written out or, with ``run``, partly as one loop; a source that ``stays`` is
    read again behind the stage."""
    if run is None and net.feed is not None:
        steps = [step for strip in strips for step in _turn_steps(net, strip, scratch)]
        return max(_live(net, steps, {}, whole=True))
    source, result = (net.height(t) * net.row_bytes(t) for t in (net.source, net.result))
    if run is None and stays:
        steps = [_without(step, net.source) for strip in strips for step in _steps(net, strip, scratch)]
        return source + max(_live(net, steps, {}, whole=True))
    if run is None:
        steps = [step for strip in strips for step in _steps(net, strip, scratch)]
        return max(_live(net, steps, {net.source: net.height(net.source)}, whole=True))
    source = source if net.feed is None else 0
    both = source + result if stays else max(source, result)
    # A loop's variables are whole, one over the other at best; the result comes when there is a row of it.
    ends: list[int] = []
    steps = []
    for j, strip in enumerate(strips):
        if run.first + 2 <= j < run.last - 1:
            continue  # turns are alike: two of them and the last one tell all
        inside = run.first <= j < run.last
        fed = net.feed is not None
        own = list(_turn_steps(net, strip, scratch) if inside else _border_steps(net, strip, fed, scratch))
        ends += [both if inside else source if j < run.first else both if stays else result] * len(own)
        steps += own
    return max(map(sum, zip(ends, _live(net, steps, {}, whole=False), strict=True)))


def least_of_flow(flow: Flow, over: bool, scratch: Scratch) -> int:
    """The least that one loop without border strips has in use: its ends, the result ``over`` the source where that is
    possible, and what a turn holds at most."""
    return ends_bytes(flow.net, flow.displaced if over else None) + max(_turn_bytes(flow, scratch))


def least_cascade(net: StageNet, result_rows: int) -> Cascade:
    """Of the cascades of a stage the one that takes the fewest bytes in all, scratch left out.

    Raises
    ------
    UnsupportedStageError
        Where there is none.
    """
    found = [(least_of_cascade(cascade, {}), cascade) for cascade in find_cascades(net, result_rows)]
    if not found:
        raise UnsupportedStageError("no layer makes more than one row for a row of the result")
    return min(found, key=lambda each: each[0] + _CLONE * each[1].times * len(each[1].first.net.layers))[1]


_CLONE = 200
"""Persistent bytes of another clone, about: to choose among cascades."""


def least_of_cascade(cascade: Cascade, scratch: Scratch) -> int:
    """The least that a cascade has in use."""
    net, first, second = cascade.net, cascade.first, cascade.second
    steps: list[_Step] = []
    turn = 0
    for j in range(3):
        for time in range(cascade.times):
            steps += _inner_steps(first, j * cascade.times + time, net, scratch)
        steps += _inner_steps(second, j, net, scratch)
        turn = turn or len(steps)
    windows = {**second.strip, **first.strip}
    before = {t: window.new for t, window in windows.items() if t not in (net.source, net.result)}
    live = list(_live(net, steps, before, whole=False))
    return net.height(net.result) * net.row_bytes(net.result) + max(live[turn : 2 * turn])


def _inner_steps(flow: Flow, turn: int, whole: StageNet, scratch: Scratch) -> Iterator[_Step]:
    """The steps of a part of a stage, the rows of its ends left out."""
    for step in _steps(flow.net, flow.later(turn), scratch, flow.inside):
        inputs = tuple(t for t in step.inputs if t != whole.source)
        yield step._replace(inputs=inputs, made=0 if step.output == whole.result else step.made)


def least_of_patches(patches: Patches, over: bool, scratch: Scratch) -> int:
    """The least that one loop over patches has in use: regions over one another as far as kernels could allow, the
    result ``over`` the source where that is possible."""
    net = patches.net
    size = {t: math.prod(patches.shape(t)) * max((net.tensors[t].dtype.bits or 8) // 8, 1) for t in net.tensors}
    last_reader = {t: i for i, layer in enumerate(net.layers) for t in layer.inputs}
    held = {net.source: size[net.source]}
    most = held[net.source]
    for i, layer in enumerate(net.layers):
        dying = [held.pop(t) for t in set(layer.inputs) if last_reader[t] == i]
        apart = layer.apart and not layer.pads  # what is padded may lie over its source but for a piece of it
        own = sum(dying) + size[layer.output] if apart else max(sum(dying), size[layer.output])
        most = max(most, sum(held.values()) + own + scratch.get(layer.operator, 0))
        held[layer.output] = size[layer.output]
    return ends_bytes(net, patches.displaced if over else None) + most


def least_in_place(net: StageNet, scratch: int, stays: bool) -> int:
    """The least that a convolution in place has in use; a source that ``stays`` is read again behind it."""
    source, result = (net.height(t) * net.row_bytes(t) for t in (net.source, net.result))
    return (source + result if stays else max(source, result)) + scratch


def least_of_channels(net: StageNet, cuts: Sequence[int], scratch: Sequence[int], stays: bool) -> int:
    """The least that operators in parts have in use: what each part comes to is whole until all are joined, scratch
    is an operator's alone; a source that ``stays`` is read again behind the stage.

    What the last part makes first may lie over the source, and each map of a part over the one before it.
    """
    size = {t: net.height(t) * net.row_bytes(t) for t in net.tensors}
    source, result, own = size[net.source], size[net.result], iter(scratch)
    most = 2 * result + source * stays
    for begin, end in pairwise(cuts):
        held = result * begin // cuts[-1]
        for layer in net.layers:
            first, needed = layer is net.layers[0], stays or end < cuts[-1]
            made = size[layer.output] * (end - begin) // cuts[-1]
            given = size[layer.inputs[0]] * (end - begin) // cuts[-1]
            inside = made if first else max(given, made)  # a part's own
            now = source + inside if needed else max(source, inside) if first else inside
            most = max(most, held + now + next(own))
    return most


class _Step(NamedTuple):
    """One layer in one strip: rows ``[begin, end)`` that it reads of each input, its new rows ``[new, high)``, and how
    many it makes in all; ``over`` where it may be written over what it reads, ``scratch`` what its kernel asks for."""

    inputs: tuple[int, ...]
    output: int
    begin: int
    end: int
    new: int
    high: int
    made: int
    over: bool
    scratch: int = 0


def _steps(net: StageNet, strip: StripRows, scratch: Scratch, inside: Collection[int] = ()) -> Iterator[_Step]:
    """The layers; rows of tensors to be ``inside`` maps are gathered anew, and a row of padding is joined to them."""
    for layer in net.layers:
        window = strip[layer.output]
        if window.new < window.high:
            span = layer.span(window.new, window.high)
            own = scratch.get(layer.operator, 0)
            yield _Step(
                layer.inputs, layer.output, span.begin, span.end, window.new, window.high, span.made, layer.pointwise,
                own,
            )  # fmt: skip
            if layer.output in inside:
                t, row = layer.output, net.row_sizes[layer.output]
                yield _Step((), t, 0, 0, window.high, window.high, 0, False, row)


def _turn_steps(net: StageNet, strip: StripRows, scratch: Scratch) -> Iterator[_Step]:
    """A turn of a loop: its rows of the source are copied out of it first."""
    window = strip[net.source]
    yield _Step((), net.source, 0, 0, window.low, window.high, window.high - window.low, False)
    yield from _steps(net, strip, scratch)


def _border_steps(net: StageNet, strip: StripRows, fed: bool, scratch: Scratch) -> Iterator[_Step]:
    """A strip beside a loop: it reads the source and writes the result where they are, unless it is ``fed``."""
    for step in _turn_steps(net, strip, scratch) if fed else _steps(net, strip, scratch):
        here = step if fed else _without(step, net.source)
        yield here._replace(made=0 if step.output == net.result else step.made)


def _without(step: _Step, source: int) -> _Step:
    """The step where the source is counted apart."""
    return step._replace(inputs=tuple(t for t in step.inputs if t != source))


_Rows = tuple[int, int]
_Need = list[tuple[int, _Rows | None]]
"""Of tensors the rows, from the first to the last, that are read before they are made anew; None where none are."""


def _needs(steps: Sequence[_Step]) -> tuple[dict[int, _Rows], list[_Need]]:
    """What is needed before the first step, and behind each step of the tensors that it reads and makes."""
    need: dict[int, _Rows] = {}
    behind: list[_Need] = []
    for inputs, out, begin, end, new, *_ in reversed(steps):
        behind.append([(t, need.get(t)) for t in (out, *inputs)])
        old = need.pop(out, None)
        if old is not None and old[0] < new:
            need[out] = old[0], min(old[1], new)
        for t in inputs:
            old = need.get(t)
            need[t] = (begin, end) if old is None else (min(old[0], begin), max(old[1], end))
    behind.reverse()
    return need, behind


def _live(net: StageNet, steps: Sequence[_Step], there: Mapping[int, int], whole: bool) -> Iterator[int]:
    """Bytes live at each step; ``there`` are the rows that are there before the first one.

    With ``whole`` rows of the result count from when they are made on, else not once they are handed on.
    """
    row = net.row_sizes
    result = net.result
    have = dict(there)
    need, behind = _needs(steps)
    held = {t: max(min(need.get(t, (0, 0))[1], rows) - need.get(t, (0, 0))[0], 0) * row[t] for t, rows in there.items()}
    total = sum(held.values())
    for (inputs, out, _, _, _, high, rows, over, scratch), later in zip(steps, behind, strict=True):
        made = rows * row[out]
        if over:
            # An element-wise result takes the place of an operand that nobody reads afterwards.
            needed = {t for t, rest in later if rest is not None}
            made = max(made - max((held[t] for t in inputs if t not in needed and t in held), default=0), 0)
        yield total + made + scratch
        have[out] = high
        for t, rest in later:
            if t == result:
                size = high * row[t] if whole else 0
            else:
                size = max(min(rest[1], have.get(t, 0)) - rest[0], 0) * row[t] if rest is not None else 0
            total += size - held.get(t, 0)
            held[t] = size


def _turn_bytes(flow: Flow, scratch: Scratch) -> Iterator[int]:
    """Bytes that a turn holds beside the loop's ends, at each of its steps.

    Rows stay from when they are made until the last reader is behind them, in this turn or a later one.
    """
    net, row, strip = flow.net, flow.net.row_sizes, flow.strip
    window = strip[net.source]
    new_rows = window.high - window.new
    steps = [
        _Step((), net.source, 0, 0, window.new, window.high, new_rows, False),
        *_steps(net, strip, scratch, flow.inside),
    ]
    # What the next turn reads of rows that are there; strides may leave some that nobody ever reads.
    need = {t: (w.low + flow.rows[t], w.high) for t, w in strip.items()}
    behind: list[list[tuple[int, _Rows]]] = []
    for step in reversed(steps):
        behind.append([(t, need[t]) for t in (step.output, *step.inputs)])
        for t in step.inputs:
            begin, end = need[t]
            need[t] = min(begin, step.begin), max(end if begin < end else 0, step.end)
    held = {t: (w.new - w.low) * row[t] for t, w in strip.items() if t != net.result}
    total = sum(held.values())
    for step, later in zip(steps, reversed(behind), strict=True):
        made = step.made * row[step.output]
        if step.over:
            gone = {t for t, (begin, end) in later if begin >= end}
            made = max(made - max((held[t] for t in step.inputs if t in gone), default=0), 0)
        yield total + made + step.scratch
        for t, (begin, end) in later:
            if t != net.result:
                size = max(min(end, strip[t].high) - begin, 0) * row[t]
                total += size - held[t]
                held[t] = size
