"""Good orders fast: beam search, layer by layer of executed operators.

The beam keeps the most promising downsets of each size (least peak so far, then least live bytes); of a downset
reached twice the better way is kept. An operator that fits under the peak so far and does not raise the live bytes
runs at once (see `decision`). A beam of width 1 is the greedy order.
"""

from __future__ import annotations

import heapq

from mcuplan.deadline import Deadline
from mcuplan.scheduling.lattice import Lattice

_Path = tuple["_Path | None", int]
_TICK = 256
"""Operators between two looks at the clock."""

_State = tuple[int, int, int, int, _Path | None]
"""Peak so far, live bytes, executed operators, ready operators, and how they were reached."""


def beam_search(lattice: Lattice, width: int, deadline: Deadline) -> tuple[int, ...]:
    """A complete order.

    Parameters
    ----------
    lattice
        The operators and buffers.
    width
        Downsets kept of each size, at least 1.
    deadline
        Looked at once for each downset and for every few hundred operators.

    Raises
    ------
    OutOfTimeError
        Where the time is up before there is one.
    """
    layer: list[_State] = [(0, lattice.start_bytes, 0, lattice.start, None)]
    for _ in range(lattice.n):
        reached: dict[int, _State] = {}
        for state in layer:
            deadline.check()
            for following in _successors(lattice, state, deadline):
                known = reached.get(following[2])
                if known is None or following[0] < known[0]:
                    reached[following[2]] = following
        layer = heapq.nsmallest(width, reached.values(), key=lambda state: state[:3])
    return _unwind(layer[0][4])


def _successors(lattice: Lattice, state: _State, deadline: Deadline) -> list[_State]:
    actions, effect = lattice.actions, lattice.effect
    peak, live, done, ready, path = state
    moves: list[tuple[int, int, int]] = []
    left = ready
    while left:
        bit = left & -left
        left ^= bit
        near, memo, v, _, _ = actions[bit]
        key = done & near
        rise, change = memo.get(key) or effect(v, key)
        if change <= 0 and live + rise <= peak:
            moves = [(live + rise, change, bit)]
            break
        moves.append((live + rise, change, bit))
    found: list[_State] = []
    for looked, (cost, change, bit) in enumerate(moves, 1):
        if not looked % _TICK:
            deadline.check()
        after = done | bit
        then = ready ^ bit
        for successor, needs in actions[bit].feeds:
            if not needs & ~after:
                then |= successor
        found.append((max(peak, cost), live + change, after, then, (path, actions[bit].operator)))
    return found


def _unwind(path: _Path | None) -> tuple[int, ...]:
    order = []
    while path is not None:
        path, v = path
        order.append(v)
    return tuple(reversed(order))
