"""Convolutions that were split by output channels, put together again before models are compared.

An output channel of a convolution depends on the input, its own filters, its bias and its scale, and on nothing of the
other channels. So a CONCATENATION on channels of convolutions that read one input with the same options is one
convolution with the filters, biases and scales one behind the other. Only what can be written that way exactly is put
together; everything else stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from mcuplan.graph import Buffer, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.operators import Options

_CHANNELS = 3
_RANK = 4

_N = TypeVar("_N", int, float)


def whole_convolutions(graph: Graph) -> Graph:
    """The graph with every convolution that was split by output channels whole; its parts stay, read by nobody."""
    for index, subgraph in enumerate(graph.subgraphs):
        written = Counter(t for op in subgraph.operators for t in op.outputs)
        written.update(subgraph.inputs)
        for k, op in enumerate(subgraph.operators):
            parts = _parts(graph, subgraph, op, written)
            if parts is not None:
                graph = _joined(graph, index, k, parts)
    return graph


def _parts(graph: Graph, subgraph: Subgraph, op: Operator, written: Counter[int]) -> list[Operator] | None:
    """The convolutions that a CONCATENATION joins, in order; None where it joins anything else."""
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
    if len(parts) != len(op.inputs) or any(part.name != "CONV_2D" for part in parts):
        return None
    once = all(written[t] == 1 for part in parts for t in part.outputs) and written[parts[0].inputs[0]] <= 1
    fits = once and all(_alike(graph, tensors, part, parts[0]) for part in parts)
    return parts if fits else None


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
        if t >= 0 and not _splits(graph, tensors[t], tensors[other], y.shape[_CHANNELS]):
            return False
    return tensors[part.inputs[1]].shape[-1:] == x.shape[-1:]  # no groups: these read channels by their number


def _splits(graph: Graph, tensor: Tensor, first: Tensor, channels: int) -> bool:
    """Whether a constant has an entry for each output channel, and its like beside it."""
    q, p = tensor.quantization, first.quantization
    if not graph.is_constant(tensor) or tensor.external_buffer or tensor.is_variable or tensor.sparsity is not None:
        return False
    if tensor.rank < 1 or tensor.shape[0] != channels or tensor.shape[1:] != first.shape[1:]:
        return False
    data = graph.data(tensor)
    if tensor.dtype != first.dtype or data is None or len(data) != tensor.stored_bytes or (tensor.dtype.bits or 4) < 8:
        return False
    if q is None or p is None:
        return q is None and p is None
    ways = (len(q.scales) in (1, channels), len(q.zero_points) in (1, len(q.scales)), q.dimension == 0)
    return all(ways) and q.details is None and p.details is None and (q.has_scales, q.has_zero_points) == (True, True)


def _joined(graph: Graph, index: int, k: int, parts: Sequence[Operator]) -> Graph:
    """Operator ``k``, a CONCATENATION, as one convolution."""
    subgraph = graph.subgraphs[index]
    tensors, buffers = list(subgraph.tensors), list(graph.buffers)
    inputs = [parts[0].inputs[0]]
    for position in range(1, len(parts[0].inputs)):
        given = [part.inputs[position] for part in parts]
        if given[0] < 0:
            inputs.append(-1)
            continue
        pieces = [tensors[t] for t in given]
        buffers.append(Buffer(b"".join(bytes(graph.data(piece) or b"") for piece in pieces)))
        shape = (sum(piece.shape[0] for piece in pieces), *pieces[0].shape[1:])
        quantization = _scales([piece.quantization for piece in pieces], [piece.shape[0] for piece in pieces])
        tensors.append(replace(pieces[0], shape=shape, buffer=len(buffers) - 1, quantization=quantization))
        inputs.append(len(tensors) - 1)
    operators = list(subgraph.operators)
    operators[k] = replace(parts[0], inputs=tuple(inputs), outputs=operators[k].outputs)
    changed = replace(subgraph, tensors=tuple(tensors), operators=tuple(operators))
    subgraphs = (*graph.subgraphs[:index], changed, *graph.subgraphs[index + 1 :])
    return replace(graph, buffers=tuple(buffers), subgraphs=subgraphs)


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
