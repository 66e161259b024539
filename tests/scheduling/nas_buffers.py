"""Seeded allocation problems of NAS-like networks: tensors of random sizes, live as an execution order has them.

The wiring is that of the scheduling tests (RandWire, DARTS-like, SwiftNet-like and multi-scale cells). Equal seeds
give equal problems.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import nas_networks as nas

from mcuplan.memory import Buffer, Problem
from mcuplan.scheduling import Problem as Network

FAMILIES: dict[str, Callable[[int], Network]] = {
    "randwire ws": lambda seed: nas.randwire(seed, 8 + seed % 25, wiring="ws"),
    "randwire er": lambda seed: nas.randwire(seed, 8 + seed % 17, wiring="er"),
    "randwire ba": lambda seed: nas.randwire(seed, 8 + seed % 17, wiring="ba"),
    "randwire stages": lambda seed: nas.randwire(seed, 12, stages=2 + seed % 3),
    "dense": lambda seed: nas.dense_wiring(seed, 20 + 3 * (seed % 16), "ws"),
    "darts": lambda seed: nas.darts(seed, 2 + seed % 7),
    "multiscale": lambda seed: nas.multiscale(seed, 2 + seed % 7),
    "swiftnet": lambda seed: nas.swiftnet(seed, 30 + 10 * (seed % 12)),
}

SEEDS = 16
"""Problems of each family; all families together give 128."""


def problem(family: str, seed: int) -> Problem:
    """One tensor, one buffer: sizes are random, 16 bytes to 16 KiB in steps of 16."""
    rng = random.Random(f"{family} {seed}")
    return lived(FAMILIES[family](seed), rng)


def lived(network: Network, rng: random.Random) -> Problem:
    """The tensors of a network as buffers; every other network runs in a random valid order, not in the file's."""
    order = random_order(network, rng) if rng.random() < 0.5 else list(range(len(network.tasks)))
    first: dict[int, int] = dict.fromkeys(network.inputs, 0)
    last: dict[int, int] = {}
    for step, k in enumerate(order, 1):
        task = network.tasks[k]
        for tensor in task.outputs:
            first[tensor] = step
        for tensor in (*task.inputs, *task.outputs):
            last[tensor] = step
    last.update(dict.fromkeys(network.outputs, len(order)))
    return Problem(
        tuple(Buffer(t, 16 * rng.randint(1, 1024), first[t], last[t] + 1) for t in range(len(network.sizes)))
    )


def random_order(network: Network, rng: random.Random) -> list[int]:
    """A random order that writes every tensor before it is read."""
    waits = {k: {a for a, b in network.precedences() if b == k} for k in range(len(network.tasks))}
    order: list[int] = []
    done: set[int] = set()
    while waits:
        k = rng.choice(sorted(k for k, on in waits.items() if on <= done))
        del waits[k]
        done.add(k)
        order.append(k)
    return order
