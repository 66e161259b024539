"""Runs many models on the TFLM of the `tflite-micro` wheel, each in a forked process of its own.

Usage: ``tflm_batch.py MODELS RESULT ARENA_BYTES SEED``. MODELS holds models, each after its length (4 bytes,
little-endian). RESULT is a JSON list with, for each model: ``how`` (``ok``, ``refused``, ``died``, ``late``), ``stage``
(the last one begun: ``make``, ``inputs``, ``invoke``, ``outputs``, ``end``), ``head`` (bytes of the non-persistent
section, -1 where it did not come so far), ``same`` (equal inputs gave equal outputs, called in between with others)
and ``log`` (the end of what TFLM said). It stands alone, so that an interpreter without mcuplan can run it.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import struct
import sys
import tempfile
from typing import Any

import numpy as np
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

SECONDS = 5
"""For one model."""


def random_input(dtype: Any, shape: Any, rng: np.random.Generator) -> Any:
    """Random numbers over the whole range of integers; floats around 0, a few of them far away."""
    kind, dims = np.dtype(dtype), tuple(int(n) for n in shape)
    if kind.kind == "f":
        drawn = rng.standard_normal(dims) * rng.choice([1.0, 1.0, 10.0, 1e6])
        return np.asarray(drawn, dtype=kind)
    if kind.kind == "b":
        return rng.integers(0, 2, dims).astype(kind)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, dims, dtype=kind, endpoint=True)
    return np.zeros(dims, dtype=kind)


def feed(interpreter: Any, index: int, rng: np.random.Generator) -> None:
    """Set one input; the wheel's Python side knows no int4 and the like, which then stay as they are."""
    details = interpreter.get_input_details(index)
    try:
        interpreter.set_input(random_input(details["dtype"], details["shape"], rng), index)
    except ValueError as error:
        if "Got value of type" not in str(error):
            raise


def run(model: bytes, arena_bytes: int, seed: int, say: Any) -> None:
    """Two calls with equal inputs, one with others in between."""
    say("make")
    subgraph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
    outputs = []
    for one in (seed, seed + 1, seed):
        rng = np.random.default_rng(one)
        say("inputs")
        for index in range(subgraph.InputsLength()):
            feed(interpreter, index, rng)
        say("invoke")
        interpreter.invoke()
        say("outputs")
        outputs.append([interpreter.get_output(index).tobytes() for index in range(subgraph.OutputsLength())])
    say("same" if outputs[0] == outputs[2] else "other")
    interpreter.print_allocations()
    say("end")


def outcome(model: bytes, arena_bytes: int, seed: int) -> dict[str, Any]:
    """What TFLM did with one model."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            try:
                run(model, arena_bytes, seed, lambda word: os.write(writing, word.encode() + b"\n"))
            except BaseException as error:  # what it was is told by the log
                os.write(2, f"{type(error).__name__}: {error}".encode())
                os._exit(3)
            os._exit(0)
        os.close(writing)
        late = not select.select([reading], [], [], SECONDS)[0]
        said = b""
        while not late:
            ready = select.select([reading], [], [], SECONDS)[0]
            chunk = os.read(reading, 4096) if ready else b""
            late = not ready
            if not chunk:
                break
            said += chunk
        os.close(reading)
        if late:
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        log.seek(0)
        text = log.read().decode(errors="replace")
    words = said.decode().split()
    head = re.search(r"Arena allocation head (\d+) bytes", text)
    how = "late" if late else "ok" if status == 0 else "refused" if os.WIFEXITED(status) else "died"
    return {
        "how": how,
        "stage": next((word for word in reversed(words) if word not in ("same", "other")), ""),
        "head": int(head[1]) if head else -1,
        "same": "other" not in words,
        "log": text[-400:] if how != "ok" else "",
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
    }


def main(path: str, result: str, arena_bytes: str, seed: str) -> None:
    """Run all models of a file."""
    outcomes = []
    with open(path, "rb") as file:
        while head := file.read(4):
            model = file.read(struct.unpack("<I", head)[0])
            outcomes.append(outcome(model, int(arena_bytes), int(seed) + len(outcomes)))
    with open(result, "w", encoding="utf-8") as file:
        json.dump(outcomes, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
