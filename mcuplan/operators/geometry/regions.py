"""Spans and regions: which rows and columns of a feature map something reads or writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Positions ``[begin, end)`` along one spatial axis."""

    begin: int
    end: int

    def __len__(self) -> int:
        return max(self.end - self.begin, 0)

    def __bool__(self) -> bool:
        return self.end > self.begin

    def __contains__(self, other: Span) -> bool:
        return not other or (self.begin <= other.begin and other.end <= self.end)

    def hull(self, other: Span) -> Span:
        """The shortest span that holds both; an empty one adds nothing."""
        if not other:
            return self
        if not self:
            return other
        return Span(min(self.begin, other.begin), max(self.end, other.end))


NOTHING = Span(0, 0)
"""The empty span."""


def hull(spans: Iterable[Span]) -> Span:
    """The shortest span that holds all of ``spans``; :data:`NOTHING` where all are empty."""
    found = NOTHING
    for span in spans:
        found = found.hull(span)
    return found if found else NOTHING


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a feature map, all channels included."""

    rows: Span
    columns: Span

    def __bool__(self) -> bool:
        return bool(self.rows) and bool(self.columns)

    def __contains__(self, other: Region) -> bool:
        return not other or (other.rows in self.rows and other.columns in self.columns)

    @property
    def positions(self) -> int:
        """Rows x columns."""
        return len(self.rows) * len(self.columns)

    def hull(self, other: Region) -> Region:
        """The smallest rectangle that holds both."""
        return Region(self.rows.hull(other.rows), self.columns.hull(other.columns))


def whole(rows: int, columns: int) -> Region:
    """The region of a whole feature map of ``rows`` x ``columns``."""
    return Region(Span(0, rows), Span(0, columns))


def even(total: int, size: int) -> tuple[int, ...]:
    """``total`` in pieces of ``size``; the last may be smaller."""
    full, rest = divmod(total, size)
    return (size,) * full + ((rest,) if rest else ())
