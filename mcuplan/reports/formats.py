"""The report in the formats of machines and of forges, each renderer imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcuplan.reports.documents.report import Report


def _json(report: Report) -> str:
    from mcuplan.reports.documents.json import to_json

    return to_json(report)


def _markdown(report: Report) -> str:
    from mcuplan.reports.markdown.check import to_markdown

    return to_markdown(report)


def _junit(report: Report) -> str:
    from mcuplan.reports.ci.junit import to_junit

    return to_junit(report)


def _sarif(report: Report) -> str:
    from mcuplan.reports.ci.sarif import to_sarif

    return to_sarif(report)


def _github(report: Report) -> str:
    from mcuplan.reports.ci.annotations import to_annotations

    return to_annotations(report)


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "json": _json,
    "markdown": _markdown,
    "junit": _junit,
    "sarif": _sarif,
    "github": _github,
}
"""Every format but the terminal's, by the name that ``--format`` takes."""
