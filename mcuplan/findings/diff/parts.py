"""The parts of a change, and limits on growth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}

Measure = Literal["arena", "ram", "flash", "macs", "instructions"]


@dataclass(frozen=True, slots=True)
class Part:
    """One item of a resource, in both models; ``name`` is the model's own for it."""

    __pydantic_config__ = _CONFIG

    what: str
    name: str
    old: int
    new: int
    change: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A limit on growth and whether it is broken."""

    __pydantic_config__ = _CONFIG

    resource: Measure
    limit: int
    change: int
    broken: bool
