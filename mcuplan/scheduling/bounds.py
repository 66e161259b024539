"""A lower bound on the peak of every order, by least cuts.

When ``v`` runs, what has run before is some downset that holds all of ``v``'s ancestors and none of its descendants.
The least live bytes over all such downsets, with what ``v`` adds, are a lower bound on the peak; the greatest over
all ``v`` is the bound. ``live`` is a cut function, so that the least over a whole family of downsets is one least cut:

- a source side that holds ``v``'s ancestors, a sink side that holds ``v`` and its descendants, the operators free to
  be on either side in between;
- for each buffer an arc of its size that is cut when some writer is on the source side (or the buffer is given)
  and some reader on the sink side (or it is kept);
- an arc without limit from each operator to those it needs, so that the source side is a downset.

Buffers between an ancestor and a descendant are cut in any case: alone they are the usual "forced" bound, which the
others raise by half on densely wired graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from mcuplan.deadline import Deadline, OutOfTimeError
from mcuplan.scheduling.flow import UNLIMITED, Network
from mcuplan.scheduling.lattice import Lattice, bits


def cut_bound(lattice: Lattice, costs: Sequence[int], enough: int, most: int, reached: int, deadline: Deadline) -> int:
    """The cut bound over the operators that can raise it.

    Parameters
    ----------
    lattice
        The operators and buffers.
    costs
        Bytes that some order takes while each operator runs: no bound on that operator can exceed it.
    enough
        Stop when the bound is as high as this (the peak of a known order).
    most
        Most operators to look at, the most expensive first.
    reached
        A lower bound known before.
    deadline
        Looked at all the time: stop early where it strikes.

    Returns
    -------
    int
        A lower bound in bytes, at least ``reached``.
    """
    bound = reached
    for v in sorted(range(lattice.n), key=lambda v: -costs[v])[:most]:
        if costs[v] <= bound or bound >= enough or deadline.late():
            break
        with suppress(OutOfTimeError):
            bound = max(bound, least_cost(lattice, v, deadline))
    return bound


def least_cost(lattice: Lattice, v: int, deadline: Deadline) -> int:
    """A lower bound on the live bytes while ``v`` runs, in any order (exact for some set of executed operators).

    Raises
    ------
    OutOfTimeError
        Where the time is up before it is known.
    """
    before = lattice.ancestors[v]
    own = 1 << v
    after = lattice.descendants[v]
    free = lattice.full & ~(before | own | after)
    node = {u: i for i, u in enumerate(bits(free))}
    source, sink = len(node), len(node) + 1
    network = Network(len(node) + 2)
    forced = lattice.scratch[v]
    for span in lattice.spans:
        deadline.check()
        # v's own outputs are allocated and its own inputs not yet freed while it runs: v is on both sides.
        alive = span.given or bool(span.writers & (before | own))
        needed = span.kept or bool(span.readers & (after | own))
        if alive and needed:
            forced += span.size
            continue
        writers, readers = span.writers & free, span.readers & free
        if not (alive or writers) or not (needed or readers):
            continue
        if not alive and not needed and writers == readers == (writers & -writers):
            continue  # written and read by one operator alone: on neither side of it
        entry = source if alive else network.node()
        leave = sink if needed else network.node()
        network.arc(entry, leave, span.size)
        if not alive:
            for u in bits(writers):
                network.arc(node[u], entry, UNLIMITED)
        if not needed:
            for u in bits(readers):
                network.arc(leave, node[u], UNLIMITED)
    for u, i in node.items():
        for w in bits(lattice.needs[u] & free):
            network.arc(i, node[w], UNLIMITED)
    return forced + network.max_flow(source, sink, deadline)
