"""A model whose inputs come by rows, as one that runtimes at hand can run: each input whole, each row a SLICE of it.

The wheels of TFLM and LiteRT take no operator of ours. So ``MCUPLAN_ROWS`` becomes a SLICE at the same place of the
whole input, padded all around with the byte that it fills with: what it gives is the same, bit for bit, by its
definition. Loops get the padded input as one more variable.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcuplan.errors import McuplanError
from mcuplan.graph import Buffer, DType, Graph, Operator, Subgraph, Tensor
from mcuplan.operators import called_subgraphs
from mcuplan.operators.input_rows import InputRows, input_rows
from mcuplan.operators.row_calls import RowsCall, row_calls
from mcuplan.operators.streamed import StreamedInput, streamed_inputs
from mcuplan.proof.function.names import zero_element
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflite import schema
from mcuplan.tflm.offline import ONLINE, read_offline_plan


class WholeInputError(McuplanError):
    """A model whose rows cannot be taken from whole inputs; the text says why."""


def with_whole_inputs(graph: Graph) -> Graph:
    """The model with its original inputs, whole, in place of the rows; itself where none comes by rows.

    Its memory plan keeps all offsets it has; what is new is for TFLM to place.

    Raises
    ------
    WholeInputError
        Where it is not known which rows are asked for, or other control flow than WHILE in the main subgraph is run.
    """
    streamed = streamed_inputs(graph)
    if not streamed:
        return graph
    calls = row_calls(graph)
    if calls is None:
        raise WholeInputError("which rows the model asks for does not follow from its constants")
    plan = read_offline_plan(graph)
    made = _Whole(graph, streamed, calls).made()
    if plan is None or plan.problem:
        return made
    offsets, rest = [], list(plan.offsets)
    for before, after in zip(graph.subgraphs, made.subgraphs, strict=True):
        count = len(before.tensors)
        offsets += [*rest[:count], *[ONLINE] * (len(after.tensors) - count)]
        del rest[:count]
    return set_offline_plan(made, offsets)


@dataclass(frozen=True, slots=True)
class _Padded:
    """A padded input in one subgraph: its tensor, and the rows and columns before the picture."""

    tensor: int
    top: int
    left: int


class _Whole:
    def __init__(self, graph: Graph, streamed: dict[int, StreamedInput], calls: Sequence[RowsCall]) -> None:
        self.graph = graph
        self.streamed = streamed
        self.calls = calls
        self.buffers = list(graph.buffers)
        self.subgraphs = [_Growing(subgraph, self.buffers) for subgraph in graph.subgraphs]

    def made(self) -> Graph:
        """The model with whole inputs, without a plan: tensors were added."""
        for number, streamed in self.streamed.items():
            self._feed(number, streamed)
        subgraphs = tuple(growing.finished() for growing in self.subgraphs)
        return set_offline_plan(replace(self.graph, subgraphs=subgraphs, buffers=tuple(self.buffers)), None)

    def _feed(self, number: int, streamed: StreamedInput) -> None:
        options, own = streamed.options, [c for c in self.calls if c.options.input == number]
        top, left = (max([0, *(-c.begin[axis] for c in own)]) for axis in (0, 1))
        bottom = max([0, *(c.begin[0] + c.count - options.rows for c in own)])
        right = max([0, *(c.begin[1] + c.columns - options.columns for c in own)])
        main = self.subgraphs[0]
        whole = main.tensor(streamed.tensor)
        main.inputs.insert(number, whole)
        around = (0, 0, top, bottom, left, right, 0, 0)
        padded = main.padded(whole, around, options) if any(around) else whole
        self._replace(0, number, _Padded(padded, top, left))

    def _replace(self, index: int, number: int, padded: _Padded) -> None:
        """Slices in one subgraph, and in the bodies of its loops."""
        growing = self.subgraphs[index]
        for k, op in enumerate(growing.given.operators):
            options = input_rows(op)
            if options is not None and options.input == number:
                growing.slice_instead(k, op, padded)
            inside = [i for i in called_subgraphs(op) if self._asks(i, number)]
            if not inside:
                continue
            if index or op.name != "WHILE" or inside != [called_subgraphs(op)[1]]:
                raise WholeInputError(f"rows are asked for in a subgraph that {op.label} runs")
            growing.carry(k, padded.tensor)
            for called in called_subgraphs(op):
                carried = self.subgraphs[called].tensor(growing.tensors[padded.tensor])
                self.subgraphs[called].inputs.append(carried)
                if called == inside[0]:
                    self.subgraphs[called].outputs.append(carried)
                    self._replace(called, number, replace(padded, tensor=carried))

    def _asks(self, index: int, number: int) -> bool:
        found = (input_rows(op) for op in self.graph.subgraphs[index].operators) if index < len(self.subgraphs) else ()
        return any(options is not None and options.input == number for options in found)


class _Growing:
    """A subgraph to which tensors and operators are added."""

    def __init__(self, given: Subgraph, buffers: list[Buffer]) -> None:
        self.given = given
        self.buffers = buffers
        self.tensors = list(given.tensors)
        self.inputs, self.outputs = list(given.inputs), list(given.outputs)
        self.first: list[Operator] = []
        self.operators = [[op] for op in given.operators]

    def tensor(self, like: Tensor, shape: Sequence[int] | None = None) -> int:
        """Add an activation of the type and quantization of ``like``; its index."""
        self.tensors.append(replace(like, shape=like.shape if shape is None else tuple(shape), buffer=0))
        return len(self.tensors) - 1

    def integers(self, values: Sequence[int], shape: Sequence[int] | None = None) -> int:
        """Add a constant int32 tensor, of one dimension unless ``shape`` is given; its index."""
        self.buffers.append(Buffer(struct.pack(f"<{len(values)}i", *values)))
        dims = (len(values),) if shape is None else tuple(shape)
        self.tensors.append(Tensor("place", DType.INT32, dims, len(self.buffers) - 1))
        return len(self.tensors) - 1

    def padded(self, whole: int, around: Sequence[int], options: InputRows) -> int:
        """The input with what it is filled with around it."""
        like = self.tensors[whole]
        shape = [n + a + b for n, a, b in zip(like.shape, around[::2], around[1::2], strict=True)]
        out = self.tensor(like, shape)
        element = bytes([options.fill]) * ((like.dtype.bits or 8) // 8)
        inputs = (whole, self.integers(around, (4, 2)))
        if element == zero_element(like):
            operator = Operator(schema.operator_code("PAD", 2), inputs, (out,), schema.record("PadOptions"))
        else:
            self.buffers.append(Buffer(element))
            fill = self.tensor(like, (1,))
            self.tensors[fill] = replace(self.tensors[fill], buffer=len(self.buffers) - 1)
            record = schema.record("PadV2Options")
            operator = Operator(schema.operator_code("PADV2", 2), (*inputs, fill), (out,), record)
        self.first.append(operator)
        return out

    def slice_instead(self, k: int, op: Operator, padded: _Padded) -> None:
        """A SLICE of the padded input in place of operator ``k``."""
        place = op.inputs[0]
        shape = self.tensors[op.outputs[0]].shape
        operators = []
        if padded.top or padded.left:
            moved = self.tensor(self.tensors[place])
            add = schema.record("AddOptions")
            inputs = (place, self.integers((0, padded.top, padded.left, 0)))
            operators.append(Operator(schema.operator_code("ADD"), inputs, (moved,), add))
            place = moved
        rows = (padded.tensor, place, self.integers(shape))
        operators.append(Operator(schema.operator_code("SLICE", 2), rows, op.outputs, schema.record("SliceOptions")))
        self.operators[k] = operators

    def carry(self, k: int, tensor: int) -> None:
        """Give the loop of operator ``k`` one more variable, which begins as ``tensor``."""
        (loop,) = self.operators[k]
        behind = self.tensor(self.tensors[tensor])
        self.operators[k] = [replace(loop, inputs=(*loop.inputs, tensor), outputs=(*loop.outputs, behind))]

    def finished(self) -> Subgraph:
        """The subgraph with everything that was added."""
        operators = (*self.first, *(op for each in self.operators for op in each))
        return replace(
            self.given, tensors=tuple(self.tensors), operators=operators,
            inputs=tuple(self.inputs), outputs=tuple(self.outputs),
        )  # fmt: skip
