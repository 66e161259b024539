"""What a reader of the file should know about the limits of what was read."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mcuplan.graph import Graph
from mcuplan.tflite.records import UNKNOWN


def notes(graph: Graph, newer: Collection[str], compressed: str | None) -> Iterator[str]:
    """One sentence each for compressed tensors, weights kept elsewhere, and parts newer than the schema known here.

    ``newer`` names tables with fields that the schema lacks, ``compressed`` is the sentence about compression.
    """
    if compressed is not None:
        yield compressed
    outside = sum(tensor.external_buffer != 0 for subgraph in graph.subgraphs for tensor in subgraph.tensors)
    if outside:
        has = "has its" if outside == 1 else "have their"
        yield f"{outside} of its tensors {has} values in other files, whose bytes are not counted"
    if newer:
        yield (
            f"it has fields newer than the schema known here (in {', '.join(sorted(newer))}): "
            "they are ignored, and lost when the model is rewritten"
        )
    unknown = {
        options.table
        for _, _, op in graph.operators()
        for options in (op.options, op.options_2)
        if options is not None and UNKNOWN in options.table
    }
    if unknown:
        yield f"it has operator options newer than the schema known here: {', '.join(sorted(unknown))}"
