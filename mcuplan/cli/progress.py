"""A progress line while a search runs, on terminals only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mcuplan.api.plan import PlanProgress

_DELAY = 0.5
"""Seconds before anything is shown: short searches should not flicker."""


@contextmanager
def searching() -> Iterator[PlanProgress]:
    """Whom a search tells how far it is: a progress line on stderr that shows the best found so far."""
    if not sys.stderr.isatty():
        yield PlanProgress()
        return
    from time import monotonic

    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("planning", total=None, visible=False)
        start = monotonic()

        def tell(text: str) -> None:
            progress.update(task, description=text, visible=monotonic() - start > _DELAY)

        yield PlanProgress(
            lambda height: tell(f"planning: best height {height:,} bytes"),
            lambda tried, least: tell(f"patch stages: {tried:,} tried, at least {least:,} bytes of arena"),
        )
