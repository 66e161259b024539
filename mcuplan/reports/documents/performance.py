"""Time, energy and power in the document, and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mcuplan.budget.performance import UNITS, HeldEstimate, Performance, Quantity
from mcuplan.reports.documents.report import Energy, EstimateRule, Latency, Power, Result, Violation

_WORDS = {"latency": "latency", "energy": "energy", "power": "average power"}
_STEPS: dict[str, tuple[tuple[str, float], ...]] = {
    "us": (("s", 1e6), ("ms", 1e3), ("us", 0.0)),
    "uJ": (("J", 1e6), ("mJ", 1e3), ("uJ", 1.0), ("nJ", 0.0)),
    "mW": (("W", 1e3), ("mW", 1.0), ("uW", 1e-3), ("nW", 0.0)),
}
_ROUGH = 5.0
"""Per cent of error from which on a figure has two digits."""

_SMALLEST = {"us": 1.0, "uJ": 1e-3, "mW": 1e-6}


def show_quantity(amount: float, unit: str, error_percent: float | None = None) -> str:
    """An amount of ``us``, ``uJ`` or ``mW`` in the unit that suits it, three digits or all before the point.

    An estimate has as many digits as its error leaves: two where it may be 5% off or more.

    Examples
    --------
    >>> show_quantity(628_900, "us"), show_quantity(6_277, "uJ"), show_quantity(0.632, "mW"), show_quantity(250, "us")
    ('629 ms', '6.28 mJ', '632 uW', '250 us')
    >>> show_quantity(628_900, "us", 23)
    '630 ms'
    """
    if error_percent is not None and error_percent >= _ROUGH:
        amount = float(f"{amount:.2g}")
    name, scale = next((name, scale) for name, scale in _STEPS[unit] if amount >= scale)
    shown = amount / (scale or _SMALLEST[unit])
    return f"{shown:,.0f} {name}" if shown >= 100 else f"{shown:.3g} {name}"


def with_performance(result: Result, found: Performance, period: float | None) -> Result:
    """``result`` with the figures of ``found``, the limits they were held against, and what could not be judged."""
    rules = tuple(_rule(row, found) for row in found.held)
    told = tuple(rule.message for rule in rules if rule.message and rule.kept is not False)
    return replace(
        result,
        latency=_latency(found),
        energy=_energy(found),
        power=_power(found, period),
        limits=replace(result.limits, estimates=rules),
        violations=(*result.violations, *(_violation(rule) for rule in rules if rule.kept is False)),
        # What was not judged must not be the note that a reader does not get to.
        notes=(*told, *result.notes, *found.notes),
    )


def estimate_facts(result: Result) -> Iterator[tuple[str, str]]:
    """What to show of time, energy and power: a label and a sentence with limit and error, each."""
    if result.latency is not None:
        off = _off(result.latency.error_percent, " on measured networks")
        shown = _against(result, "latency", result.latency.us, "us", result.latency.error_percent)
        yield "time", f"about {shown}{off}"
    if result.energy is not None:
        off = _off(result.energy.error_percent, " in time alone")
        shown = _against(result, "energy", result.energy.uj, "uJ", result.energy.error_percent)
        yield "energy", f"about {shown}{off}"
    if result.power is not None:
        off = _off(result.power.error_percent, " by the time alone")
        shown = _against(result, "power", result.power.mw, "mW", result.power.error_percent)
        yield "power", f"about {shown} on average, once in {result.power.period_s:g} s{off}"


def unjudged(result: Result) -> list[str]:
    """A sentence for each limit that could not be judged."""
    return [rule.message for rule in result.limits.estimates if rule.kept is None]


def _off(percent: float | None, where: str) -> str:
    return "" if percent is None else f", up to {percent:.0f}% off{where}"


def _against(result: Result, quantity: str, amount: float, unit: str, error_percent: float | None) -> str:
    limit = next((rule.limit for rule in result.limits.estimates if rule.quantity == quantity), None)
    return show_quantity(amount, unit, error_percent) + ("" if limit is None else f" of {show_quantity(limit, unit)}")


def _rule(row: HeldEstimate, found: Performance) -> EstimateRule:
    unit = UNITS[row.quantity]
    return EstimateRule(
        row.quantity.value, unit, row.limit, row.figure, row.kept, row.close, row.source, _sentence(row, unit, found)
    )


def _sentence(row: HeldEstimate, unit: str, found: Performance) -> str:
    word, limit = _WORDS[row.quantity.value], f"{show_quantity(row.limit, unit)} ({row.source})"
    if row.figure is None:
        why = found.unknown.get(row.quantity, "nothing is known")
        return f"the limit on {word} of {limit} cannot be judged: no data: {why}"
    doubt = f"; the estimate may be {row.error_percent:.0f}% off, so it could be otherwise" if row.close else ""
    if row.kept:
        figure = show_quantity(row.figure, unit, row.error_percent)
        return f"{word}: {figure} keeps the limit of {limit}{doubt}" if doubt else ""
    over, figure = (show_quantity(a, unit, row.error_percent) for a in (row.figure - row.limit, row.figure))
    return f"{word}: about {figure}, may be at most {limit}: {over} too much{doubt}"


def _violation(rule: EstimateRule) -> Violation:
    assert rule.figure is not None
    return Violation(rule.quantity, "estimate", rule.limit, rule.figure, rule.figure - rule.limit, rule.message)


def _latency(found: Performance) -> Latency | None:
    e = found.estimate(Quantity.LATENCY)
    if e is None:
        return None
    return Latency(round(e.amount, 1), _percent(e.error_percent), e.basis.source, e.basis.error)


def _energy(found: Performance) -> Energy | None:
    e = found.estimate(Quantity.ENERGY)
    if e is None:
        return None
    return Energy(round(e.amount, 4), _percent(e.error_percent), e.basis.source, e.basis.error)


def _power(found: Performance, period: float | None) -> Power | None:
    e = found.estimate(Quantity.POWER)
    if e is None or period is None:
        return None
    return Power(round(e.amount, 7), period, _percent(e.error_percent), e.basis.source, e.basis.error)


def _percent(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)
