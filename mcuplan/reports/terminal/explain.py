"""``mcuplan explain`` on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from rich.text import Text

from mcuplan.findings.costs import place
from mcuplan.findings.device_log import DeviceLog
from mcuplan.findings.diagnostics import Diagnostic
from mcuplan.findings.explanation import Explanation, OperatorBytes
from mcuplan.reports.terminal.glyphs import Glyphs, bar
from mcuplan.reports.terminal.grid import Bars, Column, grid
from mcuplan.reports.terminal.lines import Lines
from mcuplan.text import show_share
from mcuplan.tflm.recording import AllocationFailure, Comparison
from mcuplan.tflm.results import ArenaPrediction


def explanation_lines(explanation: Explanation, width: int, glyphs: Glyphs) -> Iterator[Text]:
    """The rows that add up to the arena to declare, each with its share."""
    total = explanation.declare_bytes
    rows = [
        (row.section, f"{row.bytes:,}{'' if row.exact else ' or less'}", show_share(row.bytes / max(total, 1)),
         row.what, row.name)
        for row in explanation.rows
    ]  # fmt: skip
    rows.append(("total", f"{total:,}", "100%", f"to declare ({explanation.used_bytes:,} used after Invoke)", ""))
    columns = (
        Column("section"), Column("bytes", right=True), Column("share", right=True), Column("what", least=44),
        Column("tensor", least=8, optional=True),
    )  # fmt: skip

    def draw(figure: int, room: int) -> Text:
        return Text(bar(figure, max(total, 1), room, glyphs).rstrip(glyphs.empty) if figure > 0 else "")

    bars = Bars([*(partial(draw, row.bytes) for row in explanation.rows), partial(draw, 0)], most=24)
    yield from grid(columns, rows, width, bars)


def operator_bytes_table(operators: Sequence[OperatorBytes], width: int) -> Iterator[Text]:
    """The persistent bytes of each operator, the largest first, and their sum."""
    columns = (
        Column("#", right=True), Column("operator", least=12), Column("node", right=True, optional=True),
        Column("options", right=True, optional=True), Column("op data", right=True, optional=True),
        Column("buffers", right=True, optional=True), Column("persistent", right=True), Column("scratch", right=True),
    )  # fmt: skip
    rows = [
        (
            place(o.subgraph, o.operator), o.name, f"{o.node:,}", f"{o.options:,}", f"{o.op_data:,}",
            f"{o.buffers:,}", f"{o.persistent:,}{'' if o.exact else ' or less'}", f"{o.scratch:,}" if o.scratch else "",
        )
        for o in operators
    ]  # fmt: skip
    node, options, op_data, buffers, persistent = (
        (
            f"{sum(figures):,}"
            for figures in zip(
                *((o.node, o.options, o.op_data, o.buffers, o.persistent) for o in operators), strict=True
            )
        )
        if operators
        else ("0",) * 5
    )
    rows.append(("", "all operators", node, options, op_data, buffers, persistent, ""))
    yield from grid(columns, rows, width)


def note_lines(arena: ArenaPrediction, diagnostics: Sequence[Diagnostic], width: int) -> Iterator[Text]:
    """Why figures are bounds, and the traps that the model holds."""
    lines = Lines(width)
    for note in arena.notes:
        yield from lines.wrapped(Text(f"bound: {note}"), hang=2)
    for diagnostic in diagnostics:
        where = f" ({diagnostic.name})" if diagnostic.name else ""
        yield from lines.wrapped(Text(f"note: {diagnostic.message}{where}"), hang=2)


def failure_lines(failures: Sequence[AllocationFailure], declare_bytes: int, width: int) -> Iterator[Text]:
    """Where TFLM found its arena too small, and how large it has to be."""
    lines = Lines(width)
    for failure in failures:
        said = (
            f"TFLM could not {failure.what}: it wanted {failure.requested:,} bytes, {failure.available:,} were left, "
            f"{failure.missing:,} missing"
        )
        yield from lines.wrapped(Text(said, style="red"), hang=2)
    if failures:
        told = "the missing bytes are those of one request, not of the whole arena: the arena to declare is"
        yield from lines.wrapped(Text(f"{told} {declare_bytes:,} bytes"), hang=2)


def comparison_lines(rows: Sequence[Comparison], width: int, of_host: bool = False) -> Iterator[Text]:
    """A recorded log beside the prediction, line by line; ``of_host``: of a program with 64-bit pointers."""
    if of_host:
        said = (
            "this log is of a 64-bit host, where pointers take twice the bytes, and so do most structures in the "
            "tail: only the head is the target's; record on the device, or build for 32 bits (-m32)"
        )
        yield from Lines(width).wrapped(Text(f"note: {said}", style="yellow"), hang=2)
    columns = (
        Column("line", least=20), Column("predicted", right=True), Column("logged", right=True),
        Column("difference", right=True),
    )  # fmt: skip
    cells = [
        (
            row.name,
            f"{row.predicted.used:,}" if row.predicted else "-",
            f"{row.logged.used:,}" if row.logged else "-",
            f"{row.difference:+,}" if row.difference else "equal",
        )
        for row in rows
    ]
    yield from grid(columns, cells, width)


def log_lines(log: DeviceLog, width: int) -> Iterator[Text]:
    """A device's log beside the prediction."""
    yield from failure_lines(log.failures, log.analysis.arena.declare_bytes, width)
    if log.rows:
        yield from comparison_lines(log.rows, width, log.of_host)
