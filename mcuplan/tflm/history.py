"""Toolchains that ship an older TFLM than the one measured: how much more it may use.

Four arenas measured on a Nano 33 BLE Sense with its Arduino library, an older TFLM, are 16, 192, 432 and 1,344 bytes
above what the measured version uses for the same models (10, 16, 31 and 13 operators). The causes are not known for
certain: 1,152 of the 1,344 bytes equal the scratch of that model's 3x3 depthwise convolutions, for which CMSIS-NN
asked until December 2022 (its commit 2e4abf53), and the rest is at most 15 bytes an operator. The margin takes the
former in full and twice the latter, which is above all four measurements.
"""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.operators import OperatorFacts
from mcuplan.tflm.alignment import aligned
from mcuplan.tflm.results import PersistentAllocation, PersistentKind

BYTES_PER_OPERATOR = 32


def version_margin(graph: Graph, alignment: int) -> PersistentAllocation:
    """An upper bound of what an older TFLM uses beyond the measured version, in bytes, as one allocation."""
    operators = sum(len(s.operators) for s in graph.subgraphs)
    size = BYTES_PER_OPERATOR * operators + max(
        (
            _depthwise_scratch(OperatorFacts(graph, graph.subgraphs[s], op))
            for s, _, op in graph.operators()
            if op.name == "DEPTHWISE_CONV_2D"
        ),
        default=0,
    )
    size = aligned(size, alignment)
    return PersistentAllocation(PersistentKind.VERSION_MARGIN, size, alignment, size, exact=False)


def _depthwise_scratch(facts: OperatorFacts) -> int:
    """Bytes CMSIS-NN asked for before it left 3x3 kernels out: 2 * channels * rows * columns."""
    if facts.window is None:
        return 0
    return 2 * int(facts["x"].channels) * facts.window.rows.kernel * facts.window.columns.kernel
