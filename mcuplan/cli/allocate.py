"""``mcuplan allocate``: an allocation problem from a CSV file, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan.cli.parameters import SECONDS, examples

if TYPE_CHECKING:
    from mcuplan.memory import Problem, Solution

_EFFORTS = ("fast", "default", "best")


@click.command("allocate", short_help="Place buffers of a CSV file in as few bytes as possible.", epilog=examples(
    "mcuplan allocate buffers.csv",
    "mcuplan allocate buffers.csv --capacity 4096 -o placed.csv",
))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--capacity", type=click.IntRange(min=0), metavar="BYTES", help="Stop at the first placement that fits.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV file to write, with the column offset.")
@click.option("--effort", type=click.Choice(_EFFORTS), default="best", show_default=True, help="What it may cost.")
@click.option("--time-limit", type=SECONDS, metavar="SECONDS", help="CPU time after which to stop.")
def command(file: Path, capacity: int | None, output: Path | None, effort: str, time_limit: float | None) -> int:
    """Place the buffers of FILE, a CSV file in MiniMalloc's format: id, lower, upper, size.

    \b
    Columns that may follow: alignment, hint, gaps, offset (where a buffer must lie).
    Exit code 1 where the capacity is not met; nothing is written then.
    """
    from mcuplan.cli.output import write_text
    from mcuplan.deadline import Deadline
    from mcuplan.memory import read_csv, solve, write_csv

    problem = read_csv(file, capacity)
    solution = solve(problem, effort=effort, deadline=Deadline(time_limit))
    if output is not None and solution.fits is not False:
        write_csv(output, problem, solution.offsets)
    write_text(_told(problem, solution), None)
    return int(solution.fits is False)


def _told(problem: Problem, solution: Solution) -> str:
    rows = [
        ("buffers", f"{len(problem.buffers):,}"),
        ("height", f"{solution.height:,} bytes"),
        ("lower bound", f"{solution.lower_bound:,} bytes"),
        ("proof", solution.proof),
    ]
    if problem.capacity is not None:
        rows.append(("capacity", f"{problem.capacity:,} bytes: {_met(solution)}"))
    return "".join(f"{name:<12}  {text}\n" for name, text in rows)


def _met(solution: Solution) -> str:
    if solution.fits:
        return "met"
    return "cannot be met" if solution.infeasible else "not met; whether it can be is not known"
