"""TFLM's greedy planner: its order, its ties, what it does with fixed offsets, and what holds for every plan."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.tflm.planner import Replay, Requirement, greedy_offsets

STEPS = 8


def sixteens(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most).map(lambda n: 16 * n)


@st.composite
def lifespans(draw: st.DrawFn) -> tuple[int, int]:
    first = draw(st.integers(-1, STEPS))
    return first, draw(st.integers(first, STEPS))


@st.composite
def online(draw: st.DrawFn) -> Requirement:
    return Requirement(draw(sixteens(6)), *draw(lifespans()))


@st.composite
def offline(draw: st.DrawFn) -> Requirement:
    # Offsets are taken as they are: unaligned, overlapping, even below the arena.
    return Requirement(16 + draw(sixteens(5)), *draw(lifespans()), draw(st.integers(-40, 200)))


def meet(a: Requirement, b: Requirement) -> bool:
    return a.first <= b.last and b.first <= a.last


# -- worked out by hand -----------------------------------------------------------------------------------------------


def test_large_buffers_come_first_and_each_takes_the_lowest_gap() -> None:
    # 64 at 0; 48 lives with it, so above; 32 lives with the 48 only and fits below it; 16 lives with all.
    sizes = [Requirement(16, 0, 3), Requirement(32, 2, 3), Requirement(48, 1, 2), Requirement(64, 0, 1)]
    assert greedy_offsets(sizes) == [112, 0, 64, 0]


def test_of_equal_sizes_the_later_one_comes_first() -> None:
    assert greedy_offsets([Requirement(16, 0, 1)] * 3) == [32, 16, 0]


def test_a_gap_is_taken_only_if_it_is_large_enough() -> None:
    # Fixed at 0 and 48 with 32 bytes between them: 48 bytes do not fit there, 32 do.
    fixed = [Requirement(16, 0, 9, 0), Requirement(16, 0, 9, 48)]
    assert greedy_offsets([*fixed, Requirement(48, 1, 1)])[2] == 64
    assert greedy_offsets([*fixed, Requirement(32, 1, 1)])[2] == 16


def test_fixed_offsets_come_first_and_are_never_checked() -> None:
    # The large online buffer gives way to small fixed ones, which overlap each other and one of which is not aligned.
    mixed = [Requirement(96, 0, 1), Requirement(16, 0, 1, 8), Requirement(16, 1, 1, 8), Requirement(16, 2, 2, 500)]
    assert greedy_offsets(mixed) == [24, 8, 8, 500]


def test_buffers_of_no_bytes_lie_at_the_bottom() -> None:
    assert greedy_offsets([Requirement(0, 0, 1), Requirement(32, 0, 1), Requirement(0, 1, 1)]) == [0, 0, 0]


def test_buffers_of_no_lifetime_lie_beside_each_other_only() -> None:
    assert greedy_offsets([Requirement(16, -1, -1), Requirement(16, -1, -1), Requirement(16, 0, 0)]) == [16, 0, 0]


# -- what holds for every plan ----------------------------------------------------------------------------------------


@given(st.lists(online(), max_size=12))
def test_online_buffers_that_share_a_step_never_overlap(requirements: list[Requirement]) -> None:
    offsets = greedy_offsets(requirements)

    for i, a in enumerate(requirements):
        for j, b in enumerate(requirements[:i]):
            if meet(a, b):
                assert offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]


@given(st.lists(online(), max_size=10), st.lists(offline(), max_size=4))
def test_online_buffers_give_way_to_fixed_ones(free: list[Requirement], fixed: list[Requirement]) -> None:
    offsets = greedy_offsets([*free, *fixed])

    assert offsets[len(free) :] == [need.offset for need in fixed]
    for at, need in zip(offsets, free, strict=False):
        for other in fixed:
            assert other.offset is not None
            if need.size and meet(need, other):
                assert at + need.size <= other.offset or other.offset + other.size <= at


@given(st.lists(online(), max_size=12))
def test_a_plan_is_no_lower_than_what_is_live_at_once(requirements: list[Requirement]) -> None:
    height = max((at + r.size for at, r in zip(greedy_offsets(requirements), requirements, strict=True)), default=0)

    for step in range(-1, STEPS + 1):
        assert height >= sum(r.size for r in requirements if r.first <= step <= r.last)


def lowest_fit(requirements: list[Requirement]) -> list[int]:
    """The planner's rules by definition: in order of falling size, the lowest place free of all that share a step.

    The order is that of a stable sort over the list filled from its end; a lowest place begins at 0 or at an end.
    """
    order = [i for i, r in enumerate(requirements) if r.offset is not None]
    from_the_end = [i for i in range(len(requirements) - 1, -1, -1) if requirements[i].offset is None]
    order += sorted(from_the_end, key=lambda i: -requirements[i].size)
    placed: dict[int, int] = {}
    for i in order:
        need = requirements[i]
        taken = [range(at, at + requirements[j].size) for j, at in placed.items() if meet(need, requirements[j])]
        starts = sorted({0, *(other.stop for other in taken if other.stop > 0)})
        placed[i] = (
            need.offset
            if need.offset is not None
            else next(s for s in starts if all(s + need.size <= t.start or t.stop <= s for t in taken))
        )
    return [placed[i] for i in range(len(requirements))]


@given(st.lists(st.one_of(online(), online(), offline()), max_size=12))
def test_every_place_is_the_lowest_that_fits(requirements: list[Requirement]) -> None:
    assert greedy_offsets(requirements) == lowest_fit(requirements)


# -- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("life", [lambda i: (-1, -1), lambda i: (i, i + 1)], ids=["untouched", "chain"])
def test_the_work_grows_with_the_buffers_and_not_with_their_pairs(life: Callable[[int], tuple[int, int]]) -> None:
    def calls(count: int) -> int:
        done = 0

        def count_call(_frame: FrameType, event: str, _argument: object) -> None:
            nonlocal done
            done += event in ("call", "c_call")

        requirements = [Requirement(16, *life(i)) for i in range(count)]
        sys.setprofile(count_call)
        try:
            greedy_offsets(requirements)
        finally:
            sys.setprofile(None)
        return done

    assert calls(2000) < 2.5 * calls(1000)


@given(st.lists(st.one_of(online(), offline()), max_size=10), st.lists(st.integers(-40, 200), min_size=10, max_size=10))
def test_a_replay_gives_what_the_planner_gives(requirements: list[Requirement], elsewhere: list[int]) -> None:
    moved = [r if r.offset is None else replace(r, offset=at) for r, at in zip(requirements, elsewhere, strict=False)]
    assert Replay(requirements).offsets([r.offset or 0 for r in moved]) == greedy_offsets(moved)
