"""The report as JSON, whole: what other programs read, and ``mcuplan schema report`` describes."""

from __future__ import annotations

from mcuplan.reports.documents.json import to_json
from mcuplan.reports.documents.report import Report


def render(report: Report) -> str:
    """The document as JSON text."""
    return to_json(report)
