"""One verdict to explain, and what a change to its model would make of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from shlex import quote
from typing import TYPE_CHECKING

from mcuplan import budget
from mcuplan.budget import Limits, Need, Resource
from mcuplan.findings import plans
from mcuplan.tflm import DEFAULT_BUILD

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.budget import Analysis
    from mcuplan.budget.stages import StageLimits
    from mcuplan.findings.situation import Situation
    from mcuplan.graph import Graph
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.tflm import Target
    from mcuplan.tflm.results import Refusal

EFFORT = "fast"
"""Effort of the searches; it stands in the commands, so that they give the very figures that were told."""


@dataclass(frozen=True)
class Case:
    """One situation, and all that changes to it are worked out from.

    ``options`` are the command-line options that name board and target; ``boards`` the boards that could be taken
    instead.
    """

    situation: Situation
    options: str = ""
    boards: tuple[Board, ...] = ()

    @property
    def analysis(self) -> Analysis:
        """The model and what it needs, on the target that counts."""
        return self.situation.analysis

    @property
    def board(self) -> Board | None:
        """The board it was judged on."""
        return self.situation.board

    @property
    def limits(self) -> Limits:
        """The limits that counted."""
        return self.situation.limits

    @property
    def stack(self) -> int:
        """Bytes of stack that were counted."""
        return self.need.ram.stack_bytes

    @property
    def stages(self) -> StageLimits:
        """What patch stages may cost; of those within it, the ones that leave least arena count."""
        return replace(self.situation.stages, least=True)

    @property
    def need(self) -> Need:
        """What the model takes as it is."""
        return self.situation.need

    @property
    def broken(self) -> frozenset[Resource]:
        """Resources whose limit is broken."""
        return self.situation.broken

    @cached_property
    def planned(self) -> tuple[Graph, int]:
        """The model that ``mcuplan plan`` writes, and the arena to declare for it."""
        return planned_graph(self, self.analysis.graph)

    @cached_property
    def patch(self) -> PatchPlan | None:
        """Patch stages, where RAM is short and they take less arena than the plan alone."""
        return patched(self) if self.situation.tight(Resource.RAM) else None

    @cached_property
    def custom_operators(self) -> frozenset[str]:
        """Custom operators that were taken for available."""
        graph = self.analysis.graph
        refused = {(r.subgraph, r.operator) for r in self.analysis.refusals if r.rule == "custom-operator"}
        return frozenset(
            op.code.custom_code for s, k, op in graph.operators() if op.code.custom_code and (s, k) not in refused
        )

    def analyse(self, graph: Graph, build: str = "", target: Target | None = None) -> Analysis:
        """``graph`` instead of the model, with the bytes that its file would have; perhaps on another target."""
        from mcuplan.tflite import write

        if graph is not self.analysis.graph:
            graph = replace(graph, file_bytes=len(write(graph)))
        chosen = target or self.analysis.target
        return budget.analyse(graph, chosen, build or self.analysis.code.build, self.custom_operators)

    @property
    def planned_file(self) -> str:
        """A name for the planned model, quoted for a shell."""
        stem = os.path.basename(self.situation.model.replace("\\", "/")).removeprefix("zoo:").partition("?")[0]
        return quote(f"{os.path.splitext(stem)[0] or 'model'}.planned.tflite")

    def command(self, name: str, *options: str, target: bool = True) -> str:
        """``mcuplan NAME MODEL`` with options, those of board and target among them."""
        parts = ("mcuplan", name, quote(self.situation.model), self.options if target else "", *options)
        return " ".join(part for part in parts if part)

    @property
    def build_option(self) -> str:
        """``--build``, where it is not the usual one."""
        build = self.analysis.code.build
        return "" if build == DEFAULT_BUILD else f"--build {build}"


@dataclass(frozen=True, slots=True)
class Way:
    """A change with what the model then needs, against which limits, and what TFLM then refuses."""

    name: str
    text: str
    cost: str
    command: str
    need: Need
    refusals: Sequence[Refusal]
    limits: Limits


def planned_graph(case: Case, graph: Graph) -> tuple[Graph, int]:
    """The model that ``mcuplan plan`` writes, and the arena to declare for it."""
    from mcuplan.planning.plan import PlanOptions

    plan = plans.plan(graph, case.analysis.target, PlanOptions(effort=EFFORT))
    return plan.graph, plan.after.declare_bytes


def patched(case: Case) -> PatchPlan | None:
    """Patch stages that take less arena than the plan alone; None where there are none, or the model is too large."""
    from mcuplan.patching.arena.search import PatchRefusal

    if plans.operators(case.analysis.graph) > plans.STAGES:
        return None
    stages = case.stages
    try:
        found = plans.patches(
            case.analysis.graph, case.analysis.target, stages.max_overhead, EFFORT, stages.least, stages.max_macs
        )
    except PatchRefusal:
        return None
    return found if found is not None and found.after.declare_bytes < case.planned[1] else None
