"""What one candidate of a search costs: from its bytes to a full verdict, with and without a process pool.

Run it: python tests/benchmarks/bench_candidates.py

- ``check`` of person detection on a board: with nothing remembered, and known already;
- a search that changes one block of a network at a time: milliseconds and candidates a second in one process and with
  a pool of two; and how much of it is reading;
- chains of 1,000 to 10,000 operators: the time an operator must not grow (at most twice that of 1,000).
"""

from __future__ import annotations

import random
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter, process_time

import mcuplan
from mcuplan.graph import Graph
from mcuplan.operators import likeness
from mcuplan.tflite import read, write
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

BOARD = "arduino-nano-33-ble-sense"
CANDIDATES = 300
ROUNDS = 30
GOAL_MS = 8.0


def network(widths: list[int]) -> Graph:
    """Depthwise-separable pairs of these widths, as many operators as person detection has."""
    b = Builder(seed=1)
    x = b.conv2d(b.input((1, 96, 96, 1)), 8, 3, stride=2)
    for place, width in enumerate(widths):
        x = b.conv2d(b.depthwise_conv2d(x, 3, stride=2 if place in (1, 3, 5) else 1), width, 1)
    return b.graph([b.softmax(b.fully_connected(b.reshape(b.mean(x, (1, 2)), (1, x.channels)), 2))])


def search(count: int) -> list[bytes]:
    """The candidates of a search: each is the one before with another width of one block."""
    draw, widths, found = random.Random(1), [16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256], []
    for _ in range(count):
        widths[draw.randrange(len(widths))] = draw.choice(range(16, 257, 8))
        found.append(write(network(widths)))
    return found


def verdict(data: bytes) -> str:
    """What the search asks."""
    return mcuplan.check(data, board=BOARD).verdict


def milliseconds(data: bytes, forget: bool) -> float:
    """The median CPU time of one check."""
    times = []
    for _ in range(ROUNDS):
        if forget:
            likeness._met.clear()
        start = process_time()
        verdict(data)
        times.append(process_time() - start)
    return statistics.median(times) * 1e3


def chain(operators: int) -> float:
    """CPU microseconds an operator of a chain of ``operators``."""
    b = Builder(seed=1)
    x = b.input((1, 8, 8, 4))
    for _ in range(operators):
        x = b.relu(x)
    data = write(b.graph([x]))
    start = process_time()
    verdict(data)
    return (process_time() - start) * 1e6 / operators


def main() -> int:
    """Measure, print, and end with 1 where a goal is missed."""
    person = write(build("person-detection"))
    verdict(person)
    first, again = milliseconds(person, True), milliseconds(person, False)
    print(f"person detection, nothing remembered  {first:6.1f} ms  (goal of all three: below {GOAL_MS:g})")
    print(f"person detection, known already       {again:6.1f} ms")

    candidates = search(CANDIDATES)
    likeness._met.clear()
    start, wall = process_time(), perf_counter()
    alone = list(map(verdict, candidates))
    each, wall = (process_time() - start) / CANDIDATES * 1e3, perf_counter() - wall
    start = process_time()
    for data in candidates:
        read(data)
    reading = (process_time() - start) / CANDIDATES * 1e3
    print(f"a search, one block changed at a time {each:6.1f} ms, {reading:.1f} of them reading")
    print(f"one process                       {CANDIDATES / wall:6.0f} candidates a second")
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(verdict, candidates[:4]))
        wall = perf_counter()
        together = list(pool.map(verdict, candidates, chunksize=10))
        wall = perf_counter() - wall
    print(f"a pool of two                     {CANDIDATES / wall:6.0f} candidates a second")
    assert alone == together

    chains = {count: chain(count) for count in (1_000, 3_000, 10_000)}
    print("chains: " + ", ".join(f"{count:,} operators {us:.0f} us each" for count, us in chains.items()))
    return int(max(first, each, again) >= GOAL_MS or chains[10_000] > 2 * chains[1_000])


if __name__ == "__main__":
    sys.exit(main())
