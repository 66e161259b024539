"""A progress line while a search runs, on terminals only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mcuplan.api.plan import PlanProgress

if TYPE_CHECKING:
    from mcuplan.api.sweep import SweepProgress

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


@contextmanager
def sweeping() -> Iterator[SweepProgress]:
    """Whom a sweep tells how far it is: a bar on stderr with models a second and the time left."""
    from mcuplan.api.sweep import SweepProgress

    if not sys.stderr.isatty():
        yield SweepProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("models, {task.fields[rate]:.0f} a second, left"),
        TimeRemainingColumn(), TextColumn("{task.fields[before]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("sweep", total=None, rate=0.0, before="")
        before = 0

        def done(_model: str, anew: bool) -> None:
            nonlocal before
            before += not anew
            told = f"({before:,} done before)" if before else ""
            progress.update(task, advance=1, rate=progress.tasks[task].speed or 0.0, before=told)

        yield SweepProgress(lambda total: progress.update(task, total=total), done)
