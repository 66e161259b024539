"""Which operator of one model is which of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from mcuplan.findings.diff.items import Key
from mcuplan.graph import Graph, Subgraph

_EXACT = 2_000
"""Operators up to which the longest runs are sought without difflib's shortcut for frequent ones."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Pairs of operators as ``(subgraph, operator)``, from old to new; ``moved`` are the new ones in another order."""

    pairs: Mapping[tuple[int, int], tuple[int, int]]
    moved: frozenset[tuple[int, int]] = frozenset()

    def new_of(self, key: Key) -> Key | None:
        """An old operator's key by its new index; None where the operator is gone."""
        found = self.pairs.get((key[1], key[2]))
        return None if found is None else (key[0], *found, key[3])


def match(old: Graph, new: Graph) -> Matching:
    """Match operators subgraph by subgraph: in order by kind and name of the output, then those that moved, by the
    same if nothing else has it, then in order by kind alone.
    """
    pairs: dict[tuple[int, int], tuple[int, int]] = {}
    moved: set[tuple[int, int]] = set()
    for s, (a, b) in enumerate(zip(old.subgraphs, new.subgraphs, strict=False)):
        elsewhere = _moved(a, b)
        moved |= {(s, j) for j in elsewhere.values()}
        for i, j in (*_pairs(a, b, elsewhere), *elsewhere.items()):
            pairs[s, i] = (s, j)
    return Matching(pairs, frozenset(moved))


def _moved(a: Subgraph, b: Subgraph) -> dict[int, int]:
    """Operators that both have under a name of its own, but not in the same order."""
    names_a, names_b = _named(a), _named(b)
    runs = _common(names_a, names_b)
    in_a = {i + k for i, _, count in runs for k in range(count)}
    in_b = {j + k for _, j, count in runs for k in range(count)}
    once_a, once_b = Counter(names_a), Counter(names_b)
    places = {name: j for j, name in enumerate(names_b) if j not in in_b and once_b[name] == 1}
    return {
        i: places[name]
        for i, name in enumerate(names_a)
        if i not in in_a and name[1] and once_a[name] == 1 and name in places
    }


def _pairs(a: Subgraph, b: Subgraph, moved: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs in order, between runs of equal names those of equal kind; ``moved`` ones are spoken for."""
    named = _named(a), _named(b)
    taken = set(moved.values())
    at_a = at_b = 0
    for i, j, count in [*_common(named[0], named[1]), (len(a.operators), len(b.operators), 0)]:
        free_a = [k for k in range(at_a, i) if k not in moved]
        free_b = [k for k in range(at_b, j) if k not in taken]
        kinds = [a.operators[k].label for k in free_a], [b.operators[k].label for k in free_b]
        for x, y, run in _common(*kinds):
            yield from ((free_a[x + k], free_b[y + k]) for k in range(run))
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
