"""Several models on one board: what they need together. All sizes are bytes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace

from mcuplan.budget.analysis import Analysis
from mcuplan.budget.need import DEFAULT_STACK_BYTES, FlashNeed, Need, RamNeed
from mcuplan.errors import McuplanError


class Arenas(enum.StrEnum):
    """How several models on one board use RAM."""

    SUM = "sum"
    """Each keeps an arena of its own: the models may run in any order and keep their state."""
    LARGEST = "largest"
    """They take turns in one arena as large as the largest; each is set up anew when its turn comes."""
    ALLOCATOR = "allocator"
    """One `MicroAllocator` for all, as `mcuplan export --for` does it: each keeps its persistent section and they take
    turns in the largest planned one."""


def together(analyses: Sequence[Analysis], arenas: Arenas, stack_bytes: int = DEFAULT_STACK_BYTES) -> Need:
    """What several models, analysed for one target and build, take of one board.

    Models and arenas add up (or share the largest arena, or one allocator); each has an interpreter and a resolver of
    its own. The code is TFLM's for the union of their operators; it, its data and the stack are there once, and lean
    registrations for each model. MACs are those of running each once.

    Raises
    ------
    McuplanError
        Where no model is given.
    """
    from mcuplan.tflm import code_size

    if not analyses:
        raise McuplanError("a group of models that share a board must name at least one model")
    first = analyses[0]
    # Code depends on the operators alone, so a graph with the subgraphs of all of them stands for the union.
    union = replace(first.graph, subgraphs=tuple(s for analysis in analyses for s in analysis.graph.subgraphs))
    code = code_size(union, first.target.without_lean(), first.code.build)
    lean = [analysis.code.lean for analysis in analyses]
    data = code.data_bytes + sum(own.data_bytes for own in lean)
    needs = [analysis.need(stack_bytes) for analysis in analyses]
    return Need(
        ram=RamNeed(
            arena_bytes=_arena_bytes(analyses, arenas),
            interpreter_bytes=sum(need.ram.interpreter_bytes for need in needs),
            resolver_bytes=sum(need.ram.resolver_bytes for need in needs),
            data_bytes=data + code.bss_bytes + sum(own.bss_bytes for own in lean),
            stack_bytes=stack_bytes,
        ),
        flash=FlashNeed(
            model_bytes=sum(need.flash.model_bytes for need in needs),
            weights_bytes=sum(need.flash.weights_bytes for need in needs),
            runtime_bytes=code.total_bytes + data + sum(own.flash_bytes for own in lean),
        ),
        macs=sum(need.macs for need in needs),
    )


def sections_together(analyses: Sequence[Analysis], arenas: Arenas) -> tuple[int, int]:
    """Bytes to declare of the persistent and of the non-persistent arenas, where each section lies in a RAM of its own.

    Both add up, or are those of the largest, as one arena for both would.
    """
    from mcuplan.tflm.arena import predict_split

    target, graphs = analyses[0].target, [analysis.graph for analysis in analyses]
    groups = [graphs] if arenas is Arenas.ALLOCATOR else [[graph] for graph in graphs]
    split = [predict_split(group, target) for group in groups]
    count = max if arenas is Arenas.LARGEST else sum
    return count(s.persistent_declare_bytes for s in split), count(s.nonpersistent_declare_bytes for s in split)


def _arena_bytes(analyses: Sequence[Analysis], arenas: Arenas) -> int:
    from mcuplan.tflm.arena import predict_shared

    if arenas is Arenas.ALLOCATOR:
        return predict_shared([analysis.graph for analysis in analyses], analyses[0].target).declare_bytes
    each = [analysis.arena.declare_bytes for analysis in analyses]
    return sum(each) if arenas is Arenas.SUM else max(each)
