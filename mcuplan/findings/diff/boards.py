"""What a change of a model does to its verdicts: board by board, figure by figure, against the limits of now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mcuplan.findings.diff.parts import Growth, Part
from mcuplan.findings.tool import Tool

if TYPE_CHECKING:
    from pydantic import ConfigDict

CHANGES_SCHEMA_VERSION = "1.0"
_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}

Verdict = Literal["pass", "fail", "unsupported", "error"]
Held = Literal["arena", "ram", "flash", "macs", "instructions", "latency"]
Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class FigureChange:
    """One figure before and after, in bytes, MACs, instructions or microseconds; null where there is none."""

    __pydantic_config__ = _CONFIG

    resource: Held
    old: float | None
    new: float | None
    limit: float | None = None
    """The limit of now."""
    left: float | None = None
    """How much more the limit allows; negative: how much must go."""

    @property
    def change(self) -> float | None:
        """How much it grew."""
        return None if self.old is None or self.new is None else self.new - self.old

    @property
    def percent(self) -> float | None:
        """The same in per cent of what it was."""
        return None if self.change is None or not self.old else 100 * self.change / self.old

    @property
    def share(self) -> float | None:
        """The part of the limit that is taken now."""
        return None if self.limit is None or self.new is None else self.new / max(self.limit, 1)


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something that would bring a model back under its limits, or take it there."""

    __pydantic_config__ = _CONFIG

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class BoardChange:
    """One model on one board (null: none), before and after."""

    __pydantic_config__ = _CONFIG

    board: str | None
    board_name: str | None
    target: str | None
    before: Verdict | None
    """Null where the model was not there, or could not be looked at."""
    after: Verdict | None
    """Null where the model is gone."""
    figures: tuple[FigureChange, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong with it now."""
    grew: Part | None = None
    """The item (an operator, a tensor) that grew most, of the resource that matters most."""
    grew_in: Held | None = None
    remedies: tuple[Remedy, ...] = ()

    @property
    def worse(self) -> bool:
        """True where it passed, or is new, and does not pass now."""
        return self.before in ("pass", None) and self.after not in ("pass", None)


@dataclass(frozen=True, slots=True)
class ModelChange:
    """One model of a repository or folder that changed; ``model`` is its path from the root."""

    __pydantic_config__ = _CONFIG

    model: str
    kind: Kind
    was: str = ""
    """Its path before, where it was renamed."""
    old_bytes: int | None = None
    new_bytes: int | None = None
    boards: tuple[BoardChange, ...] = ()
    notes: tuple[str, ...] = ()
    """Why a side could not be looked at."""
    growth: tuple[Growth, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """The document of ``mcuplan diff --base`` and of ``mcuplan diff FOLDER FOLDER``."""

    __pydantic_config__ = _CONFIG

    tool: Tool
    old: str
    """What is compared: a commit, or a folder."""
    new: str
    models: tuple[ModelChange, ...]
    notes: tuple[str, ...] = ()
    schema_version: str = CHANGES_SCHEMA_VERSION

    @property
    def exit_code(self) -> int:
        """1 where a limit on growth is broken, else 0."""
        return int(any(growth.broken for model in self.models for growth in model.growth))
