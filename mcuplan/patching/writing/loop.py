"""A patch stage rolled: strips that are alike run as the body of one WHILE, so that their operators exist once.

Loop variables are the turn, the source, the result so far, and the rows kept for the next strip. Each lies at one
address in the main subgraph, the condition and the body, where TFLM's copies between them are skipped
(micro/kernels/kernel_util.cc, "Don't copy if the tensors share memory"). Where a turn reads and writes stands in
tables of constants: so the proof of a plan can follow the loop turn by turn.

Border strips, whose padding is another, stay unrolled before and behind the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcuplan.graph import Operator, Subgraph, Tensor
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import GraphBuilder, SubgraphBuilder
from mcuplan.patching.writing.feed import RowsWriter, rows_again
from mcuplan.patching.writing.reader import UnsupportedStageError
from mcuplan.patching.writing.rows import StageNet, StripRows
from mcuplan.patching.writing.strips import StripWriter
from mcuplan.patching.writing.turns import Tables, Variables
from mcuplan.tflm.alignment import aligned

LEAST_TURNS = 2
"""A loop with fewer turns than this is no loop."""


@dataclass(frozen=True, slots=True)
class Run:
    """Strips ``[first, last)`` that are alike; one turn goes on by ``source_rows`` and ``result_rows``.

    ``together`` tells that it reads and writes at the same rows.
    """

    first: int
    last: int
    source_rows: int
    result_rows: int
    together: bool = False


def _likeness(net: StageNet, strip: StripRows, after: StripRows) -> tuple[object, ...]:
    """What two strips must share to be turns of one loop: all rows counted from their windows' first."""
    spans: list[object] = []
    for layer in net.layers:
        _, new, high = strip[layer.output]
        if new == high:
            spans.append(None)
            continue
        begin, end, *rest = layer.span(new, high)
        spans.append((*[begin - strip[t].low for t in layer.inputs], end - begin, *rest))
    rows = [(low, high, new - low, *after[t][:2]) for t, (low, new, high) in sorted(strip.items())]
    return tuple(spans), tuple(
        [(high - low, kept, lower - low, fresh - lower) for low, high, kept, lower, fresh in rows]
    )


def find_run(net: StageNet, strips: Sequence[StripRows]) -> Run:
    """The longest run of strips that are alike.

    Raises
    ------
    UnsupportedStageError
        Where no two strips that follow one another are alike.
    """
    like = [_likeness(net, strip, after) for strip, after in pairwise(strips)]
    best = (0, 0)
    begin = 0
    for j in range(len(like)):
        if like[j] != like[begin]:
            begin = j
        if begin and j + 1 - begin > best[1] - best[0]:
            best = begin, j + 1
    if best[1] - best[0] < LEAST_TURNS:
        raise UnsupportedStageError("no two strips inside the stage are alike")
    first, after = strips[best[0]], strips[best[0] + 1]
    source, result = (after[t].low - first[t].low for t in (net.source, net.result))
    together = source == result and first[net.source].low == first[net.result].low
    return Run(best[0], best[1], source, result, together)


def displacement(net: StageNet, written: Sequence[int], needed: Sequence[int]) -> int | None:
    """How many bytes behind the result's first one the source may begin at least; None where they have to lie apart.

    So the result only ever covers rows of the source that are used up: ``written`` are the ends of the rows that
    strips write, ``needed`` the first row of the source that is read after each of them (its height where none is).
    Apart they must lie where their elements differ in type, or where that takes no more than one over the other.
    """
    source, result = net.tensors[net.source], net.tensors[net.result]
    if source.dtype != result.dtype or net.feed is not None:
        return None
    rows = net.height(net.source)
    ahead = [
        w * net.row_bytes(net.result) - n * net.row_bytes(net.source)
        for w, n in zip(written, needed, strict=True)
        if n < rows
    ]
    least = aligned(max([0, *ahead]))
    apart = sum(net.height(t) * net.row_bytes(t) for t in (net.source, net.result))
    return least if ends_bytes(net, least) < apart else None


def ends_bytes(net: StageNet, displaced: int | None) -> int:
    """Bytes of source and result together, apart or with the source ``displaced`` bytes behind the result."""
    source, result = (net.height(t) * net.row_bytes(t) for t in (net.source, net.result))
    if net.feed is not None:
        return result
    return source + result if displaced is None else max(result, displaced + source)


