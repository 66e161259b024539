"""Where the non-persistent section is fullest: live bytes at each time step of TFLM's plan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from mcuplan.graph import Graph
from mcuplan.tflm.lifetimes import operator_steps
from mcuplan.tflm.results import ArenaPrediction, PlannedBuffer

BEFORE = -1
"""The time step of buffers that nothing touches: TFLM plans them side by side."""


@dataclass(frozen=True, slots=True)
class Step:
    """One time step: ``subgraph`` and ``operator`` that runs in it (operator -1: none), and the bytes live in it."""

    time: int
    subgraph: int
    operator: int
    live_bytes: int


def live_steps(graph: Graph, arena: ArenaPrediction) -> tuple[Step, ...]:
    """Every time step of the plan with its live bytes (each buffer rounded up to 16 as TFLM does), in order.

    Bytes that several live buffers share count once.

    Step -1 is there only where buffers that nothing touches exist; step 0 holds the inputs before the first operator.
    """
    owners = operator_steps(graph)
    live = _covered(arena) if any(b.offline for b in arena.plan) else _summed(arena)
    first = BEFORE if live[0] else 0
    return tuple(Step(t, *owners.get(t, (0, -1)), live[t - BEFORE]) for t in range(first, arena.steps + 1))


def _summed(arena: ArenaPrediction) -> list[int]:
    """Bytes of all buffers live at each step from ``BEFORE`` on; TFLM's own planner never lays two over each other."""
    changes = [0] * (arena.steps + 3)
    for buffer in arena.plan:
        changes[buffer.first - BEFORE] += buffer.size
        changes[buffer.last - BEFORE + 1] -= buffer.size
    return list(accumulate(changes))


def _covered(arena: ArenaPrediction) -> list[int]:
    """Bytes of the arena that some live buffer covers at each step: in an offline plan buffers may share bytes."""
    by_step: list[list[tuple[int, int]]] = [[] for _ in range(arena.steps + 2)]
    for buffer in arena.plan:
        for step in range(buffer.first, buffer.last + 1):
            by_step[step - BEFORE].append((buffer.offset, buffer.end))
    covered = []
    for spans in by_step:
        total, end = 0, 0
        for low, high in sorted(spans):
            total += max(high - max(low, end), 0)
            end = max(end, high)
        covered.append(total)
    return covered


def peak_step(steps: tuple[Step, ...]) -> Step | None:
    """The first step with the most live bytes; an operator's step before a step between operators."""
    return max(steps, key=lambda step: (step.live_bytes, step.operator >= 0, -step.time), default=None)


def live_at(arena: ArenaPrediction, time: int) -> tuple[PlannedBuffer, ...]:
    """The buffers live at ``time``, largest first."""
    return tuple(sorted((b for b in arena.plan if b.first <= time <= b.last), key=lambda b: (-b.size, b.offset)))


def lower_bound(steps: tuple[Step, ...]) -> int:
    """Bytes that no plan of this operator order goes below: the most live bytes at one step."""
    return max((step.live_bytes for step in steps), default=0)
