"""Time limits: whenever the time is up the best so far is given, and all that can be long looks at the clock."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mcuplan.deadline import Deadline, OutOfTimeError
from mcuplan.graph import Graph
from mcuplan.memory import Buffer, Problem, check, solve
from mcuplan.memory.greedy import candidates, place
from mcuplan.memory.layout import ROOM, Layout
from mcuplan.memory.timeline import Timeline
from mcuplan.planning.arena_problem import ArenaProblem
from mcuplan.planning.order import order_problem
from mcuplan.planning.plan import PlanOptions, make_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.scheduling import find_schedule
from mcuplan.scheduling.problem import check_order
from mcuplan.tflm import Target, predict
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

M4 = Target.parse("cortex-m4+cmsis-nn")


class Clock:
    """A clock that goes on by one second whenever somebody looks."""

    def __init__(self) -> None:
        self.looks = -1  # the first look is the deadline's own, when it begins

    def __call__(self) -> float:
        self.looks += 1
        return self.looks


def after(looks: int) -> Deadline:
    """A deadline that strikes when somebody has looked so often."""
    return Deadline(looks, Clock())


def looks_of(work: Callable[[Deadline], object]) -> int:
    clock = Clock()
    work(Deadline(1 << 60, clock))
    return clock.looks


def parallel(branches: int) -> Graph:
    """Branches of two operators side by side, all added up."""
    b = Builder()
    x = b.input((1, 4, 4, 3))
    ends = [b.relu(b.relu(x, name=f"a{k}"), name=f"b{k}") for k in range(branches)]
    total = ends[0]
    for k, end in enumerate(ends[1:]):
        total = b.add(total, end, name=f"sum{k}")
    return b.graph([total])


def many(count: int, seed: int = 0) -> Problem:
    draw = random.Random(seed)
    starts = [draw.randint(0, count) for _ in range(count)]
    return Problem(
        tuple(
            Buffer(i, draw.randint(1, 99), at, at + draw.randint(1, count), draw.choice((1, 16)))
            for i, at in enumerate(starts)
        )
    )


@pytest.mark.parametrize("looks", [0, 1, 7, 40, 150, 400])
def test_a_placement_whenever_the_time_is_up(looks: int) -> None:
    problem = many(30)
    solution = solve(problem, effort="best", deadline=after(looks))
    assert check(problem, solution.offsets) == ()
    assert "time limit" in solution.proof or solution.optimal


@pytest.mark.parametrize("looks", [0, 1, 5, 30, 200])
def test_an_order_whenever_the_time_is_up(looks: int) -> None:
    problem = order_problem(parallel(12), predict(parallel(12), M4))
    schedule = find_schedule(problem, effort="best", deadline=after(looks))
    check_order(problem, schedule.order)
    assert schedule.lower_bound_bytes <= schedule.peak_bytes <= schedule.file_order_peak_bytes


@pytest.mark.parametrize("looks", [0, 1, 2, 3, 5, 8, 20, 60, 150, 400, 1000])
def test_a_plan_whenever_the_time_is_up(looks: int) -> None:
    for graph in (build("visual-wake-words"), parallel(8)):
        plan = make_plan(graph, M4, PlanOptions(deadline=after(looks)))
        assert plan.after.declare_bytes <= plan.before.declare_bytes
        assert static_check(plan.graph, M4) == ()
        assert plan.after == predict(plan.graph, M4)
        if plan.out_of_time and looks < 2:
            assert plan.steps[-1].detail.endswith("ended the search")


def test_the_clock_is_looked_at_in_proportion_to_the_work() -> None:
    """Twice the work, at least about twice the looks: no loop that grows goes on without one."""
    for one, two in ((10, 20), (20, 40)):
        for work in (placed, laid, ordered):
            few, more = looks_of(lambda d, n=one, w=work: w(n, d)), looks_of(lambda d, n=two, w=work: w(n, d))
            assert few >= one
            assert more >= 1.8 * few


def placed(count: int, deadline: Deadline) -> object:
    layout = Layout(Timeline(many(count).buffers), deadline)
    return [place(layout, numbers, fit) for _, numbers, fit in candidates(layout)]


def laid(count: int, deadline: Deadline) -> object:
    problem = ArenaProblem(parallel(count), M4, deadline=deadline)
    return problem.arranged(problem.options[0])


def ordered(count: int, deadline: Deadline) -> object:
    graph = parallel(count)
    return find_schedule(order_problem(graph, predict(graph, M4)), effort="fast", deadline=deadline)


def test_pairs_are_kept_only_while_there_is_room() -> None:
    """All live at once: half a million pairs, which nobody keeps, and the same heights as where they are kept."""
    count = 1_001
    buffers = tuple(Buffer(i, 1 + i % 50, 0, 1) for i in range(count))
    layout = Layout(Timeline(buffers))
    assert layout.pairs == count * (count - 1) // 2 > ROOM
    assert not layout.small
    solution = solve(Problem(buffers))
    assert solution.height == sum(b.size for b in buffers)
    assert solution.optimal


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_and_what_is_worked_out_place_alike(seed: int) -> None:
    problem = many(60, seed)
    kept, worked_out = (Layout(Timeline(problem.buffers)) for _ in range(2))
    worked_out.small = False
    for i in range(len(problem.buffers)):
        assert list(kept.row(i)) == list(worked_out.row(i))
    rows = zip(candidates(kept), candidates(worked_out), strict=True)
    for (name, numbers, fit), (same, _, other_fit) in rows:
        assert name == same
        assert place(kept, numbers, fit) == place(worked_out, numbers, other_fit)


def test_out_of_time_is_an_error_where_there_is_nothing_to_give() -> None:
    with pytest.raises(OutOfTimeError, match="the time limit of 0 s ended the search"):
        ArenaProblem(parallel(2), M4, deadline=after(0))