def still_needed(net: StageNet, strips: Sequence[StripRows]) -> list[int]:
    """For each strip, the first row of the source that a later one reads."""
    found = [net.height(net.source)]
    for strip in reversed(strips[1:]):
        window = strip[net.source]
        found.append(min(found[-1], window.low) if window.low < window.high else found[-1])
    return found[::-1]


def begin_over_source(main: SubgraphBuilder, net: StageNet, source: int, displaced: int) -> int:
    """The result before anything is written to it, which costs no memory: bytes around the source and its own.

    Bytes before the source, ``displaced`` of them, and behind it are filled by a PAD of which the source is a part in
    place; what lies behind the result is cut off.
    """
    like, given = net.tensors[net.result], net.tensors[net.source]
    if not displaced and like.shape == given.shape:
        return source  # its bytes as they are: a variable of the loop may begin as any tensor of its shape
    item = max((given.dtype.bits or 8) // 8, 1)
    before, row = displaced // item, given.elements // given.shape[1]
    behind = max(like.elements - before - given.elements, 0)
    if before % row == behind % row == like.elements % row == 0:
        piece = _around(main, source, before // row, behind // row, like)
    else:
        piece = main.tensor(given, f"{given.name}/flat", (given.elements,))
        _reshape(main, source, piece)
        if before or behind:
            padded = main.tensor(given, f"{like.name}/around", (before + given.elements + behind,))
            main.operation("PAD", [piece, main.integers([before, behind], (1, 2))], [padded], "PadOptions")
            main.tie(piece, padded, displaced)
            piece = padded
        if main.tensors[piece].elements > like.elements:
            whole, piece = piece, main.tensor(given, f"{like.name}/place", (like.elements,))
            main.operation(
                "SLICE", [whole, main.integers([0]), main.integers([like.elements])], [piece], "SliceOptions"
            )
            main.tie(piece, whole)
    if main.tensors[piece].shape == like.shape:
        return piece
    out = main.tensor(like, f"{like.name}/begun")
    _reshape(main, piece, out)
    return out


def _around(main: SubgraphBuilder, source: int, above: int, below: int, like: Tensor) -> int:
    """Rows of the source and around it, as many as the result has bytes for; the rows that are added are filled."""
    given = main.tensors[source]
    row = given.elements // given.shape[1]
    if above or below:
        shape = (given.shape[0], above + given.shape[1] + below, *given.shape[2:])
        padded = main.tensor(given, f"{like.name}/around", shape)
        main.operation("PAD", [source, main.integers([0, 0, above, below, 0, 0, 0, 0], (4, 2))], [padded], "PadOptions")
        main.tie(source, padded, above * main.row_bytes(source))
        source = padded
    return main.rows(source, 0, like.elements // row, f"{like.name}/place")


def _reshape(main: SubgraphBuilder, source: int, out: int) -> None:
    shape = main.tensors[out].shape
    main.operation("RESHAPE", [source, main.integers(shape)], [out], "ReshapeOptions", new_shape=shape)
    main.tie(out, source)


class LoopWriter:
    """Writes one stage rolled into a graph under construction."""

    def __init__(
        self,
        parent: GraphBuilder,
        main: SubgraphBuilder,
        net: StageNet,
        stage: PatchStage,
        strips: Sequence[StripRows],
        over: bool,
    ) -> None:
        self.parent = parent
        self.main = main
        self.net = net
        self.stage = stage
        self.strips = strips
        self.run = find_run(net, strips)
        self.operators: tuple[Operator, ...] = parent.draft.graph.main.operators
        written = [strip[net.result].high for strip in strips]
        self.displaced = displacement(net, written, still_needed(net, strips)) if over else None
        self.feed = None if net.feed is None else RowsWriter(net, rows_again(net, strips))
        count = len(parent.draft.graph.subgraphs)
        self.condition = SubgraphBuilder(parent, count)
        self.body = SubgraphBuilder(parent, count + 1)

    def write(self) -> tuple[Subgraph, Subgraph]:
        """Write the stage; returns the two new subgraphs."""
        main, run, stage, net = self.main, self.run, self.stage, self.net
        writer = StripWriter(main, net, self.operators, loose=True)
        result = None
        if self.displaced is not None:
            result = begin_over_source(main, net, stage.source, self.displaced)
        for j in range(run.first):
            part = self._border(writer, stage.source, j)
            result = self._put(part, self.strips[j], result, last=False)
        source, result = self._loop(writer, result)
        for j in range(run.last, len(self.strips)):
            part = self._border(writer, source, j)
            result = self._put(part, self.strips[j], result, last=j + 1 == len(self.strips))
        return self._subgraphs

    def _border(self, writer: StripWriter, source: int, j: int) -> int | None:
        """Write a strip that is no turn of the loop."""
        strip, after = self.strips[j], self.strips[j + 1] if j + 1 < len(self.strips) else None
        if self.feed is None:
            return writer.write(source, 0, strip, after, f"strip{j}")
        given = self.feed.strip(self.main, strip, f"{self.feed.feed.picture.name}/rows{j}")
        return writer.write(given, strip[self.net.source].low, strip, after, f"strip{j}")

    def _put(self, part: int | None, strip: StripRows, result: int | None, last: bool) -> int | None:
        """Put a border strip's rows into the result."""
        if part is None:
            return result
        main, like = self.main, self.net.tensors[self.net.result]
        begin = strip[self.net.result].low
        out = self.stage.result if last else main.tensor(like, f"{like.name}/rows{begin}")
        if result is None:
            below = like.shape[1] - main.tensors[part].shape[1]
            main.operation("PAD", [part, main.integers([0, 0, 0, below, 0, 0, 0, 0], (4, 2))], [out], "PadOptions")
            return out
        main.operation(
            "DYNAMIC_UPDATE_SLICE", [result, part, main.integers([0, begin, 0, 0])], [out],
            "DynamicUpdateSliceOptions",
        )  # fmt: skip
        main.tie(out, result)
        free = (self.displaced or 0) + strip[self.net.source].low * self.net.row_bytes(self.net.source)
        if self.displaced is None or strip[self.net.result].high * main.row_bytes(out) <= free:
            main.tie(part, out, begin * main.row_bytes(out))
        return out

    def _loop(self, writer: StripWriter, result: int | None) -> tuple[int, int]:
        """Write WHILE and its subgraphs; returns the source and the result behind the loop."""
        main, body, condition, run, net = self.main, self.body, self.condition, self.run, self.net
        if result is None:
            raise UnsupportedStageError("the first strips give no row of the result")
        strip, after = self.strips[run.first], self.strips[run.first + 1]
        kept = sorted(writer.kept)
        turns = range(run.last - run.first)
        x_rows = [strip[net.source].low + i * run.source_rows for i in turns]
        y_rows = [strip[net.result].low + i * run.result_rows for i in turns]
        source = [self.stage.source] if self.feed is None else []
        outer = [main.integers([0]), *source, result, *(writer.kept[t] for t in kept)]
        variables = Variables.declare(main, condition, body, outer)
        given, done = variables.given, variables.done
        at = 1 + len(source)
        if run.last == len(self.strips):
            done[at] = self.stage.result

        window = strip[net.source]
        rows, columns = window.high - window.low, net.tensors[net.source].shape[2]
        tables = Tables(body, given[0], rows if self.feed is None else 0)
        begins = [(row, 0) for row in x_rows]
        name = f"{net.tensors[net.source].name}/strip"
        if self.feed is None:
            piece = tables.piece(given[1], begins, (rows, columns), name)
        else:
            piece = self.feed.rows(body, tables.row([self.feed.place(row) for row in x_rows]), rows, name)
        inner = StripWriter(body, net, self.operators)
        inner.turns = True
        inner.kept = {t: given[at + 1 + i] for i, t in enumerate(kept)}
        part = inner.write(piece, window.low, strip, after, "strip")
        if part is None or set(inner.kept) != set(kept):
            raise UnsupportedStageError("what strips keep changes from strip to strip")
        written = body.tensor(net.tensors[net.result], f"{net.tensors[net.result].name}/written")
        place = tables.place([(row, 0) for row in y_rows])
        body.operation("DYNAMIC_UPDATE_SLICE", [given[at], part, place], [written], "DynamicUpdateSliceOptions")
        body.tie(written, given[at])
        variables.back = [tables.next_turn(len(turns)), *given[1:at], written, *(inner.kept[t] for t in kept)]
        self._subgraphs = variables.close(main, condition, body, len(turns), tables.step)
        writer.kept = {t: done[at + 1 + i] for i, t in enumerate(kept)}
        return done[1], done[at]
