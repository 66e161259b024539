"""All that the pictures of one model are drawn from: its analysis, and the plan that mcuplan finds for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.budget.analysis import Analysis
from mcuplan.errors import McuplanError
from mcuplan.reports.documents.report import Report, Result

if TYPE_CHECKING:
    from mcuplan.findings.situation import Situation
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.planning.plan import Plan

_DEFAULT_EFFORT, _FAST = 120, 600
"""Operators up to which a plan is sought with the default effort, and with the fast one; none beyond."""


@dataclass(frozen=True, slots=True)
class Study:
    """One model on the board whose figures the pictures show; ``plan_note`` says why there is no plan.

    ``patches`` is a plan with patch stages, where one was asked for and found.
    """

    model: str
    results: tuple[Result, ...]
    shown: Result
    analysis: Analysis | None
    plan: Plan | None = None
    plan_note: str = ""
    patches: PatchPlan | None = None
    patches_note: str = ""
    max_overhead: float | None = None


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


def find_patches(analysis: Analysis, max_overhead: float) -> tuple[PatchPlan | None, str]:
    """Patch stages for the model at no more than ``max_overhead`` times the MACs, or why there are none."""
    from mcuplan.patching.arena.search import find_patch_plan

    try:
        found = find_patch_plan(analysis.graph, analysis.target, max_overhead, effort="fast")
    except McuplanError as error:
        return None, f"No patch stages: {error}"
    if found is None or found.gain_bytes <= 0:
        return None, f"No patch stages make the arena smaller at up to {100 * (max_overhead - 1):.0f}% more MACs."
    return found, ""


def studies(
    report: Report,
    analyses: Mapping[tuple[str, str | None], Situation],
    planned: bool = True,
    max_overhead: float | None = None,
) -> tuple[Study, ...]:
    """A study of each model of a report, drawn for the board where it is worst off.

    ``analyses`` are by model and board id. With ``planned`` a plan is sought for each; with
    ``max_overhead`` patch stages too, at no more than so many times the MACs.
    """
    found = []
    for model in dict.fromkeys(result.model for result in report.results):
        results = tuple(result for result in report.results if result.model == model)
        shown = worst(results)
        situation = analyses.get((model, shown.board))
        analysis = situation.analysis if situation is not None else None
        plan, note = find_plan(analysis) if planned and analysis is not None else (None, "")
        patches, why = (None, "")
        if max_overhead is not None and analysis is not None:
            patches, why = find_patches(analysis, max_overhead)
        found.append(Study(model, results, shown, analysis, plan, note, patches, why, max_overhead))
    return tuple(found)
