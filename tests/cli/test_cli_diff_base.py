"""``mcuplan diff --base`` of a repository and ``mcuplan diff FOLDER FOLDER``: models that changed, and their boards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from mcuplan.reports.documents.schema import changes_schema, diff_schema
from mcuplan.tflite import save, write
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def git(where: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *identity, *arguments], cwd=where, check=True, capture_output=True, env=quiet)
    return done.stdout.decode().strip()


def network(filters: int, side: int = 16) -> bytes:
    b = Builder(seed=1)
    x = b.conv2d(b.input((1, side, side, 3)), filters, 3, name="first")
    return write(b.graph([b.conv2d(x, 4, 1, name="second")]))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``main`` with four models and a configuration; the branch ``topic``, on which the tests change them."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    where = tmp_path / "repository"
    (where / "models").mkdir(parents=True)
    git(where, "init", "-q", "-b", "main")
    for name, filters in (("kws", 8), ("wake", 6), ("gone", 4), ("same", 5)):
        (where / "models" / f"{name}.tflite").write_bytes(network(filters))
    (where / "mcuplan.toml").write_text(
        'boards = ["sparkfun-edge"]\n\n[[models]]\nfiles = ["kws.tflite"]\nram = "12kB"\n'
    )
    git(where, "add", "-A")
    git(where, "commit", "-qm", "models")
    git(where, "checkout", "-qb", "topic")
    monkeypatch.chdir(where)
    return where


def changes(cli, *arguments: str) -> dict:
    outcome = cli("diff", *arguments, "--format", "json")
    assert outcome.err == ""
    found = json.loads(outcome.out)
    jsonschema.validate(found, changes_schema())
    return found


def test_every_model_that_changed_with_what_check_says(cli, repository):
    (repository / "models" / "kws.tflite").write_bytes(network(24))
    git(repository, "mv", "models/wake.tflite", "models/word.tflite")
    git(repository, "rm", "-q", "models/gone.tflite")
    git(repository, "commit", "-qam", "changes")
    (repository / "models" / "new.tflite").write_bytes(network(7))
    found = changes(cli, "--base", "main")
    told = [(model["model"], model["kind"], model["was"]) for model in found["models"]]
    assert told == [
        ("models/gone.tflite", "removed", ""), ("models/kws.tflite", "changed", ""),
        ("models/new.tflite", "added", ""), ("models/word.tflite", "changed", "models/wake.tflite"),
    ]  # fmt: skip
    (board,) = found["models"][1]["boards"]
    assert (board["board"], board["before"], board["after"]) == ("sparkfun-edge", "pass", "fail")
    figures = {figure["resource"]: figure for figure in board["figures"]}
    now = json.loads(cli("check", "models/kws.tflite", "--format", "json").out)["results"][0]
    was = json.loads(cli("diff", "main:models/kws.tflite", "models/kws.tflite", "--format", "json").out)
    assert figures["ram"]["new"] == now["ram"]["total_bytes"]
    assert figures["ram"]["limit"] == 12_000
    assert figures["ram"]["left"] == 12_000 - now["ram"]["total_bytes"] < 0
    assert figures["flash"]["new"] == now["flash"]["total_bytes"]
    assert figures["arena"]["old"] == next(c["old"] for c in was["changes"] if c["resource"] == "arena")
    assert board["grew_in"] == "ram"
    assert "operator 0, CONV_2D" in board["grew"]["what"]
    assert board["problems"][0].startswith("RAM: ")
    assert board["remedies"]
    gone, new = found["models"][0]["boards"][0], found["models"][2]["boards"][0]
    assert (gone["before"], gone["after"], new["before"], new["after"]) == ("pass", None, None, "pass")


def test_the_comment_says_it_all_in_a_table(cli, repository):
    (repository / "models" / "kws.tflite").write_bytes(network(24))
    outcome = cli("diff", "--base", "main", "--format", "markdown", "--why")
    assert outcome.code == 0
    assert outcome.out.startswith("### ❌ mcuplan: 1 model changed, 1 does not pass any more\n")
    row = next(line for line in outcome.out.splitlines() if "`models/kws.tflite`" in line)
    assert row.startswith("| ✅ pass → ❌ fail | `models/kws.tflite` | SparkFun Edge | ")
    assert "%)**" in row
    assert "of 12.0 kB" in row
    assert "too many" in row
    assert "grew most in RAM: " in outcome.out
    assert "what would bring it back:" in outcome.out
    text = cli("diff", "--base", "main").out
    assert "PASS -> FAIL on SparkFun Edge" in text


def test_paths_begin_at_the_root_and_the_configuration_is_the_models(cli, repository, monkeypatch):
    (repository / "models" / "kws.tflite").write_bytes(network(24))
    at_root = changes(cli, "--base", "main")
    monkeypatch.chdir(repository / "models")
    inside = changes(cli, "--base", "main")
    for found in (at_root, inside):  # commands name the model from where one is
        for board in found["models"][0]["boards"]:
            board["remedies"] = [remedy["text"] for remedy in board["remedies"]]
    assert at_root == inside


def test_paths_say_where_to_look(cli, repository):
    (repository / "models" / "kws.tflite").write_bytes(network(9))
    (repository / "other.tflite").write_bytes(network(9))
    assert [m["model"] for m in changes(cli, "--base", "main", "models")["models"]] == ["models/kws.tflite"]
    outside = cli("diff", "--base", "main", "..")
    assert outside.code == 2
    assert "lies outside the repository" in outside.err


def test_nothing_changed(cli, repository):
    (repository / "notes.txt").write_text("x")
    assert cli("diff", "--base", "main").out.startswith("no model changed since main (")
    assert cli("diff", "--base", "main", "--format", "markdown").out == "### mcuplan: no model changed\n"


def test_main_may_have_gone_on(cli, repository):
    """What changed on main since is not this branch's doing."""
    git(repository, "checkout", "-q", "main")
    (repository / "models" / "same.tflite").write_bytes(network(30))
    git(repository, "commit", "-qam", "main goes on")
    git(repository, "checkout", "-q", "topic")
    (repository / "models" / "kws.tflite").write_bytes(network(9))
    assert [m["model"] for m in changes(cli, "--base", "main")["models"]] == ["models/kws.tflite"]


