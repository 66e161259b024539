"""Orders of operators worth planning for: those that need fewer live bytes than the file's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import cast

from mcuplan.deadline import Deadline
from mcuplan.graph import CUSTOM, Graph, Operator
from mcuplan.operators import Trait, called_subgraphs, operators_that
from mcuplan.scheduling import EffortName, Problem, candidates, find_schedule, from_subgraph
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer

_STATEFUL = operators_that(Trait.STATE)

_CANDIDATES = {"fast": 2, "default": 4, "best": 16}
"""Orders to plan for, by effort."""


def keeps_its_place(graph: Graph, operator: Operator) -> bool:
    """True for operators whose mutual order must stay: control flow, state, and what mcuplan does not know."""
    touched = (i for i in (*operator.inputs, *operator.outputs) if i >= 0)
    return (
        operator.name == CUSTOM
        or operator.name in _STATEFUL
        or operator.name.startswith("BUILTIN_")
        or bool(called_subgraphs(operator))
        or any(graph.main.tensors[i].is_variable for i in touched)
    )


def _called_bytes(graph: Graph, operator: Operator, buffers: Collection[PlannedBuffer]) -> int:
    """Most bytes that the subgraphs an operator runs have live at one step, as far as they are its own."""
    inside: set[int] = set()
    todo = list(called_subgraphs(operator))
    while todo:
        s = todo.pop()
        if 0 <= s < len(graph.subgraphs) and s not in inside:
            inside.add(s)
            for op in graph.subgraphs[s].operators:
                todo.extend(called_subgraphs(op))
    live: dict[int, int] = {}
    for b in buffers:
        if b.subgraph in inside and b.first >= 0:
            for step in range(b.first, b.last + 1):
                live[step] = live.get(step, 0) + b.size
    return max(live.values(), default=0)


def order_problem(graph: Graph, arena: ArenaPrediction) -> Problem:
    """The scheduling problem of the main subgraph; sizes as TFLM rounds them, ``arena`` its prediction.

    Raises
    ------
    ScheduleError
        Where the graph has no valid order.
    """
    sizes = {b.tensor: b.size for b in arena.plan if b.subgraph == 0 and b.tensor >= 0}
    scratch: dict[int, int] = {}
    for b in arena.plan:
        if b.subgraph == 0 and b.tensor < 0:
            scratch[b.operator] = scratch.get(b.operator, 0) + b.size
    for k, op in enumerate(graph.main.operators):
        if called_subgraphs(op):
            scratch[k] = scratch.get(k, 0) + _called_bytes(graph, op, arena.plan)
    ordered = [k for k, op in enumerate(graph.main.operators) if keeps_its_place(graph, op)]
    return from_subgraph(graph.main, lambda t: sizes.get(t, 0), lambda k: scratch.get(k, 0), ordered)


def better_orders(graph: Graph, arena: ArenaPrediction, effort: str, deadline: Deadline) -> Iterator[tuple[int, ...]]:
    """Orders of the main subgraph's operators with a lower peak of live bytes than the file's, best first.

    Raises
    ------
    OutOfTimeError
        Where the time is up before the next one.
    """
    problem = order_problem(graph, arena)
    name = cast(EffortName, effort)
    schedule = find_schedule(problem, effort=name, deadline=deadline)
    if schedule.peak_bytes >= schedule.file_order_peak_bytes:
        return
    for candidate in candidates(problem, _CANDIDATES[effort], effort=name, deadline=deadline, schedule=schedule):
        if candidate.peak_bytes < schedule.file_order_peak_bytes:
            yield candidate.order
