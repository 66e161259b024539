"""What each operator reads and writes, byte by byte and in order, as TFLM's kernels do it.

Operators that only move bytes become *moves*: each copies a range of an input to a range of an output, one after the
other. Of all others it is known that they read their inputs and write their outputs; for those that the table of
safe operators names, also that an output may take the place of an input. The bytes are worked out here, from the
kernels' loops and not from what a planner believes of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from mcuplan.graph import CUSTOM, Graph, Operator, Subgraph
from mcuplan.operators import OperatorCall, constant_values
from mcuplan.proof.memory.ranges import Numbers, item_bytes, known_values, outer_inner, runs_of, sliced
from mcuplan.proof.windows import Taps, window
from mcuplan.tflm.aliasing import AliasRule

MOST_MOVES = 64
"""An operator that moves more ranges than this counts as one that computes: its ranges are too small to share."""

MOST_PIECES = 1 << 16
"""Pieces that a PAD copies, at most, for its output to lie over its input."""

_PADDED_RANK = 5
"""Dimensions that TFLM pads (PadKernelMaxDimensionCount)."""

MOST_ROWS = 1024
"""The same for a GATHER, whose ranges are rows of maps."""

_WORKSPACES = {"ethos-u": (2, 3)}
"""Inputs of custom operators that are scratch (micro/kernels/ethos_u): Vela planned, tensor by tensor, what an Ethos-U
does in them, and all tensors of the model lie there. So which bytes a command stream writes is Vela's to answer for."""


@dataclass(frozen=True, slots=True)
class Move:
    """``length`` bytes from byte ``begin`` of input ``source`` to byte ``to`` of output ``target`` (positions).

    ``carries`` tells that bytes which nobody needs any more may be among them: they are copied as they are.
    ``ascends`` that single elements are copied, the lowest first: so bytes may go down over a part of themselves.
    """

    source: int
    begin: int
    target: int
    to: int
    length: int
    carries: bool = False
    ascends: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """Bytes ``[begin, end)`` of output ``target`` get a value that no input gives."""

    target: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Access:
    """An operator's reads and writes: first ``moves`` one by one, then ``reads`` (input positions) for a computation.

    ``spans`` limits what is read of an input: ``{position: (begin, end)}``. ``over`` are the inputs whose place an
    output may take, if both begin at the same byte; before the inputs in ``trails`` an output may begin, and lie over
    them, if it begins at least so many bytes before. With ``computes`` False the moves are all there is.
    ``workspaces`` are inputs that the operator uses as scratch, as another compiler has planned: of what it writes
    there only its outputs are known.
    """

    reads: tuple[int, ...]
    moves: tuple[Move | Fill, ...] = ()
    spans: Mapping[int, tuple[int, int]] | None = None
    over: frozenset[int] = frozenset()
    trails: Mapping[int, int] | None = None
    computes: bool = True
    workspaces: tuple[int, ...] = ()

    def may_cover(self, position: int, distance: int) -> bool:
        """Whether an output that begins ``distance`` bytes behind an input may lie over it."""
        if position in self.over and distance == 0:
            return True
        trail = (self.trails or {}).get(position)
        return trail is not None and distance <= -trail

    def span(self, position: int) -> tuple[int, int] | None:
        """The bytes read of an input; None for all of them."""
        return self.spans.get(position) if self.spans else None


def access(
    graph: Graph,
    subgraph: Subgraph,
    operator: Operator,
    rules: Mapping[str, AliasRule],
    known: Numbers | None = None,
) -> Access:
    """What ``operator`` reads and writes, where the values of some of its inputs are ``known``."""
    workspaces = _WORKSPACES.get(operator.label, ()) if operator.name == CUSTOM else ()
    everything = Access(tuple(i for i in range(len(operator.inputs)) if i not in workspaces), workspaces=workspaces)
    rule = rules.get(operator.name)
    if rule is None or not operator.outputs:
        return everything
    facts = OperatorCall(graph, subgraph, operator)
    try:
        match rule.kind:
            case "copy":
                return _whole_copy(facts) or everything
            case "parts" | "pieces":
                return _piecewise(facts, known or {}) or everything
            case "rows":
                return _gathered(facts, known or {}) or everything
            case "padded":
                return _padded(facts) or everything
            case "elementwise":
                return _elementwise(facts, rule)
            case "window":
                return _window(facts, rule)
            case "update":
                return _update(facts, known or {}) or everything
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        pass  # options or shapes that no kernel accepts: nothing is known of such an operator
    return everything


