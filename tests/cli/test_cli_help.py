"""Help texts: grouped by job, with examples that run as they stand."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from mcuplan.cli import _COMMANDS, cli

GIVEN = {
    "buffers.csv": "id,lower,upper,size\na,0,2,1024\nb,1,3,2048\n",
    "firmware/library.properties": "name=Arduino_TensorFlowLite\nversion=2.4.0-ALPHA\n",
}
"""Files that examples name and the user has: a problem of allocation, a firmware project."""


def examples(command: str) -> list[str]:
    found = cli.get_command(None, command)  # type: ignore[arg-type]
    assert found is not None
    lines = (found.epilog or "").splitlines()
    return [line.strip() for line in lines if line.startswith("  mcuplan ")]


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_examples_of_the_help_run(cli: Any, command: str) -> None:
    for name, text in GIVEN.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    commands = examples(command)
    assert commands
    assert all(line in cli(command, "--help").out for line in commands)
    for line in commands:
        done = cli(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}\n{done.err}{done.out}"


@pytest.mark.parametrize("command", ["inspect", "explain", "export", "latency", "energy", "verify", "whatif"])
def test_an_option_for_one_board_is_not_called_repeatable(cli: Any, command: str) -> None:
    text = " ".join(cli(command, "--help").out.split())
    about = text.partition("--board BOARD")[2].partition("--toolchain")[0]
    assert "or a .toml file." in about
    assert "repeated" not in about


@pytest.mark.parametrize("command", ["check", "compare", "plan", "report", "diff"])
def test_an_option_for_several_boards_says_so(cli: Any, command: str) -> None:
    text = " ".join(cli(command, "--help").out.split())
    assert "May be repeated." in text.partition("--board BOARD")[2].partition("--toolchain")[0]


def test_alone_it_shows_the_roads(cli: Any) -> None:
    done = cli()
    assert done.code == 2
    for road in ("Does it fit?", "Make it fit.", "Guard it."):
        assert road in done.err
    assert len(done.err.splitlines()) < 20
