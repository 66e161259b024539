"""Numbers for what tensors hold: two tensors have one number exactly where they are computed alike.

Value numbering over a whole model, whatever the order of its operators, the numbers and names of its tensors and the
sharing of its buffers. Operators with effects (variables, resources, custom operators) also carry their place in the
sequence of all such operators, which therefore may not change.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcuplan.graph import Graph, Operator, Quantization, Record, Subgraph, Tensor
from mcuplan.operators import called_subgraphs
from mcuplan.rewriting.dead import has_effects

_SUBGRAPH_FIELDS = frozenset({
    "then_subgraph_index", "else_subgraph_index", "cond_subgraph_index", "body_subgraph_index", "init_subgraph_index",
})  # fmt: skip


class Numbers:
    """Gives equal things equal numbers; one instance numbers all models that are to be compared."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}

    def of(self, *thing: Hashable) -> int:
        """The number of ``thing``."""
        return self._known.setdefault(thing, len(self._known))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a tensor's value comes from: an operator's output, or what the model begins with.

    ``operator`` is -1 for inputs, constants, variables and what nothing wrote; ``what`` says which.
    """

    tensor: int
    operator: int = -1
    position: int = 0
    what: str = ""


@dataclass
class Valued:
    """One subgraph with its numbers: of what each tensor held when an operator read it, and of the whole.

    ``read[k]`` are the numbers of operator ``k``'s inputs, ``made[k]`` of its outputs, ``sources[k]`` where its inputs
    came from; ``outputs`` and ``output_sources`` the same for the subgraph's outputs, ``effects`` the sequence of
    operators with effects.
    """

    subgraph: Subgraph
    read: list[tuple[int, ...]] = field(default_factory=list)
    sources: list[tuple[Source, ...]] = field(default_factory=list)
    operations: list[int] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    output_sources: tuple[Source, ...] = ()
    effects: int = 0
    pure: bool = True


class Model:
    """A graph with its values numbered; subgraphs are numbered when they are first called."""

    def __init__(self, graph: Graph, numbers: Numbers) -> None:
        self.graph = graph
        self.numbers = numbers
        self._buffers: dict[int, int] = {}
        self._subgraphs: dict[int, Valued] = {}
        self._running: set[int] = set()
        self._variables: dict[tuple[int, int], int] = {}
        self.main = self.valued(0)

    def valued(self, index: int) -> Valued:
        """The numbers of one subgraph."""
        if index not in self._subgraphs:
            self._running.add(index)
            self._subgraphs[index] = self._number(index)
            self._running.discard(index)
        return self._subgraphs[index]

    def _number(self, index: int) -> Valued:
        numbers, subgraph = self.numbers, self.graph.subgraphs[index]
        result = Valued(subgraph, effects=numbers.of("no effects yet"))
        held: dict[int, tuple[int, Source]] = {
            t: (numbers.of("input", i, tensor_facts(subgraph.tensors[t])), Source(t, what="input"))
            for i, t in enumerate(subgraph.inputs)
        }
        for k, op in enumerate(subgraph.operators):
            inputs = [self._value(index, t, held) for t in op.inputs]
            operation = [op.name, op.code.custom_code, op.code.version, self._options(op), op.custom_options]
            if self._affects(subgraph, op):
                result.pure = False
                operation.append(result.effects)
            number = numbers.of("operation", *operation, tuple(n for n, _ in inputs))
            if self._affects(subgraph, op):
                result.effects = numbers.of("effect", result.effects, number)
            for position, t in enumerate(op.outputs):
                if t >= 0 and not subgraph.tensors[t].is_variable:
                    facts = tensor_facts(subgraph.tensors[t])
                    held[t] = numbers.of("result", number, position, facts), Source(t, k, position)
            result.read.append(tuple(n for n, _ in inputs))
            result.sources.append(tuple(source for _, source in inputs))
            result.operations.append(numbers.of("kind", *operation))
        ends = [self._value(index, t, held) for t in subgraph.outputs]
        result.outputs = tuple(n for n, _ in ends)
        result.output_sources = tuple(source for _, source in ends)
        return result

    def _value(self, index: int, t: int, held: Mapping[int, tuple[int, Source]]) -> tuple[int, Source]:
        if t < 0:
            return self.numbers.of("absent"), Source(t, what="absent")
        tensor = self.graph.subgraphs[index].tensors[t]
        if tensor.is_variable:
            # All operators that touch variables are in sequence, so that the order of first use names them.
            order = self._variables.setdefault((index, t), len(self._variables))
            number = self.numbers.of("variable", order, tensor_facts(tensor), self._bytes(tensor))
            return number, Source(t, what="variable")
        if t in held:
            return held[t]
        if self.graph.is_constant(tensor):
            number = self.numbers.of("constant", self._bytes(tensor), tensor_facts(tensor))
            return number, Source(t, what="constant")
        return self.numbers.of("unwritten", tensor_facts(tensor)), Source(t, what="unwritten")

    def _bytes(self, tensor: Tensor) -> int:
        """The number of a buffer's bytes."""
        if tensor.external_buffer:
            return self.numbers.of("external", tensor.external_buffer)
        if tensor.buffer not in self._buffers:
            self._buffers[tensor.buffer] = self.numbers.of("bytes", bytes(self.graph.data(tensor) or b""))
        return self._buffers[tensor.buffer]

    def _affects(self, subgraph: Subgraph, op: Operator) -> bool:
        called = called_subgraphs(op)
        if called and op.name != "CALL_ONCE" and all(self._callable(c) for c in called):
            return not all(self.valued(c).pure for c in called)
        return op.name == "READ_VARIABLE" or has_effects(subgraph, op)

    def _callable(self, index: int) -> bool:
        return 0 <= index < len(self.graph.subgraphs) and index not in self._running

    def _options(self, op: Operator) -> Hashable:
        """Options with called subgraphs replaced by what those compute."""
        fields = dict(op.options.fields) if op.options else {}
        for name in _SUBGRAPH_FIELDS & fields.keys():
            fields[name] = self._called(fields[name])
        table = op.options.table if op.options else None
        return table, canonical(fields), canonical(op.options_2)

    def _called(self, index: int) -> Hashable:
        if not self._callable(index):
            return "not callable", index
        inside = self.valued(index)
        ends = tuple(tensor_facts(inside.subgraph.tensors[t]) for t in inside.subgraph.inputs)
        return self.numbers.of("subgraph", ends, inside.outputs, inside.effects)


