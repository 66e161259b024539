#!/usr/bin/env python3
"""Measures instructions of single operators on an emulated Cortex-M4F.

    make -f tools/measure_instructions/Makefile TFLM=... (see there), twice: LIBRARY=cmsis-nn and LIBRARY=reference
    python tools/measure_instructions/measure.py build/cmsis-nn.elf cmsis-nn --seed 1 --count 12 >> calls.jsonl

Draws operators (``draws.py``), builds a model of each, runs it in QEMU and prints a line of JSON for each: library,
call (the fields of :class:`mcuplan.estimates.instructions.Call`), instructions. ``tools/data/instructions.jsonl`` holds
such lines; ``tools/fit_instructions.py`` fits the cost model to them and to ``truth/instructions.csv``.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from draws import Entry, drawn, drawn_of

from mcuplan.estimates.instructions import Call, call_of
from mcuplan.graph import Graph
from mcuplan.operators import OperatorCall
from mcuplan.tflite import write
from mcuplan.zoo.single import build_operator, expanded

BATCH = 60
MOST_BYTES = 15_900_000
"""What the emulated board's memory holds."""


@dataclass
class Run:
    """One model's Invoke: instructions in all, and of each call ``(operator, own, with what it calls)``."""

    ok: bool
    total: int
    calls: list[tuple[str, int, int]] = field(default_factory=list)


def _packed(models: Sequence[bytes]) -> bytes:
    parts = [struct.pack("<IIII", len(models), 1, 0, 0)]
    parts += [struct.pack("<IIII", len(m), 0, 0, 0) + m + b"\0" * (-len(m) % 16) for m in models]
    return b"".join(parts)


def run_models(firmware: Path, models: Sequence[bytes]) -> list[Run]:
    """Runs of all models, a batch of them in each emulator.

    Raises
    ------
    subprocess.TimeoutExpired
        Where the emulated board hangs, as it does after a fault.
    """
    runs: list[Run] = []
    for first in range(0, len(models), BATCH):
        batch = _packed(models[first : first + BATCH])
        if len(batch) > MOST_BYTES:
            raise SystemExit(f"models of {len(batch):,} bytes do not fit in the board's memory")
        with tempfile.NamedTemporaryFile(suffix=".bin") as file:
            file.write(batch)
            file.flush()
            runs += _read(_emulate(firmware, Path(file.name)))
    return runs


def _emulate(firmware: Path, models: Path) -> str:
    command = [
        "qemu-system-arm", "-M", "mps2-an386", "-kernel", str(firmware), "-nographic", "-icount", "shift=0",
        "-semihosting-config", "enable=on,target=native", "-monitor", "none", "-serial", "null",
        "-device", f"loader,file={models},addr=0x21000000,force-raw=on",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    return done.stdout + done.stderr


def _read(text: str) -> list[Run]:
    runs: list[Run] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["M"]:
            runs.append(Run(words[2] == "ok", int(words[3]) if len(words) > 3 else 0))
        elif words[:1] == ["E"] and runs:
            runs[-1].calls.append((words[1], int(words[2]), int(words[3])))
    return runs


def _models(entries: Iterator[Entry]) -> Iterator[tuple[Graph, bytes]]:
    for entry in entries:
        graph = build_operator(next(expanded(entry)))
        data = write(graph)
        if len(data) < MOST_BYTES // BATCH:
            yield graph, data


def main(arguments: Sequence[str]) -> int:
    """Draw, run, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("firmware", type=Path)
    parser.add_argument("library", choices=("cmsis-nn", "reference"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--kinds", default="", help="names of draws.py alone, with commas between")
    options = parser.parse_args(arguments)
    every = drawn(options.seed, options.count, options.library)
    entries = drawn_of(options.kinds.split(","), options.seed, options.count) if options.kinds else every
    models = list(_models(entries))
    runs = run_models(options.firmware, [data for _, data in models])
    for (graph, _), run in zip(models, runs, strict=True):
        call = call_of(OperatorCall(graph, graph.main, graph.main.operators[0]))
        if run.ok and call is not None:
            print(json.dumps([options.library, as_row(call), run.calls[0][1]]))
    return 0


def as_row(call: Call) -> dict[str, object]:
    """A call's fields that are not their defaults."""
    return {k: v for k, v in call._asdict().items() if v != Call._field_defaults.get(k)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
