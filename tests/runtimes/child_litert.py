"""Runs models on LiteRT with its reference kernels; a program of its own, since some models abort LiteRT.

Usage: ``child_litert.py SEED FOLDER...``. Reads ``model.tflite`` and writes ``result.json`` in each folder; what LiteRT
says goes to stderr, after a line ``=== FOLDER`` for each model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import inputs
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def main(seed: str, *folders: str) -> None:
    for folder in folders:
        print(f"=== {folder}", file=sys.stderr, flush=True)
        try:
            run(Path(folder), int(seed))
        except (RuntimeError, ValueError) as refused:
            print(refused, file=sys.stderr, flush=True)


def run(folder: Path, seed: int) -> None:
    interpreter = Interpreter(
        model_path=str(folder / "model.tflite"),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    for index, details in enumerate(interpreter.get_input_details()):
        data = inputs.beside(folder, index, details["dtype"], details["shape"], seed)
        interpreter.set_tensor(details["index"], data)
    interpreter.invoke()
    outputs = [np.asarray(interpreter.get_tensor(details["index"])) for details in interpreter.get_output_details()]
    (folder / "result.json").write_text(json.dumps([output.tobytes().hex() for output in outputs]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