def _others(facts: OperatorCall, *moved: int) -> tuple[int, ...]:
    return tuple(i for i in range(len(facts.inputs)) if i not in moved)


def _whole_copy(facts: OperatorCall) -> Access | None:
    """``memcpy`` of the input's bytes (RESHAPE, SQUEEZE, EXPAND_DIMS)."""
    x, y = facts.inputs[0], facts.outputs[0]
    if not x.present or x.bytes != y.bytes or x.bytes < 0:
        return None
    return Access(_others(facts, 0), (Move(0, 0, 0, 0, x.bytes),), computes=False)


def _padded(facts: OperatorCall) -> Access | None:
    """PAD of one axis with nothing but ones before it: what lies before the input, the input, what lies behind."""
    x, y = facts.inputs[0], facts.outputs[0]
    table = facts.inputs[1].tensor
    values = constant_values(facts.graph, table) if table else None
    if values is None or len(values) != 2 * x.rank or len(y.dims) != x.rank or min(values) < 0:
        return None
    padded = [i for i in range(x.rank) if values[2 * i] or values[2 * i + 1]]
    if len(padded) != 1 or math.prod(x.dims[: padded[0]]) != 1:
        return _padded_in_pieces(facts, values)
    inner = math.prod(x.dims[padded[0] + 1 :]) * item_bytes(x)
    before, behind = (values[2 * padded[0] + side] * inner for side in (0, 1))
    if before + x.bytes + behind != y.bytes or x.bytes <= 0:
        return None
    moves = (Fill(0, 0, before), Move(0, 0, 0, before, x.bytes), Fill(0, before + x.bytes, y.bytes))
    return Access(_others(facts, 0), moves, computes=False)


def _padded_in_pieces(facts: OperatorCall, values: Sequence[int]) -> Access | None:
    """PAD of several axes: pieces of the input are copied in ascending order, with what is filled in between.

    A piece is what lies behind the last padded axis (CMSIS-NN: a row without padded channels, else a position; the
    reference kernels copy element by element). Its place must end before it begins, or at its first byte.
    """
    x, y = facts.inputs[0], facts.outputs[0]
    sides = list(zip(values[::2], values[1::2], strict=True))
    shape = tuple(before + size + behind for (before, behind), size in zip(sides, x.dims, strict=True))
    if y.dims != shape or x.bytes <= 0 or x.rank > _PADDED_RANK:
        return None
    inner = max(i for i, pair in enumerate(sides) if any(pair))
    run = math.prod(x.dims[inner:]) * item_bytes(x)
    strides = [math.prod(y.dims[i + 1 :]) * item_bytes(y) for i in range(x.rank)]
    trail = 0
    for number, index in enumerate(product(*(range(size) for size in x.dims[:inner]))):
        if number > MOST_PIECES:
            return None
        at = sum((place + sides[i][0]) * strides[i] for i, place in enumerate((*index, 0)))
        trail = max(trail, at + run - number * run)
    return Access(tuple(range(len(facts.inputs))), trails={0: trail})


def _gathered(facts: OperatorCall, known: Numbers) -> Access | None:
    """GATHER: for each index one ``memcpy`` of all behind the axis (micro/kernels/gather.cc)."""
    x, y = facts.inputs[0], facts.outputs[0]
    places = known_values(facts, 1, known)
    found = outer_inner(x, facts.options.axis)
    if places is None or found is None or facts.options.batch_dims or not 0 < len(places) <= MOST_ROWS:
        return None
    axis, outer, inner = found
    run = inner * item_bytes(x)
    if outer != 1 or len(places) * run != y.bytes or not all(0 <= place < x.dims[axis] for place in places):
        return None
    moves = tuple(Move(0, place * run, 0, i * run, run) for i, place in enumerate(places))
    return Access(_others(facts, 0), moves, computes=False)


