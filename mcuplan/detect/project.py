"""Look through a project for what tells its TFLM."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mcuplan import files
from mcuplan.detect.evidence import DetectError, Detection, Evidence, Sure
from mcuplan.detect.firmware import elf, is_elf
from mcuplan.detect.manifests import READERS
from mcuplan.detect.sources import MICRO, has_sources, source_tree
from mcuplan.tflm.versions import find_version

_TEXT_LIMIT = 1 << 20
_MOST_FOLDERS = 20_000
_SKIPPED = frozenset({".git", ".venv", "node_modules", "__pycache__", "CMakeFiles"})


def is_project(folder: Path) -> bool:
    """Whether a folder is a firmware project's: it holds a manifest, Edge Impulse's SDK or TFLM's sources itself."""
    return any((folder / name).exists() for name in (*READERS, EDGE_IMPULSE)) or has_sources(folder)


EDGE_IMPULSE = "edge-impulse-sdk"
"""The folder of Edge Impulse's SDK in an exported project."""


def detect(path: Path | str) -> Detection:
    """What the files at ``path`` (a project's folder, a manifest, an ELF file) say of its TFLM.

    Raises
    ------
    DetectError
        Where there is nothing there, or nothing that tells a TFLM.
    """
    start = Path(path)
    if not start.exists():
        raise DetectError(f"{start}: there is no such file or folder")
    evidence = sorted(_evidence(start), key=lambda e: e.sure)
    if not any(e.version or e.library or e.sure is Sure.POSSIBLE for e in evidence):
        raise DetectError(f"{start}: no file in it tells which TensorFlow Lite Micro it builds")
    versions = _surest(evidence, "version")
    return Detection(start, tuple(evidence), versions, _libraries(evidence, versions), _surest(evidence, "core"))


def _surest(evidence: Sequence[Evidence], field: str) -> tuple[str, ...]:
    """The values of a field in the surest evidence that has it, each once."""
    told = [(e.sure, getattr(e, field)) for e in evidence if getattr(e, field)]
    return tuple(dict.fromkeys(value for sure, value in told if sure == told[0][0]))


def _libraries(evidence: Sequence[Evidence], versions: Sequence[str]) -> tuple[str, ...]:
    """The kernel libraries told; plain C is a way to build the library whose version another file tells."""
    told = _surest(evidence, "library")
    plain = tuple(library for library in told if library.endswith("-ansi"))
    known = {name for version in versions for name in find_version(version).libraries}
    return tuple(lib for lib in plain or told if not known or any(lib.startswith(name) for name in known))


def _evidence(start: Path) -> Iterator[Evidence]:
    if start.is_file():
        yield from _file(start, str(start))
        return
    for count, (folder, folders, names) in enumerate(os.walk(start)):
        if count >= _MOST_FOLDERS:
            raise DetectError(f"{start}: more than {_MOST_FOLDERS:,} folders: name the firmware project itself")
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        here = Path(folder)
        for name in sorted(names):
            if name in READERS or name.endswith(".elf"):
                yield from _file(here / name, _shown(here / name, start))
        if has_sources(here):
            yield from _tree(here, _shown(here / MICRO, start))


def _file(path: Path, shown: str) -> Iterator[Evidence]:
    reader = READERS.get(path.name)
    if reader is not None:
        text = files.read(path, _TEXT_LIMIT, DetectError).decode("utf-8", "replace")
        yield from reader(shown, text)
    elif is_elf(path):
        yield from elf(path, shown)


def _tree(root: Path, shown: str) -> Iterator[Evidence]:
    changed = find_version("edge-impulse")  # its kernels are its own, so no fingerprints tell its day
    if (root / changed.mark).exists():
        said = "Edge Impulse's SDK; its files do not tell its version"
        yield Evidence(shown, said, Sure.LIKELY, version=changed.name)
        return
    yield from source_tree(root, shown)


def _shown(path: Path, start: Path) -> str:
    return path.relative_to(start).as_posix()
