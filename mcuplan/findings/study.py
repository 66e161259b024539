"""A model looked at closely: its analysis, and the plan and the patch stages that mcuplan finds for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.budget.analysis import Analysis
from mcuplan.budget.stages import NO_OVERHEAD, StageLimits
from mcuplan.errors import McuplanError
from mcuplan.findings import plans

if TYPE_CHECKING:
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Study:
    """What was found for one model; the notes say why there is no plan, or why there are no stages.

    ``patches`` is a plan with patch stages, where one was asked for, within the limits ``stages``.
    """

    analysis: Analysis | None
    plan: Plan | None = None
    plan_note: str = ""
    patches: PatchPlan | None = None
    patches_note: str = ""
    stages: StageLimits | None = None


def study(analysis: Analysis | None, planned: bool = True, stages: StageLimits | None = None) -> Study:
    """Look at one model (None: it could not be analysed).

    With ``planned`` a plan is sought; with ``stages`` patch stages too, within these limits.
    """
    if analysis is None:
        return Study(None)
    plan, plan_note = _plan(analysis) if planned else (None, "")
    patches, patches_note = (None, "") if stages is None else _patches(analysis, stages)
    return Study(analysis, plan, plan_note, patches, patches_note, stages)


def _limit(stages: StageLimits) -> str:
    """Up to which limit nothing was found."""
    parts = [f"{100 * (stages.max_overhead - 1):.0f}% more instructions"] if stages.max_overhead < NO_OVERHEAD else []
    parts += [f"{100 * (stages.max_macs - 1):.0f}% more MACs"] if stages.max_macs is not None else []
    return f"at up to {' and '.join(parts)}" if parts else "at any price"


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


def _patches(analysis: Analysis, stages: StageLimits) -> tuple[PatchPlan | None, str]:
    """Patch stages for the model within the limits, or why there are none."""
    try:
        found = plans.patches(
            analysis.graph, analysis.target, stages.max_overhead, "fast", stages.least, stages.max_macs
        )
    except McuplanError as error:
        return None, f"No patch stages: {error}"
    if found is None or found.gain_bytes <= 0:
        return None, f"No patch stages make the arena smaller {_limit(stages)}."
    return found, ""
