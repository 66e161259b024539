"""What a stage takes in instructions, from its rows alone: the calls that its operators will be, before any is written.

Everything that runs in a strip is counted as the writers of this room write it: clones, padding, rows joined, kept and
cut off, what loops look up, dispatch and the loops themselves. What happens once a stage (its first and last copies) is
counted by bytes. A test holds the sum against what the written stage takes by the same cost model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcuplan.estimates.instructions import Call, CostModel, call_of
from mcuplan.operators import OperatorCall, window_axis
from mcuplan.operators.geometry import SAME
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.operators.input_rows import ROWS_OPERATOR
from mcuplan.patching.writing.build import gathers
from mcuplan.patching.writing.cascade import Cascade, tables_of
from mcuplan.patching.writing.flow import Flow
from mcuplan.patching.writing.headed import Headed
from mcuplan.patching.writing.loop import LEAST_FETCHED, MOST_FETCHED, Run
from mcuplan.patching.writing.patches import Patches
from mcuplan.patching.writing.reader import StageReader
from mcuplan.patching.writing.rows import Layer, StageNet, StripRows

_FILL_A_BYTE = 1.0
"""Instructions a byte of what a stage lays down once: PAD, FILL and RESHAPE take 0.5 to 2."""

_VARIABLES = 3
"""A loop's own: the counter, the source, the result."""


@dataclass(frozen=True)
class StagePricer:
    """Instructions of stages of one graph."""

    reader: StageReader
    model: CostModel
    calls: dict[int, Call | None]

    @classmethod
    def of(cls, reader: StageReader, model: CostModel) -> StagePricer:
        """A pricer that has looked at no operator yet."""
        return cls(reader, model, {})

    def whole(self, stage: PatchStage) -> float:
        """The stage's operators as they are in the model, dispatch included."""
        calls = [self._operator(k) for k in range(stage.first, stage.last)]
        return sum(self._instructions(call) for call in calls)

    def strips(self, net: StageNet, strips: Sequence[StripRows], run: Run | None, fast: bool) -> float:
        """Strips written out or, with ``run``, partly as one loop."""
        writer = _Strip(self, net, fast)
        total = 0.0
        fed = net.feed is not None
        for j, strip in enumerate(strips):
            rolled = run is not None and run.first <= j < run.last
            after = strips[j + 1] if j + 1 < len(strips) else None
            total += self._sum(writer.strip(strip, after, streams=False, piece=rolled or fed))
            if rolled or fed:
                total += self._sum(writer.piece(strip))
            if rolled:
                kept = sum(1 for w in after.values() if w.kept) if after else 0
                total += self._turn(_VARIABLES - fed + kept) + self._sum(writer.lookups(2))
            total += self._sum(writer.result(strip, joined=run is None))
        return total + (self.model.control.loop + self._ends(net) if run is not None else 0.0)

    def flow(self, flow: Flow, fast: bool) -> float:
        """One loop through which rows flow."""
        writer = _Strip(self, flow.net, fast, flow.inside)
        strip, after = flow.strip, flow.later(1)
        kept = sum(1 for t, w in strip.items() if w.kept and t != flow.net.result)
        variables = _VARIABLES - (flow.net.feed is not None)
        turn = self._sum(writer.strip(strip, after, streams=True)) + self._turn(variables + kept)
        source = flow.net.tensors[flow.net.source]
        tables = {
            tuple(map(tuple, table)) for table in flow.tables(fast and gathers(source, flow.rows[flow.net.source]))
        }
        turn += self._sum(writer.turn_piece(flow)) + self._sum(writer.fetched([len(table[0]) for table in tables]))
        turn += self._sum(writer.lookups(2 * bool(flow.masked)))
        turn += self._sum(writer.result(strip, joined=False))
        return flow.turns * turn + self.model.control.loop + self._ends(flow.net)

    def headed(self, headed: Headed, fast: bool) -> float:
        """The same behind a first strip of its own."""
        writer = _Strip(self, headed.net, fast)
        head, after = headed.head, headed.after
        total = self._sum(writer.strip(head, after, streams=False)) + self._sum(writer.left(after))
        total += self._sum(writer.piece(head))
        return total + self.flow(headed.flow, fast)

    def cascade(self, cascade: Cascade, fast: bool) -> float:
        """Two flows in one loop."""
        first, second = cascade.first, cascade.second
        turn = 0.0
        for flow, times in ((first, cascade.times), (second, 1)):
            writer = _Strip(self, flow.net, fast, flow.inside)
            turn += times * self._sum(writer.strip(flow.strip, flow.later(1), streams=True))
        turn += cascade.times * self._sum(_Strip(self, first.net, fast).turn_piece(first))
        kept = sum(1 for f in (first, second) for t, w in f.strip.items() if w.kept and t != f.net.result)
        tables = {tuple(map(tuple, table)) for table in tables_of(cascade)}
        writer = _Strip(self, second.net, fast)
        turn += self._turn(_VARIABLES - 1 + kept) + self._sum(writer.fetched([len(table[0]) for table in tables]))
        turn += self._sum(writer.result(second.strip, joined=False)) + self._sum(writer.stacked(cascade.times))
        return second.turns * turn + self.model.control.loop + self._ends(second.net)

    def patches(self, patches: Patches, fast: bool) -> float:
        """One loop over patches."""
        writer = _Strip(self, patches.net, fast)
        turn = self._sum(writer.patch(patches)) + self._turn(_VARIABLES) + self._sum(writer.lookups(3))
        return len(patches.turns) * turn + self.model.control.loop + self._ends(patches.net)

    def channels(self, stage: PatchStage, cuts: Sequence[int]) -> float:
        """A convolution in parts by output channels."""
        call = self._operator(stage.first)
        if call is None:
            return 0.0
        sizes = [end - begin for begin, end in pairwise(cuts)]
        parts = [
            call._replace(result=(*call.result[:3], size), other=(size, *call.other[1:]) if call.other else ())
            for size in sizes
        ]
        joined = Call("CONCATENATION", call.dtype, parts[0].result, call.result, detail=(3, *sizes))
        return self._sum(iter([*parts, joined]))

    # -- parts -------------------------------------------------------------------------------------------------------

    def _sum(self, calls: Iterator[Call | None]) -> float:
        return sum(self._instructions(call) for call in calls)

    def _instructions(self, call: Call | None) -> float:
        own = 0.0 if call is None else self.model.cost(call).instructions
        return own + self.model.control.dispatch

    def _operator(self, index: int) -> Call | None:
        if index not in self.calls:
            graph, main = self.reader.graph, self.reader.graph.main
            self.calls[index] = call_of(OperatorCall(graph, main, main.operators[index]))
        return self.calls[index]

    def clone(self, layer: Layer, read: tuple[int, ...], made: tuple[int, ...], own_padding: bool) -> Call | None:
        """The layer's operator with other sizes of its maps."""
        call = self._operator(layer.operator)
        if call is None:
            return None
        other = made if call.other == call.result else call.other
        if layer.valid:  # its padding was written out, or it never had any
            return call._replace(source=read, result=made, before=(0, 0))
        if layer.across is None:
            return call._replace(source=read, result=made, other=other)
        before = [0, 0]
        if own_padding:
            for i, axis in enumerate((layer.rows, layer.across)):
                size = read[1 + i]
                before[i] = window_axis(size, axis.kernel, axis.stride, axis.dilation, SAME).before
        return call._replace(source=read, result=made, before=(before[0], before[1]))

    def _turn(self, variables: int) -> float:
        """A turn of a loop all of whose variables have one place each: condition, counter, and WHILE itself."""
        own = self.model.control
        return own.turn + 3 * variables * own.variable + 2 * self._instructions(_LOOKUP)

    def _ends(self, net: StageNet) -> float:
        ends = (net.source, net.result) if net.feed is None else (net.result,)
        return _FILL_A_BYTE * max(net.height(t) * net.row_bytes(t) for t in ends)


