"""A model followed operator by operator, its loops turn by turn, with a name for each position of each tensor."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from mcuplan.graph import CUSTOM, DType, Graph, Operator, Subgraph, Tensor
from mcuplan.operators import OperatorCall, Options, Trait, called_subgraphs, operators_that, sliding
from mcuplan.operators.input_rows import input_rows, is_rows_operator
from mcuplan.proof.function.joined import whole_convolutions
from mcuplan.proof.function.moves import MOVES, Call, fed, split_numbers
from mcuplan.proof.function.names import (
    ABSENT,
    FORMATS,
    Names,
    UntraceableError,
    Value,
    as_kind,
    content,
    filled,
    grid,
    is_map,
    kind,
    mixed,
    number,
    numbers_of,
    spread,
    weight,
    whole,
    zero_element,
)
from mcuplan.proof.function.value_numbers import canonical
from mcuplan.proof.interface import network_inputs
from mcuplan.proof.nesting import too_deep
from mcuplan.proof.taken import refusals, sentence
from mcuplan.proof.windows import Taps, window
from mcuplan.rewriting.dead import has_effects
from mcuplan.tflm.target import DEFAULT_TARGET, Target

MOST_STEPS = 30_000
"""Operators followed at most, loops turn by turn, beyond :data:`MOST_TURNS` times those there are."""

MOST_TURNS = 300

MOST_POSITIONS = 1 << 28
"""Positions named at most, each once for each tap of a window."""

MOST_NAMES = 1 << 23
"""Positions of one tensor."""

MOST_NUMBERS = 1 << 16
"""Elements up to which the values of a constant are looked at."""

MOST_DEPTH = 32
"""Loops inside loops."""

_COUNTING = frozenset({*MOVES, "SPLIT_V", "WHILE", CUSTOM})
"""Operators of which the values of constants are looked at."""

_RANK = 4
_CHANNELS = 3

_MALFORMED = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""What may go wrong where options or shapes are none that a kernel takes, and the checks below have missed it."""


@dataclass(frozen=True, slots=True)
class Followed:
    """The names of a network's outputs, and of all tensors of the main subgraph as they were last held.

    ``effects`` names all that operators did beside their outputs (variables, custom operators), in its sequence.
    """

    outputs: Sequence[Names]
    tensors: Mapping[int, Names]
    effects: int


def follow(graph: Graph, first_row: int = 0) -> Followed:
    """Name everything that a model computes.

    ``first_row`` is which row of an endless stream the first row of each input is: names of two calls agree where the
    same rows of the stream give the same.

    Raises UntraceableError, and nothing else, where that cannot be: the model is one that TFLM refuses, it has
    branches, or its loops do not count their turns.
    """
    try:
        if deep := too_deep(graph):
            raise UntraceableError(deep)
        for refused in refusals(graph, Target.parse(DEFAULT_TARGET))[:1]:
            raise UntraceableError(f"TFLM refuses it ({sentence(refused)})")
        with np.errstate(over="ignore"):  # names are numbers modulo 2^64
            return _Follower(whole_convolutions(graph), first_row).main()
    except UntraceableError:
        raise
    except _MALFORMED as error:
        raise UntraceableError(f"it is built as no kernel takes it ({type(error).__name__})") from error


