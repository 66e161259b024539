"""Runs models on TFLM's or LiteRT's own Python package; a program of its own, since either may end its process.

Usage: ``child.py tflm|litert ARENA_BYTES SEED[,SEED...] FOLDER...``. In each folder it reads ``model.tflite``, calls
it once for each seed in one interpreter, and writes ``result.json``: for each call the outputs in hexadecimal. What
the runtime says goes to stderr, after a line ``=== FOLDER`` for each model.

It stands alone, so that an interpreter without mcuplan can run it, and needs numpy beside the runtime.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_MASK = 0xFFFFFFFF


def _steps(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """``count`` states of the generator ``s = s * 1664525 + 1013904223 (mod 2**32)`` after ``seed``.

    Doubles the known run until it is long enough: k steps at once are again one multiplication and one addition.
    """
    states = np.empty(max(count, 1), dtype=np.uint32)
    states[0] = (seed * 1664525 + 1013904223) & _MASK
    done, multiplier, increment = 1, 1664525, 1013904223
    while done < count:
        more = min(done, count - done)
        states[done : done + more] = (states[:more].astype(np.uint64) * multiplier + increment) & _MASK
        multiplier, increment = multiplier * multiplier & _MASK, (multiplier * increment + increment) & _MASK
        done += more
    return states[:count]


def seeded(dtype: Any, shape: Any, seed: int) -> Array:
    """Data for one input: bytes and half-words are ``s >> 16``, float32 in [-1, 1), others ``i & 1``."""
    kind = np.dtype(dtype)
    dims = tuple(int(n) for n in shape)
    count = math.prod(dims)
    if kind == np.float32:
        fraction = ((_steps(count, seed) >> 16) & 1023).astype(np.float32)
        return ((fraction - 512) / 512).astype(np.float32).reshape(dims)
    if kind.itemsize <= 2 and kind.kind in "iu":
        low = (_steps(count, seed) >> 16).astype(f"u{kind.itemsize}")
        return np.asarray(low.view(kind)).reshape(dims)
    return (np.arange(count) & 1).astype(kind).reshape(dims)


def _data(folder: Path, index: int, details: Any, seed: int) -> Array:
    """Data for input ``index``: the file ``input_<index>.bin`` in ``folder`` if it is there, else seeded."""
    given = folder / f"input_{index}.bin"
    if given.exists():
        dims = tuple(int(n) for n in details["shape"])
        return np.frombuffer(given.read_bytes(), dtype=details["dtype"]).reshape(dims)
    return seeded(details["dtype"], details["shape"], seed)


def run_tflm(folder: Path, arena_bytes: int, seeds: Sequence[int]) -> list[list[Array]]:
    """The outputs of each call on TFLM; its allocations are printed at the end."""
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    schema = importlib.import_module("tflite_micro.tensorflow.lite.micro.python.schema_py_generated")
    data = (folder / "model.tflite").read_bytes()
    subgraph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena_bytes)
    calls = []
    for seed in seeds:
        for index in range(subgraph.InputsLength()):
            interpreter.set_input(_data(folder, index, interpreter.get_input_details(index), seed), index)
        interpreter.invoke()
        calls.append([np.array(interpreter.get_output(index)) for index in range(subgraph.OutputsLength())])
    interpreter.print_allocations()
    return calls


def run_litert(folder: Path, _arena_bytes: int, seeds: Sequence[int]) -> list[list[Array]]:
    """The outputs of each call on LiteRT's reference kernels."""
    litert = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(
        model_path=str(folder / "model.tflite"),
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    calls = []
    for seed in seeds:
        for index, details in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(details["index"], _data(folder, index, details, seed))
        interpreter.invoke()
        calls.append([np.array(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()])
    return calls


_RUNTIMES: dict[str, Callable[[Path, int, Sequence[int]], list[list[Array]]]] = {
    "tflm": run_tflm,
    "litert": run_litert,
}


def main(runtime: str, arena_bytes: str, seeds: str, *folders: str) -> None:
    """Run the models of all ``folders``, one after the other."""
    for name in folders:
        print(f"=== {name}", file=sys.stderr, flush=True)
        folder = Path(name)
        try:
            calls = _RUNTIMES[runtime](folder, int(arena_bytes), [int(seed) for seed in seeds.split(",")])
        except (RuntimeError, ValueError) as refused:
            print(refused, file=sys.stderr, flush=True)
        else:
            told = json.dumps([[output.tobytes().hex() for output in outputs] for outputs in calls])
            (folder / "result.json").write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
