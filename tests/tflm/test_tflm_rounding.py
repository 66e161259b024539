"""By how much the ends of a persistent section are rounded otherwise than its allocations one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.tflm.alignment import ARENA_ALIGNMENT, WORD, aligned
from mcuplan.tflm.persistent import MOST_ROUNDED, _Tail, words
from mcuplan.tflm.results import PersistentKind

Sizes = list[int]
Options = list[tuple[int, int]]
KIND = PersistentKind.OP_DATA

OBJECTS = st.lists(st.integers(1, 30).map(lambda n: WORD * n), max_size=6)
OPTIONS = st.lists(
    st.tuples(st.integers(1, 7), st.just(1)) | st.tuples(st.integers(1, 7).map(lambda n: WORD * n), st.just(WORD)),
    max_size=8,
)
ASKED = st.lists(st.integers(1, 70), max_size=6)
HANDLES = st.integers(0, 5).map(lambda n: WORD * n)


def section(objects: Sizes, options: Options, asked: Sizes, handles: int, pointers: int) -> int:
    """Bytes of a section as the allocator lays it down: objects, options, what kernels ask for, handles, the ends."""
    tail = _Tail()
    for size in objects:
        tail.take(KIND, size, WORD)
    for size, align in options:
        tail.take(KIND, size, align)
    for size in asked:
        tail.take(KIND, size, ARENA_ALIGNMENT)
    if handles:
        tail.take(KIND, handles, WORD)
    tail.take(KIND, pointers, ARENA_ALIGNMENT)
    return tail.used


def counted(objects: Sizes, options: Options, asked: Sizes, handles: int) -> tuple[int, int]:
    """The same from the sizes alone, without what stays: at least and at most."""
    exact = sum(objects) + sum(map(aligned, asked)) + handles
    return exact + sum(words(*o)[0] for o in options), exact + sum(words(*o)[1] for o in options)


@settings(max_examples=500)
@given(OBJECTS, OPTIONS, ASKED, HANDLES, OBJECTS, OPTIONS, ASKED, HANDLES, st.integers(1, 5).map(lambda n: WORD * n))
def test_a_section_grows_by_what_is_counted_but_for_the_rounding(
    objects: Sizes, options: Options, asked: Sizes, handles: int,
    more: Sizes, added: Options, other: Sizes, held: int, pointers: int,
) -> None:  # fmt: skip
    before = section(objects, options, asked, handles, pointers)
    after = section(objects + more, options + added, other + asked, handles + held, pointers)
    least, most = counted(more, added, other, held)
    assert least - MOST_ROUNDED <= after - before <= most + MOST_ROUNDED


@settings(max_examples=500)
@given(OBJECTS, OPTIONS, ASKED, HANDLES, OBJECTS, OPTIONS, ASKED, HANDLES, st.integers(1, 5).map(lambda n: WORD * n))
def test_a_section_with_other_operators_grows_by_the_difference(
    objects: Sizes, options: Options, asked: Sizes, handles: int,
    others: Sizes, instead: Options, other: Sizes, held: int, pointers: int,
) -> None:  # fmt: skip
    grown = section(others, instead, other, held, pointers) - section(objects, options, asked, handles, pointers)
    assert counted(others, instead, other, held)[0] - counted(objects, options, asked, handles)[1] <= (
        grown + MOST_ROUNDED
    )


def test_no_smaller_allowance_would_do() -> None:
    """16 bytes behind a word are rounded by 12 more than counted, 4 bytes behind three words by 12 less; so are the
    pointers behind the handles."""
    before = section([4], [], [16], 0, 4)
    assert before == 32 + 16
    after = section([12], [], [4], 12, 4)
    assert after == 16 + 16
    assert counted([4], [], [16], 0) == (20, 20)
    assert counted([12], [], [4], 12) == (12 + 16 + 12,) * 2
    assert 40 - 20 - (after - before) == MOST_ROUNDED == 36


def in_words(options: Options) -> int:
    """Bytes of options, and of a word behind them."""
    tail = _Tail()
    for size, align in [*options, (WORD, WORD)]:
        tail.take(KIND, size, align)
    return tail.used


@pytest.mark.parametrize(("options", "grown"), [([(2, 1)], 0), ([(2, 1), (1, 1)], 4), ([(5, 1)], 4), ([(8, 4)], 8)])
def test_options_of_a_few_bytes_share_words(options: Options, grown: int) -> None:
    assert in_words([(2, 1), *options]) - in_words([(2, 1)]) == grown
    assert sum(words(*o)[0] for o in options) <= grown <= sum(words(*o)[1] for o in options)
