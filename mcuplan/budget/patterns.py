"""Patterns of a configuration, matched against a model's path folder by folder.

A pattern comes with somebody's repository, so the time that matching takes must be bounded: at most the length of the
pattern times that of the path. Within a folder's name that holds for the standard library's ``fnmatch``, whose regular
expressions keep what each ``*`` took (atomic groups); ``**`` is followed here, by the set of places in the pattern that
can be reached.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from functools import cache

_ANY_FOLDERS = "**"
_CLASS = re.compile(r"\[!?([^/\]]+)\]")
_RANGE = re.compile(r"(.)-(.)")


def is_pattern(pattern: str) -> bool:
    """False where a range of characters runs backwards, as ``[z-a]``: it would match nothing."""
    ranges = (found for inside in _CLASS.findall(pattern) for found in _RANGE.findall(inside))
    return all(first <= last for first, last in ranges)


def matches(pattern: str, name: str) -> bool:
    """True where ``pattern`` matches the whole of ``name``, a path with ``/``.

    ``*``, ``?`` and ``[...]`` stay within one name, ``**`` as a name of its own stands for any number of folders, and
    a pattern without ``/`` matches in any folder.

    Examples
    --------
    >>> matches("models/**/*.tflite", "models/wake/word/a.tflite"), matches("models/*.tflite", "models/wake/a.tflite")
    (True, False)
    """
    parts = _parts(pattern)
    reached = _with_empty(parts, {0})
    for each in _normal(name).split("/"):
        reached = _with_empty(parts, {following for at in reached for following in _step(parts, at, each)})
    return len(parts) in reached


def _step(parts: tuple[str, ...], at: int, name: str) -> tuple[int, ...]:
    """Where the pattern can be after ``name``, from its part ``at``."""
    if at == len(parts):
        return ()
    if parts[at] == _ANY_FOLDERS:
        return (at, at + 1) if at + 1 == len(parts) else (at,)
    return (at + 1,) if fnmatchcase(name, parts[at]) else ()


def _with_empty(parts: tuple[str, ...], reached: set[int]) -> set[int]:
    """``reached``, and what follows where ``**`` stands for no folder at all; at the end it stands for something."""
    found = set(reached)
    for at, part in enumerate(parts[:-1]):
        if part == _ANY_FOLDERS and at in found:
            found.add(at + 1)
    return found


@cache
def _parts(pattern: str) -> tuple[str, ...]:
    glob = pattern.replace("\\", "/").removeprefix("./")
    if "/" not in glob and not glob.startswith("zoo:"):
        glob = f"{_ANY_FOLDERS}/{glob}"
    return tuple(_normal(glob).split("/"))


def _normal(path: str) -> str:
    """Lower case where the system's file names are so; ``/`` everywhere."""
    return os.path.normcase(path).replace(os.sep, "/")
