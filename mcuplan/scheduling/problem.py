"""The scheduling problem: what may run when, and what is live meanwhile. All sizes are bytes.

A :class:`Problem` is a graph of tasks (operators) over tensors, cut loose from any model: sizes are those that an
allocator will see (already rounded up), and tensors that take no place in the arena (constants, variables) have
size 0. The order of :attr:`Problem.tasks` is the file's order, which is always a valid one.

Liveness is TensorFlow Lite Micro's (``tensorflow/lite/micro/micro_allocation_info.cc``): step 0 holds the inputs of
the network alone, task ``order[k]`` runs at step ``k + 1``; a tensor is live from its producer's step to its last
reader's, both included; an input of the network from step 0; an output of the network to the end; a tensor that
nobody reads during its producer's step; scratch during its own task.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.graph import Subgraph

_LONGEST_LABEL = 40


class ScheduleError(McuplanError):
    """A graph that has no valid order of execution, or an order that is none."""


@dataclass(frozen=True, slots=True)
class Task:
    """One operator: the tensors it reads and writes, and the bytes it needs only while it runs.

    ``label`` names it in error messages and plays no other part.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Tasks in the file's order, tensor sizes in bytes, and the orders that must be kept.

    Parameters
    ----------
    tasks
        The operators, in the file's order.
    sizes
        Bytes of each tensor; 0 for a tensor that takes no place in the arena.
    inputs, outputs
        Tensors that the network is given and those that it gives back.
    chains
        Tasks that must keep the order in which they are listed (control flow, stateful operators); each chain rises.
        A pair ``(a, b)`` is a plain precedence.
    shared
        Groups of tensors that have been decided to share one place: together they are one buffer of the largest
        member's size, live from the first writer to the last reader. Whoever groups them must add the chains that
        make it safe.

    Raises
    ------
    ScheduleError
        On a negative size, an index out of range, a tensor with two producers or none, a cycle, or an order of the
        file that reads a tensor before it is written.
    """

    tasks: tuple[Task, ...]
    sizes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    chains: tuple[tuple[int, ...], ...] = ()
    shared: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        _check_indices(self)
        _check_producers(self)
        _check_file_order(self)

    def producers(self) -> dict[int, int]:
        """The task that writes each tensor, for the tensors that some task writes."""
        return {tensor: k for k, task in enumerate(self.tasks) for tensor in task.outputs}

    def precedences(self) -> set[tuple[int, int]]:
        """Every pair ``(a, b)`` of tasks where ``a`` must run before ``b``, by data or by a chain."""
        producer = self.producers()
        pairs = {(producer[t], k) for k, task in enumerate(self.tasks) for t in task.inputs if t in producer}
        return pairs.union(*(pairwise(chain) for chain in self.chains))

    def storages(self) -> tuple[Storage, ...]:
        """What takes a place in the arena: every tensor or group of tensors whose size is not 0."""
        return _storages(self)


@dataclass(frozen=True, slots=True)
class Storage:
    """One place in the arena: ``size`` bytes that ``writers`` fill and ``readers`` read.

    It is live from the first writer (from step 0 where ``given``) to the last of both (to the end where ``kept``).
    """

    size: int
    writers: frozenset[int]
    readers: frozenset[int]
    given: bool
    kept: bool


def from_subgraph(
    subgraph: Subgraph,
    size_of: Callable[[int], int],
    scratch_of: Callable[[int], int],
    ordered: Collection[int] = (),
) -> Problem:
    """The scheduling problem of one subgraph.

    Parameters
    ----------
    subgraph
        Operators and tensors as a file has them.
    size_of
        Bytes that a tensor (by index) takes in the arena, rounded as the runtime rounds them; 0 for constants,
        variables and empty tensors.
    scratch_of
        Bytes that an operator (by index) needs only while it runs. An operator that runs other subgraphs counts
        their tensors here.
    ordered
        Operators (by index) that must keep the file's order among themselves.

    Raises
    ------
    ScheduleError
        Where the subgraph has no valid order of execution, or its own order is none.

    Examples
    --------
    >>> from mcuplan.graph import DType, Operator, OperatorCode, Subgraph, Tensor
    >>> relu = Operator(OperatorCode("RELU"), inputs=(0,), outputs=(1,))
    >>> x, y = (Tensor(n, DType.INT8, (1, 64)) for n in "xy")
    >>> peak_bytes(from_subgraph(Subgraph((x, y), (relu,), (0,), (1,)), lambda t: 64, lambda k: 16))
    144
    """
    tasks = tuple(
        Task(_present(op.inputs), tuple(t for t in op.outputs if t >= 0), scratch_of(k), op.label)
        for k, op in enumerate(subgraph.operators)
    )
    chain = tuple(sorted(set(ordered)))
    return Problem(
        tasks,
        tuple(size_of(t) for t in range(len(subgraph.tensors))),
        _present(subgraph.inputs),
        _present(subgraph.outputs),
        chains=(chain,) if len(chain) > 1 else (),
    )


def live_bytes(problem: Problem, order: Sequence[int] | None = None) -> tuple[int, ...]:
    """Live bytes at each step of an order (default: the file's): step 0, then one step a task.

    Worked out from the lifespans, apart from the search, so that it can judge what the search returns.

    Raises
    ------
    ScheduleError
        Where ``order`` is no valid order of the problem.
    """
    order = range(len(problem.tasks)) if order is None else order
    check_order(problem, order)
    step = {k: i + 1 for i, k in enumerate(order)}
    last = len(order)
    change = [0] * (last + 2)
    for k, task in enumerate(problem.tasks):
        change[step[k]] += task.scratch
        change[step[k] + 1] -= task.scratch
    for buffer in problem.storages():
        uses = [step[k] for k in buffer.writers | buffer.readers]
        change[0 if buffer.given else min(uses)] += buffer.size
        change[1 + (last if buffer.kept else max(uses, default=0))] -= buffer.size
    live = [0] * (last + 1)
    total = 0
    for i in range(last + 1):
        total += change[i]
        live[i] = total
    return tuple(live)


def peak_bytes(problem: Problem, order: Sequence[int] | None = None) -> int:
    """The most live bytes at any step of an order (default: the file's).

    Raises
    ------
    ScheduleError
        Where ``order`` is no valid order of the problem.
    """
    return max(live_bytes(problem, order))


def check_order(problem: Problem, order: Sequence[int]) -> None:
    """Raise ScheduleError unless ``order`` runs every task once and after all that it needs."""
    if sorted(order) != list(range(len(problem.tasks))):
        raise ScheduleError(f"the order does not run each of the {len(problem.tasks)} operators exactly once")
    position = {k: i for i, k in enumerate(order)}
    for before, after in sorted(problem.precedences()):
        if position[before] > position[after]:
            raise ScheduleError(f"the order runs {_name(problem, after)} before {_name(problem, before)}")


def _present(tensors: Iterable[int]) -> tuple[int, ...]:
    """Tensor indices without absent optional ones (-1), each once, first come first."""
    return tuple(dict.fromkeys(t for t in tensors if t >= 0))


def _name(problem: Problem, task: int) -> str:
    """How a message names a task. Labels come from files, so only short printable ones are shown as they are."""
    label = problem.tasks[task].label
    if not label:
        return f"operator {task}"
    if not label.isprintable():
        label = ascii(label)
    return f"operator {task} ({label[:_LONGEST_LABEL]})"


def _check_indices(problem: Problem) -> None:
    tensors, tasks = len(problem.sizes), len(problem.tasks)
    for t, size in enumerate(problem.sizes):
        if size < 0:
            raise ScheduleError(f"tensor {t} has a negative size ({size} bytes)")
    for k, task in enumerate(problem.tasks):
        if task.scratch < 0:
            raise ScheduleError(f"{_name(problem, k)} asks for a negative amount of scratch ({task.scratch} bytes)")
        for t in (*task.inputs, *task.outputs):
            if not 0 <= t < tensors:
                raise ScheduleError(f"{_name(problem, k)} refers to tensor {t}, but there are only {tensors}")
    for t in (*problem.inputs, *problem.outputs, *(t for group in problem.shared for t in group)):
        if not 0 <= t < tensors:
            raise ScheduleError(f"the network refers to tensor {t}, but there are only {tensors}")
    for chain in problem.chains:
        for k in chain:
            if not 0 <= k < tasks:
                raise ScheduleError(f"an order to keep names operator {k}, but there are only {tasks}")
        if any(a >= b for a, b in pairwise(chain)):
            raise ScheduleError(f"an order to keep does not follow the file's order: {', '.join(map(str, chain))}")
    grouped = [t for group in problem.shared for t in group]
    if len(grouped) != len(set(grouped)):
        raise ScheduleError("a tensor is in two groups of tensors that share their bytes")


def _check_producers(problem: Problem) -> None:
    given = set(problem.inputs)
    producer: dict[int, int] = {}
    for k, task in enumerate(problem.tasks):
        for t in task.outputs:
            if t in producer:
                raise ScheduleError(f"tensor {t} is written by {_name(problem, producer[t])} and {_name(problem, k)}")
            if t in given:
                raise ScheduleError(f"tensor {t} is an input of the network, yet {_name(problem, k)} writes it")
            producer[t] = k
    known = given | producer.keys()
    # A tensor without a place in the arena is a constant or a variable: it needs no producer.
    for k, task in enumerate(problem.tasks):
        for t in task.inputs:
            if problem.sizes[t] and t not in known:
                raise ScheduleError(
                    f"{_name(problem, k)} reads tensor {t}, which no operator writes and which is no network input"
                )
    for t in problem.outputs:
        if problem.sizes[t] and t not in known:
            raise ScheduleError(f"tensor {t} is an output of the network, but no operator writes it")


def _check_file_order(problem: Problem) -> None:
    wrong = sorted((b, a) for a, b in problem.precedences() if a >= b)
    if not wrong:
        return
    cycle = _cycle(problem)
    if len(cycle) == 1:
        raise ScheduleError(f"{_name(problem, cycle[0])} reads what it writes itself")
    if cycle:
        path = ", then ".join(_name(problem, k) for k in cycle)
        raise ScheduleError(f"operators wait for each other in a circle: {path}, then the first again")
    reader, writer = wrong[0]
    raise ScheduleError(
        f"the file's order is no order of execution: {_name(problem, reader)} needs {_name(problem, writer)}, "
        f"which comes later"
    )


def _cycle(problem: Problem) -> list[int]:
    """Tasks that wait for each other in a circle, in that order; empty where there are none."""
    waits: dict[int, set[int]] = {k: set() for k in range(len(problem.tasks))}
    for before, after in problem.precedences():
        waits[after].add(before)
    # Take away whatever can run until nothing can: what is left holds a cycle, and each task of it has a waited-for
    # task that is left, so walking along those must come back to where it has been.
    ready = [k for k, on in waits.items() if not on]
    readers: dict[int, list[int]] = {k: [] for k in waits}
    for after, on in waits.items():
        for before in on:
            readers[before].append(after)
    missing = {k: len(on) for k, on in waits.items()}
    while ready:
        k = ready.pop()
        del missing[k]
        for after in readers[k]:
            missing[after] -= 1
            if not missing[after]:
                ready.append(after)
    if not missing:
        return []
    walk = [min(missing)]
    while True:
        k = min(before for before in waits[walk[-1]] if before in missing)
        if k in walk:
            circle = walk[walk.index(k) :][::-1]
            first = circle.index(min(circle))
            return circle[first:] + circle[:first]
        walk.append(k)


def _storages(problem: Problem) -> tuple[Storage, ...]:
    group_of = {t: i for i, group in enumerate(problem.shared) for t in group}
    members: dict[tuple[str, int], list[int]] = {}
    for t in range(len(problem.sizes)):
        key = ("group", group_of[t]) if t in group_of else ("tensor", t)
        members.setdefault(key, []).append(t)
    writers: dict[int, set[int]] = {}
    readers: dict[int, set[int]] = {}
    for k, task in enumerate(problem.tasks):
        for t in task.outputs:
            writers.setdefault(t, set()).add(k)
        for t in task.inputs:
            readers.setdefault(t, set()).add(k)
    given, kept = set(problem.inputs), set(problem.outputs)
    found = (
        Storage(
            max(problem.sizes[t] for t in tensors),
            frozenset().union(*(writers.get(t, ()) for t in tensors)),
            frozenset().union(*(readers.get(t, ()) for t in tensors)),
            not given.isdisjoint(tensors),
            not kept.isdisjoint(tensors),
        )
        for tensors in members.values()
    )
    # A tensor that nobody touches has no lifespan that an order could change.
    return tuple(b for b in found if b.size and (b.given or b.kept or b.writers or b.readers))
