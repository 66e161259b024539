"""The allocation solver: CPU time on MiniMalloc's challenging instances and on 128 NAS-like problems.

    MCUPLAN_SHARED=... python tests/benchmarks/bench_allocation.py

The first table needs the shared folder, which holds the instances and the CPU times of the C++ program on them. Goals:
each instance within its capacity in 5 s, all in half the C++'s time; each NAS-like
problem at its bound, or proven, in 1 s. Missed so far: 2 of the 128 are not proven at default effort;
`best` proves all, those two in about 2 s.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1] / "scheduling"))

import nas_buffers

from mcuplan.memory import Problem, Solution, check, read_csv, solve

CPP_SECONDS = dict(zip("ABCDEFGHIJK", (3.64, 2.56, 0.53, 1.90, 2.70, 4.25, 0.93, 1.33, 2.71, 0.74, 0.49), strict=True))
"""Medians of 3 on a 2-core machine of 2026, from the README beside the instances."""

CAPACITY = 1 << 20
EACH, SHARE, NAS_EACH = 5.0, 0.5, 1.0


def main() -> int:
    """Print both tables; the exit code says whether the goals were met."""
    shared = os.environ.get("MCUPLAN_SHARED")
    met = _challenging(Path(shared) / "allocation") if shared else True
    return 0 if _nas() and met else 1


def _challenging(folder: Path) -> bool:
    print(f"{'instance':<10} {'height':>10} {'bound':>10} {'CPU s':>7} {'C++ s':>7}")
    total, met = 0.0, True
    for name, cpp in CPP_SECONDS.items():
        solution, seconds = _timed(read_csv(folder / f"{name}.{CAPACITY}.csv", CAPACITY), "best")
        print(f"{name:<10} {solution.height:>10,} {solution.lower_bound:>10,} {seconds:>7.2f} {cpp:>7.2f}")
        total += seconds
        met = met and bool(solution.fits) and seconds <= EACH
    whole = sum(CPP_SECONDS.values())
    print(f"all {total:.2f} s, {total / whole:.2f}x of the C++'s {whole:.1f} s (goal: {SHARE}x)\n")
    return met and total <= SHARE * whole


def _nas() -> bool:
    print(f"{'family':<16} {'problems':>8} {'optimal':>8} {'slowest CPU s':>14}")
    met = True
    for family in nas_buffers.FAMILIES:
        found = [_timed(nas_buffers.problem(family, seed), "default") for seed in range(nas_buffers.SEEDS)]
        optimal, slowest = sum(s.optimal for s, _ in found), max(seconds for _, seconds in found)
        print(f"{family:<16} {len(found):>8} {optimal:>8} {slowest:>14.2f}")
        met = met and optimal == len(found) and slowest <= NAS_EACH
    return met


def _timed(problem: Problem, effort: str) -> tuple[Solution, float]:
    start = process_time()
    solution = solve(problem, effort=effort)
    seconds = process_time() - start
    assert not check(problem, solution.offsets)
    return solution, seconds


if __name__ == "__main__":
    sys.exit(main())
