"""Where a planned model is from: an entry of its metadata that says what it was planned for, by what, and from what.

A plan is right for the targets it was made for and no others: what one kernel library reads before it writes, another
may not. TFLM passes metadata over that it does not know, so that the entry costs a few bytes of flash and nothing else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import ClassVar

from mcuplan.graph import Graph
from mcuplan.rewriting.edit import set_metadata

METADATA_NAME = "mcuplan.plan"
_LONGEST = 4096
"""Bytes of the entry that are read; ours has some 150."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PlanOrigin:
    """What a model that `mcuplan plan` wrote says of itself; untrusted text, as all of a model is."""

    __pydantic_config__: ClassVar[dict[str, bool]] = {"use_attribute_docstrings": True}

    targets: tuple[str, ...]
    """What the plan was made for, as `--target` takes it."""
    mcuplan: str
    """The version that made it."""
    model_sha256: str
    """SHA-256 of the model that was planned, as a file, in hexadecimal."""

    @property
    def lean(self) -> bool:
        """Whether it was planned for firmware with lean registrations only."""
        return all(target.endswith("+lean") for target in self.targets)

    @property
    def sentence(self) -> str:
        """What to say of it."""
        return f"planned for {' and '.join(self.targets)} by mcuplan {self.mcuplan}"


def plan_origin(graph: Graph) -> PlanOrigin | None:
    """What the model's entry says; None where there is none, or none that can be read."""
    data = graph.metadata_data(METADATA_NAME)
    if data is None or len(data) > _LONGEST:
        return None
    try:
        entry = json.loads(bytes(data))
        origin = PlanOrigin(tuple(entry["targets"]), entry["mcuplan"], entry["model_sha256"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    strings = all(isinstance(text, str) for text in (*origin.targets, origin.mcuplan, origin.model_sha256))
    return origin if strings and origin.targets and _SHA256.fullmatch(origin.model_sha256) else None


def set_plan_origin(graph: Graph, origin: PlanOrigin) -> Graph:
    """The graph with the entry."""
    entry = {"mcuplan": origin.mcuplan, "model_sha256": origin.model_sha256, "targets": origin.targets}
    return set_metadata(graph, METADATA_NAME, json.dumps(entry, separators=(",", ":")).encode())


def without_plan_origin(graph: Graph) -> Graph:
    """The graph without the entry."""
    return graph if graph.metadata_data(METADATA_NAME) is None else set_metadata(graph, METADATA_NAME, None)
