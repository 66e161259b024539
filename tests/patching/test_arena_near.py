"""What is found soon: never better than the best of all, and near it; in long networks with little written."""

from __future__ import annotations

import math

import pytest
from random_networks import random_network

from mcuplan.estimates.instructions import cost_model
from mcuplan.graph import Graph
from mcuplan.patching.arena.lattice import Lattice, Limits
from mcuplan.patching.arena.near import Near
from mcuplan.patching.arena.space import EFFORTS, Effort
from mcuplan.tflm import Target, predict
from mcuplan.zoo.builder import Builder

TARGET = Target.parse("cortex-m4+cmsis-nn+lean")
SMALL = Effort((2,), 1, ((2, 1),), 10_000, 8, 8, "fast")


def blocks(count: int) -> Graph:
    """Inverted residuals, one after the other: each needs a stage of its own, or the peak stays."""
    b = Builder()
    x = b.conv2d(b.input((1, 32, 32, 3)), 8, 3)
    for _ in range(count):
        y = b.conv2d(b.depthwise_conv2d(b.conv2d(x, 48, 1), 3), 8, 1)
        x = b.add(x, y)
    return b.graph([b.mean(x, (1, 2))])


@pytest.mark.parametrize("seed", range(8))
def test_never_better_than_the_best_of_all(seed: int) -> None:
    lattice = Lattice(random_network(seed), TARGET, SMALL, None)
    least, _ = next(iter(lattice.walk(Limits(math.inf))))
    near = Near(lattice, math.inf, 1 << 40).best(math.inf)
    assert near is None or least <= lattice.least(near)


@pytest.mark.parametrize("time", [math.inf, 2_000_000.0, 200_000.0])
def test_near_the_best_of_all(time: float) -> None:
    lattice = Lattice(blocks(2), TARGET, SMALL, cost_model(TARGET))
    near = Near(lattice, math.inf, 1 << 40).best(time)
    least, path = next(iter(lattice.walk(Limits(time))))
    assert path.choices
    assert near is not None
    assert near.extra_time <= time
    assert least <= lattice.least(near) <= least * 1.01


def test_every_block_gets_its_stage() -> None:
    """A block holds 32 x 32 x (8 + 48) bytes and more; a plan that leaves one whole gains nothing."""
    graph = blocks(4)
    model = cost_model(TARGET)
    lattice = Lattice(graph, TARGET, EFFORTS["fast"], model)
    near = Near(lattice, math.inf, predict(graph, TARGET).declare_bytes)
    path = near.best(3_000_000.0)
    assert path is not None
    assert path.extra_time <= 3_000_000
    assert path.peak < 32 * 32 * (8 + 48) / 2
    assert len(path.choices) >= 2
    assert lattice.tried < 60
    cheaper = near.best(path.extra_time / 2)
    assert cheaper is not None
    assert cheaper.extra_time <= path.extra_time / 2
    assert lattice.least(cheaper) >= lattice.least(path)


def test_macs_have_a_limit_of_their_own() -> None:
    lattice = Lattice(blocks(2), TARGET, EFFORTS["fast"], cost_model(TARGET))
    for most in (0, 50_000, 1_000_000):
        path = Near(lattice, most, 1 << 40).best(3_000_000.0)
        assert path is None or path.extra_macs <= most
    assert path is not None
