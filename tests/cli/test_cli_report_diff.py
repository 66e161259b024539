"""``mcuplan report``, ``mcuplan diff`` and the formats of ``mcuplan check`` on the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest


def test_report_writes_one_file_and_ends_as_check_does(cli: Any, models: Path, tmp_path: Path) -> None:
    done = cli("report", models / "sine.tflite", "-b", "sparkfun-edge", "-o", "out.html")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (tmp_path / "out.html").read_text("utf-8").startswith("<!doctype html>")
    assert cli("report", models / "strange.tflite", "-o", "out.html").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


def test_report_without_plan_draws_one_map(cli: Any, tmp_path: Path) -> None:
    cli("report", "zoo:visual-wake-words", "-o", "one.html", "--no-plan")
    cli("report", "zoo:visual-wake-words", "-o", "two.html")
    assert (tmp_path / "one.html").read_text("utf-8").count('class="map"') == 1
    assert (tmp_path / "two.html").read_text("utf-8").count('class="map"') == 2


def test_report_into_a_missing_folder_is_a_clear_error(cli: Any, models: Path, tmp_path: Path) -> None:
    done = cli("report", models / "sine.tflite", "-o", "missing/out.html")
    assert done.code == 2
    assert "missing/out.html: cannot be written: the folder missing does not exist" in done.err
    assert list(tmp_path.iterdir()) == []


def test_report_of_an_unreadable_model_shows_the_others(cli: Any, models: Path, tmp_path: Path) -> None:
    done = cli("report", "gone.tflite", models / "sine.tflite", "-o", "out.html")
    assert done.code == 2
    assert "gone.tflite: cannot be read" in done.err
    text = (tmp_path / "out.html").read_text("utf-8")
    assert "gone.tflite: cannot be read" in text
    assert text.count('class="map"') >= 1


def test_a_full_disk_leaves_no_half_report(
    cli: Any, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    done = cli("report", models / "sine.tflite", "-o", "out.html")
    assert done.code == 2
    assert "out.html: cannot be written: No space left on device" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("format_", "start"),
    [("markdown", "### mcuplan: 1 pass"), ("junit", "<?xml"), ("sarif", "{"), ("github", "::notice")],
)
def test_check_in_every_format(cli: Any, models: Path, tmp_path: Path, format_: str, start: str) -> None:
    done = cli("check", models / "sine.tflite", "--format", format_)
    assert done.code == 0
    assert done.out.startswith(start)
    cli("check", models / "sine.tflite", "--format", format_, "-o", "out")
    assert (tmp_path / "out").read_text("utf-8").startswith(start)


def test_check_in_machine_formats_keeps_the_exit_code(cli: Any, models: Path) -> None:
    done = cli("check", models / "deep" / "person.tflite", "gone.tflite", "--format", "junit")
    assert done.code == 2
    assert [s.get("errors") for s in ElementTree.fromstring(done.out)] == ["0", "1"]
    assert cli("check", models / "deep" / "person.tflite", "--format", "sarif").code == 1


def test_diff_tells_the_change(cli: Any) -> None:
    done = cli("diff", "zoo:person-detection", "zoo:visual-wake-words")
    assert done.code == 0
    assert "arena                82,320 ->       100,720        +18,400" in done.out
    assert "+18,432  gaps of the plan" in done.out


def test_diff_limits_growth(cli: Any) -> None:
    pair = ("zoo:person-detection", "zoo:visual-wake-words")
    assert cli("diff", *pair, "--max-growth", "ram=18.4kB").code == 1
    assert cli("diff", *pair, "--max-growth", "ram=18.5kB,flash=20kB", "--max-growth", "macs=1M").code == 0
    assert cli("diff", *reversed(pair), "--max-growth", "ram=0").code == 0


@pytest.mark.parametrize("wrong", ["ram", "rom=2kB", "ram=2KB", "ram=-1", "=2kB"])
def test_wrong_limits_on_growth_are_refused(cli: Any, wrong: str) -> None:
    done = cli("diff", "zoo:sine", "zoo:sine", "--max-growth", wrong)
    assert done.code == 2
    assert done.err.startswith("mcuplan: error: ")
    assert done.out == ""


def test_diff_as_json_adds_up(cli: Any) -> None:
    done = cli("diff", "zoo:sine", "zoo:ds-cnn", "--format", "json", "--max-growth", "arena=1MB")
    found = json.loads(done.out)
    assert found["schema_version"] == "1.3"
    for change in found["changes"]:
        assert sum(part["change"] for part in change["parts"]) == change["new"] - change["old"]
    assert found["growth"] == [{"resource": "arena", "limit": 1_000_000, "broken": False,
                                "change": found["changes"][0]["change"]}]  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path, models: Path) -> Path:
    """A model committed twice: the sine model, then the person detector under the same name."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    where = tmp_path / "repository"
    where.mkdir()

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=where, check=True, capture_output=True)

    git("init")
    for source in (models / "sine.tflite", models / "deep" / "person.tflite"):
        shutil.copy(source, where / "model.tflite")
        git("add", "model.tflite")
        git("commit", "-m", "model")
    return where


def test_diff_takes_revisions(cli: Any, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    done = cli("diff", "HEAD~1:model.tflite", "model.tflite")
    assert done.code == 0
    assert "HEAD~1:model.tflite -> model.tflite" in done.out
    done = cli("diff", "HEAD:model.tflite", "model.tflite", "--max-growth", "ram=0")
    assert done.code == 0


@pytest.mark.parametrize("name", ["HEAD~9:model.tflite", "HEAD:gone.tflite", "--help:model.tflite", "gone.tflite"])
def test_a_revision_that_git_does_not_know_is_one_sentence(
    cli: Any, repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(repository)
    done = cli("diff", "--", name, "model.tflite")
    assert done.code == 2
    assert done.err.startswith(f"mcuplan: error: {name}: ")
    assert done.err.count("\n") == 1


def test_a_file_that_is_no_model_in_a_revision_names_the_revision(
    cli: Any, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    (repository / "model.tflite").write_bytes(b"no model")
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@e.org", "commit", "-qam", "broken"], check=True)
    done = cli("diff", "HEAD:model.tflite", "HEAD~1:model.tflite")
    assert done.code == 2
    assert done.err.startswith("mcuplan: error: HEAD:model.tflite: ")
    assert "mcuplan-" not in done.err
