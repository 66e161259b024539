"""What the report says of a hand-made analysis."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn.calls import nested
from report_samples import PLAN, UNUSED, analysis, graph, report, result

from mcuplan import zoo
from mcuplan.budget import Counted, Limit, Resource, analyse
from mcuplan.budget.limits import RULE_OF_THUMB, Limits
from mcuplan.graph import DType, Graph
from mcuplan.reports.documents import build
from mcuplan.tflm import Refusal, Target


def limits(ram: int = 10_000, flash: int = 100_000, macs: int = 80_000) -> Limits:
    return Limits(
        Limit(Resource.RAM, ram, Counted.NEED, "test"),
        Limit(Resource.FLASH, flash, Counted.NEED, "test"),
        Limit(Resource.MACS, macs, Counted.MACS, "test"),
    )


def test_figures() -> None:
    found = result()
    assert found.arena is not None
    assert (found.arena.declare_bytes, found.arena.nonpersistent_bytes, found.arena.persistent_bytes) == (480, 192, 288)
    assert (found.arena.lower_bound_bytes, found.arena.exact) == (160, True)
    assert found.ram is not None
    assert found.ram.total_bytes == 480 + 208 + (12 + 36 * 2) + 104 + 4_096
    assert found.flash is not None
    assert (found.flash.model_bytes, found.flash.weights_bytes, found.flash.runtime_bytes) == (1_500, 800, 25_604)
    assert found.macs == 40_000
    assert found.facts is not None
    assert (found.facts.operators, found.facts.activations) == (3, "int8")
    assert found.verdict == "pass"


def test_the_peak_names_operator_and_buffers() -> None:
    peak = result().peak
    assert peak is not None
    assert (peak.operator, peak.operator_name, peak.live_bytes) == (1, "RELU", 160)
    assert [(b.what, b.tensor_name) for b in peak.buffers] == [
        ("scratch of operator 1, RELU", ""),
        ("output of operator 0, RELU", "t1"),
        ("output of operator 1, RELU", "t2"),
    ]


def test_the_five_largest_costs_by_share_of_their_limit() -> None:
    costs = result(limits=limits()).costs
    assert [(c.resource, c.what, c.amount, c.share) for c in costs] == [
        ("ram", "stack (allowance)", 4_096, 0.4096),
        ("macs", "MACs of operator 0, RELU", 30_000, 0.375),
        ("flash", "TFLM interpreter code", 18_000, 0.18),
        ("macs", "MACs of operator 1, RELU", 10_000, 0.125),
        ("flash", "code of LOGISTIC", 3_000, 0.03),
    ]


def test_only_what_a_limit_counts_is_a_cost() -> None:
    """The rule of thumb counts the arena and the model alone: no stack, no code."""
    costs = result(analysis(macs=40)).costs
    assert [(c.what, c.amount, c.name) for c in costs] == [
        ("the model's structure and metadata", 700, ""),
        ("weights of operator 1, RELU", 700, ""),
        ("persistent: planner and allocator objects", 116, ""),
        ("weights of operator 0, RELU", 100, ""),
        ("persistent: nodes and registrations", 96, ""),
    ]


def test_ram_costs_add_up_to_the_need() -> None:
    found = analysis()
    need = found.need()
    from mcuplan.findings.costs import largest_costs
    from mcuplan.findings.peak import live_at

    costs = largest_costs(found, need, limits(), live_at(found.arena, 2), count=100)
    assert sum(c.amount for c in costs if c.resource == "ram") == need.ram.total_bytes
    assert sum(c.amount for c in costs if c.resource == "macs") == need.macs
    weights = sum(c.amount for c in costs if c.what.startswith("weights") or c.what.startswith("the model"))
    assert weights == need.flash.model_bytes


def test_without_any_limit_shares_are_of_the_totals() -> None:
    costs = result(limits=Limits()).costs
    assert costs[0].what == "stack (allowance)"
    assert costs[0].share == round(4_096 / (480 + 208 + 84 + 104 + 4_096), 4)


def test_violations_say_what_is_over_and_whose_limit_it_is() -> None:
    found = result(limits=limits(ram=4_971, flash=27_104, macs=39_999))
    assert found.verdict == "fail"
    assert [v.message for v in found.violations] == [
        "RAM: arena, interpreter and stack take 4,972 bytes, may be at most 4,971 (test): 1 B too many",
        "MACs: one inference takes 40,000 MACs, may be at most 39,999 (test): 1 too many",
    ]
    assert [(v.resource, v.limit, v.figure, v.over) for v in found.violations] == [
        ("ram", 4_971, 4_972, 1),
        ("macs", 39_999, 40_000, 1),
    ]


def test_refusals_come_with_their_remedies() -> None:
    refusal = Refusal("hybrid", "quantize fully", "hybrid", 0, 1, "RELU", 2, "t2")
    found = result(replace(analysis(), refusals=(refusal,)))
    assert found.verdict == "unsupported"
    assert (found.refusals[0].reason, found.refusals[0].remedy, found.refusals[0].operator) == (
        "hybrid", "quantize fully", 1,
    )  # fmt: skip


def tips(found: object) -> list[str]:
    return [tip.text for tip in found.help]  # type: ignore[attr-defined]


def test_a_better_plan_is_advised_with_what_it_saves() -> None:
    found = result(analyse(zoo.build("visual-wake-words"), Target.parse("cortex-m4+cmsis-nn")))
    assert ("ram", 18_432) in [(h.resource, h.saves) for h in found.help]
    assert any("mcuplan plan" in text for text in tips(found))


def test_no_plan_is_advised_where_none_is_better() -> None:
    found = result(analyse(zoo.build("person-detection"), Target.parse("cortex-m4+cmsis-nn")))
    assert not any("mcuplan plan" in text for text in tips(found))


def test_unused_tensors_are_advised_against() -> None:
    big = UNUSED.__class__(offset=192, size=256, bytes=256, first=-1, last=-1, subgraph=0, tensor=7)
    found = result(analysis(plan=(*PLAN, big)))
    assert any("1 tensors nothing uses" in text for text in tips(found))


def test_a_float_model_that_is_too_big_should_be_quantized() -> None:
    base = graph()
    main = base.main
    floats = tuple(replace(t, dtype=DType.FLOAT32) for t in main.tensors)
    model: Graph = replace(base, subgraphs=(replace(main, tensors=floats),))
    found = result(analysis(model), limits=limits(ram=4_900))
    assert any("int8" in text for text in tips(found))
    assert not any("int8" in text for text in tips(result(analysis(model))))


def test_the_operator_at_the_peak_is_named_when_ram_is_short() -> None:
    assert any("operator 1, RELU" in text for text in tips(result(limits=limits(ram=4_900))))


def test_at_most_three_tips_and_broken_limits_first() -> None:
    found = result(limits=limits(ram=4_900, flash=27_000, macs=1_000))
    assert 0 < len(found.help) <= 3
    assert found.help[0].resource in ("ram", "flash", "macs")


@pytest.mark.parametrize(
    ("verdicts", "code"), [(["pass"], 0), (["pass", "fail"], 1), (["unsupported"], 1), (["fail", "error"], 2), ([], 0)]
)
def test_the_highest_exit_code_wins(verdicts: list[str], code: int) -> None:
    results = [replace(result(), verdict=verdict) for verdict in verdicts]  # type: ignore[arg-type]
    assert build.report(results).exit_code == code


def test_an_unreadable_model_is_a_result() -> None:
    found = report(build.failed("x.tflite", None, "x.tflite: no model")).results[0]
    assert (found.verdict, found.error, found.arena) == ("error", "x.tflite: no model", None)


def test_notes_tell_bounds() -> None:
    found = result(analysis(exact=False, notes=("operator 1 has no data",)))
    assert found.arena is not None
    assert not found.arena.exact
    assert "operator 1 has no data" in found.notes
    assert RULE_OF_THUMB.ram is not None


def test_a_plan_that_cannot_be_followed_is_said_once_to_be_unproven() -> None:
    found = result(analyse(nested(20), Target.parse("cortex-m4+cmsis-nn")))
    assert (
        "the memory plan in the model is not proven: there are too many paths through the control flow" in found.notes
    )
