"""The exact searches by themselves: complete and sound, whatever the strategy, where greedy placements do not help."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

import pytest
from allocation_by_force import jigsaw, least_height, problems, valid
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mcuplan.memory import AllocationError, Buffer, Problem, Window, lower_bound
from mcuplan.memory.clipped import clipped
from mcuplan.memory.exact import MEASURES
from mcuplan.memory.layout import Layout
from mcuplan.memory.orientation import Orientation
from mcuplan.memory.sections import Sections
from mcuplan.memory.stacking import Search
from mcuplan.memory.strategy import Budget, FailedStates, OutOfBudgetError, Strategy
from mcuplan.memory.timeline import Timeline


def budget(nodes: int = 1 << 60) -> Budget:
    return Budget(nodes, lambda: False)


def layout_of(problem: Problem) -> Layout:
    return Layout(Timeline(problem.buffers))


def searched(sections: Sections, capacity: int, strategy: Strategy, failed: FailedStates) -> dict[int, int] | None:
    positions = Search(sections, capacity, strategy, budget(), failed).run()
    return None if positions is None else dict(zip(sections.numbers, positions, strict=True))


def check_all_strategies(problem: Problem, rng: random.Random) -> None:
    """At the least height every strategy finds a placement, and one byte below none does."""
    problem = Problem(tuple(b for b in problem.buffers if b.pieces()))
    if not problem.buffers:
        return  # nothing is in use: never searched
    least = least_height(problem, 40)
    assert least is not None
    layout = layout_of(problem)
    sections = Sections(layout)
    for capacity in (least, least - 1):
        oriented = Orientation(layout, capacity, budget()).run() if capacity >= 0 else None
        assert (oriented is not None) == (capacity >= least)
        if not sections.complete or capacity < 0:
            continue
        failed = FailedStates()
        for measures in MEASURES:
            for focus in (True, False):
                strategy = Strategy(focus, measures, [rng.random() for _ in sections.totals])
                found = searched(sections, capacity, strategy, failed)
                assert (found is not None) == (capacity >= least)
                if found is not None:
                    assert valid(problem, {problem.buffers[number].id: at for number, at in found.items()})


@settings(max_examples=100, deadline=None)
@given(problems(most=5, bytes_=4), st.randoms(use_true_random=False))
def test_plain_buffers(problem: Problem, rng: random.Random) -> None:
    check_all_strategies(problem, rng)


@pytest.mark.parametrize("alignments", [(2,), (3,), (1, 2, 3), (2, 4)])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_alignments(alignments: tuple[int, ...], data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1 << 30)))
    check_all_strategies(data.draw(problems(most=4, alignments=alignments)), rng)


@pytest.mark.parametrize("alignments", [(1,), (2,), (1, 2)])
@settings(max_examples=70, deadline=None)
@given(data=st.data())
def test_windows(alignments: tuple[int, ...], data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1 << 30)))
    check_all_strategies(data.draw(problems(most=4, alignments=alignments, windowed=True)), rng)


@pytest.mark.parametrize("seed", range(60))
def test_fixed_buffers(seed: int) -> None:
    rng = random.Random(seed)
    buffers = []
    for i in range(rng.randint(2, 5)):
        lower = rng.randint(0, 4)
        fixed = rng.randint(0, 6) if rng.random() < 0.3 else None
        buffers.append(Buffer(i, rng.randint(1, 4), lower, rng.randint(lower + 1, 6), offset=fixed))
    problem = Problem(tuple(buffers))
    try:
        layout_of(problem)
    except AllocationError:
        return
    check_all_strategies(problem, rng)


@pytest.mark.parametrize("seed", range(40))
def test_no_way_to_put_a_jigsaw_together_is_ruled_out(seed: int) -> None:
    # Pieces of a full rectangle: a placement exists, so that a search that ends without one cut off too much.
    rng = random.Random(seed)
    problem = jigsaw(rng, 40, 12, rng.randint(20, 45))
    sections = Sections(layout_of(problem))
    failed = FailedStates()
    for measures in ("TWA", "Z", ""):
        for focus in (True, False):
            strategy = Strategy(focus, measures, [rng.random() for _ in sections.totals])
            with suppress(OutOfBudgetError):
                assert Search(sections, 40, strategy, budget(3_000), failed).run() is not None


def test_sections_leave_out_slots_that_others_contain() -> None:
    # Live sets a, ab, b, bc, c: only ab and bc are sections.
    problem = Problem((Buffer("a", 1, 0, 2), Buffer("b", 2, 1, 4), Buffer("c", 3, 3, 5)))
    sections = Sections(layout_of(problem))
    assert (sections.steps, sections.totals) == ([(1, 2), (3, 4)], [3, 5])
    assert sections.members == [[0, 1], [1, 2]]
    assert sections.complete
    assert sections.plain


def test_reference_points_of_buffers_that_begin_to_be_used_late() -> None:
    # Of `late` only the upper half is in use while `low` lives: `low` may begin above it and still lie under its bytes.
    late = Buffer("late", 8, 0, 2, windows=(Window(0, 1, 6, 8), Window(1, 2, 0, 8)))
    sections = Sections(layout_of(Problem((late, Buffer("low", 2, 0, 1)))))
    assert sections.complete
    assert any(sections.shift)
    assert all(up > 0 and down > 0 for row in sections.links for _, up, down in row)


def test_interlocking_buffers_are_left_to_the_other_search() -> None:
    big = Buffer("big", 9, 0, 2, windows=(Window(0, 1, 0, 9), Window(1, 2, 0, 3), Window(1, 2, 6, 9)))
    layout = layout_of(Problem((big, Buffer("small", 3, 1, 2))))
    assert not Sections(layout).complete
    assert Orientation(layout, 9, budget()).run() == [0, 3]
    assert Orientation(layout, 8, budget()).run() is None


@settings(max_examples=60, deadline=None)
@given(problems(most=5, windowed=True, alignments=(1, 2)), st.integers(0, 4), st.integers(1, 5))
def test_a_stretch_of_time_needs_no_more_than_all_of_it(problem: Problem, lower: int, steps: int) -> None:
    part = Problem(tuple(b for a in problem.buffers if (b := clipped(a, lower, lower + steps)) is not None))
    whole = least_height(problem, 40)
    assert whole is not None
    assert lower_bound(part) <= whole
    assert (least_height(part, 40) or 0) <= whole


def test_clipped_windows() -> None:
    b = Buffer("b", 8, 0, 9, windows=(Window(0, 3, 0, 8), Window(3, 6, 4, 8)))
    assert clipped(b, 2, 5) == replace(b, lower=2, upper=5, windows=(Window(2, 3, 0, 8), Window(3, 5, 4, 8)))
    assert clipped(b, 6, 9) is None  # live, but nothing of it is in use
    assert clipped(b, 9, 12) is None


def test_failed_states_hold_for_higher_positions() -> None:
    states = FailedStates()
    states.add(0b11, (2, 5))
    assert states.find(0b11, (2, 5)) == (2, 5)
    assert states.find(0b11, (3, 5)) == (2, 5)
    assert states.find(0b11, (9, 4)) is None
    assert states.find(0b01, (9, 9)) is None


def test_a_budget_ends_a_search() -> None:
    spent = budget(3)
    for _ in range(3):
        spent.spend()
    with pytest.raises(OutOfBudgetError):
        spent.spend()
    assert spent.spent == 4


@settings(max_examples=60, deadline=None)
@given(problems(most=5, windowed=True, alignments=(1, 2)))
def test_the_bound_is_one(problem: Problem) -> None:
    assume(problem.buffers)
    least = least_height(problem, 60)
    assert least is not None
    assert lower_bound(problem) <= least
