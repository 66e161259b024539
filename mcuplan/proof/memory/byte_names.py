"""Bytes by name: what a tensor ought to hold, and what the arena does hold.

A byte's name is a *value* and a position in it: byte 3 of what operator 7 computed. A range of bytes whose names
follow one another is one segment, so that a tensor is a segment or a few, and so is the arena.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

UNKNOWN = 0
"""The value of bytes that hold nothing in particular: never written, scratch, or different things on two paths."""

NOBODY = -1
"""The writer of bytes that nothing has written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes ``[begin, end)`` of a tensor: byte ``i`` is byte ``i + shift`` of ``value``."""

    begin: int
    end: int
    value: int
    shift: int = 0


Content = tuple[Segment, ...]
"""What a tensor holds, its segments side by side from byte 0 on."""


def cut(content: Content, begin: int, end: int, to: int = 0) -> Iterator[Segment]:
    """Bytes ``[begin, end)`` of ``content``, moved so that they begin at byte ``to``."""
    move = to - begin
    for s in content:
        low, high = max(s.begin, begin), min(s.end, end)
        if low < high:
            yield Segment(low + move, high + move, s.value, s.shift - move)


def joined(segments: Iterable[Segment]) -> Content:
    """The segments with neighbours made one where their names follow one another."""
    found: list[Segment] = []
    for s in segments:
        last = found[-1] if found else None
        if last is not None and (last.end, last.value, last.shift) == (s.begin, s.value, s.shift):
            found[-1] = Segment(last.begin, s.end, s.value, s.shift)
        else:
            found.append(s)
    return tuple(found)


def overlaid(content: Content, patch: Iterable[Segment], begin: int, end: int) -> Content:
    """``content`` with bytes ``[begin, end)`` replaced by ``patch``, which covers them."""
    size = content[-1].end if content else end
    return joined((*cut(content, 0, begin), *patch, *cut(content, end, max(size, end), end)))


@dataclass(frozen=True, slots=True)
class Cell:
    """A range of the arena: address ``a`` holds byte ``a + shift`` of ``value``, put there by ``writer``."""

    begin: int
    end: int
    value: int
    shift: int
    writer: int


class Memory:
    """The arena as a map from addresses to byte names; every address has one, at first :data:`UNKNOWN`."""

    __slots__ = ("_cells", "_starts")

    def __init__(self, begin: int, end: int) -> None:
        self._starts = [begin]
        self._cells = [Cell(begin, end, UNKNOWN, 0, NOBODY)]

    def copy(self) -> Memory:
        """A memory that can be changed apart from this one."""
        twin = object.__new__(Memory)
        twin._starts, twin._cells = self._starts.copy(), self._cells.copy()
        return twin

    def cells(self, begin: int, end: int) -> Iterator[Cell]:
        """What ``[begin, end)`` holds, in order of addresses, cut to that range."""
        if begin >= end:
            return
        for i in range(bisect_right(self._starts, begin) - 1, len(self._cells)):
            c = self._cells[i]
            if c.begin >= end:
                return
            if begin <= c.begin and c.end <= end:
                yield c
            else:
                yield Cell(max(c.begin, begin), min(c.end, end), c.value, c.shift, c.writer)

    def write(self, begin: int, end: int, value: int, shift: int, writer: int) -> None:
        """Let ``[begin, end)`` hold bytes of ``value``."""
        if begin >= end:
            return
        first = bisect_right(self._starts, begin) - 1
        last = bisect_left(self._starts, end)
        head, tail = self._cells[first], self._cells[last - 1]
        new = [Cell(begin, end, value, shift, writer)]
        if head.begin < begin:
            new.insert(0, Cell(head.begin, begin, head.value, head.shift, head.writer))
        if end < tail.end:
            new.append(Cell(end, tail.end, tail.value, tail.shift, tail.writer))
        self._cells[first:last] = new
        self._starts[first:last] = [c.begin for c in new]

    def put(self, address: int, segments: Iterable[Segment], writer: int) -> None:
        """Write a tensor's segments, the tensor beginning at ``address``."""
        for s in segments:
            self.write(address + s.begin, address + s.end, s.value, s.shift - address, writer)

    def move(self, begin: int, end: int, to: int, writer: int) -> None:
        """Copy ``[begin, end)`` to address ``to``, whatever it holds; the two ranges must be apart."""
        for c in list(self.cells(begin, end)):
            at = c.begin + to - begin
            self.write(at, at + c.end - c.begin, c.value, c.shift + begin - to, writer)

    def wrong(self, address: int, segments: Iterable[Segment]) -> Iterator[Cell]:
        """The cells that do not hold what ``segments`` of a tensor at ``address`` say."""
        for s in segments:
            for c in self.cells(address + s.begin, address + s.end):
                if c.value != s.value or c.shift != s.shift - address:
                    yield c

    def met(self, other: Memory) -> Memory:
        """What both memories hold: UNKNOWN where they differ, by the later writer (writers are numbered in time)."""
        twin = object.__new__(Memory)
        cells: list[Cell] = []
        value = shift = writer = end = begin = 0
        for low, high, a, b in self._side_by_side(other):
            if a.value == b.value and a.shift == b.shift:
                now = (a.value, a.shift, a.writer)
            else:
                now = (UNKNOWN, 0, max(a.writer, b.writer))
            if low == end and now == (value, shift, writer) and begin < end:
                end = high
                continue
            if begin < end:
                cells.append(Cell(begin, end, value, shift, writer))
            (value, shift, writer), begin, end = now, low, high
        cells.append(Cell(begin, end, value, shift, writer))
        twin._cells, twin._starts = cells, [c.begin for c in cells]
        return twin

    def same_values(self, other: Memory) -> bool:
        """True where both hold the same everywhere, whoever wrote it."""
        return all(a.value == b.value and a.shift == b.shift for _, _, a, b in self._side_by_side(other))

    def _side_by_side(self, other: Memory) -> Iterator[tuple[int, int, Cell, Cell]]:
        """Ranges in which neither memory has a boundary, with the cells around them."""
        ours, theirs = self._cells, other._cells
        i = j = 0
        low = ours[0].begin
        while i < len(ours) and j < len(theirs):
            a, b = ours[i], theirs[j]
            high = min(a.end, b.end)
            yield low, high, a, b
            low = high
            i += a.end == high
            j += b.end == high
