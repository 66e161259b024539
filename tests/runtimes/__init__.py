"""Real runtimes for tests: each runs a model in a child process and says what it gave.

* :func:`run_tflm`: TensorFlow Lite Micro of the `tflite-micro` wheel (64-bit host, reference kernels);
* :func:`run_wasm`: TensorFlow Lite Micro as a 32-bit WebAssembly program of the `mcufit` wheel, run by Node.js;
* :func:`run_litert`: LiteRT of the `ai-edge-litert` wheel, with its reference kernels.

Every input tensor is filled by the generator of :mod:`runtimes.inputs`. The interpreter that has the wheels is the
one running the tests, or the one that the environment variable ``MCUPLAN_RUNTIME_PYTHON`` names. Where a runtime is
missing, :class:`RuntimeMissingError` is raised; :func:`require` turns that into a skip with its reason.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

SEED = 12345
"""The seed of the shared measurements."""

ARENA_BYTES = 32 * 1024 * 1024
TIMEOUT_SECONDS = 120

_HERE = Path(__file__).parent


class RuntimeMissingError(Exception):
    """A runtime that is not installed here; the text says which and how to get it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of TFLM's RecordingMicroAllocator: what it is for, bytes used and requested, how many requests."""

    kind: str
    used_bytes: int
    requested_bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class TflmRun:
    """What a TFLM said of one model; everything but ``message`` and ``log`` is empty where ``ok`` is False.

    ``head_bytes`` is the non-persistent, ``tail_bytes`` the persistent section; ``outputs_crc32`` eight hex digits
    over all outputs one after the other; ``outputs`` their bytes (empty on the 32-bit build, which tells only the
    CRC32).
    """

    ok: bool
    message: str
    outputs_crc32: str = ""
    arena_used_bytes: int = 0
    head_bytes: int = 0
    tail_bytes: int = 0
    outputs: tuple[bytes, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    log: str = ""


@dataclass(frozen=True, slots=True)
class LitertRun:
    """What LiteRT said of one model; ``outputs`` and their CRC32 are empty where ``ok`` is False."""

    ok: bool
    message: str
    outputs_crc32: str = ""
    outputs: tuple[bytes, ...] = ()


def require(runtime: str) -> None:
    """Skip the calling test where ``runtime`` (``tflm``, ``wasm``, ``litert``) cannot run here."""
    import pytest

    try:
        {"tflm": _tflm_python, "wasm": _wasm_program, "litert": _litert_python}[runtime]()
    except RuntimeMissingError as missing:
        pytest.skip(str(missing))


def run_tflm(
    model: bytes, seed: int = SEED, arena_bytes: int = ARENA_BYTES, inputs: Sequence[bytes] | None = None
) -> TflmRun:
    """One ``Invoke`` on the TFLM of the `tflite-micro` wheel, in an arena of ``arena_bytes``.

    ``inputs``, one a model input, takes the place of seeded data.
    """
    return run_tflm_each([model], seed, arena_bytes, inputs)[0]


def run_tflm_each(
    models: Sequence[bytes],
    seed: int = SEED,
    arena_bytes: int = ARENA_BYTES,
    inputs: Sequence[bytes] | None = None,
) -> list[TflmRun]:
    """:func:`run_tflm` of each model, in one child process as long as none of them ends it."""
    answers = _answers(_tflm_python(), "child_tflm.py", [str(arena_bytes), str(seed)], models, inputs)
    return [_tflm_run(answer) for answer in answers]


def _tflm_run(answer: _Answer) -> TflmRun:
    if answer.outputs is None:
        return TflmRun(False, answer.message, log=answer.log)
    section = {
        name: int(count) for name, count in re.findall(r"Arena allocation (total|head|tail) (\d+) bytes", answer.log)
    }
    recorded = tuple(
        Recorded(kind, int(used), int(requested), int(count))
        for kind, used, requested, count in re.findall(
            r"'([^']+)' used (\d+) bytes with alignment overhead \(requested (\d+) bytes for (\d+) ", answer.log
        )
    )
    return TflmRun(
        True,
        "",
        _crc32(answer.outputs),
        section["total"],
        section["head"],
        section["tail"],
        answer.outputs,
        recorded,
        answer.log,
    )


def run_wasm(model: bytes) -> TflmRun:
    """One ``Invoke`` on the 32-bit TFLM of the `mcufit` wheel, whose inputs are its own.

    Its arena has 3,000,000 bytes, and a model at most 2,000,000.
    """
    return run_wasm_each([model])[0]


def run_wasm_each(models: Sequence[bytes]) -> list[TflmRun]:
    """:func:`run_wasm` of each model, in one child process."""
    node, program = _wasm_program()
    with ExitStack() as stack:
        folders = [stack.enter_context(_scratch(model)) for model in models]
        done = _run([node, str(_HERE / "child_wasm.cjs"), str(program), *map(str, folders)])
    logs = _logs(done.stderr, folders)
    if len(logs) != len(models):
        raise RuntimeError(f"child_wasm.cjs ended early: {done.stderr[-1000:]}")
    return [_wasm_run(log) for log in logs]


def _wasm_run(log: str) -> TflmRun:
    crc = re.search(r"Output CRC32: 0x([0-9A-Fa-f]+)", log)
    section = {name: int(count) for name, count in re.findall(r"(Total|NonPersistent|Persistent) \| +(\d+) \|", log)}
    if crc is None or "Total" not in section:
        return TflmRun(False, _why(log, 0), log=log)
    recorded = tuple(
        Recorded(kind, int(used), int(requested), int(count))
        for kind, used, requested, count in re.findall(
            r"^ *(\w.*\w) \| +\d+ \| +(\d+) \| +(\d+) \| +(\d+) \|", log, re.M
        )
    )
    return TflmRun(
        True,
        "",
        crc.group(1).lower().rjust(8, "0"),
        section["Total"],
        section["NonPersistent"],
        section["Persistent"],
        recorded=recorded,
        log=log,
    )


def run_litert(model: bytes, seed: int = SEED, inputs: Sequence[bytes] | None = None) -> LitertRun:
    """One inference on LiteRT's reference kernels; ``inputs``, one a model input, takes the place of seeded data."""
    return run_litert_each([model], seed, inputs)[0]


def run_litert_each(
    models: Sequence[bytes], seed: int = SEED, inputs: Sequence[bytes] | None = None
) -> list[LitertRun]:
    """:func:`run_litert` of each model, in one child process as long as none of them ends it."""
    answers = _answers(_litert_python(), "child_litert.py", [str(seed)], models, inputs)
    return [
        LitertRun(False, answer.message)
        if answer.outputs is None
        else LitertRun(True, "", _crc32(answer.outputs), answer.outputs)
        for answer in answers
    ]


# -- what is installed ----------------------------------------------------------------------------------------------


def _python() -> str:
    return os.environ.get("MCUPLAN_RUNTIME_PYTHON", sys.executable)


@functools.cache
def _has(python: str, module: str) -> bool:
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0


def _python_with(module: str, remedy: str) -> str:
    python = _python()
    if not _has(python, module):
        raise RuntimeMissingError(f"the Python package {module} is not installed ({remedy})")
    return python


def _tflm_python() -> str:
    return _python_with("tflite_micro", "pip install --pre tflite-micro")


def _litert_python() -> str:
    return _python_with("ai_edge_litert", "pip install ai-edge-litert")


@functools.cache
def _wasm_of(python: str) -> Path:
    probe = "import importlib.util; print(importlib.util.find_spec('mcufit').submodule_search_locations[0])"
    found = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True).stdout.strip()
    return Path(found) / "wasm" / "tflm.js"