class _Follower:
    def __init__(self, graph: Graph, first_row: int = 0) -> None:
        self.graph = graph
        self._first_row = first_row
        self._steps = MOST_STEPS + MOST_TURNS * sum(len(s.operators) for s in graph.subgraphs)
        self._positions = MOST_POSITIONS
        self._digests: dict[int, str] = {}
        self._constants: dict[tuple[int, int, bool], Value] = {}
        self._keys: dict[tuple[int, int], np.uint64] = {}
        self._running: list[int] = []
        self._effects = number("nothing done yet")
        self._pictures: dict[int, tuple[Tensor, Value]] = {}

    def main(self) -> Followed:
        """Name everything that the main subgraph computes. Raises UntraceableError where that cannot be."""
        main = self.graph.main
        inputs = []
        for i, (tensor, t) in enumerate(network_inputs(self.graph)):
            if self.graph.is_constant(tensor) or (t < 0 and not is_map(tensor)):
                raise UntraceableError(f"input {i} is no tensor that the application writes")
            self._count(grid(tensor))
            given = Value(spread(number("input", i, tensor.shape, kind(tensor)), tensor, self._first_row))
            if t < 0:
                self._pictures[i] = tensor, given
            else:
                inputs.append(given)
        if any(t < 0 for t in main.inputs):
            raise UntraceableError("an input is no tensor")
        outputs, held = self._run(0, inputs)
        tensors = {t: value.names for t, value in held.items()}
        return Followed([value.names for value in outputs], tensors, int(self._effects))

    def _count(self, shape: tuple[int, int], times: int = 1) -> None:
        """Account for names that are about to be made."""
        self._positions -= shape[0] * shape[1] * times
        if shape[0] * shape[1] > MOST_NAMES or self._positions < 0:
            raise UntraceableError("there are too many positions to follow")

    def _run(self, index: int, inputs: Sequence[Value]) -> tuple[list[Value], dict[int, Value]]:
        subgraph = self.graph.subgraphs[index]
        if len(set(subgraph.inputs)) != len(inputs) or any(t < 0 for t in (*subgraph.inputs, *subgraph.outputs)):
            raise UntraceableError(f"subgraph {index} has not one tensor for each of its inputs and outputs")
        held = dict(zip(subgraph.inputs, inputs, strict=True))
        self._running.append(index)
        for k, op in enumerate(subgraph.operators):
            self._steps -= 1
            if self._steps < 0:
                raise UntraceableError("there are too many turns to follow")
            self._written(subgraph, op)
            read = [self._read(index, t, held, op.name in _COUNTING) for t in op.inputs]
            made = self._while(subgraph, op, read) if op.name == "WHILE" else self._operator(index, k, op, read)
            held.update(zip(op.outputs, made, strict=True))
        self._running.pop()
        return [self._read(index, t, held) for t in subgraph.outputs], held

    def _written(self, subgraph: Subgraph, op: Operator) -> None:
        """Raise UntraceableError for outputs that are not the operator's to write, or too many to name."""
        if any(t < 0 for t in op.outputs) or len(set(op.outputs)) != len(op.outputs):
            raise UntraceableError(f"{op.label} has not one tensor for each of its outputs")
        for t in op.outputs:
            if self.graph.is_constant(subgraph.tensors[t]) or subgraph.tensors[t].is_variable:
                raise UntraceableError(f"{op.label} writes a constant or a variable")
            self._count(grid(subgraph.tensors[t]))

    def _read(self, index: int, t: int, held: Mapping[int, Value], counting: bool = False) -> Value:
        if t in held:
            return held[t]
        key = index, t, counting
        if key not in self._constants:
            self._constants[key] = self._constant(index, t, counting)
        return self._constants[key]

    def _constant(self, index: int, t: int, counting: bool) -> Value:
        if t < 0:
            return Value(np.array([[number("no input")]]))
        tensor = self.graph.subgraphs[index].tensors[t]
        if tensor.is_variable or not self.graph.is_constant(tensor) or tensor.external_buffer:
            raise UntraceableError(f"tensor {t} is no constant, and nothing writes it")
        data = bytes(self.graph.data(tensor) or b"")
        if len(data) != tensor.stored_bytes or tensor.sparsity is not None:
            raise UntraceableError(f"constant {t} has {len(data)} bytes, and its shape takes {tensor.stored_bytes}")
        self._count(grid(tensor))
        looked_at = counting and tensor.dtype in FORMATS and tensor.elements <= MOST_NUMBERS
        numbers = numbers_of(tensor, data) if looked_at else None
        return Value(content(tensor, data), numbers, data if tensor.elements == 1 else None)

    # -- loops -------------------------------------------------------------------------------------------------------

    def _while(self, subgraph: Subgraph, op: Operator, read: Sequence[Value]) -> list[Value]:
        condition, body = self._called(op)
        variables = [subgraph.tensors[t] for t in op.outputs]
        held = _bound(read, [subgraph.tensors[t] for t in op.inputs], variables)
        asked, entries, results = (
            [inside.tensors[t] for t in ends]
            for inside, ends in ((condition, condition.inputs), (body, body.inputs), (body, body.outputs))
        )
        deciding, turning = called_subgraphs(op)
        while True:
            (answer, *_), _ = self._run(deciding, _bound(held, variables, asked))
            if answer.numbers is None or answer.numbers.size != 1:
                raise UntraceableError("a loop does not count its turns")
            if not answer.numbers.item():
                return held
            made, _ = self._run(turning, _bound(held, variables, entries))
            held = _bound(made, results, variables)

    def _called(self, op: Operator) -> tuple[Subgraph, Subgraph]:
        """The condition and the body of a loop. Raises UntraceableError where they are none."""
        graphs, indices = self.graph.subgraphs, called_subgraphs(op)
        if not all(0 <= index < len(graphs) for index in indices):
            raise UntraceableError("WHILE runs a subgraph that is not there")
        if set(indices) & set(self._running) or len(self._running) > MOST_DEPTH:
            raise UntraceableError("WHILE runs itself, or loops lie too deep in one another")
        condition, body = (graphs[index] for index in indices)
        ends = (op.inputs, op.outputs, condition.inputs, body.inputs, body.outputs)
        if len(set(map(len, ends))) != 1 or any(t < 0 for indices in ends for t in indices):
            raise UntraceableError("WHILE passes another number of variables than its subgraphs take")
        if not condition.outputs or condition.tensors[condition.outputs[0]].dtype is not DType.BOOL:
            raise UntraceableError("a loop's condition gives no answer of type bool")
        return condition, body

    # -- operators ---------------------------------------------------------------------------------------------------

    def _operator(self, index: int, k: int, op: Operator, read: Sequence[Value]) -> list[Value]:
        subgraph = self.graph.subgraphs[index]
        if is_rows_operator(op):
            return [self._fed(subgraph, op, read)]
        if op.name == "CALL_ONCE":
            return self._once(op)
        if called_subgraphs(op):
            raise UntraceableError(f"{op.label} runs what values say that are not known")
        if op.name == "READ_VARIABLE" or has_effects(subgraph, op):
            return self._effect(index, k, op, read)
        if op.name == "SPLIT_V" and all(t >= 0 for t in op.inputs):
            inputs, outputs = ([subgraph.tensors[t] for t in side] for side in (op.inputs, op.outputs))
            parts = split_numbers(op, inputs, outputs, read)
            if parts is not None:
                return parts
        found = None
        if len(op.outputs) == 1 and all(t >= 0 for t in op.inputs):
            found = self._moved(subgraph, op, read)
        if found is None and len(op.outputs) == 1:
            found = self._computed(index, k, op, read)
        if found is None:
            return self._opaque(index, k, op, read)
        if found.names.shape != grid(subgraph.tensors[op.outputs[0]]):
            raise UntraceableError(f"{op.label} does not give the shape that its output has in the file")
        return [found]

    def _fed(self, subgraph: Subgraph, op: Operator, read: Sequence[Value]) -> Value:
        """Rows of an input that the firmware gives: row r is row r; what lies outside holds the byte to fill with."""
        options = input_rows(op)
        if options is None or len(op.inputs) != 1 or len(op.outputs) != 1 or options.input not in self._pictures:
            raise UntraceableError(f"{op.label} has options that its source does not know")
        tensor, picture = self._pictures[options.input]
        call = Call(op, (subgraph.tensors[op.inputs[0]],), subgraph.tensors[op.outputs[0]], read)
        return fed(call, options, tensor, picture)

    def _moved(self, subgraph: Subgraph, op: Operator, read: Sequence[Value]) -> Value | None:
        """Operators that move positions, or count; None for others and where they do more than that."""
        if op.name not in MOVES:
            return None
        counts, move = MOVES[op.name]
        if len(op.inputs) not in counts:
            raise UntraceableError(f"{op.label} has {len(op.inputs)} inputs")
        return move(Call(op, tuple(subgraph.tensors[t] for t in op.inputs), subgraph.tensors[op.outputs[0]], read))

    def _opaque(self, index: int, k: int, op: Operator, read: Sequence[Value], *state: int) -> list[Value]:
        """Operators of which each output depends on all of all inputs, for all that is known, and on ``state``."""
        tensors = self.graph.subgraphs[index].tensors
        done = self._done(index, k, op, read, *state)
        return [Value(spread(number("output", done, position), tensors[t])) for position, t in enumerate(op.outputs)]

    def _done(self, index: int, k: int, op: Operator, read: Sequence[Value], *state: int) -> int:
        """A name for an operator's run, from all that goes into it."""
        tensors = self.graph.subgraphs[index].tensors
        shapes = tuple(tensors[t].shape if t >= 0 else None for t in (*op.inputs, *op.outputs))
        key = np.array([[number("opaque", int(self._key(index, k)), Options(op).padding, shapes, *state)]])
        for position, value in enumerate(read):
            key = mixed(key + weight(position, 1) * whole(value.names))
        return int(key.item())

    # -- effects -----------------------------------------------------------------------------------------------------

    def _effect(self, index: int, k: int, op: Operator, read: Sequence[Value]) -> list[Value]:
        """An operator that reads or changes more than its tensors: what it does depends on all such ones before it."""
        before = int(self._effects)
        made = self._opaque(index, k, op, read, before)
        self._effects = number("effect", self._done(index, k, op, read, before))
        return made

    def _once(self, op: Operator) -> list[Value]:
        """CALL_ONCE: its subgraph runs before the first call alone, so that what it does has a name of its own."""
        (called,) = called_subgraphs(op) or (-1,)
        if not 0 <= called < len(self.graph.subgraphs) or called in self._running or len(self._running) > MOST_DEPTH:
            raise UntraceableError("CALL_ONCE runs a subgraph that is not there, or itself")
        before, self._effects = self._effects, number("once")
        self._run(called, ())
        self._effects = number("effect", int(before), int(self._effects))
        return []

    def _key(self, index: int, k: int) -> np.uint64:
        """A name for an operator, without its padding and the sizes of its maps."""
        if (index, k) not in self._keys:
            tensors = self.graph.subgraphs[index].tensors
            op = self.graph.subgraphs[index].operators[k]
            fields = {name: value for name, value in (op.options.fields if op.options else {}).items()
                      if name not in self._unfelt(index, op)}  # fmt: skip
            named = (*op.inputs, *op.outputs, *(op.intermediates or ()))
            facts = tuple("none" if t < 0 else (kind(tensors[t]), self._fixed(tensors[t])) for t in named)
            self._keys[index, k] = number(
                op.label, canonical(fields), canonical(op.options_2), op.custom_options, len(op.inputs), facts
            )
        return self._keys[index, k]

    def _unfelt(self, index: int, op: Operator) -> frozenset[str]:
        """Options that a name does without: padding, which counts with the places, and dilations of single taps."""
        found = {"padding"}
        if op.name in sliding("conv") and len(op.inputs) > 1 and op.inputs[1] >= 0:
            weights = self.graph.subgraphs[index].tensors[op.inputs[1]].shape
            if len(weights) == _RANK:
                taps = zip(("dilation_h_factor", "dilation_w_factor"), weights[1:3], strict=True)
                found.update(name for name, count in taps if count == 1)
        return frozenset(found)

    def _fixed(self, tensor: Tensor) -> Hashable:
        """Shape and bytes of a constant; nothing of other tensors, but channels."""
        if self.graph.is_constant(tensor):
            return tensor.shape, self._digest(tensor)
        return tensor.shape[-1:] if is_map(tensor) else tensor.shape

    def _digest(self, tensor: Tensor) -> str:
        if tensor.buffer not in self._digests:
            self._digests[tensor.buffer] = blake2b(bytes(self.graph.data(tensor) or b""), digest_size=16).hexdigest()
        return self._digests[tensor.buffer]

    # -- what computes names position by position --------------------------------------------------------------------

    def _computed(self, index: int, k: int, op: Operator, read: Sequence[Value]) -> Value | None:
        """Operators that compute each position of a map from a few of their input."""
        subgraph = self.graph.subgraphs[index]
        out = subgraph.tensors[op.outputs[0]]
        if not is_map(out):
            return None
        if op.name in sliding("conv", "pool"):
            return self._windowed(subgraph, op, read, out, self._key(index, k))
        axis = Options(op).axis if op.name == "CONCATENATION" else None
        if op.name in operators_that(Trait.POINTWISE) or axis in (_CHANNELS, -1):
            return self._elementwise(subgraph, op, read, out, self._key(index, k))
        return None

    def _elementwise(
        self, subgraph: Subgraph, op: Operator, read: Sequence[Value], out: Tensor, key: np.uint64
    ) -> Value | None:
        names = np.full(grid(out), key)
        for position, (t, value) in enumerate(zip(op.inputs, read, strict=True)):
            tensor = subgraph.tensors[t] if t >= 0 else None
            if tensor is None:
                return None
            if self.graph.is_constant(tensor):
                if any(size != 1 for size in tensor.shape[:-1]):
                    return None  # a constant that differs from position to position; its bytes are in the key
                continue
            if tensor.shape[:-1] != out.shape[:-1]:
                return None
            names = mixed(names + weight(position, 2) * mixed(value.names))
        return Value(mixed(names))

    def _windowed(
        self, subgraph: Subgraph, op: Operator, read: Sequence[Value], out: Tensor, key: np.uint64
    ) -> Value | None:
        x, *others = (subgraph.tensors[t] if t >= 0 else None for t in op.inputs)
        pooled = op.name in sliding("pool")
        weights = None if pooled else others[0]
        if x is None or not is_map(x) or any(t is not None and not self.graph.is_constant(t) for t in others):
            return None
        if not pooled and (weights is None or not self._skips_padding(subgraph, op, x, weights)):
            return None
        found = window(op, x.shape, weights.shape if weights else None)
        element = zero_element(x)
        if found is None or out.shape[1:3] != (found[0].output, found[1].output):
            raise UntraceableError(f"{op.label} does not give the shape that its output has in the file")
        if element is None:
            return None
        self._count(grid(out), found[0].kernel * found[1].kernel)
        self._count((found[0].size + found[0].before + found[0].behind, found[1].size + found[1].before
                     + found[1].behind))  # fmt: skip
        return Value(_window(read[0].names, found, key, ABSENT if pooled else filled(x, element)))

    def _skips_padding(self, subgraph: Subgraph, op: Operator, x: Tensor, weights: Tensor) -> bool:
        """True where a tap outside the map counts as one on an element that stands for 0, and places alone matter.

        Not so for float weights that are not finite (0 times infinity is no 0), nor where a float operator has integer
        weights: that finds one scale for its whole input.
        """
        if OperatorCall(self.graph, subgraph, op).hybrid:
            return False
        if weights.dtype is not DType.FLOAT32:
            return x.dtype is not DType.FLOAT32
        data = bytes(self.graph.data(weights) or b"")
        return x.dtype is DType.FLOAT32 and bool(np.isfinite(np.frombuffer(data, "<f4")).all())


def _bound(values: Sequence[Value], sources: Sequence[Tensor], targets: Sequence[Tensor]) -> list[Value]:
    """Values whose bytes are copied to other tensors. Raises UntraceableError where shapes or sizes differ."""
    for source, target in zip(sources, targets, strict=True):
        if source.shape != target.shape:
            raise UntraceableError("a variable of a WHILE changes its shape on the way through the loop")
    return [as_kind(*each) for each in zip(values, sources, targets, strict=True)]


def _window(names: Names, found: tuple[Taps, Taps], key: np.uint64, outside: np.uint64) -> Names:
    """Each position from the taps of its window; those outside the map count as ``outside``."""
    rows, columns = found
    padded = mixed(np.pad(names, [(a.before, a.behind) for a in found], constant_values=outside))
    total = np.full((rows.output, columns.output), key)
    for i in range(rows.kernel):
        for j in range(columns.kernel):
            top, left = i * rows.dilation, j * columns.dilation
            seen = padded[
                top : top + (rows.output - 1) * rows.stride + 1 : rows.stride,
                left : left + (columns.output - 1) * columns.stride + 1 : columns.stride,
            ]
            total = total + seen * weight(i, j, 3)
    scrambled: Names = mixed(total)
    return scrambled
