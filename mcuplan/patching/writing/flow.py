"""A patch stage as one loop without border strips: rows flow through the layers, a few more each turn.

Every layer makes the same number of new rows each turn, as far down its map as the rows it has got allow; so a layer
lags behind the one before it, and the first and last turns make rows that lie outside their maps. Where a later layer
reads such a row, it must find padding there: the rows that it reads are gathered anew, in place, a row of the value
that stands for 0 where they lie outside, by indices that the turn looks up. 16-bit rows, which TFLM does not gather,
are multiplied by a constant 1 or 0 a row (scale 1, so exact). The rows above a map are the loop variables' initial
values. So each operator exists once, and the cost is the turns that the lag adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

from mcuplan.graph import DType, Tensor
from mcuplan.operators import Axis
from mcuplan.patching.writing.build import GATHERED
from mcuplan.patching.writing.loop import displacement
from mcuplan.patching.writing.reader import UnsupportedStageError
from mcuplan.patching.writing.rows import ENDLESS, Feed, Layer, RowWindow, StageNet, StripRows

_MASKED = frozenset({DType.FLOAT32, DType.INT8, DType.INT16})
"""Element types that can be masked: integers by MUL with a scale-1 constant, which gives the value or 0, exactly.
Floats by SELECT_V2, since 0 times infinity is not 0."""


@dataclass(frozen=True)
class Flow:
    """How rows flow through a stage.

    ``net`` is the stage with masks in it and maps that have no end; ``rows[t]`` are the rows that tensor ``t`` gains
    each turn and ``starts[t]`` the first of them in turn 0; ``masked`` are the masks by the tensor they make, and
    ``inside`` the rows ``[begin, end)`` of tensors outside of which there must be padding. ``base`` is the turn that
    ``strip`` shows: late enough that all rows are positive.
    """

    net: StageNet
    rows: Mapping[int, int]
    starts: Mapping[int, int]
    turns: int
    masked: Mapping[int, int]
    inside: Mapping[int, tuple[int, int]]
    base: int
    strip: StripRows

    def later(self, turns: int) -> StripRows:
        """The windows some turns after :attr:`strip`."""
        moved = {t: turns * self.rows[t] for t in self.strip}
        return {t: RowWindow(*(row + moved[t] for row in (w.low, w.new, w.high))) for t, w in self.strip.items()}

    def gathered(self, t: int) -> list[list[int]]:
        """For each turn, which of a tensor's rows are those of its window; one more than there are: padding."""
        begin, end = self.inside[t]
        window = self.strip[t]
        count = window.high - window.low
        lows = [window.low - (self.base - turn) * self.rows[t] for turn in range(self.turns)]
        return [[i if begin <= low + i < end else count for i in range(count)] for low in lows]

    @cached_property
    def uneven(self) -> bool:
        """Whether rows do not divide the source's or the result's height: then single rows are looked up."""
        ends = (self.net.source, self.net.result) if self.net.feed is None else (self.net.result,)
        return any(self.net.height(t) % self.rows[t] or self.starts[t] % self.rows[t] for t in ends)

    def source_rows(self, turn: int) -> range:
        """The rows of the source that a turn reads; behind its end, where nothing depends on them, its last rows."""
        rows, height = self.rows[self.net.source], self.net.height(self.net.source)
        begin = min(turn * rows, height - rows)
        return range(begin, begin + rows)

    def read_rows(self, turn: int) -> list[int]:
        """The same row by row, where they may be uneven: those outside are the first or the last row."""
        rows, height = self.rows[self.net.source], self.net.height(self.net.source)
        begin = self.starts[self.net.source] + turn * rows
        return [min(max(row, 0), height - 1) for row in range(begin, begin + rows)]

    def needed(self, turn: int) -> int:
        """The first row of the source that a turn reads."""
        return self.read_rows(turn)[0] if self.uneven else self.source_rows(turn)[0]

    def result_row(self, turn: int) -> int:
        """Where a turn writes; rows above the result are written to its beginning, which is written again."""
        result = self.net.result
        return max(self.starts[result] + turn * self.rows[result], 0)

    def tables(self, gathers: bool, places: bool = True) -> list[list[list[int]]]:
        """What turns look up: rows of the source, one by one where they are gathered, of windows, and of the result
        where it is written in ``places``."""
        turns = range(self.turns)
        if self.net.feed is not None:
            found = [self.fed(self.net.feed)]
        elif self.uneven:
            found = [[self.read_rows(i) for i in turns]]
        elif gathers:
            found = [[list(self.source_rows(i)) for i in turns]]
        else:
            found = [[[0, self.source_rows(i)[0], 0, 0] for i in turns]]
        found += [[self.written(i) for i in turns]] if self.moves_result and places else []
        found += [self.gathered(t) for t in self.inside]
        return [*found, [[0, self.result_row(i), 0, 0] for i in turns]] if places else found

    def fed(self, feed: Feed) -> list[list[int]]:
        """Where each turn's rows begin in a picture that comes by rows: each row comes once."""
        first, rows = self.starts[self.net.source] - feed.top, self.rows[self.net.source]
        return [[0, first + turn * rows, -feed.left, 0] for turn in range(self.turns)]

    @cached_property
    def moves_result(self) -> bool:
        """Whether some turn's rows of the result do not all lie inside it."""
        return self.uneven and any(self.written(i)[0] for i in self._kinks)

    def lookups(self, gathers: bool, places: bool = True) -> list[int]:
        """How many numbers a turn finds in each of the :meth:`tables`, equal ones once."""
        own = self.rows[self.net.source]
        if self.net.feed is not None:
            fed = self.fed(self.net.feed)
            together = places and all(fed[i][1:3] == [self.result_row(i), 0] for i in self._kinks)
            found = [] if together else [4]
        elif self.uneven:
            found = [own]
        else:
            together = places and not gathers and all(self.source_rows(i)[0] == self.result_row(i) for i in self._kinks)
            found = [] if together else [own if gathers else 4]
        found += [self.rows[self.net.result]] if self.moves_result and places else []
        windows = {self._outside(t) for t in self.inside}
        return [*found, *(count for count, _ in windows), *([4] if places else [])]

    def _outside(self, t: int) -> tuple[int, tuple[tuple[int, int], ...]]:
        """The rows of a tensor's window, and by turn how many of them lie outside, above or (negative) below."""
        begin, end = self.inside[t]
        window, rows = self.strip[t], self.rows[t]
        count, low = window.high - window.low, window.low - self.base * rows
        above = [(i, min(begin - low - i * rows, count)) for i in range(min(-(-(begin - low) // rows), self.turns))]
        first = max((end - low - count) // rows + 1, 0)
        return count, (*above, *((i, max(end - low - i * rows - count, -count)) for i in range(first, self.turns)))

    @cached_property
    def _kinks(self) -> set[int]:
        """Turns beside which rows that are read or written go on otherwise: the ends of maps, the first and last."""
        source, result = self.net.source, self.net.result
        ends = [-self.starts[t] // self.rows[t] for t in (source, result)]
        ends += [(self.net.height(source) - self.starts[source]) // self.rows[source], 0, self.turns - 1]
        return {i for end in ends for i in range(end - 2, end + 3) if 0 <= i < self.turns}

    @cached_property
    def displaced(self) -> int | None:
        """How many bytes behind the result's first one the source may begin; None where they have to lie apart.

        Turns behind the end of the source read its last rows again: what comes of them is masked or cut off, but they
        have to be there. Both go on evenly but for the kinks, so these tell all.
        """
        turns = sorted(self._kinks)
        written = [self.result_row(i) + self.rows[self.net.result] for i in turns]
        last = self.net.height(self.net.source)
        needed = [self.needed(i + 1) if i + 1 < self.turns else last for i in turns]
        return displacement(self.net, written, needed)

    def written(self, turn: int) -> list[int]:
        """Which of a turn's rows of the result are written from :meth:`result_row` on: those inside, then any."""
        rows, begin = self.rows[self.net.result], self.starts[self.net.result] + turn * self.rows[self.net.result]
        above = max(-begin, 0)
        return [min(above + i, rows - 1) for i in range(rows)]


def check_plain(flow: Flow) -> None:
    """Raise UnsupportedStageError where a flow's turns do not fill the result evenly, so that rows pushed up from its
    bottom would not come to their place."""
    result, rows = flow.net.result, flow.rows[flow.net.result]
    if flow.net.height(result) % rows or flow.starts[result] % rows or flow.net.height(result) <= rows:
        raise UnsupportedStageError("rows do not divide the result, and no operator writes to a place of it")


def find_flow(net: StageNet, result_rows: int, gathers: bool = False) -> Flow:
    """The flow that gives ``result_rows`` rows of the result each turn; padding by GATHER where ``gathers``, not masks.

    Raises
    ------
    UnsupportedStageError
        Where rows do not divide the maps' heights and cannot be gathered, branches run at different rates, or elements
        cannot be masked.
    """
    height = net.height(net.result)
    ends = (net.source, net.result) if net.feed is None else (net.result,)
    looked_up = gathers and all(net.tensors[t].dtype in GATHERED for t in ends)
    if height % result_rows and not looked_up:
        raise UnsupportedStageError(f"{result_rows} rows do not divide the result's {height}")
    endless, masked, inside = _with_padding(net, gathers)
    _check_wide(endless)
    pace = _pace(endless, result_rows)
    rows = pace.rows
    phases = range(min(rows[net.source], _PHASES)) if looked_up else range(1)
    ways = [_ending(endless, height, rows, _starts(pace, endless.source, -earlier)) for earlier in phases]
    starts = _best(endless, pace, ways)
    turns = (height - starts[net.result]) // result_rows
    height = net.height(net.source)
    uneven = rows[net.source] > height or (height % rows[net.source] and not looked_up)
    if net.feed is None and uneven:
        raise UnsupportedStageError(f"{rows[net.source]} rows do not divide the source's {height}")
    if masked:
        endless, masked = _without_idle_masks(endless, masked, rows, starts, turns)
    leaving = {t: (a, b) for t, (a, b) in inside.items() if starts[t] < a or starts[t] + turns * rows[t] > b}
    base = _late(rows, starts)
    pace = _pace(endless, result_rows)  # with fewer masks, perhaps
    return Flow(endless, rows, starts, turns, masked, leaving, base, _turn(pace, starts, base))


def _check_wide(*nets: StageNet) -> None:
    """Raise UnsupportedStageError where nothing came of the wish that convolutions make columns of padding."""
    if nets[0].wide and not any(layer.edges for net in nets for layer in net.layers):
        raise UnsupportedStageError("no 1x1 convolution makes what is padded")


def padded_flow(net: StageNet, result_rows: int, first: int, turns: int) -> Flow:
    """The flow whose first turn gives the result's rows from ``first`` on, and every layer what that needs and no more.

    All rows above are taken for granted: they are there before the loop begins.
    """
    endless, masked, inside = _with_padding(net, True)
    if masked:
        raise UnsupportedStageError("a stage with masks has no first strip apart")
    pace = _pace(endless, result_rows)
    rows = pace.rows
    starts = _demanded(endless, rows, first)
    leaving = {t: (a, b) for t, (a, b) in inside.items() if starts[t] + turns * rows[t] > b}
    base = _late(rows, starts)
    return Flow(endless, rows, starts, turns, {}, leaving, base, _turn(pace, starts, base))


def chained_flows(first: StageNet, second: StageNet, result_rows: int, times: int) -> tuple[Flow, Flow]:
    """Flows of two stages one behind the other, the first one run ``times`` times for each time of the second.

    The source of the second one counts as one that is nowhere whole.
    """
    ends, masked, insides = zip(*(_with_padding(net, True) for net in (first, second)), strict=True)
    _check_wide(*ends)
    later = _pace(ends[1], result_rows).rows
    if any(masked) or later[second.source] % times:
        raise UnsupportedStageError(f"{times} times a turn give no whole rows")
    paces = _pace(ends[0], later[second.source] // times), _pace(ends[1], result_rows)
    rows = paces[0].rows, later
    height = second.height(second.result)

    def begun(earlier: int) -> tuple[dict[int, int], dict[int, int]]:
        starts = _starts(paces[0], first.source, -earlier)
        behind = _starts(paces[1], second.source, starts[first.result])
        return starts, _ending(ends[1], height, later, behind)

    ways = [begun(earlier) for earlier in range(min(rows[0][first.source], _PHASES))]
    starts = min(ways, key=lambda way: (-way[1][second.result], _window_bytes(ends[0], paces[0], way[0])))
    turns = (height - starts[1][second.result]) // result_rows
    base = max(_late(later, starts[1]), -(-_late(rows[0], starts[0]) // times))
    found = []
    for i, each in enumerate((times, 1)):
        leaving = {
            t: (a, b)
            for t, (a, b) in insides[i].items()
            if starts[i][t] < a or starts[i][t] + turns * each * rows[i][t] > b
        }
        strip = _turn(paces[i], starts[i], base * each)
        found.append(Flow(ends[i], rows[i], starts[i], turns * each, {}, leaving, base * each, strip))
    middle = second.tensors[second.source]
    return found[0], replace(found[1], net=replace(ends[1], feed=Feed(-1, middle)))


def _demanded(net: StageNet, rows: Mapping[int, int], first: int) -> dict[int, int]:
    """The first new row of each tensor in turn 0: the last that the result's rows from ``first`` on need."""
    starts = {net.result: first}
    for layer in reversed(net.layers):
        end = starts[layer.output] * layer.rows.stride + layer.inner(rows[layer.output]).end
        for t in layer.inputs:
            start = end - rows[t]
            starts[t] = max(start, starts.get(t, start))
    return starts


_PHASES = 8
"""Rows above the source that a loop may begin with where rows are looked up one by one: so strides fall into step."""


def _ending(net: StageNet, height: int, rows: Mapping[int, int], starts: dict[int, int]) -> dict[int, int]:
    """Where the result begins so that its last turn ends where it ends."""
    begin = starts[net.result]
    return {**starts, net.result: begin - (begin - height) % rows[net.result]}


def _best(net: StageNet, pace: _Pace, ways: Sequence[dict[int, int]]) -> dict[int, int]:
    """Of several ways to begin, those of which the result lags least behind, and of these the least windows."""
    latest = max(way[net.result] for way in ways)
    ways = [way for way in ways if way[net.result] == latest]
    return ways[0] if len(ways) == 1 else min(ways, key=lambda way: _window_bytes(net, pace, way))


def _window_bytes(net: StageNet, pace: _Pace, starts: Mapping[int, int]) -> int:
    """Bytes of all windows."""
    sizes, rows = net.row_sizes, pace.rows
    lows = _lows(pace, starts)
    return sum([(starts[t] + rows[t] - low) * sizes[t] for t, low in lows.items()])


def _late(rows: Mapping[int, int], starts: Mapping[int, int]) -> int:
    """A turn in which all rows are inside endless maps."""
    return 1 + max(-(-(-starts[t] + 64) // rows[t]) for t in starts)


@lru_cache(maxsize=1 << 10)
def _with_padding(net: StageNet, gathers: bool) -> tuple[StageNet, dict[int, int], dict[int, tuple[int, int]]]:
    """Every map without ends; masks before layers that read padding rows, or what is inside where rows are gathered."""
    gathered = GATHERED if gathers else frozenset()
    tensors = dict(net.tensors)
    number = max(tensors) + 1
    masks: dict[int, int] = {}
    inside: dict[int, tuple[int, int]] = {}
    layers: list[Layer] = []
    for layer in net.layers:
        inputs = layer.inputs
        if (layer.pads or layer.crops) and (layer.rows.before or layer.rows.after):
            (t,) = inputs
            if layer.pools:
                raise UnsupportedStageError("a pooling with padded rows has no value to put in their place")
            if net.feed is not None and t == net.source:  # the rows outside that come are padding
                layers.append(_opened(layer, inputs))
                continue
            tensor = net.tensors[t]
            if net.wide and tensor.dtype in gathered and layer.pads:
                layer = _widened(net, layer, layers, tensors)
            if tensor.dtype in gathered and not (layer.pads and layer.output == net.result):
                before = 0 if layer.crops else layer.rows.before
                known = inside.get(padded := t if layer.crops else layer.output, (0, ENDLESS))
                inside[padded] = max(before, known[0]), min(before + tensor.shape[1], known[1])
                layers.append(_opened(layer, layer.inputs))
                continue
            if t not in masks:
                if tensor.dtype not in _MASKED:
                    raise UnsupportedStageError(f"elements of type {tensor.dtype.label} cannot be masked")
                masks[t], number = number, number + 1
                tensors[masks[t]] = replace(tensor, name=tensor.name + "/masked")
                layers.append(Layer(-1, (t,), masks[t], _open(Axis(tensor.shape[1], 0, 1, 1, 1, 0, 0)), masks=True))
            inputs = (masks[t],)
        layers.append(_opened(layer, inputs))
    return replace(net, layers=tuple(layers), tensors=tensors), {m: t for t, m in masks.items()}, inside


_WIDE = 1 << 20
"""Added to a tensor's number for the same with columns of padding."""


def _widened(net: StageNet, pad: Layer, layers: list[Layer], tensors: dict[int, Tensor]) -> Layer:
    """The layer that fills in a PAD's columns where a 1x1 convolution can make them; the PAD itself where none can.

    That convolution, the last of ``layers`` or an earlier one, then reads a map padded with columns: their values come
    to nothing, but they are there. So what it makes needs no copy that is as large again.
    """
    (t,) = pad.inputs
    readers = sum(t in layer.inputs for layer in net.layers)
    at = next((i for i, layer in enumerate(layers) if layer.output == t), None)
    if at is None or readers != 1 or pad.output == net.result or not any(pad.columns):
        return pad
    maker = layers[at]
    (u, *others) = maker.inputs
    single = maker.valid and maker.apart and maker.rows.stride == 1 and maker.across is not None
    if not single or others or maker.across is None or maker.across.stride != 1 or (net.feed and u == net.source):
        return pad
    narrow, made, extra = tensors[u], tensors[t], sum(pad.columns)
    columns = narrow.shape[2] + extra
    wider, wide = _WIDE + t, 2 * _WIDE + t
    for number, like in ((wider, narrow), (wide, made)):
        shape = (*like.shape[:2], columns, like.shape[3])
        tensors[number] = replace(like, name=f"{like.name}/wide", shape=shape, shape_signature=None)
    open_rows = _open(Axis(narrow.shape[1], 0, 1, 1, 1, 0, 0))
    macs = maker.row_macs * columns // narrow.shape[2]
    layers[at : at + 1] = [
        Layer(-1, (u,), wider, open_rows, pads=True, columns=pad.columns),
        replace(maker, inputs=(wider,), output=wide, row_macs=macs),
    ]
    return replace(pad, inputs=(wide,), pads=False, edges=True, pointwise=True)


@lru_cache(maxsize=1 << 12)
def _opened(layer: Layer, inputs: tuple[int, ...]) -> Layer:
    """A layer of maps without ends: the same object for the same, which remembers what its rows need."""
    return replace(layer, inputs=inputs, rows=_open(layer.rows))


def _open(axis: Axis) -> Axis:
    return replace(axis, input=ENDLESS, output=ENDLESS)


def _without_idle_masks(
    net: StageNet, masked: Mapping[int, int], rows: Mapping[int, int], starts: Mapping[int, int], turns: int
) -> tuple[StageNet, dict[int, int]]:
    """The stage without masks over rows that never leave their map."""
    idle = {
        m: t for m, t in masked.items()
        if starts[m] >= 0 and starts[m] + turns * rows[m] <= net.tensors[t].shape[1]
    }  # fmt: skip
    layers = tuple(
        _opened(layer, tuple(idle.get(t, t) for t in layer.inputs)) for layer in net.layers if layer.output not in idle
    )
    return replace(net, layers=layers), {m: t for m, t in masked.items() if m not in idle}


def _rates(net: StageNet, result_rows: int) -> dict[int, int]:
    rows = {net.result: result_rows}
    for layer in reversed(net.layers):
        if layer.output not in rows:
            raise UnsupportedStageError("a layer's result is not used")
        for t in layer.inputs:
            rate = rows[layer.output] * layer.rows.stride
            if rows.setdefault(t, rate) != rate:
                raise UnsupportedStageError("branches of the stage run at different rates")
    return rows


class _Pace(NamedTuple):
    """What a loop's turns are at a number of result rows: ``rows`` of each tensor, and by layer its output, inputs,
    stride, where in its input the rows of a turn begin and end, and how far above its output may begin."""

    rows: dict[int, int]
    layers: tuple[tuple[int, tuple[int, ...], int, int, int, int], ...]


@lru_cache(maxsize=1 << 10)
def _pace(net: StageNet, result_rows: int) -> _Pace:
    rates, layers = _rates(net, result_rows), []
    rows = {t: rates[t] for t in (net.source, *(layer.output for layer in net.layers))}
    for layer in net.layers:
        inner = layer.inner(rows[layer.output])
        # Rows before the first new one are there from the beginning: padding, and nothing else. Not so in the result.
        padded = layer.rows.before if (layer.pads or layer.edges) and layer.output != net.result else 0
        layers.append((layer.output, layer.inputs, layer.rows.stride, inner.begin, inner.end, padded))
    return _Pace(rows, tuple(layers))


def _starts(pace: _Pace, source: int, begin: int) -> dict[int, int]:
    """The first new row of each tensor in turn 0, the source's given: as far down as its inputs' new rows allow."""
    rows, starts = pace.rows, {source: begin}
    for output, inputs, stride, _, end, padded in pace.layers:
        t = inputs[0]
        first = (starts[t] + rows[t] - end) // stride
        for t in inputs[1:]:
            first = min(first, (starts[t] + rows[t] - end) // stride)
        starts[output] = first if first < padded else padded
    return starts


def _lows(pace: _Pace, starts: Mapping[int, int], turn: int = 0) -> dict[int, int]:
    """The first row of each tensor's window in a turn."""
    rows = pace.rows
    new = {t: starts[t] + turn * rate for t, rate in rows.items()}
    lows = dict(new)
    for output, inputs, stride, begin, _, _ in pace.layers:
        first = new[output] * stride + begin
        for t in inputs:
            if first < lows[t]:
                lows[t] = first
    return lows


def _turn(pace: _Pace, starts: Mapping[int, int], turn: int) -> StripRows:
    rows = pace.rows
    windows = {}
    for t, low in _lows(pace, starts, turn).items():
        new = starts[t] + turn * rows[t]
        windows[t] = RowWindow(low, new, new + rows[t])
    return windows
