"""TFLM versions: what each is, and its data.

A version is a row of ``data/targets.json`` and, where it differs from its base, a folder of its name. The files in it
are JSON Merge Patches (RFC 7396) of the base's: rows replaced key by key, ``null`` where the base has something that
the version has not. A version of a kernel library brings such a folder too.
"""

from __future__ import annotations

import difflib
import json
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from mcuplan.errors import McuplanError

_SPELLED = re.compile(r"(?P<family>[a-z]+(?:-[a-z]+)*)-(?P<number>\d+(?:[.~-]\d+)*)(?:-(?P<variant>[a-z]+))?", re.ASCII)


class TargetError(McuplanError):
    """A target that mcuplan does not know."""


@dataclass(frozen=True, slots=True)
class TflmVersion:
    """One TFLM as people flash it. Dates are ISO 8601.

    ``upstream`` is the date of the upstream code it stands on, ``static_memory`` whether it is built with
    TF_LITE_STATIC_MEMORY (without, its tensors and nodes are larger). ``alike`` names the versions whose arenas bound
    its own, where it was not read itself; ``newer_than`` the newest known one, where it is newer than that.
    """

    name: str
    title: str
    line: str
    upstream: str
    base: str = ""
    commit: str = ""
    released: str = ""
    libraries: tuple[str, ...] = ()
    cores: tuple[str, ...] = ()
    lean: tuple[str, ...] = ()
    """The libraries whose kernels were read for lean registrations."""
    static_memory: bool = True
    alike: tuple[str, ...] = ()
    newer_than: str = ""
    package: str = ""
    """The name of an Arduino library in its ``library.properties``."""
    mark: str = ""
    """A file that only a source tree of its family has, from the folder that holds ``tensorflow/``."""
    code: str = ""
    """How its code compares with that of the version whose links were measured, where files of both were compiled."""
    dated: bool = True
    """Whether ``upstream`` is its own date, and not that of the version before it."""
    records: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Measured arenas that tests compare, by ``core+library[-version]``."""

    @property
    def family(self) -> str:
        """The name without its number: ``esp-tflite-micro``."""
        return family_of(self.name)


def family_of(name: str) -> str:
    """``esp-tflite-micro-1.4.0`` as ``esp-tflite-micro``; a name without a number as it is."""
    spelled = _SPELLED.fullmatch(name)
    return spelled["family"] if spelled else name


def number(text: str) -> tuple[int, ...]:
    """The numbers in a version, to compare by: ``1.3.3~1`` as ``(1, 3, 3, 1)``."""
    return tuple(map(int, re.findall(r"\d+", text)))


@cache
def table() -> Mapping[str, Any]:
    """``data/targets.json``."""
    return _file("targets") or {}


@cache
def shared_document(name: str) -> Any:
    """A JSON document of ``data/`` that is of no one version, such as ``history``."""
    found = _file(name)
    if found is None:
        raise FileNotFoundError(f"mcuplan/tflm/data/{name}.json is missing from this installation")
    return found


@cache
def known_versions() -> Mapping[str, TflmVersion]:
    """Every version with data of its own, by name, the newest of each family first."""
    rows = table()["versions"]
    return {name: _version(name, row) for name, row in rows.items()}


def _version(name: str, row: Mapping[str, Any]) -> TflmVersion:
    listed = ("libraries", "cores", "lean", "alike")
    fields: dict[str, Any] = {key: tuple(value) if key in listed else value for key, value in row.items()}
    return TflmVersion(name, **fields)


@cache
def find_version(name: str) -> TflmVersion:
    """The version called ``name``: a known one, an alias, a family (its newest), or one between or after known ones.

    Raises
    ------
    TargetError
        For another name, and for a version older than all that are known of its kind.
    """
    known = known_versions()
    name = table()["aliases"].get(name, name)
    if name in known:
        return known[name]
    newest = next((v for v in known.values() if v.family == name), None)
    if newest is not None:
        return newest
    spelled = _SPELLED.fullmatch(name)
    relatives = [v for v in known.values() if spelled and v.family == spelled["family"]]
    if spelled is None or not relatives or spelled["variant"]:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        raise TargetError(f"unknown TFLM version {name!r} ({hint})")
    return _placed(name, spelled["number"], relatives[0])


def _placed(name: str, spelled: str, relative: TflmVersion) -> TflmVersion:
    """A version without data, by its place among those of its line."""
    dated = bool(re.match(r"\d{4}-", spelled))
    wanted = number(spelled)

    def place(version: TflmVersion) -> tuple[int, ...]:
        return number(version.upstream) if dated else number(version.name.removeprefix(f"{version.family}-"))

    line = sorted((v for v in known_versions().values() if v.line == relative.line), key=place)
    below = [v for v in line if place(v)[: len(wanted)] <= wanted]
    above = [v for v in line if place(v) > wanted and v not in below]
    if not below:
        raise TargetError(f"{name} is older than {line[0].name}, the oldest that mcuplan knows of its kind")
    release = table()["releases"].get(name)
    upstream = spelled if dated else release or below[-1].upstream
    made = replace(
        below[-1], name=name, title=name, commit="", released="", upstream=upstream, records={},
        dated=dated or release is not None, libraries=relative.libraries, cores=relative.cores,
    )  # fmt: skip
    if not above:
        return replace(made, base=below[-1].name, newer_than=below[-1].name)
    return replace(made, base=below[-1].name, alike=(below[-1].name, above[0].name))


def owner(version: str, name: str) -> TflmVersion:
    """The version whose own file ``name`` is the one that counts, or that patches begin with: itself or a base."""
    row = find_version(version)
    while row.base and _file(f"{row.name}/{name}") is None:
        row = find_version(row.base)
    return row


def document(version: str, name: str, library: str = "") -> Any:
    """The JSON document ``name`` of a TFLM version, such as ``kernels`` or ``flash/reference.Os``.

    ``library`` is the folder of a kernel library's version, whose patch comes last; "" for none.
    """
    row = find_version(version)
    own = _file(f"{row.name}/{name}")
    found = own if not row.base else _merged(document(row.base, name), own) if own else document(row.base, name)
    patch = _file(f"{library}/{name}") if library else None
    merged = _merged(found, patch) if patch else found
    if merged is None:
        raise FileNotFoundError(f"mcuplan/tflm/data/{row.name}/{name}.json is missing from this installation")
    return merged


def _file(path: str) -> Any:
    """A file of ``data/``; None where there is none of that name."""
    try:
        text = pkgutil.get_data("mcuplan.tflm", f"data/{path}.json")
    except OSError:
        return None
    return None if text is None else json.loads(text)


def _merged(target: Any, patch: Any) -> Any:
    """``target`` with a JSON Merge Patch applied (RFC 7396, section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
