"""Which runs of operators can be a patch stage, and what each of their operators is to a strip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from mcuplan.graph import DType, Graph, Operator, Tensor
from mcuplan.operators import (
    Axis,
    OperatorCall,
    Trait,
    Window,
    constant_values,
    operator_macs,
    operators_that,
    sliding,
)
from mcuplan.operators.geometry import SAME
from mcuplan.operators.geometry.eligibility import Barrier, operator_map
from mcuplan.operators.geometry.stages import PatchStage, patch_stages
from mcuplan.operators.options import Options
from mcuplan.patching.writing.feed import fed_net
from mcuplan.patching.writing.rows import Layer, StageNet, UnsupportedStageError
from mcuplan.tflm.support.table import accepted_types

__all__ = ["Form", "StageReader", "UnsupportedStageError"]

Form = Literal["pad", "crop", "wide"]
"""How SAME padding is kept inside strips: an explicit PAD, or rows computed and thrown away; or where a 1x1 convolution
comes before it a PAD of the fewer channels that that reads, whose columns are then overwritten (flows only)."""

WINDOWED = sliding("conv", "pool")
POINTWISE = operators_that(Trait.POINTWISE) - operators_that(Trait.PARTIAL)
"""Operators that strips take element by element: rows that are thrown away may hold values that partial ones refuse."""

_SLICED = (accepted_types("SLICE", "input") & accepted_types("CONCATENATION", "values")) - {DType.BOOL}
"""Element types, of numbers, that TFLM's SLICE and CONCATENATION both take."""

_PADDED = accepted_types("PAD", "input") - {DType.INT32}
"""Element types for which PAD fills with the value that stands for 0 (micro/kernels/pad_common.cc)."""


def _row_inputs(graph: Graph, op: Operator) -> tuple[int, ...]:
    tensors = graph.main.tensors
    return tuple(i for i in op.inputs if i >= 0 and not graph.is_constant(tensors[i]))


def _supported(graph: Graph, index: int) -> str | None:
    """Why operator ``index`` of the main subgraph cannot be inside a stage that is written; None where it can.

    Beside what stands in the way of any stage (:mod:`mcuplan.operators.geometry.eligibility`) there is what no strip
    can be written of: operators without a form here, element types that TFLM does not copy, maps over one another.
    """
    found = operator_map(graph, index)
    if isinstance(found, Barrier):
        return found.reason
    main = graph.main
    op = main.operators[index]
    name = op.label
    if op.name not in WINDOWED | POINTWISE | {"PAD", "CONCATENATION"}:
        return f"{name} is never written by rows"
    if len(op.outputs) != 1:
        return f"{name} has {len(op.outputs)} outputs"
    output = main.tensors[op.outputs[0]]
    inputs = [main.tensors[entry.tensor] for entry in found.inputs]
    if any(tensor.dtype not in _SLICED for tensor in (*inputs, output)):
        odd = next(tensor for tensor in (*inputs, output) if tensor.dtype not in _SLICED)
        return f"{name} has elements of type {odd.dtype.label}, which TFLM's SLICE does not take"
    if op.name in POINTWISE and any(t.shape != output.shape for t in inputs):
        return f"{name} broadcasts one map over another"
    if op.name == "PAD" and _paddings(graph, op) is None:
        return "PAD crops, or pads channels"
    if op.name == "CONCATENATION" and Options(op).axis % 4 != 3:
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
    channelwise: bool


