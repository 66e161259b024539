"""What a stage takes from its rows alone: instructions and persistent bytes of the operators that it will be.

Everything that runs in a strip is counted as the writers of this room write it: clones, padding, rows joined, kept and
cut off, what loops look up, dispatch and the loops themselves. What happens once a stage (its first and last copies) is
counted by bytes. Where operators may have constants in common these are counted once, so that persistent bytes are
never too many. Tests hold both sums against the written stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mcuplan.estimates.instructions import Call, CostModel, call_of
from mcuplan.graph import DType, Tensor
from mcuplan.operators import OperatorCall, window_axis
from mcuplan.operators.geometry import SAME
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.operators.input_rows import ROWS_OPERATOR
from mcuplan.patching.writing.build import MOST_PARTS, gathers
from mcuplan.patching.writing.cascade import Cascade, tables_of
from mcuplan.patching.writing.flow import Flow
from mcuplan.patching.writing.headed import Headed
from mcuplan.patching.writing.in_place import UNFELT_DILATION
from mcuplan.patching.writing.keeps import Keeps
from mcuplan.patching.writing.loop import Run
from mcuplan.patching.writing.patches import Patches
from mcuplan.patching.writing.reader import StageReader
from mcuplan.patching.writing.rows import Layer, RowWindow, StageNet, StripRows
from mcuplan.patching.writing.turns import LEAST_FETCHED, MOST_FETCHED
from mcuplan.tflm.persistent import MOST_ROUNDED
from mcuplan.tflm.target import Target

_FILL_A_BYTE = 1.0
"""Instructions a byte of what a stage lays down once: PAD, FILL and RESHAPE take 0.5 to 2."""

_ANYWHERE, _NO_CONSTANT = -1, -2
"""Where rows are copied from that turns look up, and rows of which nothing is counted but the copy."""

_VARIABLES = 3
"""A loop's own: the counter, the source, the result."""


