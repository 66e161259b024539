"""Lossless clean-ups: rewrites that leave every output as it is, bit for bit, and need less arena or flash.

Each is applied only where it is exactly equal; the reason stands with its code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import Graph, Operator
from mcuplan.rewriting._constants import share_buffers, share_tensors
from mcuplan.rewriting._identities import drop_identities, drop_round_trips, fold_constant_moves, skip_reshapes
from mcuplan.rewriting._padding import fold_pads, trim_pads
from mcuplan.rewriting.dead import drop_operators, drop_subgraphs, drop_tensors
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflite.compression import METADATA_NAME as COMPRESSION
from mcuplan.tflm.offline import METADATA_NAME as OFFLINE_PLAN

OTHER_COMPILERS = frozenset({"ethos-u"})
"""Custom operators that another compiler planned the arena for, tensor by tensor."""

Rule = Callable[[Graph], tuple[Graph, int]]


@dataclass(frozen=True, slots=True)
class CleanupStep:
    """One clean-up that was applied: its name, and how often."""

    name: str
    count: int


def clean_up(graph: Graph) -> tuple[Graph, tuple[CleanupStep, ...]]:
    """Apply every clean-up until none applies; returns the graph and what was done.

    An offline plan is dropped from a graph that changes, since it was made for other tensors. Models that may not be
    renumbered (see :func:`may_renumber`) are left as they are.
    """
    cleaned = clean_up_mapped(graph)
    return cleaned.graph, cleaned.steps


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """A graph after all clean-ups, and what was done.

    ``origins`` holds, for each operator of the main subgraph, its index in the given graph's.
    """

    graph: Graph
    steps: tuple[CleanupStep, ...]
    origins: tuple[int, ...]


def clean_up_mapped(graph: Graph) -> CleanedUp:
    """As :func:`clean_up`, with where each operator comes from."""
    if not may_renumber(graph):
        return CleanedUp(graph, (), tuple(range(len(graph.main.operators))))
    numbered, steps = _clean_up(_numbered(graph))
    origins = tuple(op.debug_metadata_index for op in numbered.main.operators)
    # A graph that is clean is handed back itself.
    return CleanedUp(_with_indices_of(graph, numbered, origins) if steps else graph, steps, origins)


def _numbered(graph: Graph) -> Graph:
    """``graph`` whose operators carry their own number where files have that of debugging metadata.

    No clean-up makes an operator of its own: each is one of the given ones, changed.
    """
    numbered = tuple(replace(op, debug_metadata_index=k) for k, op in enumerate(graph.main.operators))
    return _with_main(graph, numbered)


def _with_indices_of(given: Graph, numbered: Graph, origins: Sequence[int]) -> Graph:
    kept = (given.main.operators[k].debug_metadata_index for k in origins)
    pairs = zip(numbered.main.operators, kept, strict=True)
    return _with_main(numbered, tuple(replace(op, debug_metadata_index=index) for op, index in pairs))


def _with_main(graph: Graph, operators: tuple[Operator, ...]) -> Graph:
    return replace(graph, subgraphs=(replace(graph.main, operators=operators), *graph.subgraphs[1:]))


def _clean_up(graph: Graph) -> tuple[Graph, tuple[CleanupStep, ...]]:
    original, counts = graph, dict[str, int]()
    changed = True
    while changed:
        changed = False
        for name, rule in _RULES.items():
            graph, count = rule(graph)
            if count:
                counts[name] = counts.get(name, 0) + count
                changed = True
    if graph.subgraphs != original.subgraphs and graph.metadata_data(OFFLINE_PLAN) is not None:
        graph = set_offline_plan(graph, None)
    return graph, tuple(CleanupStep(name, count) for name, count in counts.items())


def may_renumber(graph: Graph) -> bool:
    """True where tensors and buffers can be dropped and take other numbers.

    Not so where TFLM's compression metadata lists tensors and buffers by number, and where another compiler (Vela)
    has planned the arena around its own custom operator.
    """
    compressed = graph.metadata_data(COMPRESSION) is not None
    return not compressed and not any(op.label in OTHER_COMPILERS for _, _, op in graph.operators())


_RULES: Mapping[str, Rule] = {
    "subgraphs never reached dropped": drop_subgraphs,
    "operators without effect dropped": drop_operators,
    "padding folded into convolutions": fold_pads,
    "padding never read trimmed": trim_pads,
    "identities removed": drop_identities,
    "reshapes before reshapes and fully connected layers removed": skip_reshapes,
    "quantization round trips removed": drop_round_trips,
    "reshapes of constants done": fold_constant_moves,
    "duplicate constants shared": share_buffers,
    "duplicate constant tensors merged": share_tensors,
    "tensors nobody uses dropped": drop_tensors,
}


def rule_names() -> Iterator[str]:
    """The names of all clean-ups, in the order they are tried."""
    yield from _RULES
