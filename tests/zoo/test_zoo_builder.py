"""The zoo's arithmetic by hand: quantization, spreads, windows, padding, and the tensors a Builder makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.graph import DType
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.draws import Draws
from mcuplan.zoo.ranges import ACTIVATIONS, Affine, Spread, affine
from mcuplan.zoo.storage import stored
from mcuplan.zoo.windows import Padding, Window


def test_quantization_of_known_ranges() -> None:
    assert affine(0.0, 6.0, DType.INT8) == Affine(float(np.float32(6 / 255)), -128)
    assert affine(0.0, 255.0, DType.INT8) == Affine(1.0, -128)
    assert affine(-128.0, 127.0, DType.INT8) == Affine(1.0, 0)
    assert affine(0.0, 255.0, DType.UINT8) == Affine(1.0, 0)
    assert affine(-16383.5, 1.0, DType.INT16) == Affine(0.5, 0)
    assert affine(-1.0, 1.0, DType.FLOAT32) is None


@given(st.floats(-1000, 0), st.floats(0.001, 1000), st.sampled_from([DType.INT8, DType.INT16]))
def test_quantization_covers_the_range_to_half_a_step(low: float, high: float, dtype: DType) -> None:
    chosen = affine(low, high, dtype)
    assert chosen is not None
    limits = np.iinfo(np.int8 if dtype is DType.INT8 else np.int16)
    assert limits.min <= chosen.zero_point <= limits.max
    assert chosen.scale * (limits.min - chosen.zero_point) <= low + 0.501 * chosen.scale
    assert chosen.scale * (limits.max - chosen.zero_point) >= high - 0.501 * chosen.scale


def test_spread_of_a_rectified_gaussian() -> None:
    after = ACTIVATIONS["RELU"].applied(Spread(0.0, 2.0))
    assert after.mean == pytest.approx(2 / math.sqrt(2 * math.pi))
    assert after.std == pytest.approx(2 * math.sqrt(0.5 - 1 / (2 * math.pi)))
    assert ACTIVATIONS["NONE"].applied(Spread(1.0, 2.0)) == Spread(1.0, 2.0)


def test_spreads_of_sums_products_and_means() -> None:
    assert Spread.uniform(-1, 1).std == pytest.approx(1 / math.sqrt(3))
    assert Spread(1.0, 3.0).plus(Spread(2.0, 4.0), -1) == Spread(-1.0, 5.0)
    assert Spread(0.0, 3.0).times(Spread(0.0, 2.0)) == Spread(0.0, 6.0)
    assert Spread(0.0, 3.0).times(Spread(2.0, 0.0)) == Spread(0.0, 6.0)
    assert Spread(1.0, 2.0).averaged(16) == Spread(1.0, 1.0)


def test_windows() -> None:
    assert Window.of(3, 2).output((96, 49)) == (48, 25)
    assert Window.of(3, 2, Padding.VALID).output((9, 8)) == (4, 3)
    assert Window.of(3, 1, Padding.VALID, 2).output((9, 9)) == (5, 5)
    # TFLite puts the odd row of SAME padding last.
    assert Window.of((3, 5), 2).same_padding((80, 80)) == ((0, 1), (1, 2))
    assert Window.of(5, 2).same_padding((5, 5)) == ((2, 2), (2, 2))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "operators", "padding"),
    [
        (80, 3, 2, ["PAD", "CONV_2D"], 1),  # SAME would pad 0 before and 1 after
        (80, 3, 1, ["CONV_2D"], 0),
        (5, 5, 2, ["CONV_2D"], 0),
        (80, 1, 1, ["CONV_2D"], 1),
    ],
)
def test_symmetric_padding_uses_a_pad_operator_only_where_it_must(
    size: int, kernel: int, stride: int, operators: list[str], padding: int
) -> None:
    b = Builder()
    y = b.conv2d(b.input((1, size, size, 3)), 4, kernel, stride=stride, padding=Padding.SYMMETRIC)
    graph = b.graph([y])
    assert [op.name for op in graph.main.operators] == operators
    assert graph.main.operators[-1].option("padding") == padding
    assert y.shape == (1, math.ceil(size / stride), math.ceil(size / stride), 4)


def test_tensors_are_ordered_inputs_constants_activations() -> None:
    b = Builder()
    x = b.input((1, 8, 8, 2), name="x")
    y = b.conv2d(x, 4, 3, activation="RELU", name="y")
    z = b.add(y, b.depthwise_conv2d(y, 3, name="w"), name="z")
    graph = b.graph([z])
    assert [t.name for t in graph.main.tensors] == [
        "x",
        "y/weights",
        "y/bias",
        "w/weights",
        "w/bias",
        "y",
        "w",
        "z",
    ]
    assert [op.inputs for op in graph.main.operators] == [(0, 1, 2), (5, 3, 4), (5, 6)]
    assert (graph.main.inputs, graph.main.outputs) == ((0,), (7,))
    assert [code.name for code in graph.operator_codes] == ["CONV_2D", "DEPTHWISE_CONV_2D", "ADD"]


def test_layer_shapes() -> None:
    b = Builder()
    x = b.input((1, 9, 7, 4))
    assert b.depthwise_conv2d(x, (3, 5), multiplier=2, stride=2).shape == (1, 5, 4, 8)
    assert b.max_pool(x, 2, stride=2).shape == (1, 4, 3, 4)
    assert b.concatenation([x, x], axis=1).shape == (1, 18, 7, 4)
    assert b.mean(x, (1, 2)).shape == (1, 4)
    assert b.mean(x, (1, 2), keep_dims=True).shape == (1, 1, 1, 4)
    assert b.reshape(x, (-1, 4)).shape == (63, 4)
    assert b.transpose(x, (0, 3, 1, 2)).shape == (1, 4, 9, 7)
    assert b.mul(x, b.scalar(0.5)).shape == (1, 9, 7, 4)
    assert b.fully_connected(x, 3).shape == (1, 3)


def test_precisions_hold_the_same_weights() -> None:
    graphs = {}
    for precision in ("int8", "int16", "float32"):
        b = Builder(precision=precision, seed=3)
        graphs[precision] = b.graph([b.conv2d(b.input((1, 4, 4, 2)), 3, 3)])
    quantized, wide, real = graphs["int8"], graphs["int16"], graphs["float32"]
    weights = quantized.main.tensors[1]
    assert weights.quantization is not None
    integers = np.frombuffer(quantized.data(weights) or b"", dtype=np.int8).reshape(weights.shape)
    scales = np.asarray(weights.quantization.scales, dtype=np.float32).reshape(3, 1, 1, 1)
    floats = np.frombuffer(real.data(real.main.tensors[1]) or b"", dtype=np.float32).reshape(weights.shape)
    assert np.array_equal(integers * scales, floats)
    assert wide.data(wide.main.tensors[1]) == quantized.data(weights)
    assert [g.main.tensors[2].dtype for g in graphs.values()] == [DType.INT32, DType.INT64, DType.FLOAT32]


def test_draws_are_splitmix64() -> None:
    """The generator's published test vector."""
    draws = Draws(1234567)
    assert draws.raw(2).tolist() == [6457827717110365317, 3203168211198807973]
    assert draws.raw(3).tolist() == [9817491932198370423, 4593380528125082431, 16408922859458223821]


def test_draws_fill_their_range() -> None:
    weights = Draws(1).int8(100_000)
    assert (weights.min(), weights.max()) == (-127, 127)
    assert abs(float(weights.mean())) < 1
    uniform = Draws(2).uniform(10_000, 2.0, 4.0)
    assert 2.0 <= uniform.min() < 2.01
    assert 3.99 < uniform.max() < 4.0
    assert float(uniform.mean()) == pytest.approx(3.0, abs=0.02)


def test_int4_packs_the_first_element_low() -> None:
    assert stored(np.array([1, -2, 7]), DType.INT4) == bytes([0xE1, 0x07])
    assert stored(np.array([1, -2]), DType.INT16) == bytes([1, 0, 0xFE, 0xFF])
