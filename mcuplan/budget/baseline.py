"""A baseline file: figures that are already over a limit, allowed as they are, forbidden to grow.

The file is JSON that a team commits. Only overshoots are in it: a model that keeps its limits has no entry, so that
it cannot grow past them. A model that shrinks keeps its old allowance until the file is written anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mcuplan import files
from mcuplan.budget.limits import Limits, with_baseline
from mcuplan.budget.verdict import Judgement
from mcuplan.errors import McuplanError

_VERSION = 1
_LIMIT = 8 << 20
"""Bytes of a baseline: 100 for each model on each board and target, that is for 80,000 of them."""
_RESOURCES = ("ram", "arena", "flash", "macs")


class BaselineError(McuplanError):
    """A baseline file that cannot be read; the sentence names the file and the entry."""


@dataclass(frozen=True, slots=True)
class Key:
    """What an entry is for: a model (path from the baseline's folder, with ``/``), a board (or none) and a target."""

    model: str
    board: str | None
    target: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """Figures that were over their limits when the baseline was written (bytes, MACs); None where none was."""

    ram: int | None = None
    flash: int | None = None
    macs: int | None = None
    arena: int | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The allowances of one file."""

    entries: Mapping[Key, Allowance] = field(default_factory=dict)
    name: str = "baseline"
    """What reports call it: its file's name."""

    def apply(self, key: Key, limits: Limits) -> Limits:
        """``limits``, those that the recorded figures overshoot raised to them."""
        allowance = self.entries.get(key)
        if allowance is None:
            return limits
        return replace(
            limits,
            ram=with_baseline(limits.ram, allowance.ram, self.name),
            flash=with_baseline(limits.flash, allowance.flash, self.name),
            macs=with_baseline(limits.macs, allowance.macs, self.name),
            arena=with_baseline(limits.arena, allowance.arena, self.name),
        )


def model_key(model: str, baseline_file: Path) -> str:
    """How a baseline names a model: its path from the baseline's folder where there is one, else as given.

    The same name comes out on every system and from every working directory.
    """
    if model.startswith("zoo:"):
        return model
    try:
        relative = os.path.relpath(os.path.abspath(model), os.path.abspath(baseline_file.parent))
    except ValueError:  # another drive on Windows
        relative = os.path.abspath(model)
    return relative.replace(os.sep, "/")


def allowance(judgement: Judgement) -> Allowance | None:
    """What a baseline must allow for ``judgement`` to pass; None where no limit is broken."""
    figures = {violation.limit.resource.value: violation.figure for violation in judgement.violations}
    return Allowance(**figures) if figures else None


def write_baseline(path: Path, entries: Iterable[tuple[Key, Allowance]]) -> None:
    """Write the allowances to ``path``, atomically and in a fixed order (a diff shows only what changed)."""
    rows = [
        {"model": key.model, "board": key.board, "target": key.target}
        | {name: amount for name in _RESOURCES if (amount := getattr(allowed, name)) is not None}
        for key, allowed in sorted(entries, key=lambda entry: (entry[0].model, entry[0].board or "", entry[0].target))
    ]
    document = {"mcuplan_baseline": _VERSION, "models": rows}
    files.write_text(path, json.dumps(document, indent=2) + "\n")


def record(path: Path, found: Mapping[Key, Allowance | None]) -> None:
    """Write ``found`` into the baseline at ``path``: allowances replace older ones, None removes them.

    Entries for other models stay. Raises BaselineError where the file is there but cannot be read.
    """
    existing = read_baseline(path).entries if path.exists() else {}
    kept = {key: allowed for key, allowed in existing.items() if key not in found}
    write_baseline(path, [*kept.items(), *((key, allowed) for key, allowed in found.items() if allowed is not None)])


def read_baseline(path: Path) -> Baseline:
    """The allowances that ``path`` holds.

    Raises
    ------
    BaselineError
        Where the file is missing or not a baseline.
    """
    data = files.read(path, _LIMIT, BaselineError, "the baseline cannot be read")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise BaselineError(f"{path}: not a baseline file, which is JSON written by --write-baseline") from None
    if not isinstance(document, dict) or not isinstance(document.get("models"), list):
        raise BaselineError(f"{path}: not a baseline file, which is JSON written by --write-baseline")
    version = document.get("mcuplan_baseline")
    if version != _VERSION:
        raise BaselineError(f"{path}: baseline version {version!r} is not the version {_VERSION} this mcuplan reads")
    return Baseline(dict(_entry(path, i, row) for i, row in enumerate(document["models"])), path.name)


def _entry(path: Path, index: int, row: Any) -> tuple[Key, Allowance]:
    where = f"{path}: models[{index}]"
    if not isinstance(row, dict):
        raise BaselineError(f"{where} is not an object")
    unknown = sorted(set(row) - {"model", "board", "target", *_RESOURCES})
    if unknown:
        raise BaselineError(f"{where} has an unknown key {unknown[0]!r}")
    model, board, target = row.get("model"), row.get("board"), row.get("target")
    if not isinstance(model, str) or not isinstance(target, str) or not isinstance(board, str | None):
        raise BaselineError(f"{where} must name a model, a board (or null) and a target")
    amounts = {name: row[name] for name in _RESOURCES if name in row}
    for name, amount in amounts.items():
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
            raise BaselineError(f"{where}.{name} must be a whole number, not {amount!r}")
    return Key(model, board, target), Allowance(**amounts)
