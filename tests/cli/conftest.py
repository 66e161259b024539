"""Models on disk, and the command line run in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mcuplan.cli import run
from mcuplan.graph import CUSTOM
from mcuplan.tflite import save
from mcuplan.zoo import build


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: ``sine`` passes every limit, ``person`` is over 250 kB of flash, ``strange`` has a custom operator."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "deep").mkdir()
    save(build("sine"), folder / "sine.tflite")
    save(build("person-detection"), folder / "deep" / "person.tflite")
    graph = build("sine")
    main = graph.main
    code = replace(main.operators[0].code, name=CUSTOM, custom_code="Strange")
    operators = (replace(main.operators[0], code=code, options=None), *main.operators[1:])
    strange = replace(graph, subgraphs=(replace(main, operators=operators),), operator_codes=())
    save(strange, folder / "strange.tflite")
    return folder


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs ``mcuplan`` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str | Path) -> Outcome:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


def process(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs ``mcuplan`` as users do, in a process of its own."""
    command = [sys.executable, "-m", "mcuplan", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, cwd=cwd, env={**os.environ, **environment}, timeout=120, check=False
    )
