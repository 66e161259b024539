"""Whether the facts of a model agree: indices, shapes, constant bytes, quantization, calls between subgraphs.

Structure is :mod:`mcuplan.tflite.verify`'s business, and whether a runtime can run the model is the runtime's. What
is refused here has no meaning in any runtime, or would make a reader of the graph look outside it. What TensorFlow
Lite Micro runs is let through even where LiteRT is stricter (a quantized dimension that a bias does not have).
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache

from mcuplan.errors import ModelError
from mcuplan.graph import DType, Graph, Operator, Quantization, Record, Subgraph, Tensor
from mcuplan.operators import called_subgraphs

_LARGEST_RANK = 64
_MOST_ELEMENTS = 2**62
_MOST_EXPANDED_OPERATORS = 20_000
_BYTES_AN_EXPANDED_OPERATOR = 40
"""Calls may unfold into so many operators, and one more for so many bytes of the file: each costs time and memory."""

_LARGEST_NAME = 60
_UNSIZED = (DType.STRING, DType.RESOURCE, DType.VARIANT)
_ABSENT = -1


def check(graph: Graph, name: str, encoded: Container[tuple[int, int]] = ()) -> None:
    """Raise ModelError, its text beginning with ``name``, for the first fact that contradicts another.

    ``encoded`` names tensors (subgraph, tensor) whose bytes are compressed, so that they need not fit the shape.
    """
    for problem in _problems(graph, encoded):
        raise ModelError(f"{name}: {problem}")


def _problems(graph: Graph, encoded: Container[tuple[int, int]]) -> Iterator[str]:
    if not any(subgraph.tensors or subgraph.operators for subgraph in graph.subgraphs):
        yield "the model is empty: it holds no tensor and no operator"
    if not (graph.main.tensors or graph.main.operators):
        yield "the model's main subgraph is empty"
    yield from _metadata(graph)
    yield from _external(graph)
    for s, subgraph in enumerate(graph.subgraphs):
        where = f" of subgraph {s}" if len(graph.subgraphs) > 1 else ""
        yield from _subgraph_ends(subgraph, where)
        for t, tensor in enumerate(subgraph.tensors):
            problem = _tensor(graph, subgraph, tensor, (s, t) in encoded)
            if problem:
                yield f"tensor {t}{where}{_quoted(tensor.name)} {problem}"
        for k, op in enumerate(subgraph.operators):
            for problem in _operator(graph, subgraph, op):
                yield f"operator {k}{where} ({_clean(op.label)}) {problem}"
    yield from _signatures(graph)
    yield from _calls(graph)


def _clean(text: str) -> str:
    """Text from a model, short and printable, to stand in a message."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:_LARGEST_NAME])
    return shown + "..." if len(text) > _LARGEST_NAME else shown


def _shown(shape: Sequence[int]) -> str:
    return _clean(str(list(shape[:_LARGEST_RANK])))


def _quoted(text: str) -> str:
    return f" '{_clean(text)}'" if text else ""


def _metadata(graph: Graph) -> Iterator[str]:
    count = len(graph.buffers)
    for entry in graph.metadata:
        if entry.buffer >= count:
            yield f"metadata{_quoted(entry.name)} refers to buffer {entry.buffer}, the model has {count}"
    for buffer in graph.metadata_buffers or ():
        if not 0 <= buffer < count:
            yield f"the metadata_buffer list refers to buffer {buffer}, the model has {count}"


def _external(graph: Graph) -> Iterator[str]:
    groups = len(graph.external_buffer_groups or ())
    for i, external in enumerate(graph.external_buffers or ()):
        if external["group"] >= groups:
            yield f"external buffer {i} refers to group {external['group']}, the model has {groups}"


def _subgraph_ends(subgraph: Subgraph, where: str) -> Iterator[str]:
    count = len(subgraph.tensors)
    for what, ends in (("input", subgraph.inputs), ("output", subgraph.outputs)):
        for i, t in enumerate(ends):
            if not 0 <= t < count:
                yield f"{what} {i}{where or ' of the model'} refers to tensor {t}, there are {count}"


