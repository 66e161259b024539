#!/usr/bin/env python3
"""Measures what IF takes itself, by operands and their bytes, on an emulated Cortex-M4F.

    python tools/measure_instructions/branches.py build/cmsis-nn.elf > tools/data/branches.jsonl

A line of JSON for each: operands beside the condition (as many results), bytes of each, instructions without what the
branch takes. Nothing shares an address, so that every operand is copied to the branch and every result back.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import run_models

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.tflite import schema, write

OPERANDS = (1, 2, 3, 4, 6)
BYTES = (1, 4, 16, 100, 1000, 1501, 4096)


def branching(count: int, size: int) -> Graph:
    """An IF whose branches compute each of ``count`` results from an operand of ``size`` bytes."""
    q = Quantization((0.5,), (0,))

    def maps(name: str) -> list[Tensor]:
        return [Tensor(f"{name}{i}", DType.INT8, (1, size), 0, q) for i in range(count)]

    given, made = tuple(range(1, count + 1)), tuple(range(count + 1, 2 * count + 1))
    options = schema.record("IfOptions", then_subgraph_index=1, else_subgraph_index=2)
    chooses = Operator(schema.operator_code("IF"), (0, *given), made, options)
    main = Subgraph((Tensor("choice", DType.BOOL, (1,)), *maps("x"), *maps("y")), (chooses,), (0, *given), made)
    into, out = tuple(range(count)), tuple(range(count, 2 * count))
    relu = schema.operator_code("RELU")
    each = tuple(Operator(relu, (a,), (b,)) for a, b in zip(into, out, strict=True))
    branch = Subgraph((*maps("a"), *maps("b")), each, into, out)
    return Graph((main, branch, branch), (Buffer(),))


def rows(firmware: Path) -> Iterator[tuple[int, int, int]]:
    """Operands, bytes, instructions of every shape."""
    shapes = [(count, size) for count in OPERANDS for size in BYTES]
    runs = run_models(firmware, [write(branching(*shape)) for shape in shapes])
    for shape, run in zip(shapes, runs, strict=True):
        yield (*shape, next(own for name, own, _ in run.calls if name == "IF"))


if __name__ == "__main__":
    for row in rows(Path(sys.argv[1])):
        print(json.dumps(row))
