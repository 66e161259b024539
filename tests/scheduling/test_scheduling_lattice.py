from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nas_networks import branches, swiftnet
from schedules_by_force import all_orders, executed_sets, least_peak, problems, step_bytes

from mcuplan.deadline import Deadline
from mcuplan.scheduling import Problem, Task, live_bytes, peak_bytes
from mcuplan.scheduling.bounds import cut_bound, least_cost
from mcuplan.scheduling.flow import UNLIMITED, Network
from mcuplan.scheduling.lattice import bits, compile_problem
from mcuplan.scheduling.sections import cut, split
from mcuplan.scheduling.symmetry import canonical_form

# Two branches from a fork: x -> fork -> (wide -> a, b) -> join
FORK = Problem(
    (Task((0,), (1,)), Task((1,), (2,)), Task((2,), (3,)), Task((1,), (4,)), Task((3, 4), (5,))),
    (16, 32, 96, 16, 48, 16),
    inputs=(0,),
    outputs=(5,),
)


def test_step_costs_by_hand() -> None:
    lattice = compile_problem(FORK)
    # fork: 16 + 32; wide: 32 + 96; a: 32 + 96 + 16; b: 32 + 16 + 48; join: 16 + 48 + 16
    assert lattice.step_costs((0, 1, 2, 3, 4)) == [48, 128, 144, 96, 80]
    # b first: 32 + 48 = 80 behind it the fork is still needed by wide: 32 + 48 + 96, then a: 48 + 96 + 16
    assert lattice.step_costs((0, 3, 1, 2, 4)) == [48, 176, 160, 80, 80]
    assert lattice.own_bound() == 32 + 96


def test_relations_by_hand() -> None:
    lattice = compile_problem(FORK)
    assert [list(bits(m)) for m in lattice.ancestors] == [[], [0], [0, 1], [0], [0, 1, 2, 3]]
    assert [list(bits(m)) for m in lattice.descendants] == [[1, 2, 3, 4], [2, 4], [4], [4], []]
    assert cut(lattice) == [(0,), (1, 2, 3), (4,)]


@settings(max_examples=80, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_both_directions_and_the_sections_have_the_step_costs_of_the_lifespans(
    problem: Problem, rng: random.Random
) -> None:
    order = rng.choice(list(all_orders(problem))[:200])
    live = live_bytes(problem, order)
    lattice = compile_problem(problem)
    expected = [live[order.index(k) + 1] for k in range(len(order))]
    assert lattice.step_costs(order) == expected
    assert lattice.reverse.step_costs(order[::-1]) == expected
    sections = cut(lattice)
    assert sorted(v for section in sections for v in section) == list(range(len(order)))
    for section, part in zip(sections, split(lattice, sections), strict=True):
        inner = [section.index(v) for v in order if v in section]
        assert part.step_costs(inner) == [expected[v] for v in section]


@settings(max_examples=80, deadline=None)
@given(problems())
def test_live_bytes_are_submodular(problem: Problem) -> None:
    def live(done: frozenset[int]) -> int:
        total = 0
        for b in problem.storages():
            begun = b.given or bool(b.writers & done)
            total += b.size if begun and (b.kept or not (b.writers | b.readers) <= done) else 0
        return total

    sets = sorted(executed_sets(problem), key=sorted)[:24]
    for a in sets:
        for b in sets:
            assert live(a | b) + live(a & b) <= live(a) + live(b)


def test_least_cost_by_hand() -> None:
    lattice = compile_problem(FORK)
    # wide runs behind {fork} (32 + 96) or behind {fork, b} (32 + 48 + 96)
    assert least_cost(lattice, 1, Deadline()) == 128
    # a: wide must be there; either the fork (32) or b's 48 is
    assert least_cost(lattice, 2, Deadline()) == 32 + 96 + 16
    assert least_cost(lattice, 4, Deadline()) == 80


@settings(max_examples=100, deadline=None)
@given(problems())
def test_least_costs_are_the_least_over_all_executed_sets(problem: Problem) -> None:
    lattice = compile_problem(problem)
    waits = {k: {a for a, b in problem.precedences() if b == k} for k in range(len(problem.tasks))}
    sets = executed_sets(problem)
    for k, on in waits.items():
        costs = [step_bytes(problem, done, k) for done in sets if k not in done and on <= done]
        assert least_cost(lattice, k, Deadline()) == min(costs)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_cut_bound_is_a_bound_and_no_less_than_an_operator_alone(problem: Problem) -> None:
    lattice = compile_problem(problem)
    costs = lattice.step_costs(range(lattice.n))
    bound = cut_bound(lattice, costs, max(costs), lattice.n, 0, Deadline())
    assert lattice.own_bound() <= bound <= least_peak(problem) <= peak_bytes(problem)


def test_max_flow_by_hand() -> None:
    # 0 -> 1 (3), 0 -> 2 (2), 1 -> 2 (1), 1 -> 3 (1), 2 -> 3 (4): the cut {0, 1} | {2, 3} is 2 + 1 + 1
    network = Network(4)
    for tail, head, capacity in [(0, 1, 3), (0, 2, 2), (1, 2, 1), (1, 3, 1), (2, 3, 4)]:
        network.arc(tail, head, capacity)
    assert network.max_flow(0, 3, Deadline()) == 4


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=14))
def test_max_flow_is_the_least_cut(arcs: list[tuple[int, int, int]]) -> None:
    network = Network(6)
    for tail, head, capacity in arcs:
        network.arc(tail, head, capacity)
    cuts = [
        sum(c for tail, head, c in arcs if side >> tail & 1 and not side >> head & 1)
        for side in range(64)
        if side & 1 and not side & 32
    ]
    assert network.max_flow(0, 5, Deadline()) == min(cuts)
    assert min(cuts) < UNLIMITED


