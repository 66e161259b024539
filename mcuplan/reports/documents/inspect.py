"""The document of ``mcuplan inspect``: what a model does, operator by operator. Names from the model are untrusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.findings.inspection import operator_rows
from mcuplan.findings.tool import Tool
from mcuplan.version import __version__

if TYPE_CHECKING:
    from pydantic import ConfigDict

    from mcuplan.budget import Analysis

INSPECT_SCHEMA_VERSION = "1.0"
_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class OperatorShown:
    """One operator of one subgraph."""

    __pydantic_config__ = _CONFIG

    subgraph: int
    operator: int
    name: str
    output_name: str
    output_shape: tuple[int, ...]
    output_type: str
    macs: int | None
    """Multiply-accumulates of one call; null where unknown."""
    instructions: int | None
    """Instructions of one call as the target's kernel takes them, without the interpreter's dispatch; null where the
    target has no cost data or the shapes are not known."""
    instructions_modelled: bool
    """False: no kernel of this kind was measured, and `instructions` are a bound from above."""
    calls: int | None
    """Calls in one Invoke, loops counted by their constants; null without cost data."""
    weights_bytes: int
    live_bytes: int
    """Bytes of the arena's non-persistent section that are live while it runs."""
    lifespan: tuple[int, int] | None
    """Steps `[start, end)` in which its first output is live; null where that is not in the arena."""


@dataclass(frozen=True, slots=True)
class InspectReport:
    """What ``mcuplan inspect --format json`` writes."""

    __pydantic_config__ = _CONFIG

    tool: Tool
    model: str
    target: str
    tflm_version: str
    macs: int
    instructions: int | None
    """Instructions of one Invoke, the interpreter's own among them; null where the target has no cost data."""
    instructions_bounded: int | None
    """Those of `instructions` that are bounds from above, of operators without a model."""
    instructions_exact: bool | None
    """False: how often a loop turns, or what an operator takes, is not known; a loop counts one turn."""
    cost_model: str | None
    """Whose instructions they are."""
    operators: tuple[OperatorShown, ...]
    schema_version: str = INSPECT_SCHEMA_VERSION


def inspect_report(model: str, analysis: Analysis) -> InspectReport:
    """The document for one model on one target."""
    found = analysis.instructions
    operators = tuple(
        OperatorShown(
            row.subgraph, row.operator, row.name, row.output_name, row.output_shape, row.output_type, row.macs,
            row.instructions, row.instructions_modelled, row.calls, row.weights_bytes, row.live_bytes, row.lifespan,
        )
        for row in operator_rows(analysis)
    )  # fmt: skip
    return InspectReport(
        tool=Tool("mcuplan", __version__),
        model=model,
        target=str(analysis.target),
        tflm_version=analysis.arena.tflm_version,
        macs=analysis.macs.total,
        instructions=round(found.total) if found else None,
        instructions_bounded=round(found.bounded) if found else None,
        instructions_exact=found.exact if found else None,
        cost_model=found.about if found else None,
        operators=operators,
    )