def test_a_changed_configuration_is_told(cli, repository):
    (repository / "models" / "kws.tflite").write_bytes(network(9))
    (repository / "mcuplan.toml").write_text('boards = ["sparkfun-edge"]\nram = "1kB"\n')
    found = changes(cli, "--base", "main")
    assert found["notes"] == ["mcuplan.toml changed: both sides are held against what it says now"]
    (board,) = found["models"][0]["boards"]
    assert (board["before"], board["after"]) == ("fail", "fail")


def test_growth_is_limited_model_by_model(cli, repository):
    (repository / "models" / "kws.tflite").write_bytes(network(9))
    assert cli("diff", "--base", "main", "--max-growth", "ram=10kB").code == 0
    broken = cli("diff", "--base", "main", "--max-growth", "ram=10", "--format", "markdown")
    assert broken.code == 1
    assert "❌ RAM grew by" in broken.out


def test_a_broken_model_hides_no_other(cli, repository):
    (repository / "models" / "kws.tflite").write_bytes(b"no model at all")
    (repository / "models" / "same.tflite").write_bytes(network(9))
    found = changes(cli, "--base", "main")
    kws, same = found["models"]
    assert kws["notes"][0].startswith("models/kws.tflite: ")
    assert (kws["boards"][0]["before"], kws["boards"][0]["after"]) == ("pass", None)
    assert same["boards"][0]["after"] == "pass"


def pointer(data: bytes) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()


def test_pointers_are_told_from_models(cli, repository):
    """A repository with Git LFS, where neither git-lfs nor the old model are."""
    before, after = network(8), network(24)
    git(repository, "checkout", "-q", "main")
    (repository / "models" / "kws.tflite").write_bytes(pointer(before))
    git(repository, "commit", "-qam", "to LFS")
    git(repository, "checkout", "-qb", "lfs")
    (repository / "models" / "kws.tflite").write_bytes(after)
    (model,) = changes(cli, "--base", "main")["models"]
    assert (
        f"a Git LFS pointer to a model of {len(before):,} bytes that is not here: `git lfs fetch origin "
        in model["notes"][0]
    )
    assert (model["boards"][0]["before"], model["boards"][0]["after"]) == (None, "fail")

    digest = hashlib.sha256(before).hexdigest()
    kept = repository / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
    kept.parent.mkdir(parents=True)
    kept.write_bytes(before)
    (model,) = changes(cli, "--base", "main")["models"]
    assert model["notes"] == []
    assert (model["old_bytes"], model["new_bytes"]) == (len(before), len(after))
    assert model["boards"][0]["before"] == "pass"

    (repository / "models" / "kws.tflite").write_bytes(pointer(after))
    (model,) = changes(cli, "--base", "main")["models"]
    assert f"{len(after):,} bytes that is not here: `git lfs pull` fetches it" in model["notes"][0]


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("nowhere", "--base nowhere: git knows no such revision here"),
        ("--help", "--base '--help' is no revision"),
        ("", "--base '' is no revision"),
        ("apart", "--base apart: it has no commit in common with HEAD"),
    ],
)
def test_no_base_is_one_sentence(cli, repository, base, said):
    git(repository, "checkout", "-q", "--orphan", "apart")
    git(repository, "commit", "-qm", "apart")
    git(repository, "checkout", "-q", "topic")
    outcome = cli("diff", f"--base={base}")
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_shallow_clone_says_what_to_do(cli, repository, tmp_path, monkeypatch):
    (repository / "models" / "kws.tflite").write_bytes(network(9))
    git(repository, "commit", "-qam", "topic")
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "topic", f"file://{repository}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    outcome = cli("diff", "--base", "main")
    assert outcome.code == 2
    assert "this clone is shallow" in outcome.err
    assert "fetch-depth: 0" in outcome.err


