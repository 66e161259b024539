"""The report's JSON Schema, and reading a report back."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mcuplan.errors import McuplanError
from mcuplan.reports.documents.report import SCHEMA_VERSION, Report

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class ReportError(McuplanError):
    """A JSON document that is not a report of this schema version."""


@cache
def _adapter() -> TypeAdapter[Report]:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)


def report_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document that ``--format json`` writes."""
    schema = _adapter().json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mcuplan report"}
    return head | schema | head


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document that ``mcuplan plan --format json`` writes."""
    from mcuplan.reports.documents.plan import PlanReport

    return _schema(PlanReport, "plan")


def inspect_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document that ``mcuplan inspect --format json`` writes."""
    from mcuplan.reports.documents.inspect import InspectReport

    return _schema(InspectReport, "inspect")


def explain_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document that ``mcuplan explain --format json`` writes."""
    from mcuplan.reports.documents.explain import ExplainReport

    return _schema(ExplainReport, "explain")


def diff_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document that ``mcuplan diff --format json`` writes of two models."""
    from mcuplan.findings.diff.difference import Diff

    return _schema(Diff, "diff")


def changes_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document that ``mcuplan diff --base --format json`` writes."""
    from mcuplan.findings.diff.boards import Changes

    return _schema(Changes, "diff --base")


def _schema(document: type, command: str) -> dict[str, Any]:
    from pydantic import TypeAdapter

    schema = TypeAdapter(document).json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"mcuplan {command}"}
    return head | schema | head


def from_json(text: str | bytes) -> Report:
    """A report from its JSON text.

    Raises
    ------
    ReportError
        Where the text is not such a document; the sentence names the first key that is wrong.
    """
    from pydantic import ValidationError

    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ReportError(
            f"not a report of schema version {SCHEMA_VERSION}: {key or 'document'}: {first['msg']}"
        ) from None
