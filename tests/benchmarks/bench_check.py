"""How long `mcuplan check` takes as a whole process, against two measures.

Run it: python tests/benchmarks/bench_check.py

Medians of interleaved runs of

- ``mcuplan check`` of the zoo's person detection model, without and with a board;
- importing what any tool of this kind imports: numpy, networkx, pydantic, rich.table, tflite (at most 1.5x that);
- ``mcufit check`` of the same model, where mcufit is on the path or named by ``--mcufit`` (no more than that);

peak memory (at most 120 MB), and 300 models in one call (at most 20 ms each beyond start-up). Every Python keeps its
bytecode in one temporary folder and runs once before it is timed, so that compiling is nobody's handicap.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

IMPORTS = "import numpy, networkx, pydantic, rich.table, tflite"
BOARD = "arduino-nano-33-ble-sense"
MANY = 300


@dataclass(frozen=True)
class Measure:
    """One bound: what was found, and what is allowed."""

    what: str
    found: float
    allowed: float
    unit: str = ""

    def __str__(self) -> str:
        verdict = "ok" if self.found <= self.allowed else "MISSED"
        return f"{self.what:<58} {self.found:8.2f}{self.unit} of {self.allowed:g}{self.unit}  {verdict}"


def timed(command: Sequence[str], environment: dict[str, str]) -> tuple[float, int]:
    """Wall seconds and peak resident bytes of one run."""
    start = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit


def medians(
    commands: dict[str, Sequence[str]], rounds: int, environment: dict[str, str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Median seconds and greatest peak bytes of each command, the runs interleaved."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0)
    for command in commands.values():
        timed(command, environment)
    for _ in range(rounds):
        for name, command in commands.items():
            seconds, peak = timed(command, environment)
            times[name].append(seconds)
            peaks[name] = max(peaks[name], peak)
    return {name: statistics.median(found) for name, found in times.items()}, peaks


def main() -> int:
    """Measure, print, and end with 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="runs of each command (default 11)")
    parser.add_argument("--mcufit", default=shutil.which("mcufit"), help="the mcufit program (default: on the path)")
    options = parser.parse_args()

    from mcuplan.tflite import save
    from mcuplan.zoo import build

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "person_detection.tflite"
        save(build("person-detection"), model)
        many = Path(folder) / "many"
        many.mkdir()
        for index in range(MANY):
            shutil.copyfile(model, many / f"{index:03}.tflite")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")
        mcuplan = [sys.executable, "-m", "mcuplan", "check"]
        commands: dict[str, Sequence[str]] = {
            "imports": [sys.executable, "-c", IMPORTS],
            "check": [*mcuplan, str(model)],
            "check --board": [*mcuplan, str(model), "--board", BOARD],
            "check --format json": [*mcuplan, str(model), "--format", "json"],
        }
        if options.mcufit:
            commands["mcufit"] = [options.mcufit, "check", str(model), "--board", "nano33ble"]
        seconds, peaks = medians(commands, options.rounds, environment)
        for name, median in seconds.items():
            print(f"{name:<22} {median * 1000:7.0f} ms  {peaks[name] / 1e6:6.1f} MB")
        batch, batch_peak = medians({"many": [*mcuplan, str(many)]}, 3, environment)
    each = (batch["many"] - seconds["check"]) / (MANY - 1) * 1000
    print(f"{f'check of {MANY} models':<22} {batch['many'] * 1000:7.0f} ms  {batch_peak['many'] / 1e6:6.1f} MB\n")

    ours = ("check", "check --board", "check --format json")
    measures = [Measure(f"{name} / imports", seconds[name] / seconds["imports"], 1.5) for name in ours]
    if "mcufit" in seconds:
        measures += [Measure(f"{name} / mcufit check", seconds[name] / seconds["mcufit"], 1.0) for name in ours]
    else:
        print("mcufit is not installed: pip install mcufit (and node), or name it with --mcufit\n")
    measures += [Measure(f"peak memory of {name}", peaks[name] / 1e6, 120, " MB") for name in ours]
    measures += [
        Measure(f"peak memory of {MANY} models", batch_peak["many"] / 1e6, 120, " MB"),
        Measure(f"each of {MANY} models beyond start-up", each, 20, " ms"),
    ]
    print("\n".join(map(str, measures)))
    return int(any(measure.found > measure.allowed for measure in measures))


if __name__ == "__main__":
    sys.exit(main())
