"""The other commands."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from conftest import Cli

import mcuplan
from mcuplan.tflite import load

ROOT = Path(__file__).resolve().parents[2]


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version").out == f"mcuplan, version {mcuplan.__version__}\n"
    shown = cli("--help")
    assert shown.code == 0
    for name in ("boards", "check", "compare", "completion", "inspect", "schema", "zoo", "Exit codes"):
        assert name in shown.out
    for name in ("boards", "check", "compare", "completion", "inspect", "schema", "zoo"):
        assert cli(name, "--help").code == 0


def test_inspect(cli: Cli, models: Path) -> None:
    done = cli("inspect", models / "deep" / "person.tflite")
    assert done.code == 0
    lines = done.out.splitlines()
    assert "declare 82,320 bytes, 55,296 planned" in done.out
    peak = next(line for line in lines if line.endswith(" peak"))
    assert peak.split()[:3] == ["2", "CONV_2D", "1x48x48x16"]
    assert "[3, 5)" in peak
    assert len([line for line in lines if "CONV_2D" in line and "int8" in line]) == 28


def test_inspect_blocks_and_arena(cli: Cli, models: Path) -> None:
    done = cli("inspect", models / "deep" / "person.tflite", "--blocks", "--arena")
    assert done.code == 0
    assert done.out.count("depthwise-separable pair") == 13
    assert "network input" in done.out
    assert "[0, 2)" in done.out


def test_inspect_on_a_board_and_its_errors(cli: Cli, models: Path) -> None:
    assert "cortex-m7+cmsis-nn" in cli("inspect", "zoo:sine", "--board", "teensy-4-1").out
    assert cli("inspect", "zoo:sine", "--board", "teensy-4-1", "--board", "teensy-4-0").code == 2
    assert cli("inspect", models / "none.tflite").code == 2


def test_boards(cli: Cli) -> None:
    listed = cli("boards")
    assert listed.code == 0
    assert len(listed.out.splitlines()) > 33
    one = cli("boards", "Arduino Nano 33 BLE Sense")
    assert "262,144 bytes (256 KiB)" in one.out
    assert "EUR 29.70 in 2022" in one.out
    assert "300 uW" in one.out
    assert "unknown" in one.out
    document = json.loads(cli("boards", "sparkfun-edge", "--format", "json").out)
    assert document["id"] == "sparkfun-edge"
    assert len(json.loads(cli("boards", "--format", "json").out)) == len(listed.out.splitlines()) - 1
    wrong = cli("boards", "teensy")
    assert wrong.code == 2
    assert "teensy-4" in wrong.err


def test_compare(cli: Cli, models: Path) -> None:
    arguments = ("compare", models / "deep" / "person.tflite", "zoo:sine", "--cheapest")
    chosen = ("-b", "sparkfun-edge", "-b", "stm32f746g-discovery", "-b", "arduino-nano-33-iot")
    done = cli(*arguments, *chosen)
    assert done.code == 0
    rows = {line.split()[0]: line for line in done.out.splitlines() if line}
    assert rows["arduino-nano-33-iot"].split()[1:3] == ["fail", "RAM"]
    assert rows["sparkfun-edge"].count("pass") == 2
    assert "person.tflite: cheapest board that passes: SparkFun Edge (USD 16.50 in" in done.out
    nowhere = cli("compare", models / "deep" / "person.tflite", "-b", "arduino-nano-33-iot", "--cheapest")
    assert nowhere.code == 1
    assert "passes on none of these boards" in nowhere.out
    document = json.loads(cli(*arguments, *chosen, "--format", "json").out)
    assert len(document["results"]) == 6
    assert document["exit_code"] == 0
    assert cli("compare", "none.tflite", *chosen).code == 2


def test_compare_with_the_whole_catalogue(cli: Cli) -> None:
    done = cli("compare", "zoo:sine", "--format", "json")
    assert done.code == 0
    verdicts = {result["verdict"] for result in json.loads(done.out)["results"]}
    assert verdicts <= {"pass", "fail"}


def test_zoo(cli: Cli, tmp_path: Path) -> None:
    listed = cli("zoo").out
    assert "person-detection" in listed
    assert "resolution" in cli("zoo", "mobilenet-v2").out
    done = cli("zoo", "mobilenet-v2?width=0.35&resolution=96", "-o", "net.tflite")
    assert done.code == 0
    assert load(tmp_path / "net.tflite").main.tensors
    assert cli("zoo", "-o", "x.tflite").code == 2
    assert "did you mean" in cli("zoo", "mobilenet-v3").err
    assert cli("zoo", "sine", "-o", "none/x.tflite").code == 2


@pytest.mark.parametrize(
    "what", ["report", "plan", "inspect", "explain", "whatif", "latency", "energy", "board", "config"]
)
def test_schema(cli: Cli, what: str, tmp_path: Path) -> None:
    schema = json.loads(cli("schema", what).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert cli("schema", what, "-o", "s.json").code == 0
    assert json.loads((tmp_path / "s.json").read_text()) == schema


@pytest.mark.parametrize("command", ["schema", "completion"])
def test_choices_are_named_in_one_line(cli: Cli, command: str) -> None:
    done = cli(command)
    assert (done.code, done.out) == (2, "")
    assert "Choose from: " in done.err
    assert "\\" not in done.err
    assert done.err.count("\n") == 1


def test_the_configuration_schema_takes_what_the_reader_takes(cli: Cli) -> None:
    schema = json.loads(cli("schema", "config").out)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate({"ram": "64kB", "models": [{"files": ["*.tflite"], "macs": 5}], "reserve": {"ram": 5}})
    assert list(validator.iter_errors({"rum": 5}))


@pytest.mark.parametrize(("shell", "has"), [("bash", "complete -o"), ("zsh", "#compdef mcuplan"), ("fish", "complete")])
def test_completion_scripts(cli: Cli, shell: str, has: str) -> None:
    done = cli("completion", shell)
    assert done.code == 0
    assert has in done.out
    assert "_MCUPLAN_COMPLETE" in done.out
    assert cli("completion", "cmd").code == 2


def test_every_command_has_its_place_in_the_help(cli: Cli) -> None:
    from mcuplan.cli import _COMMANDS, _JOBS

    assert sorted(name for names in _JOBS.values() for name in names) == sorted(_COMMANDS)
    shown = cli("--help").out
    assert all(f"{job}:" in shown for job in _JOBS)


@pytest.mark.parametrize(
    "command", ["energy", "explain", "export", "fit-search", "inspect", "latency", "verify", "whatif"]
)
def test_a_command_that_takes_one_board_says_so(cli: Cli, command: str) -> None:
    shown = " ".join(cli(command, "--help").out.split())
    board = shown.partition("--board BOARD")[2].partition("--toolchain")[0]
    assert "repeated" not in board
    models = ("zoo:sine", "zoo:sine") if command == "verify" else ("zoo:sine",)
    extra = {"export": ("-o", "out"), "whatif": ("--int8",)}.get(command, ())
    done = cli(command, *models, *extra, "--board", "sparkfun-edge", "--board", "teensy-4-1")
    assert (done.code, done.out) == (2, "")
    assert f"{command} takes one board" in done.err


def test_explain_as_json_adds_up(cli: Cli, tmp_path: Path) -> None:
    from mcuplan.reports.documents.schema import explain_schema

    document = json.loads(cli("explain", "zoo:resnet8", "--format", "json").out)
    jsonschema.validate(document, explain_schema())
    assert sum(row["bytes"] for row in document["rows"]) == document["declare_bytes"]
    assert document["compared"] is None
    used = "used 16 bytes with alignment overhead (requested 16 bytes"
    line = f"[RecordingMicroAllocator] 'NodeAndRegistration struct' {used}"
    (tmp_path / "log.txt").write_text(f"{line} for 1 NodeAndRegistration structs)\n")
    done = cli("explain", "zoo:sine", "--compare", "log.txt", "--format", "json")
    assert done.code == 1
    compared = json.loads(done.out)["compared"]
    assert any(row["logged"] and row["logged"]["used"] == 16 for row in compared)


def test_the_committed_explain_schema_is_the_code_s() -> None:
    from mcuplan.reports.documents.schema import explain_schema

    committed = json.loads((ROOT / "docs" / "schemas" / "explain.schema.json").read_text("utf-8"))
    assert committed == explain_schema(), "run: mcuplan schema explain -o docs/schemas/explain.schema.json"
