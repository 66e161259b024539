"""Persistent bytes of the operators that a stage is written with, as TFLM's allocator takes them on one target.

An operator takes its node, its parsed options, what its kernel asks for, and a handle a scratch buffer; a tensor takes
its eval tensor. What kernels keep comes from the replay of the allocator, so it holds for any target (on lean ones
convolutions keep no arrays). What is added is counted at least and what goes away at most, so that a stage never adds
less, but for what the section is rounded by in between (:data:`mcuplan.tflm.persistent.MOST_ROUNDED`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from mcuplan.graph import DType, Graph, Quantization, Subgraph, Tensor
from mcuplan.operators import OperatorCall
from mcuplan.operators.geometry import VALID
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import Draft, GraphBuilder, SubgraphBuilder
from mcuplan.patching.writing.channels import write_channels
from mcuplan.patching.writing.in_place import write_in_place
from mcuplan.tflm.kernels import object_sizes
from mcuplan.tflm.persistent import prepare, words
from mcuplan.tflm.target import Target

_INTEGERS: Mapping[str, int] = {"SLICE": 2, "GATHER": 1, "PAD": 1, "RESHAPE": 1, "SPLIT_V": 2}
"""Operators that read integers behind their first input, and how many tensors of them."""

_MAPS: Mapping[str, int] = {"CONCATENATION": 2, "MUL": 2, "SELECT_V2": 3}
_OPTIONS: Mapping[str, str | None] = {
    "SLICE": "SliceOptions", "GATHER": "GatherOptions", "PAD": "PadOptions", "RESHAPE": "ReshapeOptions",
    "SPLIT_V": "SplitVOptions", "CONCATENATION": "ConcatenationOptions", "MUL": "MulOptions", "SELECT_V2": None,
    "DYNAMIC_UPDATE_SLICE": "DynamicUpdateSliceOptions", "FILL": "FillOptions", "WHILE": "WhileOptions",
}  # fmt: skip

_RANK = 4


def _splits(main: Subgraph, k: int) -> bool:
    """Whether each part of an operator has constants of its own."""
    return main.operators[k].name in ("CONV_2D", "DEPTHWISE_CONV_2D")


class Keeps:
    """What operators of one graph take on one target, its own and those that stages add."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self._graph = graph
        self._target = target
        sizes = object_sizes(target)
        self.tensor = sizes["TfLiteEvalTensor"]
        self.subgraph = sizes["SubgraphAllocations"]
        self.node, self._handle = sizes["NodeAndRegistration"], sizes["ScratchBufferHandle"]
        self._least, self._most, self._scratch = self._taken(graph)
        self._added: dict[tuple[str, DType], int] = {}

    def clone(self, operator: int) -> int:
        """A clone of a main operator with its result."""
        return self._least[operator] + self.tensor

    def own(self, operator: int) -> int:
        """What goes with a main operator and its result where they are no more."""
        return self._most[operator] + self.tensor

    def constants(self, operators: Iterable[int]) -> int:
        """The tensors of the constants that some main operators read, as they are in another subgraph once more."""
        main = self._graph.main
        read = {t for k in operators for t in main.operators[k].inputs if t >= 0}
        return self.tensor * sum(self._graph.is_constant(main.tensors[t]) for t in read)

    def parts(self, stage: PatchStage, cuts: Sequence[int]) -> tuple[int, list[int], list[OperatorCall]]:
        """What a stage in parts by output channels adds, each with its own constants; scratch and call of each operator
        in turn."""
        taken, scratch, calls = self._instead(stage, lambda b: write_channels(b, stage, cuts))
        own = range(stage.first, stage.last)
        return taken - self.constants(k for k in own if _splits(self._graph.main, k)), scratch, calls

    def in_place(self, stage: PatchStage) -> tuple[int, int]:
        """What a 1x1 convolution in place adds, and its scratch."""
        taken, (scratch, *_), _ = self._instead(stage, lambda b: write_in_place(b, stage))
        return taken, scratch

    def _instead(
        self, stage: PatchStage, write: Callable[[SubgraphBuilder], None]
    ) -> tuple[int, list[int], list[OperatorCall]]:
        """What operators that stand instead of a stage add to what goes with it, constants aside; scratch and call of
        each in turn."""
        main = self._graph.main
        parent = GraphBuilder(Draft(self._graph))
        b = SubgraphBuilder(parent, 0, list(main.tensors))
        write(b)
        whole = b.finished(main.inputs, main.outputs, None)
        graph = replace(self._graph, buffers=tuple(parent.buffers), subgraphs=(whole,))
        operators, _, scratch = self._taken(graph)
        added = self.tensor * (len(b.tensors) - len(main.tensors))
        away = sum(self.own(k) for k in range(stage.first, stage.last)) - self.tensor
        return sum(operators) + added - away, scratch, [OperatorCall(graph, whole, op) for op in whole.operators]

    @cached_property
    def scratch(self) -> Mapping[int, int]:
        """Scratch of main operators that clones of theirs have at least, whether they make all rows or one, of padded
        maps or not."""
        some = [self._taken(self._single_rows(padded))[2] for padded in (False, True)]
        each = zip(self._scratch, *some, strict=True)
        return {k: size for k, sizes in enumerate(each) if (size := min(sizes))}

    def _single_rows(self, padded: bool) -> Graph:
        """The graph with each operator on one row of its maps, or as many as a window has; with ``padded``, of maps
        that have their padding."""
        main = self._graph.main
        tensors, operators = list(main.tensors), []
        for op in main.operators:
            window = OperatorCall(self._graph, main, op).window
            rows = window.rows.extent if window is not None else 1
            wider = window.columns.before + window.columns.after if window is not None and padded else 0
            inputs = tuple(self._row(tensors, t, rows, wider) if t >= 0 else t for t in op.inputs)
            outputs = tuple(self._row(tensors, t, 1, 0) if t >= 0 else t for t in op.outputs)
            options = op.options
            if window is not None and padded and options is not None:
                options = replace(options, fields={**options.fields, "padding": VALID})
            operators.append(replace(op, inputs=inputs, outputs=outputs, options=options))
        small = replace(main, tensors=tuple(tensors), operators=tuple(operators))
        return replace(self._graph, subgraphs=(small, *self._graph.subgraphs[1:]))

    def _row(self, tensors: list[Tensor], t: int, height: int, wider: int) -> int:
        """A map of fewer rows, and so many columns more, beside a map; any other tensor as it is."""
        tensor = tensors[t]
        if tensor.rank != _RANK or self._graph.is_constant(tensor) or (tensor.shape[1] <= height and not wider):
            return t
        shape = tensor.shape[0], min(height, tensor.shape[1]), tensor.shape[2] + wider, tensor.shape[3]
        tensors.append(replace(tensor, shape=shape, shape_signature=None))
        return len(tensors) - 1

    def added(self, name: str, dtype: DType = DType.INT8) -> int:
        """An operator that stages add, with its result but without the constants that it reads."""
        if (name, dtype) not in self._added:
            self._added[name, dtype] = self._taken(self._alone(name, dtype))[0][0] + self.tensor
        return self._added[name, dtype]

    def _taken(self, graph: Graph) -> tuple[list[int], list[int], list[int]]:
        """Persistent bytes of the main operators without their tensors, at least and at most, and their scratch."""
        main = graph.main
        prepared = prepare(replace(graph, subgraphs=(main,)), self._target)
        least, most, scratch = ([start] * len(main.operators) for start in (self.node, self.node, 0))
        for taken in prepared.allocations:
            if taken.operator >= 0:
                low, high = words(taken.size, taken.align)
                least[taken.operator] += low
                most[taken.operator] += high
        for request in prepared.scratch:
            least[request.operator] += self._handle
            most[request.operator] += self._handle
            scratch[request.operator] += request.bytes
        return least, most, scratch

    def _alone(self, name: str, dtype: DType) -> Graph:
        """A graph of one operator."""
        parent = GraphBuilder(Draft(replace(self._graph, subgraphs=(Subgraph((), (), (), ()),))))
        b = SubgraphBuilder(parent, 0)
        like = Tensor("x", dtype, (1, 4, 4, 8), 0, Quantization((1.0,), (0,)))
        inputs = [b.tensor(like, "x") for _ in range(_MAPS.get(name, 1))]
        if name == "DYNAMIC_UPDATE_SLICE":
            inputs.append(b.tensor(like, "update", (1, 1, 4, 8)))
        inputs += [b.integers([0, 0, 0, 0]) for _ in range(_INTEGERS.get(name, 0))]
        b.operation(name, inputs, [b.tensor(like, "y")], _OPTIONS[name])
        alone = b.finished(inputs[:1], [b.operators[0].outputs[0]], None)
        return replace(self._graph, buffers=tuple(parent.buffers), subgraphs=(alone,), metadata=(), signatures=())
