"""The solver: worked examples, brute force on small problems, and its promises about effort, time and proofs."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest
from allocation_by_force import fits, jigsaw, least_height, problems, problems_with_fixed, valid
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.deadline import Deadline
from mcuplan.memory import AllocationError, Buffer, Problem, Window, check, height, lower_bound, solve

# The example of MiniMalloc's README: the only placements within 12 put b3 between the others.
README = Problem(
    (
        Buffer("b1", 4, 0, 3), Buffer("b2", 4, 3, 9), Buffer("b3", 4, 0, 9),
        Buffer("b4", 4, 9, 21), Buffer("b5", 4, 0, 21),
    )
)  # fmt: skip


def test_the_readme_of_minimalloc() -> None:
    solution = solve(README)
    assert (solution.height, solution.lower_bound, solution.optimal) == (12, 12, True)
    assert solution.proof == "meets the lower bound"
    assert check(README, solution.offsets) == ()


def test_nothing_to_place() -> None:
    solution = solve(Problem(()))
    assert (dict(solution.offsets), solution.height, solution.score, solution.optimal) == ({}, 0, 0, True)


def test_empty_and_never_live_buffers() -> None:
    problem = Problem((Buffer("none", 0, 0, 4), Buffer("never", 8, 2, 2), Buffer("a", 4, 0, 4), Buffer("b", 3, 0, 4)))
    solution = solve(problem)
    assert set(solution.offsets) == {"none", "never", "a", "b"}
    assert check(problem, solution.offsets) == ()
    assert solution.height == 8  # `never` meets nobody, but its 8 bytes must exist


def test_greedy_misses_what_the_search_finds() -> None:
    problem = hard_for_greedy()
    fast, default = solve(problem, effort="fast"), solve(problem)
    assert fast.height > 97
    assert not fast.optimal
    assert fast.proof.endswith("no exact search at effort fast")
    assert default.height == 97
    assert default.nodes > 0


def hard_for_greedy() -> Problem:
    """A jigsaw of 97 bytes that first fit does not put together."""
    problems = (jigsaw(random.Random(seed), 97, 31, 45) for seed in range(100))
    return next(p for p in problems if lower_bound(p) == 97 and solve(p, effort="fast").height > 97)


@pytest.mark.parametrize("seed", range(12))
def test_jigsaws_are_put_together(seed: int) -> None:
    problem = jigsaw(random.Random(seed), 97, 31, 45)
    solution = solve(problem)
    assert lower_bound(problem) == 97
    assert (solution.height, solution.optimal) == (97, True)
    assert check(problem, solution.offsets) == ()


@settings(max_examples=150, deadline=None)
@given(problems(most=6))
def test_brute_force(problem: Problem) -> None:
    check_against_force(problem)


@settings(max_examples=80, deadline=None)
@given(problems(alignments=(1, 2, 3, 4)))
def test_brute_force_with_alignments(problem: Problem) -> None:
    check_against_force(problem)


@settings(max_examples=60, deadline=None)
@given(problems(alignments=(4,), bytes_=9, most=4))
def test_brute_force_with_one_alignment(problem: Problem) -> None:
    check_against_force(problem)


@settings(max_examples=200, deadline=None)
@given(problems(windowed=True, most=4))
def test_brute_force_with_windows(problem: Problem) -> None:
    check_against_force(problem)


@settings(max_examples=80, deadline=None)
@given(problems(windowed=True, most=4, alignments=(2, 4), bytes_=6))
def test_brute_force_with_windows_and_alignments(problem: Problem) -> None:
    check_against_force(problem)


@settings(max_examples=150, deadline=None)
@given(problems_with_fixed(windowed=True))
def test_brute_force_with_fixed_buffers(problem: Problem) -> None:
    offsets = {b.id: b.offset or 0 for b in problem.buffers if b.offset is not None}
    fixed = Problem(tuple(b for b in problem.buffers if b.offset is not None))
    if fixed.buffers and not valid(fixed, offsets):
        with pytest.raises(AllocationError, match="are fixed where they overlap"):
            solve(problem)
    else:
        check_against_force(problem)


def test_a_bound_raised_without_a_node_is_followed_up() -> None:
    # Each has only bytes 1 and 2 in use, so the two interlock: at 0 and 2, 6 bytes high. 4 and 5 go without a search.
    window = (Window(lower=0, upper=1, begin=1, end=3),)
    check_against_force(Problem((Buffer("a", 4, 0, 1, windows=window), Buffer("b", 4, 0, 1, windows=window))))


def test_a_buffer_with_a_hole_ends_below_the_capacity() -> None:
    # 4 bytes are in use, but `a` cannot lie on `b` within 4: its last byte would be the fifth. Both orders take 5.
    holed = (Window(lower=0, upper=1, begin=0, end=1), Window(lower=0, upper=1, begin=2, end=3))
    problem = Problem((Buffer("a", 3, 0, 1, windows=holed), Buffer("b", 2, 0, 1)))
    solution = solve(problem)
    assert (solution.height, solution.lower_bound, solution.optimal) == (5, 5, True)
    assert solution.nodes < 10
    check_against_force(problem)


def check_against_force(problem: Problem) -> None:
    solution = solve(problem, effort="best")
    assert check(problem, solution.offsets) == ()
    assert valid(problem, dict(solution.offsets))
    assert height(problem, solution.offsets) == solution.height == solution.score
    least = least_height(problem, solution.height)
    assert least is not None
    assert lower_bound(problem) <= solution.lower_bound <= least
    assert solution.optimal, solution.proof
    assert solution.height == least


@settings(max_examples=150, deadline=None)
@given(problems(most=5, alignments=(1, 2), windowed=True), st.integers(0, 12))
def test_capacities_are_decided(problem: Problem, capacity: int) -> None:
    solution = solve(replace(problem, capacity=capacity), effort="best")
    assert solution.fits == fits(problem, capacity)
    assert solution.infeasible == (not solution.fits)
    assert check(problem, solution.offsets) == ()


def test_a_capacity_is_enough_unless_less_is_asked_for() -> None:
    problem = replace(hard_for_greedy(), capacity=200)
    assert solve(problem, effort="fast").fits
    assert solve(problem).height > 97
    assert solve(problem, minimize=True).height == 97


def test_an_impossible_capacity() -> None:
    solution = solve(replace(README, capacity=11))
    assert (solution.fits, solution.infeasible) == (False, True)
    assert solution.height == 12
    assert "the capacity of 11 bytes cannot be met, by the lower bound" in solution.proof


@settings(max_examples=40, deadline=None)
@given(problems(most=8, steps=8, windowed=True))
def test_one_effort_one_answer(problem: Problem) -> None:
    assert solve(problem) == solve(problem)


@settings(max_examples=40, deadline=None)
@given(problems_with_fixed(windowed=True))
def test_no_time_at_all_still_gives_a_placement(problem: Problem) -> None:
    try:
        solution = solve(problem, effort="best", deadline=Deadline(0))
    except AllocationError:
        return  # fixed buffers that overlap
    assert check(problem, solution.offsets) == ()
    assert solution.nodes == 0
    assert solution.optimal or "stopped by the time limit of 0 s" in solution.proof


def test_independent_times_are_solved_apart() -> None:
    # Many copies of a hard problem, one after the other: apart each is easy; the hardest one decides the height.
    copies = []
    for n in range(30):
        part = jigsaw(random.Random(n), 40 + n % 3, 12, 20)
        copies += [replace(b, id=(n, b.id), lower=b.lower + 12 * n, upper=b.upper + 12 * n) for b in part.buffers]
    problem = Problem(tuple(copies))
    solution = solve(problem)
    assert (solution.height, solution.optimal) == (42, True)
    assert check(problem, solution.offsets) == ()


def test_progress_is_told_of_every_better_height() -> None:
    heights: list[int] = []
    solution = solve(jigsaw(random.Random(3), 97, 31, 45), progress=heights.append)
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == len(heights) > 1
    assert heights[-1] == solution.height


def test_an_objective_chooses_among_placements() -> None:
    # The runtime places `scratch` itself: first fit, after all others. Both heights are 8, but with `b` on top of `a`
    # at step 0 only the order a, c, b leaves the 4 bytes at step 1 in one piece.
    problem = Problem((Buffer("a", 2, 0, 2), Buffer("b", 2, 0, 1), Buffer("c", 2, 0, 2), Buffer("scratch", 4, 1, 2)))

    def runtime(offsets: Mapping[object, int]) -> int:
        taken = sorted(offsets[b] for b in "ac")
        at = 0
        for lower in taken:
            if lower - at >= 4:
                break
            at = lower + 2
        return max(at + 4, *(offsets[b] + 2 for b in "abc"))

    assert runtime({"a": 0, "b": 2, "c": 4}) == 10
    solution = solve(problem, objective=runtime)
    assert solution.score == solution.lower_bound == 8
    assert solution.optimal
    assert check(problem, solution.offsets) == ()


@settings(max_examples=40, deadline=None)
@given(problems(most=6), st.integers(0, 5))
def test_an_objective_never_sees_an_invalid_placement(problem: Problem, extra: int) -> None:
    seen = []

    def objective(offsets: Mapping[object, int]) -> int:
        assert check(problem, offsets) == ()
        seen.append(height(problem, offsets) + extra)
        return seen[-1]

    solution = solve(problem, objective=objective)
    assert solution.score == min(seen) == solution.height + extra


def test_more_buffers_than_python_lets_functions_call_one_another() -> None:
    # The search goes as many decisions deep as there are buffers.
    rng = random.Random(1)
    problem = jigsaw(rng, 5_000, 3, 2_500)
    assert len(problem.buffers) > sys.getrecursionlimit()
    solution = solve(problem)
    assert check(Problem(problem.buffers[:200]), solution.offsets) == ()
    assert solution.height >= 5_000


def test_an_effort_that_does_not_exist() -> None:
    with pytest.raises(AllocationError, match="choose one of fast, default, best"):
        solve(README, effort="heroic")


def test_interlocking_buffers_need_the_search_by_orientation() -> None:
    # `big` leaves a hole in its middle while `small` lives; both are too large to lie over one another.
    big = Buffer("big", 9, 0, 2, windows=(Window(0, 1, 0, 9), Window(1, 2, 0, 3), Window(1, 2, 6, 9)))
    problem = Problem((big, Buffer("small", 3, 1, 2)))
    solution = solve(problem)
    assert (solution.height, solution.offsets["big"], solution.offsets["small"]) == (9, 0, 3)
    assert solution.optimal
