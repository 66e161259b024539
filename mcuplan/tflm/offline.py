"""``OfflineMemoryAllocation`` metadata: a memory plan that travels in the model and that TFLM honours.

Source: micro/micro_allocation_info.cc, ``GetOfflinePlannedOffsets``; micro/docs/memory_management.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.graph import Graph

METADATA_NAME = "OfflineMemoryAllocation"
ONLINE = -1
"""The offset that leaves a tensor to TFLM's own planner."""


@dataclass(frozen=True, slots=True)
class OfflinePlan:
    """Offsets in bytes from the arena's head, one for each tensor of all subgraphs in order; -1: plan online.

    ``problem`` says why TFLM would refuse the metadata, "" where it would not.
    """

    offsets: tuple[int, ...]
    problem: str = ""


def read_offline_plan(graph: Graph) -> OfflinePlan | None:
    """The offline plan of a model, None where it has none."""
    data = graph.metadata_data(METADATA_NAME)
    if data is None:
        return None
    tensors = sum(len(s.tensors) for s in graph.subgraphs)
    words = len(data) // 4
    if words < 3:
        return OfflinePlan((), f"{METADATA_NAME} metadata has {len(data)} bytes where at least 12 are needed")
    values = struct.unpack_from(f"<{words}i", data)
    if values[2] != tensors:
        return OfflinePlan((), f"{METADATA_NAME} metadata holds {values[2]} offsets for {tensors} tensors")
    if words - 3 < tensors:
        return OfflinePlan((), f"{METADATA_NAME} metadata is cut short: {words - 3} of {tensors} offsets")
    return OfflinePlan(values[3 : 3 + tensors])


LARGEST_OFFSET = 2**31 - 1
"""What the metadata's signed 32 bits hold."""


def encode_offline_plan(offsets: Sequence[int], subgraphs: int) -> bytes:
    """The metadata's bytes: version 1, number of subgraphs, number of offsets, the offsets, as little-endian int32.

    Examples
    --------
    >>> encode_offline_plan([-1, 0], 1).hex()
    '010000000100000002000000ffffffff00000000'
    """
    return struct.pack(f"<3i{len(offsets)}i", 1, subgraphs, len(offsets), *offsets)
