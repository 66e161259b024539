"""Real runtimes for tests: each runs a model in a child process and says what it gave.

* :func:`run_tflm`: TensorFlow Lite Micro of the `tflite-micro` wheel (64-bit host, reference kernels);
* :func:`run_wasm`: TensorFlow Lite Micro as a 32-bit WebAssembly program of the `mcufit` wheel, run by Node.js;
* :func:`run_litert`: LiteRT of the `ai-edge-litert` wheel, with its reference kernels.

The first and the last are the product's own (:mod:`mcuplan.proof.runtimes.children`), for one call of one model. Every
input tensor is filled by the generator of :mod:`runtimes.inputs`. The interpreter that has the wheels is the one
running the tests, or the one that the environment variable ``MCUPLAN_RUNTIME_PYTHON`` names. Where a runtime is
missing, :class:`RuntimeMissingError` is raised; :func:`require` turns that into a skip with its reason.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mcuplan.proof.runtimes import children as product
from mcuplan.proof.runtimes.children import ARENA_BYTES, SEED, Recorded, RuntimeMissingError

__all__ = [
    "ARENA_BYTES", "SEED", "LitertRun", "Recorded", "RuntimeMissingError", "TflmRun", "require", "run_litert",
    "run_litert_each", "run_tflm", "run_tflm_each", "run_wasm", "run_wasm_each",
]  # fmt: skip

_HERE = Path(__file__).parent


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
        {"tflm": product.python_with_tflm, "wasm": _wasm_program, "litert": product.python_with_litert}[runtime]()
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
    return [_tflm_run(run) for run in product.run_tflm(models, (seed,), arena_bytes, inputs)]


def _tflm_run(run: product.RuntimeRun) -> TflmRun:
    if not run.ok:
        return TflmRun(False, run.message, log=run.log)
    sections = run.arena_used_bytes, run.head_bytes, run.tail_bytes
    return TflmRun(True, "", _crc32(run.calls[0]), *sections, run.calls[0], run.recorded, run.log)


def run_wasm(model: bytes) -> TflmRun:
    """One ``Invoke`` on the 32-bit TFLM of the `mcufit` wheel, whose inputs are its own.

    Its arena has 3,000,000 bytes, and a model at most 2,000,000.
    """
    return run_wasm_each([model])[0]


def run_wasm_each(models: Sequence[bytes]) -> list[TflmRun]:
    """:func:`run_wasm` of each model, in one child process."""
    node, program = _wasm_program()
    with ExitStack() as stack:
        folders = [stack.enter_context(product.model_folder(model)) for model in models]
        done = product.run_child([node, str(_HERE / "child_wasm.cjs"), str(program), *map(str, folders)])
    logs = product.folder_logs(done.stderr, folders)
    if len(logs) != len(models):
        raise RuntimeError(f"child_wasm.cjs ended early: {done.stderr[-1000:]}")
    return [_wasm_run(log) for log in logs]


def _wasm_run(log: str) -> TflmRun:
    crc = re.search(r"Output CRC32: 0x([0-9A-Fa-f]+)", log)
    section = {name: int(count) for name, count in re.findall(r"(Total|NonPersistent|Persistent) \| +(\d+) \|", log)}
    if crc is None or "Total" not in section:
        return TflmRun(False, product.reason(log, 0), log=log)
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
    return [
        LitertRun(True, "", _crc32(run.calls[0]), run.calls[0]) if run.ok else LitertRun(False, run.message)
        for run in product.run_litert(models, (seed,), inputs)
    ]


# -- the 32-bit build -----------------------------------------------------------------------------------------------


@functools.cache
def _wasm_of(python: str) -> Path:
    probe = "import importlib.util; print(importlib.util.find_spec('mcufit').submodule_search_locations[0])"
    found = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True).stdout.strip()
    return Path(found) / "wasm" / "tflm.js"


def _wasm_program() -> tuple[str, Path]:
    program = _wasm_of(product.python_with("mcufit", "pip install mcufit"))
    node = shutil.which("node")
    if node is None:
        raise RuntimeMissingError("Node.js is not installed")
    return node, program


def _crc32(outputs: tuple[bytes, ...]) -> str:
    return f"{zlib.crc32(b''.join(outputs)):08x}"
