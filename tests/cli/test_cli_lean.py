"""``--lean`` from end to end: targets, plans that belong to firmware, the configuration and a board's table."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Cli

from mcuplan.tflm.versions import find_version

VWW = "zoo:visual-wake-words"


def mcuplan(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mcuplan", *arguments], capture_output=True, text=True, check=False, cwd=cwd)


def arena(*arguments: str, cwd: Path | None = None) -> tuple[str, int]:
    done = mcuplan("check", *arguments, "--format", "json", cwd=cwd)
    result = json.loads(done.stdout)["results"][0]
    return result["target"], result["arena"]["declare_bytes"]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lean") / "planned.tflite"
    done = mcuplan("plan", VWW, "--lean", "-o", str(path))
    assert done.returncode == 0, done.stderr
    return path


def test_check_knows_lean() -> None:
    assert arena(VWW) == ("upstream-2026-08/cortex-m4+cmsis-nn", 100_720)
    assert arena(VWW, "--lean") == ("upstream-2026-08/cortex-m4+cmsis-nn+lean", 78_832)
    assert arena(VWW, "--target", "cortex-m4+cmsis-nn+lean") == arena(VWW, "--lean")


@pytest.mark.parametrize("command", ["explain", "inspect"])
def test_other_commands_know_lean(command: str) -> None:
    done = mcuplan(command, VWW, "--lean")
    assert done.returncode == 0
    assert "+lean" in done.stdout
    assert "78,832" in done.stdout


def test_explain_says_what_lies_in_flash() -> None:
    told = "lean registrations: 21,888 bytes of arrays that kernels keep lie in flash, not in the arena"
    assert told in " ".join(mcuplan("explain", VWW, "--lean").stdout.split())
    assert told in json.loads(mcuplan("explain", VWW, "--lean", "--format", "json").stdout)["notes"]
    assert "lean" not in mcuplan("explain", VWW).stdout


def test_a_model_planned_for_lean_goes_with_lean_firmware_only(planned: Path, tmp_path: Path) -> None:
    limits = ("--ram", "70kB", "--flash", "1MB")
    told = mcuplan("check", str(planned), *limits, "--lean")
    assert told.returncode == 0, told.stdout
    done = mcuplan("check", str(planned), "--ram", "1MB", "--flash", "1MB", "--format", "json")
    assert done.returncode == 1
    (fault,) = json.loads(done.stdout)["results"][0]["faults"]
    assert fault["rule"] == "plan-lean"
    made_for = "upstream-2026-08/cortex-m4+cmsis-nn+lean"
    assert fault["message"] == f"the model was planned for lean registrations ({made_for}), and this target has none"
    assert "mcuplan export" in fault["remedy"]
    assert "--lean" in fault["remedy"]
    shown = mcuplan("check", str(planned), "--ram", "1MB", "--flash", "1MB").stdout
    assert "it does not go with this firmware" in shown
    assert "memory plan is wrong" not in shown

    refused = mcuplan("export", str(planned), "-o", str(tmp_path / "stock"))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "planned for lean registrations" in refused.stderr
    assert not (tmp_path / "stock").exists()
    exported = mcuplan("export", str(planned), "--lean", "-o", str(tmp_path / "lean"))
    assert exported.returncode == 0
    assert (tmp_path / "lean" / "lean.cc").exists()
    assert "60304" in (tmp_path / "lean" / "arena.h").read_text()


def test_verify_diff_and_report_know_lean(planned: Path, tmp_path: Path) -> None:
    proof = mcuplan("verify", VWW, str(planned), "--lean", "--no-tflm", "--no-litert")
    assert proof.returncode == 0
    assert "+lean" in proof.stdout
    assert re.search(r"78,832 -> +60,304", mcuplan("diff", VWW, str(planned), "--lean").stdout)
    page = tmp_path / "report.html"
    mcuplan("report", VWW, "--lean", "-o", str(page))
    assert "+lean" in page.read_text()


def test_kernels_nobody_read_are_refused_in_one_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    unread = replace(find_version("upstream-2026-08"), lean=())
    monkeypatch.setattr("mcuplan.tflm.target.find_version", lambda name: unread)
    done = cli("check", VWW, "--lean")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "no lean registrations" in done.err


def test_the_configuration_declares_lean(tmp_path: Path) -> None:
    (tmp_path / "mcuplan.toml").write_text("lean = true\n")
    assert arena(VWW, cwd=tmp_path)[1] == 78_832
    assert arena(VWW, "--target", "cortex-m4+cmsis-nn", cwd=tmp_path)[1] == 100_720
    (tmp_path / "mcuplan.toml").write_text('target = "cortex-m4+reference"\nlean = true\n')
    assert arena(VWW, cwd=tmp_path)[0] == "upstream-2026-08/cortex-m4+reference+lean"
    (tmp_path / "mcuplan.toml").write_text('lean = "yes"\n')
    done = mcuplan("check", VWW, cwd=tmp_path)
    assert (done.returncode, "lean" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("everywhere", "group", "lean"),
    [("", "lean = true", True), ("lean = true", "", True), ("lean = true", "lean = false", False)],
)
def test_a_group_declares_lean(tmp_path: Path, everywhere: str, group: str, lean: bool) -> None:
    table = f'{everywhere}\n[[shared]]\nname = "both"\nboard = "sparkfun-edge"\nmodels = ["{VWW}"]\n{group}\n'
    (tmp_path / "mcuplan.toml").write_text(table)
    shared = json.loads(mcuplan("check", VWW, "--format", "json", cwd=tmp_path).stdout)["shared"][0]
    assert shared["target"].endswith("+lean") == lean
    assert (shared["ram"]["arena_bytes"] == 78_832) == lean


def test_a_board_s_table_declares_lean(tmp_path: Path) -> None:
    from mcuplan.boards import load_board

    spec = Path(__file__).parents[2] / "board_specs" / "sparkfun-edge.toml"
    text = spec.read_text("utf-8")
    assert load_board("sparkfun-edge").target == "upstream-2026-08/cortex-m4+cmsis-nn"
    own = tmp_path / "own.toml"
    text = text.replace("[tflm.targets]", "[tflm]\nlean = true\n\n[tflm.targets]", 1)
    own.write_text(text.replace('id = "sparkfun-edge"', 'id = "own"'))
    assert arena(VWW, "--board", str(own)) == ("upstream-2026-08/cortex-m4+cmsis-nn+lean", 78_832)
