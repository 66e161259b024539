"""Clean-ups of explicit padding: folded into convolutions, and cut where no window reaches."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

from mcuplan.graph import Buffer, DType, Graph, Operator, Record, Subgraph, Tensor
from mcuplan.operators import OperatorCall, Options, Trait, operators_that, sliding, window_axis
from mcuplan.operators.geometry import SAME, VALID, Window
from mcuplan.rewriting._identities import constant_input, same_quantization, single_assignment
from mcuplan.rewriting.edit import replace_subgraph

_CONVOLUTIONS = sliding("conv")
_WINDOWED = sliding("conv", "pool")

Amounts = tuple[tuple[int, int], ...]
"""Padding before and after, for each axis."""


def fold_pads(graph: Graph) -> tuple[Graph, int]:
    """PAD before a VALID convolution that pads exactly as SAME would.

    SAME leaves out taps that fall outside; PAD fills them with the zero point (or 0.0), whose product with any
    weight is 0 after the input offset is taken off. With float weights that holds for finite ones only: 0 times
    infinity is not 0. Pooling is different and stays.
    """
    folded = 0
    for index in range(len(graph.subgraphs)):
        while (found := _foldable(graph, index)) is not None:
            graph = replace_subgraph(graph, index, _fold(graph.subgraphs[index], *found))
            folded += 1
    return graph, folded


def _foldable(graph: Graph, index: int) -> tuple[int, int] | None:
    subgraph = graph.subgraphs[index]
    if not single_assignment(subgraph):
        return None
    for k, conv in enumerate(subgraph.operators):
        if conv.name not in _CONVOLUTIONS or Options(conv).padding != VALID or not _whole(conv, 2):
            continue
        p = _padder(graph, subgraph, conv)
        if p is None or p >= k:
            continue
        padded = subgraph.operators[p].outputs[0]
        alone = subgraph.consumers[padded] == (k,) and conv.inputs.count(padded) == 1
        if alone and padded not in subgraph.outputs and _pads_as_same(graph, subgraph, p, k):
            return p, k
    return None


def _whole(op: Operator, inputs: int) -> bool:
    """True where the operator has its first inputs and an output."""
    return len(op.inputs) >= inputs and min(op.inputs[:inputs]) >= 0 and len(op.outputs) == 1 and op.outputs[0] >= 0


def _padder(graph: Graph, subgraph: Subgraph, op: Operator) -> int | None:
    """The operator that pads ``op``'s input with zeros; None where there is none."""
    p = subgraph.producers.get(op.inputs[0])
    if p is None:
        return None
    pad = subgraph.operators[p]
    if pad.name not in operators_that(Trait.PADS) or not _whole(pad, 2):
        return None
    x, padded = subgraph.tensors[pad.inputs[0]], subgraph.tensors[pad.outputs[0]]
    if not same_quantization(x, padded) or x.is_dynamic or padded.is_dynamic:
        return None
    if x.is_variable or padded.is_variable or (pad.name == "PADV2" and not _pads_zeros(graph, subgraph, pad)):
        return None
    return p


def _pads_zeros(graph: Graph, subgraph: Subgraph, pad: Operator) -> bool:
    """True where PADV2 pads with the number that stands for zero."""
    value = subgraph.tensors[pad.inputs[2]] if len(pad.inputs) > 2 and pad.inputs[2] >= 0 else None
    data = graph.data(value) if value is not None else None
    if value is None or data is None:
        return False
    if value.dtype is DType.FLOAT32:
        return bytes(data[:4]) == bytes(4)  # +0.0; the bits of -0.0 differ
    q = subgraph.tensors[pad.outputs[0]].quantization
    code = {DType.INT8: "b", DType.INT16: "<h"}.get(value.dtype)
    if code is None or q is None or len(q.zero_points) != 1:
        return False
    return bool(struct.unpack_from(code, data)[0] == q.zero_points[0])


def _amounts(graph: Graph, subgraph: Subgraph, pad: Operator) -> Amounts | None:
    values = constant_input(graph, subgraph, pad, 1)
    x, y = subgraph.tensors[pad.inputs[0]], subgraph.tensors[pad.outputs[0]]
    if values is None or len(values) != 2 * x.rank or x.rank != y.rank:
        return None
    found = tuple(zip(values[::2], values[1::2], strict=True))
    fits = all(n + a + b == m and a >= 0 and b >= 0 for n, (a, b), m in zip(x.shape, found, y.shape, strict=True))
    return found if fits else None


def _window(graph: Graph, subgraph: Subgraph, k: int) -> Window | None:
    """The window of an operator, None where the shapes in the file do not agree with it."""
    op = subgraph.operators[k]
    window = OperatorCall(graph, subgraph, op).window
    y = subgraph.tensors[op.outputs[0]]
    if window is None or y.shape[1:3] != (window.rows.output, window.columns.output):
        return None
    return window


def _one_row(x: Tensor) -> bool:
    """Convolutions of a single row take a path of their own in CMSIS-NN, whose results on MVE depend on padding."""
    return x.shape[1] == 1


