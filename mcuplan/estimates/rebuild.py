"""A model with other channels or another resolution, every constant cut or repeated to fit.

Channels that grow take the weights of others again: sizes are what the network would have, values are not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.estimates.arrays import array_of, bytes_of
from mcuplan.estimates.channels import (
    ChannelGroups,
    Concatenated,
    Flattened,
    Layout,
    Leaf,
    Repeated,
    channel_groups,
    flow,
)
from mcuplan.estimates.errors import EstimateError
from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Record, Subgraph, Tensor
from mcuplan.operators import OperatorCall, Options, Trait, constant_values, operators_that, sliding, window_axis
from mcuplan.operators.call import all_from_front, from_front
from mcuplan.operators.formulas import UNFIT_SHAPES
from mcuplan.operators.geometry import VALID
from mcuplan.rewriting.edit import compact_buffers
from mcuplan.tflm.support import contradiction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.intp]

Shape = tuple[int, ...]

LARGEST = 1 << 28
"""Elements of a constant beyond which no network is built: a quarter of a gigabyte of int8 weights."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to change: the channels to keep of some groups (repeated ones grow), the input's rows and columns."""

    channels: Mapping[int, tuple[int, ...]]
    resolution: tuple[int, int] | None = None


def rebuild(graph: Graph, wanted: Wanted, groups: ChannelGroups | None = None) -> Graph:
    """``graph`` with the channels and the resolution ``wanted``, a graph in memory for its sizes.

    Raises
    ------
    EstimateError
        Where an operator fixes the resolution, the input is too small for a stride or a window, weights are shared by
        layers that would cut them differently, or constants cannot be re-encoded.
    """
    if problem := contradiction(graph):
        raise EstimateError(f"the network cannot be rebuilt: {problem}")
    try:
        return _Rebuild(graph, groups or channel_groups(graph), wanted).run()
    except UNFIT_SHAPES as error:
        raise EstimateError("the network cannot be rebuilt: its shapes contradict each other") from error


