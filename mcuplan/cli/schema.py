"""``mcuplan schema``: JSON Schemas of what mcuplan reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from mcuplan.cli.parameters import examples

_WHAT = ("report", "plan", "inspect", "explain", "whatif", "latency", "energy", "sweep", "diff", "changes", "board",
         "boards", "config")  # fmt: skip


@click.command("schema", short_help="Print a JSON Schema of what mcuplan reads or writes.", epilog=examples(
    "mcuplan schema report -o report.schema.json",
    "mcuplan schema config",
))  # fmt: skip
@click.argument("what", type=click.Choice(_WHAT))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the schema to a file.")
def command(what: str, output: Path | None) -> int:
    """Print the JSON Schema (2020-12) of what --format json writes, of board files or of the configuration.

    `report` is what `check` and `compare` write, `boards` the list of `boards`, `board` one of it and a board file.
    """
    from mcuplan.cli.output import write_text
    from mcuplan.reports.documents.json import to_json

    write_text(to_json(_SCHEMAS[what]()), output)
    return 0


def _report() -> dict[str, Any]:
    from mcuplan.reports.documents.schema import report_schema

    return report_schema()


def _plan() -> dict[str, Any]:
    from mcuplan.reports.documents.schema import plan_schema

    return plan_schema()


def _explain() -> dict[str, Any]:
    from mcuplan.reports.documents.schema import explain_schema

    return explain_schema()


def _inspect() -> dict[str, Any]:
    from mcuplan.reports.documents.schema import inspect_schema

    return inspect_schema()


def _diff() -> dict[str, Any]:
    from mcuplan.reports.documents.schema import diff_schema

    return diff_schema()


def _changes() -> dict[str, Any]:
    from mcuplan.reports.documents.schema import changes_schema

    return changes_schema()


def _sweep() -> dict[str, Any]:
    from mcuplan.reports.documents.sweep import sweep_schema

    return sweep_schema()


def _estimate(kind: str) -> dict[str, Any]:
    from mcuplan.reports.documents.estimate_schema import estimate_schema

    return estimate_schema(kind)


def _board() -> dict[str, Any]:
    from mcuplan.boards import board_json_schema

    return board_json_schema()


def _boards() -> dict[str, Any]:
    from mcuplan.boards import boards_json_schema

    return boards_json_schema()


def _config() -> dict[str, Any]:
    from mcuplan.budget.settings import config_schema

    return config_schema()


_SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "report": _report,
    "plan": _plan,
    "inspect": _inspect,
    "explain": _explain,
    "whatif": partial(_estimate, "whatif"),
    "latency": partial(_estimate, "latency"),
    "energy": partial(_estimate, "energy"),
    "sweep": _sweep,
    "diff": _diff,
    "changes": _changes,
    "board": _board,
    "boards": _boards,
    "config": _config,
}
