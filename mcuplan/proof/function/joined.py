"""Convolutions that were split by output channels, put together again before models are compared.

An output channel of a convolution depends on the input, its own filters, its bias and its scale, and on nothing of the
other channels. So a CONCATENATION on channels of convolutions that read one input with the same options is one
convolution with the filters, biases and scales one behind the other. An operator that takes each channel by itself
(a depthwise convolution of one filter a channel, a pooling, a PAD of rows and columns, an activation) makes of maps
joined on channels what its results are joined: so where parts end in such operators, alike but for what belongs to a
channel, it stands behind the CONCATENATION of what they read. Only what can be written that way exactly is put
together; everything else stays as it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from mcuplan.graph import Buffer, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.operators import Options, Trait, constant_values, operators_that, sliding

_CHANNELS = 3
_RANK = 4
_CONVOLUTION = "CONV_2D"
_DEPTHWISE = "DEPTHWISE_CONV_2D"
_ALONE = sliding("pool") | operators_that(Trait.POINTWISE)
"""Operators that, where they read one map and nothing else, take each channel of it by itself."""

_N = TypeVar("_N", int, float)


def whole_convolutions(graph: Graph) -> Graph:
    """The graph with every convolution that was split by output channels whole; its parts stay, read by nobody."""
    for index in range(len(graph.subgraphs)):
        k = 0
        while k < len(graph.subgraphs[index].operators):
            subgraph = graph.subgraphs[index]
            parts = _parts(graph, subgraph, subgraph.operators[k])
            if parts is not None and parts[0].name != _CONVOLUTION:
                graph = _joined_before(graph, index, k, parts)  # at k what they read is joined: perhaps parts as well
                continue
            if parts is not None:
                graph = _joined(graph, index, k, parts)
            k += 1
    return graph


def _parts(graph: Graph, subgraph: Subgraph, op: Operator) -> list[Operator] | None:
    """The operators alike whose results a CONCATENATION joins, in order; None where it joins anything else."""
    if op.name != "CONCATENATION" or len(op.outputs) != 1 or len(op.inputs) < 2:
        return None
    tensors = subgraph.tensors
    joined = [tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0]
    if Options(op).axis not in (_CHANNELS, -1) or Options(op).activation:
        return None
    if any(t.rank != _RANK or _kind(t) != _kind(joined[0]) for t in joined) or len(joined) <= len(op.inputs):
        return None
    makers = [subgraph.producers.get(t) for t in op.inputs]
    parts = [subgraph.operators[k] for k in makers if k is not None]
    if len(parts) != len(op.inputs) or any(not part.inputs or part.inputs[0] < 0 for part in parts):
        return None
    written = Counter(t for other in subgraph.operators for t in other.outputs)
    written.update(subgraph.inputs)
    if any(written[t] != 1 for part in parts for t in part.outputs) or any(written[p.inputs[0]] > 1 for p in parts):
        return None
    alike = _alike if parts[0].name == _CONVOLUTION else _alike_by_channel
    return parts if all(alike(graph, tensors, part, parts[0]) for part in parts) else None


def _alike_by_channel(graph: Graph, tensors: Sequence[Tensor], part: Operator, first: Operator) -> bool:
    """Whether two operators take each channel of a map by itself, and differ in the channels alone."""
    same = part.options == first.options and part.options_2 == first.options_2 and part.code == first.code
    if not same or part.custom_options or len(part.outputs) != 1 or len(part.inputs) != len(first.inputs):
        return False
    x, other, y = tensors[part.inputs[0]], tensors[first.inputs[0]], tensors[part.outputs[0]]
    if x.rank != _RANK or x.shape[:_CHANNELS] != other.shape[:_CHANNELS] or _kind(x) != _kind(other):
        return False
    if graph.is_constant(x) or x.is_variable or x.shape[_CHANNELS] != y.shape[_CHANNELS]:
        return False
    if part.name == _DEPTHWISE:
        return len(part.inputs) > 1 and all(
            (t < 0) == (u < 0)
            and (t < 0 or _splits(graph, tensors[t], tensors[u], x.shape[_CHANNELS], 0 if position else _CHANNELS))
            for position, (t, u) in enumerate(zip(part.inputs[1:], first.inputs[1:], strict=True))
        )
    if part.name == "PAD":
        sides = constant_values(graph, tensors[part.inputs[1]]) if len(part.inputs) == 2 else None
        return part.inputs[1:] == first.inputs[1:] and sides is not None and len(sides) == 2 * _RANK and not any(
            sides[-2:]
        )  # fmt: skip
    return part.name in _ALONE and len(part.inputs) == 1


def _kind(tensor: Tensor) -> tuple[object, ...]:
    q = tensor.quantization
    return tensor.dtype, q and (q.scales, q.zero_points), tensor.is_variable


def _alike(graph: Graph, tensors: Sequence[Tensor], part: Operator, first: Operator) -> bool:
    """Whether two convolutions differ in their filters, biases and scales alone."""
    if len(part.inputs) != len(first.inputs) or part.inputs[0] != first.inputs[0] or len(part.outputs) != 1:
        return False
    same = part.options == first.options and part.options_2 == first.options_2 and part.code == first.code
    x, y = tensors[part.inputs[0]], tensors[part.outputs[0]]
    if not same or part.custom_options or x.is_variable or len(part.inputs) < 2 or part.inputs[1] < 0:
        return False
    for t, other in zip(part.inputs[1:], first.inputs[1:], strict=True):
        if (t < 0) != (other < 0):
            return False
        if t >= 0 and not _splits(graph, tensors[t], tensors[other], y.shape[_CHANNELS], 0):
            return False
    return tensors[part.inputs[1]].shape[-1:] == x.shape[-1:]  # no groups: these read channels by their number


def _splits(graph: Graph, tensor: Tensor, first: Tensor, channels: int, axis: int) -> bool:
    """Whether a constant has an entry for each output channel along an axis, and its like beside it."""
    q, p = tensor.quantization, first.quantization
    if not graph.is_constant(tensor) or tensor.external_buffer or tensor.is_variable or tensor.sparsity is not None:
        return False
    if tensor.rank <= axis or tensor.rank != first.rank or tensor.shape[axis] != channels:
        return False
    if tensor.shape[:axis] + tensor.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]:
        return False
    data = graph.data(tensor)
    if tensor.dtype != first.dtype or data is None or len(data) != tensor.stored_bytes or (tensor.dtype.bits or 4) < 8:
        return False
    if q is None or p is None:
        return q is None and p is None
    ways = (
        len(q.scales) in (1, channels),
        len(q.zero_points) in (1, len(q.scales)),
        q.dimension == axis or not q.per_channel,
    )
    return all(ways) and q.details is None and p.details is None and (q.has_scales, q.has_zero_points) == (True, True)


def _joined(graph: Graph, index: int, k: int, parts: Sequence[Operator]) -> Graph:
    """Operator ``k``, a CONCATENATION, as one convolution."""
    return _with(graph, index, k, parts, parts[0].inputs[0], None)


def _joined_before(graph: Graph, index: int, k: int, parts: Sequence[Operator]) -> Graph:
    """Operator ``k``, a CONCATENATION, of what ``parts`` read, and one operator like them behind it."""
    tensors = graph.subgraphs[index].tensors
    given = [tensors[part.inputs[0]] for part in parts]
    shape = (*given[0].shape[:_CHANNELS], sum(tensor.shape[_CHANNELS] for tensor in given))
    return _with(graph, index, k, parts, len(tensors), replace(given[0], shape=shape, shape_signature=None))


def _with(graph: Graph, index: int, k: int, parts: Sequence[Operator], x: int, joined: Tensor | None) -> Graph:
    """One operator for ``parts`` in place of operator ``k``, which joins them; it reads ``x``, what they read or, where
    that is ``joined``, all of that on channels, one behind the other."""
    subgraph = graph.subgraphs[index]
    tensors, buffers = [*subgraph.tensors, *([joined] if joined else [])], list(graph.buffers)
    inputs = [x]
    for position, first in enumerate(parts[0].inputs[1:], 1):
        axis = _CHANNELS if parts[0].name == _DEPTHWISE and position == 1 else 0
        if first < 0 or parts[0].name not in (_CONVOLUTION, _DEPTHWISE):
            inputs.append(first)
            continue
        pieces = [tensors[part.inputs[position]] for part in parts]
        buffers.append(Buffer(_side_by_side([(p, bytes(graph.data(p) or b"")) for p in pieces], axis)))
        sizes = [piece.shape[axis] for piece in pieces]
        shape = (*pieces[0].shape[:axis], sum(sizes), *pieces[0].shape[axis + 1 :])
        quantization = _scales([piece.quantization for piece in pieces], sizes)
        tensors.append(replace(pieces[0], shape=shape, buffer=len(buffers) - 1, quantization=quantization))
        inputs.append(len(tensors) - 1)
    join = subgraph.operators[k]
    made = [replace(parts[0], inputs=tuple(inputs), outputs=join.outputs)]
    if joined is not None:
        made.insert(0, replace(join, inputs=tuple(part.inputs[0] for part in parts), outputs=(x,)))
    operators = (*subgraph.operators[:k], *made, *subgraph.operators[k + 1 :])
    changed = replace(subgraph, tensors=tuple(tensors), operators=operators)
    subgraphs = (*graph.subgraphs[:index], changed, *graph.subgraphs[index + 1 :])
    return replace(graph, buffers=tuple(buffers), subgraphs=subgraphs)


def _side_by_side(pieces: Sequence[tuple[Tensor, bytes]], axis: int) -> bytes:
    """The bytes of constants joined along an axis."""
    rows = math.prod(pieces[0][0].shape[:axis])
    runs = [(data, len(data) // rows) for _, data in pieces]
    return b"".join(data[i * run : (i + 1) * run] for i in range(rows) for data, run in runs)


def _scales(pieces: Sequence[Quantization | None], sizes: Sequence[int]) -> Quantization | None:
    """Scales one behind the other; one for all where all pieces have the same single one."""
    known = [q for q in pieces if q is not None]
    if not known or all(len(q.scales) == 1 and q.scales == known[0].scales for q in known):
        return pieces[0]
    scales = [scale for q, n in zip(known, sizes, strict=True) for scale in _each(q.scales, n)]
    zero_points = [zero for q, n in zip(known, sizes, strict=True) for zero in _each(q.zero_points, n)]
    if any(len(q.zero_points) < n for q, n in zip(known, sizes, strict=True)) and len(set(zero_points)) == 1:
        zero_points = zero_points[:1]
    return replace(known[0], scales=tuple(scales), zero_points=tuple(zero_points))


def _each(values: tuple[_N, ...], count: int) -> tuple[_N, ...]:
    return values if len(values) == count else values * count
