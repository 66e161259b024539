"""Every command reads configuration, boards and limits the same way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NANO, IOT, ESP = "arduino-nano-33-ble-sense", "arduino-nano-33-iot", "esp32-devkitc"
CONFIGURED = "upstream-2026-08/cortex-m7+reference"


@pytest.fixture
def model(cli: Any, tmp_path: Path) -> Path:
    """A model in a folder whose configuration names a target."""
    path = tmp_path / "project" / "sine.tflite"
    path.parent.mkdir()
    assert cli("zoo", "sine", "-o", path).code == 0
    (path.parent / "mcuplan.toml").write_text(f'target = "{CONFIGURED}"\n')
    return path


def json_of(cli: Any, *arguments: Any) -> Any:
    return json.loads(cli(*arguments, "--format", "json").out)


def test_the_target_of_the_configuration_counts_everywhere(cli: Any, model: Path, tmp_path: Path) -> None:
    assert json_of(cli, "check", model)["results"][0]["target"] == CONFIGURED
    assert json_of(cli, "inspect", model)["target"] == CONFIGURED
    assert json_of(cli, "explain", model)["target"] == CONFIGURED
    assert json_of(cli, "plan", model)["target"] == CONFIGURED
    assert json_of(cli, "whatif", model, "--width", "0.5")["target"] == CONFIGURED
    assert f"followed on {CONFIGURED}" in cli("verify", model, model, "--no-tflm", "--no-litert").out.replace(
        "\n         ", " "
    )
    assert cli("export", model, "-o", tmp_path / "out").code == 0
    assert CONFIGURED in (tmp_path / "out" / "arena.h").read_text()


@pytest.mark.parametrize("command", ["inspect", "explain", "plan"])
def test_options_go_before_it(cli: Any, model: Path, command: str) -> None:
    given = json_of(cli, command, model, "--target", "cortex-m4+cmsis-nn")
    assert given["target"] == "upstream-2026-08/cortex-m4+cmsis-nn"
    other = model.parent / "other.toml"
    other.write_text(f'boards = ["{NANO}"]\n')
    assert json_of(cli, command, model, "--config", other)["target"].startswith("arduino-")


def test_the_board_of_the_configuration_counts_where_a_board_is_needed(cli: Any, model: Path) -> None:
    config = model.parent / "mcuplan.toml"
    assert "takes one board" in cli("latency", model).err
    config.write_text('boards = ["nucleo-l4r5zi"]\nlatency = "1us"\n')
    told = cli("latency", model)
    assert told.code == 1, told.out
    config.write_text('boards = ["nucleo-l4r5zi"]\nperiod = "10s"\n')
    assert json_of(cli, "energy", model)["average"] is not None
    assert json_of(cli, "fit-search", model, "--ram", "20kB", "--widths", "1")["limits"][0].startswith("ram 20,000")


def test_several_boards_that_differ_are_no_choice_for_a_command_that_takes_one(cli: Any, model: Path) -> None:
    (model.parent / "mcuplan.toml").write_text(f'boards = ["{NANO}", "{ESP}"]\n')
    for command in ("inspect", "explain"):
        done = cli(command, model)
        assert done.code == 2
        assert done.err.endswith(f"names {NANO} and {ESP}: pick one with --board\n")
        assert cli(command, model, "--board", NANO).code == 0
    assert len(json_of(cli, "plan", model)["targets"]) == 2


def test_a_plan_has_to_fit_the_limits_of_the_configuration(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "vww.tflite"
    assert cli("zoo", "visual-wake-words", "-o", path).code == 0
    fits = json_of(cli, "plan", path, "--fit", "--arena-size", "90kB")
    assert fits["fit_bytes"] == 90_000
    assert fits["after"]["declare_bytes"] <= 90_000
    (tmp_path / "mcuplan.toml").write_text('arena_size = "90kB"\n')
    assert json_of(cli, "plan", path, "--fit")["after"] == fits["after"]
    (tmp_path / "mcuplan.toml").write_text('ram = "90kB"\nstack = "1kB"\n')
    assert json_of(cli, "plan", path, "--fit")["fit_bytes"] == 90_000 - 1_000 - 436 - 104


def test_a_limit_on_the_arena_alone(cli: Any, tmp_path: Path) -> None:
    enough = cli("check", "zoo:person-detection", "--arena-size", "82320")
    assert enough.code == 0
    assert "arena" in enough.out
    short = cli("check", "zoo:person-detection", "--arena-size", "82319", "--format", "json")
    (violation,) = json.loads(short.out)["results"][0]["violations"]
    assert (violation["resource"], violation["over"]) == ("arena", 1)
    for form in ("text", "markdown", "junit", "sarif", "github"):
        assert cli("check", "zoo:person-detection", "--arena-size", "80kB", "--format", form).code == 1
    page = tmp_path / "page.html"
    assert cli("report", "zoo:sine", "--arena-size", "1kB", "--no-plan", "-o", page).code == 1
    assert "to declare are" in page.read_text("utf-8")
    why = json_of(cli, "check", "zoo:visual-wake-words", "--arena-size", "90kB", "--why")["results"][0]["why"]
    assert (why[0]["name"], why[0]["verdict"]) == ("plan", "pass")


def test_one_limit_replaces_the_whole_rule_of_thumb(cli: Any) -> None:
    """The model is over 250,000 bytes, which the rule of thumb alone forbids."""
    assert cli("check", "zoo:person-detection").code == 1
    assert cli("check", "zoo:person-detection", "--ram", "100kB").code == 0
    assert cli("check", "zoo:person-detection", "--macs", "10M").code == 0


def reserved(cli: Any, *arguments: Any) -> tuple[int, str]:
    """Bytes of RAM that are left on the Nano, and by whose account."""
    rule = json_of(cli, "check", "zoo:sine", "-b", NANO, *arguments)["results"][0]["limits"]["rules"][0]
    return rule["limit"], rule["source"]


def test_a_reserve_adds_or_replaces(cli: Any, tmp_path: Path) -> None:
    usual = reserved(cli, "--toolchain", "zephyr")[0]
    assert reserved(cli, "--toolchain", "zephyr", "--reserve", "ram=7,flash=1")[0] == usual - 7
    assert reserved(cli, "--toolchain", "zephyr", "--reserve-only", "7")[0] == 262_144 - 7
    size = tmp_path / "size.txt"
    size.write_text(
        "   text\t   data\t    bss\t    dec\t    hex\tfilename\n  50000\t   2000\t   8000\t  60000\t   ea60\ta\n"
    )
    left, source = reserved(cli, "--reserve", size)
    assert (left, "size.txt" in source) == (262_144 - 10_000, True)
    both = cli("check", "zoo:sine", "--reserve", "1kB", "--reserve-only", "1kB")
    assert (both.code, "--reserve contradicts --reserve-only" in both.err) == (2, True)


def test_reserves_of_the_configuration(cli: Any, model: Path) -> None:
    config = model.parent / "mcuplan.toml"

    def left() -> int:
        limit: int = json_of(cli, "check", model)["results"][0]["limits"]["ram_bytes"]
        return limit

    config.write_text(f'boards = ["{NANO}"]\n')
    usual = left()
    config.write_text(f'boards = ["{NANO}"]\nreserve = {{ ram = 7 }}\n')
    assert left() == usual - 7
    config.write_text(f'boards = ["{NANO}"]\nreserve_only = {{ ram = 7 }}\n')
    assert left() == 262_144 - 7
    config.write_text(
        f'boards = ["{NANO}"]\nreserve_only = {{ ram = 7 }}\n[[models]]\nfiles = ["*"]\nreserve = {{ ram = 9 }}\n'
    )
    assert left() == usual - 9
    config.write_text("reserve = { ram = 7 }\nreserve_only = { ram = 7 }\n")
    assert "state either 'reserve'" in cli("check", model).err


def test_compare_takes_what_is_of_the_model(cli: Any, model: Path) -> None:
    config = model.parent / "mcuplan.toml"
    config.write_text(f'boards = ["{IOT}"]\nram = "1kB"\nmacs = 5\nstack = "9kB"\n')
    results = json_of(cli, "compare", model)["results"]
    assert len(results) > 40
    assert {result["limits"]["macs"] for result in results} == {5}
    assert {result["ram"]["stack_bytes"] for result in results} == {9_000}
    assert all(result["limits"]["ram_bytes"] > 1_000 for result in results)


def test_a_pass_by_a_baseline_names_it_and_the_real_limit(cli: Any, model: Path) -> None:
    arguments = ("check", model, "--ram", "1kB", "--baseline", model.parent / "base.json")
    assert cli(*arguments, "--write-baseline").code == 0
    done = cli(*arguments)
    assert done.code == 0
    assert "allowed by base.json, over the limit of 1,000 (--ram)" in done.out
    assert json_of(cli, *arguments)["results"][0]["limits"]["rules"][0]["stated"] == 1_000


def test_what_patch_stages_may_cost(cli: Any, tmp_path: Path) -> None:
    """At x1.02 there are other stages than at x1.1; of those at x1.1 the least arena is another plan than the knee."""
    path = tmp_path / "resnet.tflite"
    assert cli("zoo", "resnet8", "-o", path).code == 0
    plan = ("plan", path, "--patch", "--effort", "fast", "--target", "cortex-m4+cmsis-nn")
    usual, cheap = (json_of(cli, *plan, *more) for more in ((), ("--max-overhead", "1.02")))
    least, macs = (json_of(cli, *plan, *more) for more in (("--least",), ("--max-macs", "1.0")))
    assert cheap["after"] != usual["after"]
    assert least["after"] != usual["after"]
    configured = tmp_path / "mcuplan.toml"
    configured.write_text("max_overhead = 1.02\n")
    assert json_of(cli, *plan)["after"] == cheap["after"]
    assert json_of(cli, *plan, "--max-overhead", "1.1")["after"] == usual["after"]
    configured.write_text('least = true\n[[models]]\nfiles = ["r*.tflite"]\nmax_overhead = 1.1\n')
    assert json_of(cli, *plan)["after"] == least["after"]
    assert json_of(cli, *plan, "--no-least")["after"] == usual["after"]
    configured.write_text("max_macs = 1\n")
    assert json_of(cli, *plan)["after"] == macs["after"]


def test_why_and_report_go_by_what_patch_stages_may_cost(cli: Any, tmp_path: Path) -> None:
    path, page = tmp_path / "resnet.tflite", tmp_path / "page.html"
    assert cli("zoo", "resnet8", "-o", path).code == 0
    (tmp_path / "mcuplan.toml").write_text('max_overhead = 1.02\nleast = true\nram = "60kB"\n')
    plan = json_of(cli, "plan", path, "--patch", "--effort", "fast")
    told = json_of(cli, "check", path, "--why")["results"][0]["why"]
    (stages,) = (way for way in told if way["name"] == "patch")
    assert "--patch --max-overhead 1.02 --least" in stages["command"]
    assert cli("report", path, "--patch", "-o", page).code == 0
    text = page.read_text("utf-8")
    assert "--patch --max-overhead 1.02 --least" in text
    assert f"{plan['after']['declare_bytes']:,}" in text


@pytest.mark.parametrize("wrong", ["0.9", "true", "inf", "nan", '"1.1"'])
def test_a_factor_is_a_number_from_1(cli: Any, model: Path, wrong: str) -> None:
    (model.parent / "mcuplan.toml").write_text(f"max_overhead = {wrong}\n")
    done = cli("plan", model, "--patch")
    assert done.code == 2
    assert "key 'max_overhead'" in done.err
    assert "is not a factor: write a number such as 1.1, at least 1" in done.err