def _wasm_program() -> tuple[str, Path]:
    program = _wasm_of(_python_with("mcufit", "pip install mcufit"))
    node = shutil.which("node")
    if node is None:
        raise RuntimeMissingError("Node.js is not installed")
    return node, program


# -- child processes ------------------------------------------------------------------------------------------------


@contextmanager
def _scratch(model: bytes, inputs: Sequence[bytes] | None = None) -> Iterator[Path]:
    """A temporary folder that holds the model as ``model.tflite`` and given inputs as ``input_0.bin``, ..."""
    with tempfile.TemporaryDirectory(prefix="mcuplan-runtime-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model)
        for index, data in enumerate(inputs or ()):
            (folder / f"input_{index}.bin").write_bytes(data)
        yield folder


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"").decode(errors="replace")
        return subprocess.CompletedProcess(command, 1, "", f"{said}\nno answer within {TIMEOUT_SECONDS} seconds")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a child gave for one model: its outputs, None where it failed; why it failed; all it wrote meanwhile."""

    outputs: tuple[bytes, ...] | None
    message: str
    log: str


def _answers(
    python: str, script: str, arguments: list[str], models: Sequence[bytes], inputs: Sequence[bytes] | None
) -> list[_Answer]:
    """The answers to all models; a child that ends early is followed by another one for the rest."""
    answers: list[_Answer] = []
    with ExitStack() as stack:
        folders = [stack.enter_context(_scratch(model, inputs)) for model in models]
        while len(answers) < len(folders):
            rest = folders[len(answers) :]
            done = _run([python, str(_HERE / script), *arguments, *map(str, rest)])
            logs = _logs(done.stderr, rest)
            if not logs:
                raise RuntimeError(f"{script} did not start: {done.stderr}")
            # Only the last one a child came to can be what ended it.
            codes = [0] * (len(logs) - 1) + [done.returncode]
            answers += [_answer(*each) for each in zip(rest, logs, codes, strict=False)]
    return answers


def _logs(text: str, folders: Sequence[Path]) -> list[str]:
    """What was written for each folder that the child came to."""
    parts = re.split(r"^=== (.*)\n", text, flags=re.M)[1:]
    known = {str(folder) for folder in folders}
    return [log for folder, log in zip(parts[::2], parts[1::2], strict=True) if folder in known]


def _answer(folder: Path, log: str, code: int) -> _Answer:
    result = folder / "result.json"
    if result.exists():
        outputs = tuple(bytes.fromhex(output) for output in json.loads(result.read_text(encoding="utf-8")))
        return _Answer(outputs, "", log)
    return _Answer(None, _why(log, code), log)


def _why(log: str, code: int) -> str:
    """The child's words, without a traceback around them, and how it ended if not in order."""
    lines = [line for line in log.splitlines() if line and not line.startswith((" ", "Traceback"))]
    if code != 0:
        lines.append(f"ended by signal {-code}" if code < 0 else f"ended with code {code}")
    return "\n".join(lines)


def _crc32(outputs: tuple[bytes, ...]) -> str:
    return f"{zlib.crc32(b''.join(outputs)):08x}"
