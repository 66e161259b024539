"""All that the pictures of one model are drawn from: its analysis, and the plan that mcuplan finds for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.budget.analysis import Analysis
from mcuplan.errors import McuplanError
from mcuplan.reports.report import Report, Result

if TYPE_CHECKING:
    from mcuplan.planning.plan import Plan

_DEFAULT_EFFORT, _FAST = 120, 600
"""Operators up to which a plan is sought with the default effort, and with the fast one; none beyond."""


@dataclass(frozen=True, slots=True)
class Study:
    """One model on the board whose figures the pictures show; ``plan_note`` says why there is no plan."""

    model: str
    results: tuple[Result, ...]
    shown: Result
    analysis: Analysis | None
    plan: Plan | None = None
    plan_note: str = ""


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


def find_plan(analysis: Analysis) -> tuple[Plan | None, str]:
    """A plan for the model, or why none was sought; deterministic, for no clock ends the search."""
    operators = sum(len(subgraph.operators) for subgraph in analysis.graph.subgraphs)
    if operators > _FAST:
        return None, f"No plan was sought: {operators:,} operators. mcuplan plan does."
    from mcuplan.planning.plan import PlanOptions, make_plan

    effort = "default" if operators <= _DEFAULT_EFFORT else "fast"
    try:
        return make_plan(analysis.graph, analysis.target, PlanOptions(effort=effort)), ""
    except McuplanError as error:
        return None, f"No plan: {error}"


def studies(
    report: Report, analyses: Mapping[tuple[str, str | None], Analysis], planned: bool = True
) -> tuple[Study, ...]:
    """A study of each model of a report, drawn for the board where it is worst off.

    ``analyses`` are by model and board id. With ``planned`` a plan is sought for each.
    """
    found = []
    for model in dict.fromkeys(result.model for result in report.results):
        results = tuple(result for result in report.results if result.model == model)
        shown = worst(results)
        analysis = analyses.get((model, shown.board))
        plan, note = find_plan(analysis) if planned and analysis is not None else (None, "")
        found.append(Study(model, results, shown, analysis, plan, note))
    return tuple(found)
