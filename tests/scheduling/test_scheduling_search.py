from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from nas_networks import branches, darts, dense_wiring, multiscale, randwire, swiftnet
from schedules_by_force import all_orders, least_peak, problems

from mcuplan.deadline import Deadline
from mcuplan.scheduling import (
    EffortName,
    Problem,
    Task,
    check_order,
    find_schedule,
    live_bytes,
    peak_bytes,
)
from mcuplan.scheduling.beam import beam_search
from mcuplan.scheduling.decision import Decision, Outcome
from mcuplan.scheduling.lattice import compile_problem
from mcuplan.scheduling.symmetry import canonical_form

never = Deadline()


# x (96) is read by two chains; each first shrinks it to 16, then grows to 80.
TWO_CHAINS = Problem(
    (Task((0,), (1,)), Task((1,), (2,)), Task((0,), (3,)), Task((3,), (4,)), Task((2, 4), (5,))),
    (96, 16, 80, 16, 80, 16),
    inputs=(0,),
    outputs=(5,),
)


def test_chains_must_not_be_contracted() -> None:
    # One chain after the other holds x while the first grows: 96 + 16 + 80 = 192, whichever goes first.
    assert live_bytes(TWO_CHAINS, (0, 1, 2, 3, 4)) == (96, 112, 192, 192, 176, 176)
    # Both shrink first, x dies, then both grow: 80 + 16 + 80 = 176.
    assert live_bytes(TWO_CHAINS, (0, 2, 1, 3, 4)) == (96, 112, 128, 112, 176, 176)
    schedule = find_schedule(TWO_CHAINS)
    assert (schedule.peak_bytes, schedule.lower_bound_bytes, schedule.file_order_peak_bytes) == (176, 176, 192)
    assert schedule.optimal
    assert schedule.saved_bytes == 16
    assert peak_bytes(TWO_CHAINS, schedule.order) == 176
    assert schedule.proof == "proven: no order needs less than 176 bytes"


def test_the_files_order_is_kept_where_no_other_is_better() -> None:
    # All branches are alike, so any order of them is best. The last: the fork, three ends, and its wide tensor.
    problem = branches(4)
    schedule = find_schedule(problem)
    assert schedule.order == tuple(range(len(problem.tasks)))
    assert schedule.peak_bytes == schedule.file_order_peak_bytes == 32 + 3 * 16 + 64
    assert schedule.optimal


def test_a_run_is_not_taken_before_it_has_come_down() -> None:
    # a: x (16) -> 64 -> 16, which leaves 16 more live bytes than before; b: x -> 16 with scratch of 112.
    problem = Problem(
        (Task((0,), (1,)), Task((1,), (2,)), Task((0,), (3,), scratch=112), Task((2, 3), (4,))),
        (16, 64, 16, 16, 16),
        inputs=(0,),
        outputs=(4,),
    )
    assert live_bytes(problem, (0, 1, 2, 3)) == (16, 80, 96, 160, 48)
    assert live_bytes(problem, (2, 0, 1, 3)) == (16, 144, 96, 96, 48)
    lattice = compile_problem(problem)
    for direction, best in ((lattice, (2, 0, 1, 3)), (lattice.reverse, (3, 1, 0, 2))):
        decision = Decision(direction, 144)
        assert decision.run(100, never) is Outcome.FOUND
        assert decision.order == best
        assert Decision(direction, 143).run(100, never) is Outcome.REFUTED


def test_a_run_that_comes_down_is_taken_whole() -> None:
    # From x (64) two branches rise by 96 and come down to 16. The first ends 32 bytes below where it began, because
    # it is the last to read k (48); so does the second, because it is then the last to read x.
    problem = Problem(
        (Task((0, 1), (2,)), Task((2, 1), (3,)), Task((0,), (4,)), Task((4,), (5,)), Task((3, 5), (6,))),
        (64, 48, 96, 16, 96, 16, 16),
        inputs=(0, 1),
        outputs=(6,),
    )
    assert live_bytes(problem, (0, 1, 2, 3, 4)) == (112, 208, 224, 176, 128, 48)
    decision = Decision(compile_problem(problem), 224)
    assert decision.run(100, never) is Outcome.FOUND
    # Both runs are taken from the start: no other set is ever looked at.
    assert (decision.order, decision.nodes) == ((0, 1, 2, 3, 4), 1)


def test_sections_that_do_not_matter_keep_the_files_order() -> None:
    # TWO_CHAINS twice, the second time with small tensors: only the first decides the peak.
    tasks = list(TWO_CHAINS.tasks)
    tasks += [Task(tuple(t + 5 for t in task.inputs), tuple(t + 5 for t in task.outputs)) for task in tasks]
    sizes = (*TWO_CHAINS.sizes[:5], 16, 16, 32, 16, 32, 16)
    schedule = find_schedule(Problem(tuple(tasks), sizes, (0,), (10,)))
    assert schedule.peak_bytes == 176
    assert schedule.order[5:] == (5, 6, 7, 8, 9)
    assert schedule.order[:5] != (0, 1, 2, 3, 4)


