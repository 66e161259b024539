"""Models that would not run right: nothing is written from them unless that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.budget import Analysis
    from mcuplan.tflm.results import Refusal

_BROUGHT = "custom-operator"
"""The rule for operators whose kernel a firmware may bring: no reason to write nothing."""


class RefusedError(McuplanError):
    """A model that TFLM refuses, or whose memory plan is wrong, on the target that something was to be made for."""

    exit_code = 1


def refusals(analysis: Analysis) -> tuple[Refusal, ...]:
    """Why TFLM refuses a model, whatever kernels the firmware brings."""
    return tuple(refusal for refusal in analysis.refusals if refusal.rule != _BROUGHT)


def refuse_refused(name: str, analysis: Analysis) -> None:
    """Raise RefusedError where TFLM refuses the model."""
    found = refusals(analysis)
    if not found:
        return
    first = found[0]
    where = f"operator {first.operator}, {first.operator_name}: " if first.operator >= 0 else ""
    more = f", and {len(found) - 1} more reasons" if len(found) > 1 else ""
    remedy = f"; {first.remedy}" if first.remedy else ""
    raise RefusedError(f"{name}: TFLM refuses this model on {analysis.target}: {where}{first.reason}{more}{remedy}")


def refuse_wrong_plan(name: str, analysis: Analysis) -> None:
    """Raise RefusedError where the memory plan in the model is wrong on the target."""
    found = analysis.plan_faults
    if found and all(fault.kind == "lean" for fault in found):
        raise RefusedError(f"{name}: {found[0]}; export it with --lean")
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise RefusedError(
            f"{name}: its memory plan is wrong on {analysis.target}: {found[0]}{more}; "
            f"plan it for this target with `mcuplan plan`"
        )
