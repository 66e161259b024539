"""Results of estimates as JSON: the dataclass as it is, pure ASCII."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any


def estimate_json(result: Any, kind: str) -> str:
    """``result`` (a dataclass) as JSON text that says what it is under ``kind``."""
    assert is_dataclass(result)
    assert not isinstance(result, type)
    return json.dumps({"kind": kind, "schema_version": 1, **asdict(result)}, indent=2, ensure_ascii=True) + "\n"
