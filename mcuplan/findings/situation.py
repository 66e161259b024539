"""One model judged against its limits: all that findings are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from mcuplan.budget.analysis import Analysis
from mcuplan.budget.limits import Limit, Limits, Resource
from mcuplan.budget.need import Need
from mcuplan.budget.stages import StageLimits
from mcuplan.budget.verdict import CLOSE, Judgement, figure_for
from mcuplan.findings.peak import Step, live_steps, lower_bound, peak_step

if TYPE_CHECKING:
    from mcuplan.boards import Board


@dataclass(frozen=True)
class Situation:
    """What ``model`` needs, on ``board`` (None: on none), and what came of holding that against ``limits``."""

    model: str
    analysis: Analysis
    need: Need
    limits: Limits
    judgement: Judgement
    board: Board | None = None
    sha256: str = ""
    """SHA-256 of the model as a file, in hexadecimal; empty where nobody worked it out."""
    stages: StageLimits = field(default_factory=StageLimits)
    """What patch stages for it may cost."""

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every time step of TFLM's plan with its live bytes."""
        return live_steps(self.analysis.graph, self.analysis.arena)

    @property
    def peak(self) -> Step | None:
        """The step with the most live bytes."""
        return peak_step(self.steps)

    @property
    def lower_bound(self) -> int:
        """Bytes that no plan of this operator order goes below."""
        return lower_bound(self.steps)

    @cached_property
    def broken(self) -> frozenset[Resource]:
        """Resources whose limit is broken."""
        return frozenset(violation.limit.resource for violation in self.judgement.violations)

    @property
    def short_of_ram(self) -> bool:
        """Whether a limit on RAM, or on the arena in it, is broken."""
        return not self.broken.isdisjoint((Resource.RAM, Resource.ARENA))

    def tight(self, resource: Resource) -> bool:
        """Whether the limit of ``resource`` is broken or close; that of the arena counts for RAM."""
        names = ("ram", "arena") if resource is Resource.RAM else (resource.value,)
        limits: list[Limit | None] = [getattr(self.limits, name) for name in names]
        return any(limit and figure_for(limit, self.need) >= CLOSE * limit.amount for limit in limits)
