"""A model looked at closely: its analysis, and the plan and the patch stages that mcuplan finds for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.budget.analysis import Analysis
from mcuplan.errors import McuplanError
from mcuplan.findings import plans

if TYPE_CHECKING:
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Study:
    """What was found for one model; the notes say why there is no plan, or why there are no stages.

    ``patches`` is a plan with patch stages, where one was asked for, at ``max_overhead`` times the work at most.
    """

    analysis: Analysis | None
    plan: Plan | None = None
    plan_note: str = ""
    patches: PatchPlan | None = None
    patches_note: str = ""
    max_overhead: float | None = None
    least: bool = False


def study(
    analysis: Analysis | None, planned: bool = True, max_overhead: float | None = None, least: bool = False
) -> Study:
    """Look at one model (None: it could not be analysed).

    With ``planned`` a plan is sought; with ``max_overhead`` patch stages too, at no more than so many times the work:
    the knee of the front, or the ``least`` arena.
    """
    if analysis is None:
        return Study(None)
    plan, plan_note = _plan(analysis) if planned else (None, "")
    patches, patches_note = (None, "") if max_overhead is None else _patches(analysis, max_overhead, least)
    return Study(analysis, plan, plan_note, patches, patches_note, max_overhead, least)


def _plan(analysis: Analysis) -> tuple[Plan | None, str]:
    """A plan for the model, or why none was sought; deterministic, for no clock ends the search."""
    operators = plans.operators(analysis.graph)
    if operators > plans.FAST:
        return None, f"No plan was sought: {operators:,} operators. mcuplan plan does."
    from mcuplan.planning.plan import PlanOptions

    effort = "default" if operators <= plans.WHOLE else "fast"
    try:
        return plans.plan(analysis.graph, analysis.target, PlanOptions(effort=effort)), ""
    except McuplanError as error:
        return None, f"No plan: {error}"


def _patches(analysis: Analysis, max_overhead: float, least: bool) -> tuple[PatchPlan | None, str]:
    """Patch stages for the model at no more than ``max_overhead`` times the instructions, or why there are none."""
    try:
        found = plans.patches(analysis.graph, analysis.target, max_overhead, "fast", least)
    except McuplanError as error:
        return None, f"No patch stages: {error}"
    if found is None or found.gain_bytes <= 0:
        return (
            None,
            f"No patch stages make the arena smaller at up to {100 * (max_overhead - 1):.0f}% more instructions.",
        )
    return found, ""
