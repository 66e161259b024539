"""Prediction against loading: the ratio of their CPU times for each model, in one run.

    python tests/benchmarks/bench_predict.py [MODEL.tflite ...]

Without arguments the zoo's models are taken. The goal is a ratio of at most 1 for every model.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

from mcuplan.tflite import read, write
from mcuplan.tflm import predict
from mcuplan.zoo import build, names

ROUNDS = 15


def _median(action: Callable[[], object]) -> float:
    """Median CPU seconds of one call; calls are repeated until a sample is well above the clock's step."""
    action()
    repeat = 1
    while True:
        start = process_time()
        for _ in range(repeat):
            action()
        if process_time() - start > 0.005:
            break
        repeat *= 2
    samples = []
    for _ in range(ROUNDS):
        start = process_time()
        for _ in range(repeat):
            action()
        samples.append((process_time() - start) / repeat)
    return statistics.median(samples)


def main() -> int:
    """Print a line a model; exit code 1 where a prediction costs more than loading."""
    models = [(path, Path(path).read_bytes()) for path in sys.argv[1:]] or [(n, write(build(n))) for n in names()]
    worst = 0.0
    print(f"{'model':<40} {'load ms':>8} {'predict ms':>10} {'ratio':>6}")
    for name, data in models:
        graph = read(data, name)
        load, prediction = _median(lambda data=data, name=name: read(data, name)), _median(lambda g=graph: predict(g))
        worst = max(worst, prediction / load)
        print(f"{name[-40:]:<40} {load * 1e3:8.2f} {prediction * 1e3:10.2f} {prediction / load:6.2f}")
    print(f"worst ratio {worst:.2f} (goal: at most 1)")
    return int(worst > 1)


if __name__ == "__main__":
    sys.exit(main())
