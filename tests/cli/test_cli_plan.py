"""``mcuplan plan``, ``explain`` and ``schema plan`` as commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from conftest import Cli

from mcuplan.reports.documents.schema import plan_schema
from mcuplan.tflite import load, save
from mcuplan.tflm import predict
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

ROOT = Path(__file__).parents[2]
VWW = "zoo:visual-wake-words"


def test_plan_writes_the_model_it_promises(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "planned.tflite"
    done = cli("plan", VWW, "-o", out, "--format", "json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    jsonschema.validate(document, plan_schema())
    assert document["before"]["declare_bytes"] == 100_720
    assert document["after"]["declare_bytes"] == 82_192
    assert document["macs_factor"] == 1.0
    assert document["output_bytes"] == out.stat().st_size
    assert predict(load(out)).declare_bytes == 82_192
    assert sum(step["gain_bytes"] for step in document["steps"]) == document["gain_bytes"]


def test_plan_on_screen_shows_steps_bound_and_map(cli: Cli) -> None:
    done = cli("plan", VWW)
    assert done.code == 0
    for wanted in (
        "allocation",
        "82,192",
        "18,432",
        "lower bound",
        "55,296 bytes, met",
        "address (bytes) against step",
    ):
        assert wanted in done.out


def test_a_model_with_nothing_to_gain_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    given, out = tmp_path / "m.tflite", tmp_path / "out.tflite"
    save(build("person-detection"), given)
    done = cli("plan", given, "-o", out)
    assert done.code == 0
    assert "nothing to gain" in done.out
    assert out.read_bytes() == given.read_bytes()


def test_fit_says_by_its_exit_code_whether_it_fits(cli: Cli) -> None:
    assert cli("plan", VWW, "--fit", "--ram", "90kB").code == 0
    missed = cli("plan", VWW, "--fit", "--ram", "20kB")
    assert missed.code == 1
    assert "does not fit" in missed.out
    assert cli("plan", VWW, "--fit", "--board", "sparkfun-edge").code == 0


@pytest.mark.parametrize("ram", [83_000, 86_000, 87_000, 110_000])
def test_fit_means_what_check_means(cli: Cli, ram: int) -> None:
    """The planned arena alone is 82,192 bytes: interpreter, resolver and stack are counted beside it."""
    found = cli("plan", VWW, "--fit", "--ram", str(ram), "--effort", "fast", "-o", "out.tflite", "--format", "json")
    assert found.code == 0
    checked = cli("check", "out.tflite", "--ram", str(ram), "--flash", "1MB", "--macs", "1G")
    assert checked.code == 0, checked.out
    assert bool(json.loads(found.out)["stages"]) is (ram <= 86_000)


def test_what_does_not_fit_says_what_is_short(cli: Cli) -> None:
    done = cli("plan", "zoo:autoencoder", "--fit", "--ram", "6kB", "--no-map")
    assert done.code == 1
    assert re.search(r"does not fit: takes [\d,]+ bytes of RAM, 6,000 are there", done.out)


def test_the_input_is_overwritten_only_when_asked(cli: Cli, tmp_path: Path) -> None:
    given = tmp_path / "m.tflite"
    save(build("visual-wake-words"), given)
    before = given.read_bytes()
    refused = cli("plan", given, "-o", given)
    assert refused.code == 2
    assert "--in-place" in refused.err
    assert given.read_bytes() == before
    assert cli("plan", given, "--in-place").code == 0
    assert predict(load(given)).declare_bytes == 82_192


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--fit",), "--fit needs --ram or --board"),
        (("--ram", "9kB"), "--ram goes with --fit"),
        (("-o", "none/out.tflite"), "the folder none does not exist"),
        (("--in-place",), "--in-place needs a file"),
    ],
)
def test_bad_usage(cli: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    done = cli("plan", VWW, *arguments)
    assert done.code == 2
    assert sentence in done.err


def test_a_plan_tells_what_it_stands_on_that_was_never_run(cli: Cli) -> None:
    """Vector kernels that nobody here could run were judged by their source; those of a Cortex-M4 ran."""
    told = cli("plan", "zoo:sine", "--board", "esp32-s3-eye", "--no-map")
    assert "ESP-NN's vector kernels of the ESP32-S3 were judged by the source, not run" in " ".join(told.out.split())
    document = json.loads(cli("plan", "zoo:sine", "--board", "esp32-s3-eye", "--format", "json").out)
    assert document["notes"] == ["ESP-NN's vector kernels of the ESP32-S3 were judged by the source, not run"]
    assert json.loads(cli("plan", "zoo:sine", "--format", "json").out)["notes"] == []


def test_the_committed_schema_is_the_code_s() -> None:
    committed = json.loads((ROOT / "docs" / "schemas" / "plan.schema.json").read_text("utf-8"))
    assert committed == plan_schema()


def test_explain_adds_up(cli: Cli) -> None:
    done = cli("explain", "zoo:person-detection")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    parts = [int(row[1].replace(",", "")) for row in rows if row and row[0] in ("planned", "persistent", "set-up")]
    assert sum(parts) == 82_320
    assert any(row[:2] == ["total", "82,320"] for row in rows)


def test_explain_holds_a_log_against_the_prediction(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "device.log"
    text = "boot\n" + "".join(
        f"[RecordingMicroAllocator] Arena allocation {name} {used} bytes\n"
        for name, used in (("total", 82_420), ("head", 55_296), ("tail", 27_124))
    )
    text += (
        "[RecordingMicroAllocator] 'TfLiteEvalTensor data' used 1068 bytes with alignment overhead "
        "(requested 1068 bytes for 89 allocations)\n"
    )
    log.write_text(text)
    done = cli("explain", "zoo:person-detection", "--compare", log)
    assert "equal" in done.out
    assert done.code == 1  # the log lacks lines that the prediction has
    log.write_text("nothing here")
    refused = cli("explain", "zoo:person-detection", "--compare", log)
    assert refused.code == 2
    assert "no line of TFLM's RecordingMicroAllocator" in refused.err


def test_patch_stages_are_written_and_told(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "patched.tflite"
    asked = ("--patch", "--least", "--effort", "fast")
    done = cli("plan", "zoo:person-detection", *asked, "-o", out, "--format", "json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    jsonschema.validate(document, plan_schema())
    assert document["stages"]
    assert 1.0 < document["macs_factor"] <= 1.1
    assert document["after"]["declare_bytes"] < 60_000 < document["before"]["declare_bytes"]
    assert document["steps"][-1]["name"] == "patch stages"
    assert predict(load(out)).declare_bytes == document["after"]["declare_bytes"]


def test_the_knee_unless_the_least_arena_is_asked_for(cli: Cli) -> None:
    """Both ends of the front are told with the command for each; that for the least arena gives what it says."""
    asked = ("plan", "zoo:resnet8", "--effort", "fast", "--format", "json", "--patch")
    knee, least = (json.loads(cli(*asked, *more).out) for more in ((), ("--least",)))
    jsonschema.validate(knee, plan_schema())
    quick, small = knee["extremes"]
    assert (quick["name"], small["name"]) == ("least time", "least arena")
    assert quick["command"] == "mcuplan plan zoo:resnet8 --effort fast"
    assert small["command"] == "mcuplan plan zoo:resnet8 --effort fast --patch --least"
    assert least["after"]["declare_bytes"] == small["declare_bytes"] < knee["after"]["declare_bytes"]
    assert knee["after"]["declare_bytes"] < quick["declare_bytes"]
    assert quick["instructions_factor"] <= knee["instructions_factor"] < least["instructions_factor"] <= 1.1


def test_the_ends_of_the_front_have_the_limits_that_were_given(cli: Cli) -> None:
    asked = ("plan", "zoo:resnet8", "--effort", "fast", "--format", "json", "--patch", "--max-overhead", "1.25")
    least = json.loads(cli(*asked).out)["extremes"][1]
    assert least["command"] == "mcuplan plan zoo:resnet8 --effort fast --patch --max-overhead 1.25 --least"
    again = json.loads(cli(*least["command"].split()[1:], "--format", "json").out)
    assert again["after"]["declare_bytes"] == least["declare_bytes"]


def test_time_before_and_after_where_a_board_was_measured(cli: Cli) -> None:
    asked = ("plan", "zoo:resnet8", "--patch", "--effort", "fast", "--board", "arduino-nano-33-ble-sense")
    times = json.loads(cli(*asked, "--format", "json").out)["times"]
    assert times["board"] == "arduino-nano-33-ble-sense"
    assert 0.95 < times["after_us"] / times["before_us"] < 1.1
    assert "one inference on arduino-nano-33-ble-sense: " in cli(*asked, "--no-map").out


def test_stages_that_would_not_help_are_told_of(cli: Cli, tmp_path: Path) -> None:
    b = Builder()
    save(b.graph([b.conv2d(b.input((1, 4, 4, 1)), 1, 3)]), tmp_path / "small.tflite")
    done = cli("plan", str(tmp_path / "small.tflite"), "--patch")
    assert done.code == 0
    assert done.err == "no patch stages: none makes the arena smaller\n"
    document = json.loads(cli("plan", str(tmp_path / "small.tflite"), "--patch", "--format", "json").out)
    jsonschema.validate(document, plan_schema())
    assert (document["stages"], document["no_stages"]) == ([], "none makes the arena smaller")


def test_a_model_without_maps_has_no_stages(cli: Cli) -> None:
    done = cli("plan", "zoo:autoencoder", "--patch")
    assert done.code == 0
    assert "no patch stages" in done.err


def test_stripping_tells_what_each_step_saves(cli: Cli, tmp_path: Path) -> None:
    given, out = tmp_path / "m.tflite", tmp_path / "out.tflite"
    save(build("visual-wake-words"), given)
    done = cli("plan", given, "--strip", "-o", out, "--format", "json")
    assert done.code == 0, done.err
    savings = json.loads(done.out)["savings"]
    assert {saving["name"] for saving in savings} >= {"names of tensors and subgraphs"}
    assert all(saving["saved_bytes"] > 0 for saving in savings)
    assert out.stat().st_size < given.stat().st_size
    assert predict(load(out)).declare_bytes == 82_192


def test_patch_stages_in_json(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "patched.tflite"
    done = cli(
        "plan", VWW, "--patch", "--effort", "fast", "--advice", "--input-rows-streamed", "-o", out, "--format", "json"
    )
    assert done.code == 0, done.err
    document = json.loads(done.out)
    jsonschema.validate(document, plan_schema())
    assert predict(load(out)).declare_bytes == document["after"]["declare_bytes"] < 60_000
    assert document["macs_factor"] <= 1.1
    assert len(document["stages"]) >= 1
    for stage in document["stages"]:
        assert 0 <= stage["first"] < stage["last"] <= 31
        assert stage["cuts"][0] == 0
        assert stage["cuts"] == sorted(stage["cuts"])
        assert stage["macs"] >= stage["whole_macs"] or stage["kind"] != "loop"
    front = [(point["instructions_factor"], point["declare_bytes"]) for point in document["front"]]
    assert front == sorted(front)
    assert [declared for _, declared in front] == sorted((declared for _, declared in front), reverse=True)
    assert (
        document["least_declare_bytes"] is None or document["least_declare_bytes"] <= document["after"]["declare_bytes"]
    )
    assert [block["first"] for block in document["blocks"]] == sorted(block["first"] for block in document["blocks"])
    patched = [block for block in document["blocks"] if block["patched"]]
    assert patched
    assert max(b["after_bytes"] for b in document["blocks"]) < max(b["before_bytes"] for b in document["blocks"])
    streamed = document["input_rows_streamed"]
    assert (streamed["before_bytes"], streamed["live_bytes"]) == (55_296, 12_192)
    assert streamed["stages"]
    assert all(advice["sentences"] for advice in document["advice"])


def test_patch_stages_on_screen(cli: Cli) -> None:
    done = cli("plan", VWW, "--patch", "--least", "--effort", "fast", "--advice", "--input-rows-streamed", "--no-map")
    assert done.code == 0
    for wanted in (
        "patch stage", "halo", "live bytes", "persistent", "stages written and counted", "other choices of stages",
        "this plan", "depthwise-separable pair", "what a designer could change", "accuracy needs training",
        "analysis, input rows streamed", "--rows writes a model that does so", "Pareto front",
    ):  # fmt: skip
        assert wanted in " ".join(done.out.split()), wanted
    assert max(map(len, done.out.splitlines())) <= 100


def test_patch_options_without_patch(cli: Cli) -> None:
    for option in ("--advice", "--input-rows-streamed", "--least"):
        done = cli("plan", VWW, option)
        assert (done.code, done.out) == (2, "")
        assert f"{option} goes with --patch" in done.err


@pytest.mark.parametrize(
    "limit", [("--max-overhead", "1.2"), ("--max-macs", "1.2"), ("--least",)], ids=lambda limit: limit[0]
)
@pytest.mark.parametrize(
    ("command", "needed"),
    [
        (("plan", "zoo:sine"), "--patch"),
        (("report", "zoo:sine", "-o", "r.html"), "--patch"),
        (("sweep", "zoo:sine", "--board", "sparkfun-edge", "-o", "s.jsonl"), "--plan patch"),
    ],
    ids=lambda words: words[0],
)
def test_limits_of_patch_stages_are_not_taken_without_any(
    cli: Cli, command: tuple[str, ...], needed: str, limit: tuple[str, ...]
) -> None:
    done = cli(*command, *limit)
    assert done.code == 2
    assert f"{limit[0]} goes with {needed}" in done.err


def test_fit_reaches_for_patch_stages_last(cli: Cli) -> None:
    done = cli("plan", VWW, "--fit", "--ram", "65kB", "--format", "json", "--effort", "fast")
    document = json.loads(done.out)
    assert done.code == 0
    assert document["steps"][-1]["name"] == "patch stages"
    assert document["after"]["declare_bytes"] <= document["fit_bytes"] < 61_000
    roomy = json.loads(cli("plan", VWW, "--fit", "--ram", "90kB", "--format", "json").out)
    assert not roomy["stages"]


def test_a_board_without_the_flash_is_named(cli: Cli) -> None:
    done = cli(
        "plan", "zoo:mcunet-320k", "--fit", "--board", "arduino-nano-33-ble-sense", "--effort", "fast", "--no-map"
    )
    assert done.code == 1
    assert "does not fit: takes" in done.out
    assert "bytes of flash" in done.out


def test_models_that_patch_stages_cannot_help(cli: Cli) -> None:
    done = cli("plan", "zoo:autoencoder", "--patch", "--no-map")
    assert done.code == 0
    assert "no convolution or pooling over rows" in done.err
