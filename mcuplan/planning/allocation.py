"""Offsets for a graph in a given order: the allocation problem that TFLM poses, solved and replayed.

Kernel scratch is part of the problem although no plan can pin it: TFLM places it itself, around the tensors whose
offsets the metadata fixes. So a placement counts for what the replay of TFLM's planner makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import Graph
from mcuplan.memory import Buffer, Problem, Window, lower_bound, solve
from mcuplan.planning.contents import contents
from mcuplan.planning.groups import Group, Grouping
from mcuplan.planning.uses import hull_by_step, tensor_uses
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import AliasOption, alias_options
from mcuplan.tflm.arena import place, predict
from mcuplan.tflm.lifetimes import lifetimes
from mcuplan.tflm.offline import ONLINE
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer
from mcuplan.tflm.target import Target

ALIGNMENT = 16
"""Bytes: what TFLM rounds tensors to, and where the plan puts groups."""

SCRATCH_ALIGNMENT = 4
"""Bytes: what kernels need of their scratch, which TFLM puts wherever the tensors around it end."""

Progress = Callable[[int], None]
"""Called with the best height in bytes whenever it falls."""


@dataclass(frozen=True)
class Layout:
    """Offsets of all tensors (in metadata order, -1 for none), and what TFLM makes of them.

    ``head_bytes`` is the replayed non-persistent section; ``lower_bound_bytes`` holds for this order and these
    aliases; ``optimal`` tells that no other offsets are better.
    """

    offsets: tuple[int, ...]
    head_bytes: int
    lower_bound_bytes: int
    optimal: bool
    proof: str
    aliases: tuple[AliasOption, ...]


def misaligned(buffer: PlannedBuffer) -> bool:
    """Whether a buffer is scratch at an address where its kernel cannot use it."""
    return buffer.tensor < 0 and bool(buffer.size) and buffer.offset % SCRATCH_ALIGNMENT != 0


class ArenaProblem:
    """What there is to place for one graph on one target, whatever the aliases.

    Built once from a graph in its final order; :meth:`layout` solves it for a choice of aliases.
    """

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph = set_offline_plan(graph, None)
        self.target = target
        self.stock: ArenaPrediction = predict(self.graph, target)
        self.options = [alias_options(graph, s, target) for s in range(len(graph.subgraphs))]
        self._buffers = self.stock.plan
        self._tensors = {(b.subgraph, b.tensor): b for b in self._buffers if b.tensor >= 0}
        scratch = [(b.subgraph, b.operator) for b in self._buffers if b.tensor < 0]
        self._live = lifetimes(self.graph, scratch)
        self._first_index = [0]
        for subgraph in graph.subgraphs:
            self._first_index.append(self._first_index[-1] + len(subgraph.tensors))

    @property
    def tensor_count(self) -> int:
        """Tensors of all subgraphs, constants included."""
        return self._first_index[-1]

    def grouping(self, index: int, chosen: Sequence[AliasOption]) -> Grouping:
        """The groups that ``chosen`` aliases make of subgraph ``index``, as far as they are safe together."""
        subgraph = self.graph.subgraphs[index]
        sizes = [self._tensors[index, t].bytes if (index, t) in self._tensors else 0
                 for t in range(len(subgraph.tensors))]  # fmt: skip
        options = self.options[index]
        uses = tensor_uses(self.graph, index, self._live, sizes, options)
        values = contents(sizes, options, [op.outputs for op in subgraph.operators])
        steps = {k: step for step, (s, k) in self._live.operator_steps.items() if s == index}
        grouping = Grouping(sizes, uses, values, options, steps, subgraph.operators)
        for option in chosen:
            if sizes[option.inner] and sizes[option.outer]:
                grouping.merge(option)
        return grouping

    def _group_buffer(self, index: int, number: int, grouping: Grouping, group: Group) -> Buffer:
        placed = {t: [(at, use) for use in grouping.uses[t]] for t, at in group.tensors.items()}
        size = max(at + self._tensors[index, t].size for t, at in group.tensors.items())
        hull = hull_by_step(placed)
        steps = sorted(hull)
        return Buffer(
            id=number,
            size=size,
            lower=steps[0],
            upper=steps[-1] + 1,
            alignment=ALIGNMENT,
            windows=tuple(_windows(hull, steps, size)) if len(group.tensors) > 1 or len(placed) > 1 else (),
        )

    def _pieces(
        self, groupings: Mapping[int, Grouping]
    ) -> Iterator[tuple[Buffer, int, Group | None, PlannedBuffer | None]]:
        """Every buffer of the problem with its subgraph and its group, or the scratch request it stands for."""
        number = 0
        for index, grouping in groupings.items():
            for group in grouping.groups():
                members = [t for t in group.tensors if (index, t) in self._tensors]
                if members:
                    yield self._group_buffer(index, number, grouping, group), index, group, None
                    number += 1
        for b in self._buffers:
            if b.tensor < 0 and b.size:
                yield Buffer(number, b.size, b.first, b.last + 1, ALIGNMENT), b.subgraph, None, b
                number += 1

    def layout(
        self,
        chosen: Sequence[AliasOption] = (),
        effort: str = "default",
        time_limit: float | None = None,
        progress: Progress | None = None,
    ) -> Layout:
        """Offsets for the ``chosen`` aliases (those that are not safe together are left out)."""
        by_subgraph: dict[int, list[AliasOption]] = {s: [] for s in range(len(self.graph.subgraphs))}
        for option in chosen:
            by_subgraph[option.subgraph].append(option)
        groupings = {s: self.grouping(s, options) for s, options in by_subgraph.items()}
        pieces = list(self._pieces(groupings))
        problem = Problem(tuple(piece[0] for piece in pieces))

        def spread(offsets: Mapping[Hashable, int]) -> list[int]:
            """Offsets of tensors, in metadata order."""
            found = [ONLINE] * self.tensor_count
            for buffer, index, group, _ in pieces:
                for t, at in group.tensors.items() if group else ():
                    found[self._first_index[index] + t] = offsets[buffer.id] + at
            return found

        def height(offsets: Mapping[Hashable, int]) -> int:
            return self.score(spread(offsets))

        solution = solve(problem, objective=height, effort=effort, time_limit=time_limit, progress=progress)
        offsets = spread(solution.offsets)
        head = self.head(offsets)
        bound = lower_bound(problem)
        taken = tuple(option for grouping in groupings.values() for option in grouping.taken)
        return Layout(tuple(offsets), head, bound, solution.optimal and head <= solution.height, solution.proof, taken)

    def lower_bound(self) -> int:
        """Bytes below which no offsets get without aliases, in this order."""
        groupings = {s: self.grouping(s, ()) for s in range(len(self.graph.subgraphs))}
        return lower_bound(Problem(tuple(piece[0] for piece in self._pieces(groupings))))

    def head(self, offsets: Sequence[int]) -> int:
        """Bytes of the non-persistent section that TFLM's planner makes of tensor offsets (metadata order)."""
        return max((b.end for b in self.replay(offsets)), default=0)

    def score(self, offsets: Sequence[int]) -> int:
        """The :meth:`head`, and that once more for each scratch buffer that would lie where no kernel can use it."""
        buffers = self.replay(offsets)
        head = max((b.end for b in buffers), default=0)
        return head * (1 + sum(map(misaligned, buffers)))

    def replay(self, offsets: Sequence[int]) -> tuple[PlannedBuffer, ...]:
        """TFLM's plan with tensors at ``offsets`` and scratch placed by TFLM."""
        fixed = [
            b
            if b.tensor < 0 or offsets[self._first_index[b.subgraph] + b.tensor] == ONLINE
            else replace(b, offset=offsets[self._first_index[b.subgraph] + b.tensor], offline=True)
            for b in self._buffers
        ]
        return place(fixed)


def _windows(hull: Mapping[int, tuple[int, int]], steps: Sequence[int], size: int) -> Iterator[Window]:
    """The hull as windows, one for each run of steps with the same bytes in use."""
    if all(hull[step] == (0, size) for step in steps) and len(steps) == steps[-1] + 1 - steps[0]:
        return
    start = steps[0]
    for step in range(steps[0], steps[-1] + 1):
        here, after = hull.get(step, (0, 0)), hull.get(step + 1, (0, 0))
        if here != after or step == steps[-1]:
            yield Window(start, step + 1, *here)
            start = step + 1
