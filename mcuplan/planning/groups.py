"""Tensors laid over one another: groups that the allocator places as one buffer.

A group holds tensors at fixed displacements. Two of its tensors may share a byte at the same time only if they hold
the same values there (and no operator copies the one to another place over the other), or if the one is written by
an operator that reads the other for the last time and the kernel is known to read each element before it writes there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mcuplan.graph import Operator
from mcuplan.planning.contents import Segment, same
from mcuplan.planning.uses import Use
from mcuplan.tflm.aliasing import AliasOption, Relation

DISPLACEMENT_ALIGNMENT = 4
"""Tensors inside others start at multiples of this many bytes, so that no core meets an unaligned word."""


@dataclass(slots=True)
class Group:
    """Tensors at displacements in bytes (the least is 0)."""

    tensors: dict[int, int] = field(default_factory=dict)


class Grouping:
    """The groups of one subgraph, grown alias by alias; :meth:`merge` refuses what is not provably safe."""

    def __init__(
        self,
        sizes: Sequence[int],
        uses: Sequence[Sequence[Use]],
        values: Sequence[Sequence[Segment]],
        options: Iterable[AliasOption],
        write_step: Mapping[int, int],
        operators: Iterable[Operator],
    ) -> None:
        self.sizes = sizes
        self.uses = uses
        self.values = values
        self.write_step = write_step
        self.overwrites = {(o.inner, o.outer): o for o in options if o.relation is Relation.OVERWRITE}
        self.places: dict[tuple[int, int], set[int]] = {}
        for o in options:
            if o.relation is Relation.SHARE:
                self.places.setdefault((o.inner, o.outer), set()).add(o.at)
        self.ends = {(i, o) for op in operators for i in op.inputs for o in op.outputs}
        self.group_of = {t: Group({t: 0}) for t in range(len(sizes))}
        self.taken: list[AliasOption] = []

    def merge(self, option: AliasOption) -> bool:
        """Lay ``option.inner`` at byte ``option.at`` of ``option.outer`` if that is safe; True where it was done."""
        if option.at % DISPLACEMENT_ALIGNMENT:
            return False
        inner, outer = self.group_of[option.inner], self.group_of[option.outer]
        if inner is outer:
            done = inner.tensors[option.inner] - inner.tensors[option.outer] == option.at
            if done:
                self.taken.append(option)
            return done
        shift = outer.tensors[option.outer] + option.at - inner.tensors[option.inner]
        moved = {t: at + shift for t, at in inner.tensors.items()}
        for a, a_at in moved.items():
            for b, b_at in outer.tensors.items():
                if not self._compatible(a, a_at, b, b_at):
                    return False
        joined = {**outer.tensors, **moved}
        least = min(joined.values())
        merged = Group({t: at - least for t, at in joined.items()})
        for t in joined:
            self.group_of[t] = merged
        self.taken.append(option)
        return True

    def _compatible(self, a: int, a_at: int, b: int, b_at: int) -> bool:
        for x in self.uses[a]:
            for y in self.uses[b]:
                low = max(a_at + x.begin, b_at + y.begin)
                high = min(a_at + x.end, b_at + y.end)
                if low >= high or x.first > y.last or y.first > x.last:
                    continue
                equal = same(self.values[a], low - a_at, self.values[b], low - b_at, high - low)
                if equal and self._copied_in_place(a, a_at, b, b_at):
                    continue
                if not (self._overwritten(a, a_at, x, b, b_at, y) or self._overwritten(b, b_at, y, a, a_at, x)):
                    return False
        return True

    def _copied_in_place(self, a: int, a_at: int, b: int, b_at: int) -> bool:
        """False where an operator copies the one into the other at another place: memcpy takes no such overlap."""
        if (a, b) not in self.ends and (b, a) not in self.ends:
            return True
        return a_at - b_at in self.places.get((a, b), ()) or b_at - a_at in self.places.get((b, a), ())

    def _overwritten(self, out: int, out_at: int, write: Use, old: int, old_at: int, read: Use) -> bool:
        """True where ``out`` is written over ``old`` by the operator that reads ``old`` for the last time."""
        option = self.overwrites.get((out, old))
        if option is None or out_at - old_at != option.at:
            return False
        return read.last == write.first == self.write_step.get(option.operator)

    def groups(self) -> list[Group]:
        """All groups, each once, in the order of their first tensor."""
        seen: dict[int, Group] = {}
        for t in sorted(self.group_of):
            seen.setdefault(id(self.group_of[t]), self.group_of[t])
        return list(seen.values())
