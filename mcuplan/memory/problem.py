"""The allocation problem: buffers with lifespans that must share one block of memory without meeting.

The vocabulary is that of MiniMalloc (M. D. Moffitt, "MiniMalloc: A Lightweight Memory Allocator for
Hardware-Accelerated Machine Learning", ASPLOS 2023). All sizes and offsets are bytes; time is a whole number of steps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from mcuplan.errors import McuplanError


class AllocationError(McuplanError):
    """A problem that makes no sense, or a file that holds none."""


@dataclass(frozen=True, slots=True)
class Window:
    """During the steps ``[lower, upper)`` only the bytes ``[begin, end)`` of a buffer are in use."""

    lower: int
    upper: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Buffer:
    """One item to place: ``size`` bytes in use during the steps ``[lower, upper)``.

    ``offset`` fixes its place; otherwise it goes to a multiple of ``alignment``. With ``windows`` only the bytes that
    they name are in use, and nothing in steps that no window covers.
    """

    id: Hashable
    size: int
    lower: int
    upper: int
    alignment: int = 1
    offset: int | None = None
    windows: tuple[Window, ...] = ()

    def pieces(self) -> tuple[Window, ...]:
        """The buffer's use as rectangles of time and bytes, empty ones left out."""
        if not self.windows:
            return (Window(self.lower, self.upper, 0, self.size),) if self.size and self.lower < self.upper else ()
        return tuple(w for w in self.windows if w.begin < w.end and w.lower < w.upper)


@dataclass(frozen=True, slots=True)
class Problem:
    """Buffers to place, and the bytes there are (None: as few as possible).

    Raises
    ------
    AllocationError
        On two buffers of one id, negative sizes or alignments, or windows that leave their buffer.
    """

    buffers: tuple[Buffer, ...]
    capacity: int | None = None

    def __post_init__(self) -> None:
        seen: set[Hashable] = set()
        for b in self.buffers:
            if b.id in seen:
                raise AllocationError(f"two buffers are called {b.id!r}")
            seen.add(b.id)
            if b.size < 0 or b.alignment < 1 or b.upper < b.lower:
                raise AllocationError(f"buffer {b.id!r} has a negative size or lifespan, or an alignment below 1")
            for w in b.windows:
                if not (b.lower <= w.lower <= w.upper <= b.upper and 0 <= w.begin <= w.end <= b.size):
                    raise AllocationError(f"a window of buffer {b.id!r} leaves the buffer")


@dataclass(frozen=True, slots=True)
class Solution:
    """Offsets in bytes by buffer id.

    ``height`` is the end of the highest buffer; ``score`` what the objective made of it (the height itself without
    one); ``optimal`` tells that no offsets have a lower score; ``proof`` says why, or how far the search got.
    """

    offsets: Mapping[Hashable, int]
    height: int
    lower_bound: int
    optimal: bool
    proof: str
    score: int = 0


def height(problem: Problem, offsets: Mapping[Hashable, int]) -> int:
    """The end of the highest buffer, in bytes."""
    return max((offsets[b.id] + b.size for b in problem.buffers if b.size), default=0)


def conflicts(problem: Problem, offsets: Mapping[Hashable, int]) -> Iterator[tuple[Hashable, Hashable]]:
    """Pairs of buffers that use one byte at the same step, by their definition alone.

    Examples
    --------
    >>> two = Problem((Buffer("a", 4, 0, 2), Buffer("b", 4, 1, 3)))
    >>> list(conflicts(two, {"a": 0, "b": 3})), list(conflicts(two, {"a": 0, "b": 4}))
    ([('a', 'b')], [])
    """
    for i, a in enumerate(problem.buffers):
        for b in problem.buffers[:i]:
            if any(_meet(p, offsets[a.id], q, offsets[b.id]) for p in a.pieces() for q in b.pieces()):
                yield b.id, a.id


def _meet(p: Window, p_at: int, q: Window, q_at: int) -> bool:
    in_time = p.lower < q.upper and q.lower < p.upper
    return in_time and p_at + p.begin < q_at + q.end and q_at + q.begin < p_at + p.end
