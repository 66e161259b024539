"""The targets as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from mcuplan.reports.terminal.grid import Column, grid
from mcuplan.tflm import Target


def target_table(targets: Sequence[Target], width: int) -> Iterator[Text]:
    """A line a target: its name, its TFLM's upstream date, the arenas measured on it, who ships it."""
    columns = (
        Column("target"),
        Column("upstream of"),
        Column("arenas measured", right=True),
        Column("what it is", least=12, optional=True),
    )
    rows = [
        (str(target), target.tflm.upstream, f"{target.records}" if target.records else "by rule", target.tflm.title)
        for target in targets
    ]
    yield from grid(columns, rows, width)
