"""The traits table against a real TFLM: what a change of one element of an input changes of the output.

Search, writer and proof narrow one table, so that a wrong row would fool all of them: here each row is run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from runtimes import require, run_tflm_each

from mcuplan.graph import CUSTOM, DType, Graph
from mcuplan.operators import Trait, operators_that
from mcuplan.tflite import write
from mcuplan.tflm.support.table import operator_rule
from mcuplan.zoo.single import build_operator, operator_models

NUMPY = {
    DType.FLOAT32: np.float32, DType.INT8: np.int8, DType.UINT8: np.uint8, DType.INT16: np.int16,
    DType.INT32: np.int32, DType.INT64: np.int64, DType.BOOL: np.bool_,
}  # fmt: skip


def _models(*traits: Trait) -> list[Graph]:
    """Models of one operator with a trait whose output has the shape of each of its inputs."""
    found = []
    for spec in operator_models():
        graph = build_operator(spec)
        op = graph.main.operators[0]
        shapes = {graph.main.tensors[t].shape for t in (*graph.main.inputs, *op.outputs)}
        if op.name in operators_that(*traits) and len(shapes) == 1 and op.name != CUSTOM:
            found.append(graph)
    return found


def _drawn(shape: tuple[int, ...], dtype: DType, seed: int) -> np.ndarray:
    """Numbers for which every function is defined: from 0.1 on, or from 1 on."""
    draw = np.random.default_rng(seed)
    if dtype is DType.FLOAT32:
        return draw.uniform(0.1, 2.0, shape).astype(np.float32)
    return (
        draw.integers(0, 2, shape).astype(bool)
        if dtype is DType.BOOL
        else draw.integers(1, 90, shape).astype(NUMPY[dtype])
    )


def _changed(values: np.ndarray, place: int) -> np.ndarray:
    found = values.copy()
    flat = found.reshape(-1)
    flat[place] = not flat[place] if found.dtype == np.bool_ else flat[place] + 3
    return found


def _places_that_change(graphs: Sequence[Graph], argument: int, place: int) -> list[set[int]]:
    """For each model (of one kind of inputs) the output elements that a change of one input element changes."""
    tensors = [graphs[0].main.tensors[t] for t in graphs[0].main.inputs]
    inputs = [_drawn(t.shape, t.dtype, seed) for seed, t in enumerate(tensors)]
    models = [write(graph) for graph in graphs]
    runs = []
    for last in (inputs[argument], _changed(inputs[argument], place)):
        given = [*inputs[:argument], last, *inputs[argument + 1 :]]
        runs.append(run_tflm_each(models, inputs=[values.tobytes() for values in given]))
    found = []
    for graph, before, after in zip(graphs, *runs, strict=True):
        assert before.ok, before.message
        assert after.ok, after.message
        dtype = NUMPY[graph.main.tensors[graph.main.outputs[0]].dtype]
        a, b = (np.frombuffer(run.outputs[0], dtype) for run in (before, after))
        found.append(set(np.flatnonzero(a != b).tolist()))
    return found


def _groups(graphs: Sequence[Graph]) -> list[list[Graph]]:
    """Models by the kind of their inputs, so that one process runs many."""
    kinds = defaultdict(list)
    for graph in graphs:
        kinds[tuple((t.shape, t.dtype) for t in (graph.main.tensors[i] for i in graph.main.inputs))].append(graph)
    return list(kinds.values())


def test_pointwise_operators_change_at_the_place_alone() -> None:
    require("tflm")
    changes: dict[str, set[int]] = defaultdict(set)
    for graphs in _groups(_models(Trait.POINTWISE)):
        argument = len(graphs[0].main.inputs) - 1
        place = graphs[0].main.tensors[graphs[0].main.inputs[0]].elements // 2
        for graph, found in zip(graphs, _places_that_change(graphs, argument, place), strict=True):
            assert found <= {place}, graph.main.operators[0].name
            changes[graph.main.operators[0].name] |= found
    known = {name for name in operators_that(Trait.POINTWISE) if operator_rule(name, "reference") is not None}
    assert set(changes) == known, "each row is run"
    assert sum(map(bool, changes.values())) > 30, "the change is seen"


def test_operators_on_rows_change_in_the_row_alone() -> None:
    require("tflm")
    for graphs in _groups(_models(Trait.ROWS)):
        first = graphs[0].main.tensors[graphs[0].main.inputs[0]]
        row, place = first.shape[-1], first.elements // 2
        for graph, found in zip(graphs, _places_that_change(graphs, 0, place), strict=True):
            begin = place // row * row
            assert found <= set(range(begin, begin + row)), graph.main.operators[0].name


@pytest.mark.parametrize("name", ["pool", "conv"])
def test_no_operator_with_a_window_is_called_pointwise(name: str) -> None:
    from mcuplan.operators import sliding

    assert not sliding(name) & operators_that(Trait.POINTWISE, Trait.ROWS)
