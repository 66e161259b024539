"""A plan belongs to a target: what overwrites live bytes on the target at hand fails, everywhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from conftest import Cli

from mcuplan.rewriting.origin import plan_origin
from mcuplan.tflite import load

ESP = ("--board", "esp32-s3-eye", "--target", "esp32s3+esp-nn-1.2.4")
"""Kernels newer than any that was read: nobody knows which bytes they touch when, so that no two may be shared."""
BOTH = ("--board", "sparkfun-edge", "--board", "esp32-devkitc")


@pytest.fixture
def planned(cli: Cli, tmp_path: Path) -> Path:
    assert cli("zoo", "resnet8", "-o", "given.tflite").code == 0
    assert cli("plan", "given.tflite", "-o", "p.tflite", "--no-map").code == 0
    return tmp_path / "p.tflite"


def test_a_planned_model_says_what_it_is_from(planned: Path) -> None:
    origin = plan_origin(load(planned))
    assert origin is not None
    assert origin.targets == ("upstream-2026-08/cortex-m4+cmsis-nn",)
    assert origin.model_sha256 == hashlib.sha256((planned.parent / "given.tflite").read_bytes()).hexdigest()


def test_the_target_it_was_planned_for_passes(cli: Cli, planned: Path) -> None:
    done = cli("check", planned)
    assert done.code == 0
    assert "planned for upstream-2026-08/cortex-m4+cmsis-nn by mcuplan" in done.out
    assert cli("check", planned, "--board", "sparkfun-edge").code == 0
    (result,) = json.loads(cli("check", planned, "--format", "json").out)["results"]
    assert result["planned"]["targets"] == ["upstream-2026-08/cortex-m4+cmsis-nn"]
    assert result["faults"] == []


def test_another_target_fails_with_operator_tensor_and_remedy(cli: Cli, planned: Path) -> None:
    done = cli("check", planned, *ESP)
    assert done.code == 1
    assert done.out.startswith("FAIL")
    assert "its memory plan is wrong on this target, at" in done.out
    assert "operator 0 (CONV_2D) writes tensor" in done.out
    remedy = " ".join(done.out.split())
    assert "the plan in this model was made for upstream-2026-08/cortex-m4+cmsis-nn: make one for" in remedy
    assert "esp32s3+esp-nn-1.2.4 -o OUT.tflite" in remedy
    assert cli("check", planned, *ESP, "-q").out.startswith("FAIL")
    assert cli("check", planned, *ESP[2:]).code == 1


def test_kernels_that_need_whole_rows_longer_fail_and_those_alike_pass(cli: Cli, planned: Path) -> None:
    """CMSIS-NN writes a position once it has read it; so does the plain C of ESP-NN, and not its code for the S3."""
    done = cli("check", planned, *ESP[:2])
    assert done.code == 1
    assert "its memory plan is wrong on this target, at" in done.out
    assert cli("check", planned, "--board", "esp32-devkitc").code == 0


def test_every_format_tells(cli: Cli, planned: Path) -> None:
    (result,) = json.loads(cli("check", planned, *ESP, "--format", "json").out)["results"]
    assert result["verdict"] == "fail"
    fault = result["faults"][0]
    assert (fault["rule"], fault["operator"], fault["operator_name"]) == ("plan-overlap", 0, "CONV_2D")
    assert fault["tensor"] == 0
    assert "esp32s3+esp-nn-1.2.4" in fault["remedy"]
    markdown = cli("check", planned, *ESP, "--format", "markdown").out
    assert "### mcuplan: 1 fail" in markdown
    assert "memory plan: operator 0" in markdown
    assert "mcuplan plan" in markdown
    github = cli("check", planned, *ESP, "--format", "github").out
    assert github.startswith("::error file=")
    assert "wrong memory plan::" in github
    sarif = json.loads(cli("check", planned, *ESP, "--format", "sarif").out)
    assert {found["ruleId"] for found in sarif["runs"][0]["results"]} == {"plan-overlap"}
    assert '<failure message="memory plan: operator 0' in cli("check", planned, *ESP, "--format", "junit").out


def test_the_html_report_tells_too(cli: Cli, planned: Path, tmp_path: Path) -> None:
    done = cli("report", planned, *ESP, "-o", "r.html", "--no-plan")
    assert done.code == 1
    assert "Memory plan: operator 0 (CONV_2D) writes tensor" in (tmp_path / "r.html").read_text("utf-8")


def test_compare_finds_it_no_home_where_the_plan_is_wrong(cli: Cli, planned: Path) -> None:
    assert "fail" in cli("compare", planned, *ESP).out.lower()


def test_diff_tells_where_the_two_are_from(cli: Cli, planned: Path) -> None:
    done = cli("diff", "given.tflite", planned, *ESP)
    assert "new: planned for upstream-2026-08/cortex-m4+cmsis-nn by mcuplan" in done.out
    assert "new: its memory plan is wrong on this target: operator 0 (CONV_2D)" in done.out
    document = json.loads(cli("diff", "given.tflite", planned, "--format", "json").out)
    assert document["old"]["planned"] is None
    assert document["new"]["planned"]["targets"] == ["upstream-2026-08/cortex-m4+cmsis-nn"]
    assert document["new"]["plan_faults"] == []


def test_models_that_share_a_board_are_judged_too(cli: Cli, planned: Path) -> None:
    (planned.parent / "mcuplan.toml").write_text(
        "[[shared]]\nname = 'both'\nboard = 'esp32-s3-eye'\nmodels = ['p.tflite', 'zoo:sine']\narenas = 'sum'\n"
    )
    done = cli("check", planned, *ESP[2:], "--format", "json")
    (group,) = json.loads(done.out)["shared"]
    assert group["verdict"] == "fail"
    assert any("memory plan of" in note for note in group["notes"])


def test_a_plan_for_several_boards_is_safe_on_all(cli: Cli, planned: Path) -> None:
    done = cli("plan", "given.tflite", *BOTH, "-o", "both.tflite", "--no-map")
    assert done.code == 0
    assert "safe on all of" in done.out
    assert cli("check", "both.tflite", *BOTH).code == 0
    origin = plan_origin(load(planned.parent / "both.tflite"))
    assert origin is not None
    assert [target.partition("/")[2] for target in origin.targets] == ["cortex-m4+cmsis-nn", "esp32+esp-nn"]
    document = json.loads(cli("plan", "given.tflite", *BOTH, "--format", "json").out)
    assert [each["target"].partition("/")[2] for each in document["targets"]] == ["cortex-m4+cmsis-nn", "esp32+esp-nn"]
    assert document["after"]["declare_bytes"] == max(each["after_bytes"] for each in document["targets"])


def test_patch_stages_for_several_boards_are_safe_on_all(cli: Cli, planned: Path) -> None:
    done = cli("plan", "given.tflite", *BOTH, "--patch", "--effort", "fast", "-o", "both.tflite", "--no-map")
    assert done.code == 0
    assert cli("check", "both.tflite", *BOTH).code == 0


def test_boards_of_one_target_are_one(cli: Cli) -> None:
    done = cli("plan", "zoo:sine", "--board", "sparkfun-edge", "--board", "sparkfun-edge", "--no-map")
    assert done.code == 0
    assert "safe on all of" not in done.out


def test_to_fit_on_several_boards_is_to_fit_on_each(cli: Cli) -> None:
    boards = ("--board", "sparkfun-edge", "--board", "arduino-nano-33-ble-sense")
    assert cli("plan", "zoo:visual-wake-words", *boards, "--fit", "--no-map").code == 0
    done = cli("plan", "zoo:visual-wake-words", *boards, "--fit", "--ram", "20kB", "--effort", "fast", "--no-map")
    assert done.code == 1
