"""Quantization of weights: the lecture's example, ratios worked out by hand, the order of layers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.rounding import sqnr_db, symmetric, unsigned
from mcuplan.estimates.weights import weight_errors
from mcuplan.graph import Buffer
from mcuplan.zoo.builder import Builder

SLIDE_REALS = [[0.97, 0.64, 0.74, 1.00], [0.58, 0.84, 0.84, 0.81], [0.00, 0.18, 0.90, 0.28], [0.57, 0.96, 0.80, 0.81]]
SLIDE = [[247, 163, 189, 255], [148, 214, 214, 207], [0, 46, 229, 71], [145, 245, 204, 207]]


def test_the_lectures_example() -> None:
    quantized = unsigned(np.array(SLIDE_REALS))
    assert np.abs(quantized.values - np.array(SLIDE)).max() <= 1
    assert (quantized.values != np.array(SLIDE)).sum() == 1  # 0.90 x 255 = 229.5: the slide rounds down
    assert quantized.scales == pytest.approx([1 / 255])
    assert np.abs(quantized.real - np.array(SLIDE_REALS)).max() <= 0.5 / 255 + 1e-12


def test_symmetric_by_hand() -> None:
    values = np.array([[1.27, -0.5], [0.07, 0.035]])
    assert symmetric(values, 8).values.tolist() == [[127, -50], [7, 4]]
    assert symmetric(values, 8, 0).values.tolist() == [[127, -50], [127, 64]]
    assert symmetric(values, 4).values.tolist() == [[7, -3], [0, 0]]


def test_ratio_by_hand() -> None:
    values = np.array([7.0, 0.5])  # int4: scale 1, 0.5 rounds to 0
    assert sqnr_db(values, symmetric(values, 4)) == pytest.approx(10 * math.log10(49.25 / 0.25))
    assert sqnr_db(np.array([127.0, -3.0]), symmetric(np.array([127.0, -3.0]), 8)) == math.inf
    assert sqnr_db(np.zeros(3), symmetric(np.zeros(3), 8)) == math.inf


@given(arrays(np.float32, (4, 5), elements=st.floats(-100, 100, width=32)), st.sampled_from([4, 8]))
def test_error_is_at_most_half_a_step(values: np.ndarray, bits: int) -> None:
    for axis in (None, 0, 1):
        quantized = symmetric(values, bits, axis)
        steps = quantized.scales.max()
        assert np.abs(quantized.real - values).max() <= steps / 2 * (1 + 1e-9)
        assert np.abs(quantized.values).max() <= 2 ** (bits - 1) - 1


def test_worst_layer_first() -> None:
    b = Builder(precision="float32")
    x = b.conv2d(b.input((1, 8, 8, 3)), 4, 3)
    graph = b.graph([b.fully_connected(b.reshape(b.depthwise_conv2d(x, 3), (1, 256)), 5)])
    rows = weight_errors(graph)
    assert sorted(row.operator for row in rows) == [0, 1, 3]
    ratios = [row.int8_tensor_db for row in rows]
    assert None not in ratios
    assert ratios == sorted(ratios, key=float)
    assert all(sum(row.histogram) == row.elements for row in rows)
    assert all(row.int4_tensor_db < row.int8_tensor_db for row in rows if row.int4_tensor_db and row.int8_tensor_db)


@pytest.mark.parametrize("axis", [-1, 1, 3])
def test_an_axis_that_the_weights_lack(axis: int) -> None:
    with pytest.raises(EstimateError, match=rf"weights of shape \[54\] have no channels along axis {axis}"):
        symmetric(np.ones(54), 8, axis)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1e30, 1e30], [1e-40, 2e-40], [3e38, -3e38]])
def test_any_weights_have_a_histogram(weights: list[float]) -> None:
    b = Builder(precision="float32")
    graph = b.graph([b.fully_connected(b.input((1, 2)), 1)])
    buffer = graph.main.tensors[graph.main.operators[0].inputs[1]].buffer
    data = Buffer(np.array(weights, dtype="<f4").tobytes())
    row = weight_errors(replace(graph, buffers=(*graph.buffers[:buffer], data, *graph.buffers[buffer + 1 :])))[0]
    assert sum(row.histogram) == 2
    assert row.low < row.high
