"""The arena under a placement, and what each tensor ought to hold: reads, writes and copies of one ``Invoke``.

The *contents* say what each tensor holds if every tensor had bytes of its own; the *memory* is the arena, where tensors
lie as the plan has it. Wherever a kernel reads, the memory must hold the contents; where it does not, a
:class:`~mcuplan.proof.memory.clobbers.Clobber` is written down, once for each kind, reader and tensor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from mcuplan.graph import DType, Graph, Operator
from mcuplan.operators import Options, constant_values
from mcuplan.proof.memory.accesses import Fill, Move
from mcuplan.proof.memory.byte_names import UNKNOWN, Content, Memory, Segment, cut, overlaid
from mcuplan.proof.memory.clobbers import APPLICATION, SCRATCH, Clobber, ClobberKind, Place
from mcuplan.tflm.results import PlannedBuffer

Node = tuple[int, int]
"""(subgraph, operator)"""

Tensor = tuple[int, int]
"""(subgraph, tensor)"""

MOST_NUMBERS = 64
"""Elements up to which integers are followed: counters and places are small."""

WORD = 4
"""Bytes of an int32."""

_ENDLESS = 1 << 62
"""More bytes than any constant has."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a tensor or scratch buffer lies: ``[begin, end)`` in the arena."""

    begin: int
    end: int

    def part(self, span: tuple[int, int] | None) -> Extent:
        """The extent of bytes ``[span[0], span[1])`` of the tensor, or of all of it."""
        return self if span is None else Extent(self.begin + span[0], self.begin + span[1])

    def overlap(self, other: Extent) -> tuple[int, int]:
        """The bytes of both; empty (first not below second) where they are apart."""
        return max(self.begin, other.begin), min(self.end, other.end)


@dataclass(slots=True)
class State:
    """The arena and what each tensor ought to hold."""

    memory: Memory
    contents: dict[Tensor, Content] = field(default_factory=dict)

    def copy(self) -> State:
        """A state that can go another way."""
        return State(self.memory.copy(), dict(self.contents))


