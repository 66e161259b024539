from __future__ import annotations

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st
from nas_networks import darts, randwire
from schedules_by_force import all_orders, problems

from mcuplan.scheduling import Candidate, Problem, Task, candidates, check_order, find_schedule, peak_bytes

# x feeds three branches of equal size; the join reads them all.
THREE = Problem(
    (Task((0,), (1,)), Task((0,), (2,)), Task((0,), (3,)), Task((1, 2, 3), (4,))),
    (64, 16, 16, 16, 16),
    inputs=(0,),
    outputs=(4,),
)


def test_every_equally_good_order_is_found_where_there_are_few() -> None:
    found = list(candidates(THREE, 6))
    assert found[0] == Candidate((0, 1, 2, 3), 64 + 3 * 16)
    assert {c.order for c in found} == set(all_orders(THREE))
    assert {c.peak_bytes for c in found} == {112}


def test_the_files_order_is_among_them_and_last_where_it_is_worse() -> None:
    problem = randwire(3, 12)
    found = list(candidates(problem, 5))
    assert len(found) == len({c.order for c in found}) == 5
    assert [c.peak_bytes for c in found] == sorted(c.peak_bytes for c in found)
    assert found[0].order == find_schedule(problem).order
    assert found[-1] == Candidate(tuple(range(len(problem.tasks))), peak_bytes(problem))
    assert found[-2].peak_bytes == found[0].peak_bytes < found[-1].peak_bytes


def test_one_candidate_is_the_schedule_itself() -> None:
    problem = darts(0, 6)
    schedule = find_schedule(problem)
    assert [c.order for c in candidates(problem, 1)] == [schedule.order]
    assert list(candidates(problem, 0)) == []


def test_equal_seeds_give_equal_candidates_and_others_give_others() -> None:
    problem = randwire(3, 12)
    schedule = find_schedule(problem)
    one, same, other = (list(candidates(problem, 6, schedule=schedule, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_the_second_candidate_is_nearer_to_the_files_order() -> None:
    problem = randwire(3, 12)
    first, second = islice(candidates(problem, 8), 2)

    def moved(order: tuple[int, ...]) -> int:
        return sum(a > b for i, a in enumerate(order) for b in order[i + 1 :])

    assert second.peak_bytes == first.peak_bytes
    assert moved(second.order) < moved(first.order)


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(0, 5))
def test_candidates_are_distinct_valid_and_scored_right(problem: Problem, n: int) -> None:
    found = list(candidates(problem, n))
    assert len(found) == len({c.order for c in found}) <= n
    for candidate in found:
        check_order(problem, candidate.order)
        assert candidate.peak_bytes == peak_bytes(problem, candidate.order)
