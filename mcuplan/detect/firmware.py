"""An ELF firmware: its symbols tell kernel library, core and the days of upstream that its TFLM may be of."""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mcuplan import files
from mcuplan.boards.elf import MAGIC, ElfFile, MalformedElfError
from mcuplan.detect.evidence import DetectError, Evidence, Sure
from mcuplan.tflm.history import dated_rules
from mcuplan.tflm.marks import library_symbols
from mcuplan.tflm.versions import known_versions

_LIMIT = 1 << 28
_CORTEX = re.compile(rb"Cortex-M(\d+)(\+|PLUS)?", re.I)
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
        if not names:
            raise DetectError(f"{shown}: an ELF file without symbols does not tell its TFLM: take the one before strip")
        return
    yield from _core(shown, attributes)
    yield from _library(shown, names)
    yield from _version(shown, names)


def _core(shown: str, attributes: bytes) -> Iterator[Evidence]:
    found = _CORTEX.search(attributes)
    if found:
        core = f"cortex-m{found[1].decode()}{'plus' if found[2] else ''}"
        yield Evidence(shown, f"built for {core}", Sure.CERTAIN, core=core)
        return
    for name, (core, said) in _told()["architectures"].items():
        if b"\x05" + name.encode() + b"\0" in attributes:  # Tag_CPU_name is 5
            yield Evidence(shown, f"built for {said}", Sure.LIKELY, core=core)


def _library(shown: str, names: set[str]) -> Iterator[Evidence]:
    for prefix, library in library_symbols():
        symbol = min((name for name in names if name.startswith(prefix)), default=None)
        if symbol:
            yield Evidence(shown, f"has {symbol}", Sure.LIKELY, library=library)
            return
    plain = _registered(names) & {*_told()["optimised"]}
    if plain:
        said = f"has {min(plain)}, and nothing of a kernel library that it would call"
        yield Evidence(shown, said, Sure.LIKELY, library="reference")


@cache
def _told() -> Mapping[str, Any]:
    data = pkgutil.get_data("mcuplan.detect", "data/symbols.json")
    assert data is not None, "mcuplan/detect/data/symbols.json is missing from this installation"
    told: Mapping[str, Any] = json.loads(data)
    return told


def _version(shown: str, names: set[str]) -> Iterator[Evidence]:
    """The days that a firmware's TFLM is of, and its version where only one of its platform is of these days."""
    begin, end = _days(names)
    newest = max(_operators(names), default=("", ""))
    said = [f"has {newest[1]}: TFLM of {newest[0]} or later"] if newest[0] > begin else []
    begin = max(begin, newest[0])
    if end and begin >= end:
        yield Evidence(shown, f"{'; '.join(said)}, with members of TFLM before {end}", Sure.POSSIBLE)
        return
    if not said and not begin and not end:
        said = ["has TFLM; its symbols do not tell of which day"]
    elif not said:
        since, until = f" from {begin}" if begin else "", f" before {end}" if end else " or later"
        said = [f"TFLM of upstream{since}{until}, by the members of its interpreter"]
    family = next((f for start, f in _told()["families"].items() if any(n.startswith(start) for n in names)), "")
    known = [v.name for v in known_versions().values() if begin <= v.upstream < (end or "9999")]
    own = [name for name in known if known_versions()[name].family == family]
    if family:
        said.append(f"built for {family}: {' or '.join(own) or 'no version that mcuplan knows'}")
    sure, version = (Sure.LIKELY, own[0]) if len(own) == 1 else (Sure.POSSIBLE, "")
    yield Evidence(shown, "; ".join(said), sure, version=version)


def _days(names: set[str]) -> tuple[str, str]:
    """The day of upstream from which on a TFLM is, and the one that it is before; "" where nothing tells."""
    begin, end = "", ""
    spans = _told()["symbols"]
    present = {start for start in spans if any(name.startswith(start) for name in names)}
    if not present:
        return begin, end  # inlined, or another build: nothing follows from what is not there
    for start, (since, until) in spans.items():
        if start in present:
            begin, end = max(begin, since), min(filter(None, (end, until)), default="")
        elif since and not until:
            end = min(filter(None, (end, since)))
    return begin, end


def _registered(names: set[str]) -> set[str]:
    return {match[1] for name in names if (match := _REGISTERED.match(name))}


def _operators(names: set[str]) -> Iterator[tuple[str, str]]:
    """The days on which operators came that a firmware registers, with their names."""
    registered = _registered(names)
    for rule in dated_rules():
        if not rule.types and not rule.when:
            yield from ((rule.since, op) for op in rule.operators & registered)
