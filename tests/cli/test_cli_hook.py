"""The pre-commit hook, through the real programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
HOOKS = CHECKOUT / ".pre-commit-hooks.yaml"
_OFFLINE = re.compile(r"NewConnectionError|Temporary failure in name resolution|No matching distribution|timed out")


def environment(**more: str) -> dict[str, str]:
    """A process environment in which git and pre-commit see this test's repositories only."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    programs = str(Path(sys.executable).parent)
    who = {f"GIT_{role}_{what}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    quiet = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH": f"{programs}{os.pathsep}{kept['PATH']}",
    }
    return {**kept, **who, **quiet, **more}


def git(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    line = ["git", "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(line, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False)


def committed_copy(target: Path) -> str:
    """This checkout as it is now, as a repository of its own; its commit."""
    listed = git(CHECKOUT, "ls-files", "-co", "--exclude-standard")
    if listed.returncode != 0:
        pytest.skip("needs a git checkout to install the hook from")
    for name in listed.stdout.splitlines():
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CHECKOUT / name, target / name)
    assert git(target, "init", "-q").returncode == 0
    assert git(target, "add", "-A", "-f").returncode == 0
    made = git(target, "commit", "-q", "-m", "copy")
    assert made.returncode == 0, made.stderr
    return git(target, "rev-parse", "HEAD").stdout.strip()


def configuration(route: str, tmp_path: Path) -> dict[str, Any]:
    if route == "clone":
        (tmp_path / "hooks").mkdir()
        revision = committed_copy(tmp_path / "hooks")
        return {"repos": [{"repo": str(tmp_path / "hooks"), "rev": revision, "hooks": [{"id": "mcuplan-check"}]}]}
    (hook,) = yaml.safe_load(HOOKS.read_text("utf-8"))
    del hook["minimum_pre_commit_version"]
    return {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"}]}]}


@pytest.mark.parametrize("route", ["local", "clone"])
def test_an_oversized_model_is_refused_and_a_small_one_accepted(route: str, tmp_path: Path, models: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    project = tmp_path / "project"
    project.mkdir()
    assert git(project, "init", "-q").returncode == 0
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(configuration(route, tmp_path)), "utf-8")
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}
    line = [sys.executable, "-m", "pre_commit", "install", "--install-hooks"]
    installed = subprocess.run(
        line, cwd=project, env=environment(**home), capture_output=True, text=True, check=False, timeout=600
    )
    if installed.returncode != 0 and _OFFLINE.search(installed.stdout + installed.stderr):
        pytest.skip("the package index cannot be reached, so the hook's environment cannot be made")
    assert installed.returncode == 0, installed.stdout + installed.stderr

    shutil.copyfile(models / "deep" / "person.tflite", project / "big model.tflite")
    assert git(project, "add", ".").returncode == 0
    refused = git(project, "commit", "-m", "too big", **home)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1, said
    assert "mcuplan check" in said
    assert "FAIL" in said
    assert "must stay under 250,000" in said
    assert git(project, "rev-parse", "--verify", "-q", "HEAD").returncode != 0, "nothing may have been committed"

    (project / "big model.tflite").unlink()
    shutil.copyfile(models / "sine.tflite", project / "small.tflite")
    assert git(project, "add", "-A").returncode == 0
    accepted = git(project, "commit", "-m", "small", **home)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert "small.tflite" in git(project, "ls-tree", "--name-only", "HEAD").stdout

    (project / "mcuplan.toml").write_text('ram = "1kB"\n', "utf-8")
    shutil.copyfile(models / "sine.tflite", project / "again.tflite")
    assert git(project, "add", "-A").returncode == 0
    limited = git(project, "commit", "-m", "limited", **home)
    assert limited.returncode == 1, "the configuration of the repository counts"
    assert "mcuplan.toml: ram" in limited.stdout + limited.stderr


def test_the_hook_runs_where_the_configuration_changes() -> None:
    """pre-commit's own filter: which of a commit's files the hook gets."""
    (hook,) = yaml.safe_load(HOOKS.read_text("utf-8"))
    names = ("a.tflite", "mcuplan.toml", "in/mcuplan.toml", "pyproject.toml", "notmcuplan.toml", "a.tflite.md", "x.py")
    assert [name for name in names if re.search(hook["files"], name)] == [
        "a.tflite", "mcuplan.toml", "in/mcuplan.toml", "pyproject.toml",
    ]  # fmt: skip
