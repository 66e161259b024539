"""Offsets for a graph in a given order: the allocation problem that TFLM poses, solved and replayed.

Kernel scratch is part of the problem although no plan can pin it: TFLM places it itself, around the tensors whose
offsets the metadata fixes. So a placement counts for what the replay of TFLM's planner makes of it. With several
targets a placement counts for the worst of them, and tensors share bytes only where that is safe on all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mcuplan.deadline import Deadline
from mcuplan.graph import Graph
from mcuplan.memory import Buffer, Problem, lower_bound, solve
from mcuplan.planning.blocks import Blocks, Safety, TieError
from mcuplan.planning.liveness import Run, Touch, Use, parts_read, uses, windows
from mcuplan.planning.segments import contents
from mcuplan.planning.ties import Loop, Place, Tie
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import AliasOption, alias_options, kernel_rules
from mcuplan.tflm.alignment import ARENA_ALIGNMENT, aligned
from mcuplan.tflm.arena import predict
from mcuplan.tflm.lifetimes import NEVER
from mcuplan.tflm.offline import ONLINE
from mcuplan.tflm.planner import Replay, Requirement
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer
from mcuplan.tflm.target import Target

Progress = Callable[[int], None]
"""Called with the best height in bytes whenever it falls."""


_FEW_NODES = 30
"""Of the exact search, for each buffer, that are spent on offsets better than known ones."""


@dataclass(frozen=True)
class Layout:
    """Offsets of all tensors (in metadata order, -1 for none), and what TFLM makes of them.

    ``head_bytes`` is the replayed non-persistent section, of the target that needs most; ``lower_bound_bytes`` holds
    for this order and these aliases; ``optimal`` tells that no other offsets are better; ``usable`` that all scratch,
    which TFLM places, comes to lie where kernels can use it.
    """

    offsets: tuple[int, ...]
    head_bytes: int
    lower_bound_bytes: int
    optimal: bool
    proof: str
    aliases: tuple[AliasOption, ...]
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Piece:
    """A buffer of the allocation problem: ``tensors`` at displacements in bytes, or ``scratch``, the how-manieth
    request of an operator (subgraph, operator, number)."""

    buffer: Buffer
    tensors: Mapping[Place, int]
    scratch: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Arrangement:
    """Blocks of tensors for one choice of aliases and ties, as an allocation problem."""

    pieces: tuple[Piece, ...]
    aliases: tuple[AliasOption, ...]
    allocation: Problem
    lower_bound_bytes: int


class ArenaProblem:
    """What there is to place for one graph, whatever the aliases.

    Parameters
    ----------
    graph
        In its final order.
    targets
        What the plan is for: one or several.
    ties, loops
        What a rewriting knows of the graph.
    own
        Tensors whose place is the rewriting's: no alias is laid beside its ties.
    deadline
        When to give up.

    Attributes
    ----------
    stock
        What TFLM makes of the graph without a plan, on each target.
    options
        Aliases that the kernels of all targets allow, by subgraph.
    bytes
        Of each tensor in the arena.

    Raises
    ------
    OutOfTimeError
        From all methods but :meth:`solve` where the time is up.
    """

    def __init__(
        self,
        graph: Graph,
        targets: Target | Sequence[Target],
        ties: Sequence[Tie] = (),
        loops: Sequence[Loop] = (),
        own: frozenset[Place] = frozenset(),
        deadline: Deadline | None = None,
    ) -> None:
        self.deadline = deadline or Deadline()
        self.deadline.check()
        self.graph = set_offline_plan(graph, None)
        self.targets = (targets,) if isinstance(targets, Target) else tuple(targets)
        self.stock: tuple[ArenaPrediction, ...] = tuple(predict(self.graph, target) for target in self.targets)
        self.options = [common_options(graph, s, self.targets) for s in range(len(graph.subgraphs))]
        self.bytes: dict[Place, int] = {
            (b.subgraph, b.tensor): b.bytes for b in self.stock[0].plan if b.tensor >= 0
        }  # fmt: skip
        least = max(kernel_rules(target).alignment for target in self.targets)
        # Kernels that take aligned tensors only cannot have one lie among another's rows: then these are copied.
        self.ties = [t for t in ties if t.inner in self.bytes and t.outer in self.bytes and t.at % least == 0]
        self.own = own
        every = [o for options in self.options for o in options]
        self.run = Run(self.graph, self.bytes, parts_read(self.graph, every, self.bytes), loops)
        self._uses = {place: self._in_use({place: 0}) for place in self.bytes}
        values = [
            contents(
                [self.bytes.get((s, t), 0) for t in range(len(subgraph.tensors))],
                self.options[s],
                [op.outputs for op in subgraph.operators],
            )
            for s, subgraph in enumerate(graph.subgraphs)
        ]
        self._safety = Safety(self.graph, self._uses, values, every, self.run.steps)
        self._spare = [a.persistent_bytes - min(b.persistent_bytes for b in self.stock) for a in self.stock]
        self._first_index = [0]
        for subgraph in graph.subgraphs:
            self._first_index.append(self._first_index[-1] + len(subgraph.tensors))

    @cached_property
    def _runtimes(self) -> list[_Runtime]:
        return [
            _Runtime(self.graph, arena, kernel_rules(target).scratch_alignment)
            for arena, target in zip(self.stock, self.targets, strict=True)
        ]

    # -- blocks ------------------------------------------------------------------------------------------------------

    def blocks(self, chosen: Iterable[AliasOption]) -> tuple[Blocks, tuple[AliasOption, ...]]:
        """The blocks that ties without a choice and ``chosen`` aliases make, and the aliases that are safe together."""
        blocks = Blocks(self.bytes)
        for tie in self.ties:
            if not tie.choice and not blocks.tie(tie.inner, tie.outer, tie.at):
                raise TieError(f"tensors {tie.inner} and {tie.outer} are tied in two ways")
        free = (o for o in chosen if not self.own.intersection(((o.subgraph, o.inner), (o.subgraph, o.outer))))
        known = (o for o in free if (o.subgraph, o.inner) in self.bytes and (o.subgraph, o.outer) in self.bytes)
        taken = tuple(option for option in known if blocks.lay(option, self._safety, self.deadline))
        return blocks, taken

    def arranged(self, chosen: Iterable[AliasOption] = (), choices: Iterable[str] = ()) -> Arrangement:
        """The allocation problem for ``chosen`` aliases and the ties of ``choices``."""
        blocks, taken = self.blocks(chosen)
        return self.arrangement(blocks, taken, choices)

    def arrangement(self, blocks: Blocks, taken: Sequence[AliasOption], choices: Iterable[str] = ()) -> Arrangement:
        """The allocation problem for blocks and the ties of ``choices``.

        Raises
        ------
        TieError
            Where the choices contradict the blocks.
        """
        wanted = frozenset(choices)
        if wanted:
            blocks = blocks.copy()
        for tie in self.ties:
            if tie.choice in wanted and not blocks.tie(tie.inner, tie.outer, tie.at):
                raise TieError(f"tensors {tie.inner} and {tie.outer} are tied in two ways")
        pieces = tuple(self._pieces(blocks))
        allocation = Problem(tuple(piece.buffer for piece in pieces))
        return Arrangement(pieces, tuple(taken), allocation, lower_bound(allocation))

    def _in_use(self, block: Mapping[Place, int]) -> list[Use]:
        if len(block) == 1:
            ((place, _),) = block.items()
            if place not in self.run.touches:  # TFLM plans it all the same
                return [Use(0, self.bytes[place], NEVER, NEVER)]
        touches: list[tuple[Touch, int]] = []
        for place, at in block.items():
            touches += [(touch, at) for touch in self.run.touches.get(place, ())]
        return uses(touches, self.deadline)

    def _pieces(self, blocks: Blocks) -> Iterator[Piece]:
        """Every buffer of the problem."""
        number = 0
        for block in blocks.all():
            if any(self.bytes[place] for place in block):
                yield Piece(self._buffer(number, block), block)
                number += 1
        for scratch, size in _requests(self.stock).items():
            subgraph, operator, _ = scratch
            steps = [Use(0, size, step, step) for step in self.run.steps.get((subgraph, operator), (NEVER,))]
            yield Piece(_buffer(number, size, steps), {}, scratch)
            number += 1

    def _buffer(self, number: int, block: Mapping[Place, int]) -> Buffer:
        size = max(at + aligned(self.bytes[place]) for place, at in block.items())
        if len(block) == 1:
            return _buffer(number, size, self._uses[next(iter(block))])
        return _buffer(number, aligned(size), self._in_use(block))

    # -- offsets -----------------------------------------------------------------------------------------------------

    def layout(
        self, chosen: Iterable[AliasOption] = (), effort: str = "default", progress: Progress | None = None
    ) -> Layout:
        """Offsets for the ``chosen`` aliases (those that are not safe together are left out)."""
        return self.solve(self.arranged(chosen), effort, progress)

    def lower_bound(self) -> int:
        """Bytes below which no offsets get without aliases, in this order."""
        return self.arranged().lower_bound_bytes

    def solve(
        self,
        arrangement: Arrangement,
        effort: str = "default",
        progress: Progress | None = None,
        below: int | None = None,
    ) -> Layout:
        """Offsets with which all scratch is aligned: what comes to lie wrong is tried at the arena's begin.

        Those with ``below`` bytes or more in the head are of no use: where few nodes of the exact search find no
        others, no more are spent.
        """
        pinned: dict[tuple[int, int, int], int] = {}
        buffers = arrangement.allocation.buffers
        while True:
            solution = solve(
                Problem(buffers, None if below is None else max(below - 1, 0)),
                objective=lambda found: self.score(self.spread(arrangement, found)),
                effort=effort,
                deadline=self.deadline,
                progress=progress,
                nodes=None if below is None else _FEW_NODES,
            )
            offsets = self.spread(arrangement, solution.offsets)
            if below is not None and self.score(offsets) < below:
                return self.solve(arrangement, effort, progress)
            wrong = {scratch for runtime in self._runtimes for scratch in runtime.misaligned(runtime.replay(offsets))}
            if wrong <= pinned.keys() or self.deadline.late():
                break
            pinned = _at_begin(arrangement, {*pinned, *wrong})
            buffers = tuple(
                replace(p.buffer, offset=pinned[p.scratch]) if p.scratch in pinned else p.buffer
                for p in arrangement.pieces
            )
        score = self.score(offsets)
        bound = arrangement.lower_bound_bytes
        optimal = score <= bound or (not pinned and solution.optimal and score <= solution.score)
        return Layout(
            tuple(offsets), self.head(offsets), bound, optimal, solution.proof, arrangement.aliases, not wrong
        )

    def spread(self, arrangement: Arrangement, offsets: Mapping[Hashable, int]) -> list[int]:
        """Offsets of tensors, in metadata order, from those of buffers."""
        found = [ONLINE] * self._first_index[-1]
        for piece in arrangement.pieces:
            for (s, t), at in piece.tensors.items():
                found[self._first_index[s] + t] = offsets[piece.buffer.id] + at
        return found

    def score(self, offsets: Sequence[int]) -> int:
        """The head, and that once more for each scratch buffer that would lie where no kernel can use it.

        Of several targets, the head of the worst, counting by how much its persistent section is larger than others.
        """
        return max(
            runtime.score(offsets) + spare for runtime, spare in zip(self._runtimes, self._spare, strict=True)
        )  # fmt: skip

    def head(self, offsets: Sequence[int]) -> int:
        """Bytes of the non-persistent section that TFLM's planner makes of tensor offsets (metadata order)."""
        return max(runtime.head(offsets) for runtime in self._runtimes)

    def replay(self, offsets: Sequence[int]) -> tuple[PlannedBuffer, ...]:
        """TFLM's plan on the first target, with tensors at ``offsets`` and scratch placed by TFLM."""
        return self._runtimes[0].plan(offsets)


