"""Results of estimates as JSON: the dataclass as it is, pure ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from mcuplan.estimates.limits import EstimateLimit
from mcuplan.reports.documents.json import to_json

ESTIMATE_SCHEMA_VERSION = 1
"""Version of these documents: keys may come within one, none goes or changes its meaning."""


def estimate_json(result: Any, kind: str, limits: Sequence[EstimateLimit] = ()) -> str:
    """``result`` (a dataclass) as JSON text, what it is under ``kind``, with the limits it was held against."""
    assert is_dataclass(result)
    assert not isinstance(result, type)
    held = [{**asdict(row), "kept": row.kept, "close": row.close} for row in limits]
    document = {"kind": kind, "schema_version": ESTIMATE_SCHEMA_VERSION, **asdict(result), "limits_held": held}
    return to_json(document)
