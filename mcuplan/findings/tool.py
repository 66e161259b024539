"""What makes documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class Tool:
    """What made the report."""

    __pydantic_config__ = _CONFIG

    name: str
    version: str
