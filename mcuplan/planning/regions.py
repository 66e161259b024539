"""The planned section in two RAMs: the buffers that are touched most for their size go to the fast one.

TFLM takes such a plan as a ``BufferPlan`` (micro/memory_planner/non_persistent_buffer_planner_shim.h), whose offsets
may lead out of the arena. Whatever the two RAMs cost a byte, as long as one costs less, the best choice is the one
that moves most bytes in it: so the costs themselves, which no document of a board states, are not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import Graph
from mcuplan.operators import OperatorCall
from mcuplan.proof.windows import window
from mcuplan.tflm.alignment import ARENA_ALIGNMENT
from mcuplan.tflm.planner import Requirement, greedy_offsets
from mcuplan.tflm.results import PlannedBuffer


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """Buffers in TFLM's order, each with its offset in its own region; ``fast`` tells which are in the fast one.

    ``moved_bytes`` is :func:`bytes_moved` of all of them, ``fast_moved_bytes`` of those in the fast region.
    """

    buffers: tuple[PlannedBuffer, ...]
    fast: tuple[bool, ...]
    moved_bytes: int
    fast_moved_bytes: int

    @property
    def fast_bytes(self) -> int:
        """Height of the fast region."""
        return max((b.end for b, fast in zip(self.buffers, self.fast, strict=True) if fast), default=0)

    @property
    def other_bytes(self) -> int:
        """Height of the other region."""
        return max((b.end for b, fast in zip(self.buffers, self.fast, strict=True) if not fast), default=0)

    def side_by_side(self) -> tuple[PlannedBuffer, ...]:
        """The buffers in one space of addresses: the other region from 0 on, the fast one right behind it."""
        behind = self.other_bytes
        return tuple(
            replace(b, offset=b.offset + behind) if fast else b
            for b, fast in zip(self.buffers, self.fast, strict=True)
        )  # fmt: skip


def bytes_moved(graph: Graph, buffers: Sequence[PlannedBuffer]) -> list[int]:
    """Bytes that one inference reads and writes of each buffer, as far as the model tells.

    An operator reads its inputs once and writes its outputs once; one with a window reads the window of each output
    position. The application writes inputs and reads outputs. Scratch is written and read once, that of an operator
    with a window for each position (im2col). A subgraph counts as run once. What kernels keep in registers or read
    again is not known here: the figures rank buffers, they are no measurement.
    """
    tensors = {(b.subgraph, b.tensor): i for i, b in enumerate(buffers) if b.tensor >= 0}
    moved = [0] * len(buffers)
    windows: dict[tuple[int, int], int] = {}

    def touch(subgraph: int, tensor: int, amount: int | None = None) -> None:
        i = tensors.get((subgraph, tensor))
        if i is not None:
            moved[i] += buffers[i].bytes if amount is None else amount

    for t in (*graph.main.inputs, *graph.main.outputs):
        touch(0, t)
    for s, k, op in graph.operators():
        at = _window_bytes(graph, s, k)
        if at:
            windows[s, k] = at[1]
        for t in op.inputs:
            touch(s, t, at[1] if at and t == at[0] else None)
        for t in op.outputs:
            touch(s, t)
    for i, b in enumerate(buffers):
        if b.tensor < 0:
            moved[i] = 2 * max(b.bytes, windows.get((b.subgraph, b.operator), 0))
    return moved


def _window_bytes(graph: Graph, subgraph: int, operator: int) -> tuple[int, int] | None:
    """The input that an operator has a window on, and the bytes that its windows read together."""
    owner = graph.subgraphs[subgraph]
    call = OperatorCall(graph, owner, owner.operators[operator])
    if call.info is None or not call.info.window:
        return None
    try:
        x = call["x"]
        found = window(call.operator, x.dims, None if call.info.window == "pool" else call["w"].dims)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    if found is None or len(x.dims) != 4 or min(x.dims) < 1:
        return None
    rows, columns = found
    read = rows.output * rows.kernel * columns.output * columns.kernel
    return x.index, x.dims[0] * read * (x.bytes // (x.dims[0] * x.dims[1] * x.dims[2]))


def region_plan(buffers: Sequence[PlannedBuffer], moved: Sequence[int], fast_room: int) -> RegionPlan:
    """Put buffers into ``fast_room`` bytes of a fast region, so that many bytes move there; the rest into the other.

    Buffers are tried in three orders (bytes moved for each byte, the same for each byte and time step, bytes moved);
    each goes in if TFLM's own planner then keeps the height within the room. The order that moves most bytes there is
    taken, of equal ones the lowest. Both regions are laid out by TFLM's planner.

    Parameters
    ----------
    buffers
        In TFLM's order; their offsets do not count.
    moved
        :func:`bytes_moved` of each.
    fast_room
        Bytes.

    Examples
    --------
    >>> a, b = (PlannedBuffer(0, 64, 64, 0, 1, 0, tensor=t) for t in (0, 1))
    >>> region_plan([a, b], [64, 128], 100).fast
    (False, True)
    """
    room = fast_room // ARENA_ALIGNMENT * ARENA_ALIGNMENT
    orders = (
        lambda i: moved[i] / buffers[i].size,
        lambda i: moved[i] / (buffers[i].size * (buffers[i].last - buffers[i].first + 1)),
        lambda i: moved[i],
    )
    worth = [i for i, b in enumerate(buffers) if b.size and moved[i]]
    chosen = [_filled(buffers, sorted(worth, key=lambda i: (-order(i), i)), room) for order in orders]
    plans = [_laid_out(buffers, moved, fast) for fast in chosen]
    return max(plans, key=lambda p: (p.fast_moved_bytes, -p.fast_bytes, -p.other_bytes))


def _filled(buffers: Sequence[PlannedBuffer], order: Sequence[int], room: int) -> frozenset[int]:
    taken: list[int] = []
    for i in order:
        tried = sorted((*taken, i))
        offsets = _offsets([buffers[k] for k in tried])
        if max(at + buffers[k].size for at, k in zip(offsets, tried, strict=True)) <= room:
            taken = tried
    return frozenset(taken)


def _offsets(buffers: Sequence[PlannedBuffer]) -> list[int]:
    return greedy_offsets([Requirement(b.size, b.first, b.last, None) for b in buffers])


def _laid_out(buffers: Sequence[PlannedBuffer], moved: Sequence[int], fast: frozenset[int]) -> RegionPlan:
    placed = list(buffers)
    for members in ([i for i in range(len(buffers)) if (i in fast) == side] for side in (True, False)):
        for i, at in zip(members, _offsets([buffers[i] for i in members]), strict=True):
            placed[i] = replace(buffers[i], offset=at)
    return RegionPlan(
        tuple(placed), tuple(i in fast for i in range(len(buffers))), sum(moved), sum(moved[i] for i in fast)
    )
