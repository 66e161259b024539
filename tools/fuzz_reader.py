"""Coverage-guided fuzzing of what reads untrusted bytes: the reader of models, `check`'s verdict, the arena.

Usage: ``python tools/fuzz_reader.py CORPUS_FOLDER [-max_total_time=600]`` (options are libFuzzer's). Needs the package
``atheris``, which mcuplan does not depend on. An empty corpus is filled with small models of the zoo.

Bytes either make a graph or raise ModelError. A graph gets a verdict and an arena, and is written and read again to
the same graph.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["mcuplan"]):
    from mcuplan import tflite
    from mcuplan.errors import ModelError
    from mcuplan.tflm import predict
    from mcuplan.tflm.support import unsupported
    from mcuplan.zoo.single import build_operator, operator_models


def one(data: bytes) -> None:
    """One input of the fuzzer."""
    try:
        graph = tflite.read(data)
    except ModelError:
        return
    unsupported(graph)
    predict(graph)
    again = tflite.read(tflite.write(graph))
    assert again.subgraphs == graph.subgraphs, "a model that was written reads otherwise"


def fill(folder: Path) -> None:
    """Seeds: every single-operator model."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        for spec in operator_models():
            tflite.save(build_operator(spec), folder / f"{spec.name}.tflite")


def main() -> None:
    """Hand over to libFuzzer."""
    fill(Path(next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "corpus")))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
