"""The memory plan in a model, judged on the target at hand."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.graph import Graph
from mcuplan.proof.memory.clobbers import Clobber, ClobberKind, Place
from mcuplan.proof.memory.static_check import static_check
from mcuplan.proof.taken import refusals, sentence
from mcuplan.rewriting.origin import plan_origin
from mcuplan.tflm.aliasing import kernel_rules
from mcuplan.tflm.offline import read_offline_plan
from mcuplan.tflm.target import Target


@dataclass(frozen=True, slots=True)
class PlanJudgement:
    """What a model's memory plan does on one target.

    Each entry of ``overwritten`` is a place where live bytes are lost: ``reader`` names the operator that needs them
    and the tensor, ``lost`` how many bytes, ``writer`` who put others there, ``str()`` says it in a sentence.
    ``faults`` are other ways in which TFLM cannot use the plan: offsets outside the arena or unaligned, metadata that
    it refuses, lean registrations that it was made for and the firmware has not.
    ``not_followed`` is "" or the reason why nothing can be said. Names in all of them are the model's: untrusted text.
    ``notes`` tell what of the target's kernels was read but never run.
    """

    planned: bool
    overwritten: tuple[Clobber, ...] = ()
    faults: tuple[Clobber, ...] = ()
    not_followed: str = ""
    notes: tuple[str, ...] = ()

    @property
    def safe(self) -> bool:
        """True where every byte that is read is proven to be the byte that was written for it."""
        return not (self.overwritten or self.faults or self.not_followed)


def judge_plan(graph: Graph, target: Target | str) -> PlanJudgement:
    """Whether live bytes are overwritten when TFLM runs ``graph`` on ``target`` with the memory plan in its metadata.

    Models without a plan are TFLM's own to place, and safe. Kernels that nobody has read share nothing. Never raises
    for any graph (TargetError for a target's name that does not exist).

    Examples
    --------
    >>> from mcuplan.rewriting.edit import set_offline_plan
    >>> from mcuplan.zoo import build
    >>> bad = set_offline_plan(build("sine"), [0] * len(build("sine").main.tensors))
    >>> judged = judge_plan(bad, "cortex-m4+cmsis-nn")
    >>> judged.overwritten[0].reader.operator_name, judged.overwritten[0].lost
    ('FULLY_CONNECTED', 1)
    """
    target = Target.parse(target) if isinstance(target, str) else target
    if read_offline_plan(graph) is None:
        return PlanJudgement(planned=False, faults=_undeclared(graph, target))
    found = static_check(graph, target)
    reasons = [c.detail for c in found if c.unfollowed]
    reasons += [f"TFLM does not run the model: {sentence(refused)}" for refused in refusals(graph, target)[:1]]
    return PlanJudgement(
        True,
        tuple(c for c in found if c.overwrites),
        (*(c for c in found if not c.overwrites and not c.unfollowed), *_undeclared(graph, target)),
        reasons[0] if reasons else "",
        kernel_rules(target).notes,
    )


def _undeclared(graph: Graph, target: Target) -> tuple[Clobber, ...]:
    """A model that was made for lean registrations, for a firmware that has none: its arena would be larger."""
    origin = plan_origin(graph)
    if origin is None or target.lean or not origin.lean:
        return ()
    return (Clobber(ClobberKind.LEAN, Place(), detail=origin.targets[0]),)
