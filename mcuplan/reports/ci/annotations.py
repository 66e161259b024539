"""Annotations of GitHub Actions: workflow commands that show findings beside the changed files.

Format and escapes: https://docs.github.com/actions/reference/workflow-commands-for-github-actions, and
``@actions/core``'s ``command.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mcuplan.reports.ci.problems import Finding, board_label, findings
from mcuplan.reports.documents.performance import unjudged
from mcuplan.reports.documents.report import Report, Result
from mcuplan.text import safe_name

_TITLES = {"limit": "over a limit", "unsupported": "TFLM cannot run it", "error": "cannot be read"}


_EACH = 5
"""Findings told of one model on one board; GitHub shows no more than ten annotations of a step."""


def to_annotations(report: Report) -> str:
    """The findings as workflow commands.

    One ``::error`` a finding, at most five for a model on a board, and a ``::warning`` a result for limits that could
    not be judged; a ``::notice`` where there is nothing to tell.
    """
    lines: list[str] = []
    for _, group in groupby(findings(report), key=lambda finding: (finding.model, finding.board)):
        told = list(group)
        lines += map(_command, told[:_EACH])
        if len(told) > _EACH:
            more = Finding(told[0].kind, told[0].rule, told[0].model, told[0].board, f"and {len(told) - _EACH} more")
            lines.append(_command(more))
    count = len(report.results)
    lines += [_warning(row, said) for row in report.results if (said := unjudged(row))]
    return "\n".join(lines or [f"::notice title=mcuplan::{count} check{'s' * (count != 1)} passed"]) + "\n"


def _warning(row: Result, said: Sequence[str]) -> str:
    title = f"{board_label(row)}: not judged"
    return f"::warning file={_property(safe_name(row.model, 1_000))},title={_property(title)}::{_data('; '.join(said))}"


def _command(finding: Finding) -> str:
    title = f"{finding.board}: {_TITLES[finding.kind]}"
    message = f"{finding.message}. {finding.remedy}" if finding.remedy else finding.message
    where = safe_name(finding.model, 1_000)
    return f"::error file={_property(where)},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