def test_inputs_alone_can_be_the_peak() -> None:
    problem = Problem((Task((0,), (2,)), Task((2,), (3,))), (16, 512, 64, 16), inputs=(0, 1), outputs=(3,))
    schedule = find_schedule(problem)
    assert (schedule.peak_bytes, schedule.lower_bound_bytes, schedule.optimal) == (528, 528, True)


@pytest.mark.parametrize("tasks", [0, 1])
def test_networks_of_next_to_nothing(tasks: int) -> None:
    problem = Problem((Task((0,), (1,)),)[:tasks], (32, 16), inputs=(0,), outputs=(1,) if tasks else (0,))
    schedule = find_schedule(problem)
    assert schedule.order == tuple(range(tasks))
    assert schedule.peak_bytes == (48 if tasks else 32)
    assert schedule.optimal


def test_order_constraints_are_kept() -> None:
    # The best order of TWO_CHAINS runs task 2 before task 1; a chain forbids it, and 192 is the best that is left.
    held = Problem(TWO_CHAINS.tasks, TWO_CHAINS.sizes, (0,), (5,), chains=((1, 2),))
    schedule = find_schedule(held)
    assert schedule.order == (0, 1, 2, 3, 4)
    assert (schedule.peak_bytes, schedule.optimal) == (192, True)


def test_scratch_counts_where_it_is_used() -> None:
    # Scratch of 64 on the second chain's last operator: better run it while the other chain is still small.
    tasks = list(TWO_CHAINS.tasks)
    tasks[3] = Task((3,), (4,), scratch=64)
    schedule = find_schedule(Problem(tuple(tasks), TWO_CHAINS.sizes, (0,), (5,)))
    assert schedule.order.index(3) < schedule.order.index(1)
    assert schedule.peak_bytes == 176


@settings(max_examples=150, deadline=None)
@given(problems(most_tasks=6))
def test_no_order_at_all_is_better(problem: Problem) -> None:
    best = min(peak_bytes(problem, order) for order in all_orders(problem))
    schedule = find_schedule(problem)
    assert schedule.peak_bytes == schedule.lower_bound_bytes == best
    assert schedule.optimal
    check_order(problem, schedule.order)
    assert peak_bytes(problem, schedule.order) == best
    if best == schedule.file_order_peak_bytes:
        assert schedule.order == tuple(range(len(problem.tasks)))


@settings(max_examples=150, deadline=None)
@given(problems(most_tasks=10))
def test_decisions_are_exact_at_every_level_from_both_ends(problem: Problem) -> None:
    best = least_peak(problem)
    lattice = compile_problem(problem)
    searched = least_step_peak(problem, best)
    for direction in (lattice, lattice.reverse):
        for level in sorted({searched + d for d in (-48, -16, -1, 0, 16, 64)}):
            decision = Decision(direction, level, canonical_form(direction))
            outcome = decision.run(100_000, never)
            assert outcome is (Outcome.FOUND if level >= searched else Outcome.REFUTED)
            if outcome is Outcome.FOUND:
                assert direction.peak(decision.order) <= level
            else:
                assert level < decision.next_level <= searched


def least_step_peak(problem: Problem, best: int) -> int:
    """The least peak over the operators' steps alone, without the step before the first."""
    if best > sum(b.size for b in problem.storages() if b.given):
        return best
    lattice = compile_problem(problem)
    return min(lattice.peak(order) for order in all_orders(problem))


@pytest.mark.parametrize("count", [5, 6])
def test_equal_branches_need_not_be_searched_in_every_order(count: int) -> None:
    # Branches with two ways in, so that none of them runs at once.
    lattice = compile_problem(branches(count, length=3))
    for direction in (lattice, lattice.reverse):
        level = direction.peak(range(lattice.n) if direction is lattice else range(lattice.n)[::-1]) - 1
        plain, folded = Decision(direction, level), Decision(direction, level, canonical_form(direction))
        assert plain.run(100_000, never) is folded.run(100_000, never) is Outcome.REFUTED
        assert folded.nodes <= plain.nodes


def test_a_decision_can_be_interrupted_and_gone_on_with() -> None:
    lattice = compile_problem(dense_wiring(0, 26)).reverse
    peak = find_schedule(dense_wiring(0, 26)).peak_bytes
    whole, parts = Decision(lattice, peak - 1), Decision(lattice, peak - 1)
    whole.run(1_000_000, never)
    turns = 0
    while parts.run(7, never) is Outcome.UNDECIDED:
        turns += 1
        assert parts.nodes == 7 * turns
    assert parts.outcome is whole.outcome is Outcome.REFUTED
    assert (parts.nodes, parts.next_level) == (whole.nodes, whole.next_level)
    assert turns > 3