def _piecewise(facts: OperatorCall, known: Numbers) -> Access | None:
    name = facts.operator.name
    if name in ("SLICE", "STRIDED_SLICE"):
        return _slice(facts, known)
    if name == "CONCATENATION":
        return _parts(facts, facts.options.axis)
    if name == "PACK":
        return _stacked(facts, facts.options.axis, packs=True)
    if name == "UNPACK":
        return _stacked(facts, facts.options.axis, packs=False)
    if name in ("SPLIT", "SPLIT_V"):
        return _split(facts)
    return None


def _parts(facts: OperatorCall, axis: int) -> Access | None:
    """CONCATENATION: for each index before the axis, one ``memcpy`` from each input in turn."""
    whole = facts.outputs[0]
    found = outer_inner(whole, axis)
    if found is None:
        return None
    axis, outer, inner = found
    item = item_bytes(whole)
    runs = [part.dims[axis] * inner * item for part in facts.inputs]
    if outer * sum(runs) != whole.bytes:
        return None
    if outer * len(runs) > MOST_MOVES:
        return None
    moves, to = [], 0
    for k in range(outer):
        for i, run in enumerate(runs):
            moves.append(Move(i, k * run, 0, to, run))
            to += run
    return Access((), tuple(moves), computes=False)


def _split(facts: OperatorCall) -> Access | None:
    """SPLIT and SPLIT_V: for each index before the axis, one run to each output in turn."""
    position = 1 if facts.operator.name == "SPLIT" else 0
    whole, tensor = facts.inputs[position], facts["axis"].tensor
    axis = constant_values(facts.graph, tensor) if tensor else None
    found = outer_inner(whole, axis[0]) if axis else None
    if found is None:
        return None
    at, outer, inner = found
    item = item_bytes(whole)
    runs = [part.dims[at] * inner * item for part in facts.outputs]
    if outer * sum(runs) != whole.bytes:
        return None
    if outer * len(runs) > MOST_MOVES:
        return None
    moves, begin = [], 0
    for k in range(outer):
        for i, run in enumerate(runs):
            moves.append(Move(position, begin, i, k * run, run))
            begin += run
    return Access(_others(facts, position), tuple(moves), computes=False)


def _stacked(facts: OperatorCall, axis: int, packs: bool) -> Access | None:
    """PACK and UNPACK: the single tensors one after the other, each run by run."""
    whole = facts.outputs[0] if packs else facts.inputs[0]
    parts = facts.inputs if packs else facts.outputs
    found = outer_inner(whole, axis)
    if found is None:
        return None
    _, outer, inner = found
    run = inner * item_bytes(whole)
    if any(part.bytes != outer * run for part in parts) or len(parts) * outer * run != whole.bytes:
        return None
    if outer * len(parts) > MOST_MOVES:
        return None
    moves = []
    for i in range(len(parts)):
        for k in range(outer):
            at = (k * len(parts) + i) * run
            moves.append(Move(i, k * run, 0, at, run) if packs else Move(0, at, i, k * run, run))
    return Access(() if packs else _others(facts, 0), tuple(moves), computes=False)


def _slice(facts: OperatorCall, known: Numbers) -> Access:
    """SLICE and STRIDED_SLICE: elements in ascending order, each read just before it is written.

    SLICE has read where to begin before it writes (``GetBeginAndSizeVectors`` in micro/kernels/slice.cc).
    """
    x = facts.inputs[0]
    plain = facts.operator.name == "SLICE"
    over = frozenset({1, 2}) if plain else frozenset()
    ranges = sliced(facts, known)
    everything = tuple(range(len(facts.inputs)))
    if ranges is None:
        return Access(everything, over=over)
    runs = runs_of(ranges, x.dims, item_bytes(x))
    if len(runs) > MOST_MOVES:
        return Access(everything, spans={0: (runs[0][0], runs[-1][0] + runs[-1][1])}, over=over)
    moves, to = [], 0
    for begin, length in runs:
        moves.append(Move(0, begin, 0, to, length, ascends=plain))
        to += length
    return Access(_others(facts, 0), tuple(moves), over=over, computes=False)