class _Rebuild:
    def __init__(self, graph: Graph, groups: ChannelGroups, wanted: Wanted) -> None:
        self.graph, self.groups, self.wanted = graph, groups, wanted
        self.main: Subgraph = graph.main
        self.tensors = list(self.main.tensors)
        self.buffers = list(graph.buffers)
        self._cut: dict[int, tuple[Any, ...]] = {}

    def run(self) -> Graph:
        """The graph rebuilt as wanted. Raises EstimateError where an operator stands in the way."""
        if self.wanted.resolution is not None:
            self._resize_input(*self.wanted.resolution)
        operators = tuple(self._operator(k, op) for k, op in enumerate(self.main.operators))
        main = replace(self.main, tensors=tuple(self.tensors), operators=operators)
        return compact_buffers(replace(self.graph, subgraphs=(main,), buffers=tuple(self.buffers), file_bytes=0))

    # -- shapes ------------------------------------------------------------------------------------------------

    def _resize_input(self, rows: int, columns: int) -> None:
        pictures = [t for t in self.main.inputs if self.tensors[t].rank == 4]
        if len(self.main.inputs) != 1 or not pictures:
            raise EstimateError("only a model with one input of four dimensions has a resolution to change")
        shape = self.tensors[pictures[0]].shape
        self._set_shape(pictures[0], (shape[0], rows, columns, shape[3]))

    def _set_shape(self, t: int, shape: Shape) -> None:
        tensor = self.tensors[t]
        signature = tensor.shape_signature
        if signature is not None and len(signature) == len(shape):
            signature = tuple(-1 if old < 0 else new for old, new in zip(signature, shape, strict=True))
        self.tensors[t] = replace(tensor, shape=shape, shape_signature=signature)

    def _shape(self, t: int) -> Shape:
        return self.tensors[t].shape

    def _channels(self, t: int) -> int:
        """Channels of tensor ``t`` in the changed model."""
        return len(self._kept(self.groups.layouts[t]))

    def _kept(self, layout: Layout) -> Indices:
        """Which of the old positions of the last dimension each new one comes from."""
        match layout:
            case Leaf(group, size):
                kept = self.wanted.channels.get(self.groups.find(group))
                return np.arange(size) if kept is None else np.array(kept, dtype=np.intp)
            case Concatenated(parts):
                old = [self._old_width(part) for part in parts]
                starts = np.cumsum([0, *old[:-1]])
                return np.concatenate([self._kept(part) + s for part, s in zip(parts, starts, strict=True)])
            case Repeated(of, times):
                inside = self._kept(of)
                return (inside[:, None] * times + np.arange(times)).reshape(-1)
            case Flattened(of, tensor, rows, columns):
                channels, width = self._kept(of), self._old_width(of)
                new = self._shape(tensor)
                self._must_be_possible(tensor, new[1] * new[2] * len(channels))
                row = np.minimum(np.arange(new[1]), rows - 1)[:, None, None]
                column = np.minimum(np.arange(new[2]), columns - 1)[None, :, None]
                return ((row * columns + column) * width + channels[None, None, :]).reshape(-1)

    def _old_width(self, layout: Layout) -> int:
        match layout:
            case Leaf(_, size):
                return size
            case Concatenated(parts):
                return sum(map(self._old_width, parts))
            case Repeated(of, times):
                return self._old_width(of) * times
            case Flattened(of, _, rows, columns):
                return self._old_width(of) * rows * columns

    # -- constants ---------------------------------------------------------------------------------------------

    def _select(self, t: int, picks: Mapping[int, Indices]) -> None:
        """Cut constant ``t`` to the positions of each axis in ``picks``."""
        if t < 0 or not self.graph.is_constant(self.main.tensors[t]):
            return
        tensor = self.main.tensors[t]
        key = tuple((axis, tuple(pick.tolist())) for axis, pick in sorted(picks.items()))
        if self._cut.setdefault(t, key) != key:
            raise EstimateError(f"{tensor.name!r} is shared by layers that would need different parts of it")
        if all(np.array_equal(pick, np.arange(tensor.shape[axis])) for axis, pick in picks.items()):
            return
        sizes = [len(picks[axis]) if axis in picks else n for axis, n in enumerate(tensor.shape)]
        self._must_be_possible(t, math.prod(sizes))
        values = array_of(self.graph, tensor)
        for axis, pick in picks.items():
            values = np.take(values, pick, axis=axis)
        q = tensor.quantization
        if q is not None and q.per_channel and q.dimension in picks:
            q = _picked(q, picks[q.dimension])
        elif q is not None and q.per_channel and tensor.rank == 1:
            q = _picked(q, picks[0])
        self._store(t, values, replace(tensor, quantization=q))

    def _must_be_possible(self, t: int, elements: int) -> None:
        if elements > LARGEST:
            name = self.main.tensors[t].name
            raise EstimateError(f"{name!r} would have {elements:,} elements, more than any microcontroller could hold")

    def _store(self, t: int, values: NDArray[Any], tensor: Tensor) -> None:
        self.buffers.append(Buffer(bytes_of(values, tensor.dtype)))
        shape = tuple(values.shape)
        self.tensors[t] = replace(tensor, shape=shape, buffer=len(self.buffers) - 1, shape_signature=None)

    # -- operators ---------------------------------------------------------------------------------------------

    def _operator(self, k: int, op: Operator) -> Operator:
        if not op.outputs:
            return op
        name = op.name
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") and self._weighted(k, op):
            return op
        if name in sliding("pool"):
            return self._pool(k, op)
        if name in operators_that(Trait.RESHAPES):
            return self._reshape(k, op)
        if name in flow()["same"]:
            self._same(op)
        elif name in flow()["binary"]:
            self._binary(k, op)
        elif name == "CONCATENATION":
            self._concatenation(k, op)
        elif name in ("PAD", "PADV2", "MIRROR_PAD"):
            self._pad(k, op)
        elif name in flow()["reduce"]:
            self._reduce(k, op)
        elif name == "TRANSPOSE":
            self._transpose(k, op)
        else:
            self._unchanged(k, op)
        return op

    def _unchanged(self, k: int, op: Operator) -> None:
        """An operator that mcuplan does not resize: its inputs must be as they were, SOFTMAX-like shapes follow."""
        changed = [t for t in op.inputs if t >= 0 and self._shape(t) != self.main.tensors[t].shape]
        if not changed:
            return
        t, y = op.inputs[0], op.outputs[0]
        if self.main.tensors[t].shape == self.main.tensors[y].shape and len(op.outputs) == 1 and changed == [t]:
            self._set_shape(y, self._shape(t))
            return
        raise EstimateError(f"operator {k} ({op.label}) fixes the resolution: mcuplan cannot resize it")

    def _weighted(self, k: int, op: Operator) -> bool:
        x, y = op.inputs[0], op.outputs[0]
        if x not in self.groups.layouts or not self.graph.is_constant(self.main.tensors[op.inputs[1]]):
            self._unchanged(k, op)
            return True
        made = self._kept(self.groups.layouts[y])
        bias = op.inputs[2] if len(op.inputs) > 2 else -1
        w = op.inputs[1]
        if op.name == "FULLY_CONNECTED":
            self._select(w, {0: made, 1: self._features(k, op)})
            rows_before = self._shape(x)[:-1] if Options(op).keep_num_dims else self.main.tensors[y].shape[:-1]
            self._set_shape(y, (*rows_before, len(made)))
        else:
            self._select(w, {3: made} if op.name == "DEPTHWISE_CONV_2D" else self._filters(op, made))
            rows, columns = self._window(k, op)
            self._set_shape(y, (self._shape(x)[0], rows, columns, len(made)))
        self._select(bias, {0: made})
        return True

    def _features(self, k: int, op: Operator) -> Indices:
        """Columns of a dense layer's weights; it may flatten a picture by itself."""
        x, features = op.inputs[0], self.main.tensors[op.inputs[1]].shape[1]
        old = self.main.tensors[x].shape
        if old[-1:] == (features,):
            return self._kept(self.groups.layouts[x])
        if len(old) == 4 and features == old[1] * old[2] * old[3]:
            return self._kept(Flattened(self.groups.layouts[x], x, old[1], old[2]))
        if self._shape(x) != old:
            raise EstimateError(f"operator {k} ({op.label}) fixes the resolution: its weights take {features} features")
        return np.arange(features)

    def _filters(self, op: Operator, made: Indices) -> Mapping[int, Indices]:
        x, w = op.inputs[:2]
        grouped = self.main.tensors[w].shape[3] != self.main.tensors[x].shape[3]
        return {0: made} if grouped else {0: made, 3: self._kept(self.groups.layouts[x])}

    def _window(self, k: int, op: Operator) -> tuple[int, int]:
        """Rows and columns of the output of an operator with a window."""
        window = OperatorCall(self.graph, self.main, op).window
        if window is None:
            raise EstimateError(f"operator {k} ({op.label}) has no window that could be moved over another resolution")
        padding = Options(op).padding
        sizes = []
        for size, axis in zip(self._shape(op.inputs[0])[1:3], (window.rows, window.columns), strict=True):
            self._must_fit(k, op, size, axis.stride, axis.input)
            new = window_axis(size, axis.kernel, axis.stride, axis.dilation, padding)
            if new.output < 1:
                raise EstimateError(f"the input is too small: operator {k} ({op.label}) has nothing left to slide over")
            sizes.append(new.output)
        return sizes[0], sizes[1]

    def _must_fit(self, k: int, op: Operator, size: int, stride: int, before: int) -> None:
        if size < stride and size != before:
            raise EstimateError(
                f"the input is too small: {size} is left at operator {k} ({op.label}), whose stride is {stride}"
            )

    def _pool(self, k: int, op: Operator) -> Operator:
        """A pool over the whole picture stays one over the whole picture."""
        x, y = op.inputs[0], op.outputs[0]
        old, new = self.main.tensors[x].shape, self._shape(x)
        if x not in self.groups.layouts or len(old) != 4:
            self._unchanged(k, op)
            return op
        whole = Options(op).pool == old[1:3]
        if whole and Options(op).padding == VALID and new[1:3] != old[1:3] and op.options is not None:
            fields = {**op.options.fields, "filter_height": new[1], "filter_width": new[2]}
            self._set_shape(y, (new[0], 1, 1, self._channels(y)))
            return replace(op, options=Record(op.options.table, fields))
        self._set_shape(y, (new[0], *self._window(k, op), self._channels(y)))
        return op

    def _same(self, op: Operator) -> None:
        self._set_shape(op.outputs[0], self._shape(op.inputs[0]))
        self._follow(op, op.inputs[1:])

    def _follow(self, op: Operator, constants: tuple[int, ...]) -> None:
        """Constants with an element a channel keep those of the output's channels."""
        y = op.outputs[0]
        for t in constants:
            if t >= 0 and t not in self.groups.layouts and self._has_channels(t, y) and y in self.groups.layouts:
                axis = self.main.tensors[t].rank - 1
                self._select(t, {axis: self._kept(self.groups.layouts[y])})

    def _has_channels(self, t: int, y: int) -> bool:
        """Whether constant ``t`` has an element for each channel of ``y``, of which there are several."""
        shape = self.main.tensors[t].shape
        return bool(shape) and shape[-1] > 1 and shape[-1] == self.main.tensors[y].shape[-1]

    def _binary(self, k: int, op: Operator) -> None:
        self._follow(op, op.inputs)
        try:
            shape = np.broadcast_shapes(*(self._shape(t) for t in op.inputs if t >= 0))
        except ValueError:
            raise EstimateError(f"operator {k} ({op.label}) fixes the resolution: its inputs no longer match") from None
        self._set_shape(op.outputs[0], tuple(shape))

    def _concatenation(self, k: int, op: Operator) -> None:
        shapes, y = [self._shape(t) for t in op.inputs], op.outputs[0]
        axis = from_front(Options(op).axis, self.main.tensors[y].rank)
        if axis is None:
            self._unchanged(k, op)
        else:
            joined = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
            self._set_shape(y, joined)

    def _pad(self, k: int, op: Operator) -> None:
        amounts = constant_values(self.graph, self.main.tensors[op.inputs[1]])
        shape = self._shape(op.inputs[0])
        if amounts is None or len(amounts) != 2 * len(shape):
            self._unchanged(k, op)
            return
        padded = (n + before + after for n, before, after in zip(shape, amounts[::2], amounts[1::2], strict=True))
        self._set_shape(op.outputs[0], tuple(padded))

    def _reduce(self, k: int, op: Operator) -> None:
        axes = constant_values(self.graph, self.main.tensors[op.inputs[1]])
        shape = self._shape(op.inputs[0])
        gone = None if axes is None else all_from_front(axes, len(shape))
        if gone is None:
            self._unchanged(k, op)
            return
        keep = Options(op).keep_dims
        self._set_shape(
            op.outputs[0], tuple(1 if i in gone else n for i, n in enumerate(shape) if keep or i not in gone)
        )

    def _transpose(self, k: int, op: Operator) -> None:
        order = constant_values(self.graph, self.main.tensors[op.inputs[1]])
        if order is None:
            self._unchanged(k, op)
            return
        shape = self._shape(op.inputs[0])
        self._set_shape(op.outputs[0], tuple(shape[axis] for axis in order))

    def _reshape(self, k: int, op: Operator) -> Operator:
        x, y = op.inputs[0], op.outputs[0]
        if self._shape(x) == self.main.tensors[x].shape:
            return op
        old = self.main.tensors[y].shape
        layout = self.groups.layouts[y]
        if self.main.tensors[y].shape[-1:] and not self._reshapes(layout, x, y):
            raise EstimateError(f"operator {k} ({op.label}) fixes the resolution: its output is {list(old)}")
        new = (*old[:-1], len(self._kept(layout)))
        self._set_shape(y, new)
        return self._with_shape(op, new)

    def _reshapes(self, layout: Layout, x: int, y: int) -> bool:
        """Whether the output's shape follows from the input's: flattened, or the same with ones moved."""
        if isinstance(layout, Flattened) and layout.tensor == x:
            return True
        old, new = self.main.tensors[x].shape, self._shape(x)
        same_picture = old[:-1] == new[:-1]
        ones = [n for n in old[:-1] if n != 1] == [n for n in self.main.tensors[y].shape[:-1] if n != 1]
        return layout == self.groups.layouts.get(x) and same_picture and ones

    def _with_shape(self, op: Operator, shape: Shape) -> Operator:
        """The operator with its shape operand and option changed."""
        if len(op.inputs) > 1 and op.inputs[1] >= 0 and op.name == "RESHAPE":
            values = constant_values(self.graph, self.main.tensors[op.inputs[1]])
            if values is not None:
                asked = np.array(
                    [-1 if old < 0 else new for old, new in zip(values, shape, strict=True)], dtype=np.int64
                )
                t = op.inputs[1]
                if self._cut.setdefault(t, shape) != shape:
                    raise EstimateError(
                        f"{self.main.tensors[t].name!r} is the shape of several tensors that would differ"
                    )
                dtype = self.main.tensors[t].dtype
                self._store(t, asked.astype(np.int64 if dtype is DType.INT64 else np.int32), self.main.tensors[t])
        options = op.options
        if options is not None and options.get("new_shape"):
            asked_option = tuple(-1 if o < 0 else n for o, n in zip(options["new_shape"], shape, strict=True))
            return replace(op, options=Record(options.table, {**options.fields, "new_shape": asked_option}))
        return op


def _picked(q: Quantization, pick: Indices) -> Quantization:
    def chosen(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return values if values is None or len(values) <= 1 else tuple(values[i] for i in pick)

    return replace(
        q, scales=chosen(q.scales) or (), zero_points=chosen(q.zero_points) or (), min=chosen(q.min), max=chosen(q.max)
    )
