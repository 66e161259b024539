"""A progress line while a search runs, on terminals only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcuplan.planning.plan import PlanOptions

_DELAY = 0.5
"""Seconds before anything is shown: short searches should not flicker."""


@contextmanager
def searching(options: PlanOptions) -> Iterator[PlanOptions]:
    """``options`` with a progress line on stderr that shows the best height so far."""
    if not sys.stderr.isatty():
        yield options
        return
    from time import monotonic

    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("planning", total=None, visible=False)
        start = monotonic()

        def tell(height: int) -> None:
            progress.update(
                task, description=f"planning: best height {height:,} bytes", visible=monotonic() - start > _DELAY
            )

        yield replace(options, progress=tell)
