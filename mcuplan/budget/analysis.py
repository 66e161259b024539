"""All that mcuplan finds out about one model on one target, gathered once and judged against any number of boards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mcuplan.budget.need import DEFAULT_STACK_BYTES, FlashNeed, Need, ram_need
from mcuplan.graph import Graph
from mcuplan.tflm.results import ArenaPrediction, CodeSize, Refusal

if TYPE_CHECKING:
    from mcuplan.estimates.instructions import ModelInstructions
    from mcuplan.operators import ModelMacs
    from mcuplan.proof.memory.clobbers import Clobber
    from mcuplan.proof.memory.judge import PlanJudgement
    from mcuplan.tflm import Target


@dataclass(frozen=True)
class Analysis:
    """One model on one target: its arena, TFLM's code for it, its MACs, and why TFLM refuses it (if it does)."""

    graph: Graph
    target: Target
    arena: ArenaPrediction
    code: CodeSize
    macs: ModelMacs
    refusals: tuple[Refusal, ...] = ()

    @cached_property
    def instructions(self) -> ModelInstructions | None:
        """Instructions of one Invoke by the target's cost model; None where there is none for it."""
        from mcuplan.estimates.instructions import invoke_instructions

        return invoke_instructions(self.graph, self.target, self.arena.plan)

    @cached_property
    def plan_judgement(self) -> PlanJudgement:
        """What the static proof says of the memory plan that the model brings, on this target.

        Stock TFLM takes any plan as it is, and a plan that is right for one kernel library may be wrong for another.
        """
        from mcuplan.proof.memory.judge import judge_plan

        return judge_plan(self.graph, self.target)

    @property
    def plan_faults(self) -> tuple[Clobber, ...]:
        """What makes results wrong in the plan of a model that TFLM runs; what is only not proven is none."""
        return () if self.refusals else (*self.plan_judgement.overwritten, *self.plan_judgement.faults)

    def need(self, stack_bytes: int = DEFAULT_STACK_BYTES) -> Need:
        """What the model takes of a board, with ``stack_bytes`` for the calling thread."""
        return Need(
            ram=ram_need(self.arena, self.code, self.target, operator_kinds(self.graph), stack_bytes),
            flash=FlashNeed(
                model_bytes=self.graph.file_bytes,
                weights_bytes=weights_bytes(self.graph),
                runtime_bytes=self.code.total_bytes + self.code.data_bytes,
            ),
            macs=self.macs.total,
        )


DEFAULT_BUILD = "O2-logs"
"""The build of TFLM whose code is counted where the user names none: the largest."""


def analyse(
    graph: Graph, target: Target, build: str = DEFAULT_BUILD, custom_operators: Collection[str] = ()
) -> Analysis:
    """Replay TFLM on ``graph`` for ``target`` and count what it takes.

    ``build`` names how TFLM is compiled, as in :data:`mcuplan.tflm.flash.BUILDS`; ``custom_operators`` are those for
    which the user has kernels of their own.

    Raises
    ------
    McuplanError
        For a graph that TFLM could not even lay out.
    """
    from mcuplan.operators import model_macs
    from mcuplan.tflm import code_size, predict
    from mcuplan.tflm.support import unsupported

    return Analysis(
        graph=graph,
        target=target,
        arena=predict(graph, target),
        code=code_size(graph, target, build),
        macs=model_macs(graph),
        refusals=unsupported(graph, target, custom_operators),
    )


def operator_kinds(graph: Graph) -> int:
    """How many different operators the resolver must know: builtin ones by name, custom ones by custom code."""
    return len({(op.name, op.code.custom_code) for _, _, op in graph.operators()})


def weights_bytes(graph: Graph) -> int:
    """Bytes of the constant buffers that tensors refer to, each counted once.

    Buffers of metadata (offline plans, runtime versions) are no weights.
    """
    used = {tensor.buffer for subgraph in graph.subgraphs for tensor in subgraph.tensors}
    return sum(len(graph.buffers[index]) for index in used)
