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
from contextlib import contextmanager
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
    python = _tflm_python()
    with _scratch(model, inputs) as folder:
        done, outputs = _python_child(python, folder, "child_tflm.py", str(arena_bytes), str(seed))
    if outputs is None:
        return TflmRun(False, _why(done), log=done.stderr)
    section = {
        name: int(count) for name, count in re.findall(r"Arena allocation (total|head|tail) (\d+) bytes", done.stderr)
    }
    recorded = tuple(
        Recorded(kind, int(used), int(requested), int(count))
        for kind, used, requested, count in re.findall(
            r"'([^']+)' used (\d+) bytes with alignment overhead \(requested (\d+) bytes for (\d+) ", done.stderr
        )
    )
    return TflmRun(
        True,
        "",
        _crc32(outputs),
        section["total"],
        section["head"],
        section["tail"],
        outputs,
        recorded,
        done.stderr,
    )


def run_wasm(model: bytes) -> TflmRun:
    """One ``Invoke`` on the 32-bit TFLM of the `mcufit` wheel, whose inputs are its own.

    Its arena has 3,000,000 bytes; its benchmark fails on what it has no kernel for.
    """
    node, program = _wasm_program()
    with _scratch(model) as folder:
        done = _run([node, str(program), str(folder / "model.tflite")])
    text = done.stdout + done.stderr
    crc = re.search(r"Output CRC32: 0x([0-9A-Fa-f]+)", text)
    section = {name: int(count) for name, count in re.findall(r"(Total|NonPersistent|Persistent) \| +(\d+) \|", text)}
    if crc is None or "Total" not in section:
        return TflmRun(False, _why(done), log=text)
    recorded = tuple(
        Recorded(kind, int(used), int(requested), int(count))
        for kind, used, requested, count in re.findall(
            r"^ *(\w.*\w) \| +\d+ \| +(\d+) \| +(\d+) \| +(\d+) \|", text, re.M
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
        log=text,
    )


def run_litert(model: bytes, seed: int = SEED, inputs: Sequence[bytes] | None = None) -> LitertRun:
    """One inference on LiteRT's reference kernels; ``inputs``, one a model input, takes the place of seeded data."""
    python = _litert_python()
    with _scratch(model, inputs) as folder:
        done, outputs = _python_child(python, folder, "child_litert.py", str(seed))
    if outputs is None:
        return LitertRun(False, _why(done))
    return LitertRun(True, "", _crc32(outputs), outputs)


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
    return Path(found) / "wasm" / "run_benchmark.mjs"


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
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {TIMEOUT_SECONDS} seconds")


def _python_child(
    python: str, folder: Path, script: str, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], tuple[bytes, ...] | None]:
    """The finished child and its outputs; None where it failed."""
    result = folder / "result.json"
    done = _run([python, str(_HERE / script), str(folder / "model.tflite"), str(result), *arguments])
    if done.returncode != 0 or not result.exists():
        return done, None
    return done, tuple(bytes.fromhex(output) for output in json.loads(result.read_text(encoding="utf-8")))


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """The child's words, without the traceback around them, and how it ended if by a signal."""
    lines = [
        line for line in (done.stderr or done.stdout).splitlines() if line and not line.startswith((" ", "Traceback"))
    ]
    ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else ""
    return "\n".join([*lines, ended]).strip() or f"ended with code {done.returncode}"


def _crc32(outputs: tuple[bytes, ...]) -> str:
    return f"{zlib.crc32(b''.join(outputs)):08x}"
