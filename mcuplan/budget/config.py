"""Finding and reading the configuration: the nearest mcuplan.toml or pyproject.toml with [tool.mcuplan]."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcuplan import files
from mcuplan.budget.patterns import is_pattern, matches
from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.budget.settings import Rules, Settings

_LIMIT = 1 << 20
"""Bytes of a configuration; people write some kB."""


class ConfigError(McuplanError):
    """A configuration that cannot be used; the sentence names the file and the key."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration and the file it was read from; relative paths in it start at the file's folder."""

    path: Path
    settings: Settings

    @property
    def folder(self) -> Path:
        """Where relative paths and patterns start."""
        return self.path.parent

    def at(self, relative: str) -> Path:
        """A path of the configuration, from its folder; Windows separators work everywhere."""
        return self.folder / relative.replace("\\", "/")


def nearest_config(folder: Path) -> Config | None:
    """The configuration of the nearest folder that has one, from ``folder`` upwards; None where none does.

    ``mcuplan.toml`` goes before ``pyproject.toml`` in one folder. Configurations are not merged: the nearest alone
    counts.

    Raises
    ------
    ConfigError
        Where the nearest one cannot be used.
    """
    start = Path(os.path.abspath(folder))
    for place in (start, *start.parents):
        for name in ("mcuplan.toml", "pyproject.toml"):
            path = place / name
            table = _table(path) if path.is_file() else None
            if table is not None:
                return _parse(path, table)
    return None


def load_config(path: Path) -> Config:
    """The configuration that a user names.

    Raises
    ------
    ConfigError
        Where it cannot be read or used, or is a pyproject.toml without ``[tool.mcuplan]``.
    """
    table = _table(path)
    if table is None:
        raise ConfigError(f"{path}: has no [tool.mcuplan] table")
    return _parse(Path(os.path.abspath(path)), table)


def _table(path: Path) -> dict[str, Any] | None:
    """The tables that configure mcuplan, None where a pyproject.toml has none."""
    data = files.read(path, _LIMIT, ConfigError)
    project = path.name == "pyproject.toml"
    # Somebody else's pyproject.toml further up is none of our business, not even when it is broken.
    if project and b"mcuplan" not in data:
        return None
    try:
        document = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    if not project:
        return document
    tool = document.get("tool")
    table = tool.get("mcuplan") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.mcuplan] must be a table, not {type(table).__name__}")
    return table


def _parse(path: Path, table: dict[str, Any]) -> Config:
    from pydantic import ValidationError

    from mcuplan.budget.settings import Settings

    try:
        return Config(path, Settings.model_validate(table))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error.errors()[0], Settings)}") from None


def _explain(problem: Any, root: type[Settings]) -> str:
    location: tuple[str | int, ...] = problem["loc"]
    key = _dotted(location)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_suggestion(location, root)}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"key {key!r}: {message}" if key else message


def _dotted(location: Iterable[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _suggestion(location: tuple[str | int, ...], root: type[Settings]) -> str:
    import difflib

    from mcuplan.budget.settings import ModelRules, ReserveRules, SharedBoard

    tables = {"models": ModelRules, "shared": SharedBoard, "reserve": ReserveRules, "reserve_only": ReserveRules}
    parents = [part for part in location[:-1] if isinstance(part, str)]
    table: Any = tables.get(parents[-1], root) if parents else root
    near = difflib.get_close_matches(str(location[-1]), table.model_fields, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known keys are {', '.join(table.model_fields)}"


def rules_for(config: Config, model: str) -> Rules:
    """The rules for one model, by its path or ``zoo:NAME``: the general ones, overridden by sections that match.

    Raises
    ------
    ConfigError
        For a pattern that is none.
    """
    settings = config.settings
    merged: dict[str, Any] = {name: getattr(settings, name) for name in _rule_names()}
    name = _name_in(config, model)
    for section in settings.models:
        if any(_matches(config, pattern, name) for pattern in section.files):
            for key in section.model_fields_set - {"files"}:
                merged[key] = getattr(section, key)
                if key in _RESERVES:  # they exclude each other: the later one counts
                    merged |= dict.fromkeys(_RESERVES - {key})
    return _rules(merged)


_RESERVES = {"reserve", "reserve_only"}


def _rule_names() -> Iterable[str]:
    from mcuplan.budget.settings import Rules

    return Rules.model_fields


def _rules(values: dict[str, Any]) -> Rules:
    from mcuplan.budget.settings import Rules

    return Rules.model_construct(**values)


def _name_in(config: Config, model: str) -> str:
    if model.startswith("zoo:"):
        return model
    try:
        relative = os.path.relpath(os.path.realpath(model), os.path.realpath(config.folder))
    except ValueError:  # another drive on Windows
        relative = os.path.abspath(model)
    return relative.replace(os.sep, "/")


def _matches(config: Config, pattern: str, name: str) -> bool:
    if not is_pattern(pattern):
        raise ConfigError(f"{config.path}: key 'models': {pattern!r} is not a pattern: a range runs backwards")
    return matches(pattern, name)
