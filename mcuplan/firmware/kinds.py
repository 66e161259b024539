"""Kinds of projects, as ``data/projects.json`` has them: what they consist of, and which TFLM they build with."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mcuplan.firmware.resolver import ExportError
from mcuplan.tflm.target import Target

BOARD_NAMES = ("arduino", "platformio_platform", "platformio_board", "zephyr")
"""What a project can be told of a board: its names in toolchains."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of project, as ``data/projects.json`` has it."""

    name: str
    title: str
    target: str
    sources: str
    suffix: str
    ignore: tuple[str, ...]
    files: Mapping[str, str]
    versions: Mapping[str, Mapping[str, Any]]
    cores: tuple[str, ...] = ()
    """How the names of cores begin that it is for; none for any."""
    needs: tuple[str, ...] = ()
    """What a board must tell."""


@cache
def _data() -> Mapping[str, Any]:
    raw = pkgutil.get_data(__name__, "data/projects.json")
    assert raw is not None, "mcuplan/firmware/data/projects.json is missing from this installation"
    data: Mapping[str, Any] = json.loads(raw)
    return data


@cache
def kinds() -> Mapping[str, Kind]:
    """The kinds of projects by name."""
    return {
        name: Kind(
            name, row["title"], row["target"], row["sources"], row["suffix"], tuple(row["ignore"]), row["files"],
            row["versions"], tuple(row.get("cores", ())), tuple(row.get("needs", ())),
        )
        for name, row in _data()["kinds"].items()
    }  # fmt: skip


def refuse_other_tflm(kind: Kind, target: Target) -> None:
    """Raise ExportError where projects of this kind do not build with the target's TFLM, or for its core."""
    if kind.cores and not target.core.name.startswith(kind.cores):
        raise ExportError(f"a project for {kind.name} is for {' or '.join(kind.cores)} cores, not for {target}")
    if target.version not in kind.versions:
        raise ExportError(
            f"a project for {kind.name} builds with {' or '.join(kind.versions)}, not with {target.version} of {target}"
        )


def core_options(target: Target, fpu: bool) -> dict[str, Any]:
    """GCC's options for the target's core, and the machine that QEMU has with it; "" where there is none."""
    row = _data()["cores"].get(target.core.name, {})
    return {"flags": row.get("hard" if fpu and "hard" in row else "soft", ""), "machine": row.get("machine", ""),
            "psram": row.get("psram", "0x21000000")}  # fmt: skip
