"""Which rows a model's ``MCUPLAN_ROWS`` ask for, in the order in which they do: its counters followed, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mcuplan.graph import DType, Graph, Operator, Subgraph
from mcuplan.operators.calls import called_subgraphs
from mcuplan.operators.facts import constant_values
from mcuplan.operators.input_rows import InputRows, input_rows
from mcuplan.operators.options import Options

_MOST_STEPS = 200_000
"""Operators that count, followed at most."""

_MOST_DEPTH = 8

Integers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowsCall:
    """One call of a ``MCUPLAN_ROWS``, operator ``operator`` of ``subgraph``: ``count`` rows of what is ``columns`` wide
    from ``begin`` (row, column) of the picture on; some of it may lie outside."""

    subgraph: int
    operator: int
    options: InputRows
    begin: tuple[int, int]
    count: int
    columns: int

    @property
    def asked(self) -> tuple[int, int]:
        """The rows of the picture that are asked for: ``[first, last)``."""
        rows = self.options.rows
        return min(max(self.begin[0], 0), rows), min(max(self.begin[0] + self.count, 0), rows)


_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What may go wrong where operators have other operands than they take."""


class _UnknownError(Exception):
    """Something that no constants tell."""


def row_calls(graph: Graph) -> tuple[RowsCall, ...] | None:
    """Every call in the order of one ``Invoke``; None where the constants of the model do not tell."""
    if not any(input_rows(op) for _, _, op in graph.operators()):
        return ()
    try:
        return _Run(graph).calls()
    except (_UnknownError, *_MALFORMED):
        return None


@dataclass(frozen=True, slots=True)
class Misordered:
    """A call that no source of rows answers: it begins before rows that may be asked for again, or nowhere."""

    call: RowsCall
    given: int

    def __str__(self) -> str:
        first, back = self.call.asked[0], self.call.options.back
        may = f"at most {back} rows may be asked for again" if back else "none may be asked for again"
        return f"asks for row {first} where rows up to {self.given} were given, and {may}"


def misordered(calls: Sequence[RowsCall]) -> Misordered | None:
    """The first call whose rows are out of order; None where a source can give all."""
    given: dict[int, int] = {}
    for call in calls:
        first, last = call.asked
        known = given.get(call.options.input, 0)
        if first >= last:
            continue
        if first < known - call.options.back:
            return Misordered(call, known)
        given[call.options.input] = max(known, last)
    return None


class _Run:
    """One ``Invoke`` of which only integers are known."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._left = _MOST_STEPS
        self._found: list[RowsCall] = []

    def calls(self) -> tuple[RowsCall, ...]:
        """Every call of the rows operator, in the order in which one ``Invoke`` makes them."""
        self._subgraph(0, {}, 0)
        return tuple(self._found)

    def _subgraph(self, index: int, held: dict[int, Integers], depth: int) -> dict[int, Integers]:
        subgraph = self._graph.subgraphs[index]
        for k, op in enumerate(subgraph.operators):
            options = input_rows(op)
            if options is not None:
                self._found.append(self._call(index, k, op, options, held))
            elif op.name == "WHILE":
                self._while(subgraph, op, held, depth)
            elif called_subgraphs(op):
                raise _UnknownError
            elif op.name in _COUNTS:
                self._left -= 1
                if self._left < 0:
                    raise _UnknownError
                held.update(_COUNTS[op.name](op, [self._value(subgraph, t, held) for t in op.inputs]))
        return held

    def _call(self, index: int, k: int, op: Operator, options: InputRows, held: Mapping[int, Integers]) -> RowsCall:
        subgraph = self._graph.subgraphs[index]
        begin = self._value(subgraph, op.inputs[0], held) if len(op.inputs) == 1 else None
        shape = subgraph.tensors[op.outputs[0]].shape if len(op.outputs) == 1 and op.outputs[0] >= 0 else ()
        if begin is None or len(begin) != 4 or len(shape) != 4:
            raise _UnknownError
        return RowsCall(index, k, options, (begin[1], begin[2]), shape[1], shape[2])

    def _while(self, subgraph: Subgraph, op: Operator, held: dict[int, Integers], depth: int) -> None:
        indices = called_subgraphs(op)
        if depth == _MOST_DEPTH or not all(0 <= i < len(self._graph.subgraphs) for i in indices):
            raise _UnknownError
        condition, body = (self._graph.subgraphs[i] for i in indices)
        values = [self._value(subgraph, t, held) for t in op.inputs]
        while True:
            self._left -= 1
            asked = self._subgraph(indices[0], _known(condition.inputs, values), depth + 1)
            answer = self._value(condition, condition.outputs[0], asked) if condition.outputs else None
            if answer is None or len(answer) != 1 or self._left < 0:
                raise _UnknownError
            if not answer[0]:
                break
            made = self._subgraph(indices[1], _known(body.inputs, values), depth + 1)
            values = [self._value(body, t, made) for t in body.outputs]
        held.update(_known(op.outputs, values))

    def _value(self, subgraph: Subgraph, t: int, held: Mapping[int, Integers]) -> Integers | None:
        if t < 0 or t in held:
            return held.get(t)
        tensor = subgraph.tensors[t]
        if tensor.dtype is DType.BOOL and self._graph.is_constant(tensor):
            return tuple(bytes(self._graph.data(tensor) or b""))
        return constant_values(self._graph, tensor)


def _known(tensors: Sequence[int], values: Sequence[Integers | None]) -> dict[int, Integers]:
    return {t: value for t, value in zip(tensors, values, strict=False) if value is not None}


def _slice(op: Operator, read: Sequence[Integers | None]) -> dict[int, Integers]:
    table, begin, size = read if len(read) == 3 else (None, None, None)
    if table is None or begin is None or size is None or not len(begin) == len(size) == 1:
        return {}
    end = len(table) if size[0] == -1 else begin[0] + size[0]
    return {op.outputs[0]: table[begin[0] : end]} if 0 <= begin[0] < end <= len(table) else {}


def _split(op: Operator, read: Sequence[Integers | None]) -> dict[int, Integers]:
    whole, sizes = read[:2] if len(read) == 3 else (None, None)
    if whole is None or sizes is None or sum(sizes) != len(whole) or len(sizes) != len(op.outputs):
        return {}
    return dict(zip(op.outputs, _parts(whole, sizes), strict=True))


def _parts(whole: Integers, sizes: Sequence[int]) -> Iterator[Integers]:
    at = 0
    for size in sizes:
        yield whole[at : at + size]
        at += size


def _sum(op: Operator, read: Sequence[Integers | None]) -> dict[int, Integers]:
    a, b = read if len(read) == 2 else (None, None)
    if a is None or b is None or len(a) != len(b) or Options(op).activation:
        return {}
    return {op.outputs[0]: tuple(x + y for x, y in zip(a, b, strict=True))}


def _less(op: Operator, read: Sequence[Integers | None]) -> dict[int, Integers]:
    a, b = read if len(read) == 2 else (None, None)
    return {op.outputs[0]: (int(a[0] < b[0]),)} if a and b and len(a) == len(b) == 1 else {}


_COUNTS = {"SLICE": _slice, "SPLIT_V": _split, "ADD": _sum, "LESS": _less}
"""Operators with which loops count and look things up."""
