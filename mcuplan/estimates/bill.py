"""Bill of materials: a board and the parts it is used with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BillLine:
    """One thing to buy; ``amount`` is None where no price is known."""

    name: str
    amount: float | None
    currency: str
    year: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines, and a total for each currency: amounts of different currencies are not added."""

    lines: tuple[BillLine, ...]
    totals: tuple[tuple[str, float], ...]
    complete: bool


def bill(lines: Sequence[BillLine]) -> Bill:
    """Add up what is known."""
    totals: dict[str, float] = {}
    for line in lines:
        if line.amount is not None:
            totals[line.currency] = totals.get(line.currency, 0.0) + line.amount
    return Bill(tuple(lines), tuple(sorted(totals.items())), all(line.amount is not None for line in lines))
