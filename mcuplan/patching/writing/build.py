"""Subgraphs under construction: tensors, constants and operators are added, ties noted, and a graph comes out."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Subgraph, Tensor
from mcuplan.planning.ties import Loop, Place, Tie
from mcuplan.rewriting.edit import keep_tensors
from mcuplan.tflite import schema
from mcuplan.tflm.support.table import accepted_types, most_operands

_FILLED = frozenset({DType.FLOAT32, DType.INT32, DType.INT8})
"""Element types that TFLM's FILL takes (micro/kernels/fill.cc); PAD takes the others."""


@dataclass(frozen=True)
class Draft:
    """A rewritten graph with what its planner must know: ties, loops, and tensors whose place is the rewriting's.

    ``own`` are the tensors that the rewriting added; other aliases leave them alone. ``streamed`` is the tensor of an
    input whose rows the firmware is to give: its stage is written without it. ``plain``: loops are written without
    DYNAMIC_UPDATE_SLICE, and without SLICE of bool, which TFLMs of other days lack.
    """

    graph: Graph
    ties: tuple[Tie, ...] = ()
    loops: tuple[Loop, ...] = ()
    own: frozenset[Place] = frozenset()
    streamed: int | None = None
    plain: bool = False

    def tidy(self) -> Draft:
        """The draft without tensors that nothing names, everything renumbered."""
        graph, draft = self.graph, self
        for index, subgraph in enumerate(graph.subgraphs):
            used = {*subgraph.inputs, *subgraph.outputs}
            for op in subgraph.operators:
                used.update(i for i in (*op.inputs, *op.outputs, *(op.intermediates or ())) if i >= 0)
            for signature in graph.signatures:
                if signature.get("subgraph_index", 0) == index:
                    for side in ("inputs", "outputs"):
                        used.update(entry["tensor_index"] for entry in signature.get(side) or ())
            numbers = {old: new for new, old in enumerate(sorted(used))}

            def moved(place: Place, index: int = index, numbers: Mapping[int, int] = numbers) -> Place:
                return (index, numbers[place[1]]) if place[0] == index else place

            graph = keep_tensors(graph, index, used)
            kept = [
                tie for tie in draft.ties
                if all(place[0] != index or place[1] in numbers for place in (tie.inner, tie.outer))
            ]  # fmt: skip
            draft = replace(
                draft,
                graph=graph,
                ties=tuple(replace(tie, inner=moved(tie.inner), outer=moved(tie.outer)) for tie in kept),
                own=frozenset(moved(p) for p in draft.own if p[0] != index or p[1] in numbers),
            )
        return draft


class GraphBuilder:
    """A graph that grows: constant buffers and subgraphs are added to it; where ``gathers``, rows are copied fast."""

    def __init__(self, draft: Draft, gathers: bool = False) -> None:
        self.draft = draft
        self.fast = gathers
        self.plain = draft.plain
        self.buffers = list(draft.graph.buffers)
        self.codes: dict[tuple[str, DType], OperatorCode] = {}
        main = draft.graph.main
        for op in main.operators:
            if op.outputs and op.outputs[0] >= 0:
                self.codes.setdefault((op.name, main.tensors[op.outputs[0]].dtype), op.code)
        self.constants: dict[bytes, int] = {}
        self.ties = list(draft.ties)
        self.own = set(draft.own)
        self.loops: list[Loop] = []

    def gathers(self, source: Tensor, rows: int) -> bool:
        """Whether ``rows`` rows of a map are copied by GATHER, not by SLICE."""
        return self.fast and gathers(source, rows)

    def buffer(self, data: bytes) -> int:
        """The index of a constant buffer with ``data``; equal ones are shared."""
        if data not in self.constants:
            self.constants[data] = len(self.buffers)
            self.buffers.append(Buffer(data))
        return self.constants[data]

    def code(self, name: str, dtype: DType) -> OperatorCode:
        """The operator code of ``name`` for elements of ``dtype``: the model's own where it has one."""
        version = _VERSIONS.get(name, {}).get(dtype, 1)
        return self.codes.setdefault((name, dtype), schema.operator_code(name, version))


_VERSIONS: Mapping[str, Mapping[DType, int]] = {
    "SLICE": {DType.INT8: 2, DType.INT16: 4},
    "CONCATENATION": {DType.INT8: 2, DType.INT16: 3},
    "PAD": {DType.INT8: 2, DType.INT16: 3},
    "GATHER": {DType.INT8: 2},
}
"""Versions other than 1; source: tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc."""

NO_ACTIVATION = 0


