"""Baselines: what is too big may stay, and must not grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcuplan.budget import FlashNeed, Need, RamNeed, Verdict, judge
from mcuplan.budget.baseline import (
    Allowance,
    Baseline,
    BaselineError,
    Key,
    allowance,
    model_key,
    read_baseline,
    record,
    write_baseline,
)
from mcuplan.budget.limits import RULE_OF_THUMB

KEY = Key("models/big.tflite", None, "cortex-m4+cmsis-nn")


def need(arena: int = 1_000, model: int = 2_000) -> Need:
    return Need(RamNeed(arena, 208, 48, 0, 4_096), FlashNeed(model, 0, 0), macs=5)


def test_too_big_passes_as_recorded_and_fails_when_it_grows() -> None:
    recorded = allowance(judge(need(model=300_000), RULE_OF_THUMB))
    assert recorded == Allowance(flash=300_000)
    limits = Baseline({KEY: recorded}).apply(KEY, RULE_OF_THUMB)
    verdicts = [judge(need(model=size), limits).verdict for size in (299_999, 300_000, 300_001)]
    assert verdicts == [Verdict.PASS, Verdict.PASS, Verdict.FAIL]


def test_other_limits_and_other_models_stay_as_they_are() -> None:
    baseline = Baseline({KEY: Allowance(flash=300_000)})
    assert baseline.apply(KEY, RULE_OF_THUMB).ram is RULE_OF_THUMB.ram
    other = Key("models/other.tflite", None, KEY.target)
    assert baseline.apply(other, RULE_OF_THUMB) is RULE_OF_THUMB
    assert baseline.apply(Key(KEY.model, "teensy-4-1", KEY.target), RULE_OF_THUMB) is RULE_OF_THUMB


def test_what_passes_needs_no_allowance() -> None:
    assert allowance(judge(need(), RULE_OF_THUMB)) is None


def test_the_file_comes_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    entries = {KEY: Allowance(ram=260_000, macs=61_000_000), Key("a", "b", "c"): Allowance(flash=9)}
    write_baseline(path, entries.items())
    assert read_baseline(path).entries == entries
    assert [row["model"] for row in json.loads(path.read_text())["models"]] == ["a", "models/big.tflite"]


def test_recording_replaces_removes_and_keeps(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    shrunk, gone, kept = (Key(name, None, "t") for name in ("shrunk", "gone", "kept"))
    record(path, {shrunk: Allowance(ram=9), gone: Allowance(ram=9), kept: Allowance(ram=9)})
    record(path, {shrunk: Allowance(ram=5), gone: None})
    assert read_baseline(path).entries == {shrunk: Allowance(ram=5), kept: Allowance(ram=9)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not a baseline file"),
        ("[1]", "not a baseline file"),
        ("{}", "not a baseline file"),
        ("[" * 100_000, "not a baseline file"),
        ('{"models": []}', "version None is not the version 1"),
        ('{"mcuplan_baseline": 2, "models": []}', "version 2"),
        ('{"mcuplan_baseline": 1, "models": [7]}', "models[0] is not an object"),
        ('{"mcuplan_baseline": 1, "models": [{"model": "m", "target": "t", "rom": 1}]}', "unknown key 'rom'"),
        ('{"mcuplan_baseline": 1, "models": [{"model": "m"}]}', "must name a model, a board (or null) and a target"),
        ('{"mcuplan_baseline": 1, "models": [{"model": "m", "target": "t", "ram": true}]}', "models[0].ram"),
        ('{"mcuplan_baseline": 1, "models": [{"model": "m", "target": "t", "ram": -1}]}', "whole number"),
    ],
)
def test_what_is_not_a_baseline_is_refused_by_name(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "base.json"
    path.write_text(content)
    with pytest.raises(BaselineError) as caught:
        read_baseline(path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


def test_a_missing_baseline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="cannot be read"):
        read_baseline(tmp_path / "none.json")


def test_models_are_named_from_the_baselines_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path / "models")
    expected = "models/big.tflite"
    assert model_key("big.tflite", tmp_path / "base.json") == expected
    assert model_key(str(tmp_path / "models" / "big.tflite"), Path("../base.json")) == expected
    assert model_key("zoo:sine", tmp_path / "base.json") == "zoo:sine"