@dataclass(frozen=True, slots=True)
class Price:
    """Instructions of one ``Invoke``, dispatch included, and persistent bytes beside those of the given operators."""

    instructions: float
    growth: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A form of a stage by its rows: layers, MACs, bytes in use inside at least, and its price with or without rows
    copied fast."""

    net: StageNet
    macs: int
    inside: int
    price: Callable[[bool], Price]


_One = tuple[float, int]
"""Instructions of one run of an operator, and its persistent bytes."""


class StagePricer:
    """Prices of stages of one graph on one target; without a cost model instructions are 0.

    What operators take is remembered by what they do: rows of maps of one width, depth and type are alike.
    """

    def __init__(self, reader: StageReader, target: Target, model: CostModel | None) -> None:
        self.reader = reader
        self.model = model
        self.keeps = Keeps(reader.graph, target)
        self.dispatch = model.control.dispatch if model is not None else 0.0
        self._calls: dict[int, Call | None] = {}
        self._known: dict[tuple[object, ...], _One] = {}
        self._copies: dict[tuple[int, int, bool], tuple[_One, bool]] = {}
        self._kinds: dict[tuple[bool, int, int, DType], int] = {}
        self._likes: list[Tensor] = []
        self._of_net: dict[StageNet, Mapping[int, int]] = {}
        self._whole: dict[PatchStage, float] = {}
        self.recent: tuple[object, Rows] | None = None

    def whole(self, stage: PatchStage) -> float:
        """Instructions of the stage's operators as they are in the model, dispatch included."""
        if self.model is None:
            return 0.0
        if stage not in self._whole:
            self._whole[stage] = sum(self._instructions(self._operator(k)) for k in range(stage.first, stage.last))
        return self._whole[stage]

    def least_loop(self) -> int:
        """Persistent bytes that any loop adds, without its operators: itself, what it looks up, and its two copies."""
        keeps = self.keeps
        copied = min(keeps.added("SLICE"), keeps.added("GATHER"))
        if self.reader.plain:
            return keeps.added("WHILE") + 2 * keeps.subgraph + 3 * _VARIABLES * keeps.tensor + copied
        return _Tally.looping(keeps) + keeps.added("DYNAMIC_UPDATE_SLICE") + copied

    def strips(self, net: StageNet, strips: Sequence[StripRows], run: Run | None) -> Callable[[bool], Price]:
        """Strips written out or, with ``run``, partly as one loop, whose turns are alike; with rows copied fast or
        not."""
        tally = _Tally(self, net)
        fed = net.feed is not None
        for j, strip in enumerate(strips):
            after = strips[j + 1] if j + 1 < len(strips) else None
            if run is None or not run.first <= j < run.last:
                if fed:
                    tally.constant("place", strip[net.source].low)
                    tally.taken(strip[net.source].high - strip[net.source].low)
                tally.strip(strip, after)
                tally.border(strip, run is not None)
            elif j == run.first:
                tally.turns, tally.inside = run.last - run.first, True
                tally.strip(strip, after)
                tally.loop((sum(1 for w in after.values() if w.kept) if after else 0) - fed)
                tally.taken(strip[net.source].high - strip[net.source].low)
                tally.lookups(1 if run.together and not fed else 2)
                tally.put(strip)
                tally.turns, tally.inside = 1, False
        if run is None:
            tally.joined(sum(1 for strip in strips if strip[net.result].new < strip[net.result].high))
        beside = run is not None and len(strips) > run.last - run.first
        return lambda fast: tally.price(run is not None, fast, beside)

    def flow(self, flow: Flow, fast: bool, over: bool) -> Price:
        """One loop through which rows flow."""
        net, strip = flow.net, flow.strip
        tally = _Tally(self, net, flow.inside)
        tally.turns, tally.inside = flow.turns, True
        tally.strip(strip, flow.later(1), streams=True)
        kept = sum(1 for t, w in strip.items() if w.kept and t != net.result)
        tally.loop(kept - (net.feed is not None))
        tally.growth += kept * self.keeps.tensor
        tally.taken(flow.rows[net.source])
        gathered = fast and gathers(net.tensors[net.source], flow.rows[net.source])
        tally.fetched(flow.lookups(gathered, not self.reader.plain), fast)
        tally.lookups(2 * bool(flow.masked))
        tally.put(strip)
        tally.begun(flow.displaced if over else None)
        return tally.price(True, fast)

    def headed(self, headed: Headed, fast: bool) -> Price:
        """The same behind a first strip of its own."""
        head, after = headed.head, headed.after
        tally = _Tally(self, headed.net)
        tally.taken(head[headed.net.source].high - head[headed.net.source].low)
        tally.strip(head, after, streams=True)
        flow = self.flow(headed.flow, fast, False)
        instructions, growth, _ = tally.with_copies(fast)
        return Price(instructions + flow.instructions, growth + flow.growth)

    def cascade(self, cascade: Cascade, fast: bool) -> Price:
        """Two flows in one loop."""
        first, second, net = cascade.first, cascade.second, cascade.net
        tally = _Tally(self, net)
        tally.inside = True
        for flow, times in ((first, cascade.times), (second, 1)):
            own = _Tally(self, flow.net, flow.inside)
            own.turns, own.inside = second.turns, True
            for _ in range(times):
                own.strip(flow.strip, flow.later(1), streams=True)
                if flow is first:
                    own.taken(flow.rows[flow.net.source])
            instructions, growth, _ = own.with_copies(fast)
            tally.instructions += instructions
            tally.growth += growth
        kept = sum(1 for f in (first, second) for t, w in f.strip.items() if w.kept and t != f.net.result)
        tally.turns = second.turns
        tally.loop(kept - 1)
        tally.fetched([len(table[0]) for table in {tuple(map(tuple, t)) for t in tables_of(cascade)}], fast)
        tally.stacked(second, cascade.times)
        tally.put(second.strip)
        tally.begun(None)
        return tally.price(True, fast)

    def patches(self, patches: Patches, fast: bool, over: bool) -> Price:
        """One loop over patches."""
        net = patches.net
        whole = patches.columns.piece == net.tensors[net.result].shape[2]
        tally = _Tally(self, net)
        tally.turns, tally.inside = len(patches.turns), True
        tally.patch(patches, fast and whole)
        tally.loop(0)
        tally.begun(patches.displaced if over else None)
        return tally.price(True, fast and whole)

    def channels(self, calls: Sequence[OperatorCall], taken: int) -> Price:
        """Operators in parts by output channels, of which it is known what they take for good."""
        growth = max(taken - MOST_ROUNDED, 0)
        return Price(
            sum(self._instructions(call_of(call)) for call in calls) if self.model is not None else 0.0, growth
        )

    def in_place(self, stage: PatchStage, taken: int) -> Price:
        """A 1x1 convolution in place, of which it is known what it takes for good."""
        call = self._operator(stage.first)
        growth = max(taken - MOST_ROUNDED, 0)
        if call is None or self.model is None:
            return Price(0.0, growth)
        return Price(self._instructions(call._replace(dilation=(UNFELT_DILATION,) * 2)), growth)

    # -- operators ---------------------------------------------------------------------------------------------------

    def kinds(self, net: StageNet) -> Mapping[int, int]:
        """For each tensor of a stage a number that those share whose rows are alike."""
        if net not in self._of_net:
            self._of_net[net] = {t: self._kind(tensor) for t, tensor in net.tensors.items()}
        return self._of_net[net]

    def _kind(self, tensor: Tensor) -> int:
        key = tensor.shape[0] == 1, tensor.shape[2], tensor.shape[3], tensor.dtype
        if key not in self._kinds:
            self._kinds[key] = len(self._likes)
            self._likes.append(tensor)
        return self._kinds[key]

    def layer(self, layer: Layer, kinds: Mapping[int, int], read: int, made: int, padding: int) -> _One:
        """A layer that makes some rows of some; ``padding`` rows are added by a PAD."""
        given, out = kinds[layer.inputs[0]], kinds[layer.output]
        key = layer.operator, layer.valid, layer.crops, layer.edges, given, out, read, made, padding
        found = self._known.get(key)
        if found is None:
            like = self._likes[out]
            shapes = self.shape(given, read), self.shape(out, made)
            if layer.pads:
                sides = (0, 0, padding, 0, *layer.columns, 0, 0)
                found = self._one(Call("PAD", like.dtype.label, *shapes, detail=sides), self.keeps.added("PAD"))
            elif layer.edges:
                found = self._edges(layer, out, made)
            elif layer.masks:
                name = "SELECT_V2" if like.dtype is DType.FLOAT32 else "MUL"
                call = Call("MUL", like.dtype.label, *shapes, other=(1, made, 1, 1))
                found = self._one(call, self.keeps.added(name, like.dtype))
            else:
                found = self._one(self._clone(layer, *shapes), self.keeps.clone(layer.operator))
            self._known[key] = found
        return found

    def _edges(self, layer: Layer, kind: int, rows: int) -> _One:
        """Columns of padding written over the sides of some rows, in place."""
        whole, dtype = self.shape(kind, rows), self._likes[kind].dtype
        instructions, growth = 0.0, 0
        for count in filter(None, layer.columns):
            part = (1, rows, count, whole[3])
            call = Call("DYNAMIC_UPDATE_SLICE", dtype.label, whole, whole, other=part, detail=(1,))
            one = self._one(call, self.keeps.added("DYNAMIC_UPDATE_SLICE", dtype) + self.keeps.tensor)
            instructions, growth = instructions + one[0], growth + one[1]
        return instructions, growth

    def copied(self, kind: int, rows: int, fast: bool) -> tuple[_One, bool]:
        """A copy of some rows, and whether row by row."""
        key = kind, rows, fast
        found = self._copies.get(key)
        if found is None:
            one = self.piece(self.shape(kind, rows + 1), self.shape(kind, rows), kind, fast)
            found = self._copies[key] = one, fast and gathers(self._likes[kind], rows)
        return found

    def piece(self, given: tuple[int, ...], made: tuple[int, ...], kind: int, fast: bool) -> _One:
        """A piece of a map, by GATHER or SLICE."""
        key = given, made, kind, fast
        found = self._known.get(key)
        if found is None:
            like = self._likes[kind]
            name, detail = ("GATHER", (1,)) if fast and gathers(like, made[1]) else ("SLICE", ())
            growth = self.keeps.added(name, like.dtype)
            found = self._known[key] = self._one(Call(name, like.dtype.label, given, made, detail=detail), growth)
        return found

    def joined(self, kind: int, parts: tuple[int, ...], whole: int) -> _One:
        """Some rows one below the other; of ``whole`` rows."""
        key = "joined", kind, parts, whole
        found = self._known.get(key)
        if found is None:
            dtype = self._likes[kind].dtype
            shapes = self.shape(kind, parts[0]), self.shape(kind, whole)
            call = Call("CONCATENATION", dtype.label, *shapes, detail=(1, *parts))
            found = self._known[key] = self._one(call, self.keeps.added("CONCATENATION", dtype))
        return found

    def gathered(self, kind: int, rows: int) -> _One:
        """Rows of a window, padding among them."""
        key = "gathered", kind, rows
        found = self._known.get(key)
        if found is None:
            dtype = self._likes[kind].dtype
            shapes = self.shape(kind, rows + 1), self.shape(kind, rows)
            growth = self.keeps.added("GATHER", dtype)
            found = self._known[key] = self._one(Call("GATHER", dtype.label, *shapes, detail=(1,)), growth)
        return found

    def fed(self, kind: int, rows: int) -> _One:
        """Rows that the firmware gives; what its operator keeps is not counted."""
        shape = self.shape(kind, rows)
        return self._one(
            Call(ROWS_OPERATOR, self._likes[kind].dtype.label, shape, shape), self.keeps.node + self.keeps.tensor
        )

    def put(self, kind: int, height: int, part: tuple[int, ...]) -> _One:
        """A part put into its place in a map."""
        key = "put", kind, height, part
        found = self._known.get(key)
        if found is None:
            dtype, whole = self._likes[kind].dtype, self.shape(kind, height)
            call = Call("DYNAMIC_UPDATE_SLICE", dtype.label, whole, whole, other=part, detail=(1,))
            found = self._known[key] = self._one(call, self.keeps.added("DYNAMIC_UPDATE_SLICE", dtype))
        return found

    def lookup(self, length: int = 4) -> _One:
        """A row of a constant table with its result: a SLICE; its length is no matter."""
        key = "lookup", length
        if key not in self._known:
            one = self._one(Call("SLICE", "int32", (100,), (length,)), self.keeps.added("SLICE", DType.INT32))
            self._known[key] = one[0], one[1] + self.keeps.tensor  # its table
        return self._known[key]

    def split(self, lengths: Sequence[int]) -> _One:
        """Looked up rows taken apart."""
        call = Call("SPLIT_V", "int32", (sum(lengths),), (lengths[0],), detail=(0, *lengths))
        return self._one(call, self.keeps.added("SPLIT_V", DType.INT32) + (len(lengths) + 1) * self.keeps.tensor)

    def _one(self, call: Call | None, growth: int) -> _One:
        return (self._instructions(call) if self.model is not None else 0.0), growth

    def _instructions(self, call: Call | None) -> float:
        own = 0.0 if call is None or self.model is None else self.model.cost(call).instructions
        return own + self.dispatch

    def _operator(self, index: int) -> Call | None:
        if index not in self._calls:
            graph, main = self.reader.graph, self.reader.graph.main
            self._calls[index] = call_of(OperatorCall(graph, main, main.operators[index]))
        return self._calls[index]

    def _clone(self, layer: Layer, read: tuple[int, ...], made: tuple[int, ...]) -> Call | None:
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
        if layer.crops or layer.same:
            for i, axis in enumerate((layer.rows, layer.across)):
                before[i] = window_axis(read[1 + i], axis.kernel, axis.stride, axis.dilation, SAME).before
        return call._replace(source=read, result=made, before=(before[0], before[1]))

    def patch(self, layer: Layer, given: tuple[int, ...], made: tuple[int, ...], dtype: DType) -> _One:
        """A layer on a region."""
        if layer.pads:
            sides = (0, 0, layer.rows.before, layer.rows.after, *layer.columns, 0, 0)
            call: Call | None = Call("PAD", dtype.label, given, made, detail=sides)
        else:
            call = self._clone(layer, given, made)
        return self._one(call, self.keeps.clone(layer.operator))

    def shape(self, kind: int, rows: int) -> tuple[int, ...]:
        """Some rows of a kind."""
        _, _, columns, channels = self._likes[kind].shape
        return (1, rows, columns, channels)


