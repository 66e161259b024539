"""Runs models on the TFLM of the `tflite-micro` wheel; a program of its own, since TFLM may end its process.

Usage: ``child_tflm.py ARENA_BYTES SEED FOLDER...``. Reads ``model.tflite`` and writes ``result.json`` in each folder;
TFLM's own words go to stderr, after a line ``=== FOLDER`` for each model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import inputs
import numpy as np
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema


def main(arena_bytes: str, seed: str, *folders: str) -> None:
    for folder in folders:
        print(f"=== {folder}", file=sys.stderr, flush=True)
        try:
            run(Path(folder), int(arena_bytes), int(seed))
        except (RuntimeError, ValueError) as refused:
            print(refused, file=sys.stderr, flush=True)


def run(folder: Path, arena_bytes: int, seed: int) -> None:
    data = (folder / "model.tflite").read_bytes()
    subgraph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena_bytes)
    for index in range(subgraph.InputsLength()):
        details = interpreter.get_input_details(index)
        interpreter.set_input(inputs.beside(folder, index, details["dtype"], details["shape"], seed), index)
    interpreter.invoke()
    outputs = [np.asarray(interpreter.get_output(index)) for index in range(subgraph.OutputsLength())]
    interpreter.print_allocations()
    (folder / "result.json").write_text(json.dumps([output.tobytes().hex() for output in outputs]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
