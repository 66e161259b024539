"""What a page tells of one model: its results on all boards, and what was found for it where it is worst off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.findings.study import Study, study
from mcuplan.reports.documents.report import Report, Result

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.findings.situation import Situation


@dataclass(frozen=True, slots=True)
class Subject:
    """One model: its ``results``, of which ``shown`` is the one that the pictures of ``study`` belong to."""

    model: str
    results: tuple[Result, ...]
    shown: Result
    study: Study
    board: Board | None = None
    """The board of ``shown``; None where there is none."""


def worst(results: tuple[Result, ...]) -> Result:
    """The result that is worst off: the verdict first, then the limit that is fullest."""
    order = ("pass", "error", "fail", "unsupported")
    return max(
        results,
        key=lambda r: (
            order.index(r.verdict),
            max((rule.figure / max(rule.limit, 1) for rule in r.limits.rules), default=0.0),
        ),
    )


def subjects(
    report: Report,
    situations: Mapping[tuple[str, str | None], Situation],
    planned: bool = True,
    patch: bool = False,
) -> tuple[Subject, ...]:
    """Each model of a report, studied on the board where it is worst off.

    ``situations`` are by model and board id; ``planned`` also seeks a plan, ``patch`` patch stages, within the limits
    of the situation (:func:`mcuplan.findings.study.study`).
    """
    found = []
    for model in dict.fromkeys(result.model for result in report.results):
        results = tuple(result for result in report.results if result.model == model)
        shown = worst(results)
        situation = situations.get((model, shown.board))
        stages = situation.stages if patch and situation is not None else None
        looked = study(situation.analysis if situation is not None else None, planned, stages)
        found.append(Subject(model, results, shown, looked, situation.board if situation is not None else None))
    return tuple(found)
