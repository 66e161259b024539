"""Instructions of a whole Invoke: every operator as often as loops run it, and the interpreter's own share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mcuplan.estimates.instructions._copies import run
from mcuplan.estimates.instructions.calls import IN_PLACE, known_call
from mcuplan.estimates.instructions.model import Cost, CostModel, cost_model
from mcuplan.frozen import quick
from mcuplan.graph import CUSTOM, Graph, Operator, Subgraph
from mcuplan.operators import TensorFacts, called_subgraphs, callees_first, loop_turns
from mcuplan.operators.formulas import UNFIT_SHAPES
from mcuplan.operators.input_rows import is_rows_operator
from mcuplan.tflm import PlannedBuffer, predict
from mcuplan.tflm.target import Target

Address = Callable[[int, int], int | None]
"""The arena offset of a tensor, by subgraph and index; None where it lies elsewhere or that is not known."""


@quick
@dataclass(frozen=True, slots=True)
class OperatorInstructions:
    """One operator: instructions of one call without dispatch, and calls in one Invoke.

    With control flow the called subgraphs' operators have rows of their own. ``instructions`` is None where the
    operator's shapes are not known; with ``modelled`` False it is a bound from above.
    """

    subgraph: int
    operator: int
    name: str
    instructions: float | None
    calls: int
    modelled: bool = True

    @property
    def total(self) -> float:
        """Instructions in one Invoke, without dispatch."""
        return (self.instructions or 0.0) * self.calls


@dataclass(frozen=True, slots=True)
class ModelInstructions:
    """Instructions of one Invoke.

    ``bounded`` of ``total`` come from operators without a model, each bounded by the dearest of its kind. ``exact`` is
    False where a loop's turns are not known from its constants (one is counted) or an operator could not be counted.
    """

    total: float
    operators: tuple[OperatorInstructions, ...]
    interpreter: float
    bounded: float
    exact: bool
    about: str = ""


class _Counter:
    """Counts calls subgraph by subgraph."""

    def __init__(self, graph: Graph, model: CostModel, address: Address) -> None:
        self.graph = graph
        self.model = model
        self.address = address
        self.calls: dict[int, int] = {}
        self.costs: dict[tuple[int, int], Cost | None] = {}
        self.exact = True

    def run(self) -> None:
        """Count one run of the main subgraph and of all that it calls; of an IF the dearer branch."""
        order = callees_first(self.graph)
        alone = self._alone(order)
        self.calls[0] = 1
        for index in reversed(order):
            times = self.calls.get(index, 0)
            for called, runs in self._called(index, alone) if times else ():
                self.calls[called] = self.calls.get(called, 0) + times * runs

    def _called(self, index: int, alone: Mapping[int, float]) -> Iterator[tuple[int, int]]:
        """The subgraphs that one run of a subgraph runs, and how often."""
        subgraph = self.graph.subgraphs[index]
        for op in subgraph.operators:
            called = called_subgraphs(op)
            if not called or op.name == "CALL_ONCE":
                continue
            if op.name == "IF":
                runs = [(max(called, key=lambda s: alone.get(s, 0.0)), 1)]
            else:
                turns = self.turns(subgraph, op)
                runs = [(called[0], turns + 1), (called[-1], turns)]
            for s, times in runs:
                if s in alone:
                    yield s, times
                else:
                    self.exact = False

    def turns(self, subgraph: Subgraph, op: Operator) -> int:
        """Turns of a WHILE; one, and the count is not exact, where its constants do not tell."""
        turns = loop_turns(self.graph, subgraph, op)
        self.exact = self.exact and turns is not None
        return 1 if turns is None else turns

    def _alone(self, order: Sequence[int]) -> dict[int, float]:
        """Instructions of one run of each subgraph with all that it calls."""
        exact, alone = self.exact, dict[int, float]()
        for index in order:
            own = (self.cost(index, k) for k in range(len(self.graph.subgraphs[index].operators)))
            total = sum(cost.instructions or 0.0 for cost in own if cost is not None)
            alone[index] = total + sum(times * alone[s] for s, times in self._called(index, alone))
        self.exact = exact
        return alone

    def rows(self) -> Iterator[OperatorInstructions]:
        """Every operator of every subgraph that runs, and the others with no call."""
        for s, k, op in self.graph.operators():
            cost = self.cost(s, k)
            value, modelled = (None, False) if cost is None else (cost.instructions, cost.modelled)
            yield OperatorInstructions(s, k, op.label, value, self.calls.get(s, 0), modelled)

    def cost(self, index: int, place: int) -> Cost | None:
        """Instructions of one call of one operator; of control flow what is its own."""
        if (index, place) not in self.costs:
            self.costs[index, place] = self._cost(index, place)
        return self.costs[index, place]

    def _cost(self, index: int, place: int) -> Cost | None:
        subgraph = self.graph.subgraphs[index]
        op = subgraph.operators[place]
        if op.name in ("WHILE", "IF"):
            return Cost(self._control(index, subgraph, op))
        if op.name == "CALL_ONCE":
            return Cost(0.0)
        try:
            call = known_call(self.graph, index, place, lambda a, b: self._together((index, a), (index, b)))
            known = op.name != CUSTOM or is_rows_operator(op)
            return None if call is None or not known else self.model.cost(call)
        except UNFIT_SHAPES:  # shapes that the kernel would refuse have no cost
            return None

    def _together(self, a: tuple[int, int], b: tuple[int, int]) -> bool:
        return _share(self.address, a, b)

    def _control(self, index: int, subgraph: Subgraph, op: Operator) -> float:
        """WHILE: variables to the condition and to the result, then for each turn to the body, back, and on. IF:
        operands to the branch, and its results back."""
        own, called = self.model.control, called_subgraphs(op)
        if any(not 0 <= s < len(self.graph.subgraphs) for s in called):
            return 0.0
        body = self.graph.subgraphs[called[-1]]
        given, made = [(index, t) for t in op.inputs], [(index, t) for t in op.outputs]
        into, back = [(called[-1], t) for t in body.inputs], [(called[-1], t) for t in body.outputs]
        if op.name == "IF":
            return own.branch + self._moves(given[1:], into, own.operand) + self._moves(back, made, own.operand)
        asked = [(called[0], t) for t in self.graph.subgraphs[called[0]].inputs]
        turns = loop_turns(self.graph, subgraph, op)
        first = self._moves(given, asked) + self._moves(given, made)
        turn = self._moves(made, into) + self._moves(back, made) + self._moves(made, asked)
        return own.loop + first + (1 if turns is None else turns) * (own.turn + turn)

    def _moves(self, given: list[tuple[int, int]], into: list[tuple[int, int]], each: float | None = None) -> float:
        """Variables looked at one by one, at ``each``, and copied where they do not share an address."""
        each = self.model.control.variable if each is None else each
        total = 0.0
        for a, b in zip(given, into, strict=False):
            size = self._bytes(b)
            total += each
            total += 0 if size < 0 or self._together(a, b) else run(size, 4)
        return total

    def _bytes(self, at: tuple[int, int]) -> int:
        subgraph = self.graph.subgraphs[at[0]]
        return TensorFacts(self.graph, subgraph.tensors[at[1]], at[1]).bytes if at[1] >= 0 else -1


def _share(address: Address, a: tuple[int, int], b: tuple[int, int]) -> bool:
    place = address(*a)
    return place is not None and place == address(*b)


def in_place(graph: Graph, address: Address) -> Iterator[bool]:
    """All that the main subgraph's own instructions depend on of a memory plan.

    For each operator that moves nothing where its input and output share an address, whether they do.
    """
    for op in graph.main.operators:
        if op.label in IN_PLACE and op.inputs and op.outputs:
            yield _share(address, (0, op.inputs[0]), (0, op.outputs[0]))


def addresses(plan: Iterable[PlannedBuffer]) -> Address:
    """Arena offsets of tensors in a memory plan."""
    places = {(b.subgraph, b.tensor): b.offset for b in plan if b.tensor >= 0}
    return lambda subgraph, tensor: places.get((subgraph, tensor))


def planned_addresses(graph: Graph, target: Target) -> Address:
    """Arena offsets as the target's TFLM places them, offline plan included; worked out where the first is asked for.

    Most networks have no operator whose cost depends on them.
    """
    found: list[Address] = []

    def address(subgraph: int, tensor: int) -> int | None:
        if not found:
            found.append(addresses(predict(graph, target).plan))
        return found[0](subgraph, tensor)

    return address


def invoke_instructions(
    graph: Graph, target: Target, plan: Iterable[PlannedBuffer] | None = None
) -> ModelInstructions | None:
    """Instructions of one Invoke on a target, with the memory plan that TFLM makes (or ``plan``); None without data.

    Examples
    --------
    >>> from mcuplan.tflm import Target
    >>> from mcuplan.zoo import build
    >>> found = invoke_instructions(build("person-detection"), Target.parse("cortex-m4+cmsis-nn"))
    >>> 22e6 < found.total < 24e6
    True
    """
    model = cost_model(target)
    if model is None:
        return None
    return model_instructions(graph, model, addresses(predict(graph, target).plan if plan is None else plan))


def model_instructions(graph: Graph, model: CostModel, address: Address) -> ModelInstructions:
    """Instructions of one Invoke of ``graph``, loops turn by turn.

    ``address`` tells where tensors lie: loop variables and reshaped tensors that share an address are not copied
    (:func:`planned_addresses` for what TFLM's planner does).
    """
    counter = _Counter(graph, model, address)
    counter.run()
    rows = tuple(counter.rows())
    own, calls = model.control, sum(row.calls for row in rows)
    interpreter = own.invoke + own.dispatch * calls
    bounded = sum(row.total for row in rows if not row.modelled)
    exact = counter.exact and all(row.instructions is not None for row in rows if row.calls)
    return ModelInstructions(interpreter + sum(row.total for row in rows), rows, interpreter, bounded, exact,
                             model.about)  # fmt: skip
