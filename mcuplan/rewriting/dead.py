"""Clean-ups that drop what nobody needs: subgraphs, operators, tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mcuplan.graph import CUSTOM, Graph, Operator, Record, Subgraph
from mcuplan.operators import Trait, called_subgraphs, operators_that, reachable_subgraphs
from mcuplan.rewriting.edit import compact_buffers, drop_unreferenced_tensors, keep_subgraphs, replace_subgraph

_READS = "READ_VARIABLE"
"""The one operator on variables that changes none."""


def has_effects(subgraph: Subgraph, op: Operator) -> bool:
    """True where running the operator may matter even if nobody reads its outputs, or is not known not to."""
    touched = (i for i in (*op.inputs, *op.outputs) if i >= 0)
    return (
        (op.name in operators_that(Trait.CONTROL, Trait.STATE) and op.name != _READS)
        or op.name == CUSTOM
        or op.name.startswith(("BUILTIN_", "STABLEHLO_"))
        or any(subgraph.tensors[i].is_variable for i in touched)
    )


def drop_subgraphs(graph: Graph) -> tuple[Graph, int]:
    """Subgraphs that neither control flow nor a signature reaches: TFLM plans their tensors all the same."""
    if any(_calls_in_another_way(op) for _, _, op in graph.operators()):
        return graph, 0
    named = {s.get("subgraph_index", 0) for s in graph.signatures}
    keep = reachable_subgraphs(graph) | {i for i in named if i < len(graph.subgraphs)}
    dropped = len(graph.subgraphs) - len(keep)
    return (compact_buffers(keep_subgraphs(graph, keep)), dropped) if dropped else (graph, 0)


def _calls_in_another_way(op: Operator) -> bool:
    """True for operators beside IF, WHILE and CALL_ONCE whose options name a subgraph; TFLM has none of them."""
    if called_subgraphs(op):
        return False
    records: list[Record | None] = [op.options, op.options_2]
    return any("subgraph" in name for record in records if record for name in record.fields)


def drop_operators(graph: Graph) -> tuple[Graph, int]:
    """Operators whose outputs nobody reads."""
    dropped = 0
    for index, subgraph in enumerate(graph.subgraphs):
        needed = {*subgraph.outputs, *_signed(graph, index)}
        kept: list[Operator] = []
        for op in reversed(subgraph.operators):
            if has_effects(subgraph, op) or needed.intersection(op.outputs):
                kept.append(op)
                needed.update(op.inputs)
        if len(kept) < len(subgraph.operators):
            dropped += len(subgraph.operators) - len(kept)
            graph = replace_subgraph(graph, index, replace(subgraph, operators=tuple(reversed(kept))))
    return graph, dropped


def _signed(graph: Graph, index: int) -> Iterator[int]:
    """Tensors of a subgraph that a signature names."""
    for signature in graph.signatures:
        if signature.get("subgraph_index", 0) == index:
            for side in ("inputs", "outputs"):
                for entry in signature.get(side) or ():
                    yield entry["tensor_index"]


def drop_tensors(graph: Graph) -> tuple[Graph, int]:
    """Tensors that nothing names: TFLM gives each of them arena space and an eval tensor."""
    smaller = drop_unreferenced_tensors(graph)
    count = sum(len(s.tensors) for s in graph.subgraphs) - sum(len(s.tensors) for s in smaller.subgraphs)
    return (compact_buffers(smaller), count) if count else (graph, 0)
