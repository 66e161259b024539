"""One ``Invoke`` on byte names: every operator in TFLM's order, with the copies that control flow makes.

Two things run side by side. The *contents* say what each tensor holds if every tensor had bytes of its own; the
*memory* is the arena, where tensors lie as the plan has it. Wherever a kernel reads, the memory must hold the contents.

Control flow is followed on all paths: after an IF the memory holds what both branches agree on, and a WHILE is run
until one more turn changes nothing, or turn by turn where it counts its turns itself: then counters have values, and
slices at a counter's place read what they read. Control flow carries bytes that nobody needs any more as they are; it
is computing with them, or giving them to the application, that is wrong.

Sources: micro/kernels/if.cc, while.cc, call_once.cc, kernel_util.cc; when WHILE copies its inputs depends on TFLM's
version (:class:`mcuplan.tflm.aliasing.LoopCopies`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mcuplan.graph import DType, Graph, Operator
from mcuplan.operators import called_subgraphs, constant_values
from mcuplan.proof.memory.accesses import Access, Fill, Move, access
from mcuplan.proof.memory.byte_names import UNKNOWN, Content, Memory, Segment, cut, overlaid
from mcuplan.proof.memory.clobbers import APPLICATION, SCRATCH, Clobber, ClobberKind, Place
from mcuplan.tflm.aliasing import AliasRule, LoopCopies
from mcuplan.tflm.results import PlannedBuffer

Node = tuple[int, int]
"""(subgraph, operator)"""

Tensor = tuple[int, int]
"""(subgraph, tensor)"""

MOST_STEPS = 5_000
"""Operators followed, beyond 50 times those there are, until the proof is given up: nested control flow can have any
number of paths."""

RESERVE = 8
"""Turns' worth of steps kept back for a loop whose turns turn out not to be known."""

MOST_NUMBERS = 64
"""Elements up to which integers are followed: counters and places are small."""

WORD = 4
"""Bytes of an int32."""

_AT_NUMBERS = frozenset({"SLICE", "STRIDED_SLICE", "DYNAMIC_UPDATE_SLICE", "GATHER"})
"""Operators whose reads and writes depend on the values of integer inputs."""

_ENDLESS = 1 << 62
"""More bytes than any constant has."""

_ENDS: Node = (0, APPLICATION)


def most_steps(graph: Graph) -> int:
    """Operators that are followed before the proof is given up."""
    return MOST_STEPS + 50 * sum(len(s.operators) for s in graph.subgraphs)


def unfolded_steps(graph: Graph) -> int:
    """Operators that run when each subgraph that is called runs once for each call, calls inside calls included.

    Doubles with each level of an IF whose branches call the same; counted up to a level that is deep enough to stop.
    """
    calls = [
        [c for op in s.operators for c in called_subgraphs(op) if 0 <= c < len(graph.subgraphs)]
        for s in graph.subgraphs
    ]
    steps, most = [len(s.operators) for s in graph.subgraphs], most_steps(graph)
    for _ in range(len(graph.subgraphs)):  # as many rounds as there are levels
        before = steps
        steps = [
            min(len(s.operators) + sum(before[c] for c in calls[i]), most + 1) for i, s in enumerate(graph.subgraphs)
        ]
        if steps == before:
            break
    return steps[0] if steps else 0


class TooLongError(Exception):
    """The model has more paths than are worth following."""


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


