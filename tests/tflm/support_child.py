"""Runs many models on the TFLM of the `tflite-micro` wheel; a program of its own, since TFLM may end its process.

Usage: ``support_child.py MODELS RESULT``. MODELS holds models, each after its length (4 bytes, little-endian) and a
byte: 1 for a model that may damage the process it runs in and so gets one of its own. RESULT is a JSON list: for each
model ``ok``, ``refused`` or the signal that ended its process.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Iterator

from tflite_micro.python.tflite_micro import runtime

ARENA_BYTES = 256 * 1024


def outcome(model: bytes) -> str:
    """One AllocateTensors and one Invoke."""
    try:
        runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES).invoke()
    except RuntimeError:
        return "refused"
    return "ok"


def forked(models: list[bytes]) -> list[str]:
    """Outcomes of these models in one forked process, up to the first that ends it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        for model in models:
            os.write(writing, outcome(model).encode() + b"\n")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        outcomes = lines.read().split()
    status = os.waitpid(child, 0)[1]
    if len(outcomes) < len(models):
        outcomes.append(f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {status}")
    return outcomes


def read(path: str) -> Iterator[tuple[bytes, bool]]:
    """The models of a file, and whether each is to have its own process."""
    with open(path, "rb") as file:
        while head := file.read(5):
            size, alone = struct.unpack("<IB", head)
            yield file.read(size), bool(alone)


def main(path: str, result: str) -> None:
    models, outcomes = list(read(path)), []
    while len(outcomes) < len(models):
        rest = models[len(outcomes) :]
        together = next((i for i, (_, alone) in enumerate(rest) if alone), len(rest))
        outcomes += forked([model for model, _ in rest[: max(1, together)]])
    with open(result, "w", encoding="utf-8") as file:
        json.dump(outcomes, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
