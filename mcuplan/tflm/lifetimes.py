"""When each tensor and scratch buffer is live, as TFLM's planner sees it.

Source: micro/micro_allocation_info.cc, ``MarkAllocationLifetimes``. Times are closed intervals of a running count of
scopes: 0 before the first operator, one more for each operator, and one more for each subgraph that control flow
enters. Network inputs are live from 0 to their last use, outputs to the end; (-1, -1) is a buffer nobody touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from mcuplan.graph import Graph, Operator
from mcuplan.operators import called_subgraphs

NEVER = -1

_CALL_CODES = {"IF": 118, "WHILE": 119, "CALL_ONCE": 129}


@dataclass(slots=True)
class Lifetime:
    """First and last time step of a buffer, both included."""

    first: int = NEVER
    last: int = NEVER

    def create(self, step: int) -> None:
        """Live from ``step`` on, if not already."""
        if self.first == NEVER:
            self.first = step

    def use(self, step: int) -> None:
        """Live until ``step``."""
        self.last = step


@dataclass(slots=True)
class Lifetimes:
    """Lifetimes of tensors ``[subgraph][tensor]`` and scratch requests ``[request]``; ``steps`` counts all scopes.

    ``operator_steps`` gives for each time step that is an operator's its (subgraph, operator).
    """

    tensors: list[list[Lifetime]]
    scratch: list[Lifetime]
    operator_steps: dict[int, tuple[int, int]] = field(default_factory=dict)
    steps: int = 0


def entered_subgraphs(graph: Graph, operator: Operator) -> tuple[int, ...]:
    """Subgraphs that TFLM's planner follows: only where the raw ``builtin_code`` field names the operator."""
    if _CALL_CODES.get(operator.name) != operator.code.builtin_code:
        return ()
    # -1 is how the schema says "no subgraph".
    return tuple(s for s in called_subgraphs(operator) if s != NEVER and s < len(graph.subgraphs))


def lifetimes(graph: Graph, scratch_owners: Sequence[tuple[int, int]]) -> Lifetimes:
    """Mark every buffer's lifetime.

    Parameters
    ----------
    graph
        The model.
    scratch_owners
        (subgraph, operator) of each scratch request, in request order.
    """
    result = Lifetimes([[Lifetime() for _ in s.tensors] for s in graph.subgraphs], [Lifetime() for _ in scratch_owners])
    by_owner: dict[tuple[int, int], list[int]] = {}
    for i, owner in enumerate(scratch_owners):
        by_owner.setdefault(owner, []).append(i)
    running = {0}
    walks = [(0, _mark(graph, 0, result, by_owner, running))]
    while walks:  # a stack of our own: calls may be nested deeper than Python's
        index, walk = walks[-1]
        called = next(walk, None)
        if called is None:
            walks.pop()
            running.discard(index)
        else:
            running.add(called)
            walks.append((called, _mark(graph, called, result, by_owner, running)))
    return result


OPERATOR_STEPS = "operator steps"
"""What a graph keeps of its lifetimes: they are the same whatever scratch kernels ask for."""


def operator_steps(graph: Graph) -> Mapping[int, tuple[int, int]]:
    """For each time step that is an operator's its (subgraph, operator)."""
    return graph.once(OPERATOR_STEPS, lambda: lifetimes(graph, ()).operator_steps)


def _mark(
    graph: Graph,
    index: int,
    result: Lifetimes,
    by_owner: Mapping[tuple[int, int], Sequence[int]],
    running: Set[int],
) -> Iterator[int]:
    """Mark one run of a subgraph; each subgraph that it yields is to be marked before it goes on."""
    subgraph, tensors = graph.subgraphs[index], result.tensors[index]
    for t in subgraph.inputs:
        tensors[t].create(result.steps)
        tensors[t].use(result.steps)
    for k, op in enumerate(subgraph.operators):
        result.steps += 1
        start = result.steps
        result.operator_steps[start] = (index, k)
        for t in op.outputs:
            if t >= 0:
                tensors[t].create(start)
        for called in entered_subgraphs(graph, op):
            if called in running:  # a model that enters itself is refused elsewhere
                continue
            result.steps += 1
            yield called
        for t in (*op.inputs, *op.outputs):
            if t >= 0:
                tensors[t].use(result.steps)
        for i in by_owner.get((index, k), ()):
            result.scratch[i].create(start)
            result.scratch[i].use(result.steps)
    for t in subgraph.outputs:
        tensors[t].create(result.steps)
        tensors[t].use(result.steps)
