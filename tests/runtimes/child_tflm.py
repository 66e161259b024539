"""Runs one model on the TFLM of the `tflite-micro` wheel; a program of its own, since TFLM may end its process.

Usage: ``child_tflm.py MODEL RESULT ARENA_BYTES SEED``. Writes a JSON result; TFLM's own words go to stderr.
"""

from __future__ import annotations

import json
import sys

import inputs
import numpy as np
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema


def main(model: str, result: str, arena_bytes: str, seed: str) -> None:
    with open(model, "rb") as file:
        data = file.read()
    subgraph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=int(arena_bytes))
    for index in range(subgraph.InputsLength()):
        details = interpreter.get_input_details(index)
        interpreter.set_input(inputs.beside(model, index, details["dtype"], details["shape"], int(seed)), index)
    interpreter.invoke()
    outputs = [np.asarray(interpreter.get_output(index)) for index in range(subgraph.OutputsLength())]
    interpreter.print_allocations()
    with open(result, "w", encoding="utf-8") as file:
        json.dump([output.tobytes().hex() for output in outputs], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
