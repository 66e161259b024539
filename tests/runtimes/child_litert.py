"""Runs one model on LiteRT with its reference kernels; a program of its own, since some models abort LiteRT.

Usage: ``child_litert.py MODEL RESULT SEED``. Writes a JSON result.
"""

from __future__ import annotations

import json
import sys

import inputs
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def main(model: str, result: str, seed: str) -> None:
    interpreter = Interpreter(model_path=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)
    interpreter.allocate_tensors()
    for index, details in enumerate(interpreter.get_input_details()):
        data = inputs.beside(model, index, details["dtype"], details["shape"], int(seed))
        interpreter.set_tensor(details["index"], data)
    interpreter.invoke()
    outputs = [np.asarray(interpreter.get_tensor(details["index"])) for details in interpreter.get_output_details()]
    with open(result, "w", encoding="utf-8") as file:
        json.dump([output.tobytes().hex() for output in outputs], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
