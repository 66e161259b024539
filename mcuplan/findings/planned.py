"""What a planned model is beside its arena: MACs, instructions and flash, block by block what is in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.estimates.instructions import invoke_instructions
from mcuplan.findings.blocks import blocks
from mcuplan.findings.peak import live_steps
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.text import show_share
from mcuplan.tflite import write
from mcuplan.tflm import Target, code_size, predict
from mcuplan.tflm.results import ArenaPrediction

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.estimates.instructions import ModelInstructions
    from mcuplan.estimates.latency import Latency
    from mcuplan.patching.arena.search import PatchPlan


@dataclass(frozen=True, slots=True)
class BlockPeak:
    """A block of the given model: most live bytes at one of its operators, run whole and as the patched model runs.

    ``first`` and ``last`` are operators of the given model; ``patched`` tells that one of them runs in a stage.
    """

    kind: str
    first: int
    last: int
    before_bytes: int
    after_bytes: int
    patched: bool


def block_peaks(patch: PatchPlan) -> tuple[BlockPeak, ...]:
    """Each block of the given model, in order, before and after."""
    given, numbers = patch.given, patch.origins
    before = {
        step.operator: step.live_bytes
        for step in live_steps(given, predict(given, patch.before.target))
        if step.subgraph == 0 and step.operator >= 0
    }
    after: dict[int, int] = {}
    for number, used in zip(numbers, patch.operator_bytes, strict=True):
        after[number] = max(after.get(number, 0), used)
    changed = {numbers[k] for choice in patch.stages for k in range(choice.first, choice.last)}
    changed.update(number for number, _ in patch.parts)
    own = tuple(dict.fromkeys(numbers))  # operators of the given model, one after the other, parts once
    return tuple(
        BlockPeak(
            block.kind,
            own[block.first],
            own[block.last],
            max(before.get(k, 0) for k in block.operators),
            max(after[own[k]] for k in block.operators),
            any(own[k] in changed for k in block.operators),
        )
        for block in blocks(given)
    )


def macs_factor(original: Graph, planned: Graph) -> float:
    """MACs of the planned model by those of the original; 1 for one without any."""
    before, after = model_macs(original).total, model_macs(planned).total
    return after / before if before else 1.0


def instructions_of_both(
    target: Target, before: tuple[Graph, ArenaPrediction], after: tuple[Graph, ArenaPrediction]
) -> tuple[ModelInstructions, ModelInstructions] | None:
    """Instructions of one ``Invoke`` of both models, each with the plan predicted; None without cost data."""
    old, new = (invoke_instructions(graph, target, arena.plan) for graph, arena in (before, after))
    return None if old is None or new is None or not old.total else (old, new)


def bounded_note(bounded: float, total: float) -> str:
    """How much of the instructions is a bound; empty where nothing is.

    Examples
    --------
    >>> bounded_note(990, 1000), bounded_note(0, 1000)
    ('99% of the instructions are a bound from above: their operators have no cost model', '')
    """
    if not bounded or not total:
        return ""
    share = show_share(bounded / total)
    return f"{share} of the instructions are a bound from above: their operators have no cost model"


def latency_on(graph: Graph, board: Board, targets: Sequence[Target]) -> Latency | None:
    """Time of one inference on a board with the one of ``targets`` that is for its core; None where nothing is known.

    A board that was not measured may have a range: then there is no total.
    """
    from mcuplan.estimates.errors import EstimateError
    from mcuplan.estimates.latency import find_latency

    target = next((t for t in targets if t.core.name == board.soc.core), targets[0])
    try:
        return find_latency(graph, board.soc.name, board.soc.clock_mhz, target)
    except EstimateError:
        return None


def flash_bytes(graph: Graph, target: str, file_bytes: int = 0) -> tuple[int, int]:
    """Bytes of the model's file (as written where ``file_bytes`` is 0) and of TFLM's code for it."""
    code = code_size(graph, target)
    return file_bytes or len(write(graph)), code.total_bytes + code.data_bytes