class Execution:
    """Runs a graph under a placement; :attr:`findings` are the clobbers in the order they were met."""

    def __init__(
        self,
        graph: Graph,
        plan: Iterable[PlannedBuffer],
        rules: Mapping[str, AliasRule],
        loops: LoopCopies = LoopCopies.BEFORE,
    ) -> None:
        self.graph = graph
        self.rules = rules
        self.loops = loops
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
        self._accesses: dict[Node, Access] = {}
        self._running: list[int] = []
        self._steps_left = most_steps(graph)

    def invoke(self) -> None:
        """The application writes the inputs, the main subgraph runs, the application reads the outputs.

        Raises TooLongError where there are too many paths.
        """
        extents = [*self.extents.values(), *itertools.chain.from_iterable(self.scratch.values())]
        low, high = min((e.begin for e in extents), default=0), max((e.end for e in extents), default=1)
        state = State(Memory(low, high))
        self._write_inputs(state)
        self._subgraph(state, 0)
        for t in self.graph.main.outputs:
            self._read(state, _ENDS, (0, t))

    def _write_inputs(self, state: State) -> None:
        """Inputs may be written in any order: what two of them share belongs to neither."""
        inputs = [(0, t) for t in dict.fromkeys(self.graph.main.inputs) if (0, t) in self.extents]
        for tensor in inputs:
            self._write(state, _ENDS, tensor)
        for a, b in itertools.combinations(inputs, 2):
            low, high = self.extents[a].overlap(self.extents[b])
            if low < high:
                state.memory.write(low, high, UNKNOWN, 0, self._writer(_ENDS, b))

    # -- places and values -----------------------------------------------------------------------------------------

    def _place(self, node: Node, tensor: Tensor) -> Place:
        (s, k), (owner, t) = node, tensor
        operator = self.graph.subgraphs[s].operators[k].label if k != APPLICATION else ""
        name = self.graph.subgraphs[owner].tensors[t].name if t != SCRATCH else ""
        return Place(s, k, operator, owner, t, name)

    def _writer(self, node: Node, tensor: Tensor) -> int:
        self._writers.append((node, tensor))
        return len(self._writers) - 1

    def _fresh(self, size: int) -> Content:
        return (Segment(0, size, next(self._values)),) if size else ()

    def _report(
        self,
        kind: ClobberKind,
        node: Node,
        tensor: Tensor,
        extent: tuple[int, int],
        writer: tuple[Node, Tensor] | None,
        lost: int | None = None,
    ) -> None:
        if (kind, node, tensor) not in self.findings:
            culprit = self._place(*writer) if writer else None
            (begin, end), place = extent, self._place(node, tensor)
            count = end - begin if lost is None else lost
            self.findings[kind, node, tensor] = Clobber(kind, place, begin, end, culprit, lost=count)

    # -- reading and writing ---------------------------------------------------------------------------------------

    def _content(self, state: State, node: Node, tensor: Tensor) -> Content:
        """What a tensor ought to hold where ``node`` reads it."""
        s, t = tensor
        extent = self.extents.get(tensor)
        if extent is not None:
            found = state.contents.get(tensor)
            if found is None:
                self._report(ClobberKind.UNWRITTEN, node, tensor, (extent.begin, extent.end), None)
                self._write(state, node, tensor)
                found = state.contents[tensor]
            return found
        if self.graph.is_constant(self.graph.subgraphs[s].tensors[t]):
            if tensor not in self._constants:
                self._constants[tensor] = self._fresh(_ENDLESS)
                numbers = constant_values(self.graph, self.graph.subgraphs[s].tensors[t])
                if numbers is not None and self.graph.subgraphs[s].tensors[t].dtype is DType.INT32:
                    self._numbers[self._constants[tensor][0].value] = numbers
            return self._constants[tensor]
        return self._fresh(_ENDLESS)  # a variable, whose state has memory of its own

    def _read(self, state: State, node: Node, tensor: Tensor, span: tuple[int, int] | None = None) -> None:
        """Check the bytes of a tensor that ``node`` reads (all of them without ``span``)."""
        extent = self.extents.get(tensor)
        if extent is None:
            return
        content = self._content(state, node, tensor)
        segments = content if span is None else tuple(cut(content, *span, to=span[0]))
        wrong = list(state.memory.wrong(extent.begin, segments))
        if wrong:
            writer = self._writers[wrong[0].writer] if wrong[0].writer >= 0 else None
            lost = sum(cell.end - cell.begin for cell in wrong)
            self._report(ClobberKind.OVERWRITTEN, node, tensor, (wrong[0].begin, wrong[-1].end), writer, lost)

    def _write(self, state: State, node: Node, tensor: Tensor) -> None:
        """Something new in all bytes of a tensor."""
        extent = self.extents.get(tensor)
        if extent is not None:
            content = state.contents[tensor] = self._fresh(extent.end - extent.begin)
            state.memory.put(extent.begin, content, self._writer(node, tensor))

    def _fill(self, state: State, node: Node, target: Tensor, fill: Fill) -> None:
        """Something new in some bytes of a tensor."""
        extent = self.extents.get(target)
        if extent is None or fill.begin >= fill.end:
            return
        filled = (Segment(fill.begin, fill.end, next(self._values)),)
        state.memory.put(extent.begin, filled, self._writer(node, target))
        old = state.contents.get(target) or (Segment(0, extent.end - extent.begin, UNKNOWN),)
        state.contents[target] = overlaid(old, filled, fill.begin, fill.end)

    def _move(self, state: State, node: Node, source: Tensor, target: Tensor, move: Move) -> None:
        """Copy bytes between tensors; onto themselves nothing happens.

        A move that carries takes them as they are. Of others they are checked: where the source is wrong, that is
        said once and the copy is taken to be right.
        """
        destination = self.extents.get(target)
        span = (move.begin, move.begin + move.length)
        content = self._content(state, node, source)
        if not move.carries or destination is None:
            self._read(state, node, source, span)
        if destination is None or not move.length:
            return
        moved = tuple(cut(content, *span, to=move.to))
        origin, writer = self.extents.get(source), self._writer(node, target)
        here = destination.part((move.to, move.to + move.length))
        there = None if origin is None else origin.part(span)
        if there is not None:
            low, high = there.overlap(here)
            falls = move.ascends and here.begin < there.begin
            if there != here and low < high and not falls:
                self._report(ClobberKind.PARTIAL_COPY, node, source, (low, high), (node, target))
                there = None
        if there is None or not move.carries:
            state.memory.put(destination.begin, moved, writer)
        elif there != here:
            state.memory.move(there.begin, there.end, here.begin, writer)
        old = state.contents.get(target) or (Segment(0, destination.end - destination.begin, UNKNOWN),)
        state.contents[target] = overlaid(old, moved, move.to, move.to + move.length)

    # -- numbers ---------------------------------------------------------------------------------------------------

    def _integers(self, state: State, tensor: Tensor) -> tuple[int, ...] | None:
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

    def _counted(self, state: State, node: Node, operator: Operator) -> None:
        """Work out the sum that an ADD of known integers has just written."""
        if operator.name != "ADD" or len(operator.inputs) != 2 or len(operator.outputs) != 1:
            return
        if operator.option("fused_activation_function", 0) != 0:
            return
        s, out = node[0], operator.outputs[0]
        terms = [self._integers(state, (s, t)) for t in operator.inputs if t >= 0]
        content = state.contents.get((s, out), ())
        if len(content) != 1 or len(terms) != 2 or terms[0] is None or terms[1] is None:
            return
        if len(terms[0]) == len(terms[1]) and self.graph.subgraphs[s].tensors[out].dtype is DType.INT32:
            sums = tuple(a + b for a, b in zip(terms[0], terms[1], strict=True))
            if all(-(1 << 31) <= n < 1 << 31 for n in sums):
                self._numbers[content[0].value] = sums

    def _access(self, state: State, node: Node, operator: Operator) -> Access:
        """What an operator reads and writes; the same each time, unless it depends on a counter."""
        subgraph = self.graph.subgraphs[node[0]]
        if operator.name in _AT_NUMBERS:
            known = {
                position: numbers
                for position, t in enumerate(operator.inputs)
                if t >= 0
                and not self.graph.is_constant(subgraph.tensors[t])
                and (numbers := self._integers(state, (node[0], t))) is not None
            }
            if known:
                return access(self.graph, subgraph, operator, self.rules, known)
        if node not in self._accesses:
            self._accesses[node] = access(self.graph, subgraph, operator, self.rules)
        return self._accesses[node]

    # -- operators -------------------------------------------------------------------------------------------------

    def _subgraph(self, state: State, index: int) -> None:
        self._running.append(index)
        for k, operator in enumerate(self.graph.subgraphs[index].operators):
            self._steps_left -= 1
            if self._steps_left < 0:
                raise TooLongError
            called = called_subgraphs(operator)
            if not called:
                self._operator(state, (index, k), operator)
            elif all(0 <= c < len(self.graph.subgraphs) and c not in self._running for c in called):
                self._control(state, (index, k), operator, called)
        self._running.pop()

    def _operator(self, state: State, node: Node, operator: Operator) -> None:
        s = node[0]
        how = self._access(state, node, operator)
        for position in how.reads:
            if operator.inputs[position] >= 0:
                self._read(state, node, (s, operator.inputs[position]), how.span(position))
        if not how.workspaces:
            self._check_apart(node, operator, how)
        for m in how.moves:
            target = s, operator.outputs[m.target]
            if isinstance(m, Fill):
                self._fill(state, node, target, m)
            else:
                self._move(state, node, (s, operator.inputs[m.source]), target, m)
        self._use_scratch(state, node)
        if how.computes:
            for t in operator.outputs:
                if t >= 0:
                    self._write(state, node, (s, t))
            self._counted(state, node, operator)

    def _use_scratch(self, state: State, node: Node) -> None:
        for extent in self.scratch.get(node, ()):
            writer = self._writer(node, (node[0], SCRATCH))
            state.memory.write(extent.begin, extent.end, UNKNOWN, 0, writer)

    def _check_apart(self, node: Node, operator: Operator, how: Access) -> None:
        """Nothing that an operator writes may lie over what it reads, nor over anything else that it writes.

        Moves are left to the memory, which knows what each of them finds.
        """
        s = node[0]
        scratch = [((s, SCRATCH), extent) for extent in self.scratch.get(node, ())]
        outputs = [((s, t), self.extents[s, t]) for t in dict.fromkeys(operator.outputs) if (s, t) in self.extents]
        beside = scratch + outputs if how.computes else scratch
        for (a, one), (b, other) in itertools.combinations(beside, 2):
            self._check_pair(node, a, one, b, other)
        for position, t in enumerate(operator.inputs):
            if (s, t) not in self.extents:
                continue
            whole = self.extents[s, t]
            for b, other in scratch:
                self._check_pair(node, (s, t), whole, b, other)
            if position in how.reads:
                for b, other in outputs:
                    if not how.may_cover(position, other.begin - whole.begin):
                        self._check_pair(node, (s, t), whole.part(how.span(position)), b, other)

    def _check_pair(self, node: Node, a: Tensor, one: Extent, b: Tensor, other: Extent) -> None:
        low, high = one.overlap(other)
        if low < high:
            self._report(ClobberKind.OVERLAP, node, a, (low, high), (node, b))

    # -- control flow ----------------------------------------------------------------------------------------------

    def _control(self, state: State, node: Node, operator: Operator, called: tuple[int, ...]) -> None:
        self._use_scratch(state, node)
        inputs = [(node[0], t) for t in operator.inputs]
        outputs = [(node[0], t) for t in operator.outputs]
        if operator.name == "IF":
            self._if(state, node, inputs, outputs, called)
        elif operator.name == "WHILE":
            self._while(state, node, inputs, outputs, called)
        else:
            self._call_once(state, called[0])

    def _pass(self, state: State, node: Node, sources: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
        """Copy tensors one after the other, as TFLM does between an operator and the subgraph it calls."""
        for source, target in zip(sources, targets, strict=False):
            extent = self.extents.get(source) or self.extents.get(target)
            if extent is not None and source[1] >= 0 and target[1] >= 0:
                whole = Move(0, 0, 0, 0, extent.end - extent.begin, carries=True)
                self._move(state, node, source, target, whole)

    def _inside(self, state: State, index: int) -> None:
        """Run a called subgraph; what it held from an earlier call is not to be relied on."""
        inputs = set(self.graph.subgraphs[index].inputs)
        for key in [key for key in state.contents if key[0] == index and key[1] not in inputs]:
            del state.contents[key]
        self._subgraph(state, index)

    def _ends(self, index: int) -> tuple[list[Tensor], list[Tensor]]:
        subgraph = self.graph.subgraphs[index]
        return [(index, t) for t in subgraph.inputs], [(index, t) for t in subgraph.outputs]

    def _if(
        self, state: State, node: Node, inputs: list[Tensor], outputs: list[Tensor], called: tuple[int, ...]
    ) -> None:
        if inputs and inputs[0][1] >= 0:
            self._read(state, node, inputs[0], (0, 1))
        branches = []
        for index in called:
            branch = state.copy()
            entries, results = self._ends(index)
            self._pass(branch, node, inputs[1:], entries)
            self._inside(branch, index)
            self._pass(branch, node, results, outputs)
            branches.append(branch)
        self._meet(state, branches, node, outputs, {})

    def _while(
        self, state: State, node: Node, inputs: list[Tensor], outputs: list[Tensor], called: tuple[int, ...]
    ) -> None:
        condition, body = called[0], called[1]
        (to_condition, verdict), (to_body, results) = self._ends(condition), self._ends(body)

        def decide(here: State) -> None:
            self._inside(here, condition)
            for tensor in verdict[:1]:
                self._read(here, node, tensor, (0, 1))

        def turn_after(here: State) -> None:
            self._pass(here, node, outputs, to_body)
            self._inside(here, body)
            self._pass(here, node, results, outputs)
            self._pass(here, node, outputs, to_condition)
            decide(here)

        self._pass(state, node, inputs, to_condition)
        if self.loops is LoopCopies.BEFORE:
            self._pass(state, node, inputs, outputs)
            decide(state)
        else:  # until 2026-07 WHILE read its inputs once more when the condition had run
            decide(state)
            self._pass(state, node, inputs, to_body)
            self._pass(state, node, inputs, outputs)
        # A loop that counts is followed turn by turn, as long as its verdict is known and there are steps to spare.
        while self._steps_left > RESERVE * self._length(called):
            goes_on = self._verdict(state, condition)
            if goes_on is False:
                return
            if goes_on is None:
                break
            turn_after(state)
        merged: dict[Tensor, Content] = {}
        settled = False
        # Each turn but the last makes some output or byte stand for less than before, so that this ends.
        while not settled:
            turn = state.copy()
            turn_after(turn)
            before, held = state.memory, {t: state.contents.get(t) for t in outputs}
            self._meet(state, [state.copy(), turn], node, outputs, merged)
            settled = held == {t: state.contents.get(t) for t in outputs} and state.memory.same_values(before)

    def _verdict(self, state: State, condition: int) -> bool | None:
        """A condition's answer, where it is ``LESS`` of two known integers or looked up at a known place; else None."""
        subgraph = self.graph.subgraphs[condition]
        k = subgraph.producers.get(subgraph.outputs[0]) if subgraph.outputs else None
        operator = None if k is None else subgraph.operators[k]
        if k is None or operator is None or any(t < 0 or subgraph.producers.get(t, -1) >= k for t in operator.inputs):
            return None  # what it read is gone
        if operator.name == "LESS" and len(operator.inputs) == 2:
            a, b = (self._integers(state, (condition, t)) for t in operator.inputs)
            return a[0] < b[0] if a is not None and b is not None and len(a) == len(b) == 1 else None
        if operator.name == "SLICE" and len(operator.inputs) == 3:
            table = subgraph.tensors[operator.inputs[0]]
            place = self._integers(state, (condition, operator.inputs[1]))
            answers = self.graph.data(table) if table.dtype is DType.BOOL and table.rank == 1 else None
            if answers is not None and place is not None and 0 <= place[0] < len(answers):
                return bool(answers[place[0]])
        return None

    def _length(self, called: Sequence[int]) -> int:
        return sum(len(self.graph.subgraphs[index].operators) for index in called)

    def _meet(
        self,
        state: State,
        paths: Sequence[State],
        node: Node,
        outputs: Sequence[Tensor],
        merged: dict[Tensor, Content],
    ) -> None:
        """Let ``state`` be what is true on every path; outputs that differ get a value that stands for all of them.

        ``merged`` keeps these values, so that the turns of a loop agree on them.
        """
        for tensor in dict.fromkeys(outputs):
            extent = self.extents.get(tensor)
            held = [path.contents.get(tensor) for path in paths]
            if extent is None or None in held or all(content == held[0] for content in held):
                continue
            if tensor not in merged:
                merged[tensor] = self._fresh(extent.end - extent.begin)
            writer = self._writer(node, tensor)
            for path in paths:
                self._read(path, node, tensor)
                path.contents[tensor] = merged[tensor]
                path.memory.put(extent.begin, merged[tensor], writer)
        state.memory = paths[0].memory
        for path in paths[1:]:
            state.memory = state.memory.met(path.memory)
        state.contents = dict(_agreed(paths))

    def _call_once(self, state: State, index: int) -> None:
        """The first ``Invoke`` runs the subgraph, later ones do not."""
        ran = state.copy()
        self._inside(ran, index)
        state.memory = state.memory.met(ran.memory)


def _agreed(paths: Sequence[State]) -> Iterator[tuple[Tensor, Content]]:
    for tensor, content in paths[0].contents.items():
        if all(path.contents.get(tensor) == content for path in paths[1:]):
            yield tensor, content