class _Runtime:
    """TFLM on one target as it executes plans for a graph: offsets in metadata order, every tensor with one."""

    def __init__(self, graph: Graph, stock: ArenaPrediction, scratch_alignment: int) -> None:
        self._scratch_alignment = scratch_alignment
        first = [0]
        for subgraph in graph.subgraphs:
            first.append(first[-1] + len(subgraph.tensors))
        self._buffers = stock.plan
        self._where = [first[b.subgraph] + b.tensor if b.tensor >= 0 else -1 for b in stock.plan]
        self._sizes = [b.size for b in stock.plan]
        self._requests = list(_numbered(stock.plan))
        self._replay = Replay(
            [Requirement(b.size, b.first, b.last, None if b.tensor < 0 else 0) for b in stock.plan]
        )  # fmt: skip

    def replay(self, offsets: Sequence[int]) -> list[int]:
        """The offset of every buffer."""
        return self._replay.offsets([0 if where < 0 else offsets[where] for where in self._where])

    def misaligned(self, found: Sequence[int]) -> list[tuple[int, int, int]]:
        """Scratch at an address where its kernel cannot use it."""
        least = self._scratch_alignment
        return [scratch for scratch, i in self._requests if found[i] % least and self._sizes[i]]

    def head(self, offsets: Sequence[int]) -> int:
        """Bytes of the non-persistent section where tensors have these offsets."""
        return self._head(self.replay(offsets))

    def _head(self, found: Sequence[int]) -> int:
        return max((at + size for at, size in zip(found, self._sizes, strict=True)), default=0)

    def score(self, offsets: Sequence[int]) -> int:
        """What to make least: bytes of the head, once more for each buffer that lies unaligned."""
        found = self.replay(offsets)
        return self._head(found) * (1 + len(self.misaligned(found)))

    def plan(self, offsets: Sequence[int]) -> tuple[PlannedBuffer, ...]:
        """The buffers as TFLM places them where tensors have these offsets (-1: its own choice)."""
        return tuple(
            replace(b, offset=at, offline=b.tensor >= 0)
            for b, at in zip(self._buffers, self.replay(offsets), strict=True)
        )