class Ledger:
    """Books of one graph under one placement; :attr:`findings` are the clobbers in the order they were met."""

    def __init__(self, graph: Graph, plan: Iterable[PlannedBuffer]) -> None:
        self.graph = graph
        self.extents: dict[Tensor, Extent] = {}
        self.scratch: dict[Node, list[Extent]] = {}
        for b in plan:
            extent = Extent(b.offset, b.offset + b.bytes)
            if b.tensor >= 0:
                self.extents[b.subgraph, b.tensor] = extent
            else:
                self.scratch.setdefault((b.subgraph, b.operator), []).append(extent)
        self.findings: dict[tuple[ClobberKind, Node, Tensor], Clobber] = {}
        self._values = itertools.count(UNKNOWN + 1)
        self._numbers: dict[int, tuple[int, ...]] = {}
        """Integers that a value stands for, where they are known."""
        self._constants: dict[Tensor, Content] = {}
        self._writers: list[tuple[Node, Tensor]] = []

    def empty(self) -> State:
        """The arena before anything is written, from the lowest to the highest byte of the placement."""
        extents = [*self.extents.values(), *itertools.chain.from_iterable(self.scratch.values())]
        return State(Memory(min((e.begin for e in extents), default=0), max((e.end for e in extents), default=1)))

    # -- places and values -----------------------------------------------------------------------------------------

    def _place(self, node: Node, tensor: Tensor) -> Place:
        (s, k), (owner, t) = node, tensor
        operator = self.graph.subgraphs[s].operators[k].label if k != APPLICATION else ""
        name = self.graph.subgraphs[owner].tensors[t].name if t != SCRATCH else ""
        return Place(s, k, operator, owner, t, name)

    def writer(self, node: Node, tensor: Tensor) -> int:
        """A number by which the memory keeps who wrote a byte."""
        self._writers.append((node, tensor))
        return len(self._writers) - 1

    def fresh(self, size: int) -> Content:
        """``size`` bytes of a value that nothing else has."""
        return (Segment(0, size, next(self._values)),) if size else ()

    def report(
        self,
        kind: ClobberKind,
        node: Node,
        tensor: Tensor,
        extent: tuple[int, int],
        writer: tuple[Node, Tensor] | None,
        lost: int | None = None,
    ) -> None:
        """Write down that ``node`` finds bytes ``extent`` of ``tensor`` wrong, unless that is known already.

        ``writer`` has last written there; ``lost`` is the number of wrong bytes where they are not all of ``extent``.
        """
        if (kind, node, tensor) not in self.findings:
            culprit = self._place(*writer) if writer else None
            (begin, end), place = extent, self._place(node, tensor)
            count = end - begin if lost is None else lost
            self.findings[kind, node, tensor] = Clobber(kind, place, begin, end, culprit, lost=count)

    # -- reading and writing ---------------------------------------------------------------------------------------

    def content(self, state: State, node: Node, tensor: Tensor) -> Content:
        """What a tensor ought to hold where ``node`` reads it."""
        s, t = tensor
        extent = self.extents.get(tensor)
        if extent is not None:
            found = state.contents.get(tensor)
            if found is None:
                self.report(ClobberKind.UNWRITTEN, node, tensor, (extent.begin, extent.end), None)
                self.write(state, node, tensor)
                found = state.contents[tensor]
            return found
        if self.graph.is_constant(self.graph.subgraphs[s].tensors[t]):
            if tensor not in self._constants:
                self._constants[tensor] = self.fresh(_ENDLESS)
                numbers = constant_values(self.graph, self.graph.subgraphs[s].tensors[t])
                if numbers is not None and self.graph.subgraphs[s].tensors[t].dtype is DType.INT32:
                    self._numbers[self._constants[tensor][0].value] = numbers
            return self._constants[tensor]
        return self.fresh(_ENDLESS)  # a variable, whose state has memory of its own

    def read(self, state: State, node: Node, tensor: Tensor, span: tuple[int, int] | None = None) -> None:
        """Check the bytes of a tensor that ``node`` reads (all of them without ``span``)."""
        extent = self.extents.get(tensor)
        if extent is None:
            return
        content = self.content(state, node, tensor)
        segments = content if span is None else tuple(cut(content, *span, to=span[0]))
        wrong = list(state.memory.wrong(extent.begin, segments))
        if wrong:
            writer = self._writers[wrong[0].writer] if wrong[0].writer >= 0 else None
            lost = sum(cell.end - cell.begin for cell in wrong)
            self.report(ClobberKind.OVERWRITTEN, node, tensor, (wrong[0].begin, wrong[-1].end), writer, lost)

    def write(self, state: State, node: Node, tensor: Tensor) -> None:
        """Something new in all bytes of a tensor."""
        extent = self.extents.get(tensor)
        if extent is not None:
            content = state.contents[tensor] = self.fresh(extent.end - extent.begin)
            state.memory.put(extent.begin, content, self.writer(node, tensor))

    def fill(self, state: State, node: Node, target: Tensor, fill: Fill) -> None:
        """Something new in some bytes of a tensor."""
        extent = self.extents.get(target)
        if extent is None or fill.begin >= fill.end:
            return
        filled = (Segment(fill.begin, fill.end, next(self._values)),)
        state.memory.put(extent.begin, filled, self.writer(node, target))
        old = state.contents.get(target) or (Segment(0, extent.end - extent.begin, UNKNOWN),)
        state.contents[target] = overlaid(old, filled, fill.begin, fill.end)

    def move(self, state: State, node: Node, source: Tensor, target: Tensor, move: Move) -> None:
        """Copy bytes between tensors; onto themselves nothing happens.

        A move that carries takes them as they are. Of others they are checked: where the source is wrong, that is
        said once and the copy is taken to be right.
        """
        destination = self.extents.get(target)
        span = (move.begin, move.begin + move.length)
        content = self.content(state, node, source)
        if not move.carries or destination is None:
            self.read(state, node, source, span)
        if destination is None or not move.length:
            return
        moved = tuple(cut(content, *span, to=move.to))
        origin, writer = self.extents.get(source), self.writer(node, target)
        here = destination.part((move.to, move.to + move.length))
        there = None if origin is None else origin.part(span)
        if there is not None:
            low, high = there.overlap(here)
            falls = move.ascends and here.begin < there.begin
            if there != here and low < high and not falls:
                self.report(ClobberKind.PARTIAL_COPY, node, source, (low, high), (node, target))
                there = None
        if there is None or not move.carries:
            state.memory.put(destination.begin, moved, writer)
        elif there != here:
            state.memory.move(there.begin, there.end, here.begin, writer)
        old = state.contents.get(target) or (Segment(0, destination.end - destination.begin, UNKNOWN),)
        state.contents[target] = overlaid(old, moved, move.to, move.to + move.length)

    # -- numbers ---------------------------------------------------------------------------------------------------

    def integers(self, state: State, tensor: Tensor) -> tuple[int, ...] | None:
        """The values of an int32 tensor, where they are constant or follow from constants."""
        s, t = tensor
        described = self.graph.subgraphs[s].tensors[t]
        if described.dtype is not DType.INT32 or not 0 < described.elements <= MOST_NUMBERS:
            return None
        constant = constant_values(self.graph, described)
        if constant is not None:
            return constant
        found: list[int] = []
        for segment in state.contents.get(tensor, ()):
            numbers = self._numbers.get(segment.value)
            first, last = segment.begin + segment.shift, segment.end + segment.shift
            if numbers is None or first % WORD or last % WORD or last > WORD * len(numbers):
                return None
            found += numbers[first // WORD : last // WORD]
        return tuple(found) if len(found) == described.elements else None

    def counted(self, state: State, node: Node, operator: Operator) -> None:
        """Work out the sum that an ADD of known integers has just written."""
        if operator.name != "ADD" or len(operator.inputs) != 2 or len(operator.outputs) != 1:
            return
        if Options(operator).activation:
            return
        s, out = node[0], operator.outputs[0]
        terms = [self.integers(state, (s, t)) for t in operator.inputs if t >= 0]
        content = state.contents.get((s, out), ())
        if len(content) != 1 or len(terms) != 2 or terms[0] is None or terms[1] is None:
            return
        if len(terms[0]) == len(terms[1]) and self.graph.subgraphs[s].tensors[out].dtype is DType.INT32:
            sums = tuple(a + b for a, b in zip(terms[0], terms[1], strict=True))
            if all(-(1 << 31) <= n < 1 << 31 for n in sums):
                self._numbers[content[0].value] = sums
