"""Two flows in one loop, the first one several times a turn: a turn works on fewer rows at a time.

With strides behind it, a layer near the picture makes many rows for one row of the result, and all of them are held
at once. Here the stage is cut at a tensor through which all passes; the layers before it make a part of its rows at a
time, one part after the other, and those behind it then take them together. The price is more operators: the first ones
exist as often as they run in a turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcuplan.graph import Subgraph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import GATHERED, GraphBuilder, SubgraphBuilder, padding_rows
from mcuplan.patching.writing.feed import RowsWriter
from mcuplan.patching.writing.flow import Flow, chained_flows
from mcuplan.patching.writing.flow_writer import FlowStrip, FlowWriter
from mcuplan.patching.writing.rows import StageNet, UnsupportedStageError
from mcuplan.patching.writing.turns import Tables, Variables

_MOST_TIMES = 4


@dataclass(frozen=True)
class Cascade:
    """The flow as far as the tensor at the cut, which runs ``times`` times a turn, and the flow from there on."""

    first: Flow
    second: Flow
    times: int

    @property
    def net(self) -> StageNet:
        """All of the stage, without ends."""
        tensors = {**self.first.net.tensors, **self.second.net.tensors}
        first, second = self.first.net, self.second.net
        layers = (*first.layers, *second.layers)
        return StageNet(layers, tensors, first.source, second.result, first.feed, first.wide)

    def part(self, values: Sequence[list[int]], time: int) -> list[list[int]]:
        """Of what the first flow looks up each time it runs, what it looks up as the ``time``-th of each turn."""
        return [values[turn * self.times + time] for turn in range(self.second.turns)]


def find_cascades(net: StageNet, result_rows: int) -> Iterator[Cascade]:
    """The cascades that give ``result_rows`` rows of the result each turn, by where they are cut; rows are gathered.

    Raises
    ------
    UnsupportedStageError
        Where the source lies in memory, or elements cannot be gathered.
    """
    if net.feed is None:
        raise UnsupportedStageError("only rows that the firmware gives flow through a cascade")
    if any(tensor.dtype not in GATHERED for tensor in net.tensors.values()):
        raise UnsupportedStageError("a cascade's elements are gathered")
    for k, layer in enumerate(net.layers[:-1]):
        before, behind = net.layers[: k + 1], net.layers[k + 1 :]
        read = {t for later in behind for t in later.inputs} - {later.output for later in behind}
        if read != {layer.output} or layer.pads:
            continue
        first = StageNet(before, net.tensors, net.source, layer.output, net.feed, net.wide)
        second = StageNet(behind, net.tensors, layer.output, net.result, None, net.wide)
        for times in range(2, _MOST_TIMES + 1):
            try:
                yield Cascade(*chained_flows(first, second, result_rows, times), times)
            except UnsupportedStageError:
                continue


class CascadeWriter(FlowWriter):
    """Writes one stage as a cascade into a graph under construction."""

    def __init__(self, parent: GraphBuilder, main: SubgraphBuilder, cascade: Cascade, stage: PatchStage) -> None:
        super().__init__(parent, main, cascade.second, stage, over=False)
        self.cascade = cascade

    def write(self) -> tuple[Subgraph, Subgraph]:
        """Write the stage; returns the two new subgraphs."""
        main, body, first, second = self.main, self.body, self.cascade.first, self.cascade.second
        kept = [(flow, t) for flow in (first, second) for t in _kept(flow)]
        above = [padding_rows(main, flow.net.tensors[t], flow.strip[t].kept) for flow, t in kept]
        outer = [main.integers([0]), main.filled(second.net.tensors[second.net.result]), *above]
        variables = Variables.declare(main, self.condition, body, outer)
        given = variables.given
        variables.done[1] = self.stage.result
        tables = self._cascade_tables(given[0])
        writers = [self._strip(flow, {t: given[2 + i] for i, (f, t) in enumerate(kept) if f is flow})
                   for flow in (first, second)]  # fmt: skip
        middle = self._middle(tables, writers[0])
        writers[1].inside = {t: tables.row(second.gathered(t)) for t in second.inside}
        strip = second.strip
        part = writers[1].write(middle, strip[second.net.source].low, strip, second.later(1), "turn")
        assert part is not None
        written = self._written(tables, given[1], part)
        left = [writers[flow is second].kept[t] for flow, t in kept]
        variables.back = [tables.next_turn(second.turns), written, *left]
        return variables.close(main, self.condition, body, second.turns, tables.step)

    def _strip(self, flow: Flow, kept: dict[int, int]) -> FlowStrip:
        writer = FlowStrip(self.body, flow.net, self.parent.draft.graph.main.operators)
        writer.streams_source = writer.turns = True
        writer.masks, writer.inside, writer.kept = {}, {}, kept
        return writer

    def _middle(self, tables: Tables, writer: FlowStrip) -> int:
        """This turn's new rows at the cut."""
        body, cascade, flow = self.body, self.cascade, self.cascade.first
        net = flow.net
        assert net.feed is not None
        parts = []
        for time in range(cascade.times):
            writer.inside = {t: tables.row(cascade.part(flow.gathered(t), time)) for t in flow.inside}
            begin = tables.row(cascade.part(flow.fed(net.feed), time))
            name = f"{net.feed.picture.name}/turn{time}"
            piece = RowsWriter(net, 0).rows(body, begin, flow.rows[net.source], name)
            part = writer.write(piece, flow.strip[net.source].low, flow.strip, flow.later(1), f"turn{time}")
            assert part is not None
            parts.append(part)
        return body.stacked(parts, net.tensors[net.result], f"{net.tensors[net.result].name}/turn")

    def _cascade_tables(self, turn: int) -> Tables:
        """What each turn looks up."""
        return Tables.of(self.body, turn, list(tables_of(self.cascade)), self.parent.fast)


def tables_of(cascade: Cascade) -> Iterator[list[list[int]]]:
    """What turns look up."""
    first, second = cascade.first, cascade.second
    assert first.net.feed is not None
    for time in range(cascade.times):
        yield cascade.part(first.fed(first.net.feed), time)
        yield from (cascade.part(first.gathered(t), time) for t in first.inside)
    yield from (second.gathered(t) for t in second.inside)
    turns = range(second.turns)
    if second.moves_result:
        yield [second.written(i) for i in turns]
    yield [[0, second.result_row(i), 0, 0] for i in turns]


def _kept(flow: Flow) -> list[int]:
    return sorted(t for t, w in flow.strip.items() if w.kept and t != flow.net.result)