class StageReader:
    """A graph's main subgraph as stages see it; remembers what it has worked out of each operator.

    ``streamed`` is the input, if any, whose rows the firmware gives, ``plain`` as in
    :class:`~mcuplan.patching.writing.build.Draft`.
    """

    def __init__(self, graph: Graph, streamed: int | None = None, plain: bool = False) -> None:
        self.graph = graph
        self.streamed = streamed
        self.plain = plain
        self._reasons: dict[int, str | None] = {}
        self._rows: dict[int, _Rows] = {}
        self._nets: dict[tuple[PatchStage, Form], StageNet] = {}
        self._known: dict[tuple[int, Form], tuple[Layer, ...]] = {}
        self._pads: dict[tuple[int, int, int, int, int], Layer] = {}
        self._padded: list[Tensor] = []

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
                OperatorCall(graph, main, op).window if op.name in WINDOWED else None,
                _paddings(graph, op) if op.name == "PAD" else None,
                Options(op).padding == SAME,
                op.name in sliding("pool"),
                op.name in POINTWISE,
                op.name == "CONV_2D",
            )
        return self._rows[index]

    def stages(self, first: int, last: int | None = None) -> Iterator[PatchStage]:
        """Every stage that begins with operator ``first``, shortest first; ends at ``last`` at the latest."""
        return patch_stages(self.graph.main, self._reads, first, last)

    def _reads(self, index: int) -> tuple[int, ...] | None:
        return self._operator(index).inputs if self.supported(index) is None else None

    def net(self, stage: PatchStage, form: Form) -> StageNet:
        """The stage's operators as layers; with form ``pad`` or ``wide`` SAME convolutions become PAD and VALID ones.

        Raises
        ------
        UnsupportedStageError
            Where an operator cannot be cut by rows.
        """
        if (stage, form) not in self._nets:
            wide = form == "wide"
            self._nets[stage, form] = replace(self.net(stage, "pad"), wide=True) if wide else self._net(stage, form)
        return self._nets[stage, form]

    def _net(self, stage: PatchStage, form: Form) -> StageNet:
        main = self.graph.main
        tensors = {stage.source: main.tensors[stage.source]}
        layers: list[Layer] = []
        for k in range(stage.first, stage.last):
            for layer in self._layers(k, form):
                if layer.output not in tensors:  # a map may be padded once for several
                    tensors[layer.output] = self._tensor(layer.output)
                    layers.append(layer)
        net = StageNet(tuple(layers), tensors, stage.source, stage.result)
        return fed_net(net, main.inputs.index(stage.source)) if stage.source == self.streamed else net

    def _tensor(self, number: int) -> Tensor:
        tensors = self.graph.main.tensors
        return tensors[number] if number < len(tensors) else self._padded[number - len(tensors)]

    def _layers(self, index: int, form: Form) -> tuple[Layer, ...]:
        """An operator as layers, the same objects in all stages: what is worked out of their rows is kept by them."""
        if (index, form) not in self._known:
            why = self.supported(index)
            if why is not None:
                raise UnsupportedStageError(f"operator {index}: {why}")
            self._known[index, form] = tuple(self._made(index, form))
        return self._known[index, form]

    def _made(self, k: int, form: Form) -> Iterator[Layer]:
        op = self._operator(k)
        if op.paddings is not None:
            rows, columns = op.paddings
            axis = Axis(op.height, op.out_height, 1, 1, 1, *rows)
            yield Layer(k, op.inputs, op.output, axis, pads=True, columns=columns, apart=any(columns))
            return
        if op.window is None:
            axis = Axis(op.height, op.height, 1, 1, 1, 0, 0)
            yield Layer(k, op.inputs, op.output, axis, pointwise=op.pointwise, row_macs=op.row_macs)
            return
        axis, across = op.window.rows, op.window.columns
        bare = replace(axis, before=0, after=0)
        apart = op.channelwise and axis.kernel == across.kernel == 1  # such kernels go channel by channel over the map
        around = (axis.before, axis.after, across.before, across.after)
        if not op.same or not any(around):
            valid = Layer(k, op.inputs, op.output, bare, row_macs=op.row_macs, valid=True, apart=apart)
            yield replace(valid, across=across, same=op.same)
        elif form == "pad" and not op.pools and self._tensor(op.inputs[0]).dtype in _PADDED:
            pad = self._pad(op.inputs[0], around)
            yield pad
            axis = replace(bare, input=op.height + around[0] + around[1])
            yield Layer(k, (pad.output,), op.output, axis, row_macs=op.row_macs, valid=True)
        else:
            layer = Layer(k, op.inputs, op.output, axis, row_macs=op.row_macs, crops=True, pools=op.pools)
            yield replace(layer, across=across, same=True, apart=apart)

    def _pad(self, t: int, around: tuple[int, int, int, int]) -> Layer:
        """The layer that pads a map, one for all that want it padded alike; the padded map has a number of its own."""
        if (t, *around) not in self._pads:
            tensor = self._tensor(t)
            number = len(self.graph.main.tensors) + len(self._padded)
            self._padded.append(_padded(tensor, around))
            height = tensor.shape[1]
            axis = Axis(height, height + around[0] + around[1], 1, 1, 1, *around[:2])
            self._pads[t, *around] = Layer(-1, (t,), number, axis, pads=True, columns=around[2:])
        return self._pads[t, *around]


def _padded(tensor: Tensor, around: tuple[int, int, int, int]) -> Tensor:
    batch, rows, columns, channels = tensor.shape
    shape = (batch, rows + around[0] + around[1], columns + around[2] + around[3], channels)
    return replace(tensor, name=tensor.name + "/padded", shape=shape, shape_signature=None)
