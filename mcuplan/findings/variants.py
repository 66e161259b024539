"""What the forms of a model cost that were found for it: as given, as planned, with patch stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.estimates.instructions import invoke_instructions
from mcuplan.findings.planned import latency_on
from mcuplan.operators import model_macs

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.estimates.latency import Latency
    from mcuplan.findings.study import Study
    from mcuplan.graph import Graph
    from mcuplan.tflm.results import ArenaPrediction


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a model: its arena to declare, and instructions, MACs and time of one inference.

    ``instructions`` are None where the target has no cost data, ``latency`` is where nothing is known of the board's
    time; a board that was not measured may have a range.
    """

    name: str
    declare_bytes: int
    macs: int
    instructions: float | None
    bounded: float
    """Instructions of operators without a cost model, each a bound from above."""
    latency: Latency | None


def variants(study: Study, board: Board | None) -> tuple[Variant, ...]:
    """The given model and what was found that needs less arena; none where nothing was."""
    analysis = study.analysis
    found: list[tuple[str, Graph, ArenaPrediction]] = []
    if study.plan is not None and study.plan.gain_bytes > 0:
        found.append(("plan", study.plan.graph, study.plan.after))
    if study.patches is not None:
        found.append(("patch stages", study.patches.graph, study.patches.after))
    if analysis is None or not found:
        return ()
    target = analysis.target
    told = []
    for name, graph, arena in (("as given", analysis.graph, analysis.arena), *found):
        counted = invoke_instructions(graph, target, arena.plan)
        latency = None if board is None else latency_on(graph, board, (target,))
        instructions, bounded = (None, 0.0) if counted is None else (counted.total, counted.bounded)
        told.append(Variant(name, arena.declare_bytes, model_macs(graph).total, instructions, bounded, latency))
    return tuple(told)
