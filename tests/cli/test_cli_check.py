"""``mcuplan check``: verdicts, exit codes, formats, options, configuration."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import Cli

from mcuplan.graph import CUSTOM
from mcuplan.reports.documents.schema import report_schema
from mcuplan.tflite import save
from mcuplan.zoo import build

NANO = "arduino-nano-33-ble-sense"


def parsed(text: str) -> Any:
    document = json.loads(text)
    jsonschema.Draft202012Validator(report_schema()).validate(document)
    return document


def test_a_model_that_passes(cli: Cli, models: Path) -> None:
    done = cli("check", models / "sine.tflite")
    assert done.code == 0
    assert done.out.startswith(f"PASS  {models / 'sine.tflite'}\n")
    assert done.err == ""


def test_a_model_that_is_too_big(cli: Cli, models: Path) -> None:
    done = cli("check", models / "deep" / "person.tflite")
    assert done.code == 1
    assert "FAIL" in done.out
    assert "must stay under 250,000 (tinyML rule of thumb)" in done.out


def test_a_model_that_tflm_cannot_run(cli: Cli, models: Path) -> None:
    done = cli("check", models / "strange.tflite")
    assert done.code == 1
    assert done.out.startswith("UNSUPPORTED")
    assert "Strange" in done.out
    assert "remedy: " in done.out
    mine = cli("check", models / "strange.tflite", "--custom-operator", "Strange", "--format", "json")
    assert parsed(mine.out)["results"][0]["verdict"] == "pass"


def test_a_board_has_more_flash_and_counts_the_whole_need(cli: Cli, models: Path) -> None:
    done = cli("check", models / "deep" / "person.tflite", "--board", NANO, "--format", "json")
    assert done.code == 0
    result = parsed(done.out)["results"][0]
    assert (result["board"], result["target"]) == (NANO, "arduino-2023-02/cortex-m4+cmsis-nn")
    assert {rule["counted"] for rule in result["limits"]["rules"]} == {"need"}
    assert result["limits"]["macs"] is None
    ram = result["ram"]
    assert ram["total_bytes"] == sum(ram[k] for k in ram if k != "total_bytes")
    # 82,320 with upstream's; the Arduino library is built without TF_LITE_STATIC_MEMORY.
    assert ram["arena_bytes"] == result["arena"]["declare_bytes"] == 82_752
    assert (result["arena"]["used_bytes"], result["arena"]["exact"]) == (82_740, True)
    assert result["arena"]["nonpersistent_bytes"] == 55_296
    assert result["macs"] == 7_157_888


def test_boards_with_several_tflms_do_not_change_each_others_figures(cli: Cli, models: Path) -> None:
    same_target = ("-b", NANO, "-b", "seeed-xiao-nrf52840-sense", "-b", "stm32f4-discovery", "-b", "nrf52840-dk")
    person = models / "deep" / "person.tflite"
    together = parsed(cli("check", person, *same_target, "--format", "json").out)["results"]
    for result in together:
        alone = parsed(cli("check", person, "-b", result["board"], "--format", "json").out)["results"][0]
        assert alone["arena"] == result["arena"]
    versions = ["arduino-2023-02", "upstream-2026-08", "upstream-2026-08", "zephyr-2025-02"]
    assert [r["target"] for r in together] == [f"{version}/cortex-m4+cmsis-nn" for version in versions]


def test_another_toolchain_brings_its_tflm_and_not_the_usual_firmware(cli: Cli, models: Path) -> None:
    def result(*arguments: str) -> Any:
        done = cli("check", models / "deep" / "person.tflite", "-b", NANO, "--format", "json", *arguments)
        return parsed(done.out)["results"][0]

    usual, zephyr = result(), result("--toolchain", "zephyr")
    assert zephyr["target"] == "zephyr-2024-05/cortex-m4+cmsis-nn"
    assert zephyr["arena"]["used_bytes"] < usual["arena"]["used_bytes"]
    # Behind the same bootloader Zephyr keeps 32 KiB more, for storage, and upstream's sources keep nothing.
    assert usual["limits"]["flash_bytes"] - zephyr["limits"]["flash_bytes"] == 32_768
    upstream = result("--toolchain", "upstream")
    assert upstream["limits"]["flash_bytes"] - usual["limits"]["flash_bytes"] == 65_536
    assert "no toolchain 'esp-idf'" in cli("check", "x.tflite", "-b", NANO, "--toolchain", "esp-idf").err
    assert "--toolchain needs a board" in cli("check", "x.tflite", "--toolchain", "zephyr").err


def test_several_boards(cli: Cli, models: Path) -> None:
    done = cli("check", models / "deep" / "person.tflite", "-b", NANO, "-b", "arduino-nano-33-iot", "--format", "json")
    assert done.code == 1
    assert [(r["board"], r["verdict"]) for r in parsed(done.out)["results"]] == [
        (NANO, "pass"),
        ("arduino-nano-33-iot", "fail"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--flash", "1MB", "--ram", "100kB"], 0),
        (["--flash", "1MB", "--ram", "80kB"], 1),
        (["--flash", "1MB", "--macs", "7157888"], 0),
        (["--flash", "1MB", "--macs", "7157887"], 1),
        (["--flash", "1MB", "--macs", "7M"], 1),
        (["--board", NANO, "--ram", "80KiB"], 1),
        (["--board", NANO, "--reserve", "200kB"], 1),
        (["--board", NANO, "--reserve", "ram=10kB,flash=900kB"], 1),
        (["--board", NANO, "--stack", "200kB"], 1),
    ],
)
def test_limits(cli: Cli, models: Path, arguments: list[str], code: int) -> None:
    assert cli("check", models / "deep" / "person.tflite", *arguments).code == code


def test_kernels_target_and_build(cli: Cli, models: Path) -> None:
    def result(*arguments: str) -> Any:
        return parsed(cli("check", models / "deep" / "person.tflite", "--format", "json", *arguments).out)["results"][0]

    assert result("--kernels", "reference")["target"] == "upstream-2026-08/cortex-m4+reference"
    assert result("--target", "cortex-m55")["target"] == "upstream-2026-08/cortex-m55+cmsis-nn"
    assert result("--target", "cortex-m7", "--kernels", "reference")["target"] == "upstream-2026-08/cortex-m7+reference"
    assert result("--build", "Os")["flash"]["runtime_bytes"] < result()["flash"]["runtime_bytes"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--board", "arduino-nano-33-ble-sens"], "did you mean arduino-nano-33-ble-sense"),
        (["--board", NANO, "--ram", "1MB"], "contradicts Arduino Nano 33 BLE Sense, which has 262,144"),
        (["--board", NANO, "--reserve", "300kB"], "leaves nothing of the 262,144 bytes"),
        (["--ram", "64KB"], "ambiguous"),
        (["--ram", "0"], "lets no model pass"),
        (["--macs", "many"], "write a number"),
        (["--kernels", "cmsis"], "did you mean 'cmsis-nn'"),
        (["--target", "cortex-m44"], "did you mean 'cortex-m4'"),
        (["--target", "cortex-m4+cmsis-nn", "--kernels", "reference"], "contradicts"),
        (["--reserve", "firmware.map"], "no such firmware file"),
        (["--config", "none.toml"], "none.toml: cannot be read"),
        (["--baseline", "none.json"], "none.json: the baseline cannot be read"),
        (["--board-dir", "none"], "none"),
        (["--boardd", "x"], "No such option"),
        (["--format", "xml"], "xml"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(cli: Cli, models: Path, arguments: list[str], says: str) -> None:
    done = cli("check", models / "sine.tflite", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("mcuplan: error: ")
    assert done.err.count("\n") == 1
    assert says in done.err


def test_usage_without_models(cli: Cli) -> None:
    assert cli("check").code == 2
    assert cli().code == 2
    unknown = cli("chek")
    assert (unknown.code, unknown.err) == (
        2,
        "mcuplan: error: no command 'chek'; did you mean 'check'? (see mcuplan --help)\n",
    )


def test_one_bad_file_does_not_hide_the_others(cli: Cli, models: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes((models / "sine.tflite").read_bytes()[:500])
    (tmp_path / "empty").mkdir()
    done = cli(
        "check", "broken.tflite", models / "sine.tflite", "empty", "none.tflite", "no*.tflite",
        models / "deep" / "person.tflite", "--format", "json",
    )  # fmt: skip
    assert done.code == 2
    document = parsed(done.out)
    assert [r["verdict"] for r in document["results"]] == ["error", "pass", "error", "error", "error", "fail"]
    assert document["exit_code"] == 2
    errors = done.err.splitlines()
    assert len(errors) == 4
    assert all(line.startswith("mcuplan: error: ") for line in errors)
    assert "empty: the folder holds no .tflite model" in done.err
    assert "no*.tflite: no file matches this pattern" in done.err
    text = cli("check", "broken.tflite", models / "sine.tflite")
    assert text.code == 2
    assert "PASS" in text.out
    assert text.out.endswith("2 models: 1 pass, 1 error\n")


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"not a model", b"version https://git-lfs.github.com/spec/v1\n", b"\x1f\x8b\x08"]
)
def test_what_is_no_model(cli: Cli, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tflite").write_bytes(content)
    done = cli("check", "x.tflite")
    assert done.code == 2
    assert done.err.startswith("mcuplan: error: x.tflite")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


def test_a_file_that_may_not_be_read(cli: Cli, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.tflite"
    path.write_bytes((models / "sine.tflite").read_bytes())
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        assert cli("check", path).code == 2
    else:
        pytest.skip("this user may read every file")


def test_output_goes_to_a_file_whole(cli: Cli, models: Path, tmp_path: Path) -> None:
    done = cli("check", models / "sine.tflite", "none.tflite", "-o", "report.txt")
    assert (done.code, done.out) == (2, "")
    text = (tmp_path / "report.txt").read_text("utf-8")
    assert "PASS" in text
    assert "none.tflite: cannot be read" in text
    assert "\x1b" not in text
    assert cli("check", models / "sine.tflite", "--format", "json", "-o", "report.json").code == 0
    assert parsed((tmp_path / "report.json").read_text())["exit_code"] == 0
    missing = cli("check", models / "sine.tflite", "-o", "none/report.txt")
    assert missing.code == 2
    assert "the folder none does not exist" in missing.err


def test_quiet(cli: Cli, models: Path) -> None:
    assert cli("check", models / "sine.tflite", "--quiet").out == ""
    done = cli("check", models, "--quiet")
    assert done.code == 1
    assert "sine" not in done.out
    assert "person.tflite" in done.out
    assert "strange.tflite" in done.out


def test_zoo_models_are_models(cli: Cli) -> None:
    done = cli("check", "zoo:sine", "--format", "json")
    assert done.code == 0
    assert parsed(done.out)["results"][0]["flash"]["model_bytes"] > 1_000
    assert "did you mean 'sine'" in cli("check", "zoo:sin").err


def test_a_board_of_ones_own(cli: Cli, models: Path, tmp_path: Path) -> None:
    from mcuplan.boards import specs_folder

    text = (specs_folder() / f"{NANO}.toml").read_text("utf-8")
    (tmp_path / "boards").mkdir()
    mine = text.replace(f'id = "{NANO}"', 'id = "my-board"', 1)
    (tmp_path / "boards" / "my-board.toml").write_text(mine, "utf-8")
    by_name = cli("check", models / "sine.tflite", "--board-dir", "boards", "-b", "my-board", "--format", "json")
    by_path = cli("check", models / "sine.tflite", "-b", "boards/my-board.toml", "--format", "json")
    for done in (by_name, by_path):
        assert parsed(done.out)["results"][0]["board"] == "my-board"


# -- configuration -----------------------------------------------------------------------------------------------------


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path: Path, models: Path) -> Path:
    folder = tmp_path / "project"
    for name in ("sine.tflite", "deep/person.tflite"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((models / name).read_bytes())
    return folder


def test_the_nearest_configuration_names_boards_and_limits(cli: Cli, project: Path) -> None:
    write(project / "mcuplan.toml", f'boards = ["{NANO}"]\n[[models]]\nfiles = ["deep/*"]\nram = "80kB"\n')
    done = cli("check", project, "--format", "json")
    assert done.code == 1
    found = {Path(r["model"]).name: r for r in parsed(done.out)["results"]}
    assert found["sine.tflite"]["verdict"] == "pass"
    assert found["sine.tflite"]["board"] == NANO
    assert found["person.tflite"]["violations"][0]["limit"] == 80_000
    assert "mcuplan.toml: ram" in found["person.tflite"]["violations"][0]["message"]
    write(project / "deep" / "mcuplan.toml", 'flash = "1MB"')
    nearer = parsed(cli("check", project, "--format", "json").out)["results"]
    assert [(Path(r["model"]).name, r["board"], r["verdict"]) for r in nearer] == [
        ("sine.tflite", NANO, "pass"),
        ("person.tflite", None, "pass"),
    ]


def test_options_go_before_the_configuration(cli: Cli, project: Path) -> None:
    write(project / "mcuplan.toml", 'ram = "1kB"\nkernels = "reference"\nstack = "8KiB"')
    assert cli("check", project / "sine.tflite").code == 1
    done = cli("check", project / "sine.tflite", "--ram", "64kB", "--kernels", "cmsis-nn", "--format", "json")
    result = parsed(done.out)["results"][0]
    assert (result["verdict"], result["target"], result["ram"]["stack_bytes"]) == (
        "pass",
        "upstream-2026-08/cortex-m4+cmsis-nn",
        8_192,
    )


def test_a_named_configuration_counts_for_every_model(cli: Cli, project: Path, tmp_path: Path) -> None:
    write(project / "mcuplan.toml", 'ram = "1kB"')
    write(tmp_path / "ci.toml", 'ram = "64kB"')
    assert cli("check", project / "sine.tflite", "--config", "ci.toml").code == 0


def test_a_broken_configuration_hides_no_other_model(cli: Cli, project: Path, models: Path) -> None:
    config = write(project / "mcuplan.toml", "rum = 5")
    done = cli("check", project, models / "sine.tflite", "--format", "json")
    assert done.code == 2
    assert [r["verdict"] for r in parsed(done.out)["results"]] == ["error", "error", "pass"]
    assert done.err == f"mcuplan: error: {config}: unknown key 'rum'; did you mean 'ram'?\n"


def test_a_configured_board_that_is_unknown_names_the_file(cli: Cli, project: Path) -> None:
    config = write(project / "mcuplan.toml", "boards = ['teensy-4-2']")
    done = cli("check", project / "sine.tflite")
    assert done.code == 2
    assert str(config) in done.err
    assert "did you mean teensy-4" in done.err


def test_models_that_share_a_board(cli: Cli, project: Path) -> None:
    group = '[[shared]]\nname = "doorbell"\nboard = "{}"\nmodels = ["sine.tflite", "deep/person.tflite"]\n{}'
    write(project / "mcuplan.toml", f'boards = ["{NANO}"]\n' + group.format(NANO, ""))
    done = cli("check", project / "sine.tflite", "--format", "json")
    document = parsed(done.out)
    assert done.code == 0
    (shared,) = document["shared"]
    assert (shared["name"], shared["verdict"], shared["arenas"]) == ("doorbell", "pass", "sum")
    alone = {Path(r["model"]).name: r for r in parsed(cli("check", project, "--format", "json").out)["results"]}
    person, sine = alone["person.tflite"], alone["sine.tflite"]
    assert shared["ram"]["arena_bytes"] == person["ram"]["arena_bytes"] + sine["ram"]["arena_bytes"]
    assert shared["flash"]["model_bytes"] == person["flash"]["model_bytes"] + sine["flash"]["model_bytes"]
    in_turn = f'boards = ["{NANO}"]\n' + group.format(NANO, 'arenas = "largest"\nram = "86kB"\n')
    write(project / "mcuplan.toml", in_turn)
    done = cli("check", project / "sine.tflite")
    assert done.code == 1
    assert "FAIL  doorbell together on Arduino Nano 33 BLE Sense" in done.out
    assert "taking turns in one arena" in done.out


def test_a_group_with_a_missing_model_is_an_error(cli: Cli, project: Path) -> None:
    write(project / "mcuplan.toml", f"[[shared]]\nname='g'\nboard='{NANO}'\nmodels=['sine.tflite', 'gone.tflite']\n")
    done = cli("check", project / "sine.tflite")
    assert done.code == 2
    assert "gone.tflite" in done.err
    assert "PASS" in done.out


# -- baselines ---------------------------------------------------------------------------------------------------------


def test_a_baseline_allows_what_is_there_and_forbids_growth(cli: Cli, project: Path, tmp_path: Path) -> None:
    models = ("check", project / "sine.tflite", project / "deep" / "person.tflite")
    assert cli(*models).code == 1
    assert cli(*models, "--baseline", "base.json", "--write-baseline").code == 0
    rows = json.loads((tmp_path / "base.json").read_text())["models"]
    assert [row["model"] for row in rows] == ["project/deep/person.tflite"]
    assert cli(*models, "--baseline", "base.json").code == 0
    rows[0]["flash"] -= 1
    (tmp_path / "base.json").write_text(json.dumps({"mcuplan_baseline": 1, "models": rows}))
    grown = cli(*models, "--baseline", "base.json")
    assert grown.code == 1
    assert "grown since the baseline" in grown.out


def test_the_configuration_may_name_the_baseline(cli: Cli, project: Path) -> None:
    write(project / "mcuplan.toml", 'baseline = "base.json"')
    assert cli("check", project, "--write-baseline").code == 0
    assert cli("check", project).code == 0
    assert (project / "base.json").exists()


def test_without_a_name_the_baseline_is_in_the_working_folder(cli: Cli, project: Path, tmp_path: Path) -> None:
    assert cli("check", project, "--write-baseline").code == 0
    assert (tmp_path / "mcuplan-baseline.json").exists()
    assert cli("check", project).code == 1


def test_a_limit_that_is_kept_closely_is_told_everywhere_alike(cli: Cli, models: Path) -> None:
    """From 90% of a limit on: exit code 0, and the same sentence in text, Markdown, JSON and annotations."""
    need = json.loads(cli("check", models / "sine.tflite", "--format", "json").out)["results"][0]["ram"]["total_bytes"]
    limit = need * 10 // 9  # just over 90% of it are taken
    outs = {f: cli("check", models / "sine.tflite", "--ram", str(limit), "--format", f)
            for f in ("text", "json", "markdown", "github")}  # fmt: skip
    assert {done.code for done in outs.values()} == {0}
    (result,) = json.loads(outs["json"].out)["results"]
    (warning,) = result["warnings"]
    assert result["verdict"] == "pass"
    assert (warning["resource"], warning["figure"], warning["left"]) == ("ram", need, limit - need)
    assert warning["message"] == (
        f"RAM: arena, interpreter and stack take {need:,} bytes, 90% of the {limit:,} allowed (--ram): "
        f"{limit - need:,} bytes left"
    )
    assert f"warning: {warning['message']}" in " ".join(outs["text"].out.split())
    assert warning["message"].replace("(", "\\(").replace(")", "\\)") in outs["markdown"].out
    assert "1 pass, 1 close to a limit" in outs["markdown"].out
    assert outs["github"].out.startswith("::warning file=")


def test_a_model_for_the_edge_tpu_names_the_file_to_take(cli: Cli, tmp_path: Path) -> None:
    graph = build("sine")
    code = replace(graph.main.operators[0].code, name=CUSTOM, custom_code="edgetpu-custom-op")
    compiled = replace(graph.main.operators[0], code=code, options=None)
    main = replace(graph.main, operators=(compiled, *graph.main.operators[1:]))
    save(replace(graph, subgraphs=(main,), operator_codes=()), tmp_path / "m_edgetpu.tflite")
    done = cli("check", tmp_path / "m_edgetpu.tflite")
    assert done.code == 1
    told = " ".join(done.out.split())
    assert "compiled for the Edge TPU: take the .tflite file from before edgetpu_compiler" in told


def test_no_warning_below_nine_tenths_nor_over_the_limit(cli: Cli, models: Path) -> None:
    need = json.loads(cli("check", models / "sine.tflite", "--format", "json").out)["results"][0]["ram"]["total_bytes"]
    for limit, code in ((need * 10 // 9 + 2, 0), (need - 1, 1)):
        done = cli("check", models / "sine.tflite", "--ram", str(limit), "--format", "json")
        assert done.code == code
        assert json.loads(done.out)["results"][0]["warnings"] == []
    assert json.loads(cli("check", models / "sine.tflite", "--ram", str(need), "--format", "json").out)["results"][0][
        "warnings"
    ]


def test_what_a_baseline_allows_is_not_called_close(cli: Cli, models: Path) -> None:
    arguments = ("check", models / "sine.tflite", "--ram", "1kB", "--baseline", "base.json")
    assert cli(*arguments, "--write-baseline").code == 0
    (result,) = json.loads(cli(*arguments, "--format", "json").out)["results"]
    assert (result["verdict"], result["warnings"]) == ("pass", [])


# -- several formats from one run, and what a forge needs ----------------------------------------------------------


def test_also_writes_what_each_format_is_from_one_run(cli, models, tmp_path, monkeypatch):
    asked = ("check", str(models / "sine.tflite"), str(models / "deep"), "--ram", "90kB", "--flash", "100kB")
    alone = {name: cli(*asked, "--format", name) for name in ("json", "markdown", "sarif", "junit", "github", "text")}
    counted = 0
    from mcuplan import budget

    analyse = budget.analyse

    def counting(*arguments, **more):
        nonlocal counted
        counted += 1
        return analyse(*arguments, **more)

    monkeypatch.setattr(budget, "analyse", counting)
    files = [("--also", f"{name}={tmp_path / name}") for name in (*alone, "html")]
    done = cli(*asked, "--format", "github", *(part for option in files for part in option))
    assert (done.code, done.out) == (1, alone["github"].out)
    assert counted == 2
    for name, outcome in alone.items():
        if name != "junit":  # which holds the time
            assert (tmp_path / name).read_text("utf-8") == outcome.out
    assert (tmp_path / "html").read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("given", ["json", "json=", "=file", "yaml=file", ""])
def test_also_that_is_none_is_bad_usage(cli, given):
    outcome = cli("check", "zoo:sine", "--also", given)
    assert outcome.code == 2
    assert "write FORMAT=FILE; formats are text, github" in outcome.err


@pytest.mark.parametrize("where", [".", "deep", "deep/er", ".."])
def test_forges_get_paths_from_the_root_of_the_repository(cli, models, tmp_path, monkeypatch, where):
    root = tmp_path / "repository"
    (root / "deep" / "er").mkdir(parents=True)
    (root / ".git").mkdir()
    model = root / "deep" / "big model.tflite"
    shutil.copyfile(models / "deep" / "person.tflite", model)
    monkeypatch.chdir(root / where)
    for name in (os.path.relpath(model), str(model)):
        said = cli("check", name, "--format", "github").out
        assert said.startswith("::error file=deep/big model.tflite,title=")
        log = json.loads(cli("check", name, "--format", "sarif").out)
        (result, *_) = log["runs"][0]["results"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "deep/big%20model.tflite"
        assert json.loads(cli("check", name, "--format", "json").out)["results"][0]["model"] == name


def test_a_configuration_stands_for_the_models_that_it_counts_for(cli, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.tflite", "in/b.tflite", "own/c.tflite"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(models / "sine.tflite", tmp_path / name)
    Path("mcuplan.toml").write_text('ram = "1kB"\n')
    Path("own/mcuplan.toml").write_text('ram = "100kB"\n')
    Path("pyproject.toml").write_text("[project]\nname = 'x'\n")
    found = json.loads(cli("check", "mcuplan.toml", "--format", "json").out)
    assert [(row["model"], row["verdict"]) for row in found["results"]] == [
        ("a.tflite", "fail"),
        ("in/b.tflite", "fail"),
    ]
    assert cli("check", "own/mcuplan.toml").code == 0
    nothing = cli("check", "--quiet", "pyproject.toml")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "")
    Path("mcuplan.toml").write_text("ram = 'lots'\n")
    broken = cli("check", "--quiet", "mcuplan.toml")
    assert broken.code == 2
    assert "mcuplan.toml: key 'ram'" in broken.err


def test_quiet_output_ends_with_the_command_that_explains(cli, models, monkeypatch):
    monkeypatch.chdir(models)
    outcome = cli(
        "check", "deep/person.tflite", "sine.tflite", "--quiet", "--flash", "100kB", "--board", "sparkfun-edge"
    )
    last = outcome.out.splitlines()[-1]
    assert last == "Explain it: mcuplan check deep/person.tflite --board sparkfun-edge --flash 100000 --why"
    assert cli("check", "sine.tflite", "--quiet").out == ""
    several = cli("check", "deep/person.tflite", "deep/person.tflite", "strange.tflite", "--quiet").out
    assert several.splitlines()[-1].startswith("Explain it (the first of 2): mcuplan check ")


def test_where_the_arenas_of_several_models_lie(cli: Cli, project: Path) -> None:
    """One arena each, or one for both, in a RAM of their choice; or each section in one of its own."""
    group = '[[shared]]\nname = "g"\nboard = "arduino-portenta-h7"\nmodels = ["sine.tflite", "deep/person.tflite"]\n{}'

    def found(more: str, *options: str) -> dict[str, Any]:
        write(project / "mcuplan.toml", group.format(more))
        done = cli("check", str(project), "--format", "json", *options)
        (shared,) = json.loads(done.out)["shared"]
        return shared

    for arenas in ("sum", "largest", "allocator"):
        whole = found(f'arenas = "{arenas}"')["ram"]
        moved = found(f'arenas = "{arenas}"\narena_in = "sdram"')["ram"]
        assert whole["elsewhere_bytes"] == 0
        assert moved["elsewhere_bytes"] == moved["arena_bytes"] == whole["arena_bytes"]
        assert moved["total_bytes"] == whole["total_bytes"] - whole["arena_bytes"]
    # Person detection's planned section takes 55,296 bytes, sine's 560 while it is planned; the rest lies in the DTCM.
    for arenas, planned in (("sum", 55_296 + 560), ("largest", 55_296), ("allocator", 55_296)):
        two = found(f'arenas = "{arenas}"\npersistent_in = "dtcm"')["ram"]
        assert two["arena_bytes"] - two["elsewhere_bytes"] == planned
    assert found('arenas = "largest"', "--arena-in", "sdram")["ram"]["elsewhere_bytes"] > 55_296
    gone = found('arena_in = "moon"')
    assert gone["verdict"] == "error"
    assert "moon" in gone["error"]