@settings(max_examples=60, deadline=None)
@given(problems(most_tasks=10))
def test_beams_give_valid_orders_from_both_ends(problem: Problem) -> None:
    lattice = compile_problem(problem)
    for width in (1, 3):
        forward = beam_search(lattice, width, never)
        backward = beam_search(lattice.reverse, width, never)
        assert forward is not None
        assert backward is not None
        check_order(problem, forward)
        check_order(problem, backward[::-1])


def test_a_greedy_order_by_hand() -> None:
    # From x (64, kept): 0 and 1 both fit beside it; 2 reads what 0 wrote and frees it at once, 1's tensor stays.
    problem = Problem(
        (Task((0,), (1,)), Task((0,), (2,)), Task((1,), (3,)), Task((2, 3), (4,))),
        (64, 48, 32, 16, 16),
        inputs=(0,),
        outputs=(0, 4),
    )
    # 1 takes 96, less than 0's 112. Then 0: 144. Then 2 alone is left, and 3.
    assert beam_search(compile_problem(problem), 1, never) == (1, 0, 2, 3)
    # With two sets of each size kept, 0 first is found to do better: 112, 128, then 2's 16 beside 1's 32.
    assert beam_search(compile_problem(problem), 2, never) == (0, 2, 1, 3)
    assert peak_bytes(problem, (1, 0, 2, 3)) == 160
    assert peak_bytes(problem, (0, 2, 1, 3)) == 128


NETWORKS = {
    "randwire": randwire(3, 12),
    "randwire stages": randwire(1, 8, stages=3, wiring="er"),
    "darts": darts(0, 6),
    "multiscale": multiscale(0, 5),
    "swiftnet": swiftnet(0, 80, cells=2),
    "dense": dense_wiring(1, 30),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_nas_like_networks_are_proven(name: str) -> None:
    problem = NETWORKS[name]
    schedule = find_schedule(problem)
    assert schedule.optimal
    assert schedule.peak_bytes == schedule.lower_bound_bytes == peak_bytes(problem, schedule.order)
    assert schedule.peak_bytes < schedule.file_order_peak_bytes


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("effort", ["fast", "default"])
def test_equal_efforts_give_equal_schedules(name: str, effort: EffortName) -> None:
    assert find_schedule(NETWORKS[name], effort=effort) == find_schedule(NETWORKS[name], effort=effort)


@pytest.mark.parametrize(("seed", "nodes", "wiring"), [(0, 60, "ws"), (2, 60, "ba")])
def test_a_search_cut_short_brackets_the_best_peak(seed: int, nodes: int, wiring: str) -> None:
    problem = dense_wiring(seed, nodes, wiring)
    schedule = find_schedule(problem, effort="fast")
    assert not schedule.optimal
    assert schedule.proof.startswith("not proven: the node limit was reached with ")
    check_order(problem, schedule.order)
    best = find_schedule(problem)
    assert best.optimal
    assert schedule.lower_bound_bytes <= best.peak_bytes <= schedule.peak_bytes < schedule.file_order_peak_bytes
    assert schedule.lower_bound_bytes < schedule.peak_bytes


def test_no_time_at_all_gives_the_files_order() -> None:
    schedule = find_schedule(TWO_CHAINS, deadline=Deadline(0))
    assert schedule.order == (0, 1, 2, 3, 4)
    # x, a and nothing else: 96 + 16; a and its 80: 96; both 80s and y: 176
    assert (schedule.peak_bytes, schedule.lower_bound_bytes, schedule.optimal) == (192, 176, False)
    assert schedule.proof.startswith("not proven: the time limit was reached with 16 bytes")


def test_a_time_limit_ends_a_long_search() -> None:
    started = time.monotonic()
    schedule = find_schedule(dense_wiring(0, 120, "ba"), effort="best", deadline=Deadline(0.2))
    assert not schedule.optimal
    assert schedule.peak_bytes <= schedule.file_order_peak_bytes
    assert "time limit" in schedule.proof
    # Generous: the whole search takes minutes.
    assert time.monotonic() - started < 20


def test_progress_is_told_of_every_better_peak_and_bound() -> None:
    heard: list[tuple[int, int]] = []
    schedule = find_schedule(NETWORKS["dense"], progress=lambda peak, bound: heard.append((peak, bound)))
    assert heard[0][0] == schedule.file_order_peak_bytes
    assert heard[-1] == (schedule.peak_bytes, schedule.lower_bound_bytes)
    assert len(heard) > 2
    for (peak, bound), (next_peak, next_bound) in pairwise(heard):
        assert next_peak <= peak
        assert next_bound >= bound
        assert (peak, bound) != (next_peak, next_bound)
