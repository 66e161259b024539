"""``check --why`` through the command line: its commands are run, and give what was told to the byte."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli


def changes(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    document = json.loads(cli("check", *arguments, "--why", "--format", "json").out)
    found: list[dict[str, Any]] = document["results"][0]["why"]
    return found


def totals(cli: Cli, *arguments: str) -> tuple[int, int, int]:
    result = json.loads(cli("check", *arguments, "--format", "json").out)["results"][0]
    return result["ram"]["total_bytes"], result["flash"]["total_bytes"], result["macs"]


@pytest.mark.parametrize("board", [(), ("--board", "sparkfun-edge")])
def test_plan_commands_give_what_is_told(cli: Cli, board: tuple[str, ...]) -> None:
    model = "zoo:visual-wake-words"
    limits = (*board, "--ram", "60kB", "--flash", "300kB")
    before = totals(cli, model, *limits)
    told = {change["name"]: change for change in changes(cli, model, *limits)}
    assert {"plan", "strip", "patch"} <= told.keys()
    for name in ("plan", "strip", "patch"):
        command = shlex.split(told[name]["command"])
        assert command[0] == "mcuplan"
        assert cli(*command[1:]).code == 0
        after = totals(cli, command[-1], *limits)
        assert before[0] - after[0] == told[name]["ram_bytes"]
        assert before[1] - after[1] == told[name]["flash_bytes"]
        assert before[2] - after[2] == told[name]["macs"]


def test_build_command_gives_what_is_told(cli: Cli) -> None:
    told = next(change for change in changes(cli, "zoo:sine", "--flash", "40kB") if change["name"] == "build")
    command = shlex.split(told["command"])
    assert cli(*command[1:], "--flash", "40kB").code == 0
    after = totals(cli, *command[2:])
    assert totals(cli, "zoo:sine")[1] - after[1] == told["flash_bytes"]


def test_board_command_passes(cli: Cli, models: Path) -> None:
    found = changes(cli, str(models / "deep" / "person.tflite"))
    board = next(change for change in found if change["name"] == "board")
    assert cli(*shlex.split(board["command"])[1:]).code == 0


def test_null_unless_asked_for(cli: Cli) -> None:
    document = json.loads(cli("check", "zoo:sine", "--format", "json").out)
    assert document["results"][0]["why"] is None


def test_text_shows_commands_and_keeps_the_exit_code(cli: Cli) -> None:
    outcome = cli("check", "zoo:person-detection", "--why")
    assert outcome.code == 1
    assert "What would change the verdict, best first" in outcome.out
    assert "mcuplan check zoo:person-detection --board " in outcome.out


def test_unreadable_models_have_no_changes(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    assert cli("check", "bad.tflite", "--why").code == 2
    assert changes(cli, "bad.tflite") == []


def test_own_boards_stand_in_the_commands(cli: Cli, tmp_path: Path) -> None:
    from mcuplan.boards import specs_folder

    spec = (specs_folder() / "sparkfun-edge.toml").read_text("utf-8")
    (tmp_path / "my boards").mkdir()
    (tmp_path / "my boards" / "mine.toml").write_text(spec.replace('"sparkfun-edge"', '"mine"'), "utf-8")
    for option in (("--board", "my boards/mine.toml"), ("--board", "mine", "--board-dir", "my boards")):
        for change in changes(cli, "zoo:person-detection", *option):
            if change["name"] in ("build", "strip"):
                assert all(part in shlex.split(change["command"]) for part in option)


def test_markdown_holds_the_changes_and_their_commands(cli: Cli) -> None:
    out = cli("check", "zoo:person-detection", "--why", "--format", "markdown").out
    for change in changes(cli, "zoo:person-detection"):
        assert f"`{change['command']}`" in out


def test_int8_form_of_a_float_model(cli: Cli) -> None:
    """The float autoencoder is over 1 MiB of flash; its int8 form fits, as the real conversion does."""
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED names no folder with the shared models")
    board = ("--board", "arduino-nano-33-ble-sense")
    given, real = (str(Path(folder) / "models" / f"mlperf_ad_{kind}.tflite") for kind in ("float", "int8"))
    told = {change["name"]: change for change in changes(cli, given, *board)}
    assert told["int8"]["verdict"] == "pass"
    before, after = totals(cli, given, *board), totals(cli, real, *board)
    assert told["int8"]["flash_bytes"] == pytest.approx(before[1] - after[1], rel=0.01)


def test_lean_registrations_are_offered_and_give_what_is_told(cli: Cli) -> None:
    limits = ("--ram", "70kB", "--flash", "1MB")
    before = totals(cli, "zoo:person-detection", *limits)
    told = changes(cli, "zoo:person-detection", *limits)[0]
    assert (told["name"], told["verdict"]) == ("lean", "pass")
    assert "saves 21,920 bytes of arena" in told["text"]
    assert "bytes of flash and one source file" in told["cost"]
    after = totals(cli, "zoo:person-detection", *limits, "--lean")
    assert before[0] - after[0] == told["ram_bytes"]
    assert before[1] - after[1] == told["flash_bytes"] < -21_904
    assert cli(*shlex.split(told["command"])[1:]).code == 0
    assert Path("firmware/lean.cc").exists()

    limits = ("--ram", "66kB", "--flash", "1MB")
    told = changes(cli, "zoo:visual-wake-words", *limits)[0]
    assert (told["name"], told["verdict"]) == ("lean-plan", "pass")
    plan, export = told["command"].split(" && ")
    assert cli(*shlex.split(plan)[1:]).code == 0
    assert cli(*shlex.split(export)[1:]).code == 0
    before = totals(cli, "zoo:visual-wake-words", *limits)
    after = totals(cli, "visual-wake-words.planned.tflite", *limits, "--lean")
    assert before[0] - after[0] == told["ram_bytes"]
    assert before[1] - after[1] == told["flash_bytes"]
    offered = {change["name"] for change in changes(cli, "zoo:visual-wake-words", *limits, "--lean")}
    assert not offered & {"lean", "lean-plan"}, "a firmware that has them is not offered them again"
