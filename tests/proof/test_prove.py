"""`verify` as a whole: which checks run, how they end, what they say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import runtimes
from drawn.calls import chained
from drawn.hand_models import float_ends
from drawn.sketch import Sketch, planned

from mcuplan import tflite, zoo
from mcuplan.errors import ModelError
from mcuplan.graph import DType, Graph
from mcuplan.proof import prove as proving
from mcuplan.proof.prove import Check, Proof, Status, prove
from mcuplan.proof.runtimes.children import RuntimeMissingError, RuntimeRun
from mcuplan.rewriting.cleanup import clean_up
from mcuplan.rewriting.strip import int8_io, strip
from mcuplan.tflm import predict


def statuses(result: Proof) -> dict[str, Status]:
    return {check.name: check.status for check in result.checks}


def check(result: Proof, name: str) -> Check:
    return next(c for c in result.checks if c.name == name)


def halves(patched: bool, state: bool = False) -> Graph:
    """One RELU over a picture, or over its halves, with the same values.

    With ``state`` a variable is beside it that counts calls, so that only running tells whether both are the same.
    """
    s = Sketch()
    x = s.input(1, 8, 4, 3)
    outputs = []
    if state:
        count = s.tensor(1, 8, variable=True)
        s.into("ADD", [s.constant([1] * 8, (1, 8), dtype=DType.INT8), count], [count])
        outputs = [s.relu(count)]
    if not patched:
        return s.graph(s.relu(x), *outputs)
    return s.graph(s.concat([s.relu(s.slice(x, (0, at, 0, 0), (1, 4, 4, 3))) for at in (0, 4)], 1), *outputs)


def pinned_as_stock(graph: Graph) -> Graph:
    return planned(graph, {b.tensor: b.offset for b in predict(graph).plan if b.tensor >= 0})


# -- without runtimes ----------------------------------------------------------------------------------------------


def test_the_checks_that_always_run() -> None:
    graph = zoo.build("ds-cnn")
    result = prove(graph, pinned_as_stock(graph), on_tflm=False, on_litert=False)
    assert statuses(result) == {proving.STATIC: Status.PASSED, proving.SAME: Status.PASSED}
    assert result.ok
    assert result.head_bytes is None


def test_a_plan_that_clobbers_fails() -> None:
    graph = zoo.build("ds-cnn")
    bad = planned(graph, {b.tensor: 0 for b in predict(graph).plan if b.tensor >= 0})
    result = prove(graph, bad, on_tflm=False, on_litert=False)
    assert not result.ok
    assert check(result, proving.STATIC).status is Status.FAILED
    assert check(result, proving.STATIC).findings[0].startswith("operator 0 (CONV_2D) writes tensor")


def test_one_fault_is_counted_as_one() -> None:
    s = Sketch()
    x = s.input(1, 16)
    y = s.relu(x)
    result = prove(s.graph(y), planned(s.graph(y), {x: 0, y: 8}), on_tflm=False, on_litert=False)
    found = check(result, proving.STATIC)
    assert (found.detail, len(found.findings)) == ("1 fault in the plan", 1)


def test_what_cannot_be_followed_is_no_fault_of_the_plan() -> None:
    graph = chained(151)
    found = check(prove(graph, graph, on_tflm=False, on_litert=False), proving.STATIC)
    assert (found.status, found.detail) == (Status.FAILED, "what the plan does cannot be followed")
    assert found.findings == (
        "not proven: calls of subgraphs lie 151 deep in each other, and at most 150 are followed",
    )


def test_another_model_fails() -> None:
    result = prove(zoo.build("sine"), zoo.build("ds-cnn"), on_tflm=False, on_litert=False)
    assert check(result, proving.SAME).detail == "the networks' inputs or outputs differ"
    assert not result.ok


def test_a_patched_model_is_proven_without_runtimes() -> None:
    result = prove(halves(False), halves(True), on_tflm=False, on_litert=False)
    assert statuses(result) == {proving.STATIC: Status.PASSED, proving.SAME: Status.PASSED}
    assert result.ok


def test_a_patched_model_that_cannot_be_followed_is_not_proven_without_runtimes() -> None:
    result = prove(halves(False, state=True), halves(True, state=True), on_tflm=False, on_litert=False)
    assert statuses(result) == {proving.STATIC: Status.PASSED, proving.SAME: Status.SKIPPED}
    assert not result.ok


def test_missing_runtimes_are_skips_with_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcuplan.proof.runtimes.children.has_module", lambda python, module: False)
    graph = zoo.build("sine")
    result = prove(graph, graph)
    assert result.ok
    assert [c.status for c in result.checks] == [Status.PASSED] * 2 + [Status.SKIPPED] * 3
    assert check(result, proving.TFLM_OUTPUTS).detail == (
        "the Python package tflite_micro is not installed (pip install --pre tflite-micro)"
    )
    assert "pip install ai-edge-litert" in check(result, proving.LITERT_OUTPUTS).detail


def test_bytes_that_are_no_model() -> None:
    with pytest.raises(ModelError):
        prove(b"not a model", b"either")


# -- what runtimes say, without them -------------------------------------------------------------------------------


def said(*runs: RuntimeRun) -> object:
    def run(models: Sequence[bytes], *rest: object) -> list[RuntimeRun]:
        assert len(models) == 2
        return list(runs)

    return run


GOOD = RuntimeRun(True, "", ((b"\1\2\3",),), 300, 100, 200)
OTHER = RuntimeRun(True, "", ((b"\1\0\0",),), 300, 100, 200)
BAD = RuntimeRun(False, "Failed to\n allocate tensors")


@pytest.mark.parametrize(
    ("tflm", "litert", "expected", "ok"),
    [
        ((GOOD, GOOD), (GOOD, GOOD), ("passed", "passed"), True),
        ((GOOD, OTHER), (GOOD, GOOD), ("failed", "passed"), False),
        ((GOOD, GOOD), (GOOD, OTHER), ("passed", "failed"), False),
        ((GOOD, GOOD), (BAD, BAD), ("passed", "skipped"), True),
        ((BAD, BAD), (GOOD, GOOD), ("skipped", "passed"), True),
        ((GOOD, BAD), (GOOD, GOOD), ("failed", "passed"), False),
        ((GOOD, GOOD), (GOOD, BAD), ("passed", "skipped"), True),
        ((BAD, BAD), (GOOD, BAD), ("skipped", "failed"), False),
        ((BAD, BAD), (BAD, BAD), ("skipped", "skipped"), False),
    ],
)
def test_how_runs_are_judged(
    monkeypatch: pytest.MonkeyPatch,
    tflm: tuple[RuntimeRun, RuntimeRun],
    litert: tuple[RuntimeRun, RuntimeRun],
    expected: tuple[str, str],
    ok: bool,
) -> None:
    """Of a patched model that cannot be followed, where the runs are the proof."""
    monkeypatch.setattr(proving, "run_tflm", said(*tflm))
    monkeypatch.setattr(proving, "run_litert", said(*litert))
    monkeypatch.setattr(proving, "_arena", lambda *_: Check(proving.TFLM_ARENA, Status.PASSED, ""))
    result = prove(halves(False, state=True), halves(True, state=True))
    found = statuses(result)
    assert (found[proving.TFLM_OUTPUTS], found[proving.LITERT_OUTPUTS]) == expected
    assert result.ok is ok


def test_words_and_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "run_tflm", said(GOOD, OTHER))
    monkeypatch.setattr(proving, "run_litert", said(BAD, BAD))
    result = prove(halves(False), halves(False))
    assert check(result, proving.TFLM_OUTPUTS).findings == ("call 0, output 0: 2 of 3 bytes differ, the first at 1",)
    arena = check(result, proving.TFLM_ARENA)
    assert (arena.status, arena.detail) == (
        Status.FAILED, "non-persistent section 100 B, planned 100 B, predicted 192 B",
    )  # fmt: skip
    assert check(result, proving.LITERT_OUTPUTS).detail == (
        "LiteRT cannot run the original, not judged by running: Failed to allocate tensors"
    )


def test_a_child_that_does_not_start_is_a_missing_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCUPLAN_RUNTIME_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeMissingError, match="tflite_micro is not installed"):
        runtimes.run_tflm(b"")


# -- on real runtimes ----------------------------------------------------------------------------------------------


def test_a_planned_zoo_model_passes_everything() -> None:
    runtimes.require("tflm")
    runtimes.require("litert")
    graph = zoo.build("ds-cnn")
    after = strip(pinned_as_stock(clean_up(graph)[0]))[0]
    result = prove(tflite.write(graph), tflite.write(after), "cortex-m4+reference")
    assert set(statuses(result).values()) == {Status.PASSED}
    assert result.ok
    assert check(result, proving.TFLM_OUTPUTS).detail == "bit-identical on 4 inputs"
    assert result.head_bytes == (predict(graph).nonpersistent_bytes, predict(after).nonpersistent_bytes)


def test_a_patched_model_runs_as_it_was_proven() -> None:
    runtimes.require("tflm")
    runtimes.require("litert")
    result = prove(halves(False), halves(True))
    assert set(statuses(result).values()) == {Status.PASSED}


def test_a_patched_model_that_cannot_be_followed_is_judged_by_running_it() -> None:
    runtimes.require("tflm")
    result = prove(halves(False, state=True), halves(True, state=True), on_litert=False)
    assert statuses(result)[proving.SAME] is Status.SKIPPED
    assert statuses(result)[proving.TFLM_OUTPUTS] is Status.PASSED
    assert result.ok


def test_a_wrong_patch_fails_on_real_runtimes() -> None:
    runtimes.require("tflm")
    s = Sketch()
    x = s.input(1, 8, 4, 3)
    wrong = s.graph(s.concat([s.relu(s.slice(x, (0, at, 0, 0), (1, 4, 4, 3))) for at in (4, 0)], 1))
    result = prove(halves(False), wrong, on_litert=False)
    assert check(result, proving.TFLM_OUTPUTS).status is Status.FAILED
    assert not result.ok


def test_integers_at_the_ends_are_compared_from_there_on() -> None:
    runtimes.require("tflm")
    graph = float_ends()
    result = prove(graph, int8_io(graph)[0], on_litert=False)
    assert result.ok
    assert check(result, proving.SAME).detail.endswith("(the original without quantizing at its ends)")
    assert check(result, proving.TFLM_OUTPUTS).status is Status.PASSED


def test_a_model_that_litert_cannot_run_is_judged_on_tflm_alone() -> None:
    runtimes.require("tflm")
    runtimes.require("litert")
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED is not set: the folder with the public reference models")
    model = Path(folder, "models", "keyword_scrambled_8bit.tflite").read_bytes()
    result = prove(model, strip(tflite.read(model))[0])
    assert result.ok
    assert check(result, proving.LITERT_OUTPUTS).detail.startswith(
        "LiteRT cannot run the original, judged on TFLM alone: "
    )


def test_state_is_compared_over_several_calls() -> None:
    runtimes.require("tflm")
    s = Sketch()
    x = s.input(1, 8)
    state = s.tensor(1, 8, variable=True)
    s.into("ADD", [x, state], [state])
    graph = s.graph(s.relu(state))
    assert prove(graph, planned(graph, {x: 16}), on_litert=False).ok
