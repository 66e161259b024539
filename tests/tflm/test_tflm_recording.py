"""Logs of devices and hosts: what TFLM prints, read and held against the prediction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcuplan.tflite import read, write
from mcuplan.tflm import Target
from mcuplan.tflm.recording import (
    AllocationFailure,
    RecordedLine,
    of_64_bit_host,
    parse_failures,
    parse_log,
    recorded_lines,
)
from mcuplan.zoo import build

TARGET = Target.parse("cortex-m4+reference")


def printed(lines: tuple[RecordedLine, ...]) -> str:
    """The lines as ``PrintAllocations`` writes them."""
    text = ""
    for line in lines:
        if line.requested is None:
            text += f"[RecordingMicroAllocator] Arena allocation {line.name} {line.used} bytes\n"
        else:
            text += (
                f"[RecordingMicroAllocator] '{line.name}' used {line.used} bytes with alignment overhead "
                f"(requested {line.requested} bytes for 7 allocations)\n"
            )
    return text


def run(cli_arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    from mcuplan.cli import run as run_cli

    code = run_cli(cli_arguments)
    return code, capsys.readouterr().out


def test_a_log_of_the_target_is_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.txt"
    log.write_text(printed(recorded_lines(read(write(build("sine")), "sine"), TARGET)))
    code, out = run(["explain", "zoo:sine", "--target", str(TARGET), "--compare", str(log)], capsys)
    assert (code, "equal" in out, "64-bit" in out) == (0, True, False)


def test_the_lines_of_a_64_bit_host_are_told_by_their_tensors() -> None:
    """A TfLiteEvalTensor is two pointers and a type: 12 bytes for 32 bits, 24 for 64."""
    wide = "[RecordingMicroAllocator] 'TfLiteEvalTensor data' used 168 bytes (requested 168 bytes for 7 allocations)"
    narrow = wide.replace("168", "84")
    assert of_64_bit_host(parse_log(wide), TARGET)
    assert not of_64_bit_host(parse_log(narrow), TARGET)
    assert not of_64_bit_host(parse_log("[RecordingMicroAllocator] Arena allocation head 5 bytes"), TARGET)


def test_a_real_hosts_log_is_recognised_and_its_head_compared(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runtime: Any = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    model = write(build("person-detection"))
    (tmp_path / "m.tflite").write_bytes(model)
    interpreter = runtime.Interpreter.from_bytes(model)
    interpreter.print_allocations()
    captured = capfd.readouterr()
    log = tmp_path / "log.txt"
    log.write_text(captured.out + captured.err)
    from mcuplan.cli import run as run_cli

    arguments = ["explain", str(tmp_path / "m.tflite"), "--target", str(TARGET), "--compare", str(log)]
    assert run_cli(arguments) == 0
    assert "64-bit host" in " ".join(capfd.readouterr().out.split())
    assert run_cli([*arguments, "--format", "json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["log_of_64_bit_host"] is True
    head = next(row for row in told["compared"] if row["name"] == "head")
    assert head["predicted"]["used"] == head["logged"]["used"] == 55_296


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        (
            "Failed to allocate tail memory. Requested: 1344, available 300, missing: 1044",
            AllocationFailure("allocate tail memory", 1_344, 300, 1_044),
        ),
        (
            "E (312) tflm: Failed to resize buffer. Requested: 55296, available 40000, missing: 15296\r\n",
            AllocationFailure("resize buffer", 55_296, 40_000, 15_296),
        ),
        ("Requested: 9, available 4, missing: 5", AllocationFailure("allocate memory", 9, 4, 5)),
        (
            "Arena size is too small for all buffers. Needed 70112 but only 60000 was available.",
            AllocationFailure("place all buffers", 70_112, 60_000, 10_112),
        ),
    ],
)
def test_what_tflm_says_of_an_arena_that_is_too_small(
    line: str, failure: AllocationFailure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parse_failures(f"booting\n{line}\nFailed to allocate") == (failure,)
    log = tmp_path / "serial.txt"
    log.write_text(line)
    code, out = run(["explain", "zoo:person-detection", "--compare", str(log)], capsys)
    assert code == 1
    assert f"{failure.missing:,} missing" in " ".join(out.split())
    assert "the arena to declare is 82,320 bytes" in " ".join(out.split())


def test_a_log_without_either_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mcuplan.cli import run as run_cli

    log = tmp_path / "serial.txt"
    log.write_text("hello\n")
    assert run_cli(["explain", "zoo:sine", "--compare", str(log)]) == 2
    assert "no line of TFLM's RecordingMicroAllocator" in capsys.readouterr().err