_LOOKUP = Call("SLICE", "int32", (100,), (4,))
"""A SLICE of a constant table; its length is no matter."""


@dataclass(frozen=True)
class _Strip:
    """The calls of one strip, as :class:`mcuplan.patching.writing.strips.StripWriter` writes them."""

    pricer: StagePricer
    net: StageNet
    fast: bool
    inside: Mapping[int, tuple[int, int]] | None = None

    def strip(
        self, strip: StripRows, after: StripRows | None, streams: bool, piece: bool = True
    ) -> Iterator[Call | None]:
        """Layers, windows joined, rows kept; ``piece`` where the strip's rows of the source are their own tensor."""
        source = self.net.source
        if streams:
            yield from self._window(source, strip)
            yield from self._keep(source, after)
        for layer in self.net.layers:
            window = strip[layer.output]
            if window.new == window.high:
                continue
            span = layer.span(window.new, window.high)
            yield self._layer(layer, span.end - span.begin, span.made, span.top + span.bottom)
            for t in layer.inputs:
                held = strip[t].high - strip[t].low if piece or t != source else self.net.height(t)
                if span.end - span.begin < held:
                    yield self._rows(t, span.end - span.begin)
            if span.made > window.high - window.new:
                yield self._rows(layer.output, window.high - window.new)
            if layer.output != self.net.result:
                yield from self._window(layer.output, strip)
                yield from self._keep(layer.output, after)

    def _layer(self, layer: Layer, read: int, made: int, padding: int) -> Call | None:
        given, out = self._shape(layer.inputs[0], read), self._shape(layer.output, made)
        if layer.pads:
            sides = (0, 0, padding, 0, *layer.columns, 0, 0)
            return Call("PAD", self._dtype(layer.output), given, out, detail=sides)
        if layer.masks:
            return Call("MUL", self._dtype(layer.output), given, out, other=(1, made, 1, 1))
        return self.pricer.clone(layer, given, out, layer.crops)

    def _window(self, t: int, strip: StripRows) -> Iterator[Call]:
        window = strip[t]
        rows = window.high - window.low
        padded = self.inside is not None and t in self.inside
        parts = [n for n in (window.kept, window.high - window.new, int(padded)) if n]
        if len(parts) > 1:
            shape, dtype = self._shape(t, sum(parts)), self._dtype(t)
            yield Call("CONCATENATION", dtype, self._shape(t, parts[0]), shape, detail=(1, *parts))
        if padded:
            yield Call("GATHER", self._dtype(t), self._shape(t, rows + 1), self._shape(t, rows), detail=(1,))

    def _keep(self, t: int, after: StripRows | None) -> Iterator[Call]:
        if after is not None and after[t].kept:
            yield self._rows(t, after[t].kept)

    def _rows(self, t: int, rows: int) -> Call:
        """A copy of some rows."""
        return self._copied(self._shape(t, rows + 1), self._shape(t, rows), t, rows)

    def _copied(self, given: tuple[int, ...], made: tuple[int, ...], t: int, rows: int) -> Call:
        if self.fast and gathers(self.net.tensors[t], rows):
            return Call("GATHER", self._dtype(t), given, made, detail=(1,))
        return Call("SLICE", self._dtype(t), given, made)

    def stacked(self, parts: int) -> Iterator[Call]:
        """The source of a second flow, which comes in parts."""
        window = self.net.tensors[self.net.source].shape
        yield Call("CONCATENATION", self._dtype(self.net.source), window, window, detail=(1, *[1] * parts))

    def left(self, after: StripRows) -> Iterator[Call]:
        """Rows of the source that a first strip leaves for the next one."""
        yield from self._keep(self.net.source, after)

    def piece(self, strip: StripRows) -> Iterator[Call]:
        """The strip's rows of the source."""
        window = strip[self.net.source]
        if self.net.feed is None:
            yield self._rows(self.net.source, window.high - window.low)
        elif window.low < window.high:
            yield self._fed(window.high - window.low)

    def turn_piece(self, flow: Flow) -> Iterator[Call]:
        """The turn's new rows of the source."""
        rows = flow.rows[self.net.source]
        yield self._rows(self.net.source, rows) if self.net.feed is None else self._fed(rows)

    def _fed(self, rows: int) -> Call:
        """Rows that the firmware gives."""
        shape, dtype = self._shape(self.net.source, rows), self._dtype(self.net.source)
        return Call(ROWS_OPERATOR, dtype, shape, shape)

    def fetched(self, lengths: Sequence[int]) -> Iterator[Call]:
        """Rows of constant tables, together where that takes less."""
        if self.fast and len(lengths) >= LEAST_FETCHED and sum(lengths) <= MOST_FETCHED:
            yield Call("SLICE", "int32", (100,), (sum(lengths),))
            yield Call("SPLIT_V", "int32", (sum(lengths),), (lengths[0],), detail=(0, *lengths))
        else:
            yield from self.lookups(len(lengths))

    def lookups(self, count: int) -> Iterator[Call]:
        """Rows of constant tables."""
        for _ in range(count):
            yield _LOOKUP

    def result(self, strip: StripRows, joined: bool) -> Iterator[Call]:
        """The strip's rows put into the result."""
        t = self.net.result
        window = strip[t]
        rows = self._shape(t, window.high - window.new)
        if window.high == window.new:
            return
        if joined:  # all of them once, at the end: a share of that
            yield Call("CONCATENATION", self._dtype(t), rows, rows, detail=(1, rows[1]))
        else:
            whole = self._shape(t, self.net.height(t))
            yield Call("DYNAMIC_UPDATE_SLICE", self._dtype(t), whole, whole, other=rows, detail=(1,))

    def patch(self, patches: Patches) -> Iterator[Call | None]:
        """One turn over a patch."""
        net = self.net
        whole = patches.columns.piece == net.tensors[net.result].shape[2]
        fast = _Strip(self.pricer, net, self.fast and whole)
        region = patches.shape(net.source)
        yield fast._copied(self._shape(net.source, net.height(net.source)), region, net.source, region[1])
        for layer in net.layers:
            given, made = patches.shape(layer.inputs[0]), patches.shape(layer.output)
            if layer.pads:
                sides = (0, 0, layer.rows.before, layer.rows.after, *layer.columns, 0, 0)
                yield Call("PAD", self._dtype(layer.output), given, made, detail=sides)
            else:
                yield self.pricer.clone(layer, given, made, layer.same)
        made = patches.shape(net.result)
        piece = (1, patches.rows.piece, patches.columns.piece, made[3])
        if piece != made:
            yield fast._copied(made, piece, net.result, piece[1])
        end = self._shape(net.result, net.height(net.result))
        yield Call("DYNAMIC_UPDATE_SLICE", self._dtype(net.result), end, end, other=piece, detail=(1,))

    def _shape(self, t: int, rows: int) -> tuple[int, ...]:
        _, _, columns, channels = self.net.tensors[t].shape
        return (1, rows, columns, channels)

    def _dtype(self, t: int) -> str:
        return self.net.tensors[t].dtype.label
