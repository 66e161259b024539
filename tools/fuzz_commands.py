"""Runs every command on mutated models and looks for exceptions that are not one clear sentence.

Usage: ``python tools/fuzz_commands.py [--count 100000] [--seed 1] [--keep FOLDER] [--seconds 10]``.

Mutants are those of :mod:`mutations`, of small models. A command may end with 0, 1 or 2 and a sentence; any other
exception is printed once for each place that raised it, with how often, and the first file kept. What takes longer
than ``--seconds`` is printed too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import random
import signal
import struct
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from mutations import broken, mutant

from mcuplan import tflite
from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.zoo import build
from mcuplan.zoo.single import build_operator, operator_models

COMMANDS: Sequence[Sequence[str]] = (
    ("check", "MODEL", "--board", "sparkfun-edge"), ("check", "MODEL", "--format", "json"), ("check", "MODEL", "--why"),
    ("check", "MODEL", "--latency", "1s", "--board", "nano33ble"), ("plan", "MODEL", "--time-limit", "1"),
    ("plan", "MODEL", "-o", "OUT.tflite", "--time-limit", "1", "--force"),
    ("plan", "MODEL", "--patch", "--time-limit", "1"), ("plan", "MODEL", "--format", "json", "--time-limit", "1"),
    ("report", "MODEL", "-o", "OUT.html"), ("latency", "MODEL", "--board", "nano33ble"),
    ("energy", "MODEL", "--board", "nano33ble"), ("whatif", "MODEL", "--prune", "0.3"),
    ("whatif", "MODEL", "--width", "0.5"), ("whatif", "MODEL", "--input", "16x16"),
    ("whatif", "MODEL", "--sparsity", "0.01"), ("whatif", "MODEL", "--int8"), ("fit-search", "MODEL"),
    ("explain", "MODEL"), ("inspect", "MODEL"), ("compare", "MODEL"), ("diff", "BASE", "MODEL"),
    ("export", "MODEL", "-o", "OUT", "--force"), ("export", "MODEL", "-o", "OUT"),
)  # fmt: skip


class TooSlowError(Exception):
    """A command that the alarm ended."""


@dataclass
class Findings:
    """What was found, by where it was raised."""

    runs: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    shown: dict[str, str] = field(default_factory=dict)


def bases() -> list[Graph]:
    """Single-operator models and a few networks that have everything a command looks at."""
    networks = [build(name) for name in ("sine", "micro-speech", "ds-cnn")]
    return [*(build_operator(spec) for spec in operator_models()), *networks]


def mutants(seed: int) -> Iterator[tuple[str, Graph, bytes]]:
    """Mutants that could be written as files: their changes, their base and their bytes."""
    models, rng = bases(), random.Random(seed)
    while True:
        graph = rng.choice(models)
        changes, changed = mutant(graph, rng)
        try:
            yield changes, graph, tflite.write(changed)
        except (McuplanError, ValueError, OverflowError, struct.error, TypeError, IndexError):
            continue


def sweep() -> Iterator[tuple[str, Graph, bytes]]:
    """One model of each operator, with each thing taken away that code likes to take for granted."""
    seen = set[str]()
    for spec in operator_models():
        if spec.operator in seen:
            continue
        seen.add(spec.operator)
        graph = build_operator(spec)
        for changes, changed in broken(graph):
            try:
                yield f"{spec.name}: {changes}", graph, tflite.write(changed)
            except (McuplanError, ValueError, OverflowError, struct.error, TypeError, IndexError):
                continue


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlowError


def run_command(arguments: Sequence[str], seconds: float) -> int:
    """The exit code of one command in this process, its output thrown away; other exceptions come out."""
    from mcuplan.cli import run

    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return run(arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _place(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "/mcuplan/" in f.filename]
    near = ours[-1] if ours else frame
    return f"{type(error).__name__} in {Path(near.filename).name}:{near.lineno} {near.name}"


def fuzz(
    models: Iterable[tuple[str, Graph, bytes]],
    seconds: float,
    chosen: Callable[[], Sequence[Sequence[str]]],
    keep: Path | None = None,
) -> Findings:
    """On each model run the commands that ``chosen`` gives for it."""
    os.environ["MCUPLAN_DEBUG"] = "1"
    signal.signal(signal.SIGALRM, _alarm)
    found = Findings()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = {"MODEL": str(folder / "model.tflite"), "BASE": str(folder / "base.tflite")}
        for changes, graph, data in models:
            (folder / "model.tflite").write_bytes(data)
            for command in chosen():
                if "BASE" in command:
                    tflite.save(graph, folder / "base.tflite")
                arguments = [places.get(part, part.replace("OUT", str(folder / "out"))) for part in command]
                found.runs += 1
                try:
                    found.codes[run_command(arguments, seconds)] += 1
                except Exception as error:
                    _note(found, command, changes, error, keep, data)
    return found


def _note(
    found: Findings, command: Sequence[str], changes: str, error: Exception, keep: Path | None, data: bytes
) -> None:
    where = f"{command[0]}: {_place(error)}"
    found.raised[where] += 1
    if where in found.shown:
        return
    found.shown[where] = f"{' '.join(command)}\n  {changes}\n{traceback.format_exc()}"
    print(f"NEW {where}: {changes}: {error!s:.200}", flush=True)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{len(found.shown)}-{command[0]}.tflite").write_bytes(data)


def main() -> None:
    """Fuzz, and print each fault once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sweep", action="store_true", help="every command on every model of `sweep` instead")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--keep", type=Path, help="folder for the first file of each fault")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    models = sweep() if given.sweep else itertools.islice(mutants(given.seed), given.count)
    found = fuzz(models, given.seconds, lambda: COMMANDS if given.sweep else [rng.choice(COMMANDS)], given.keep)
    for where, text in found.shown.items():
        print(f"--- {found.raised[where]} x {where}\n{text}")
    print(f"runs {found.runs}, exit codes {dict(found.codes)}, faults {sum(found.raised.values())}")


if __name__ == "__main__":
    main()
