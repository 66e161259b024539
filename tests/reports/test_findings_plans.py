"""Plans that findings ask for: each is worked out once for a graph, a target and options."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcuplan.findings import plans
from mcuplan.planning import plan as planning
from mcuplan.planning.plan import PlanOptions
from mcuplan.tflm import Target
from mcuplan.zoo import build

TARGET = Target.parse("cortex-m4+cmsis-nn")
FAST = PlanOptions(effort="fast")


def test_a_plan_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    found = planning.make_plan
    monkeypatch.setattr(planning, "make_plan", lambda *given: asked.append(given) or found(*given))
    graph = build("sine")
    first = plans.plan(graph, TARGET, FAST)
    assert plans.plan(graph, Target.parse("cortex-m4+cmsis-nn"), PlanOptions(effort="fast")) is first
    assert len(asked) == 1
    plans.plan(graph, Target.parse("cortex-m4+reference"), FAST)
    plans.plan(graph, TARGET, replace(FAST, alias=False))
    plans.plan(replace(graph), TARGET, FAST)
    assert len(asked) == 4


def test_only_the_last_plans_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(planning, "make_plan", lambda graph, *_: asked.append(graph) or graph)
    graphs = [replace(build("sine")) for _ in range(40)]
    assert all(plans.plan(graph, TARGET, FAST) is graph for graph in graphs)
    assert plans.plan(graphs[-1], TARGET, FAST) is graphs[-1]
    assert len(asked) == 40
    assert plans.plan(graphs[0], TARGET, FAST) is graphs[0]
    assert len(asked) == 41
