"""An ELF firmware: its symbols tell kernel library, core and the least date of its TFLM."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mcuplan import files
from mcuplan.boards.elf import MAGIC, ElfFile, MalformedElfError
from mcuplan.detect.evidence import DetectError, Evidence, Sure
from mcuplan.tflm.history import dated_rules

_LIMIT = 1 << 28
_CORTEX = re.compile(rb"Cortex-M(\d+)(\+|PLUS)?", re.I)
_ARCHITECTURES = {
    b"6S-M": ("cortex-m0plus", "Armv6-M"),
    b"6-M": ("cortex-m0plus", "Armv6-M"),
    b"7-M": ("cortex-m3", "Armv7-M"),
    b"7E-M": ("cortex-m4", "Armv7E-M (Cortex-M4 or M7)"),
    b"8-M.MAIN": ("cortex-m33", "Armv8-M Mainline"),
    b"8.1-M.MAIN": ("cortex-m55", "Armv8.1-M Mainline (Cortex-M52, M55 or M85)"),
}
"""What GCC writes as Tag_CPU_name, with the usual core of that architecture."""
_REGISTERED = re.compile(r"^_ZN6tflite\d+Register_([A-Z0-9_]+)Ev$")


def is_elf(path: Path) -> bool:
    """Whether a file begins as ELF files do."""
    with files.opened(path, files.ANY_SIZE, DetectError) as file:
        return file.read(4) == MAGIC


def elf(path: Path, shown: str) -> Iterator[Evidence]:
    """What a linked firmware says.

    Raises
    ------
    DetectError
        Where it is not a whole ELF file, or has no TFLM in it that its symbols tell.
    """
    with files.opened(path, _LIMIT, DetectError) as file:
        try:
            read = ElfFile(file)
            names, attributes = set(read.names()), read.section(".ARM.attributes")
        except MalformedElfError as error:
            raise DetectError(f"{shown}: not a whole ELF file: {error}") from None
    if not any("tflite" in name for name in names):
        return
    yield from _core(shown, attributes)
    yield from _library(shown, names)
    yield from _date(shown, names)


def _core(shown: str, attributes: bytes) -> Iterator[Evidence]:
    found = _CORTEX.search(attributes)
    if found:
        core = f"cortex-m{found[1].decode()}{'plus' if found[2] else ''}"
        yield Evidence(shown, f"built for {core}", Sure.CERTAIN, core=core)
        return
    for name, (core, said) in _ARCHITECTURES.items():
        if b"\x05" + name + b"\0" in attributes:  # Tag_CPU_name is 5
            yield Evidence(shown, f"built for {said}", Sure.LIKELY, core=core)


def _library(shown: str, names: set[str]) -> Iterator[Evidence]:
    for prefix, library in (("esp_nn_", "esp-nn"), ("arm_convolve_", "cmsis-nn"), ("arm_fully_connected_", "cmsis-nn")):
        symbol = min((name for name in names if name.startswith(prefix)), default=None)
        if symbol:
            yield Evidence(shown, f"has {symbol}", Sure.LIKELY, library=library)
            return


def _date(shown: str, names: set[str]) -> Iterator[Evidence]:
    registered = {match[1] for name in names if (match := _REGISTERED.match(name))}
    newest = max(
        ((rule.since, op) for rule in dated_rules() if not rule.types and not rule.when
         for op in rule.operators & registered),
        default=None,
    )  # fmt: skip
    if newest:
        yield Evidence(shown, f"has {newest[1]}: TFLM of {newest[0]} or later", Sure.POSSIBLE)
    else:
        yield Evidence(shown, f"has TFLM, with {len(registered)} operators registered by name", Sure.POSSIBLE)
