"""Every change on every kind of network: a result or one sentence, and results that are whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mcuplan.estimates.change import Changes, what_if
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.quantize import to_int8
from mcuplan.estimates.resize import prune, resize
from mcuplan.estimates.whatif import WhatIf
from mcuplan.graph import Buffer, DType, Graph
from mcuplan.tflm import Target
from mcuplan.zoo import build

TARGET = Target.parse("cortex-m4+cmsis-nn")
NETWORKS = ("sine", "micro-speech", "ds-cnn", "resnet8", "autoencoder", "mcunet-vww")
CHANGES = (
    Changes(int8=True, float_io=True, ranges=True),
    Changes(prune=0.9),
    Changes(width=0.1),
    Changes(width=1.7, sparsity=0.01),
    Changes(resolution=(48, 48)),
    Changes(resolution=(3, 2)),
    Changes(resolution=(64, 40), width=0.5, prune=0.5, int8=True),
)


def outcome(name: str, changes: Changes) -> WhatIf | str:
    try:
        return what_if(build(name), name, TARGET, "O2-logs", changes)
    except EstimateError as error:
        return str(error)


@pytest.mark.parametrize("name", [*NETWORKS, *(f"{name}-float" for name in NETWORKS)])
@pytest.mark.parametrize("changes", CHANGES)
def test_a_result_or_a_sentence(name: str, changes: Changes) -> None:
    result = outcome(name, changes)
    if isinstance(result, str):
        assert result
        assert not result.endswith(".")
        assert "\n" not in result
        return
    assert len(result.steps) >= 1 + (changes.prune is not None) + (changes.width is not None)
    assert all(step.basis.source and step.basis.error for step in result.steps)
    assert all(step.footprint.arena_bytes > 0 and step.footprint.model_bytes > 0 for step in result.steps)


def test_what_has_a_result() -> None:
    fine = {(n, i) for n in NETWORKS for i, changes in enumerate(CHANGES) if not isinstance(outcome(n, changes), str)}
    pruned_or_wider = {(n, i) for n in NETWORKS if n != "micro-speech" for i in (1, 2, 3)}
    resized = {("ds-cnn", 4), ("resnet8", 4), ("mcunet-vww", 4), ("ds-cnn", 5)}
    assert fine == pruned_or_wider | resized


def with_weight(graph: Graph, value: float) -> Graph:
    main = graph.main
    t = main.tensors[main.operators[0].inputs[1]]
    values = np.frombuffer(graph.data(t) or b"", dtype="<f4").copy()
    values[0] = value
    buffers = list(graph.buffers)
    buffers[t.buffer] = Buffer(values.tobytes())
    return replace(graph, buffers=tuple(buffers))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    graph = with_weight(build("sine-float"), value)
    with pytest.raises(EstimateError, match="not finite"):
        to_int8(graph)
    with pytest.raises(EstimateError, match="not finite"):
        prune(graph, 0.5)


def test_truncated_weights() -> None:
    graph = build("sine-float")
    t = graph.main.tensors[graph.main.operators[0].inputs[1]]
    buffers = list(graph.buffers)
    buffers[t.buffer] = Buffer(bytes(graph.data(t) or b"")[:-4])
    with pytest.raises(EstimateError, match=r"has \d+ values where its shape asks \d+"):
        to_int8(replace(graph, buffers=tuple(buffers)))


def test_float16_weights_are_refused() -> None:
    graph = build("sine-float")
    t = graph.main.operators[0].inputs[1]
    tensors = tuple(replace(x, dtype=DType.FLOAT16) if i == t else x for i, x in enumerate(graph.main.tensors))
    with pytest.raises(EstimateError, match="float16 weights"):
        to_int8(replace(graph, subgraphs=(replace(graph.main, tensors=tensors),)))


def test_impossible_sizes_are_refused_before_memory_is_taken() -> None:
    from mcuplan.zoo.builder import Builder

    b = Builder()
    x = b.conv2d(b.input((1, 8, 8, 3)), 16, 3)
    graph = b.graph([b.fully_connected(b.reshape(x, (1, 1024)), 10)])
    with pytest.raises(EstimateError, match="more than any microcontroller could hold"):
        resize(graph, 99_999, 99_999)
