"""A TFLM source tree: its files' fingerprints lie in spans of upstream's history."""

from __future__ import annotations

import hashlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mcuplan import files
from mcuplan.detect.evidence import DetectError, Evidence, Sure
from mcuplan.tflm.versions import known_versions

MICRO = "tensorflow/lite/micro"
FILES = tuple(
    f"{MICRO}/{name}"
    for name in (
        "micro_allocator", "micro_interpreter", "micro_mutable_op_resolver", "kernels/while", "kernels/concatenation",
        "kernels/fully_connected_common", "kernels/reduce_common",
    )
)  # fmt: skip
"""The files looked at, without what their names end in: forks rename ``.cc`` to ``.cpp``."""

_ENDINGS = (".cc", ".cpp", ".h")
_LIMIT = 1 << 20
_INCLUDE = re.compile(r"^\s*#include[^\n]*$", re.M)


def fingerprint(text: str) -> str:
    """Of a file's text without its includes, which forks rewrite, and without spaces.

    Examples
    --------
    >>> fingerprint("#include <a>\\nint x;\\n") == fingerprint("int  x ;")
    True
    """
    return hashlib.sha256("".join(_INCLUDE.sub("", text).split()).encode()).hexdigest()[:16]


@cache
def _table() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    data = pkgutil.get_data("mcuplan.detect", "data/sources.json")
    assert data is not None, "mcuplan/detect/data/sources.json is missing from this installation"
    rows = json.loads(data)["files"]
    return {path: {mark: (begin, end) for mark, begin, end in table} for path, table in rows.items()}


def has_sources(root: Path) -> bool:
    """Whether ``root`` holds TFLM's sources, and not only some files in folders of the same names."""
    return any((root / f"{FILES[0]}{ending}").is_file() for ending in _ENDINGS)


def source_tree(root: Path, shown: str) -> Iterator[Evidence]:
    """What the TFLM sources under ``root`` (the folder that holds ``tensorflow/``) are, as evidence."""
    spans = dict(_spans(root))
    if not spans:
        yield Evidence(shown, "TFLM sources that upstream never had in this form", Sure.POSSIBLE)
        return
    begin, end = max(span[0] for span in spans.values()), min(span[1] or "9999" for span in spans.values())
    known = f"{len(spans)} of {len(FILES)} files known"
    if begin >= end:
        yield Evidence(shown, f"TFLM sources of different days ({known})", Sure.POSSIBLE)
        return
    until = f"before {end}" if end != "9999" else "or later"
    version, sure = _named(root, begin, end)
    yield Evidence(shown, f"TFLM sources of upstream from {begin} {until} ({known})", sure, version=version)


def _spans(root: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    for path, table in _table().items():
        file = next((f for ending in _ENDINGS if (f := root / f"{path}{ending}").is_file()), None)
        if file is None:
            continue
        span = table.get(fingerprint(files.read(file, _LIMIT, DetectError).decode("utf-8", "replace")))
        if span:
            yield path, span


def _named(root: Path, begin: str, end: str) -> tuple[str, Sure]:
    """The version that the tree is: one of the family that its layout tells, of those days; else upstream of them."""
    family = _family(root)
    known = [v for v in known_versions().values() if begin <= v.upstream < end]
    own = [v for v in known if v.family == family]
    if own:
        return own[0].name, Sure.CERTAIN
    if family == "upstream" and known and any(v.line == "upstream" for v in known):
        return f"upstream-{begin[:7]}" if end != "9999" else "upstream", Sure.LIKELY
    return (f"upstream-{begin[:7]}", Sure.LIKELY) if family == "upstream" else ("", Sure.POSSIBLE)


def _family(root: Path) -> str:
    """Whose tree it is, by the mark of a known version; upstream's where there is none."""
    marked = (v.family for v in known_versions().values() if v.mark and (root / v.mark).exists())
    return next(marked, "upstream")
