"""From figures and limits to a verdict. Pure functions: nothing is read and nothing is shown here."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.budget.limits import Counted, Limit, Limits, Resource
from mcuplan.budget.need import Need
from mcuplan.budget.performance import NOTHING, HeldEstimate, Performance
from mcuplan.tflm.results import Refusal

if TYPE_CHECKING:
    from mcuplan.proof.memory.clobbers import Clobber


class Verdict(enum.StrEnum):
    """What mcuplan says of a model on a board."""

    PASS = "pass"
    FAIL = "fail"
    """A limit is broken, or the model's memory plan is wrong on this target."""
    UNSUPPORTED = "unsupported"
    """TFLM refuses the model, whatever its size."""
    ERROR = "error"
    """The model could not be read."""

    @property
    def exit_code(self) -> int:
        """What a process that found only this verdict ends with."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNSUPPORTED: 1, Verdict.ERROR: 2}[self]


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken limit: ``figure`` (bytes or MACs) against ``limit``."""

    limit: Limit
    figure: int

    @property
    def over(self) -> int:
        """How much must go for the limit to be kept."""
        return self.figure - self.limit.amount + (1 if self.limit.strict else 0)


CLOSE = 0.9
"""Part of a limit from which on a figure is called close to it."""


@dataclass(frozen=True, slots=True)
class NearLimit:
    """A limit that is kept with little to spare: ``figure`` (bytes or MACs) against ``limit``."""

    limit: Limit
    figure: int

    @property
    def left(self) -> int:
        """How much more the limit allows."""
        return self.limit.amount - self.figure - (1 if self.limit.strict else 0)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what it stands on."""

    verdict: Verdict
    violations: tuple[Violation, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    overruns: tuple[HeldEstimate, ...] = ()
    """Limits on time, energy and power that a known figure is over."""
    near: tuple[NearLimit, ...] = ()
    """Limits that are kept, with a figure of :data:`CLOSE` of them or more."""
    faults: tuple[Clobber, ...] = ()
    """Places where the memory plan that the model brings loses bytes that are needed."""


def figure_for(limit: Limit, need: Need) -> int:
    """The figure that ``limit`` is held against, in bytes or MACs."""
    if limit.counted is Counted.ARENA:
        return need.ram.arena_bytes
    if limit.counted is Counted.MODEL:
        return need.flash.model_bytes
    if limit.counted is Counted.MACS:
        return need.macs
    return need.ram.total_bytes if limit.resource is Resource.RAM else need.flash.total_bytes


def judge(
    need: Need,
    limits: Limits,
    refusals: Sequence[Refusal] = (),
    performance: Performance = NOTHING,
    faults: Sequence[Clobber] = (),
) -> Judgement:
    """The verdict on one model.

    A model that TFLM refuses is ``unsupported`` even where limits are broken too: those are listed all the same. A
    limit on time, energy or power for which no figure is known breaks nothing: reports say that it was not judged.
    ``faults`` of the plan in the model fail it, whatever its size.

    Examples
    --------
    >>> from mcuplan.budget.limits import RULE_OF_THUMB
    >>> from mcuplan.budget.need import FlashNeed, RamNeed
    >>> need = Need(RamNeed(250_000, 208, 48, 0, 4096), FlashNeed(9_000, 8_000, 40_000), macs=1_000)
    >>> judgement = judge(need, RULE_OF_THUMB)
    >>> judgement.verdict.value, [(v.limit.resource.value, v.over) for v in judgement.violations]
    ('fail', [('ram', 1)])
    """
    broken = tuple(Violation(limit, figure) for limit in limits if not limit.allows(figure := figure_for(limit, need)))
    over, near = performance.broken, tuple(_near(need, limits))
    if refusals:
        return Judgement(Verdict.UNSUPPORTED, broken, tuple(refusals), over, near)
    verdict = Verdict.FAIL if broken or over or faults else Verdict.PASS
    return Judgement(verdict, broken, (), over, near, tuple(faults))


def _near(need: Need, limits: Limits) -> Iterator[NearLimit]:
    for limit in limits:
        figure = figure_for(limit, need)
        # A limit that a baseline raised is what the model took: it would always be close.
        if limit.allows(figure) and figure >= CLOSE * limit.amount and not limit.baseline:
            yield NearLimit(limit, figure)
