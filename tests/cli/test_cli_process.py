"""The installed command, in a process of its own: streams, terminals, signals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import process

from mcuplan.tflite import save
from mcuplan.zoo import build

HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red]\n\u202e<script>alert(1)</script>"


def command() -> str:
    """The ``mcuplan`` program that installing put beside this Python."""
    found = shutil.which("mcuplan", path=str(Path(sys.executable).parent)) or shutil.which("mcuplan")
    if found is None:
        pytest.skip("mcuplan is not installed, only on the path")
    return found


def test_the_installed_command(models: Path) -> None:
    done = subprocess.run([command(), "check", models / "sine.tflite"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "PASS" in done.stdout


def test_exit_codes(models: Path, tmp_path: Path) -> None:
    assert process("check", models / "sine.tflite").returncode == 0
    assert process("check", models / "strange.tflite").returncode == 1
    broken = process("check", tmp_path / "none.tflite")
    assert broken.returncode == 2
    assert b"Traceback" not in broken.stderr


def test_a_pipe_gets_no_colours_and_no_color_is_kept(models: Path) -> None:
    assert b"\x1b" not in process("check", models / "sine.tflite").stdout
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert b"\x1b[" in process("check", models / "sine.tflite", **forced).stdout
    plain = process("check", models / "sine.tflite", **forced, NO_COLOR="1").stdout
    assert b"\x1b[32m" not in plain
    assert b"\x1b[1;32m" not in plain


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_any_encoding_will_do(models: Path, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "Modell \u6a21\u578b.tflite"
    path.write_bytes((models / "deep" / "person.tflite").read_bytes())
    for arguments in (["check", path], ["inspect", path, "--blocks"]):
        done = process(*arguments, PYTHONIOENCODING=encoding)
        assert b"Traceback" not in done.stderr
        shown = done.stdout.decode(encoding)
        assert ("\u6a21" in shown) == encoding.startswith("utf")
        assert ("\u2588" in shown) == encoding.startswith("utf")


@pytest.mark.parametrize("columns", ["20", "40", "79", "200"])
def test_the_terminals_width_is_kept(models: Path, columns: str) -> None:
    for arguments in (["check", models], ["inspect", models / "sine.tflite", "--arena"], ["boards"],
                      ["boards", "teensy-4-1"], ["compare", "zoo:sine", "--cheapest"]):  # fmt: skip
        shown = process(*arguments, COLUMNS=columns, cwd=models).stdout.decode()
        urls = [line for line in shown.splitlines() if "://" in line]
        assert max(len(line) for line in shown.splitlines() if line not in urls) <= int(columns)


def hostile_model(folder: Path) -> Path:
    graph = build("sine")
    main = graph.main
    tensors = tuple(replace(tensor, name=f"{HOSTILE}{i}") for i, tensor in enumerate(main.tensors))
    code = replace(main.operators[0].code, name="CUSTOM", custom_code=HOSTILE)
    operators = (replace(main.operators[0], code=code, options=None), *main.operators[1:])
    path = folder / "hostile.tflite"
    changed = replace(main, tensors=tensors, operators=operators, name=HOSTILE)
    save(replace(graph, subgraphs=(changed,), operator_codes=(), description=HOSTILE), path)
    return path


@pytest.mark.parametrize("arguments", [["check"], ["inspect", "--arena"], ["inspect", "--blocks"], ["compare"]])
def test_names_of_a_hostile_model_do_nothing(tmp_path: Path, arguments: list[str]) -> None:
    done = process(arguments[0], hostile_model(tmp_path), *arguments[1:], FORCE_COLOR="1", NO_COLOR="1")
    assert b"Traceback" not in done.stderr
    for stream in (done.stdout, done.stderr):
        for code in (b"\x1b[2J", b"\x1b]", b"\x07", "\u202e".encode()):
            assert code not in stream
    if arguments[0] == "check":
        assert b"[red]" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="such file names are POSIX's")
def test_names_of_hostile_files_do_nothing(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    good, bad, undecodable = (folder / f"{HOSTILE.replace('/', '_')}{i}.tflite" for i in range(3))
    good.write_bytes((models / "sine.tflite").read_bytes())
    bad.write_bytes(b"no model")
    os.fsencode(undecodable)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.tflite")).write_bytes(b"no model")
    done = process("check", folder)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert all(code not in done.stdout + done.stderr for code in (b"\x1b", b"\x07", "\u202e".encode()))
    assert done.stderr.count(b"\n") == 2
    document = json.loads(process("check", folder, "--format", "json").stdout)
    assert document["exit_code"] == 2
    assert {r["verdict"] for r in document["results"]} == {"pass", "error"}


@pytest.mark.skipif(os.name != "posix", reason="pipes break so on POSIX")
@pytest.mark.parametrize("arguments", [["check"], ["compare"], ["check", "--format", "json"]])
def test_a_reader_that_goes_away_is_no_broken_limit(models: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "-m", "mcuplan", arguments[0], str(models / "sine.tflite"), *arguments[1:]]
    done = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("arguments", [[], ["--format", "json"], ["-o", "/dev/full"]])
def test_a_full_disk_is_said(models: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        line = [sys.executable, "-m", "mcuplan", "check", str(models / "sine.tflite"), *arguments]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_shell_completes_boards_zoo_models_and_commands() -> None:
    def completed(words: str, at: int) -> list[str]:
        done = process(_MCUPLAN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(at))
        return [line.partition(b",")[2].decode() for line in done.stdout.splitlines()]

    assert completed("mcuplan ch", 1) == ["check"]
    assert "teensy-4-1" in completed("mcuplan check x --board tee", 4)
    assert completed("mcuplan check zoo:person", 2) == ["zoo:person-detection"]
    assert "sine" in completed("mcuplan zoo si", 2)


def test_starting_up_does_not_bring_what_is_not_needed(models: Path) -> None:
    """networkx and numpy take longer to import than a plan takes; pydantic is for boards and configurations."""
    script = (
        "import sys; from mcuplan.cli import run; code = run(sys.argv[1:]); "
        "print([m for m in ('networkx', 'numpy', 'pydantic', 'rich.table', 'jsonschema', 'asyncio', 'tflite') "
        "if m in sys.modules], code)"
    )
    line = [sys.executable, "-c", script, "check", str(models / "sine.tflite"), "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=models, check=False)
    assert done.stdout == "[] 0\n"
    planned = [*line[:3], "plan", str(models / "sine.tflite"), "--no-map", "-o", str(models / "planned.tflite")]
    done = subprocess.run(planned, capture_output=True, text=True, cwd=models, check=False)
    assert done.stdout.endswith("\n[] 0\n")
    version = subprocess.run([*line[:3], "boards", "--help"], capture_output=True, text=True, check=False)
    assert version.stdout.endswith("[] 0\n")


def shell(line: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """``mcuplan`` through a shell that closes streams; ``line`` says which."""
    program = f'exec "$0" -m mcuplan "$@" {line}'
    return subprocess.run(
        ["sh", "-c", program, sys.executable, *map(str, arguments)], capture_output=True, timeout=120, check=False
    )


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes them")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "<&-"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "zoo:sine", "--format", "json"], 0),
        (["check", "zoo:sine"], 0),
        (["check", "zoo:sine", "--ram", "800"], 1),
        (["check", "none.tflite"], 2),
        (["inspect", "zoo:sine", "--arena"], 0),
        (["plan", "zoo:sine"], 0),
        (["frobnicate"], 2),
        (["--version"], 0),
        ([], 2),
    ],
)
def test_closed_streams_change_no_exit_code(closed: str, arguments: list[str], code: int) -> None:
    done = shell(closed, *arguments)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b"bug" not in done.stderr
    assert not ("2>" in closed and done.stderr)


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes them")
def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """What is said on a closed stderr must not end up in the report that is being written."""
    report = tmp_path / "report.json"
    done = shell("<&- >&- 2>&-", "check", "zoo:sine", "none.tflite", "--format", "json", "-o", report)
    assert done.returncode == 2
    assert json.loads(report.read_text())["exit_code"] == 2


@pytest.mark.skipif(os.name != "posix", reason="pipes break so on POSIX")
@pytest.mark.parametrize(("arguments", "code"), [(["check", "none.tflite"], 2), (["frobnicate"], 2), ([], 2)])
def test_nobody_who_listens_to_errors_changes_no_exit_code(arguments: list[str], code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "mcuplan", *arguments], stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == code


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_run_that_is_terminated_says_so_and_cleans_up(tmp_path: Path) -> None:
    """Ended while the planned model is being written, by a process that then waits for it."""
    script = (
        "import os, signal, sys\nfrom mcuplan import files\nfrom mcuplan.cli import main\n"
        "files._lock = lambda file: os.kill(os.getpid(), signal.SIGTERM)\n"
        "main(['check', 'zoo:sine', '--format', 'json', '-o', 'report.json'])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (143, b"mcuplan: error: terminated\n")
    assert os.listdir(tmp_path) == []
