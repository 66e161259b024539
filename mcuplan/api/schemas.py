"""JSON Schemas of what mcuplan reads and writes, by name. Each is built when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


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


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
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
"""What each is of, in the order of the command's help."""
