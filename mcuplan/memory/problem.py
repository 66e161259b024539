"""The allocation problem: buffers with lifespans that must share one block of memory without meeting.

The vocabulary is that of MiniMalloc (M. D. Moffitt, "MiniMalloc: A Lightweight Memory Allocator for
Hardware-Accelerated Machine Learning", ASPLOS 2023). All sizes and offsets are bytes; time is a whole number of steps.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from mcuplan.errors import McuplanError


class AllocationError(McuplanError):
    """A problem that makes no sense, or a file that holds none."""


def shown(buffer_id: Hashable) -> str:
    """A buffer's id for a message: quoted, escaped and not too long, because names are untrusted text."""
    text = ascii(buffer_id)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, slots=True)
class Window:
    """During the steps ``[lower, upper)`` the bytes ``[begin, end)`` of a buffer are in use."""

    lower: int  # first step
    upper: int  # step behind the last
    begin: int  # first byte in use, counted from the start of the buffer
    end: int  # byte behind the last one in use


@dataclass(frozen=True, slots=True)
class Buffer:
    """One item to place: ``size`` bytes in use during the steps ``[lower, upper)``.

    With ``windows`` only the bytes that they name are in use (windows of one step add up), and nothing in steps that
    no window covers.
    """

    id: Hashable  # its name, unique in the problem
    size: int  # bytes
    lower: int  # first step at which it is live
    upper: int  # step behind the last; equal to `lower` where it is never live
    alignment: int = 1  # its offset is a multiple of so many bytes
    offset: int | None = None  # where it must lie, in bytes; None where the allocator chooses
    windows: tuple[Window, ...] = ()  # which bytes are in use when; none: all of them, always
    hint: int | None = None  # an offset in bytes to begin the search with; binds nobody

    def pieces(self) -> tuple[Window, ...]:
        """The buffer's use as rectangles of time and bytes, empty ones left out."""
        if not self.windows:
            return (Window(self.lower, self.upper, 0, self.size),) if self.size and self.lower < self.upper else ()
        return tuple(w for w in self.windows if w.begin < w.end and w.lower < w.upper)

    def fault(self) -> str | None:
        """What is wrong with the buffer, as the end of a sentence; None where nothing is."""
        if self.size < 0:
            return f"has a negative size ({self.size})"
        if self.lower > self.upper:
            return f"ends at step {self.upper}, before it begins at step {self.lower}"
        if self.alignment < 1:
            return f"has an alignment of {self.alignment}, which is below 1"
        if self.offset is not None and self.offset < 0:
            return f"is fixed at a negative offset ({self.offset})"
        if self.offset is not None and self.offset % self.alignment:
            return f"is fixed at offset {self.offset}, which is not a multiple of its alignment, {self.alignment}"
        for w in self.windows:
            if not self.lower <= w.lower <= w.upper <= self.upper:
                return f"has a window of steps [{w.lower}, {w.upper}) outside its lifespan [{self.lower}, {self.upper})"
            if not 0 <= w.begin <= w.end <= self.size:
                return f"has a window of bytes [{w.begin}, {w.end}) outside its {self.size} bytes"
        return None


@dataclass(frozen=True, slots=True)
class Problem:
    """Buffers to place, and the bytes there are (None: as few as possible).

    Raises
    ------
    AllocationError
        On two buffers of one id, negative sizes, lifespans or offsets, alignments below 1, fixed offsets that are
        not aligned, or windows that leave their buffer.
    """

    buffers: tuple[Buffer, ...]
    capacity: int | None = None

    def __post_init__(self) -> None:
        if self.capacity is not None and self.capacity < 0:
            raise AllocationError(f"the capacity is negative ({self.capacity})")
        seen: set[Hashable] = set()
        for b in self.buffers:
            if b.id in seen:
                raise AllocationError(f"two buffers are called {shown(b.id)}")
            seen.add(b.id)
            if fault := b.fault():
                raise AllocationError(f"buffer {shown(b.id)} {fault}")


@dataclass(frozen=True, slots=True)
class Solution:
    """Offsets in bytes by buffer id: a placement in which no two buffers meet.

    ``height`` is the end of the highest buffer; ``score`` what the objective made of it (the height itself without
    one); ``lower_bound`` bytes below which no height gets; ``optimal`` tells that no offsets have a lower score;
    ``proof`` says why, or how far the search got. ``nodes`` counts the exact search's decisions. ``infeasible`` is
    True where no placement meets the problem's ``capacity``, proven.
    """

    offsets: Mapping[Hashable, int]
    height: int
    lower_bound: int
    optimal: bool
    proof: str
    score: int = 0
    nodes: int = 0
    capacity: int | None = None
    infeasible: bool = False

    @property
    def fits(self) -> bool | None:
        """Whether the score is within the capacity; None where the problem has none."""
        return None if self.capacity is None else self.score <= self.capacity


def height(problem: Problem, offsets: Mapping[Hashable, int]) -> int:
    """The end of the highest buffer, in bytes; empty buffers do not count."""
    return max((offsets[b.id] + b.size for b in problem.buffers if b.size), default=0)