def _pads_as_same(graph: Graph, subgraph: Subgraph, p: int, k: int) -> bool:
    pad, conv = subgraph.operators[p], subgraph.operators[k]
    amounts = _amounts(graph, subgraph, pad)
    x, w = subgraph.tensors[pad.inputs[0]], subgraph.tensors[conv.inputs[1]]
    if amounts is None or len(amounts) != 4 or amounts[0] != (0, 0) or amounts[3] != (0, 0):
        return False
    # CMSIS-NN's int4 kernels on MVE were seen to differ from the reference: what they make of padding is not known.
    if _one_row(x) or w.dtype is DType.INT4 or not _finite(graph, w):
        return False
    window = _window(graph, subgraph, k)
    if window is None:
        return False
    for size, axis, amount in zip(x.shape[1:3], (window.rows, window.columns), amounts[1:3], strict=True):
        same = window_axis(size, axis.kernel, axis.stride, axis.dilation, SAME)
        if (same.before, same.after, same.output) != (*amount, axis.output):
            return False
    return True


def _finite(graph: Graph, w: Tensor) -> bool:
    """True where zero times any weight is zero: integers, and float constants without NaN or infinity."""
    if w.dtype is not DType.FLOAT32:
        return w.dtype in (DType.INT8, DType.INT16)
    data = graph.data(w)
    if data is None:
        return False
    # Without numpy, which the page in the browser does not have.
    return all(math.isfinite(value) for (value,) in struct.iter_unpack("<f", data[: len(data) // 4 * 4]))


def _fold(subgraph: Subgraph, p: int, k: int) -> Subgraph:
    pad, conv = subgraph.operators[p], subgraph.operators[k]
    assert conv.options is not None
    options = Record(conv.options.table, {**conv.options.fields, "padding": SAME})
    folded = replace(conv, inputs=(pad.inputs[0], *conv.inputs[1:]), options=options)
    operators = list(subgraph.operators)
    operators[k] = folded
    del operators[p]
    return replace(subgraph, operators=tuple(operators))


# -- padding that nobody reads -------------------------------------------------------------------------------------


def trim_pads(graph: Graph) -> tuple[Graph, int]:
    """Padded rows and columns behind the last window: no VALID window reads them, so they need not be there.

    With a stride, as many as ``stride - 1`` are left over; frameworks that pad on all sides alike leave them often.
    """
    trimmed = 0
    for index, subgraph in enumerate(graph.subgraphs):
        if not single_assignment(subgraph):
            continue
        for p, pad in enumerate(subgraph.operators):
            pads = pad.name in operators_that(Trait.PADS) and _whole(pad, 2)
            cut = _unread(graph, graph.subgraphs[index], p) if pads else (0, 0)
            if cut != (0, 0):
                graph = _trimmed(graph, index, p, cut)
                trimmed += 1
    return graph, trimmed


def _unread(graph: Graph, subgraph: Subgraph, p: int) -> tuple[int, int]:
    """Rows and columns of padding that can be cut behind the input of PAD operator ``p``."""
    pad = subgraph.operators[p]
    padded = pad.outputs[0]
    amounts = _amounts(graph, subgraph, pad)
    shape = subgraph.tensors[padded].shape
    users = subgraph.consumers.get(padded, ())
    if amounts is None or len(amounts) != 4 or padded in subgraph.outputs or not users:
        return 0, 0
    if subgraph.tensors[padded].is_variable or _one_row(subgraph.tensors[pad.inputs[0]]):
        return 0, 0
    cut = [amounts[1][1], amounts[2][1]]
    for k in users:
        op = subgraph.operators[k]
        windowed = op.name in _WINDOWED and _whole(op, 1) and op.inputs[0] == padded
        window = _window(graph, subgraph, k) if windowed else None
        if window is None or Options(op).padding != VALID or op.inputs.count(padded) != 1:
            return 0, 0
        for i, axis in enumerate((window.rows, window.columns)):
            cut[i] = min(cut[i], shape[1 + i] - ((axis.output - 1) * axis.stride + axis.extent))
    return cut[0], cut[1]


def _trimmed(graph: Graph, index: int, p: int, cut: tuple[int, int]) -> Graph:
    subgraph = graph.subgraphs[index]
    pad = subgraph.operators[p]
    amounts = _amounts(graph, subgraph, pad)
    assert amounts is not None
    (top, bottom), (left, right) = amounts[1], amounts[2]
    values = (*amounts[0], top, bottom - cut[0], left, right - cut[1], *amounts[3])
    paddings, padded = subgraph.tensors[pad.inputs[1]], subgraph.tensors[pad.outputs[0]]
    code = "i" if paddings.dtype is DType.INT32 else "q"
    new = replace(paddings, buffer=len(graph.buffers), name=f"{paddings.name}_trimmed")
    n, h, w, c = padded.shape
    smaller = replace(padded, shape=(n, h - cut[0], w - cut[1], c), shape_signature=None)
    tensors = [*subgraph.tensors, new]
    tensors[pad.outputs[0]] = smaller
    operators = list(subgraph.operators)
    operators[p] = replace(pad, inputs=(pad.inputs[0], len(subgraph.tensors), *pad.inputs[2:]))
    graph = replace(graph, buffers=(*graph.buffers, Buffer(struct.pack(f"<8{code}", *values))))
    return replace_subgraph(graph, index, replace(subgraph, tensors=tuple(tensors), operators=tuple(operators)))
