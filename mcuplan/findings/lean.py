"""What to say of firmware that keeps constants of kernels in flash."""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.tflm.lean import kept
from mcuplan.tflm.target import Target


def lean_told(graph: Graph, target: Target) -> str:
    """Such as ``lean registrations: 21,936 bytes of arrays that kernels keep lie in flash, not in the arena``.

    Empty for targets with TFLM's own registrations.
    """
    if not target.lean:
        return ""
    size = sum(found.array_bytes for found in kept(graph, target))
    return f"lean registrations: {size:,} bytes of arrays that kernels keep lie in flash, not in the arena"
