"""One change that ``check --why`` proposes, as the report holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}

Outcome = Literal["pass", "fail", "unsupported"]
"""A verdict on a model that could be read."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that would change the verdict, worked out on the changed model or the other board."""

    __pydantic_config__ = _CONFIG

    name: str
    """What kind of change: `plan`, `patch`, `strip`, `int8-io`, `export`, `build`, `int8`, `int8-plan`, `narrower`,
    `operator`, `board` or `together`."""
    text: str
    cost: str
    """What it costs, in words."""
    command: str
    """The command that does it or shows it."""
    verdict: Outcome
    """The verdict once it is done."""
    effect: str
    """What then becomes of the limits, in words."""
    ram_bytes: int
    """Bytes by which RAM comes closer to keeping its limit, or lies further below it; negative: further from it."""
    flash_bytes: int
    """The same of flash."""
    macs: int
    """The same of multiply-accumulates."""
