"""How good and how fast the operator order is, on NAS-like graphs of 20 to 2,000 operators.

Run it: python tests/benchmarks/bench_scheduling.py [--effort fast|default|best] [--seeds N] [--details]

One line a family and size: the operators, how many seeds were proven optimal, CPU seconds (median and worst), and the
peak against the file's order and against the lower bound (means of the ratios). ``--details`` prints each graph: peak,
bound, the file's peak, and the proof. The goals it is held against: proven up to 80 operators within 2 s, most of
those up to 100 within 10 s, cells of 550 operators within 1 s, never above the file's order. ``dense`` graphs are a
stress test (every operator reads many others, all tensors are equal), outside the goals.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scheduling"))

from nas_networks import darts, dense_wiring, multiscale, randwire, swiftnet

from mcuplan.scheduling import EffortName, Problem, Schedule, find_schedule, peak_bytes

STRESS = ("dense ws", "dense er", "dense ba")

FAMILIES: dict[str, tuple[Callable[[int, int], Problem], tuple[int, ...]]] = {
    # A name, a problem of about so many operators from a seed, and the sizes to try.
    "randwire ws": (lambda seed, n: randwire(seed, round(n / 4.1), wiring="ws"), (20, 40, 60, 80, 100)),
    "randwire er": (lambda seed, n: randwire(seed, round((n * 8) ** 0.5 * 0.82), wiring="er"), (20, 40, 60, 80, 100)),
    "randwire ba": (lambda seed, n: randwire(seed, round(n / 5.6) + 2, wiring="ba"), (20, 40, 60, 80, 100)),
    "randwire stages": (lambda seed, n: randwire(seed, 32, stages=max(1, round(n / 131))), (131, 550, 1000, 2000)),
    "darts": (lambda seed, n: darts(seed, max(1, round(n / 26))), (40, 80, 100, 550, 1000, 2000)),
    "multiscale": (lambda seed, n: multiscale(seed, max(1, round(n / 25))), (40, 80, 100, 550, 1000, 2000)),
    "swiftnet": (lambda seed, n: swiftnet(seed, n), (40, 80, 100, 550, 1000, 2000)),
    "swiftnet cells": (lambda seed, n: swiftnet(seed, n, cells=max(1, n // 40)), (80, 100, 550, 1000, 2000)),
    "dense ws": (lambda seed, n: dense_wiring(seed, n - 3, "ws"), (40, 60, 80, 100, 200, 550, 2000)),
    "dense er": (lambda seed, n: dense_wiring(seed, n - 3, "er"), (40, 60, 80, 100, 200, 550)),
    "dense ba": (lambda seed, n: dense_wiring(seed, n - 3, "ba"), (40, 60, 80, 100, 200, 550, 2000)),
}


@dataclass(frozen=True)
class Run:
    """One graph's schedule and what it cost."""

    seed: int
    operators: int
    seconds: float
    schedule: Schedule

    @property
    def allowed(self) -> float:
        """CPU seconds that the goals allow a graph of this size; no goal is infinity."""
        if self.operators <= 80:
            return 2.0
        if self.operators <= 100:
            return 10.0
        return 1.0 if 450 <= self.operators <= 650 else float("inf")


def run(make: Callable[[int, int], Problem], seeds: int, size: int, effort: EffortName) -> Iterator[Run]:
    for seed in range(seeds):
        problem = make(seed, size)
        start = time.process_time()
        schedule = find_schedule(problem, effort=effort)
        seconds = time.process_time() - start
        assert peak_bytes(problem, schedule.order) == schedule.peak_bytes <= schedule.file_order_peak_bytes
        yield Run(seed, len(problem.tasks), seconds, schedule)


def summary(family: str, runs: list[Run]) -> str:
    seconds = [r.seconds for r in runs]
    proven = sum(r.schedule.optimal for r in runs)
    low, high = min(r.operators for r in runs), max(r.operators for r in runs)
    against_file = statistics.fmean(r.schedule.peak_bytes / r.schedule.file_order_peak_bytes for r in runs)
    against_bound = statistics.fmean(r.schedule.peak_bytes / r.schedule.lower_bound_bytes for r in runs)
    late = sum(r.seconds > r.allowed for r in runs) if family not in STRESS else 0
    return (
        f"{family:<16} {f'{low}-{high}' if low < high else low:>10} {proven:>3} of {len(runs):<3}"
        f" {statistics.median(seconds):8.2f} {max(seconds):8.2f} {against_file:9.3f} {against_bound:9.3f}"
        f"{f'  {late} LATE' if late else ''}"
    )


def details(r: Run) -> str:
    s = r.schedule
    return (
        f"    seed {r.seed:<3} {r.operators:>5} operators  peak {s.peak_bytes:>9,}  bound {s.lower_bound_bytes:>9,}"
        f"  file {s.file_order_peak_bytes:>9,}  {r.seconds:6.2f} s  {s.proof}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--effort", choices=["fast", "default", "best"], default="default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--family", nargs="*", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--most", type=int, default=2000, help="largest size to try")
    parser.add_argument("--details", action="store_true")
    options = parser.parse_args()
    print(
        f"effort {options.effort}, {options.seeds} seeds; CPU seconds; peaks over the file order's and over the bound"
    )
    print(f"{'family':<16} {'operators':>10} {'proven':>10} {'median':>8} {'worst':>8} {'of file':>9} {'of bound':>9}")
    for family in options.family:
        make, sizes = FAMILIES[family]
        for size in (s for s in sizes if s <= options.most):
            runs = list(run(make, options.seeds, size, options.effort))
            print(summary(family, runs), flush=True)
            if options.details:
                print("\n".join(details(r) for r in runs), flush=True)


if __name__ == "__main__":
    main()