def test_without_a_repository(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    outcome = cli("diff", "--base", "main")
    assert outcome.code == 2
    assert "in no git repository" in outcome.err


@pytest.mark.parametrize("arguments", [("zoo:sine",), (), ("--base", "main", "--to", "cortex-m4+reference"),
                                       ("--base", "main", "--format", "html")])  # fmt: skip
def test_bad_usage_is_one_sentence(cli, repository, arguments):
    outcome = cli("diff", *arguments)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1


def test_a_comment_stays_under_what_forges_take(cli, repository):
    for number in range(400):
        (repository / "models" / f"a model with a rather long name of its own {number:03}.tflite").write_bytes(
            network(4)
        )
    outcome = cli("diff", "--base", "main", "--format", "markdown")
    assert outcome.out.startswith("### ✅ mcuplan: 400 models changed\n")
    assert len(outcome.out.encode()) < 60_000
    assert " more rows" in outcome.out


def test_names_are_text_in_the_comment(cli, repository):
    name = "models/<img src=x>|`@team`.tflite"
    (repository / name).write_bytes(network(24))
    (repository / "models" / "evil.tflite").write_bytes(b"version https://git-lfs.github.com/spec/v1\n@team <b>")
    out = cli("diff", "--base", "main", "--format", "markdown").out
    assert "`models/<img src=x>\\|'@team'.tflite`" in out
    assert "<b>" not in out


def test_folders_are_compared_by_path(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, filters in (("old", 4), ("new", 12)):
        (tmp_path / folder / "in").mkdir(parents=True)
        (tmp_path / folder / "in" / "a.tflite").write_bytes(network(filters))
        (tmp_path / folder / "same.tflite").write_bytes(network(5))
    save(build("sine"), tmp_path / "new" / "more.tflite")
    (tmp_path / "old" / "less.tflite").write_bytes(network(3))
    found = changes(cli, "old", "new")
    assert [(m["model"], m["kind"]) for m in found["models"]] == [
        ("in/a.tflite", "changed"), ("less.tflite", "removed"), ("more.tflite", "added"),
    ]  # fmt: skip
    assert (found["old"], found["new"]) == ("old", "new")


def test_two_models_tell_their_boards_too(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tflite").write_bytes(network(4))
    (tmp_path / "b.tflite").write_bytes(network(40))
    (tmp_path / "mcuplan.toml").write_text('boards = ["sparkfun-edge", "arduino-nano-33-ble-sense"]\nram = "15kB"\n')
    found = json.loads(cli("diff", "a.tflite", "b.tflite", "--format", "json").out)
    jsonschema.validate(found, diff_schema())
    assert [(b["board"], b["before"], b["after"]) for b in found["boards"]] == [
        ("sparkfun-edge", "pass", "fail"), ("arduino-nano-33-ble-sense", "pass", "fail"),
    ]  # fmt: skip
    assert any(figure["resource"] == "latency" for figure in found["boards"][1]["figures"])
    assert "PASS -> FAIL on SparkFun Edge" in cli("diff", "a.tflite", "b.tflite").out
    table = cli("diff", "a.tflite", "b.tflite", "--format", "markdown").out
    assert "| ✅ pass → ❌ fail | SparkFun Edge |" in table
    named = json.loads(
        cli("diff", "a.tflite", "b.tflite", "--board", "teensy-4-1", "--ram", "200kB", "--format", "json").out
    )
    assert [(b["board"], b["after"]) for b in named["boards"]] == [("teensy-4-1", "pass")]


def test_several_boards_each_have_their_verdicts(cli):
    asked = ("--board", "sparkfun-edge", "--board", "teensy-4-1", "--format", "json")
    found = json.loads(cli("diff", "zoo:sine", "zoo:ds-cnn", *asked).out)
    assert [board["board"] for board in found["boards"]] == ["sparkfun-edge", "teensy-4-1"]


@pytest.mark.parametrize("kind", ["diff", "changes"])
def test_committed_schemas_are_those_that_are_printed(cli, kind):
    committed = (SCHEMAS / f"{kind}.schema.json").read_text("utf-8")
    assert cli("schema", kind).out == committed, f"run: mcuplan schema {kind} -o docs/schemas/{kind}.schema.json"
