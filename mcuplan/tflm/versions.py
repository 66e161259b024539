"""The data of one TFLM version: ``data/<version>/`` holds everything that is dated."""

from __future__ import annotations

import json
import pkgutil
from typing import Any

_ALIASES = {"tflm-2026-08": "upstream-2026-08"}


def document(version: str, name: str) -> Any:
    """The JSON document ``name`` of a TFLM version, such as ``kernels`` or ``flash/reference.Os``."""
    path = f"data/{_ALIASES.get(version, version)}/{name}.json"
    text = pkgutil.get_data("mcuplan.tflm", path)
    assert text is not None, f"mcuplan/tflm/{path} is missing from this installation"
    return json.loads(text)