def common_options(graph: Graph, subgraph: int, targets: Sequence[Target]) -> tuple[AliasOption, ...]:
    """Aliases of a subgraph that the kernels of all targets allow."""
    first, *others = ([(o, _what(o)) for o in alias_options(graph, subgraph, target)] for target in targets)
    allowed = [{what for _, what in options} for options in others]
    return tuple(option for option, what in first if all(what in some for some in allowed))


def _what(option: AliasOption) -> tuple[int, int, int, int, str]:
    """An alias without the reason why it is safe, which differs among kernels."""
    return option.operator, option.inner, option.outer, option.at, option.relation


def _numbered(plan: Sequence[PlannedBuffer]) -> Iterator[tuple[tuple[int, int, int], int]]:
    """Scratch requests, numbered operator by operator, with their numbers in TFLM's plan."""
    seen: dict[tuple[int, int], int] = {}
    for i, b in enumerate(plan):
        if b.tensor < 0:
            number = seen.get((b.subgraph, b.operator), 0)
            seen[b.subgraph, b.operator] = number + 1
            yield (b.subgraph, b.operator, number), i


def _requests(stock: Sequence[ArenaPrediction]) -> dict[tuple[int, int, int], int]:
    """Bytes of each scratch request, on the target that asks for most."""
    found: dict[tuple[int, int, int], int] = {}
    for arena in stock:
        for scratch, i in _numbered(arena.plan):
            if size := arena.plan[i].size:
                found[scratch] = max(found.get(scratch, 0), size)
    return found


