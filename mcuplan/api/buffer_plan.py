"""A project whose most-touched buffers lie in a RAM of their own, by a ``BufferPlan``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcuplan.api.refusing import RefusedError
from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.boards.places import RamPlace
    from mcuplan.firmware.kinds import Kind
    from mcuplan.firmware.places import Place, PlacedBuffer
    from mcuplan.graph import Graph
    from mcuplan.planning.regions import RegionPlan
    from mcuplan.tflm import Target


def buffer_plan_place(
    kind: Kind,
    board: Board,
    graphs: Sequence[Graph],
    target: Target,
    arena_in: str | None,
    persistent_in: str | None,
    asked: str,
) -> Place:
    """The arena, and beside it an array in the RAM that ``asked`` names (``dtcm``, or ``dtcm:64KiB`` of it).

    Raises
    ------
    McuplanError
        For what no such plan can be made of, a place that the board does not have, and an arena larger than its place.
    RefusedError
        Where the static proof says that a byte would be lost.
    """
    from mcuplan.api.project_place import joined_place, ram_array
    from mcuplan.boards.places import find_place
    from mcuplan.budget.units import parse_bytes
    from mcuplan.planning.regions import bytes_moved, region_plan
    from mcuplan.tflm.arena import predict, predict_fixed_plan, predict_shared

    graph = _planned_by_tflm(graphs, target, persistent_in)
    name, _, size = asked.partition(":")
    fast, arena = find_place(board, name), find_place(board, arena_in or "internal")
    if fast == arena:
        raise McuplanError(f"the arena lies in {fast.name} itself: --arena-in names another RAM for it")
    room = parse_bytes(size) if size else fast.bytes
    if room > fast.bytes:
        raise McuplanError(f"{asked}: {fast.name} has {fast.bytes:,} bytes")
    buffers = predict(graph, target).plan
    plan = region_plan(buffers, bytes_moved(graph, buffers), room)
    _prove(graph, target, plan)
    if not plan.fast_bytes:
        raise McuplanError(f"no buffer of the planned section fits {room:,} bytes of {fast.name}")
    found = predict_fixed_plan(graph, target, plan.other_bytes)
    parts = [
        ram_array("tensor_arena", "kTensorArenaBytes", "The tensor arena without the buffers that are touched most",
                  found.declare_bytes, arena, kind),
        ram_array("fast_buffers", "kFastBuffersBytes", "The most-touched buffers", plan.fast_bytes, fast, kind),
    ]  # fmt: skip
    more = found.used_bytes - predict_shared(graphs, target).used_bytes
    return joined_place(parts, (arena, fast), kind, more, _entries(plan), plan.other_bytes, (_told(plan, fast, arena),))


def _planned_by_tflm(graphs: Sequence[Graph], target: Target, persistent_in: str | None) -> Graph:
    """The one model, if everything of its plan is known and TFLM takes another plan than its own for it."""
    from mcuplan.tflm.arena import predict
    from mcuplan.tflm.offline import ONLINE, read_offline_plan

    if len(graphs) != 1:
        raise McuplanError("a buffer plan is one model's: TFLM's planner for it takes no second one")
    if persistent_in is not None:
        raise McuplanError("TFLM takes a buffer plan with one arena only: leave out --persistent-in")
    if target.lean:
        raise McuplanError(
            "lean registrations borrow bytes where TFLM's own planner leaves some: no buffer plan with them"
        )
    (graph,) = graphs
    offline = read_offline_plan(graph)
    if offline is not None and (offline.problem or any(at != ONLINE for at in offline.offsets)):
        raise McuplanError(
            "the model brings a memory plan of its own, which TFLM takes with no other: export the original"
        )
    if target.bounds or not predict(graph, target).exact:
        raise McuplanError(f"what TFLM asks memory for is not known exactly on {target}: no buffer plan of it")
    return graph


def _prove(graph: Graph, target: Target, plan: RegionPlan) -> None:
    from mcuplan.proof.memory.static_check import region_check

    behind = plan.other_bytes
    found = region_check(graph, target, plan.side_by_side(), ((0, behind), (behind, behind + plan.fast_bytes)))
    if found:
        raise RefusedError(f"the buffer plan is not proven right on {target}: {found[0]}")


def _entries(plan: RegionPlan) -> tuple[PlacedBuffer, ...]:
    from mcuplan.firmware.places import PlacedBuffer

    return tuple(
        PlacedBuffer(fast, b.offset, b.size, b.first, b.last)
        for b, fast in zip(plan.buffers, plan.fast, strict=True)
    )  # fmt: skip


def _told(plan: RegionPlan, fast: RamPlace, arena: RamPlace) -> str:
    from mcuplan.firmware.names import plain
    from mcuplan.firmware.templating import Code

    share = plan.fast_moved_bytes / plan.moved_bytes if plan.moved_bytes else 0.0
    return Code(plain(
        f"A BufferPlan puts {sum(plan.fast)} of {len(plan.fast)} buffers into {fast.name}: {plan.fast_bytes:,} bytes "
        f"there, {plan.other_bytes:,} in {arena.name}. Of about {plan.moved_bytes:,} bytes that an inference moves in "
        f"the planned section, {plan.fast_moved_bytes:,} ({share:.0%}) move there. What a byte costs in either RAM is "
        f"not known here, so neither is the time that this saves."
    ))  # fmt: skip
