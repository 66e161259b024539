"""Interchangeable parts of a lattice: parallel branches that are copies of each other.

Branches are the connected components of a section: operators that need each other or fill a common buffer. Two
branches with the same operators in the same places, reading the same outside buffers, can be exchanged in any order
without changing a single step cost, so that of two executed sets that differ by such an exchange a search needs to
look at one only.
"""

from __future__ import annotations

from collections.abc import Callable

from mcuplan.scheduling.lattice import Lattice, bits

_Twins = tuple[int, tuple[tuple[int, ...], ...]]


def canonical_form(lattice: Lattice) -> Callable[[int], int] | None:
    """A function from executed sets to one representative of all that equal it by exchanging equal branches.

    None where the lattice has no two equal branches.

    Notes
    -----
    Branches are compared operator by operator in index order, which finds the copies that exporters write; a copy
    with its operators shuffled is taken for another branch, which is safe.
    """
    kinds: dict[object, list[list[int]]] = {}
    for branch in _branches(lattice):
        kinds.setdefault(_description(lattice, branch), []).append(branch)
    classes = [twins for twins in kinds.values() if len(twins) > 1]
    if not classes:
        return None
    # Each branch as (mask, spread): `spread` lists the bit of each of its operators, in the common order.
    groups = [[[1 << v for v in branch] for branch in twins] for twins in classes]
    fixed = lattice.full
    for twins in groups:
        for branch in twins:
            for bit in branch:
                fixed &= ~bit

    def representative(done: int) -> int:
        image = done & fixed
        for twins in groups:
            states = sorted(tuple([bit & done != 0 for bit in branch]) for branch in twins)
            for branch, state in zip(twins, states, strict=True):
                for bit, executed in zip(branch, state, strict=True):
                    if executed:
                        image |= bit
        return image

    return representative


def _branches(lattice: Lattice) -> list[list[int]]:
    """Connected components, each in rising order."""
    linked = [lattice.needs[v] | lattice.feeds[v] for v in range(lattice.n)]
    for span in lattice.spans:
        for v in bits(span.writers):
            linked[v] |= span.writers
    left = lattice.full
    branches = []
    while left:
        branch = grown = left & -left
        while grown:
            reached = 0
            for v in bits(grown):
                reached |= linked[v]
            grown = reached & ~branch
            branch |= grown
        left &= ~branch
        branches.append(list(bits(branch)))
    return branches


def _description(lattice: Lattice, branch: list[int]) -> object:
    """All that the step costs of a branch depend on, with its operators named by their place in the branch."""
    inside = sum(1 << v for v in branch)
    place = {v: i for i, v in enumerate(branch)}

    def places(mask: int) -> tuple[int, ...]:
        return tuple(place[v] for v in bits(mask & inside))

    buffers = []
    for i, span in enumerate(lattice.spans):
        if not (span.writers | span.readers) & inside:
            continue
        outside = (span.writers | span.readers) & ~inside
        # A buffer that other branches read too is the same buffer for all of them, not one like it.
        identity = i if outside else -1
        buffers.append((identity, span.size, places(span.writers), places(span.readers), span.given, span.kept))
    operators = tuple((lattice.scratch[v], places(lattice.needs[v])) for v in branch)
    return operators, tuple(sorted(buffers))
