"""Verdicts: pure functions of figures and limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.budget import Counted, FlashNeed, Limit, Limits, Need, RamNeed, Resource, Verdict, judge
from mcuplan.budget.limits import RULE_OF_THUMB
from mcuplan.tflm import Refusal


def need(arena: int = 10_000, model: int = 20_000, runtime: int = 60_000, macs: int = 1_000_000) -> Need:
    return Need(RamNeed(arena, 208, 48, 104, 4_096), FlashNeed(model, model // 2, runtime), macs)


def limit(resource: Resource, amount: int, counted: Counted = Counted.NEED) -> Limit:
    return Limit(resource, amount, counted, "test")


def test_within_every_limit() -> None:
    assert judge(need(), RULE_OF_THUMB).verdict is Verdict.PASS
    assert judge(need(), Limits()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("figures", "broken"),
    [
        ({"arena": 249_999}, []),
        ({"arena": 250_000}, [("ram", 250_000, 1)]),
        ({"model": 250_010}, [("flash", 250_010, 11)]),
        ({"macs": 60_000_000}, [("macs", 60_000_000, 1)]),
        ({"arena": 300_000, "macs": 70_000_000}, [("ram", 300_000, 50_001), ("macs", 70_000_000, 10_000_001)]),
    ],
)
def test_the_rule_of_thumb(figures: dict[str, int], broken: list[tuple[str, int, int]]) -> None:
    judgement = judge(need(**figures), RULE_OF_THUMB)
    assert judgement.verdict is (Verdict.FAIL if broken else Verdict.PASS)
    assert [(v.limit.resource.value, v.figure, v.over) for v in judgement.violations] == broken


def test_a_boards_ram_is_held_against_the_whole_need() -> None:
    exactly = Limits(ram=limit(Resource.RAM, 10_000 + 208 + 48 + 104 + 4_096))
    assert judge(need(), exactly).verdict is Verdict.PASS
    assert judge(need(arena=10_001), exactly).violations[0].over == 1


def test_a_boards_flash_is_held_against_model_and_code() -> None:
    assert judge(need(), Limits(flash=limit(Resource.FLASH, 80_000))).verdict is Verdict.PASS
    assert judge(need(), Limits(flash=limit(Resource.FLASH, 79_999))).violations[0].figure == 80_000


def test_what_tflm_refuses_is_unsupported_whatever_its_size() -> None:
    refusal = Refusal("no such kernel", "use another", "unsupported-operator")
    judgement = judge(need(arena=300_000), RULE_OF_THUMB, [refusal])
    assert judgement.verdict is Verdict.UNSUPPORTED
    assert judgement.refusals == (refusal,)
    assert len(judgement.violations) == 1


def test_exit_codes() -> None:
    assert [v.exit_code for v in (Verdict.PASS, Verdict.FAIL, Verdict.UNSUPPORTED, Verdict.ERROR)] == [0, 1, 1, 2]


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.booleans())
def test_what_is_over_brings_it_back(figure: int, amount: int, strict: bool) -> None:
    broken = Limit(Resource.MACS, amount, Counted.MACS, "test", strict)
    violations = judge(need(macs=figure), Limits(macs=broken)).violations
    assert bool(violations) != broken.allows(figure)
    for violation in violations:
        assert broken.allows(figure - violation.over)
        assert not broken.allows(figure - violation.over + 1)
