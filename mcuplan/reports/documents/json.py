"""The report as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from mcuplan.reports.documents.report import Report


def to_json(report: Report) -> str:
    """The document as JSON text.

    Pure ASCII: whatever is not (and every control code) is a ``\\u`` escape, so that names from models cannot do
    anything to a terminal, whatever its encoding.
    """
    return json.dumps(asdict(report), indent=2, ensure_ascii=True) + "\n"
