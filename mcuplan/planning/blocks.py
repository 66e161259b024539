"""Tensors laid over one another: blocks that the allocator places as one buffer.

A block holds tensors at fixed displacements. A rewriting *ties* tensors that it made so; others are *laid* over one
another where that is safe: two tensors may share a byte at the same time only if they hold the same values there (and
no operator copies the one to another place over the other), or if the one is written by an operator that reads the
other for the last time and the kernel is known to read each element before it writes there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mcuplan.deadline import Deadline
from mcuplan.graph import Graph
from mcuplan.planning.liveness import Use
from mcuplan.planning.segments import Segment, same
from mcuplan.planning.ties import Place
from mcuplan.tflm.aliasing import AliasOption, Relation

DISPLACEMENT_ALIGNMENT = 4
"""Tensors are laid inside others at multiples of this many bytes, so that no core meets an unaligned word."""


class TieError(ValueError):
    """Ties that contradict each other: a bug in the rewriting."""


class Safety:
    """What may lie over what in one graph.

    Parameters
    ----------
    graph
        Its operators.
    uses
        When which bytes of each tensor are in use.
    values
        Which bytes of which tensors hold the same values, by subgraph.
    options
        What the kernels allow.
    steps
        The steps at which each operator runs.
    """

    def __init__(
        self,
        graph: Graph,
        uses: Mapping[Place, Sequence[Use]],
        values: Sequence[Sequence[Sequence[Segment]]],
        options: Iterable[AliasOption],
        steps: Mapping[tuple[int, int], Sequence[int]],
    ) -> None:
        self.uses = uses
        self._values = values
        self._steps = steps
        self._overwrites: dict[tuple[Place, Place], AliasOption] = {}
        self._places: dict[tuple[Place, Place], set[int]] = {}
        for o in options:
            pair = (o.subgraph, o.inner), (o.subgraph, o.outer)
            if o.relation is Relation.OVERWRITE:
                self._overwrites[pair] = o
            else:
                self._places.setdefault(pair, set()).add(o.at)
        self._ends = {((s, i), (s, o)) for s, _, op in graph.operators() for i in op.inputs for o in op.outputs}

    def allows(self, a: Place, a_at: int, b: Place, b_at: int) -> bool:
        """Whether two tensors may lie at these bytes of one block."""
        for x in self.uses.get(a, ()):
            for y in self.uses.get(b, ()):
                if x.first > y.last or y.first > x.last:
                    continue
                low, high = max(a_at + x.begin, b_at + y.begin), min(a_at + x.end, b_at + y.end)
                if low >= high:
                    continue
                if self._equal(a, low - a_at, b, low - b_at, high - low) and self._copied_in_place(a, a_at, b, b_at):
                    continue
                if not (self._overwritten(a, a_at, x, b, b_at, y) or self._overwritten(b, b_at, y, a, a_at, x)):
                    return False
        return True

    def _equal(self, a: Place, a_begin: int, b: Place, b_begin: int, length: int) -> bool:
        if a[0] != b[0]:
            return False
        values = self._values[a[0]]
        return same(values[a[1]], a_begin, values[b[1]], b_begin, length)

    def _copied_in_place(self, a: Place, a_at: int, b: Place, b_at: int) -> bool:
        """False where an operator copies the one into the other at another place: memcpy takes no such overlap."""
        if (a, b) not in self._ends and (b, a) not in self._ends:
            return True
        return a_at - b_at in self._places.get((a, b), ()) or b_at - a_at in self._places.get((b, a), ())

    def _overwritten(self, out: Place, out_at: int, write: Use, old: Place, old_at: int, read: Use) -> bool:
        """True where ``out`` is written over ``old`` by the operator that reads ``old`` for the last time."""
        option = self._overwrites.get((out, old))
        if option is None or not (out_at - old_at == option.at or out_at - old_at < option.at < 0):
            return False
        return read.last == write.first and write.first in self._steps.get((option.subgraph, option.operator), ())


class Blocks:
    """Tensors at displacements from one another, at first each by itself."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._block: dict[Place, dict[Place, int]] = {place: {place: 0} for place in places}

    def copy(self) -> Blocks:
        """The same blocks, to go on with apart."""
        twin = Blocks()
        once: dict[int, dict[Place, int]] = {}
        twin._block = {p: once.setdefault(id(block), dict(block)) for p, block in self._block.items()}
        return twin

    def of(self, place: Place) -> Mapping[Place, int]:
        """The block of a tensor: all that it holds, with displacements from some common byte."""
        return self._block[place]

    def tie(self, inner: Place, outer: Place, at: int) -> bool:
        """Put ``inner`` at byte ``at`` of ``outer``; False where they lie otherwise already."""
        moving, staying = self._block[inner], self._block[outer]
        shift = staying[outer] + at - moving[inner]
        if moving is staying:
            return shift == 0
        if len(moving) > len(staying):
            moving, staying, shift = staying, moving, -shift
        for place, displacement in moving.items():
            staying[place] = displacement + shift
            self._block[place] = staying
        return True

    def lay(self, option: AliasOption, safety: Safety, deadline: Deadline) -> bool:
        """Put the inner tensor of an alias in its place in the outer one if that is safe; whether it lies there.

        Raises
        ------
        OutOfTimeError
            Where the time is up before that is known.
        """
        if option.at % DISPLACEMENT_ALIGNMENT:
            return False
        inner, outer = (option.subgraph, option.inner), (option.subgraph, option.outer)
        moving, staying = self._block[inner], self._block[outer]
        shift = staying[outer] + option.at - moving[inner]
        if moving is staying:
            return shift == 0
        for a, a_at in moving.items():
            deadline.check()
            for b, b_at in staying.items():
                if not safety.allows(a, a_at + shift, b, b_at):
                    return False
        return self.tie(inner, outer, option.at)

    def all(self) -> list[dict[Place, int]]:
        """Every block once, in the order of their first tensors, with displacements from its first byte."""
        found: list[dict[Place, int]] = []
        seen: set[int] = set()
        for place in sorted(self._block):
            block = self._block[place]
            if id(block) not in seen:
                seen.add(id(block))
                least = min(block.values())
                found.append({p: block[p] - least for p in sorted(block)})
        return found
