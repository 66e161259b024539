"""Node data for Google's Model Explorer: figures of each operator, which it lays over its picture of a model.

Format: https://github.com/google-ai-edge/model-explorer/wiki/4.-API-Guide#custom-node-data, one series a file, by graph
(a subgraph's name) and node (an operator's index, as the TFLite adapter numbers nodes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mcuplan.findings.inspection import OperatorRow

SERIES: Mapping[str, tuple[str, Callable[[OperatorRow], int | None]]] = {
    "live-bytes": ("live bytes", lambda row: row.live_bytes),
    "macs": ("MACs", lambda row: row.macs),
    "instructions": ("instructions", lambda row: row.instructions),
    "weights": ("weight bytes", lambda row: row.weights_bytes),
}
"""What is written, by the name of its file: what it is called, and the figure; None where it is not known."""

_GRADIENT = ({"stop": 0, "bgColor": "#ffffff"}, {"stop": 1, "bgColor": "#f4a261"})


def graph_ids(names: Sequence[str | None]) -> tuple[str, ...]:
    """What Model Explorer calls each subgraph: by its name, ``main`` or its number where it has none."""
    return tuple(name or ("main" if number == 0 else f"subgraph_{number}") for number, name in enumerate(names))


def node_data(rows: Sequence[OperatorRow], names: Sequence[str | None]) -> dict[str, dict[str, Any]]:
    """A document for each series that has figures; ``names`` are those of the subgraphs."""
    ids = graph_ids(names)
    documents: dict[str, dict[str, Any]] = {}
    for series, (title, figure) in SERIES.items():
        graphs: dict[str, Any] = {}
        for row in rows:
            value = figure(row)
            if value is not None:
                graph = graphs.setdefault(
                    ids[row.subgraph], {"name": title, "results": {}, "gradient": list(_GRADIENT)}
                )  # fmt: skip
                graph["results"].setdefault(str(row.operator), {"value": value})
        if graphs:
            documents[series] = graphs
    return documents
