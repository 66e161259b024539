"""Which operator of one model is which of the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from mcuplan.graph import Graph, Subgraph
from mcuplan.reports.diff_items import Key

_EXACT = 2_000
"""Operators up to which the longest runs are sought without difflib's shortcut for frequent ones."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Pairs of operators as ``(subgraph, operator)``, from old to new."""

    pairs: Mapping[tuple[int, int], tuple[int, int]]

    def new_of(self, key: Key) -> Key | None:
        """An old operator's key by its new index; None where the operator is gone."""
        found = self.pairs.get((key[1], key[2]))
        return None if found is None else (key[0], *found, key[3])


def match(old: Graph, new: Graph) -> Matching:
    """Match operators subgraph by subgraph, in order: by kind and name of the output first, then by kind alone."""
    pairs: dict[tuple[int, int], tuple[int, int]] = {}
    for s, (a, b) in enumerate(zip(old.subgraphs, new.subgraphs, strict=False)):
        for i, j in _pairs(a, b):
            pairs[s, i] = (s, j)
    return Matching(pairs)


def _pairs(a: Subgraph, b: Subgraph) -> Iterator[tuple[int, int]]:
    kinds = [op.label for op in a.operators], [op.label for op in b.operators]
    named = _named(a), _named(b)
    at_a = at_b = 0
    ends = (len(a.operators), len(b.operators), 0)
    for i, j, count in [*_common(named[0], named[1]), ends]:
        for x, y, run in _common(kinds[0][at_a:i], kinds[1][at_b:j]):
            yield from ((at_a + x + k, at_b + y + k) for k in range(run))
        yield from ((i + k, j + k) for k in range(count))
        at_a, at_b = i + count, j + count


def _named(subgraph: Subgraph) -> list[tuple[str, str]]:
    names = []
    for op in subgraph.operators:
        first = next((t for t in op.outputs if t >= 0), -1)
        names.append((op.label, subgraph.tensors[first].name if first >= 0 else ""))
    return names


def _common(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """Runs that both have in the same order."""
    shortcut = max(len(a), len(b)) > _EXACT
    return [(m.a, m.b, m.size) for m in SequenceMatcher(None, a, b, autojunk=shortcut).get_matching_blocks() if m.size]
