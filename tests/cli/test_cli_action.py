"""The GitHub Action's steps as scripts, with stand-ins for the runner's files; a server records GitHub's API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcuplan.tflite import write
from mcuplan.zoo.builder import Builder

CHECKOUT = Path(__file__).parents[2]
ACTION = yaml.safe_load((CHECKOUT / "action.yml").read_text("utf-8"))
MARK = "<!-- mcuplan: models -->"
BOT = {"type": "Bot", "login": "github-actions[bot]"}

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def step(name: str) -> dict[str, Any]:
    (found,) = [one for one in ACTION["runs"]["steps"] if one.get("id") == name]
    return dict(found)


@dataclass
class Runner:
    """A runner's environment: its files are in ``folder``."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, where: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step as the runner does, in ``where``; inputs that are not given have their defaults."""
        env = {}
        for variable, source in step(name)["env"].items():
            key = source.removeprefix("${{ inputs.").removesuffix(" }}")
            env[variable] = inputs.get(key, str(ACTION["inputs"][key].get("default", "")))
        files = {
            "RUNNER_TEMP": self.folder, "GITHUB_OUTPUT": self.folder / "outputs",
            "GITHUB_STEP_SUMMARY": self.folder / "summary.md", "GITHUB_ACTION_PATH": CHECKOUT,
        }  # fmt: skip
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("GIT_", "GITHUB_"))}
        programs = str(Path(sys.executable).parent)
        everything = {
            **kept, "PATH": f"{programs}{os.pathsep}{kept['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull,
            **{n: str(path) for n, path in files.items()}, **self.variables, **env,
        }  # fmt: skip
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(name)["run"]],
            cwd=where, env=everything, capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def outputs(self) -> dict[str, str]:
        path = self.folder / "outputs"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return dict(line.split("=", 1) for line in lines)

    @property
    def summary(self) -> str:
        path = self.folder / "summary.md"
        return path.read_text("utf-8") if path.exists() else ""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    folder = tmp_path / "runner"
    folder.mkdir()
    return Runner(folder)


def test_no_input_is_run_as_code() -> None:
    for one in ACTION["runs"]["steps"]:
        assert "${{" not in one.get("run", "")


def test_every_input_goes_somewhere() -> None:
    taken = json.dumps(ACTION["runs"])
    assert not [name for name in ACTION["inputs"] if f"inputs.{name}" not in taken]


# -- check --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "code", "verdicts"),
    [
        ({"models": "sine.tflite"}, 0, ["pass"]),
        ({"models": "sine.tflite\ndeep/person.tflite\n"}, 1, ["pass", "fail"]),
        ({"models": "deep", "boards": "arduino-nano-33-ble-sense\nteensy-4-1"}, 0, ["pass", "pass"]),
        ({"models": "sine.tflite", "arguments": "--ram\n1kB"}, 1, ["fail"]),
        ({"models": "none.tflite"}, 2, ["error"]),
        ({"models": "$(touch hacked); `touch hacked`"}, 2, ["error"]),
    ],
)
def test_the_check_runs_once_and_tells_everybody(
    runner: Runner, models: Path, given: dict[str, str], code: int, verdicts: list[str]
) -> None:
    done = runner.run("check", models, **given)
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(Path(runner.outputs["report"]).read_text("utf-8"))
    assert [result["verdict"] for result in report["results"]] == verdicts
    assert runner.summary.startswith("### mcuplan: ")
    assert runner.summary.count("### mcuplan: ") == 1
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert annotations
    assert all(line.startswith("::error file=") for line in annotations if code)
    assert "PASS" in done.stdout or "FAIL" in done.stdout or code == 2
    assert json.loads(Path(runner.outputs["sarif"]).read_text("utf-8"))["version"] == "2.1.0"
    assert not (models / "hacked").exists()
    assert not list(runner.folder.glob("*.html"))


def test_the_html_report_is_made_on_demand(runner: Runner, models: Path) -> None:
    runner.run("check", models, models="sine.tflite", html="true")
    assert (runner.folder / "mcuplan-report.html").read_text("utf-8").startswith("<!doctype html>")
    (upload,) = [one for one in ACTION["runs"]["steps"] if "upload-artifact" in one.get("uses", "")]
    assert upload["with"]["path"] == "${{ runner.temp }}/mcuplan-report.html"


