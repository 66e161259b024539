"""What every position of an output is computed from, read off a model by following it position by position.

A position of a feature map (a row and a column, all channels) gets a name: a 64-bit number that stands for how it was
computed, from the operator, its constants, and the names of the positions that it read. Slices, concatenations,
updates, padding and masks move names or put that of zero; loops that count are followed turn by turn. So a model whose
operators run on strips or patches names its outputs as the original does, exactly where it computes each position
alike. Two different computations share a name by chance once in 2^64.

Names say nothing of memory: that no byte is overwritten while it is needed is the other half of the proof
(:mod:`mcuplan.proof.memory.static_check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcuplan.graph import DType, Graph, Operator, Subgraph, Tensor
from mcuplan.operators import OperatorFacts, Window, called_subgraphs
from mcuplan.proof.function.value_numbers import canonical, quantization_facts
from mcuplan.rewriting.dead import has_effects

Names: TypeAlias = NDArray[np.uint64]
"""Names of a feature map's positions, rows x columns; one name for any other tensor."""

MOST_STEPS = 200_000
"""Operators followed at most, loops turn by turn."""

MOST_NUMBERS = 1 << 16
"""Elements up to which the values of a constant are looked at."""

_COUNTING = frozenset({"ADD", "DYNAMIC_UPDATE_SLICE", "GATHER", "LESS", "MUL", "PAD", "SLICE", "WHILE"})
"""Operators of which the values of constants are looked at."""

_RANK = 4

_ELEMENTWISE = frozenset({
    "ABS", "ADD", "CAST", "DEQUANTIZE", "DIV", "ELU", "EXP", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM",
    "MINIMUM", "MUL", "NEG", "PRELU", "QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RSQRT", "SQRT",
    "SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH",
})  # fmt: skip
"""Operators of which an output position depends on the inputs' positions at its place alone."""

_WINDOWS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
_POOLS = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"})

_NUMERIC: Mapping[DType, str] = {
    DType.INT8: "<i1", DType.INT16: "<i2", DType.INT32: "<i4", DType.BOOL: "<i1", DType.FLOAT32: "<f4",
}  # fmt: skip


class UntraceableError(ValueError):
    """A model that cannot be followed position by position; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a tensor holds: names, and its numbers where they are known (constants, counters)."""

    names: Names
    numbers: NDArray[np.int64] | None = None


def positions_agree(original: Graph, planned: Graph) -> bool | None:
    """Whether every position of every output is computed alike; None where a model cannot be followed."""
    try:
        with np.errstate(over="ignore"):  # names are numbers modulo 2^64
            ours, theirs = _Follower(original).outputs(), _Follower(planned).outputs()
    except UntraceableError:
        return None
    return len(ours) == len(theirs) and all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


# -- names ---------------------------------------------------------------------------------------------------------


def _number(*thing: object) -> np.uint64:
    """A name for ``thing``, told by its representation."""
    return np.uint64(int.from_bytes(blake2b(repr(thing).encode(), digest_size=8).digest(), "little"))


