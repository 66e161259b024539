"""JSON Schemas of the documents that ``whatif``, ``latency`` and ``energy`` write with ``--format json``."""

from __future__ import annotations

from typing import Any

from mcuplan.reports.documents.estimates import ESTIMATE_SCHEMA_VERSION

_HEAD = "https://json-schema.org/draft/2020-12/schema"


def estimate_schema(kind: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document of ``kind``: ``whatif``, ``latency`` or ``energy``."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(_result(kind)).json_schema(mode="serialization")
    definitions: dict[str, Any] = {**schema.pop("$defs", {}), "EstimateLimit": _limit()}
    envelope = {
        "kind": {"const": kind, "type": "string"},
        "schema_version": {"const": ESTIMATE_SCHEMA_VERSION, "type": "integer"},
        "limits_held": {
            "description": "Limits that were stated, and whether the estimate keeps them.",
            "items": {"$ref": "#/$defs/EstimateLimit"},
            "type": "array",
        },
    }
    properties = {**envelope, **schema["properties"]}
    return {
        "$schema": _HEAD, "title": f"mcuplan {kind}", "description": schema["description"], "type": "object",
        "properties": properties, "required": list(properties), "$defs": definitions,
    }  # fmt: skip


def _result(kind: str) -> Any:
    """The dataclass that is the body of a document."""
    if kind == "latency":
        from mcuplan.estimates.latency import Latency

        return Latency
    if kind == "energy":
        from mcuplan.estimates.energy import EnergyReport

        return EnergyReport
    from mcuplan.estimates.whatif import WhatIf

    return WhatIf


def _limit() -> dict[str, Any]:
    from pydantic import TypeAdapter

    from mcuplan.estimates.limits import EstimateLimit

    schema = TypeAdapter(EstimateLimit).json_schema(mode="serialization")
    verdicts = {
        "kept": {"description": "Whether the estimate is within the limit.", "type": "boolean"},
        "close": {"description": "Whether the error of the estimate could turn the verdict.", "type": "boolean"},
    }
    schema["properties"] |= verdicts
    schema["required"] = list(schema["properties"])
    return schema
