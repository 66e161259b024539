"""Bytes below which no placement gets."""

from __future__ import annotations

from itertools import pairwise

from mcuplan.memory.problem import Problem


def lower_bound(problem: Problem) -> int:
    """The most bytes in use at one step, or the end of a buffer whose place is fixed, whichever is more.

    A buffer's bytes at a step count as far as windows leave them in use.

    Examples
    --------
    >>> from mcuplan.memory import Buffer
    >>> lower_bound(Problem((Buffer("a", 4, 0, 2), Buffer("b", 4, 1, 3))))
    8
    """
    changes: dict[int, int] = {}
    for buffer in problem.buffers:
        for piece in buffer.pieces():
            changes[piece.lower] = changes.get(piece.lower, 0) + piece.end - piece.begin
            changes[piece.upper] = changes.get(piece.upper, 0) - (piece.end - piece.begin)
    live = most = 0
    for step in sorted(changes):
        live += changes[step]
        most = max(most, live)
    fixed = max((b.offset + b.size for b in problem.buffers if b.offset is not None and b.size), default=0)
    return max(most, fixed, max((b.size for b in problem.buffers), default=0))


def live_profile(problem: Problem) -> list[tuple[int, int, int]]:
    """Bytes in use as ``(lower, upper, bytes)`` for each run of steps between two changes."""
    changes: dict[int, int] = {}
    for buffer in problem.buffers:
        for piece in buffer.pieces():
            changes[piece.lower] = changes.get(piece.lower, 0) + piece.end - piece.begin
            changes[piece.upper] = changes.get(piece.upper, 0) - (piece.end - piece.begin)
    profile = []
    live = 0
    for lower, upper in pairwise(sorted(changes)):
        live += changes[lower]
        profile.append((lower, upper, live))
    return profile
