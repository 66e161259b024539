"""Pruned, wider and re-sized networks: by hand, against networks built that way, and on a real TFLM."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import runtimes
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.estimates.arrays import array_of
from mcuplan.estimates.channels import channel_groups
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.footprint import footprint
from mcuplan.estimates.resize import divisible, importance, prunable, prune, resize, widen
from mcuplan.estimates.sparsity import sparsity
from mcuplan.estimates.worth import layers_worth
from mcuplan.graph import Buffer, Graph, Quantization
from mcuplan.operators import OperatorCall
from mcuplan.tflite import load, read, write
from mcuplan.tflm import Target, predict
from mcuplan.tflm.support import unsupported
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

TARGET = Target.parse("cortex-m4+cmsis-nn")


def shapes(graph: Graph) -> list[tuple[int, ...]]:
    return [graph.main.tensors[op.outputs[0]].shape for op in graph.main.operators]


def residual(precision: str = "int8") -> Graph:
    b = Builder(precision=precision)
    x = b.conv2d(b.input((1, 8, 8, 3)), 8, 3)
    y = b.conv2d(b.depthwise_conv2d(b.conv2d(x, 16, 1), 3), 8, 1)
    return b.graph([b.fully_connected(b.average_pool(b.add(x, y), 8), 4)])


def branches() -> Graph:
    b = Builder()
    x = b.input((1, 8, 8, 2))
    joined = b.concatenation([b.max_pool(x, 1), b.relu(b.max_pool(x, 1))], 3)
    wide = b.conv2d(joined, 6, 1)
    both = b.concatenation([b.max_pool(wide, 2, stride=2), b.max_pool(wide, 2, stride=2)], 3)
    return b.graph([b.fully_connected(b.reshape(both, (1, 192)), 4)])


def test_residual_layers_lose_the_same_filters() -> None:
    graph = residual()
    free = prunable(channel_groups(graph))
    assert [item.operators for item in free] == [(0, 3), (1,)]
    small = prune(graph, 0.5)
    assert [s[-1] for s in shapes(small)] == [4, 8, 8, 4, 4, 4, 4]
    main = small.main
    assert main.tensors[main.operators[2].inputs[1]].shape == (1, 3, 3, 8)
    assert main.tensors[main.operators[5].inputs[0]].shape == (1, 8, 8, 4)
    assert main.tensors[main.operators[6].inputs[1]].shape == (4, 4)


def test_kept_weights_are_those_of_the_kept_filters() -> None:
    graph = residual("float32")
    small = prune(graph, 0.5)
    scores = importance(graph, (0, 3))
    kept = sorted(np.argsort(-scores, kind="stable")[:4].tolist())
    old, new = (array_of(g, g.main.tensors[g.main.operators[0].inputs[1]]) for g in (graph, small))
    assert np.array_equal(new, old[kept])
    other = sorted(np.argsort(-importance(graph, (1,)), kind="stable")[:8].tolist())
    old, new = (array_of(g, g.main.tensors[g.main.operators[3].inputs[1]]) for g in (graph, small))
    assert np.array_equal(new, old[kept][:, :, :, other])


def test_scales_go_with_their_channels() -> None:
    graph = residual()
    small = prune(graph, None, {1: 0.5})
    kept = np.argsort(-importance(graph, (1,)), kind="stable")[:8]
    old, new = (g.main.tensors[g.main.operators[1].inputs[1]].quantization for g in (graph, small))
    assert old is not None
    assert new is not None
    assert new.scales == tuple(old.scales[i] for i in sorted(kept.tolist()))
    assert new.zero_points == (0,) * 8


def test_concatenation_and_flattening_follow() -> None:
    graph = branches()
    small = prune(graph, 0.5)
    assert shapes(small)[-3:] == [(1, 4, 4, 6), (1, 96), (1, 4)]
    dense = small.main.tensors[small.main.operators[-1].inputs[1]]
    assert dense.shape == (4, 96)
    old = array_of(graph, graph.main.tensors[graph.main.operators[-1].inputs[1]]).reshape(4, 16, 12)
    conv = next(k for k, op in enumerate(graph.main.operators) if op.name == "CONV_2D")
    kept = sorted(np.argsort(-importance(graph, (conv,)), kind="stable")[:3].tolist())
    both = [*kept, *(6 + i for i in kept)]
    assert np.array_equal(array_of(small, dense).reshape(4, 16, 6), old[:, :, both])


@pytest.mark.parametrize(("width", "resolution"), [(2.0, 96), (2.0, 64), (1.0, 160), (1.0, 32)])
def test_twins_of_mobilenet_v2(width: float, resolution: int) -> None:
    base = build("mobilenet-v2", resolution=96)
    changed = resize(base, resolution, resolution) if resolution != 96 else base
    changed = widen(changed, width) if width != 1 else changed
    twin = build("mobilenet-v2", width=width, resolution=resolution)
    assert shapes(changed) == shapes(twin)
    ours, theirs = footprint(changed, TARGET), footprint(twin, TARGET)
    assert (ours.arena_bytes, ours.macs, ours.code_bytes) == (theirs.arena_bytes, theirs.macs, theirs.code_bytes)
    assert abs(ours.model_bytes - theirs.model_bytes) <= 64  # the text that describes the twin is its own


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 0.95), st.sampled_from(["resnet8", "ds-cnn", "person-detection", "autoencoder", "mcunet-vww"]))
def test_pruned_models_are_whole(fraction: float, name: str) -> None:
    graph = build(name)
    small = read(write(prune(graph, fraction)))
    assert not unsupported(small, "cmsis-nn", ())
    for op in small.main.operators:
        facts = OperatorCall(small, small.main, op)
        if facts.window is not None:
            y = facts["y"].dims
            assert (facts.window.rows.output, facts.window.columns.output) == y[1:3]
        if op.name == "CONV_2D":
            assert facts["w"].dims[3] == facts["x"].channels
            assert facts["w"].dims[0] == facts["y"].channels == facts["b"].elements
    before, after = footprint(graph, TARGET), footprint(small, TARGET)
    assert after.macs <= before.macs
    assert after.arena_bytes <= before.arena_bytes
    assert {t: small.main.tensors[t].shape for t in small.main.inputs} == {
        t: graph.main.tensors[t].shape for t in graph.main.inputs
    }


@pytest.mark.parametrize("name", ["resnet8", "ds-cnn", "person-detection"])
def test_width_one_changes_nothing(name: str) -> None:
    graph = build(name)
    assert shapes(widen(graph, 1.0)) == shapes(graph)
    assert write(widen(graph, 1.0)) == write(graph)


def test_rounding_of_widths() -> None:
    assert [divisible(n, 0.5) for n in (16, 24, 32, 96, 4, 1)] == [8, 16, 16, 48, 2, 1]
    assert divisible(24, 0.35) == 8
    assert divisible(32, 0.35) == 16  # 11.2 rounds to 8, which would lose more than 10%


def test_resolution_by_hand() -> None:
    big = resize(residual(), 16, 12)
    assert shapes(big)[:5] == [(1, 16, 12, 8), (1, 16, 12, 16), (1, 16, 12, 16), (1, 16, 12, 8), (1, 16, 12, 8)]
    assert shapes(big)[5:] == [(1, 1, 1, 8), (1, 4)]
    pool = big.main.operators[5]
    assert (pool.option("filter_height"), pool.option("filter_width")) == (16, 12)


def test_dense_layers_get_other_inputs() -> None:
    big = resize(branches(), 16, 8)
    dense = big.main.tensors[big.main.operators[-1].inputs[1]]
    assert dense.shape == (4, 8 * 4 * 12)
    assert shapes(big)[-2] == (1, 384)


def test_too_small_inputs() -> None:
    with pytest.raises(EstimateError, match=r"too small: 1 is left at operator 4 \(CONV_2D\), whose stride is 2"):
        resize(build("resnet8"), 1, 1)
    b = Builder()
    graph = b.graph([b.max_pool(b.conv2d(b.input((1, 16, 16, 1)), 2, 3), 5, stride=2)])
    with pytest.raises(EstimateError, match=r"operator 1 \(MAX_POOL_2D\) has nothing left to slide over"):
        resize(graph, 4, 4)


def test_reshapes_that_fix_the_resolution() -> None:
    b = Builder()
    x = b.conv2d(b.input((1, 8, 8, 3)), 4, 3)
    graph = b.graph([b.softmax(b.reshape(x, (1, 64, 4)))])
    with pytest.raises(EstimateError, match=r"operator 1 \(RESHAPE\) fixes the resolution"):
        resize(graph, 16, 16)
    with pytest.raises(EstimateError, match="only a model with one input of four dimensions"):
        resize(build("sine"), 8, 8)


@pytest.mark.parametrize(("fraction", "said"), [(0, "removes nothing"), (1, "removes every filter"), (2, "no pruning")])
def test_pruning_factors_that_make_no_sense(fraction: float, said: str) -> None:
    with pytest.raises(EstimateError, match=said):
        prune(residual(), fraction)


def test_layers_that_cannot_be_pruned() -> None:
    with pytest.raises(EstimateError, match=r"operator 6 \(FULLY_CONNECTED\) makes no filters that can be removed"):
        prune(residual(), None, {6: 0.5})
    with pytest.raises(EstimateError, match="there is no operator 99"):
        prune(residual(), None, {99: 0.5})
    b = Builder()
    with pytest.raises(EstimateError, match="no filters that can be removed"):
        prune(b.graph([b.fully_connected(b.input((1, 4)), 3)]), 0.5)
    with pytest.raises(EstimateError, match="is no width"):
        widen(residual(), 0)


def test_worth_is_what_pruning_alone_saves() -> None:
    graph = residual()
    before = footprint(graph, TARGET)
    for row in layers_worth(graph, 0.5, TARGET, before):
        after = footprint(prune(graph, None, {row.operators[0]: 0.5}), TARGET)
        assert row.arena_saved == before.arena_bytes - after.arena_bytes
        assert row.macs_saved == before.macs - after.macs
        assert 0 < row.norm_lost < 0.5  # the half of the filters that is smaller


def test_sparsity_by_hand() -> None:
    b = Builder(precision="float32")
    x = b.input((1, 4))
    graph = b.graph([b.fully_connected(x, 2)])
    w = graph.main.operators[0].inputs[1]
    values = np.array([[0, 0.05, -0.2, 1], [0, 0, -0.01, 0.5]], dtype="<f4")
    buffers = list(graph.buffers)
    buffers[graph.main.tensors[w].buffer] = Buffer(values.tobytes())
    counted = sparsity(replace(graph, buffers=tuple(buffers)), 0.1)
    assert (counted.elements, counted.zeros, counted.small) == (8, 3, 5)
    assert (counted.stored_bytes, counted.compressed_bytes) == (32, 1 + 3 * 4)
    with pytest.raises(EstimateError, match="is no threshold"):
        sparsity(graph, -1)


def test_small_int8_weights_are_small_in_real_units() -> None:
    graph = residual()
    assert sparsity(graph, 1e9).small == sparsity(graph, 0).elements
    assert sparsity(graph, 0).small == sparsity(graph, 0).zeros


@pytest.mark.parametrize("change", ["pruned", "wider", "larger"])
def test_real_tflm_plans_the_same_activations(change: str) -> None:
    runtimes.require("tflm")
    graph = build("ds-cnn")
    changed = {"pruned": lambda: prune(graph, 0.3), "wider": lambda: widen(graph, 1.5),
               "larger": lambda: resize(graph, 64, 20)}[change]()  # fmt: skip
    run = runtimes.run_tflm(write(changed))
    assert run.ok, run.message
    assert run.head_bytes == predict(changed, "cortex-m4+reference").nonpersistent_bytes


def test_shared_models() -> None:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED names no folder with real models")
    graph = load(str(Path(folder, "models", "mlperf_vww_int8.tflite")))
    smaller = prune(resize(graph, 80, 80), 0.5)
    assert not unsupported(smaller, "cmsis-nn", ())
    assert footprint(smaller, TARGET).activations_bytes < footprint(graph, TARGET).activations_bytes / 2


@pytest.mark.parametrize("count", [3, 8])
@pytest.mark.parametrize("dimension", [-1, 0, 4])
def test_scales_that_do_not_fit_their_weights_are_named(count: int, dimension: int) -> None:
    graph = build("ds-cnn")
    t = graph.main.operators[0].inputs[1]
    tensors = list(graph.main.tensors)
    odd = Quantization((0.5,) * count, (0,) * count, dimension=dimension)
    tensors[t] = replace(tensors[t], quantization=odd)
    with pytest.raises(EstimateError, match=f"{count} scales, which do not fit their axis {dimension}"):
        sparsity(replace(graph, subgraphs=(replace(graph.main, tensors=tuple(tensors)),)), 0.1)
