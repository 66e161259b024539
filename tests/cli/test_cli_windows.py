"""As on Windows: without what only POSIX has, with its paths; and on plain terminals."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from mcuplan import budget
from mcuplan.api.project import _model_name
from mcuplan.budget.config import Config
from mcuplan.budget.settings import Settings
from mcuplan.findings.situation import Situation
from mcuplan.findings.why import Case
from mcuplan.tflite import save
from mcuplan.tflite.carray import is_c_source
from mcuplan.tflm import Target
from mcuplan.zoo import build

_AS_WINDOWS = """
import os, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix_ipc", "syslog"):
    sys.modules[name] = None
for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "fork", "getuid", "geteuid", "fchmod", "fchown", "chown", "mkfifo",
             "statvfs", "setsid", "killpg", "getpgid"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "setitimer", "SIGPIPE", "SIGHUP", "SIGKILL", "SIGUSR1"):
    if hasattr(signal, name):
        delattr(signal, name)
from mcuplan.cli import main
main()
"""
"""The command line in a Python that lacks what Windows lacks; but for what libraries ask for by the system's name."""


def as_windows(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _AS_WINDOWS, *arguments], cwd=folder, capture_output=True, text=True,
        env={**os.environ, **environment}, encoding="utf-8",
    )  # fmt: skip


def test_check_plan_and_export_need_nothing_of_posix(tmp_path: Path) -> None:
    folder = tmp_path / "my models"
    folder.mkdir()
    save(build("sine"), folder / "sine v2.tflite")
    for arguments in (
        ("check", "my models/sine v2.tflite", "--board", "sparkfun-edge", "-o", "report.txt"),
        ("check", "my models\\sine v2.tflite", "--format", "json", "-o", "report.json"),
        ("plan", "my models/sine v2.tflite", "-o", "my models/planned.tflite", "--no-map"),
        ("export", "my models/planned.tflite", "-o", "my firmware"),
        ("report", "my models", "-o", "report.html"),
    ):
        done = as_windows(tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert (tmp_path / "my firmware" / "model.cc").is_file()


def test_windows_paths_are_read_by_their_parts() -> None:
    path = PureWindowsPath(r"C:\Users\me\my models\kws v2.tflite")
    assert is_c_source(PureWindowsPath(r"D:\firmware\model.INO"))
    graph = build("sine")
    found = budget.analyse(graph, Target.parse("cortex-m4+cmsis-nn"))
    limits = budget.limits_without_board(budget.Asked())
    case = Case(Situation(str(path), found, found.need(), limits, budget.judge(found.need(), limits)))
    assert case.planned_file == "'kws v2.planned.tflite'"
    assert shlex.split(case.command("plan")) == ["mcuplan", "plan", str(path)]
    assert _model_name(PureWindowsPath("kws v2.tflite").name) == "kws_v2"


def test_a_configuration_may_have_backslashes(tmp_path: Path) -> None:
    config = Config(tmp_path / "mcuplan.toml", Settings())
    assert config.at(r"boards\mine.toml") == tmp_path / "boards" / "mine.toml"


@pytest.mark.parametrize(
    "command",
    [
        ("check", "zoo:person-detection", "--ram", "64kB"), ("check", "zoo:sine", "zoo:ds-cnn"),
        ("plan", "zoo:visual-wake-words", "--no-map"), ("explain", "zoo:sine"), ("inspect", "zoo:sine"),
        ("boards", "sparkfun-edge"), ("compare", "zoo:sine", "--filter", "arduino"), ("targets", "pico"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_terminal_of_40_columns_without_colour_and_utf_8(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = as_windows(tmp_path, *command, COLUMNS="40", NO_COLOR="1", PYTHONIOENCODING="ascii", TERM="dumb")
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    # Commands, paths, addresses and targets are copied, and stay whole.
    wide = [line for line in done.stdout.splitlines() if len(line) > 40 and " " in line.strip()]
    assert [line for line in wide if "mcuplan " not in line] == []