def _tensor(graph: Graph, subgraph: Subgraph, tensor: Tensor, encoded: bool) -> str:
    """The first thing that is wrong with a tensor; empty where nothing is (as all below: most networks are sound)."""
    if tensor.buffer >= len(graph.buffers):
        return f"refers to buffer {tensor.buffer}, the model has {len(graph.buffers)}"
    problem = _shape(tensor) or (tensor.external_buffer and _external_reference(graph, tensor))
    if not problem and not encoded:
        problem = _constant(graph, tensor)
    if not problem and tensor.quantization is not None:
        problem = _quantization(tensor.quantization, tensor.shape, len(subgraph.tensors))
    if not problem and tensor.sparsity is not None:
        problem = _sparsity(tensor.sparsity, tensor)
    return problem or ""


def _shape(tensor: Tensor) -> str:
    shape, signature = tensor.shape, tensor.shape_signature
    if len(shape) > _LARGEST_RANK or (signature is not None and len(signature) > _LARGEST_RANK):
        return f"has {tensor.rank} dimensions, more than the {_LARGEST_RANK} that make sense"
    if shape and min(shape) < -1:
        return f"has a negative dimension in its shape {_shown(shape)}"
    if signature:
        if min(signature) < -1:
            return f"has a negative dimension in its shape signature {_shown(signature)}"
        if shape and len(signature) != len(shape):
            return f"has {len(shape)} dimensions in its shape and {len(signature)} in its shape signature"
    if abs(math.prod(shape)) > _MOST_ELEMENTS:
        return f"has an absurd shape {_shown(shape)}"
    return ""


def _external_reference(graph: Graph, tensor: Tensor) -> str:
    if all(e["id"] != tensor.external_buffer for e in graph.external_buffers or ()):
        return f"refers to external buffer {tensor.external_buffer}, which the model does not list"
    return ""


def _constant(graph: Graph, tensor: Tensor) -> str:
    """The constant bytes against shape and type. Sub-byte types may be packed or take a byte each."""
    size = len(graph.buffers[tensor.buffer])
    if not size:
        return ""
    expected = tensor.stored_bytes
    if expected is None or tensor.sparsity is not None:
        return ""
    if tensor.is_dynamic:
        return f"is constant, but its shape {_shown(tensor.shape)} is unknown"
    if size != expected and not (size == tensor.elements and (tensor.dtype.bits or 8) < 8):
        return (
            f"has {size} constant bytes, but its shape {_shown(tensor.shape)} of {tensor.dtype.label} takes {expected}"
        )
    return ""


def _quantization(quantization: Quantization, shape: tuple[int, ...], tensors: int) -> str:
    scales, zero_points = quantization.scales, quantization.zero_points
    if len(zero_points) not in (0, 1, len(scales)):
        return f"has {len(scales)} quantization scales and {len(zero_points)} zero points"
    # The sum of float32 numbers is finite as a float64, unless one of them is not.
    if scales and not (math.isfinite(sum(scales)) and min(scales) >= 0):
        return "has a quantization scale that is negative or not a number"
    if len(scales) > 1 and shape and min(shape) >= 0:
        dimension = quantization.dimension
        channels = shape[dimension : dimension + 1] if 0 <= dimension < len(shape) else shape
        if len(scales) not in channels:
            return f"has {len(scales)} quantization scales for a shape {_shown(shape)} quantized along {dimension}"
    details = quantization.details
    for field in ("scales", "zero_points") if details is not None else ():
        index = _ABSENT if details is None else details.get(field, _ABSENT)
        if not _ABSENT <= index < tensors:
            return f"takes its quantization {field} from tensor {index}, there are {tensors}"
    return ""


