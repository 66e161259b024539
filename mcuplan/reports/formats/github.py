"""Annotations of GitHub Actions: workflow commands that show problems beside the changed files.

Format and escapes: https://docs.github.com/actions/reference/workflow-commands-for-github-actions, and
``@actions/core``'s ``command.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mcuplan.reports.documents.performance import unjudged
from mcuplan.reports.documents.report import Report, Result
from mcuplan.reports.problems import Problem, board_label, problems
from mcuplan.reports.repository import repository_path
from mcuplan.text import WORD, shown

_TITLES = {
    "limit": "over a limit",
    "unsupported": "TFLM cannot run it",
    "plan": "wrong memory plan",
    "error": "cannot be read",
}

_PATH = 1_000
_EACH = 5
"""Findings told of one model on one board; GitHub shows no more than ten annotations of a step."""


def render(report: Report) -> str:
    """The problems as workflow commands.

    One ``::error`` a problem, at most five for a model on a board, and a ``::warning`` a result for limits that could
    not be judged, and for those that it is close to; a ``::notice`` where there is nothing to tell.
    """
    lines: list[str] = []
    for _, group in groupby(problems(report), key=lambda problem: (problem.model, problem.board)):
        told = list(group)
        lines += map(_command, told[:_EACH])
        if len(told) > _EACH:
            more = Problem(told[0].kind, told[0].rule, told[0].model, told[0].board, f"and {len(told) - _EACH} more")
            lines.append(_command(more))
    count = len(report.results)
    lines += [_warning(row, "not judged", said) for row in report.results if (said := unjudged(row))]
    lines += [_warning(row, "close to a limit", near) for row in report.results if (near := _near(row))]
    return "\n".join(lines or [f"::notice title=mcuplan::{count} check{'s' * (count != 1)} passed"]) + "\n"


def _near(row: Result) -> list[str]:
    return [warning.message for warning in row.warnings]


def _warning(row: Result, what: str, said: Sequence[str]) -> str:
    title = f"{board_label(row)}: {what}"
    return f"::warning file={_file(row.model)},title={_property(title)}::{_data('; '.join(said))}"


def _command(problem: Problem) -> str:
    title = f"{problem.board}: {_TITLES[problem.kind]}"
    message = f"{problem.message}. {problem.remedy}" if problem.remedy else problem.message
    return f"::error file={_file(problem.model)},title={_property(title)}::{_data(message)}"


def _file(model: str) -> str:
    return _property(repository_path(model), _PATH)


def _data(text: str) -> str:
    """Text, harmless and escaped, as the rest of a command."""
    return _escaped(shown(text))


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str, word: int = WORD) -> str:
    """The same as a property."""
    return _escaped(shown(text, word)).replace(":", "%3A").replace(",", "%2C")
