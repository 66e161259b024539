"""Each zoo model against the public model it is named after, which ``MCUPLAN_SHARED`` has: what TFLM's memory depends
on (operators in order, shapes, types, quantization vectors, tensor counts) must be the same, weights need not be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcuplan import tflite, zoo
from mcuplan.graph import Graph, Operator, Tensor

NAMESAKES = {
    "sine": "hello_world_int8",
    "sine-float": "sine_float",
    "micro-speech": "micro_speech_quantized",
    "ds-cnn": "mlperf_kws_int8",
    "person-detection": "person_detect",
    "visual-wake-words": "mlperf_vww_int8",
    "visual-wake-words-float": "mlperf_vww_float",
    "resnet8": "mlperf_resnet8_int8",
    "resnet8-float": "mlperf_resnet8_float",
    "autoencoder": "mlperf_ad_int8",
    "autoencoder-float": "mlperf_ad_float",
    "mobilenet-v2": "mobilenet_v2_224",
    "mcunet-vww": "mcunet_vww",
}

OPTIONS = (
    "padding",
    "stride_h",
    "stride_w",
    "dilation_h_factor",
    "dilation_w_factor",
    "depth_multiplier",
    "fused_activation_function",
    "filter_height",
    "filter_width",
    "keep_dims",
    "beta",
    "squeeze_dims",
)
"""What changes results or scratch. Left out: `new_shape` (some converters only give the tensor), `pot_scale_int16`."""


@pytest.fixture
def models() -> Path:
    shared = os.environ.get("MCUPLAN_SHARED")
    if not shared:
        pytest.skip("MCUPLAN_SHARED is not set: the folder with the public reference models")
    return Path(shared) / "models"


def tensor_facts(graph: Graph, tensor: Tensor) -> tuple[object, ...]:
    q = tensor.quantization
    scales, zero_points = (len(q.scales), len(q.zero_points)) if q else (0, 0)
    # The dimension of a bias is read by nobody and differs between converters.
    dimension = q.dimension if q is not None and scales > 1 and tensor.rank > 1 else 0
    return (
        tensor.dtype.name,
        tensor.shape,
        graph.is_constant(tensor),
        tensor.is_variable,
        scales,
        zero_points,
        dimension,
    )


def operator_facts(graph: Graph, op: Operator) -> tuple[object, ...]:
    tensors = graph.main.tensors
    return (
        op.name,
        {name: op.option(name) for name in OPTIONS if op.option(name) is not None},
        [tensor_facts(graph, tensors[i]) for i in op.inputs],
        [tensor_facts(graph, tensors[i]) for i in op.outputs],
    )


def connections(graph: Graph) -> list[list[int]]:
    """For each operator, the operators that made its inputs (-1: a constant or a model input)."""
    return [[graph.main.producers.get(i, -1) for i in op.inputs] for op in graph.main.operators]


@pytest.mark.parametrize(("name", "namesake"), NAMESAKES.items())
def test_like_its_namesake(models: Path, name: str, namesake: str) -> None:
    ours, theirs = zoo.build(name), tflite.load(models / f"{namesake}.tflite")
    assert len(ours.main.tensors) == len(theirs.main.tensors)
    for mine, other in zip(ours.main.operators, theirs.main.operators, strict=True):
        assert operator_facts(ours, mine) == operator_facts(theirs, other)
    assert connections(ours) == connections(theirs)
    for of in ("inputs", "outputs"):
        assert [tensor_facts(ours, ours.main.tensors[i]) for i in getattr(ours.main, of)] == [
            tensor_facts(theirs, theirs.main.tensors[i]) for i in getattr(theirs.main, of)
        ]
