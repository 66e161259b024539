"""When which bytes of a tensor are in use: rectangles of time and address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcuplan.graph import Graph
from mcuplan.operators import called_subgraphs
from mcuplan.tflm.aliasing import AliasOption, Relation
from mcuplan.tflm.lifetimes import Lifetimes


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes ``[begin, end)`` of a tensor are in use from step ``first`` to step ``last``, both included."""

    begin: int
    end: int
    first: int
    last: int


def tensor_uses(
    graph: Graph, index: int, live: Lifetimes, sizes: Sequence[int], options: Sequence[AliasOption]
) -> list[list[Use]]:
    """The uses of each tensor of subgraph ``index``.

    Every byte is in use when it is written and until it is read for the last time. A SLICE or SPLIT reads only its
    pieces, so bytes that only such operators read die one by one; every other operator reads all bytes.
    """
    subgraph = graph.subgraphs[index]
    steps = {node: step for step, node in live.operator_steps.items()}
    pieces: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for option in options:
        if option.relation is Relation.SHARE and option.outer in subgraph.operators[option.operator].inputs:
            pieces.setdefault((option.operator, option.outer), []).append((option.at, option.at + sizes[option.inner]))
    found = []
    for t, size in enumerate(sizes):
        life = live.tensors[index][t]
        readers = subgraph.consumers.get(t, ())
        partial = bool(readers) and t not in subgraph.outputs
        for k in readers:
            op = subgraph.operators[k]
            partial = partial and (k, t) in pieces and not called_subgraphs(op) and len(pieces[k, t]) in (
                1, len(op.outputs),
            ) and (index, k) in steps  # fmt: skip
        if partial:
            reads = [(b, e, steps[index, k]) for k in readers for b, e in pieces[k, t]]
            found.append(_piecewise(size, life.first, reads))
        else:
            # Outputs are read once more when the subgraph is done, so its last operator must not overwrite them.
            found.append([Use(0, size, life.first, life.last + (t in subgraph.outputs))])
    return found


def _piecewise(size: int, written: int, reads: Sequence[tuple[int, int, int]]) -> list[Use]:
    cuts = sorted({0, size, *(c for b, e, _ in reads for c in (b, e))})
    uses: list[Use] = []
    for begin, end in pairwise(cuts):
        last = max((step for b, e, step in reads if b <= begin and end <= e), default=written)
        if uses and uses[-1].last == last:
            uses[-1] = Use(uses[-1].begin, end, written, last)
        else:
            uses.append(Use(begin, end, written, last))
    return uses


def hull_by_step(uses: Mapping[int, Sequence[tuple[int, Use]]]) -> dict[int, tuple[int, int]]:
    """For each step, the lowest and the highest byte in use of tensors at displacements (``{tensor: [(at, use)]}``)."""
    hull: dict[int, tuple[int, int]] = {}
    for placed in uses.values():
        for at, use in placed:
            for step in range(use.first, use.last + 1):
                low, high = hull.get(step, (at + use.begin, at + use.end))
                hull[step] = (min(low, at + use.begin), max(high, at + use.end))
    return hull