def _elementwise(facts: OperatorCall, rule: AliasRule) -> Access:
    """Output element ``i`` is written when elements ``i`` of the inputs have been read, in ascending order.

    So an output may begin where an input begins, if its elements are no larger. Where shapes differ the kernels
    broadcast, in another order.
    """
    reads = tuple(range(len(facts.inputs)))
    y = facts.outputs[0]
    named = [facts[name] for name in rule.inputs]
    if len(facts.outputs) != 1 or any(x.dims != y.dims for x in named):
        return Access(reads)
    indices = {x.index for x in named if x.dtype == y.dtype or (y.dtype in ("int8", "uint8") and item_bytes(x) >= 1)}
    return Access(reads, over=frozenset(i for i, x in enumerate(facts.inputs) if x.index in indices))


def _window(facts: OperatorCall, rule: AliasRule) -> Access:
    """Output positions are written row by row, each when its window has been read; where kernels are known to go
    ``by_rows`` alone, a row when the windows of all of its positions have been read.

    So the end of each must lie before the first input position that this or a later one reads.
    """
    reads = tuple(range(len(facts.inputs)))
    x, y = facts["x"], facts.outputs[0]
    weights = None if facts.info.window == "pool" else facts["w"].dims
    found = window(facts.operator, x.dims, weights)
    if found is None or not rule.holds(facts) or y.dims[1:3] != (found[0].output, found[1].output):
        return Access(reads)
    rows, columns = found
    whole = Taps(1, 1, 1, 1, 1, 0)  # a row as one position
    trail = _behind(rows, whole if rule.by_rows else columns, x.bytes // rows.size, y.bytes // rows.output)
    return Access(reads, trails={i: trail for i, t in enumerate(facts.inputs) if t.index == x.index})


def _behind(rows: Taps, columns: Taps, row_in: int, row_out: int) -> int:
    """The most bytes by which the end of an output position is behind the first input position that its window reads.

    Ends only ever go up, so that what a later position still reads is the later one's to ask for.
    """
    down = _most(rows, row_in, row_out)
    across = _most(columns, row_in // columns.size, row_out // columns.output)
    return 0 if down is None or across is None else max(down + across + row_out // columns.output, 0)


def _most(taps: Taps, read: int, written: int) -> int | None:
    """The most bytes by which an output position begins behind what it reads along one axis; None where none reads."""
    first = ((output, taps.first(output)) for output in range(taps.output))
    return max((output * written - at * read for output, at in first if at is not None), default=None)


def _update(facts: OperatorCall, known: Numbers) -> Access | None:
    """DYNAMIC_UPDATE_SLICE: the operand copied unless it is in place, then the update over a part of it."""
    x, update, y = facts.inputs[0], facts.inputs[1], facts.outputs[0]
    if not x.present or x.bytes != y.bytes or x.rank != update.rank or item_bytes(x) != item_bytes(update):
        return None
    if any(u > n for u, n in zip(update.dims, x.dims, strict=True)):
        return None
    if update.elements == x.elements:
        return Access((2,), (Move(1, 0, 0, 0, update.bytes),), computes=False)
    copy = Move(0, 0, 0, 0, x.bytes, carries=True)
    start = known_values(facts, 2, known)
    if start is None or len(start) != x.rank:
        return Access((1, 2), (copy,))
    clamped = [min(max(0, s), n - u) for s, n, u in zip(start, x.dims, update.dims, strict=True)]
    runs = runs_of(tuple(zip(clamped, update.dims, strict=True)), x.dims, item_bytes(x))
    if len(runs) > MOST_MOVES:
        return Access((1, 2), (copy,))
    moves, begin = [copy], 0
    for to, length in runs:
        moves.append(Move(1, begin, 0, to, length))
        begin += length
    return Access((2,), tuple(moves), computes=False)