def _at_begin(arrangement: Arrangement, chosen: set[tuple[int, int, int]]) -> dict[tuple[int, int, int], int]:
    """Offsets for scratch at the begin of the arena, where TFLM puts it if no tensor is there: largest first."""
    found: dict[tuple[int, int, int], int] = {}
    ends: dict[tuple[int, int], int] = {}
    for piece in sorted(arrangement.pieces, key=lambda p: (-p.buffer.size, p.scratch or ()), reverse=False):
        if piece.scratch in chosen:
            operator = piece.scratch[:2]
            found[piece.scratch] = ends.get(operator, 0)
            ends[operator] = found[piece.scratch] + piece.buffer.size
    return found


def _buffer(number: int, size: int, placed: Sequence[Use]) -> Buffer:
    """A buffer of the problem of which the bytes ``placed`` are in use."""
    if len(placed) == 1 and placed[0].begin == 0 and aligned(placed[0].end) == size:
        return Buffer(number, size, placed[0].first, placed[0].last + 1, ARENA_ALIGNMENT)
    found = windows(placed)
    whole = len(found) == 1 and (found[0].begin, aligned(found[0].end)) == (0, size)
    return Buffer(
        number, size, found[0].lower, found[-1].upper, ARENA_ALIGNMENT, windows=() if whole else tuple(found)
    )  # fmt: skip