def _mixed(names: Names) -> Names:
    """Each name scrambled (splitmix64, G. Steele et al., OOPSLA 2014): equal ones stay equal."""
    z = (names ^ (names >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Names = z ^ (z >> np.uint64(31))
    return mixed


def _weight(*place: int) -> np.uint64:
    """An odd factor for a tap or an argument."""
    return _number("weight", place) | np.uint64(1)


def _grid(tensor: Tensor) -> tuple[int, int]:
    """Rows and columns of names of a tensor."""
    return (tensor.shape[1], tensor.shape[2]) if _is_map(tensor) else (1, 1)


def _is_map(tensor: Tensor) -> bool:
    return tensor.rank == _RANK and tensor.shape[0] == 1 and min(tensor.shape) > 0


def _spread(key: np.uint64, tensor: Tensor) -> Names:
    """A name for each position, made from one for all."""
    rows, columns = _grid(tensor)
    places = np.arange(rows * columns, dtype=np.uint64).reshape(rows, columns)
    return _mixed(places * _weight(0) + key)


def _whole(names: Names) -> np.uint64:
    """One name for a tensor, from all of its positions in order."""
    factors = _mixed(np.arange(names.size, dtype=np.uint64).reshape(names.shape)) | np.uint64(1)
    total = np.add.reduce(_mixed(names) * factors, axis=None, dtype=np.uint64)
    return _number("whole", names.shape, int(total))


ZERO = _number("zero")
"""The name of a position that holds the values standing for 0: what padding puts and masks leave."""

ABSENT = _number("absent")
"""What the padding of a pooling counts as: nothing."""


# -- following a model ---------------------------------------------------------------------------------------------


class _Follower:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._steps = MOST_STEPS
        self._digests: dict[int, str] = {}
        self._constants: dict[tuple[int, int, bool], Value] = {}
        self._keys: dict[tuple[int, int], np.uint64] = {}

    def outputs(self) -> list[Names]:
        """The names of the network's outputs."""
        inputs = []
        for i, t in enumerate(self.graph.main.inputs):
            tensor = self.graph.main.tensors[t]
            inputs.append(Value(_spread(_number("input", i, tensor.shape, _facts(tensor)), tensor)))
        return [value.names for value in self._run(0, inputs)]

    def _run(self, index: int, inputs: Sequence[Value]) -> list[Value]:
        subgraph = self.graph.subgraphs[index]
        held = dict(zip(subgraph.inputs, inputs, strict=True))
        for k, op in enumerate(subgraph.operators):
            self._steps -= 1
            if self._steps < 0:
                raise UntraceableError("there are too many turns to follow")
            read = [self._read(index, t, held, op.name in _COUNTING) for t in op.inputs]
            made = self._while(op, read) if op.name == "WHILE" else self._operator(index, k, op, read)
            held.update({t: value for t, value in zip(op.outputs, made, strict=True) if t >= 0})
        return [self._read(index, t, held) for t in subgraph.outputs]

    def _read(self, index: int, t: int, held: Mapping[int, Value], counting: bool = False) -> Value:
        if t in held:
            return held[t]
        key = index, t, counting
        if key not in self._constants:
            self._constants[key] = self._constant(index, t, counting)
        return self._constants[key]

    def _constant(self, index: int, t: int, counting: bool) -> Value:
        if t < 0:
            return Value(np.array([[_number("no input")]]))
        tensor = self.graph.subgraphs[index].tensors[t]
        if tensor.is_variable or not self.graph.is_constant(tensor) or tensor.external_buffer:
            raise UntraceableError(f"tensor {t} is no constant, and nothing writes it")
        if _is_map(tensor) and self._is_padding(tensor):
            return Value(np.full(_grid(tensor), ZERO))
        key = _number("constant", tensor.shape, _facts(tensor), self._digest(tensor))
        return Value(_spread(key, tensor), self._numbers(tensor) if counting else None)

    def _is_padding(self, tensor: Tensor) -> bool:
        """Whether a constant holds what stands for 0 everywhere: rows of padding."""
        q, kind = tensor.quantization, _NUMERIC.get(tensor.dtype)
        zero = q.zero_points[0] if q is not None and len(q.zero_points) == 1 else 0
        data = self.graph.data(tensor)
        return data is not None and kind is not None and not (np.frombuffer(data, kind) != zero).any()

    def _numbers(self, tensor: Tensor) -> NDArray[np.int64] | None:
        """The values of a constant, if they are whole numbers."""
        kind, data = _NUMERIC.get(tensor.dtype), self.graph.data(tensor)
        if kind is None or data is None or tensor.elements > MOST_NUMBERS or len(data) != tensor.stored_bytes:
            return None
        given = np.frombuffer(data, kind).reshape(tensor.shape)
        with np.errstate(invalid="ignore"):
            numbers: NDArray[np.int64] = given.astype(np.int64)
        return numbers if np.array_equal(numbers, given) else None

    def _digest(self, tensor: Tensor) -> str:
        if tensor.buffer not in self._digests:
            self._digests[tensor.buffer] = blake2b(bytes(self.graph.data(tensor) or b""), digest_size=16).hexdigest()
        return self._digests[tensor.buffer]

    def _while(self, op: Operator, read: Sequence[Value]) -> list[Value]:
        condition, body = called_subgraphs(op)
        variables = list(read)
        while True:
            (answer, *_) = self._run(condition, variables)
            if answer.numbers is None or answer.numbers.size != 1:
                raise UntraceableError("a loop does not count its turns")
            if not answer.numbers.item():
                return variables
            variables = self._run(body, variables)

    # -- operators ---------------------------------------------------------------------------------------------------

    def _operator(self, index: int, k: int, op: Operator, read: Sequence[Value]) -> list[Value]:
        subgraph = self.graph.subgraphs[index]
        if called_subgraphs(op) or has_effects(subgraph, op) or any(t < 0 for t in op.outputs):
            raise UntraceableError(f"{op.label} has effects beside its outputs")
        if len(op.outputs) == 1:
            found = self._moved(subgraph, op, read)
            if found is None:
                found = self._computed(index, k, op, read)
            if found is not None:
                return [found]
        key = _mixed(np.array([[self._key(index, k)]]))
        for position, value in enumerate(read):
            key = _mixed(key + _weight(position, 1) * _whole(value.names))
        return [
            Value(_spread(_number("output", int(key.item()), position), subgraph.tensors[t]))
            for position, t in enumerate(op.outputs)
        ]

    def _key(self, index: int, k: int) -> np.uint64:
        """A name for an operator, without its padding and the sizes of its maps."""
        if (index, k) not in self._keys:
            subgraph = self.graph.subgraphs[index]
            op = subgraph.operators[k]
            fields = dict(op.options.fields) if op.options else {}
            fields.pop("padding", None)
            facts = [
                "none" if t < 0 else (_facts(subgraph.tensors[t]), self._fixed(subgraph.tensors[t]))
                for t in (*op.inputs, *op.outputs)
            ]
            self._keys[index, k] = _number(
                op.label, canonical(fields), canonical(op.options_2), op.custom_options, facts
            )
        return self._keys[index, k]

    def _fixed(self, tensor: Tensor) -> object:
        """Shape and bytes of a constant; nothing of other tensors, but channels."""
        if self.graph.is_constant(tensor):
            return tensor.shape, self._digest(tensor)
        return tensor.shape[-1:] if _is_map(tensor) else tensor.shape

    # -- what only moves names ---------------------------------------------------------------------------------------

    def _moved(self, subgraph: Subgraph, op: Operator, read: Sequence[Value]) -> Value | None:
        """Operators that move positions, or count; None for others and where they do more than that."""
        tensors = [subgraph.tensors[t] for t in op.inputs if t >= 0]
        out = subgraph.tensors[op.outputs[0]]
        if len(tensors) != len(op.inputs):
            return None
        match op.name:
            case "SLICE":
                return _slice(tensors, out, read)
            case "GATHER":
                return _gather(op, tensors, out, read)
            case "PAD":
                return _pad(tensors, out, read)
            case "CONCATENATION":
                return _concatenation(op, tensors, out, read)
            case "DYNAMIC_UPDATE_SLICE":
                return _update(tensors, out, read)
            case "MUL":
                return _masked(op, tensors, out, read)
            case "ADD" | "LESS":
                return _counted(op, out, read)
        return None

    # -- what computes names -----------------------------------------------------------------------------------------

    def _computed(self, index: int, k: int, op: Operator, read: Sequence[Value]) -> Value | None:
        """Operators that compute each position of a map from a few of their input."""
        subgraph = self.graph.subgraphs[index]
        out = subgraph.tensors[op.outputs[0]]
        if not _is_map(out):
            return None
        facts = OperatorFacts(self.graph, subgraph, op)
        if op.name in _WINDOWS | _POOLS:
            others = [t for t in facts.inputs if t.present and t.index != facts["x"].index]
            if facts.window is None or facts.hybrid or not all(t.constant for t in others):
                return None  # its positions depend on all of its input
            outside = ABSENT if op.name in _POOLS else ZERO
            return _window(
                read[op.inputs.index(facts["x"].index)].names, facts.window, out, self._key(index, k), outside
            )
        if op.name in _ELEMENTWISE or (op.name == "CONCATENATION" and op.option("axis", 0) % _RANK == _RANK - 1):
            return self._elementwise(subgraph, op, read, out, self._key(index, k))
        return None

    def _elementwise(
        self, subgraph: Subgraph, op: Operator, read: Sequence[Value], out: Tensor, key: np.uint64
    ) -> Value | None:
        names = np.full(_grid(out), key)
        for position, (t, value) in enumerate(zip(op.inputs, read, strict=True)):
            tensor = subgraph.tensors[t]
            if self.graph.is_constant(tensor):
                if any(size != 1 for size in tensor.shape[-3:-1]):
                    return None  # a constant that differs from position to position; its bytes are in the key
                continue
            if tensor.shape[:-1] != out.shape[:-1]:
                return None
            names = _mixed(names + _weight(position, 2) * _mixed(value.names))
        return Value(_mixed(names))


def _facts(tensor: Tensor) -> object:
    """What a kernel sees of a tensor beside its shape and bytes."""
    return int(tensor.dtype), quantization_facts(tensor.quantization)


def _same_kind(tensors: Sequence[Tensor]) -> bool:
    return all(_facts(t) == _facts(tensors[0]) for t in tensors)


def _list(value: Value) -> list[int] | None:
    return None if value.numbers is None else [int(n) for n in value.numbers.ravel()]


def _slice(tensors: Sequence[Tensor], out: Tensor, read: Sequence[Value]) -> Value | None:
    begin, size = _list(read[1]), _list(read[2])
    source = tensors[0]
    if begin is None or size is None or len(begin) != source.rank:
        return None
    ends = [n if s == -1 else b + s for b, s, n in zip(begin, size, source.shape, strict=True)]
    if any(b < 0 or e > n or e <= b for b, e, n in zip(begin, ends, source.shape, strict=True)):
        raise UntraceableError("a slice reads beyond its input")
    numbers = read[0].numbers
    if numbers is not None:
        numbers = numbers[tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))]
    if not _is_map(source) or not _is_map(out):
        return None if numbers is None else Value(_spread(_number("numbers", numbers.tolist()), out), numbers)
    if (begin[3], ends[3]) != (0, source.shape[3]) or not _same_kind((source, out)):
        return None
    return Value(read[0].names[begin[1] : ends[1], begin[2] : ends[2]], numbers)


