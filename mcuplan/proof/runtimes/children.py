"""Real runtimes: a model runs in a child process and this says what it gave.

TFLM is the `tflite-micro` wheel (64-bit host, reference kernels), LiteRT the `ai-edge-litert` wheel with its reference
kernels. Both come with mcuplan's extras ``tflm`` and ``litert``. The interpreter that has them is the one running
mcuplan, or the one that the environment variable ``MCUPLAN_RUNTIME_PYTHON`` names.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mcuplan import files
from mcuplan.errors import McuplanError

PYTHON_VARIABLE = "MCUPLAN_RUNTIME_PYTHON"

TIMEOUT_SECONDS = 120
"""For one child process, whatever it runs."""

ARENA_BYTES = 32 * 1024 * 1024

_RESULT_LIMIT = 1 << 30
"""Bytes of what a child answers: outputs in hexadecimal."""

SEED = 12345
"""The seed of the published measurements."""

CHILD = Path(__file__).parent / "child.py"


class RuntimeMissingError(McuplanError):
    """A runtime that is not installed; the text says which and how to get it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of TFLM's RecordingMicroAllocator: what it is for, bytes used and requested, how many requests."""

    kind: str
    used_bytes: int
    requested_bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class RuntimeRun:
    """What a runtime said of one model.

    ``calls`` are the outputs' bytes of each call, in one interpreter; empty where ``ok`` is False, and then
    ``message`` says why. Of TFLM also the arena as it printed it: ``head_bytes`` the non-persistent, ``tail_bytes``
    the persistent section (64-bit pointers). ``log`` is all that it wrote.
    """

    ok: bool
    message: str
    calls: tuple[tuple[bytes, ...], ...] = ()
    arena_used_bytes: int = 0
    head_bytes: int = 0
    tail_bytes: int = 0
    recorded: tuple[Recorded, ...] = ()
    log: str = ""


def run_tflm(
    models: Sequence[bytes],
    seeds: Sequence[int] = (SEED,),
    arena_bytes: int = ARENA_BYTES,
    inputs: Sequence[bytes] | None = None,
) -> list[RuntimeRun]:
    """Each model on TFLM, called once for each seed in an arena of ``arena_bytes``.

    All run in one child process as long as none of them ends it. ``inputs``, one a model input, takes the place of
    seeded data. Raises RuntimeMissingError where TFLM is not installed.
    """
    return [_with_arena(run) for run in _runs(python_with_tflm(), "tflm", models, seeds, arena_bytes, inputs)]


def run_litert(
    models: Sequence[bytes], seeds: Sequence[int] = (SEED,), inputs: Sequence[bytes] | None = None
) -> list[RuntimeRun]:
    """Each model on LiteRT's reference kernels, as :func:`run_tflm`. Raises RuntimeMissingError without LiteRT."""
    return list(_runs(python_with_litert(), "litert", models, seeds, 0, inputs))


def _with_arena(run: RuntimeRun) -> RuntimeRun:
    if not run.ok:
        return run
    section = {
        name: int(count) for name, count in re.findall(r"Arena allocation (total|head|tail) (\d+) bytes", run.log)
    }
    recorded = tuple(
        Recorded(kind, int(used), int(requested), int(count))
        for kind, used, requested, count in re.findall(
            r"'([^']+)' used (\d+) bytes with alignment overhead \(requested (\d+) bytes for (\d+) ", run.log
        )
    )
    return RuntimeRun(
        True, "", run.calls, section["total"], section["head"], section["tail"], recorded, run.log
    )  # fmt: skip


# -- what is installed ----------------------------------------------------------------------------------------------


def python_with_tflm() -> str:
    """The interpreter that has TFLM. Raises RuntimeMissingError."""
    return python_with("tflite_micro", "pip install --pre tflite-micro")


def python_with_litert() -> str:
    """The interpreter that has LiteRT. Raises RuntimeMissingError."""
    return python_with("ai_edge_litert", "pip install ai-edge-litert")


def python_with(module: str, remedy: str) -> str:
    """The interpreter for runtimes if it has ``module``.

    Raises RuntimeMissingError, which names the ``remedy``, where it has not.
    """
    python = os.environ.get(PYTHON_VARIABLE) or sys.executable
    if not has_module(python, module):
        raise RuntimeMissingError(f"the Python package {module} is not installed ({remedy})")
    return python


@functools.cache
def has_module(python: str, module: str) -> bool:
    """True where the interpreter at path ``python`` can import ``module``."""
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    try:
        return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


# -- child processes ------------------------------------------------------------------------------------------------


@contextmanager
def model_folder(model: bytes, inputs: Sequence[bytes] | None = None) -> Iterator[Path]:
    """A temporary folder that holds the model as ``model.tflite`` and given inputs as ``input_0.bin``, ..."""
    with tempfile.TemporaryDirectory(prefix="mcuplan-runtime-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model)
        for index, data in enumerate(inputs or ()):
            (folder / f"input_{index}.bin").write_bytes(data)
        yield folder


def run_child(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The finished child; one that takes too long counts as failed and says so."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"").decode(errors="replace") if isinstance(late.stderr, bytes) else late.stderr or ""
        return subprocess.CompletedProcess(command, 1, "", f"{said}\nno answer within {TIMEOUT_SECONDS} seconds")


def _runs(
    python: str,
    runtime: str,
    models: Sequence[bytes],
    seeds: Sequence[int],
    arena_bytes: int,
    inputs: Sequence[bytes] | None,
) -> Iterator[RuntimeRun]:
    """The answers to all models; a child that ends early is followed by another one for the rest."""
    done = 0
    with ExitStack() as stack:
        folders = [stack.enter_context(model_folder(model, inputs)) for model in models]
        while done < len(folders):
            rest = folders[done:]
            command = [python, str(CHILD), runtime, str(arena_bytes), ",".join(map(str, seeds)), *map(str, rest)]
            child = run_child(command)
            logs = folder_logs(child.stderr, rest)
            if not logs:
                raise RuntimeMissingError(f"{runtime} did not start: {child.stderr.strip()[-500:]}")
            # Only the last one a child came to can be what ended it.
            codes = [0] * (len(logs) - 1) + [child.returncode]
            for each in zip(rest, logs, codes, strict=False):
                yield _run_of(*each)
            done += len(logs)


def folder_logs(text: str, folders: Sequence[Path]) -> list[str]:
    """What was written for each folder that the child came to."""
    parts = re.split(r"^=== (.*)\n", text, flags=re.M)[1:]
    known = {str(folder) for folder in folders}
    return [log for folder, log in zip(parts[::2], parts[1::2], strict=True) if folder in known]


def _run_of(folder: Path, log: str, code: int) -> RuntimeRun:
    result = folder / "result.json"
    if not result.exists():
        return RuntimeRun(False, reason(log, code), log=log)
    told = json.loads(files.read(result, _RESULT_LIMIT))
    return RuntimeRun(True, "", tuple(tuple(bytes.fromhex(output) for output in outputs) for outputs in told), log=log)


def reason(log: str, code: int) -> str:
    """The child's words, without a traceback around them, and how it ended if not in order."""
    lines = [line for line in log.splitlines() if line and not line.startswith((" ", "Traceback"))]
    if code != 0:
        lines.append(f"ended by signal {-code}" if code < 0 else f"ended with code {code}")
    return "\n".join(lines)
