"""TFLM for an emulated Cortex-M4, as an archive: the one that is given, or built once from a checkout of TFLM.

``MCUPLAN_TFLM`` is a checkout with what TFLM's Makefile downloads; ``MCUPLAN_TFLM_LIBRARY`` may name the archive that
was made from it. Else the CMake project that ``mcuplan export`` writes builds it, minutes the first time, into a folder
of the system's temporary ones that later runs find again.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

import mcuplan

TFLM = os.environ.get("MCUPLAN_TFLM", "")
"""A checkout of TFLM with what its Makefile downloads."""


def needs(*programs: str) -> None:
    """Skip, with a plain reason, where there is no TFLM or a program is not installed."""
    missing = [name for name in programs if shutil.which(name) is None]
    missing += [] if TFLM else ["MCUPLAN_TFLM"]
    if missing:
        pytest.skip(f"not at hand: {', '.join(missing)}; docs/guide/firmware.md tells how to get a TFLM to run")


@cache
def archive() -> str:
    """The archive of TFLM for a Cortex-M4 with CMSIS-NN."""
    given = os.environ.get("MCUPLAN_TFLM_LIBRARY", "")
    if given:
        return given
    needs("cmake", "arm-none-eabi-g++")
    import fcntl  # not on Windows, where there is no such compiler either

    folder = Path(tempfile.gettempdir()) / f"mcuplan-tflm-{getpass.getuser()}-{_digest()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return str(_built(folder))


def _digest() -> str:
    templates = Path(mcuplan.__file__).parent / "firmware" / "templates" / "cmake"
    texts = "".join(path.read_text("utf-8") for path in sorted(templates.iterdir()))
    return hashlib.sha256(f"{Path(TFLM).resolve()}{texts}".encode()).hexdigest()[:12]


def _built(folder: Path) -> Path:
    made = folder / "build" / "libtflm.a"
    if not made.exists():
        mcuplan.export("zoo:sine", folder / "project", project="cmake", name="sine", golden=False, overwrite=True)
        cmake("-S", folder / "project", "-B", folder / "build", f"-DTFLM_DIR={TFLM}",
              "-DCMAKE_TOOLCHAIN_FILE=cmake/arm-none-eabi.cmake")  # fmt: skip
        cmake("--build", folder / "build", "--target", "tflm", "-j", str(os.cpu_count() or 1))
    return made


def cmake(*arguments: str | Path) -> None:
    """Run CMake; what it says where it fails."""
    done = subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
