"""Documents as JSON: the one way in which all of them are written."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any


def to_json(document: Any) -> str:
    """A document (a dataclass, or dictionaries and lists) as JSON text that ends with a newline.

    Pure ASCII: whatever is not (and every control code) is a ``\\u`` escape, so that names from models cannot do
    anything to a terminal, whatever its encoding; nor to a log of GitHub Actions, which looks for ``##[``
    in every line.
    """
    plain = asdict(document) if is_dataclass(document) and not isinstance(document, type) else document
    return json.dumps(plain, indent=2, ensure_ascii=True).replace("##[", "#\\u0023[") + "\n"
