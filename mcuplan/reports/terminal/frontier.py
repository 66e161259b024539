"""``mcuplan fit-search`` on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from mcuplan.estimates.frontier import Frontier, Point
from mcuplan.reports.terminal.estimates import basis_lines, note_lines
from mcuplan.reports.terminal.grid import Column, grid
from mcuplan.reports.terminal.lines import Lines
from mcuplan.text import show_count


def frontier_lines(result: Frontier, width: int) -> Iterator[Text]:
    """Limits, the given model, and every point of the frontier."""
    lines = Lines(width)
    yield lines.title(result.model)
    yield from lines.wrapped(Text(f"  limits: {'; '.join(result.limits)}"), hang=4)
    yield Text()
    columns = (
        Column("width", right=True), Column("input", right=True), Column("RAM", right=True),
        Column("flash", right=True), Column("MACs", right=True), Column(""),
    )  # fmt: skip
    rows = [_row(result.given, "the given model"), *(_row(point, "fits") for point in result.points)]
    yield from grid(columns, rows, width)
    yield Text()
    if not result.points:
        yield Text("nothing fits: every width is too large at the smallest resolution")
    elif result.too_wide:
        yield from lines.wrapped(Text(f"nothing fits at width {', '.join(f'{w:g}' for w in result.too_wide)}"), hang=2)
    yield Text(f"{result.tried} networks tried")
    yield from basis_lines([result.basis], width)
    yield from note_lines(result.notes, width)


def _row(point: Point, said: str) -> tuple[str, ...]:
    size = point.size
    at = "as given" if point.resolution is None else f"{point.resolution[0]}x{point.resolution[1]}"
    remark = said if size.fits or said == "fits" else f"{said}, does not fit"
    return f"{point.width:g}", at, f"{size.ram_bytes:,}", f"{size.flash_bytes:,}", show_count(size.macs), remark
