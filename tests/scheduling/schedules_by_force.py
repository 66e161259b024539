"""Answers worked out the slow way, and random small problems to ask about."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from mcuplan.scheduling import Problem, Task


def all_orders(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Every valid order of a (tiny) problem."""
    waits = {k: {a for a, b in problem.precedences() if b == k} for k in range(len(problem.tasks))}

    def extend(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(order) == len(waits):
            yield order
        for k, on in waits.items():
            if k not in order and on.issubset(order):
                yield from extend((*order, k))

    return extend(())


def executed_sets(problem: Problem) -> set[frozenset[int]]:
    """Every set of tasks that can have run at some time."""
    waits = {k: {a for a, b in problem.precedences() if b == k} for k in range(len(problem.tasks))}
    found = {frozenset[int]()}
    queue = list(found)
    for done in queue:
        for k, on in waits.items():
            wider = done | {k}
            if k not in done and on <= done and wider not in found:
                found.add(wider)
                queue.append(wider)
    return found


def step_bytes(problem: Problem, done: frozenset[int], task: int) -> int:
    """Live bytes while ``task`` runs right after ``done``, straight from the definition."""
    total = problem.tasks[task].scratch
    for b in problem.storages():
        users = b.writers | b.readers
        begun = b.given or not b.writers.isdisjoint(done | {task})
        if begun and (b.kept or not users <= done):
            total += b.size
    return total


def least_peak(problem: Problem) -> int:
    """The least peak over all orders, by dynamic programming over executed sets without any shortcut."""
    start = sum(b.size for b in problem.storages() if b.given)
    best: dict[frozenset[int], int] = {frozenset(): start}
    waits = {k: {a for a, b in problem.precedences() if b == k} for k in range(len(problem.tasks))}
    for done in sorted(executed_sets(problem), key=len):
        for k, on in waits.items():
            if k not in done and on <= done:
                wider = done | {k}
                peak = max(best[done], step_bytes(problem, done, k))
                best[wider] = min(peak, best.get(wider, peak))
    return best[frozenset(range(len(problem.tasks)))]


@st.composite
def problems(draw: st.DrawFn, most_tasks: int = 7) -> Problem:
    """Small problems of every kind: several inputs and outputs, unread tensors, scratch, chains, shared places."""
    sizes = [16 * draw(st.integers(0, 6)) for _ in range(draw(st.integers(1, 2)))]
    inputs = tuple(range(len(sizes)))
    tasks = []
    for _ in range(draw(st.integers(1, most_tasks))):
        reads = draw(st.lists(st.integers(0, len(sizes) - 1), min_size=0, max_size=3, unique=True))
        writes = tuple(range(len(sizes), len(sizes) + draw(st.sampled_from([1, 1, 1, 2]))))
        sizes += [16 * draw(st.integers(0, 6)) for _ in writes]
        tasks.append(Task(tuple(reads), writes, draw(st.sampled_from([0, 0, 16, 64]))))
    tensors = st.integers(0, len(sizes) - 1)
    outputs = draw(st.lists(tensors, max_size=2, unique=True))
    chain = draw(st.lists(st.integers(0, len(tasks) - 1), max_size=3, unique=True))
    shared = draw(st.lists(tensors, max_size=4, unique=True))
    groups = [tuple(shared[:2]), tuple(shared[2:])]
    return Problem(
        tuple(tasks),
        tuple(sizes),
        inputs,
        tuple(outputs),
        chains=(tuple(sorted(chain)),) if len(chain) > 1 else (),
        shared=tuple(g for g in groups if len(g) > 1),
    )