def _gather(op: Operator, tensors: Sequence[Tensor], out: Tensor, read: Sequence[Value]) -> Value | None:
    """Rows or columns of a map at known places."""
    places, source = _list(read[1]), tensors[0]
    axis = op.option("axis", 0) % max(source.rank, 1)
    if places is None or axis not in (1, 2) or op.option("batch_dims", 0) or tensors[1].rank != 1:
        return None
    if not _is_map(source) or not _is_map(out) or not _same_kind((source, out)):
        return None
    if out.shape != (*source.shape[:axis], len(places), *source.shape[axis + 1 :]):
        return None
    if any(not 0 <= place < source.shape[axis] for place in places):
        raise UntraceableError("a gather reads beyond its input")
    return Value(np.take(read[0].names, places, axis=axis - 1))


def _pad(tensors: Sequence[Tensor], out: Tensor, read: Sequence[Value]) -> Value | None:
    amounts = _list(read[1])
    if amounts is None or not _is_map(tensors[0]) or not _is_map(out) or not _same_kind((tensors[0], out)):
        return None
    if len(amounts) != 2 * _RANK or min(amounts) < 0 or any((*amounts[:2], *amounts[6:])):
        return None
    sides = ((amounts[2], amounts[3]), (amounts[4], amounts[5]))
    return Value(np.pad(read[0].names, sides, constant_values=ZERO))