def _sparsity(sparsity: Record, tensor: Tensor) -> str:
    """What TFLite's ParseSparsity demands: one description per traversed dimension, and an order without repeats."""
    order, blocks = sparsity["traversal_order"] or (), sparsity["block_map"] or ()
    dimensions = sparsity["dim_metadata"] or ()
    if len(dimensions) != len(order) or sorted(order) != list(range(len(order))):
        return f"has a sparsity that describes {len(dimensions)} dimensions and traverses {_shown(order)}"
    if len(order) != tensor.rank + len(blocks) or any(not 0 <= b < tensor.rank for b in blocks):
        return f"has a sparsity of {len(order)} dimensions for a shape of {tensor.rank} and {len(blocks)} blocks"
    return ""


def _operator(graph: Graph, subgraph: Subgraph, op: Operator) -> Iterator[str]:
    count = len(subgraph.tensors)
    for what, indices in (("input", op.inputs), ("output", op.outputs), ("intermediate", op.intermediates or ())):
        if indices and not _ABSENT <= min(indices) <= max(indices) < count:
            i, t = next((i, t) for i, t in enumerate(indices) if not _ABSENT <= t < count)
            yield f"refers to tensor {t} as {what} {i}, there are {count}"
    for called in _subgraphs_named(op):
        if called >= len(graph.subgraphs):
            yield f"calls subgraph {called}, the model has {len(graph.subgraphs)}"
    for called in called_subgraphs(op):
        if called < 0:
            yield "does not name the subgraph that it calls"
    if op.mutating_variable_inputs and len(op.mutating_variable_inputs) != len(op.inputs):
        yield f"has {len(op.inputs)} inputs and {len(op.mutating_variable_inputs)} marks of which are variables"


def _subgraphs_named(op: Operator) -> Iterator[int]:
    """Every subgraph index among the operator's options, whatever operator it is."""
    for options in (op.options, op.options_2):
        if options is None:
            continue
        for field in _naming_subgraphs(tuple(options.fields)):
            if field.endswith("subgraph_indices"):
                yield from options[field] or ()
            else:
                yield options[field]


@lru_cache(1024)
def _naming_subgraphs(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the fields of a table of options that hold indices of subgraphs."""
    ends = ("subgraph_index", "subgraph_indices")
    return tuple(field for field in fields if field == "subgraph" or field.endswith(ends))


def _signatures(graph: Graph) -> Iterator[str]:
    for signature in graph.signatures:
        key, index = _clean(signature["signature_key"] or ""), signature["subgraph_index"]
        if index >= len(graph.subgraphs):
            yield f"signature '{key}' refers to subgraph {index}, the model has {len(graph.subgraphs)}"
            continue
        count = len(graph.subgraphs[index].tensors)
        for entry in (*(signature["inputs"] or ()), *(signature["outputs"] or ())):
            if entry["tensor_index"] >= count:
                yield f"signature '{key}' refers to tensor {entry['tensor_index']}, there are {count}"


def _calls(graph: Graph) -> Iterator[str]:
    """Subgraphs that call themselves, and call trees too large for any runtime to unfold."""
    called = [[c for op in subgraph.operators for c in called_subgraphs(op)] for subgraph in graph.subgraphs]
    order = _callees_first(called)
    if order is None:
        yield "its subgraphs call each other in a circle"
        return
    most = _MOST_EXPANDED_OPERATORS + graph.file_bytes // _BYTES_AN_EXPANDED_OPERATOR
    expanded: dict[int, int] = {}
    for s in order:
        expanded[s] = len(graph.subgraphs[s].operators) + sum(expanded[c] + 1 for c in called[s])
        if expanded[s] > max(most, len(graph.subgraphs[s].operators)):
            yield "its subgraphs call each other so often that no runtime could unfold them"
            return


def _callees_first(called: list[list[int]]) -> Iterable[int] | None:
    """The subgraphs in an order with each behind those it calls; None where they call each other in a circle."""
    pending = [len(set(callees)) for callees in called]
    callers: dict[int, list[int]] = {}
    for s, callees in enumerate(called):
        for c in set(callees):
            callers.setdefault(c, []).append(s)
    ready = [s for s, count in enumerate(pending) if not count]
    for s in ready:
        for caller in callers.get(s, ()):
            pending[caller] -= 1
            if not pending[caller]:
                ready.append(caller)
    return ready if len(ready) == len(called) else None
