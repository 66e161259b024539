"""Arena against MACs: three alternatives worked out by hand, and a real model with patch stages."""

from __future__ import annotations

import re

import pytest
from html_samples import html

from mcuplan.reports.html.arena_map import Limit
from mcuplan.reports.html.pareto import HEIGHT, WIDTH, Alternative, pareto_chart
from mcuplan.zoo import build

STOCK = Alternative("stock TFLM", 100_000, 1.0)
PLAN = Alternative("plan", 80_000, 1.0)
PATCHES = Alternative("patches", 40_000, 1.1)
GROUND = HEIGHT - 34
UNIT_Y = (HEIGHT - 16 - 34) / 104_000


def test_dots_lie_at_their_bytes_and_macs() -> None:
    found = pareto_chart([STOCK, PLAN, PATCHES], None, "MACs")
    assert [dot.x for dot in found.dots] == pytest.approx([54, 54, 54 + (WIDTH - 54 - 14) / 1.05], abs=0.1)
    assert [dot.y for dot in found.dots] == pytest.approx([GROUND - n * UNIT_Y for n in (1e5, 8e4, 4e4)], abs=0.1)
    assert [dot.chosen for dot in found.dots] == [False, False, True]
    assert found.dots[2].details == "patches: 40,000 bytes at +10.0% MACs"


def test_the_line_joins_only_what_nothing_beats() -> None:
    found = pareto_chart([STOCK, PLAN, PATCHES], None, "MACs")
    plan, patches = found.dots[1], found.dots[2]
    assert found.line == f"M{plan.x} {plan.y}L{patches.x} {plan.y}L{patches.x} {patches.y}"


@pytest.mark.parametrize(
    ("limit", "broken", "drawn"), [(30_000, True, True), (90_000, False, True), (900_000, False, False)]
)
def test_the_limit_is_broken_where_no_alternative_fits(limit: int, broken: bool, drawn: bool) -> None:
    line = pareto_chart([STOCK, PLAN, PATCHES], Limit(limit, "board"), "MACs").limit
    assert line is not None
    assert line.broken is broken
    assert (line.y is not None) is drawn


def test_a_single_alternative_is_a_dot() -> None:
    assert len(pareto_chart([STOCK], None, "MACs").dots) == 1


def test_a_model_with_patch_stages() -> None:
    text = html(build("resnet8"), max_overhead=1.2)
    maps = re.findall(r'<figure class="map"><figcaption><b>([^<]*)</b> ([\d,]+) bytes to declare', text)
    assert [title.partition(",")[0] for title, _ in maps] == ["Stock TFLM", "With patch stages"]
    stock, patched = (int(declared.replace(",", "")) for _, declared in maps)
    # At +13% MACs two thirds of the arena are enough.
    assert patched < 0.67 * stock
    assert f"{stock - patched:,} bytes of RAM" in text
    assert "--patch --max-overhead 1.2 -o patched.tflite" in text
    assert text.count(' patched"') > 3
    assert 'class="front"' in text


def test_a_model_that_cannot_be_patched_says_why() -> None:
    assert "No patch stages: the model has no convolution" in html(build("autoencoder"), max_overhead=1.2)


@pytest.mark.parametrize(
    ("ram", "end"), [(90_000, "bit for bit"), (50_000, "; RAM then fits"), (20_000, " bytes too many")]
)
def test_a_plan_says_whether_the_model_then_fits(ram: int, end: str) -> None:
    from mcuplan import budget
    from mcuplan.budget.stages import StageLimits
    from mcuplan.findings.situation import Situation
    from mcuplan.graph import Graph
    from mcuplan.reports.documents import build as building
    from mcuplan.reports.html.cards import tips
    from mcuplan.reports.html.subject import subjects
    from mcuplan.tflite import read, write
    from mcuplan.tflm import Target

    graph: Graph = read(write(build("resnet8")))
    analysis = budget.analyse(graph, Target.parse("cortex-m4"))
    need, limits = analysis.need(), budget.limits_without_board(budget.Asked(ram=ram))
    situation = Situation("m", analysis, need, limits, budget.judge(need, limits), stages=StageLimits(1.2))
    row = building.result_of(situation)
    (subject,) = subjects(building.report([row]), {("m", None): situation}, True, True)
    # 55,008 bytes of arena and 4,600 beside it; patch stages leave some 32,500.
    text = next(tips(subject)).text
    assert text.startswith("patch stages: the arena goes from 55,008")
    assert text.endswith(end)
    assert ("still" in text) is (ram == 20_000)
