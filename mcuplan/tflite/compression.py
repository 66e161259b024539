"""Tensors that TFLM's look-up-table compression has replaced by indices.

Source: ``micro/docs/compression.md`` and ``micro/compression/metadata.fbs`` of TensorFlow Lite Micro. A model with a
metadata entry ``COMPRESSION_METADATA`` is a model whose listed tensors hold bit fields instead of elements.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mcuplan.errors import ModelError
from mcuplan.graph import Graph, Record
from mcuplan.tflite.records import read_record
from mcuplan.tflite.schema import schema
from mcuplan.tflite.verify import verify

METADATA_NAME = "COMPRESSION_METADATA"
_ROOT = "CompressionMetadata"
_NEWEST = 1


@dataclass(frozen=True, slots=True)
class Compression:
    """The compressed tensors, each as (subgraph, tensor), and a sentence about them."""

    tensors: frozenset[tuple[int, int]] = frozenset()
    note: str | None = None


def compression(graph: Graph, name: str) -> Compression:
    """What the model's compression metadata says; nothing where it has none.

    Raises ModelError, its text beginning with ``name``, where the metadata refers to what is not there. Metadata
    that is damaged or newer than known compresses nothing in TFLM either, and is only noted.
    """
    entry = next((m for m in graph.metadata if m.name == METADATA_NAME and 0 < m.buffer < len(graph.buffers)), None)
    if entry is None:
        return Compression()
    record = _metadata(graph.buffers[entry.buffer].data or b"")
    if record is None:
        note = f"its {METADATA_NAME} cannot be read, so that it is unknown which tensors are compressed"
        return Compression(note=note)
    tensors = frozenset(_tensors(record, graph, name))
    if not tensors:
        return Compression()
    note = (
        f"{len(tensors)} of its tensors {'is' if len(tensors) == 1 else 'are'} compressed ({METADATA_NAME}): "
        "figures cannot be exact, for TensorFlow Lite Micro decompresses them into buffers of its own"
    )
    return Compression(tensors, note)


def _metadata(data: memoryview | bytes) -> Record | None:
    view = memoryview(data)
    try:
        verify(view, METADATA_NAME, _ROOT)
    except ModelError:
        return None
    record = read_record(view, struct.unpack_from("<I", view)[0], schema().tables[_ROOT])
    return record if record["schema_version"] <= _NEWEST else None


def _tensors(record: Record, graph: Graph, name: str) -> list[tuple[int, int]]:
    found = []
    for s, subgraph in enumerate(record["subgraphs"] or ()):
        for lut in subgraph["lut_tensors"] or ():
            tensors = len(graph.subgraphs[s].tensors) if s < len(graph.subgraphs) else 0
            if not 0 <= lut["tensor"] < tensors or lut["value_buffer"] >= len(graph.buffers):
                raise ModelError(
                    f"{name}: {METADATA_NAME} refers to tensor {lut['tensor']} of subgraph {s} "
                    f"and buffer {lut['value_buffer']}, which the model does not have"
                )
            found.append((s, lut["tensor"]))
    return found
