"""The int8 form of a float model: by hand, and against real conversions of the same networks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcuplan.estimates.arrays import array_of
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.footprint import footprint
from mcuplan.estimates.int8_rules import int8_rules
from mcuplan.estimates.quantize import converter_version, to_int8, writes_ranges
from mcuplan.graph import Buffer, DType, Graph, Metadata
from mcuplan.tflite import load, read, write
from mcuplan.tflm import Target
from mcuplan.tflm.support import unsupported
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

PAIRS = ("mlperf_vww", "mlperf_resnet8", "mlperf_ad", "micro_kws_m", "mnist_lstm")
TARGETS = ("cortex-m4+cmsis-nn", "cortex-m4+reference", "cortex-m55+cmsis-nn")


def small() -> Graph:
    b = Builder(precision="float32")
    x = b.conv2d(b.input((1, 8, 8, 3)), 4, 3, activation="RELU")
    x = b.depthwise_conv2d(x, 3)
    return b.graph([b.softmax(b.fully_connected(b.reshape(x, (1, 256)), 5))])


@pytest.mark.parametrize("pair", PAIRS)
def test_real_conversions(pair: str) -> None:
    shared = os.environ.get("MCUPLAN_SHARED")
    if not shared:
        pytest.skip("MCUPLAN_SHARED names no folder with real models")
    derived = to_int8(load(str(Path(shared, "models", f"{pair}_float.tflite"))))
    real = load(str(Path(shared, "models", f"{pair}_int8.tflite")))
    for name in TARGETS:
        target = Target.parse(name)
        ours, theirs = footprint(derived, target), footprint(real, target)
        assert abs(ours.model_bytes / theirs.model_bytes - 1) <= 0.01
        assert ours.activations_bytes == theirs.activations_bytes
        assert ours.arena_bytes == theirs.arena_bytes
        assert ours.code_bytes == theirs.code_bytes
        assert ours.macs == theirs.macs
    assert not unsupported(derived, "cmsis-nn", ())


def test_types_and_bytes() -> None:
    graph = small()
    int8 = to_int8(graph)
    conv, depthwise, _, dense, softmax = int8.main.operators
    weights, bias = (int8.main.tensors[t] for t in conv.inputs[1:])
    assert (weights.dtype, weights.shape) == (DType.INT8, (4, 3, 3, 3))
    assert weights.quantization is not None
    assert (len(weights.quantization.scales), weights.quantization.dimension) == (4, 0)
    assert len(int8.data(weights) or b"") == 108
    assert (bias.dtype, len(int8.data(bias) or b"")) == (DType.INT32, 16)
    filters = int8.main.tensors[depthwise.inputs[1]]
    assert filters.quantization is not None
    assert (len(filters.quantization.scales), filters.quantization.dimension) == (4, 3)
    dense_weights = int8.main.tensors[dense.inputs[1]]
    assert dense_weights.quantization is not None
    assert len(dense_weights.quantization.scales) == 1
    probabilities = int8.main.tensors[softmax.outputs[0]].quantization
    assert probabilities is not None
    assert (probabilities.scales, probabilities.zero_points) == ((1 / 256,), (-128,))
    assert read(write(int8)).main.operators == int8.main.operators


def test_weights_stand_for_the_reals() -> None:
    graph = small()
    int8 = to_int8(graph)
    t = graph.main.operators[0].inputs[1]
    real, tensor = array_of(graph, graph.main.tensors[t]), int8.main.tensors[t]
    assert tensor.quantization is not None
    scales = np.array(tensor.quantization.scales).reshape(-1, 1, 1, 1)
    assert np.abs(array_of(int8, tensor) * scales - real).max() <= scales.max() / 2 * 1.0001


def test_same_sizes_as_the_zoo_twin() -> None:
    target = Target.parse("cortex-m4+cmsis-nn")
    ours, twin = (
        footprint(to_int8(build("person-detection-float")), target),
        footprint(build("person-detection"), target),
    )
    assert ours.arena_bytes == twin.arena_bytes
    assert ours.model_bytes == twin.model_bytes


def test_float_ends() -> None:
    graph = to_int8(small(), float_io=True)
    main = graph.main
    assert [op.name for op in main.operators][::6] == ["QUANTIZE", "DEQUANTIZE"]
    assert {main.tensors[t].dtype for t in (*main.inputs, *main.outputs)} == {DType.FLOAT32}
    assert main.operators[0].inputs == main.inputs
    assert main.operators[-1].outputs == main.outputs
    assert not unsupported(graph, "cmsis-nn", ())


def test_ranges_cost_eight_bytes_a_scale() -> None:
    graph = small()
    assert not writes_ranges(graph)
    lean, full = (len(write(to_int8(graph, ranges=ranges))) for ranges in (False, True))
    scales = 4 + 4 + 1 + 5  # conv, depthwise, dense; the activations, softmax's fixed output left out
    tensors = 3 + 5
    assert full - lean >= 8 * scales
    assert full - lean <= 8 * scales + tensors * 32


def by_converter(version: bytes) -> Graph:
    graph = small()
    buffers = (*graph.buffers, Buffer(b"\x10\0\0\0\x06\0\0\0" + version + b"\0\0"))
    return replace(graph, buffers=buffers, metadata=(Metadata("CONVERSION_METADATA", len(buffers) - 1),))


@pytest.mark.parametrize(
    ("version", "known", "scales"),
    [(b"2.10.1", (2, 10), 1), (b"2.17.0", (2, 17), 5), (b"3.0.1", (3, 0), 5), (b"x", None, 1)],
)
def test_dense_layers_by_unit_as_newer_converters(version: bytes, known: tuple[int, int] | None, scales: int) -> None:
    graph = by_converter(version)
    assert converter_version(graph) == known
    int8 = to_int8(graph)
    weights, bias = (int8.main.tensors[t].quantization for t in int8.main.operators[3].inputs[1:])
    assert weights is not None
    assert bias is not None
    assert (len(weights.scales), len(bias.scales), weights.dimension) == (scales, scales, 0)
    assert not unsupported(int8, "cmsis-nn", ())
    tensor, unit = (footprint(to_int8(graph, per_unit=p), Target.parse("cortex-m4+reference")) for p in (False, True))
    assert unit.model_bytes - tensor.model_bytes >= 2 * 4 * (
        4 + 8
    )  # weights and bias, four more scales and zero points
    assert unit.arena_bytes > tensor.arena_bytes


def test_integers_stay() -> None:
    graph = small()
    shape = graph.main.operators[2].inputs[1]
    assert to_int8(graph).main.tensors[shape] == graph.main.tensors[shape]


def test_quantized_models_are_refused() -> None:
    with pytest.raises(EstimateError, match="quantized already: its tensor 'input' is int8"):
        to_int8(build("person-detection"))


@pytest.mark.parametrize("second", [0, 1])
def test_quantized_subgraphs_are_found_wherever_they_are(second: int) -> None:
    """Of two subgraphs the one that is quantized decides, be it the first or the second."""
    quantized, plain = build("person-detection").main, small().main
    graph = replace(small(), subgraphs=(plain, quantized) if second else (quantized, plain))
    with pytest.raises(EstimateError, match="quantized already: its tensor"):
        to_int8(graph)
    with pytest.raises(EstimateError, match="model with 2 subgraphs is not derived"):
        to_int8(replace(small(), subgraphs=(plain, plain)))


def test_operator_without_int8_form_is_refused() -> None:
    graph = small()
    main = graph.main
    strange = replace(main.operators[0], code=replace(main.operators[0].code, name="COS"))
    with pytest.raises(EstimateError, match=r"operator 0 \(COS\) has no int8 form"):
        to_int8(replace(graph, subgraphs=(replace(main, operators=(strange, *main.operators[1:])),)))


def test_subgraphs_are_refused() -> None:
    graph = small()
    with pytest.raises(EstimateError, match="2 subgraphs"):
        to_int8(replace(graph, subgraphs=graph.subgraphs * 2))


def test_rules_name_operators_of_the_schema() -> None:
    from mcuplan.tflite import operator_code

    assert all(operator_code(name) for name in int8_rules())


@pytest.mark.parametrize("inputs", [(0, 2, 2), (0, 2, 1)])
def test_weights_that_are_a_bias_too(inputs: tuple[int, ...]) -> None:
    """One tensor cannot be int8 and int32: said, not derived from itself for ever."""
    graph = small()
    conv, *rest = graph.main.operators
    crossed = replace(conv, inputs=tuple(conv.inputs[i] for i in inputs))
    main = replace(graph.main, operators=(crossed, replace(conv, outputs=(conv.outputs[0],)), *rest))
    with pytest.raises(EstimateError, match="read as weights and as a bias"):
        to_int8(replace(graph, subgraphs=(main,)))