def _concatenation(op: Operator, tensors: Sequence[Tensor], out: Tensor, read: Sequence[Value]) -> Value | None:
    axis = op.option("axis", 0) % max(out.rank, 1)
    if axis not in (1, 2) or not _is_map(out) or not _same_kind((*tensors, out)):
        return None
    if op.option("fused_activation_function", 0) != 0:
        return None
    return Value(np.concatenate([value.names for value in read], axis=axis - 1))


def _update(tensors: Sequence[Tensor], out: Tensor, read: Sequence[Value]) -> Value | None:
    start = _list(read[2])
    operand, update = tensors[0], tensors[1]
    if start is None or not (_is_map(operand) and _is_map(update)) or operand.shape[3] != update.shape[3]:
        return None
    if not _same_kind((update, out)):
        return None
    row, column = (
        min(max(s, 0), n - u) for s, n, u in zip(start[1:3], operand.shape[1:3], update.shape[1:3], strict=True)
    )
    names = read[0].names.copy()
    names[row : row + update.shape[1], column : column + update.shape[2]] = read[1].names
    return Value(names)


def _masked(op: Operator, tensors: Sequence[Tensor], out: Tensor, read: Sequence[Value]) -> Value | None:
    """A product by ones and zeros, one a row: rows stay, or hold what stands for 0."""
    x, mask = tensors
    numbers = read[1].numbers
    if numbers is None or not _is_map(x) or mask.shape != (1, x.shape[1], 1, 1) or not _same_kind((x, out)):
        return None
    q = mask.quantization
    exact = mask.dtype is DType.FLOAT32 or (q is not None and q.scales == (1.0,) and not any(q.zero_points))
    ones = numbers.reshape(-1)
    if not exact or op.option("fused_activation_function", 0) != 0 or not np.isin(ones, (0, 1)).all():
        return None
    return Value(np.where(ones[:, None] == 1, read[0].names, ZERO))


