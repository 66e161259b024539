"""Where memory peaks, worked out by hand."""

from __future__ import annotations

from report_samples import PLAN, UNUSED, analysis, arena, graph

from mcuplan.findings.peak import Step, live_at, live_steps, lower_bound, peak_step
from mcuplan.tflm import predict
from mcuplan.zoo import build


def test_live_bytes_of_each_step() -> None:
    assert live_steps(graph(), arena()) == (
        Step(0, 0, -1, 32),
        Step(1, 0, 0, 80),
        Step(2, 0, 1, 160),
        Step(3, 0, 2, 32),
    )


def test_the_peak_its_buffers_and_the_lower_bound() -> None:
    steps = live_steps(graph(), arena())
    top = peak_step(steps)
    assert top == Step(2, 0, 1, 160)
    assert [(b.tensor, b.operator, b.size) for b in live_at(arena(), 2)] == [(-1, 1, 96), (1, -1, 48), (2, -1, 16)]
    assert lower_bound(steps) == 160


def test_tensors_that_nobody_uses_have_a_step_of_their_own() -> None:
    steps = live_steps(graph(), arena((*PLAN, UNUSED)))
    assert steps[0] == Step(-1, 0, -1, 256)
    assert peak_step(steps) == steps[0]


def test_of_equal_steps_the_first_operator_is_the_peak() -> None:
    steps = (Step(0, 0, -1, 9), Step(1, 0, 0, 9), Step(2, 0, 1, 9))
    assert peak_step(steps) == steps[1]
    assert peak_step(()) is None


def test_person_detection_peaks_in_its_first_pointwise_convolution() -> None:
    model = build("person-detection")
    found = predict(model)
    top = peak_step(live_steps(model, found))
    assert top is not None
    assert (top.operator, top.live_bytes) == (2, 55_296)
    assert lower_bound(live_steps(model, found)) <= found.nonpersistent_bytes


def test_no_plan_at_all() -> None:
    empty = analysis(plan=()).arena
    assert lower_bound(live_steps(graph(), empty)) == 0