def test_bad_usage_leaves_no_report_of_an_earlier_run(runner: Runner, models: Path) -> None:
    runner.run("check", models, models="sine.tflite")
    (runner.folder / "outputs").unlink()
    done = runner.run("check", models, models="sine.tflite", boards="no-such-board")
    assert done.returncode == 2
    assert "unknown board" in done.stderr
    assert "sarif" not in runner.outputs


# -- the comment --------------------------------------------------------------------------------------------------


@dataclass
class GitHub:
    """What a server that stands in for GitHub's API has, was asked, and answers."""

    url: str
    comments: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    refuse: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.calls.append((method, path, body))
        if method in self.refuse:
            return self.refuse[method], {"message": "Resource not accessible by integration"}
        if method == "GET":
            page = int(path.rpartition("page=")[2])
            return 200, self.comments[100 * (page - 1) : 100 * page]
        if method == "POST":
            self.comments.append({"id": 1000 + len(self.comments), "body": body["body"], "user": BOT})
            return 201, self.comments[-1]
        number = int(path.rpartition("/")[2])
        (known,) = [one for one in self.comments if one["id"] == number]
        known["body"] = body["body"]
        return 200, known


@pytest.fixture
def github() -> Iterator[GitHub]:
    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            assert self.headers["Authorization"] == "Bearer ghs_secret"
            code, answer = found.answer(self.command, self.path, json.loads(body) if body else None)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = GitHub(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def network(filters: int) -> bytes:
    b = Builder(seed=1)
    return write(b.graph([b.conv2d(b.input((1, 16, 16, 3)), filters, 3)]))


def git(where: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *identity, *arguments], cwd=where, check=True, capture_output=True, env=quiet)
    return done.stdout.decode().strip()


@pytest.fixture
def pull_request(tmp_path: Path, runner: Runner, github: GitHub) -> Path:
    """A checkout of a pull request that makes a model too big, and the event of it."""
    where = tmp_path / "checkout"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    (where / "kws.tflite").write_bytes(network(8))
    (where / "mcuplan.toml").write_text('boards = ["sparkfun-edge"]\nram = "12kB"\n')
    git(where, "add", "-A")
    git(where, "commit", "-qm", "before")
    base = git(where, "rev-parse", "HEAD")
    git(where, "checkout", "-qb", "topic")
    (where / "kws.tflite").write_bytes(network(24))
    git(where, "commit", "-qam", "after")
    event = runner.folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": base}}}))
    runner.variables |= {
        "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "them/it", "GITHUB_EVENT_PATH": str(event),
        "GITHUB_RUN_ID": "42", "GITHUB_SERVER_URL": "https://github.example",
    }  # fmt: skip
    return where


TOKEN = {"token": "ghs_secret"}