def test_equal_branches_have_one_form() -> None:
    lattice = compile_problem(branches(3))
    assert cut(lattice) == [(0,), (1, 2, 3, 4, 5, 6), (7,)]
    middle = split(lattice, cut(lattice))[1]
    canonical = canonical_form(middle)
    assert canonical is not None
    # Branches are operators (0, 1), (2, 3), (4, 5): one begun, one finished, one untouched, in every arrangement.
    arrangements = [0b00_01_11, 0b00_11_01, 0b01_00_11, 0b01_11_00, 0b11_00_01, 0b11_01_00]
    assert len({canonical(done) for done in arrangements}) == 1
    assert canonical(0b00_01_01) != canonical(0b00_00_11)


def with_tasks(problem: Problem, changed: dict[int, Task], **other: tuple[int, ...]) -> Problem:
    tasks = tuple(changed.get(k, task) for k, task in enumerate(problem.tasks))
    sizes = other.get("sizes", problem.sizes)
    return Problem(tasks, sizes, problem.inputs, problem.outputs, chains=tuple(c for c in [other.get("chain")] if c))


PAIR = branches(2, length=3)

UNEQUAL = {
    "a size": with_tasks(PAIR, {}, sizes=(32, 32, 80, 64, 16, 64, 64, 16, 32)),
    "scratch": with_tasks(PAIR, {2: Task((2,), (3,), scratch=16)}),
    "an order to keep": with_tasks(PAIR, {}, chain=(2, 5)),
    "what it needs": with_tasks(PAIR, {3: Task((2, 3), (4,))}),
}


@pytest.mark.parametrize("what", ["nothing", *UNEQUAL])
def test_branches_that_differ_are_not_exchanged(what: str) -> None:
    lattice = compile_problem(UNEQUAL.get(what, PAIR))
    middle = next(part for part in split(lattice, cut(lattice)) if part.n == 6)
    assert (canonical_form(middle) is None) == (what != "nothing")


def test_branches_that_read_different_tensors_are_not_exchanged() -> None:
    # Operators 0 and 1 read one input, 2 and 3 the other; 4 joins all.
    problem = Problem(
        (Task((0,), (2,)), Task((0,), (3,)), Task((1,), (4,)), Task((1,), (5,)), Task((2, 3, 4, 5), (6,))),
        (64, 64, 16, 16, 16, 16, 16),
        inputs=(0, 1),
        outputs=(6,),
    )
    lattice = compile_problem(problem)
    canonical = canonical_form(split(lattice, cut(lattice))[0])
    assert canonical is not None
    assert canonical(0b0001) == canonical(0b0010) != canonical(0b0100) == canonical(0b1000)
    assert canonical(0b0011) != canonical(0b0101) == canonical(0b1010)


def test_sections_of_cells_are_as_many_as_there_are_cells() -> None:
    lattice = compile_problem(swiftnet(1, 120, cells=6))
    assert sum(1 for section in cut(lattice) if len(section) > 1) >= 6
