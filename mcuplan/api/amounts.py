"""Amounts as people write them (``"64kB"``, ``"200ms"``) or as numbers in the base unit."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import TypeAlias

from mcuplan.budget.units import parse_bytes, parse_count

Size: TypeAlias = int | str
"""Bytes, or text such as ``64kB`` (1,000 bytes each) and ``64KiB`` (1,024)."""
Count: TypeAlias = int | str
"""A number, or text such as ``60M``."""
Quantity: TypeAlias = float | str
"""Seconds, joules or watts, or text such as ``200ms``, ``5mJ``, ``1mW``."""


def size(amount: Size | None) -> int | None:
    """Bytes; UnitError where it is no amount of them."""
    return None if amount is None else parse_bytes(amount if isinstance(amount, str) else index(amount))


def count(amount: Count | None) -> int | None:
    """A number; UnitError where it is none."""
    return None if amount is None else parse_count(amount if isinstance(amount, str) else index(amount))


def seconds(amount: Quantity | None, scale: float = 1.0) -> float | None:
    """A time in seconds, times ``scale``; EstimateError where it is none."""
    from mcuplan.estimates.quantities import parse_duration

    return _scaled(amount, parse_duration, scale)


def joules(amount: Quantity | None, scale: float = 1.0) -> float | None:
    """An energy in joules, times ``scale``; EstimateError where it is none."""
    from mcuplan.estimates.quantities import parse_energy

    return _scaled(amount, parse_energy, scale)


def watts(amount: Quantity | None, scale: float = 1.0) -> float | None:
    """A power in watts, times ``scale``; EstimateError where it is none."""
    from mcuplan.estimates.quantities import parse_power

    return _scaled(amount, parse_power, scale)


def _scaled(amount: Quantity | None, parse: Callable[[str], float], scale: float) -> float | None:
    if amount is None:
        return None
    if isinstance(amount, str):
        return parse(amount) * scale
    if not 0 < amount < float("inf"):
        from mcuplan.estimates.errors import EstimateError

        raise EstimateError(f"{amount!r} is no amount: it must be above 0")
    return float(amount) * scale