def _counted(op: Operator, out: Tensor, read: Sequence[Value]) -> Value | None:
    """Sums and comparisons of known integers."""
    if any(value.numbers is None for value in read) or out.dtype not in (DType.INT32, DType.BOOL):
        return None
    if op.option("fused_activation_function", 0) != 0:
        return None
    a, b = (value.numbers for value in read)
    assert a is not None
    assert b is not None
    numbers = a + b if op.name == "ADD" else (a < b).astype(np.int64)
    return Value(_spread(_number("numbers", numbers.tolist()), out), numbers)


def _window(names: Names, window: Window, out: Tensor, key: np.uint64, outside: np.uint64) -> Value | None:
    """Each position from the taps of its window; those outside the map count as ``outside``."""
    if out.shape[1:3] != (window.rows.output, window.columns.output):
        return None
    axes = (window.rows, window.columns)
    behind = [max((a.output - 1) * a.stride + a.extent - a.before - a.input, 0) for a in axes]
    padded = np.pad(names, [(a.before, b) for a, b in zip(axes, behind, strict=True)], constant_values=outside)
    padded = _mixed(padded)
    total = np.full(out.shape[1:3], key)
    rows, columns = axes
    for i in range(rows.kernel):
        for j in range(columns.kernel):
            top, left = i * rows.dilation, j * columns.dilation
            taps = padded[
                top : top + (rows.output - 1) * rows.stride + 1 : rows.stride,
                left : left + (columns.output - 1) * columns.stride + 1 : columns.stride,
            ]
            total = total + taps * _weight(i, j, 3)
    return Value(_mixed(total))
