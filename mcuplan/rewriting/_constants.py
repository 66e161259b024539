"""Clean-ups of constants: the same bytes once, the same tensor once."""

from __future__ import annotations

from dataclasses import replace

from mcuplan.graph import Graph, Tensor
from mcuplan.rewriting._identities import renamed, single_assignment
from mcuplan.rewriting.edit import compact_buffers, replace_subgraph


def share_buffers(graph: Graph) -> tuple[Graph, int]:
    """Buffers with the same bytes become one: smaller file, same values."""
    first: dict[bytes, int] = {}
    same: dict[int, int] = {}
    for i, buffer in enumerate(graph.buffers):
        if i and len(buffer) and not buffer.external:
            same[i] = first.setdefault(bytes(buffer.data or b""), i)
    moved = {i: to for i, to in same.items() if i != to}
    used = {t.buffer for s in graph.subgraphs for t in s.tensors if t.buffer in moved and not t.is_variable}
    if not used:
        return graph, 0

    def shared(tensor: Tensor) -> Tensor:
        return (
            replace(tensor, buffer=moved[tensor.buffer]) if tensor.buffer in used and not tensor.is_variable else tensor
        )

    subgraphs = tuple(replace(s, tensors=tuple(map(shared, s.tensors))) for s in graph.subgraphs)
    return compact_buffers(replace(graph, subgraphs=subgraphs)), len(used)


def share_tensors(graph: Graph) -> tuple[Graph, int]:
    """Constant tensors that are equal but for their names become one: each costs an eval tensor.

    Kernels read constants through their node's inputs, so that nothing can tell which of two equal ones it has.
    """
    count = 0
    for index, subgraph in enumerate(graph.subgraphs):
        if not single_assignment(subgraph):
            continue
        fixed = {*subgraph.inputs, *subgraph.outputs, *subgraph.producers, *_named_elsewhere(graph, index)}
        first: dict[Tensor, int] = {}
        same: dict[int, int] = {}
        for t in sorted({t for op in subgraph.operators for t in op.inputs if t >= 0} - fixed):
            tensor = subgraph.tensors[t]
            plain = not tensor.is_variable and not tensor.external_buffer and tensor.sparsity is None
            if plain and tensor.variant_tensors is None and graph.data(tensor) is not None and _hashable(tensor):
                kept = first.setdefault(_nameless(tensor), t)
                if kept != t:
                    same[t] = kept
        if same:
            count += len(same)
            graph = replace_subgraph(graph, index, renamed(subgraph, same))
    return graph, count


def _nameless(tensor: Tensor) -> Tensor:
    """The tensor without what no kernel reads."""
    q = tensor.quantization
    return replace(
        tensor, name="", shape_signature=None, quantization=None if q is None else replace(q, min=None, max=None)
    )


def _hashable(tensor: Tensor) -> bool:
    """Blockwise quantization keeps its scales in a table of fields, and is left alone."""
    return tensor.quantization is None or tensor.quantization.details is None


def _named_elsewhere(graph: Graph, index: int) -> set[int]:
    """Tensors that signatures name, and those that hold the scales of others."""
    named = {
        entry["tensor_index"]
        for signature in graph.signatures
        if signature.get("subgraph_index", 0) == index
        for side in ("inputs", "outputs")
        for entry in signature.get(side) or ()
    }
    for tensor in graph.subgraphs[index].tensors:
        details = tensor.quantization.details if tensor.quantization else None
        if details is not None:
            named |= {details.get(name, -1) for name in ("scales", "zero_points")}
    return named
