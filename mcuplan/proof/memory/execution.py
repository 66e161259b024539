"""One ``Invoke`` on byte names: every operator in TFLM's order, with the copies that control flow makes.

What is read, written and found wrong is kept in a :class:`~mcuplan.proof.memory.ledger.Ledger`.

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

from mcuplan.graph import DType, Graph, Operator
from mcuplan.operators import called_subgraphs
from mcuplan.proof.memory.accesses import Access, Fill, Move, access
from mcuplan.proof.memory.byte_names import UNKNOWN, Content
from mcuplan.proof.memory.clobbers import APPLICATION, SCRATCH, ClobberKind
from mcuplan.proof.memory.ledger import Extent, Ledger, Node, State, Tensor
from mcuplan.proof.memory.steps import TooLongError, most_steps
from mcuplan.tflm.aliasing import AliasRule, LoopCopies
from mcuplan.tflm.results import PlannedBuffer

RESERVE = 8
"""Turns' worth of steps kept back for a loop whose turns turn out not to be known."""

_AT_NUMBERS = frozenset({"SLICE", "STRIDED_SLICE", "DYNAMIC_UPDATE_SLICE", "GATHER"})
"""Operators whose reads and writes depend on the values of integer inputs."""

_ENDS: Node = (0, APPLICATION)


class Execution:
    """Runs a graph under a placement; the ledger's ``findings`` are the clobbers in the order they were met."""

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
        self.ledger = Ledger(graph, plan)
        self._accesses: dict[Node, Access] = {}
        self._running: list[int] = []
        self._steps_left = most_steps(graph)

    def invoke(self) -> None:
        """The application writes the inputs, the main subgraph runs, the application reads the outputs.

        Raises TooLongError where there are too many paths.
        """
        state = self.ledger.empty()
        self._write_inputs(state)
        self._subgraph(state, 0)
        for t in self.graph.main.outputs:
            self.ledger.read(state, _ENDS, (0, t))

    def _write_inputs(self, state: State) -> None:
        """Inputs may be written in any order: what two of them share belongs to neither."""
        inputs = [(0, t) for t in dict.fromkeys(self.graph.main.inputs) if (0, t) in self.ledger.extents]
        for tensor in inputs:
            self.ledger.write(state, _ENDS, tensor)
        for a, b in itertools.combinations(inputs, 2):
            low, high = self.ledger.extents[a].overlap(self.ledger.extents[b])
            if low < high:
                state.memory.write(low, high, UNKNOWN, 0, self.ledger.writer(_ENDS, b))

    def _access(self, state: State, node: Node, operator: Operator) -> Access:
        """What an operator reads and writes; the same each time, unless it depends on a counter."""
        subgraph = self.graph.subgraphs[node[0]]
        if operator.name in _AT_NUMBERS:
            known = {
                position: numbers
                for position, t in enumerate(operator.inputs)
                if t >= 0
                and not self.graph.is_constant(subgraph.tensors[t])
                and (numbers := self.ledger.integers(state, (node[0], t))) is not None
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
                self.ledger.read(state, node, (s, operator.inputs[position]), how.span(position))
        if not how.workspaces:
            self._check_apart(node, operator, how)
        for m in how.moves:
            target = s, operator.outputs[m.target]
            if isinstance(m, Fill):
                self.ledger.fill(state, node, target, m)
            else:
                self.ledger.move(state, node, (s, operator.inputs[m.source]), target, m)
        self._use_scratch(state, node)
        if how.computes:
            for t in operator.outputs:
                if t >= 0:
                    self.ledger.write(state, node, (s, t))
            self.ledger.counted(state, node, operator)

    def _use_scratch(self, state: State, node: Node) -> None:
        for extent in self.ledger.scratch.get(node, ()):
            writer = self.ledger.writer(node, (node[0], SCRATCH))
            state.memory.write(extent.begin, extent.end, UNKNOWN, 0, writer)

    def _check_apart(self, node: Node, operator: Operator, how: Access) -> None:
        """Nothing that an operator writes may lie over what it reads, nor over anything else that it writes.

        Moves are left to the memory, which knows what each of them finds.
        """
        s, extents = node[0], self.ledger.extents
        scratch = [((s, SCRATCH), extent) for extent in self.ledger.scratch.get(node, ())]
        outputs = [((s, t), extents[s, t]) for t in dict.fromkeys(operator.outputs) if (s, t) in extents]
        beside = scratch + outputs if how.computes else scratch
        for (a, one), (b, other) in itertools.combinations(beside, 2):
            self._check_pair(node, a, one, b, other)
        for position, t in enumerate(operator.inputs):
            if (s, t) not in extents:
                continue
            whole = extents[s, t]
            for b, other in scratch:
                self._check_pair(node, (s, t), whole, b, other)
            if position in how.reads:
                for b, other in outputs:
                    if not how.may_cover(position, other.begin - whole.begin):
                        self._check_pair(node, (s, t), whole.part(how.span(position)), b, other)

    def _check_pair(self, node: Node, a: Tensor, one: Extent, b: Tensor, other: Extent) -> None:
        low, high = one.overlap(other)
        if low < high:
            self.ledger.report(ClobberKind.OVERLAP, node, a, (low, high), (node, b))

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
            extent = self.ledger.extents.get(source) or self.ledger.extents.get(target)
            if extent is not None and source[1] >= 0 and target[1] >= 0:
                whole = Move(0, 0, 0, 0, extent.end - extent.begin, carries=True)
                self.ledger.move(state, node, source, target, whole)

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
            self.ledger.read(state, node, inputs[0], (0, 1))
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
                self.ledger.read(here, node, tensor, (0, 1))

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
            a, b = (self.ledger.integers(state, (condition, t)) for t in operator.inputs)
            return a[0] < b[0] if a is not None and b is not None and len(a) == len(b) == 1 else None
        if operator.name == "SLICE" and len(operator.inputs) == 3:
            table = subgraph.tensors[operator.inputs[0]]
            place = self.ledger.integers(state, (condition, operator.inputs[1]))
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
            extent = self.ledger.extents.get(tensor)
            held = [path.contents.get(tensor) for path in paths]
            if extent is None or None in held or all(content == held[0] for content in held):
                continue
            if tensor not in merged:
                merged[tensor] = self.ledger.fresh(extent.end - extent.begin)
            writer = self.ledger.writer(node, tensor)
            for path in paths:
                self.ledger.read(path, node, tensor)
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
