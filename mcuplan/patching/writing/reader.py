"""Which runs of operators can be a patch stage, and what each of their operators is to a strip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from mcuplan.graph import DType, Graph, Operator, Tensor
from mcuplan.operators import Axis, OperatorFacts, Window, constant_values, operator_macs
from mcuplan.operators.geometry import SAME
from mcuplan.patching.writing.rows import Layer, StageNet, UnsupportedStageError

__all__ = ["Form", "Stage", "StageReader", "UnsupportedStageError", "spatial"]

Form = Literal["pad", "crop"]
"""How SAME padding is kept inside strips: an explicit PAD, or rows computed and thrown away."""

WINDOWED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"})
POINTWISE = frozenset(
    {"ADD", "SUB", "MUL", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "ELU",
     "QUANTIZE", "PRELU", "ABS", "NEG"}
)  # fmt: skip
"""Operators of which each output element depends on the input elements at its place."""

_SLICED = frozenset({DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32})
"""Element types that TFLM's SLICE and CONCATENATION both take (micro/kernels/slice.cc, concatenation.cc)."""

_PADDED = frozenset({DType.FLOAT32, DType.INT8, DType.INT16})
"""Element types for which PAD fills with the value that stands for 0 (micro/kernels/pad_common.cc)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Operators ``[first, last)`` of the main subgraph, which read ``source`` and make ``result`` (tensors)."""

    first: int
    last: int
    source: int
    result: int


def spatial(tensor: Tensor) -> bool:
    """True for a map that can be cut by rows: static shape (1, rows, columns, channels)."""
    return tensor.rank == 4 and tensor.shape[0] == 1 and min(tensor.shape) > 0 and tensor.dtype in _SLICED


def _row_inputs(graph: Graph, op: Operator) -> tuple[int, ...]:
    tensors = graph.main.tensors
    return tuple(i for i in op.inputs if i >= 0 and not graph.is_constant(tensors[i]))


def _supported(graph: Graph, index: int) -> str | None:
    """Why operator ``index`` of the main subgraph cannot be inside a stage; None where it can."""
    main = graph.main
    op = main.operators[index]
    name = op.label
    if op.name not in WINDOWED | POINTWISE | {"PAD", "CONCATENATION"}:
        return f"{name} has no rows to cut"
    if len(op.outputs) != 1:
        return f"{name} has {len(op.outputs)} outputs"
    output = main.tensors[op.outputs[0]]
    inputs = [main.tensors[i] for i in _row_inputs(graph, op)]
    if not inputs or any(t.is_variable for t in (*inputs, output)):
        return f"{name} reads no map"
    for tensor in (*inputs, output):
        if tensor.is_dynamic or (tensor.shape_signature is not None and -1 in tensor.shape_signature[1:]):
            return f"{name} has a shape that is only known at run time"
        if tensor.rank != 4:
            return f"{name} has {tensor.rank}-dimensional tensors"
        if tensor.shape[0] != 1:
            return f"{name} works on a batch of {tensor.shape[0]}"
        if not spatial(tensor):
            return f"{name} has elements of type {tensor.dtype.label}, which TFLM's SLICE does not take"
    facts = OperatorFacts(graph, main, op)
    if op.name in WINDOWED and (facts.window is None or len(inputs) != 1):
        return f"{name} has a filter that is not constant"
    if op.name in WINDOWED and facts.hybrid:
        return f"{name} with integer weights finds one scale for its whole float input"
    if op.name in POINTWISE:
        if any(t.shape != output.shape for t in inputs):
            return f"{name} broadcasts one map over another"
        shapes = [main.tensors[i].shape for i in op.inputs if i >= 0 and graph.is_constant(main.tensors[i])]
        if any((len(shape) > 2 and max(shape[:-2]) > 1) or (len(shape) > 1 and shape[-2] > 1) for shape in shapes):
            return f"{name} has a constant that differs from row to row"
    if op.name == "PAD" and _paddings(graph, op) is None:
        return "PAD has paddings that are not constant, or pads channels"
    if op.name == "CONCATENATION" and (op.option("axis", 0) % 4 != 3 or len(inputs) != len(op.inputs)):
        return "CONCATENATION does not join channels of maps"
    return None


def _paddings(graph: Graph, op: Operator) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """(rows before, behind), (columns before, behind) of a PAD; None where it is another one."""
    values = constant_values(graph, graph.main.tensors[op.inputs[1]]) if len(op.inputs) > 1 else None
    if values is None or len(values) != 8 or any((*values[:2], *values[6:])) or min(values) < 0:
        return None
    return (values[2], values[3]), (values[4], values[5])


@dataclass(frozen=True, slots=True)
class _Rows:
    """One operator by rows, whatever the stage: what :func:`stage_net` makes layers of."""

    inputs: tuple[int, ...]
    output: int
    height: int
    out_height: int
    row_macs: int
    window: Window | None
    paddings: tuple[tuple[int, int], tuple[int, int]] | None
    same: bool
    pools: bool
    pointwise: bool


