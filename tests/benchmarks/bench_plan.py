"""`mcuplan plan`: what it gains on each model, how far from its bound it stays, and the CPU time it takes.

    python tests/benchmarks/bench_plan.py [MODEL.tflite ...]

Without arguments the zoo's models are taken, and those of the folder that MCUPLAN_SHARED names. The goal is one second
of CPU a model at default effort.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.planning.plan import make_plan
from mcuplan.tflite import load
from mcuplan.zoo import build, names

GOAL_SECONDS = 1.0


def _models(paths: list[str]) -> Iterator[tuple[str, Graph]]:
    shared = os.environ.get("MCUPLAN_SHARED")
    if not paths:
        yield from ((f"zoo:{name}", build(name)) for name in names())
    for path in paths or (sorted((Path(shared) / "models").glob("*.tflite")) if shared else []):
        yield Path(path).stem, load(path)


def main() -> int:
    """Print a line a model; exit code 1 where one takes longer than the goal."""
    print(f"{'model':<28} {'before':>9} {'after':>9} {'bound':>9} {'optimal':>7} {'CPU s':>6}")
    slowest = 0.0
    for name, graph in _models(sys.argv[1:]):
        start = process_time()
        try:
            plan = make_plan(graph)
        except McuplanError as error:
            print(f"{name[:28]:<28} {error}")
            continue
        seconds = process_time() - start
        slowest = max(slowest, seconds)
        print(
            f"{name[:28]:<28} {plan.before.declare_bytes:9,} {plan.after.declare_bytes:9,} "
            f"{plan.lower_bound_bytes:9,} {'yes' if plan.optimal else 'no':>7} {seconds:6.2f}"
        )
    print(f"slowest {slowest:.2f} s (goal: at most {GOAL_SECONDS:g} s of CPU)")
    return int(slowest > GOAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
