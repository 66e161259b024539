"""A sweep's rows: one for each model, board, target and manner of planning, flat as tables want them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Way: TypeAlias = Literal["as-is", "plan", "patch"]
"""How a model is taken: as its file is, with a memory plan, or with patch stages as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """One model on one board (None: none) and target. Bytes, MACs, microseconds, microjoules; None: not known."""

    model: str
    board: str | None
    target: str
    plan: Way
    verdict: Literal["pass", "fail", "unsupported", "error"]
    arena_bytes: int | None = None
    """The arena to declare."""
    ram_bytes: int | None = None
    """All RAM that the model takes: arena, interpreter, stack."""
    ram_limit: int | None = None
    model_bytes: int | None = None
    flash_bytes: int | None = None
    """All flash that the model takes: its file and TFLM's code for it."""
    flash_limit: int | None = None
    macs: int | None = None
    macs_limit: int | None = None
    latency_us: float | None = None
    energy_uj: float | None = None
    operators: int | None = None
    exact: bool | None = None
    """False where the arena is a bound and not a figure."""
    reason: str = ""
    """Why the model does not pass; the first reason, and how many more."""
    sha256: str = ""
    """Of the model's file, in hexadecimal; empty where it could not be read."""
    settings: str = ""
    """Digest of all that the rows of one sweep have in common: boards, limits, options, mcuplan's version."""

    @property
    def item(self) -> tuple[str, str]:
        """What is done at one go: a model and how it is taken."""
        return self.model, self.plan


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(SweepRow))
"""The columns of a table of rows, in order."""


def as_dict(row: SweepRow) -> dict[str, Any]:
    """The row as a flat dictionary."""
    return {name: getattr(row, name) for name in COLUMNS}


@cache
def _adapter() -> TypeAdapter[SweepRow]:
    from pydantic import TypeAdapter

    return TypeAdapter(SweepRow)


def from_dict(values: Mapping[str, Any]) -> SweepRow | None:
    """The row that a dictionary is, also one of texts as CSV gives them; None where it is none."""
    from pydantic import ValidationError

    known = {name: value for name, value in values.items() if name in COLUMNS}
    if len(known) != len(values):
        return None
    try:
        return _adapter().validate_python(known)
    except ValidationError:
        return None


def sweep_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one line that ``mcuplan sweep -o FILE.jsonl`` writes."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mcuplan sweep, one row"}
    return head | _adapter().json_schema(mode="serialization") | head