def gathers(source: Tensor, rows: int) -> bool:
    """Whether GATHER is worth its bytes for ``rows`` rows of a map, and takes their type."""
    enough = rows * math.prod(source.shape[2:]) >= _GATHERED_ELEMENTS
    return source.dtype in GATHERED and source.shape[0] == 1 and enough


GATHERED = accepted_types("GATHER", "input")
"""Element types that TFLM's GATHER takes."""

_GATHERED_ELEMENTS = 64
"""Elements from which on rows are gathered where time counts: SLICE takes some 5 instructions an element of int8 and
GATHER one half, but 28 bytes more of the persistent section (measured on a Cortex-M4, with and without CMSIS-NN)."""


_NAME = 24
"""Characters of a new tensor's name, the last ones: there are many new tensors, and names are flash."""


def lean(tensor: Tensor, name: str) -> Tensor:
    """The tensor under another name, without what runtimes do not read (ranges seen in training)."""
    quantization = tensor.quantization
    if quantization is not None:
        quantization = replace(quantization, min=None, max=None)
    return replace(
        tensor, name=name[-_NAME:], quantization=quantization, shape_signature=None, is_variable=False, has_shape=True
    )


@dataclass
class SubgraphBuilder:
    """A subgraph that grows operator by operator."""

    parent: GraphBuilder
    index: int
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    _constants: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _imported: dict[int, int] = field(default_factory=dict)

    def tensor(self, tensor: Tensor, name: str, shape: Sequence[int] | None = None, own: bool = True) -> int:
        """A new activation like ``tensor``; ``own`` where its place is the rewriting's alone."""
        dims = tensor.shape if shape is None else tuple(shape)
        self.tensors.append(replace(lean(tensor, name), shape=dims, buffer=0))
        if own:
            self.parent.own.add((self.index, len(self.tensors) - 1))
        return len(self.tensors) - 1

    def filled(self, like: Tensor) -> int:
        """A new activation like ``like`` with one value everywhere."""
        out = self.tensor(like, f"{like.name}/begun")
        one = () if like.dtype in _FILLED else (1,) * like.rank
        value = self.constant(replace(like, shape=one, name="nothing"), stored(0, like.dtype))
        if like.dtype in _FILLED:
            self.operation("FILL", [self.integers(like.shape), value], [out], "FillOptions")
        else:
            amounts = [amount for size in like.shape for amount in (0, size - 1)]
            self.operation("PAD", [value, self.integers(amounts, (like.rank, 2))], [out], "PadOptions")
        return out

    def integers(self, values: Sequence[int], shape: Sequence[int] | None = None) -> int:
        """A constant int32 tensor; equal ones are one tensor."""
        dims = (len(values),) if shape is None else tuple(shape)
        key = (dims, tuple(values))
        if key not in self._constants:
            data = struct.pack(f"<{len(values)}i", *values)
            self.tensors.append(Tensor("rows", DType.INT32, dims, self.parent.buffer(data)))
            self._constants[key] = len(self.tensors) - 1
        return self._constants[key]

    def constant(self, like: Tensor, data: bytes) -> int:
        """A constant tensor like ``like`` with ``data``."""
        self.tensors.append(replace(lean(like, like.name), buffer=self.parent.buffer(data)))
        return len(self.tensors) - 1

    def imported(self, number: int) -> int:
        """A constant of the main subgraph here, sharing its bytes."""
        if self.index == 0:
            return number
        if number not in self._imported:
            self.tensors.append(self.parent.draft.graph.main.tensors[number])
            self._imported[number] = len(self.tensors) - 1
        return self._imported[number]

    def add(self, operator: Operator) -> int:
        """Append an operator; returns its index."""
        self.operators.append(operator)
        return len(self.operators) - 1

    def operation(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], table: str | None = None, **options: Any
    ) -> int:
        """Append a builtin operator, its options at their defaults but for ``options``."""
        dtype = self.tensors[outputs[0]].dtype if outputs else DType.INT32
        record = schema.record(table, **options) if table else None
        return self.add(Operator(self.parent.code(name, dtype), tuple(inputs), tuple(outputs), record))

    def bytes(self, tensor: int) -> int:
        """Bytes of an activation in the arena."""
        found = self.tensors[tensor]
        return found.elements * max((found.dtype.bits or 8) // 8, 1)

    def row_bytes(self, tensor: int) -> int:
        """Bytes of one row of a map."""
        return self.bytes(tensor) // self.tensors[tensor].shape[1]

    def tie(self, inner: int, outer: int, at: int = 0, choice: str = "") -> None:
        """Note that ``inner`` lies at byte ``at`` of ``outer``."""
        self.parent.ties.append(Tie((self.index, inner), (self.index, outer), at, choice))

    def rows(self, source: int, begin: int, end: int, name: str, tie: bool = True) -> int:
        """Rows ``[begin, end)`` of a map: itself where that is all of it, else a copy, by default one in place."""
        shape = self.tensors[source].shape
        if (begin, end) == (0, shape[1]):
            return source
        if self.parent.gathers(self.tensors[source], end - begin):
            out = self.gathered(source, self.integers(range(begin, end)), name)
            if tie:
                self.tie(out, source, begin * self.row_bytes(source))
            return out
        out = self.tensor(self.tensors[source], name, (shape[0], end - begin, *shape[2:]))
        # All the rest is said by -1, so that most slices share one tensor of sizes.
        sizes = self.integers([-1] * len(shape) if end == shape[1] else [shape[0], end - begin, *shape[2:]])
        self.operation("SLICE", [source, self.integers([0, begin, 0, 0]), sizes], [out], "SliceOptions")
        if tie:
            self.tie(out, source, begin * self.row_bytes(source))
        return out

    def pushed_up(self, source: int, rows: int, name: str) -> int:
        """A map with ``rows`` behind its last row and as many fewer at its top, in its own place.

        What stays moves down over itself: SLICE and GATHER copy the lowest element first (lite/kernels/internal/
        reference/slice.h, micro/kernels/gather.cc).
        """
        like = self.tensors[source]
        stays = self.rows(source, self.tensors[rows].shape[1], like.shape[1], f"{name}/stays", tie=False)
        out = self.tensor(like, name)
        options = {"axis": 1, "fused_activation_function": NO_ACTIVATION}
        self.operation("CONCATENATION", [stays, rows], [out], "ConcatenationOptions", **options)
        self.tie(stays, source)
        self.tie(out, source)
        return out

    def gathered(self, source: int, indices: int, name: str) -> int:
        """Rows of a map, by their ``indices``: a GATHER."""
        shape = self.tensors[source].shape
        out = self.tensor(self.tensors[source], name, (shape[0], self.tensors[indices].elements, *shape[2:]))
        self.operation("GATHER", [source, indices], [out], "GatherOptions", axis=1, batch_dims=0)
        return out

    def stacked(
        self, parts: Sequence[int], like: Tensor, name: str, into: int | None = None, first: str | None = ""
    ) -> int:
        """Maps one below the other, each in its place in the result; at most ten to a CONCATENATION.

        ``first`` is the choice that the first part's tie belongs to; None leaves that part elsewhere.
        """
        level = list(parts)
        while len(level) > MOST_PARTS:
            level = [
                self._joined(level[i : i + MOST_PARTS], like, name, None) for i in range(0, len(level), MOST_PARTS)
            ]
        if len(level) == 1 and into is None:
            return level[0]
        return self._joined(level, like, name, into, first)

    def _joined(self, parts: Sequence[int], like: Tensor, name: str, into: int | None, first: str | None = "") -> int:
        if len(parts) == 1 and into is None:
            return parts[0]
        height = sum(self.tensors[p].shape[1] for p in parts)
        out = self.tensor(like, name, (like.shape[0], height, *like.shape[2:])) if into is None else into
        self.operation(
            "CONCATENATION", parts, [out], "ConcatenationOptions", axis=1, fused_activation_function=NO_ACTIVATION
        )
        at = 0
        for part in parts:
            choice = first if at == 0 else ""
            if choice is not None:
                self.tie(part, out, at, choice)
            at += self.bytes(part)
        return out

    def finished(self, inputs: Sequence[int], outputs: Sequence[int], name: str | None) -> Subgraph:
        """The subgraph."""
        return Subgraph(tuple(self.tensors), tuple(self.operators), tuple(inputs), tuple(outputs), name)


def padding_rows(subgraph: SubgraphBuilder, like: Tensor, rows: int) -> int:
    """Rows of a map that are padding, as a constant."""
    return padding(subgraph, like, (1, rows, *like.shape[2:]))


def padding(subgraph: SubgraphBuilder, like: Tensor, shape: Sequence[int]) -> int:
    """A piece of a map that is padding, as a constant: the value that stands for 0 everywhere."""
    zero = like.quantization.zero_points[0] if like.quantization and like.quantization.zero_points else 0
    data = stored(zero, like.dtype) * math.prod(shape)
    return subgraph.constant(replace(like, shape=tuple(shape), name=f"{like.name}/outside"), data)


def stored(value: int, dtype: DType) -> bytes:
    """An element as a file holds it."""
    code = {DType.FLOAT32: "f", DType.INT8: "b", DType.INT16: "h", DType.INT32: "i"}[dtype]
    return struct.pack(f"<{code}", value)


MOST_PARTS = most_operands("CONCATENATION", "values") or 1
"""Inputs that TFLM's CONCATENATION takes."""