class StageReader:
    """A graph's main subgraph as stages see it; remembers what it has worked out of each operator."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._reasons: dict[int, str | None] = {}
        self._rows: dict[int, _Rows] = {}
        self._nets: dict[tuple[Stage, Form], StageNet] = {}

    def supported(self, index: int) -> str | None:
        """Why operator ``index`` cannot be inside a stage; None where it can."""
        if index not in self._reasons:
            self._reasons[index] = _supported(self.graph, index)
        return self._reasons[index]

    def _operator(self, index: int) -> _Rows:
        if index not in self._rows:
            graph, main = self.graph, self.graph.main
            op = main.operators[index]
            inputs, output = _row_inputs(graph, op), op.outputs[0]
            out_height = main.tensors[output].shape[1]
            self._rows[index] = _Rows(
                inputs,
                output,
                main.tensors[inputs[0]].shape[1],
                out_height,
                (operator_macs(graph, main, op) or 0) // out_height,
                OperatorFacts(graph, main, op).window if op.name in WINDOWED else None,
                _paddings(graph, op) if op.name == "PAD" else None,
                op.option("padding", SAME) == SAME,
                "POOL" in op.name,
                op.name in POINTWISE,
            )
        return self._rows[index]

    def stages(self, first: int, last: int | None = None) -> Iterator[Stage]:
        """Every stage that begins with operator ``first``, shortest first; ends at ``last`` at the latest.

        A stage has one map coming in, and one going out that is not read or given out before the stage's end.
        """
        main = self.graph.main
        made: list[int] = []
        entering: set[int] = set()
        for k in range(first, len(main.operators) if last is None else last):
            if self.supported(k) is not None:
                return
            rows = self._operator(k)
            entering.update(i for i in rows.inputs if i not in made)
            if len(entering) != 1:
                return
            made.append(rows.output)
            leaving = [t for t in made if t in main.outputs or any(c > k for c in main.consumers.get(t, ()))]
            if any(t in main.outputs for t in leaving if t != made[-1]):
                return
            if leaving == [made[-1]]:
                yield Stage(first, k + 1, next(iter(entering)), made[-1])

    def net(self, stage: Stage, form: Form) -> StageNet:
        """The stage's operators as layers; with form ``pad`` SAME convolutions become PAD and VALID ones.

        Raises
        ------
        UnsupportedStageError
            Where an operator cannot be cut by rows.
        """
        if (stage, form) not in self._nets:
            self._nets[stage, form] = self._net(stage, form)
        return self._nets[stage, form]

    def _net(self, stage: Stage, form: Form) -> StageNet:
        main = self.graph.main
        tensors = {stage.source: main.tensors[stage.source]}
        layers: list[Layer] = []
        number = len(main.tensors)
        padded: dict[tuple[int, int, int, int, int], int] = {}
        for k in range(stage.first, stage.last):
            why = self.supported(k)
            if why is not None:
                raise UnsupportedStageError(f"operator {k}: {why}")
            op = self._operator(k)
            tensors[op.output] = main.tensors[op.output]
            if op.paddings is not None:
                rows, columns = op.paddings
                axis = Axis(op.height, op.out_height, 1, 1, 1, *rows)
                layers.append(Layer(k, op.inputs, op.output, axis, pads=True, columns=columns))
                continue
            if op.window is None:
                axis = Axis(op.height, op.height, 1, 1, 1, 0, 0)
                layers.append(Layer(k, op.inputs, op.output, axis, pointwise=op.pointwise, row_macs=op.row_macs))
                continue
            axis, across = op.window.rows, op.window.columns
            bare = replace(axis, before=0, after=0)
            around = (axis.before, axis.after, across.before, across.after)
            if not op.same or not any(around):
                valid = Layer(k, op.inputs, op.output, bare, row_macs=op.row_macs, valid=True)
                layers.append(replace(valid, across=across, same=op.same))
            elif form == "pad" and not op.pools and tensors[op.inputs[0]].dtype in _PADDED:
                key = (op.inputs[0], *around)
                height = op.height + around[0] + around[1]
                if key not in padded:
                    padded[key] = number
                    tensors[number] = _padded(tensors[op.inputs[0]], around)
                    pad = Axis(op.height, height, 1, 1, 1, *around[:2])
                    layers.append(Layer(-1, op.inputs, number, pad, pads=True, columns=around[2:]))
                    number += 1
                axis = replace(bare, input=height)
                layers.append(Layer(k, (padded[key],), op.output, axis, row_macs=op.row_macs, valid=True))
            else:
                layer = Layer(k, op.inputs, op.output, axis, row_macs=op.row_macs, crops=True, pools=op.pools)
                layers.append(replace(layer, across=across, same=True))
        return StageNet(tuple(layers), tensors, stage.source, stage.result)


def _padded(tensor: Tensor, around: tuple[int, int, int, int]) -> Tensor:
    batch, rows, columns, channels = tensor.shape
    shape = (batch, rows + around[0] + around[1], columns + around[2] + around[3], channels)
    return replace(tensor, name=tensor.name + "/padded", shape=shape, shape_signature=None)
