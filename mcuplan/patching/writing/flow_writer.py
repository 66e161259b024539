"""Writes a flow: the strip that its loop turns, the loop, and what stands before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mcuplan.graph import DType, Quantization, Subgraph, Tensor
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import GraphBuilder, SubgraphBuilder, padding, padding_rows, stored
from mcuplan.patching.writing.feed import RowsWriter
from mcuplan.patching.writing.flow import Flow
from mcuplan.patching.writing.loop import begin_over_source
from mcuplan.patching.writing.rows import Layer
from mcuplan.patching.writing.strips import StripWriter
from mcuplan.patching.writing.turns import Tables, Variables


class FlowStrip(StripWriter):
    """Writes the body's strip; masks and what is inside a map come from tables that the loop's turn looks up."""

    masks: Mapping[int, int]
    inside: Mapping[int, int]
    """For tensors outside of which there must be padding: the rows that are to be gathered this turn."""

    def _joined(self, t: int, parts: Sequence[int], name: str, first: str) -> int:
        if t not in self.inside:
            return super()._joined(t, parts, name, first)
        body, like = self.builder, self.net.tensors[t]
        joined = body.stacked([*parts, padding_rows(body, like, 1)], like, f"{name}/all", first=first)
        window = body.gathered(joined, self.inside[t], name)
        body.tie(window, joined)
        self.pieces.add(window)
        return window

    def _operate(self, layer: Layer, source: int, out: int) -> None:
        if layer.edges:
            self._fill_edges(layer, source, out)
            return
        if not layer.masks:
            super()._operate(layer, source, out)
            return
        like, mask = self.net.tensors[layer.output], self.masks[layer.output]
        if like.dtype is DType.FLOAT32:
            zero = self.builder.constant(replace(like, shape=(1, 1, 1, 1), name="outside"), stored(0, like.dtype))
            self.builder.operation("SELECT_V2", [mask, source, zero], [out])
        else:
            self.builder.operation("MUL", [source, mask], [out], "MulOptions")

    def _fill_edges(self, layer: Layer, source: int, out: int) -> None:
        """Padding over the columns at both sides of a map, in place."""
        b, like = self.builder, self.net.tensors[layer.output]
        _, rows, columns, channels = b.tensors[out].shape
        before, behind = layer.columns
        sides = [(at, count) for at, count in ((0, before), (columns - behind, behind)) if count]
        for i, (at, count) in enumerate(sides):
            zeros = padding(b, like, (1, rows, count, channels))
            made = out if i + 1 == len(sides) else b.tensor(b.tensors[out], f"{like.name}/edge")
            begin = b.integers([0, 0, at, 0])
            b.operation("DYNAMIC_UPDATE_SLICE", [source, zeros, begin], [made], "DynamicUpdateSliceOptions")
            b.tie(made, source)
            source = made


class FlowWriter:
    """Writes one stage as a flow into a graph under construction."""

    def __init__(self, parent: GraphBuilder, main: SubgraphBuilder, flow: Flow, stage: PatchStage, over: bool) -> None:
        self.parent = parent
        self.main = main
        self.stage = stage
        self.flow = flow
        self.over = over
        count = len(parent.draft.graph.subgraphs)
        self.condition = SubgraphBuilder(parent, count)
        self.body = SubgraphBuilder(parent, count + 1)

    def write(self) -> tuple[Subgraph, Subgraph]:
        """Write the stage; returns the two new subgraphs."""
        main, body, condition, flow = self.main, self.body, self.condition, self.flow
        net, strip = flow.net, flow.strip
        source = net.tensors[net.source]
        kept = sorted(t for t, w in strip.items() if w.kept and t != net.result)
        given_source = [self.stage.source] if net.feed is None else []
        outer = [main.integers([0]), *given_source, self._begun(), *(self._above(t) for t in kept)]
        variables = Variables.declare(main, condition, body, outer)
        given, at = variables.given, 1 + len(given_source)
        variables.done[at] = self.stage.result

        rows = flow.rows[net.source]
        tables = self._tables(given[0], self.parent.gathers(source, rows))
        name = f"{source.name}/turn"
        if net.feed is not None:
            piece = RowsWriter(net, 0).rows(body, tables.row(flow.fed(net.feed)), rows, name)
        elif flow.uneven:
            piece = body.gathered(given[1], tables.row([flow.read_rows(i) for i in range(flow.turns)]), name)
        else:
            begins = [(flow.source_rows(i)[0], 0) for i in range(flow.turns)]
            piece = tables.piece(given[1], begins, (rows, source.shape[2]), name)
        writer = FlowStrip(body, net, self.parent.draft.graph.main.operators)
        writer.streams_source = writer.turns = True
        writer.masks = self._masks(tables)
        writer.inside = {t: tables.row(flow.gathered(t)) for t in flow.inside}
        writer.kept = {t: given[at + 1 + i] for i, t in enumerate(kept)}
        part = writer.write(piece, strip[net.source].low, strip, flow.later(1), "turn")
        assert part is not None
        written = self._written(tables, given[at], part)
        variables.back = [tables.next_turn(flow.turns), *given[1:at], written, *(writer.kept[t] for t in kept)]

        return variables.close(main, condition, body, flow.turns, tables.step)

    def _written(self, tables: Tables, given: int, part: int) -> int:
        """The result with this turn's rows: at their place, or below all others where no operator writes to a place.

        So rows come to their place one turn after the other, and those above the result go out at its top.
        """
        body, flow = self.body, self.flow
        result = flow.net.tensors[flow.net.result]
        name = f"{result.name}/written"
        if self.parent.plain:
            return body.pushed_up(given, part, name)
        if flow.moves_result:
            part = body.gathered(part, tables.row([flow.written(i) for i in range(flow.turns)]), f"{result.name}/rows")
        written = body.tensor(result, name)
        place = tables.place([(flow.result_row(i), 0) for i in range(flow.turns)])
        body.operation("DYNAMIC_UPDATE_SLICE", [given, part, place], [written], "DynamicUpdateSliceOptions")
        body.tie(written, given)
        return written

    def _tables(self, turn: int, gathers: bool) -> Tables:
        """What each turn looks up."""
        return Tables.of(self.body, turn, self.flow.tables(gathers, not self.parent.plain), self.parent.fast)

    def _begun(self) -> int:
        """The result before the loop: over the source's used rows where that is safe, else its own bytes."""
        main, net = self.main, self.flow.net
        result = net.tensors[net.result]
        behind = self.flow.displaced if self.over else None
        if behind is not None:
            return begin_over_source(main, net, self.stage.source, behind)
        return main.filled(result)

    def _above(self, t: int) -> int:
        """The rows above a map, which are padding."""
        return padding_rows(self.main, self.flow.net.tensors[t], self.flow.strip[t].kept)

    def _masks(self, tables: Tables) -> dict[int, int]:
        """This turn's mask for each masked tensor: a 1 for every new row inside the map."""
        body, flow = self.body, self.flow
        if not flow.masked:
            return {}
        most = max(flow.rows[t] for t in flow.masked.values())
        begin = tables.place([(i * most, 0) for i in range(flow.turns)])
        made: dict[tuple[object, ...], int] = {}
        found: dict[int, int] = {}
        for masked, t in flow.masked.items():
            tensor = flow.net.tensors[t]
            rows, start, height = flow.rows[t], flow.starts[masked], tensor.shape[1]
            new = [start + turn * rows + i for turn in range(flow.turns) for i in range(most)]
            inside = tuple(int(0 <= row < height) for row in new)
            selects = tensor.dtype is DType.FLOAT32
            dtype, quantization = (DType.BOOL, None) if selects else (tensor.dtype, Quantization((1.0,), (0,)))
            key = (inside, rows, dtype)
            if key not in made:
                like = Tensor("inside", dtype, (1, len(inside), 1, 1), 0, quantization)
                data = bytes(inside) if selects else b"".join(stored(bit, dtype) for bit in inside)
                table = body.constant(like, data)
                made[key] = body.tensor(like, "inside/turn", (1, rows, 1, 1))
                body.operation("SLICE", [table, begin, body.integers([1, rows, 1, 1])], [made[key]], "SliceOptions")
            found[masked] = made[key]
        return found