class _Tally:
    """What the operators of one stage come to; ``turns`` of those that follow, ``inside`` a loop's subgraph."""

    def __init__(self, prices: StagePricer, net: StageNet, padded: Mapping[int, tuple[int, int]] | None = None) -> None:
        self.prices = prices
        self.net = net
        self.padded = padded or {}
        self.kinds = prices.kinds(net)
        self.turns = 1
        self.inside = False
        self.instructions = 0.0
        self.growth = 0
        self.constants: set[tuple[object, ...]] = set()
        self.copies: list[tuple[int, bool, int, int, int, int]] = []
        self.read: set[tuple[int, int, int]] = set()

    def add(self, one: _One) -> None:
        """Count one operator: its instructions each turn, its persistent bytes once."""
        self.instructions += self.turns * one[0]
        self.growth += one[1]

    def strip(self, strip: StripRows, after: StripRows | None, streams: bool = False) -> None:
        """Layers, windows joined, rows kept; in a loop the strip's rows of the source are their own tensor."""
        prices, kinds, net, padded = self.prices, self.kinds, self.net, self.padded
        source, result, fed, turns = net.source, net.result, net.feed is not None, self.turns
        read_here: set[tuple[int, int, int]] = set()
        if streams:
            self._window(source, strip[source])
            self._keep(source, strip[source], after)
        for layer in net.layers:
            output = layer.output
            window = strip[output]
            low, fresh, high = window
            new = high - fresh
            if not new:
                continue
            begin, end, made, drop, top, bottom = layer.span(fresh, high)
            read = end - begin
            instructions, growth = prices.layer(layer, kinds, read, made, top + bottom)
            self.instructions += turns * instructions
            self.growth += growth
            if layer.pads:
                self.constant("around", top, bottom, *layer.columns)
            for side, count in enumerate(layer.columns if layer.edges else ()):
                if count:  # where it begins
                    self.constant("side", side and net.tensors[output].shape[2] - count)
            for t in layer.inputs:
                apart = self.inside or fed or t != source
                first, _, last = strip[t] if apart else (0, 0, net.height(t))
                if read < last - first:
                    seen, rows = read_here if apart else self.read, (t, begin, read)
                    if rows not in seen:  # one copy for all that read the same
                        seen.add(rows)
                        self.rows(t, read, begin - first, last - first)
            if made > new:
                self.rows(output, new, drop, made)
            if output != result:
                if low < fresh or output in padded:
                    self._window(output, window)
                if after is not None:
                    self._keep(output, window, after)

    def _window(self, t: int, window: RowWindow) -> None:
        parts = [n for n in (window.kept, window.high - window.new, int(t in self.padded)) if n]
        if len(parts) > 1:
            self.add(self.prices.joined(self.kinds[t], tuple(parts), sum(parts)))
        if t in self.padded:
            self.add(self.prices.gathered(self.kinds[t], window.high - window.low))

    def _keep(self, t: int, window: RowWindow, after: StripRows | None) -> None:
        if after is not None:
            low, new, _ = after[t]
            whole = window.high - window.low
            if 0 < new - low < whole:
                self.rows(t, new - low, low - window.low, whole)

    def rows(self, t: int, rows: int, begin: int, whole: int) -> None:
        """A copy of some rows of ``whole``, from one that does not change on."""
        self.copies.append((self.turns, self.inside, t, rows, begin, whole))

    def with_copies(self, fast: bool) -> tuple[float, int, set[tuple[object, ...]]]:
        """Instructions, persistent bytes and constants with the rows copied in one way."""
        prices, kinds = self.prices, self.kinds
        instructions, growth, constants = self.instructions, self.growth, set(self.constants)
        for turns, inside, t, rows, begin, whole in self.copies:
            kind = kinds[t]
            (own, taken), by_rows = prices.copied(kind, rows, fast)
            instructions += turns * own
            growth += taken
            if begin == _ANYWHERE:
                if not by_rows:
                    constants.add((inside, *prices.shape(kind, rows)))
            elif by_rows:
                constants.add((inside, "rows", begin, rows))
            elif begin >= 0:
                constants.add((inside, "from", begin))
                constants.add((inside, "rest") if begin + rows == whole else (inside, *prices.shape(kind, rows)))
        return instructions, growth, constants

    def piece(self, t: int, given: tuple[int, ...], made: tuple[int, ...], fast: bool) -> bool:
        """A copy of a piece of which turns look up where it lies; whether row by row."""
        by_rows = fast and gathers(self.net.tensors[t], made[1])
        if not by_rows:
            self.constant(*made)
        else:
            self.looked_up(made[1])
        self.add(self.prices.piece(given, made, self.kinds[t], fast))
        return by_rows

    def taken(self, rows: int) -> None:
        """A strip's or turn's own rows of the source."""
        if self.net.feed is None:
            self.rows(self.net.source, rows, _ANYWHERE, rows)
        elif rows:
            self.add(self.prices.fed(self.kinds[self.net.source], rows))

    def constant(self, *values: object) -> None:
        """Integers that operators read: equal ones of one subgraph are one tensor."""
        self.constants.add((self.inside, *values))

    def loop(self, kept: int) -> None:
        """The loop itself, each of its variables at one place, with condition and counter; ``kept`` more variables."""
        keeps, model = self.prices.keeps, self.prices.model
        if model is not None:
            own = model.control
            self.instructions += self.turns * (own.turn + 3 * (_VARIABLES + kept) * own.variable) + own.loop
        # Whether there is one more turn; to compare takes no more bytes.
        one = self.prices.lookup()
        self.add((one[0], keeps.node + keeps.tensor) if self.prices.reader.plain else one)
        self.looked_up(1)
        self.growth += keeps.tensor + keeps.added("WHILE") + 2 * keeps.subgraph + 3 * (_VARIABLES + kept) * keeps.tensor

    @staticmethod
    def looping(keeps: Keeps) -> int:
        """Persistent bytes of a loop without what runs in it."""
        own = keeps.added("WHILE") + 2 * keeps.subgraph + 3 * _VARIABLES * keeps.tensor
        return own + 3 * (keeps.added("SLICE", DType.INT32) + keeps.tensor) + 3 * keeps.tensor

    def fetched(self, lengths: Sequence[int], fast: bool) -> None:
        """Rows of constant tables, together where that takes less."""
        if fast and len(lengths) >= LEAST_FETCHED and sum(lengths) <= MOST_FETCHED:
            self.looked_up(sum(lengths))
            self.add(self.prices.split(lengths))
        else:
            for length in lengths:
                self.looked_up(length)

    def lookups(self, count: int) -> None:
        """Rows of constant tables."""
        for _ in range(count):
            self.looked_up(4)

    def looked_up(self, length: int) -> None:
        """A row of a constant table."""
        self.constant("length", length)
        self.add(self.prices.lookup(length))

    def border(self, strip: StripRows, put: bool) -> None:
        """The rows of a strip outside a loop put into the result; else copied once, at the end."""
        if put:
            self.put(strip)
            return
        rows = strip[self.net.result].high - strip[self.net.result].new
        if rows:
            self.instructions += self.prices.joined(self.kinds[self.net.result], (rows,), rows)[0]

    def put(self, strip: StripRows) -> None:
        """The strip's rows put into the result."""
        t = self.net.result
        rows, whole = strip[t].high - strip[t].new, self.net.height(t)
        kind = self.kinds[t]
        if self.prices.reader.plain and self.inside:  # all of it moves up
            self.rows(t, max(whole - rows, 1), _NO_CONSTANT, whole)
            self.add(self.prices.joined(kind, (max(whole - rows, 1), rows), whole))
        elif rows:
            self.add(self.prices.put(kind, self.net.height(t), self.prices.shape(kind, rows)))

    def stacked(self, flow: Flow, parts: int) -> None:
        """The source of a second flow, which comes in parts."""
        t = flow.net.source
        rows = flow.rows[t]
        self.add(self.prices.joined(self.prices.kinds(flow.net)[t], (rows // parts,) * parts, rows))

    def joined(self, parts: int) -> None:
        """The bytes of the CONCATENATION of strips, and of those that it takes to have no more than it can read."""
        added = self.prices.keeps.added("CONCATENATION", self.net.tensors[self.net.result].dtype)
        self.growth += added
        while parts > MOST_PARTS:
            full, rest = divmod(parts, MOST_PARTS)
            self.growth += (full + (rest > 1)) * added
            parts = full + (rest > 0)

    def patch(self, patches: Patches, fast: bool) -> None:
        """One turn over a patch."""
        prices, net, rows, columns = self.prices, self.net, patches.rows, patches.columns
        places = {(rows.places, columns.places)}
        region = patches.shape(net.source)
        whole = prices.shape(self.kinds[net.source], net.height(net.source))
        if not self.piece(net.source, whole, region, fast):
            places.add((rows.begins, columns.begins))
        for layer in net.layers:
            dtype = net.tensors[layer.output].dtype
            self.add(prices.patch(layer, patches.shape(layer.inputs[0]), patches.shape(layer.output), dtype))
        made = patches.shape(net.result)
        piece = (1, rows.piece, columns.piece, made[3])
        if patches.cut and not self.piece(net.result, made, piece, fast):
            places.add((rows.drops, columns.drops))
        self.lookups(len(places))
        self.add(prices.put(self.kinds[net.result], net.height(net.result), piece))

    def begun(self, displaced: int | None) -> None:
        """Persistent bytes of laying down what a loop's result begins with (:func:`.loop.begin_over_source`)."""
        source, result = self.net.tensors[self.net.source], self.net.tensors[self.net.result]
        keeps = self.prices.keeps
        if displaced is None:
            self.growth += min(keeps.added("FILL"), keeps.added("PAD"))
            return
        if not displaced and source.shape == result.shape:
            return
        item = max((source.dtype.bits or 8) // 8, 1)
        before, row = displaced // item, source.elements // source.shape[1]
        behind = max(result.elements - before - source.elements, 0)
        self.growth += keeps.added("PAD", source.dtype) if before or behind else 0
        self.growth += keeps.added("SLICE", source.dtype) if before + source.elements + behind > result.elements else 0
        rows_only = before % row == behind % row == result.elements % row == 0
        reshaped = source.shape[2:] != result.shape[2:] if rows_only else 2
        self.growth += int(reshaped) * keeps.added("RESHAPE", source.dtype)

    def price(self, whole: bool, fast: bool, beside: bool = False) -> Price:
        """The sum with rows copied in one way; ``whole`` where something is laid down once, ``beside`` where clones are
        in and beside a loop."""
        net, keeps = self.net, self.prices.keeps
        instructions, growth, constants = self.with_copies(fast)
        operators = [layer.operator for layer in net.layers if layer.operator >= 0]
        pads = (layer for layer in net.layers if layer.pads or layer.edges)
        padded = keeps.constants(layer.operator for layer in pads if layer.operator >= 0)
        own = sum(map(keeps.own, operators)) + padded - (keeps.constants(operators) - padded if beside else 0)
        own -= len(constants) * keeps.tensor
        ends = (net.source, net.result) if net.feed is None else (net.result,)
        once = float(max(net.height(t) * net.row_bytes(t) for t in ends)) if whole else 0.0
        once = _FILL_A_BYTE * once if self.prices.model is not None else 0.0
        return Price(instructions + once, max(growth - own - MOST_ROUNDED, 0))
