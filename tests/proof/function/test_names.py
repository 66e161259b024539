"""Equal names mean equal bytes: on random models of many types and quantizations, against a plain executor."""

from __future__ import annotations

import random

import numpy as np
import pytest
from drawn.moving_models import moving_graph
from drawn.plain_executor import KINDS, Plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcuplan.graph import DType, Graph
from mcuplan.proof.function.follow import follow
from mcuplan.proof.function.names import UntraceableError

CALLS = 3


def positions(graph: Graph) -> dict[tuple[int, tuple[str, int]], list[bytes]]:
    """For each name of a position of a map, with type and channels: the bytes it held in every call, and where."""
    names = follow(graph).tensors
    found: dict[tuple[int, tuple[str, int]], list[bytes]] = {}
    for call in range(CALLS):
        draw = random.Random(call)
        inputs = []
        for t in graph.main.inputs:
            tensor = graph.main.tensors[t]
            values = [draw.randint(-9, 9) for _ in range(tensor.elements)]
            inputs.append(np.array(values).astype(KINDS[tensor.dtype]).reshape(tensor.shape))
        held = Plain(graph).run(inputs)
        for t, grid in names.items():
            tensor = graph.main.tensors[t]
            if tensor.rank != 4:
                continue
            for (row, column), name in np.ndenumerate(grid):
                key = int(name), (tensor.dtype.label, tensor.shape[3])
                found.setdefault(key, []).append(bytes([call]) + held[t][0, row, column].tobytes())
    return found


def assert_one_meaning(*graphs: Graph) -> int:
    """Each name stands for one row of bytes in each call, over all models; the number of names that came up again."""
    meanings: dict[object, dict[int, bytes]] = {}
    again = 0
    for graph in graphs:
        for key, held in positions(graph).items():
            for entry in held:
                known = meanings.setdefault(key, {}).setdefault(entry[0], entry)
                assert known == entry, f"one name for {known[1:].hex()} and {entry[1:].hex()}"
            again += len(held) > CALLS
    return again


def followed(seed: int) -> Graph | None:
    graph = moving_graph(seed)
    try:
        follow(graph)
    except UntraceableError:
        return None
    return graph


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30))
def test_equal_names_mean_equal_results(seed: int) -> None:
    graphs = [graph for graph in map(followed, (seed, seed + 1)) if graph is not None]
    assert_one_meaning(*graphs)


def test_the_random_models_say_something() -> None:
    """Most are followed, and their positions share names: else the property above would hold of nothing."""
    graphs = [followed(seed) for seed in range(60)]
    kept = [graph for graph in graphs if graph is not None]
    assert len(kept) >= 20
    assert sum(any(op.name == "WHILE" for op in graph.main.operators) for graph in kept) >= 5
    assert {graph.main.tensors[0].dtype for graph in kept} == {DType.INT8, DType.FLOAT32}
    assert sum(map(assert_one_meaning, kept)) >= 200


@pytest.mark.parametrize("seed", range(8))
def test_names_are_drawn_anew_but_agree(seed: int) -> None:
    graph = followed(seed)
    if graph is not None:
        first, second = follow(graph), follow(graph)
        assert all(np.array_equal(a, b) for a, b in zip(first.outputs, second.outputs, strict=True))
