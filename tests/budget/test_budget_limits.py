"""Where limits come from, and what contradicts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mcuplan.budget import Asked, Counted, LimitError, Reserve, limits_on_board, limits_without_board
from mcuplan.budget.limits import RULE_OF_THUMB, Limit, Resource, board_reserve, with_baseline


def board(ram: int = 262_144, flash: int = 1_048_576, reserved: Any = None) -> Any:
    return SimpleNamespace(name="Test Board", arena_ram_bytes=ram, flash_bytes=flash, reserved=reserved)


USUAL = SimpleNamespace(ram_bytes=40_000, flash_bytes=None, firmware="its usual core")


def test_the_rule_of_thumb_is_the_lectures() -> None:
    ram, flash, macs = RULE_OF_THUMB
    assert (ram.amount, ram.counted, ram.strict) == (250_000, Counted.ARENA, True)
    assert (flash.amount, flash.counted, flash.strict) == (250_000, Counted.MODEL, True)
    assert (macs.amount, macs.counted, macs.strict) == (60_000_000, Counted.MACS, True)


def test_under_means_under_and_at_most_means_at_most() -> None:
    under = Limit(Resource.RAM, 100, Counted.ARENA, "test", strict=True)
    at_most = replace(under, strict=False)
    assert [under.allows(n) for n in (99, 100, 101)] == [True, False, False]
    assert [at_most.allows(n) for n in (99, 100, 101)] == [True, True, False]


def test_without_board_a_stated_limit_replaces_the_whole_rule_of_thumb() -> None:
    limits = limits_without_board(Asked(ram=64_000, sources={"ram": "--ram"}))
    assert list(limits) == [Limit(Resource.RAM, 64_000, Counted.NEED, "--ram")]
    assert limits_without_board(Asked()) == RULE_OF_THUMB
    arena = limits_without_board(Asked(arena_size=9_000, sources={"arena_size": "--arena-size"}))
    assert list(arena) == [Limit(Resource.ARENA, 9_000, Counted.ARENA, "--arena-size")]


def test_a_limit_on_the_arena_stands_beside_the_boards_ram() -> None:
    limits = limits_on_board(board(), Asked(arena_size=9_000))
    assert [(limit.resource.value, limit.amount) for limit in limits] == [
        ("ram", 262_144), ("arena", 9_000), ("flash", 1_048_576),
    ]  # fmt: skip
    with pytest.raises(LimitError, match=r"300,000 bytes of arena .* contradicts Test Board, which has 262,144"):
        limits_on_board(board(), Asked(arena_size=300_000))


def test_an_added_reserve_comes_on_top_of_the_boards() -> None:
    more = Reserve(ram=1_000, flash=2_000, source="--reserve", adds=True)
    limits = limits_on_board(board(reserved=USUAL), Asked(), more)
    assert limits.ram is not None
    assert limits.ram.amount == 262_144 - 41_000
    assert limits.ram.source == "262,144 on the board - 41,000 reserved for its usual core and --reserve"
    alone = limits_on_board(board(), Asked(), more)
    assert alone.ram is not None
    assert alone.ram.source == "262,144 on the board - 1,000 reserved for --reserve"


def test_on_a_board_all_of_its_memory_counts_and_macs_are_free() -> None:
    limits = limits_on_board(board(), Asked())
    assert limits.ram is not None
    assert limits.flash is not None
    assert (limits.ram.amount, limits.ram.counted) == (262_144, Counted.NEED)
    assert (limits.flash.amount, limits.flash.counted) == (1_048_576, Counted.NEED)
    assert limits.macs is None
    assert list(limits) == [limits.ram, limits.flash]


def test_the_boards_reserve_is_taken_off_and_named() -> None:
    limits = limits_on_board(board(reserved=USUAL), Asked())
    assert limits.ram is not None
    assert limits.ram.amount == 222_144
    assert limits.ram.source == "262,144 on the board - 40,000 reserved for its usual core"
    assert board_reserve(board(reserved=USUAL)) == Reserve(40_000, 0, "its usual core")


def test_a_stated_reserve_replaces_the_boards() -> None:
    limits = limits_on_board(board(reserved=USUAL), Asked(), Reserve(ram=1_000, flash=2_000, source="app.map"))
    assert limits.ram is not None
    assert limits.flash is not None
    assert (limits.ram.amount, limits.flash.amount) == (261_144, 1_046_576)


def test_the_stricter_of_board_and_stated_limit_counts() -> None:
    smaller = limits_on_board(board(reserved=USUAL), Asked(ram=100_000, sources={"ram": "--ram"}))
    assert smaller.ram == Limit(Resource.RAM, 100_000, Counted.NEED, "--ram")
    larger = limits_on_board(board(reserved=USUAL), Asked(ram=240_000, sources={"ram": "--ram"}))
    assert larger.ram is not None
    assert larger.ram.amount == 222_144


@pytest.mark.parametrize(
    ("asked", "reserve", "says"),
    [
        (Asked(ram=262_145, sources={"ram": "--ram"}), None, "(--ram) contradicts Test Board, which has 262,144"),
        (Asked(flash=2_000_000), None, "contradicts Test Board"),
        (Asked(), Reserve(ram=262_144, source="app.elf"), "(app.elf) leaves nothing of the 262,144 bytes"),
        (Asked(), Reserve(flash=1_048_576), "leaves nothing"),
    ],
)
def test_contradictions_are_refused(asked: Asked, reserve: Reserve | None, says: str) -> None:
    with pytest.raises(LimitError, match=r".*") as caught:
        limits_on_board(board(), asked, reserve)
    assert says in str(caught.value)


def test_limits_of_nothing_and_negative_reserves_are_refused() -> None:
    with pytest.raises(LimitError, match="lets no model pass"):
        Asked(ram=0)
    with pytest.raises(LimitError, match="negative"):
        Reserve(ram=-1)


def test_a_baseline_raises_a_limit_to_what_was_recorded_and_never_lowers_it() -> None:
    limit = Limit(Resource.FLASH, 100, Counted.MODEL, "rule", strict=True)
    raised = with_baseline(limit, 150)
    assert raised is not None
    assert (raised.amount, raised.strict, raised.baseline) == (150, False, True)
    assert with_baseline(limit, 99) is limit
    assert with_baseline(limit, None) is limit
    assert with_baseline(None, 5) is None
