"""``mcuplan energy`` on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from mcuplan.estimates.bill import Bill
from mcuplan.estimates.duty import AveragePower
from mcuplan.estimates.energy import EnergyReport, RamUse
from mcuplan.reports.documents.performance import show_quantity
from mcuplan.reports.terminal.estimates import basis_lines, note_lines
from mcuplan.reports.terminal.grid import Column, grid
from mcuplan.reports.terminal.lines import Lines
from mcuplan.text import show_share


def energy_lines(report: EnergyReport, width: int) -> Iterator[Text]:
    """Energy of each model, average power, battery, memory, prices; sources and errors."""
    lines = Lines(width)
    yield lines.title(", ".join(s.model for s in report.stages))
    if report.board:
        yield lines.cut(Text(f"  on {report.board}"))
    yield Text()
    yield from _stages(report, width)
    if report.average is not None:
        yield Text()
        yield from _average(report.average, width)
        yield from lines.wrapped(Text(_tinyml(report)), hang=2)
    if report.battery_hours is not None:
        days = report.battery_hours / 24
        span = f"{days:,.1f} days" if days < 730 else f"{days / 365.25:,.1f} years"
        yield lines.cut(Text(f"battery: {report.battery or ''} lasts {span}"))
    if report.grams_co2_a_year is not None:
        yield Text(f"CO2: {report.grams_co2_a_year:,.1f} g a year")
    yield Text()
    yield from _ram(report.ram, lines)
    if report.bill is not None:
        yield from _bill(report.bill, width)
    yield Text()
    yield from basis_lines(report.bases, width)
    yield from note_lines(report.notes, width)


def _stages(report: EnergyReport, width: int) -> Iterator[Text]:
    columns = (
        Column("model", least=12), Column("runs", right=True), Column("bound float32", right=True),
        Column("bound int8", right=True), Column("ratio", right=True), Column("time", right=True),
        Column("energy on board", right=True),
    )  # fmt: skip
    cells = [
        (
            s.model, f"{s.probability:g}", f"{s.bound_float32.total_uj:,.2f} uJ",
            f"{s.bound_int8.total_uj:,.2f} uJ",
            f"{s.bound_float32.total_uj / s.bound_int8.total_uj:.1f}x" if s.bound_int8.total_uj else "-",
            "unknown" if s.microseconds is None else show_quantity(s.microseconds, "us", s.error_percent),
            "unknown" if s.microjoules is None else show_quantity(s.microjoules, "uJ", s.error_percent),
        )
        for s in report.stages
    ]  # fmt: skip
    yield from grid(columns, cells, width)


def watts_text(watts: float | None) -> str:
    """Watts in the unit that suits them.

    Examples
    --------
    >>> watts_text(0.04), watts_text(4.5e-6), watts_text(None)
    ('40 mW', '4.5 uW', 'unknown')
    """
    if watts is None:
        return "unknown"
    unit, scale = next((u, s) for u, s in (("W", 1.0), ("mW", 1e-3), ("uW", 1e-6), ("nW", 0.0)) if watts >= s)
    return f"{watts / (scale or 1e-9):,.3g} {unit}"


def _average(power: AveragePower, width: int) -> Iterator[Text]:
    columns = (Column("average power of", least=12), Column("power", right=True), Column("share", right=True))
    cells = [
        (
            share.name, watts_text(share.watts),
            show_share(share.watts / power.known_watts) if share.watts is not None and power.known_watts else "",
        )
        for share in power.shares
    ]  # fmt: skip
    total = watts_text(power.watts) if power.watts is not None else f"at least {watts_text(power.known_watts)}"
    cells.append((f"all, a period of {power.period_seconds:g} s, {show_share(power.busy)} busy", total, ""))
    yield from grid(columns, cells, width)


def _tinyml(report: EnergyReport) -> str:
    verdict = {True: "yes", False: "no", None: "unknown, a part's power is not known"}[report.tinyml]
    return f"TinyML (average power below 1 mW): {verdict}"


def _ram(ram: RamUse, lines: Lines) -> Iterator[Text]:
    parts = "".join(f" + {name} {size:,}" for name, size in ram.buffers)
    text = f"RAM: {ram.total_bytes:,} bytes (models {ram.models_bytes:,}{parts})"
    if ram.available_bytes is not None:
        text += f" of {ram.available_bytes:,}: {'fits' if ram.fits else 'does not fit'}"
    yield from lines.wrapped(Text(text), hang=2)


def _bill(bill: Bill, width: int) -> Iterator[Text]:
    columns = (
        Column("to buy", least=12),
        Column("price", right=True),
        Column("year", right=True),
        Column("source", least=8, optional=True),
    )
    cells = [
        (line.name, "unknown" if line.amount is None else f"{line.amount:,.2f} {line.currency}",
         str(line.year or ""), line.source)
        for line in bill.lines
    ]  # fmt: skip
    totals = " + ".join(f"{amount:,.2f} {currency}" for currency, amount in bill.totals)
    yield Text()
    yield from grid(columns, [*cells, ("all" if bill.complete else "all that is known", totals, "", "")], width)