def canonical(value: Any) -> Hashable:
    """A hashable stand-in for a value of a :class:`Record`; floats by their bits."""
    if isinstance(value, Record):
        return value.table, canonical(value.fields)
    if isinstance(value, Mapping):
        return tuple((name, canonical(value[name])) for name in sorted(value))
    if isinstance(value, tuple | list):
        return tuple(map(canonical, value))
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    if isinstance(value, memoryview):
        return bytes(value)
    return type(value).__name__, value


def tensor_facts(tensor: Tensor) -> Hashable:
    """What a kernel can see of a tensor beside its bytes."""
    return int(tensor.dtype), tensor.shape, quantization_facts(tensor.quantization), canonical(tensor.sparsity)


def quantization_facts(q: Quantization | None) -> Hashable:
    """What a kernel can see of a quantization."""
    if q is None or not (q.scales or q.zero_points or q.details):
        return None  # an empty table says as much as none
    scales = struct.pack(f"<{len(q.scales)}d", *q.scales)
    details = None
    if q.details is not None:  # its tensors have other numbers in another model
        details = canonical({n: v for n, v in q.details.fields.items() if n not in ("scales", "zero_points")})
    return scales, q.zero_points, q.dimension if q.per_channel else 0, q.has_scales, q.has_zero_points, details