@needs_git
def test_one_comment_that_later_runs_update(runner: Runner, github: GitHub, pull_request: Path) -> None:
    github.comments += [{"id": i, "body": "talk", "user": {"type": "User"}} for i in range(120)]
    done = runner.run("changes", pull_request, **TOKEN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "comment on pull request 7 written" in done.stdout
    assert [(method, path) for method, path, _ in github.calls] == [
        ("GET", "/repos/them/it/issues/7/comments?per_page=100&page=1"),
        ("GET", "/repos/them/it/issues/7/comments?per_page=100&page=2"),
        ("POST", "/repos/them/it/issues/7/comments"),
    ]
    body = github.comments[-1]["body"]
    assert body.startswith(f"{MARK}\n### ❌ mcuplan: 1 model changed, 1 does not pass any more\n")
    assert "| ✅ pass → ❌ fail | `kws.tflite` | SparkFun Edge |" in body
    assert "https://github.example/them/it/actions/runs/42" in body
    assert body.split("\n", 1)[1].startswith(Path(runner.outputs["comment"]).read_text("utf-8").rstrip())
    assert "1 model changed" in runner.summary

    (pull_request / "kws.tflite").write_bytes(network(9))
    git(pull_request, "commit", "-qam", "smaller")
    github.calls.clear()
    assert "updated" in runner.run("changes", pull_request, **TOKEN).stdout
    assert [(method, path) for method, path, _ in github.calls][-1] == ("PATCH", "/repos/them/it/issues/comments/1120")
    assert len(github.comments) == 121
    assert "### ✅ mcuplan: 1 model changed" in github.comments[-1]["body"]


@needs_git
def test_a_comment_with_our_mark_by_somebody_else_is_left_alone(
    runner: Runner, github: GitHub, pull_request: Path
) -> None:
    github.comments.append({"id": 5, "body": f"{MARK}\nnot yours", "user": {"type": "User", "login": "mallory"}})
    runner.run("changes", pull_request, **TOKEN)
    assert [method for method, _, _ in github.calls] == ["GET", "POST"]
    assert github.comments[0]["body"] == f"{MARK}\nnot yours"


@needs_git
def test_nothing_changed_needs_no_comment_but_updates_one(runner: Runner, github: GitHub, pull_request: Path) -> None:
    (pull_request / "kws.tflite").write_bytes(network(8))
    git(pull_request, "commit", "-qam", "back")
    assert "no comment is needed" in runner.run("changes", pull_request, **TOKEN).stdout
    assert [method for method, _, _ in github.calls] == ["GET"]
    github.comments.append({"id": 9, "body": f"{MARK}\nold", "user": BOT})
    assert "updated" in runner.run("changes", pull_request, **TOKEN).stdout
    assert "no model changed" in github.comments[0]["body"]


@needs_git
@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        ({"POST": 403}, "the token may not write to this pull request (it may only read in one from a fork"),
        ({"GET": 500}, "GitHub's API answered GET with 500"),
        ({"POST": 422}, "GitHub's API answered POST with 422"),
    ],
)
def test_a_failed_comment_fails_no_check(
    runner: Runner, github: GitHub, pull_request: Path, refuse: dict[str, int], said: str
) -> None:
    github.refuse = refuse
    done = runner.run("changes", pull_request, **TOKEN)
    assert done.returncode == 0
    assert f"::warning title=mcuplan::no comment was written: {said}" in done.stdout
    assert "1 model changed" in runner.summary, "the text is in the summary all the same"


@needs_git
def test_no_answer_no_event_no_base(runner: Runner, github: GitHub, pull_request: Path) -> None:
    runner.variables["GITHUB_API_URL"] = "http://127.0.0.1:9"
    done = runner.run("changes", pull_request, **TOKEN)
    assert (done.returncode, "does not answer" in done.stdout) == (0, True)
    done = runner.run("changes", pull_request, base="nowhere", **TOKEN)
    assert done.returncode == 0
    assert "::warning title=mcuplan::no comment was written: --base nowhere: git knows no such revision" in done.stdout
    (runner.folder / "event.json").write_text("{}")
    done = runner.run("changes", pull_request, **TOKEN)
    assert (done.returncode, "this run is for no pull request" in done.stdout) == (0, True)
    assert github.calls == []


@needs_git
def test_hostile_bases_are_no_code(runner: Runner, github: GitHub, pull_request: Path) -> None:
    done = runner.run("changes", pull_request, base="--output=x; touch hacked; $(touch hacked)", **TOKEN)
    assert done.returncode == 0
    assert "no comment was written" in done.stdout
    assert sorted(path.name for path in pull_request.iterdir()) == [".git", "kws.tflite", "mcuplan.toml"]


def test_a_comment_too_long_is_cut_with_a_link() -> None:
    sys.path.insert(0, str(CHECKOUT / "action"))
    try:
        import comment
    finally:
        sys.path.pop(0)
    environment = {"GITHUB_REPOSITORY": "them/it", "GITHUB_RUN_ID": "42"}
    lines = "".join(f"| row {number} |\n" for number in range(9_000))
    body = comment.body_of(lines, environment)
    assert len(body) <= comment.LONGEST
    assert body.endswith("it is in [the job's summary](https://github.com/them/it/actions/runs/42).\n")
    assert body.split("\n\nThe rest")[0].endswith(" |"), "no line is cut"
    assert comment.body_of("short", environment).startswith(f"{MARK}\nshort\n")
