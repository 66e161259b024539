"""Edits of a graph: each takes a :class:`Graph` and returns a new one, the rest shared and unchanged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from mcuplan.graph import Buffer, Graph, Metadata, Operator, Record, Subgraph
from mcuplan.tflm.offline import METADATA_NAME, encode_offline_plan

_SUBGRAPH_OPTIONS = (
    "then_subgraph_index", "else_subgraph_index", "cond_subgraph_index", "body_subgraph_index", "init_subgraph_index",
)  # fmt: skip


def replace_subgraph(graph: Graph, index: int, subgraph: Subgraph) -> Graph:
    """The graph with one subgraph exchanged."""
    return replace(graph, subgraphs=(*graph.subgraphs[:index], subgraph, *graph.subgraphs[index + 1 :]))


def reorder(graph: Graph, order: Sequence[int], index: int = 0) -> Graph:
    """The graph with the operators of one subgraph in another order.

    Raises
    ------
    ValueError
        When ``order`` is not a permutation of the subgraph's operators.
    """
    subgraph = graph.subgraphs[index]
    if sorted(order) != list(range(len(subgraph.operators))):
        raise ValueError("the order must name every operator once")
    return replace_subgraph(graph, index, replace(subgraph, operators=tuple(subgraph.operators[k] for k in order)))


def set_metadata(graph: Graph, name: str, data: bytes | None) -> Graph:
    """The graph with the metadata entry ``name`` holding ``data``, instead of any entry of that name; None: without."""
    kept = tuple(entry for entry in graph.metadata if entry.name != name)
    if data is None:
        return graph if len(kept) == len(graph.metadata) else graph.with_metadata(kept)
    old = next((entry.buffer for entry in graph.metadata if entry.name == name), None)
    if old is not None and _buffer_users(graph).get(old, 0) == 1:
        buffers = (*graph.buffers[:old], Buffer(data), *graph.buffers[old + 1 :])
    else:
        old = len(graph.buffers)
        buffers = (*graph.buffers, Buffer(data))
    return graph.with_metadata((*kept, Metadata(name, old)), buffers)


def set_offline_plan(graph: Graph, offsets: Sequence[int] | None) -> Graph:
    """The graph with ``offsets`` (one for each tensor of all subgraphs) as its offline plan; None removes a plan."""
    data = None if offsets is None else encode_offline_plan(offsets, len(graph.subgraphs))
    return set_metadata(graph, METADATA_NAME, data)


def _buffer_users(graph: Graph) -> Mapping[int, int]:
    users: dict[int, int] = {}
    for subgraph in graph.subgraphs:
        for tensor in subgraph.tensors:
            users[tensor.buffer] = users.get(tensor.buffer, 0) + 1
    for entry in graph.metadata:
        users[entry.buffer] = users.get(entry.buffer, 0) + 1
    return users


def map_tensors(subgraph: Subgraph, new_index: Callable[[int], int]) -> Subgraph:
    """The subgraph with every reference to tensor ``t`` as ``new_index(t)``; -1 stays. Its tensors are kept."""

    def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(t if t < 0 else new_index(t) for t in indices)

    operators = tuple(
        replace(
            op,
            inputs=moved(op.inputs),
            outputs=moved(op.outputs),
            intermediates=None if op.intermediates is None else moved(op.intermediates),
        )
        for op in subgraph.operators
    )
    return replace(subgraph, operators=operators, inputs=moved(subgraph.inputs), outputs=moved(subgraph.outputs))


def _referenced(graph: Graph, index: int) -> set[int]:
    subgraph = graph.subgraphs[index]
    used = {*subgraph.inputs, *subgraph.outputs}
    for op in subgraph.operators:
        used.update(op.inputs, op.outputs, op.intermediates or ())
    for signature in graph.signatures:
        if signature.get("subgraph_index", 0) == index:
            for side in ("inputs", "outputs"):
                used.update(entry["tensor_index"] for entry in signature.get(side) or ())
    for tensor in subgraph.tensors:
        details = tensor.quantization.details if tensor.quantization else None
        if details is not None:  # blockwise quantization keeps its scales in tensors
            used.update(details.get(name, -1) for name in ("scales", "zero_points"))
    used.discard(-1)
    return used


def _renumber_signatures(graph: Graph, index: int, numbers: Mapping[int, int]) -> tuple[Record, ...]:
    def renumber(signature: Record) -> Record:
        if signature.get("subgraph_index", 0) != index:
            return signature
        fields = dict(signature.fields)
        for side in ("inputs", "outputs"):
            if fields.get(side):
                fields[side] = tuple(
                    replace(entry, fields={**entry.fields, "tensor_index": numbers[entry["tensor_index"]]})
                    for entry in fields[side]
                )
        return replace(signature, fields=fields)

    return tuple(map(renumber, graph.signatures))


def without_signed_input(graph: Graph, tensor: int) -> Graph:
    """The graph with signatures that do not name tensor ``tensor`` of the main subgraph among their inputs."""

    def without(signature: Record) -> Record:
        if signature.get("subgraph_index", 0) or not signature.get("inputs"):
            return signature
        inputs = tuple(entry for entry in signature["inputs"] if entry["tensor_index"] != tensor)
        return replace(signature, fields={**signature.fields, "inputs": inputs})

    return replace(graph, signatures=tuple(map(without, graph.signatures)))


def keep_tensors(graph: Graph, index: int, keep: Collection[int]) -> Graph:
    """The graph with only the tensors ``keep`` of one subgraph, renumbered; every reference must be among them."""
    subgraph = graph.subgraphs[index]
    order = sorted(keep)
    numbers = {old: new for new, old in enumerate(order)}
    tensors = []
    for old in order:
        tensor = subgraph.tensors[old]
        details = tensor.quantization.details if tensor.quantization else None
        if tensor.quantization is not None and details is not None:
            moved = {
                name: numbers[details[name]] for name in ("scales", "zero_points") if details.get(name, -1) in numbers
            }
            quantization = replace(tensor.quantization, details=replace(details, fields={**details.fields, **moved}))
            tensor = replace(tensor, quantization=quantization)
        tensors.append(tensor)
    signatures = _renumber_signatures(graph, index, numbers)
    smaller = replace(map_tensors(subgraph, numbers.__getitem__), tensors=tuple(tensors))
    return replace(replace_subgraph(graph, index, smaller), signatures=signatures)


def drop_unreferenced_tensors(graph: Graph) -> Graph:
    """The graph without tensors that nothing names; TFLM would give each of them arena space."""
    for index, subgraph in enumerate(graph.subgraphs):
        used = _referenced(graph, index)
        if len(used) < len(subgraph.tensors):
            graph = keep_tensors(graph, index, used)
    return graph


def keep_subgraphs(graph: Graph, keep: Collection[int]) -> Graph:
    """The graph with only the subgraphs ``keep``, renumbered in control-flow options and signatures."""
    order = sorted(keep)
    numbers = {old: new for new, old in enumerate(order)}

    def renumber(op: Operator) -> Operator:
        if op.options is None or not any(name in op.options.fields for name in _SUBGRAPH_OPTIONS):
            return op
        fields = {
            name: numbers.get(value, value) if name in _SUBGRAPH_OPTIONS else value
            for name, value in op.options.fields.items()
        }
        return replace(op, options=replace(op.options, fields=fields))

    subgraphs = tuple(
        replace(graph.subgraphs[old], operators=tuple(map(renumber, graph.subgraphs[old].operators))) for old in order
    )
    signatures = tuple(
        replace(s, fields={**s.fields, "subgraph_index": numbers[s.get("subgraph_index", 0)]})
        for s in graph.signatures
        if s.get("subgraph_index", 0) in numbers
    )
    return replace(graph, subgraphs=subgraphs, signatures=signatures)


def compact_buffers(graph: Graph) -> Graph:
    """The graph without buffers that nothing names, the others renumbered; buffer 0 stays the empty one."""
    used = {0, *_buffer_users(graph), *(graph.metadata_buffers or ())}
    if len(used) == len(graph.buffers):
        return graph
    order = sorted(used)
    numbers = {old: new for new, old in enumerate(order)}
    subgraphs = tuple(
        replace(s, tensors=tuple(replace(t, buffer=numbers[t.buffer]) for t in s.tensors)) for s in graph.subgraphs
    )
    return replace(
        graph,
        buffers=tuple(graph.buffers[old] for old in order),
        subgraphs=subgraphs,
        metadata=tuple(replace(entry, buffer=numbers[entry.buffer]) for entry in graph.metadata),
        metadata_buffers=None
        if graph.metadata_buffers is None
        else tuple(numbers[old] for old in graph.metadata_buffers),
    )
