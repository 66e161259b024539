"""What each turn of a loop looks up in constant tables, and the variables that go from one turn to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import DType, Subgraph, Tensor
from mcuplan.patching.writing.build import SubgraphBuilder
from mcuplan.planning.ties import Loop, Tie

LEAST_FETCHED = 3
"""Rows of tables that are looked up together; for fewer a SLICE each takes less."""

MOST_FETCHED = 64
"""Numbers looked up together: more are not followed by the static check."""


class Tables:
    """What each turn of a loop looks up in constant tables, by its counter, which goes on by ``step`` each turn.

    That takes less than counting up one by one; equal ones are one tensor. A step of 3 is the least: places
    ``(0, row, column, 0)`` of a table share their zeros.
    """

    def __init__(self, body: SubgraphBuilder, turn: int, step: int = 3) -> None:
        self._body = body
        self._turn = turn
        self.step = max(step, 3)
        self._found: dict[tuple[tuple[int, ...], ...], int] = {}

    @classmethod
    def of(cls, body: SubgraphBuilder, turn: int, looked_up: Sequence[Sequence[Sequence[int]]], fast: bool) -> Tables:
        """Tables for all that is looked up; together, where a ``fast`` form looks up as much as that pays for."""
        lengths = [len(table[0]) for table in looked_up]
        together = sum(lengths) if fast and sum(lengths) <= MOST_FETCHED else 0
        tables = cls(body, turn, max([*lengths, together]))
        if together:
            tables.fetch(looked_up)
        return tables

    def place(self, places: Sequence[tuple[int, int]]) -> int:
        """This turn's place ``(0, row, column, 0)`` in a map, from row and column for each turn."""
        return self.row([(0, row, column, 0) for row, column in places])

    def row(self, rows: Sequence[Sequence[int]]) -> int:
        """This turn's row of a table; behind the first ``step`` numbers of a row there may only be a zero."""
        key = tuple(map(tuple, rows))
        if key not in self._found:
            body, length = self._body, len(key[0])
            values = [value for row in key for value in (*row, *[0] * self.step)[: self.step]]
            table = body.integers([*values, *[0] * max(length - self.step, 0)])
            self._found[key] = body.tensor(Tensor("row", DType.INT32, (length,)), "row")
            inputs = [table, self._turn, body.integers([length])]
            body.operation("SLICE", inputs, [self._found[key]], "SliceOptions")
        return self._found[key]

    def fetch(self, tables: Sequence[Sequence[Sequence[int]]]) -> None:
        """Look several rows up at once, for :meth:`row` to find: one SLICE, and a SPLIT_V that takes it apart.

        Rows may be as many numbers together as a step has.
        """
        keys = list(dict.fromkeys(tuple(map(tuple, table)) for table in tables))
        lengths = [len(key[0]) for key in keys]
        if len(keys) < LEAST_FETCHED or sum(lengths) > self.step:
            return
        body = self._body
        whole = self.row([[value for key in keys for value in key[turn]] for turn in range(len(keys[0]))])
        parts = [body.tensor(Tensor("row", DType.INT32, (length,)), "row") for length in lengths]
        inputs = [whole, body.integers(lengths), body.integers([0])]
        body.operation("SPLIT_V", inputs, parts, "SplitVOptions", num_splits=len(parts))
        self._found.update(zip(keys, parts, strict=True))

    def next_turn(self, turns: int) -> int:
        """The counter behind this turn, from a table too: SLICE is there anyway, and takes less than ADD."""
        body = self._body
        out = body.tensor(body.tensors[self._turn], "turn/next")
        table = [value for i in range(turns) for value in (self.step * (i + 1), *[0] * (self.step - 1))]
        body.operation("SLICE", [body.integers(table), self._turn, body.integers([1])], [out], "SliceOptions")
        return out

    def piece(self, source: int, first: Sequence[tuple[int, int]], size: tuple[int, int], name: str) -> int:
        """A piece of a map, of ``size`` rows and columns from row and column ``first`` of each turn on."""
        body, like = self._body, self._body.tensors[source]
        shape = (like.shape[0], *size, like.shape[3])
        rows, columns = size
        if columns == like.shape[2] and body.parent.gathers(like, rows) and rows <= self.step:
            return body.gathered(source, self.row([range(row, row + rows) for row, _ in first]), name)
        out = body.tensor(like, name, shape)
        begin = self.place(first)
        body.operation("SLICE", [source, begin, body.integers(shape)], [out], "SliceOptions")
        return out


@dataclass
class Variables:
    """A loop's variables: before the loop, in the condition, in the body before and after a turn, and behind it."""

    outer: list[int]
    asked: list[int]
    given: list[int]
    back: list[int]
    done: list[int]

    @classmethod
    def declare(
        cls, main: SubgraphBuilder, condition: SubgraphBuilder, body: SubgraphBuilder, outer: Sequence[int]
    ) -> Variables:
        """Tensors for variables that begin as ``outer``."""
        like = [main.tensors[t] for t in outer]
        asked = [condition.tensor(replace(_moving(t), quantization=None), f"{t.name}/asked") for t in like]
        given = [body.tensor(_moving(t), f"{t.name}/turn") for t in like]
        done = [main.tensor(_moving(t), f"{t.name}/loop") for t in like]
        return cls(list(outer), asked, given, [], done)

    def close(
        self, main: SubgraphBuilder, condition: SubgraphBuilder, body: SubgraphBuilder, turns: int, step: int
    ) -> tuple[Subgraph, Subgraph]:
        """Write the WHILE, tie each variable to one place, and return its two subgraphs.

        The first variable counts the turns, in steps of ``step``. Whether there is one more stands in a table, which
        takes less than to compare; not every TFLM looks up bool.
        """
        more = condition.tensor(Tensor("more", DType.BOOL, (1,)), "more")
        if main.parent.plain:
            condition.operation("LESS", [self.asked[0], condition.integers([step * turns])], [more], "LessOptions")
        else:
            answers = b"\x01" * (step * turns) + b"\x00"
            table = condition.constant(Tensor("more", DType.BOOL, (len(answers),)), answers)
            condition.operation("SLICE", [table, self.asked[0], condition.integers([1])], [more], "SliceOptions")
        operator = main.operation(
            "WHILE", self.outer, self.done, "WhileOptions",
            cond_subgraph_index=condition.index, body_subgraph_index=body.index,
        )  # fmt: skip
        parent = main.parent
        parent.loops.append(Loop(operator, condition.index, body.index, turns))
        for a, b, c, d, e in zip(self.outer, self.given, self.asked, self.done, self.back, strict=True):
            for place in ((0, a), (condition.index, c), (0, d), (body.index, e)):
                parent.ties.append(Tie((body.index, b), place))
        return (
            condition.finished(self.asked, [more], "patch-condition"),
            body.finished(self.given, self.back, "patch-body"),
        )


def _moving(tensor: Tensor) -> Tensor:
    """The tensor as a loop variable."""
    return Tensor(tensor.name, tensor.dtype, tensor.shape, 0, tensor.quantization)
