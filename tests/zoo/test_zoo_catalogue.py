"""Names, options and references of the zoo, and what every network of it must satisfy as a file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from mcuplan import tflite, zoo
from mcuplan.errors import McuplanError
from mcuplan.graph import DType, Graph

EVERY = [variant for name in zoo.names() for variant in (name, f"{name}-float")]


def test_names() -> None:
    assert zoo.names() == (
        "sine",
        "micro-speech",
        "ds-cnn",
        "person-detection",
        "visual-wake-words",
        "resnet8",
        "autoencoder",
        "mobilenet-v2",
        "mcunet-vww",
        "mcunet-320k",
    )


def test_every_network_says_what_it_is() -> None:
    for name in zoo.names():
        entry = zoo.describe(name)
        assert entry.name == name
        assert entry.title
        assert entry.source
        assert "seed" in entry.options


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("zoo:persondetection", "did you mean 'person-detection'?"),
        ("zoo:resnet8-flaot", "did you mean 'resnet8-float'?"),
        ("zoo:", "no zoo model is called ''"),
        ("zoo:../networks/index", "no zoo model is called"),
        ("zoo:ds-cnn?width=0.5", "zoo model ds-cnn has no option 'width'; it takes precision, seed"),
        ("zoo:mobilenet-v2?width=wide", "width is a number from 0.1 to 2.0, not 'wide'"),
        ("zoo:mobilenet-v2?width=nan", "width is a number from 0.1 to 2.0, not 'nan'"),
        ("zoo:mobilenet-v2?resolution=96.5", "resolution is a whole number from 32 to 512, not '96.5'"),
        ("zoo:mobilenet-v2?resolution=100000", "resolution is a whole number from 32 to 512"),
        ("zoo:mobilenet-v2?resolution", "options are written as name=value&name=value"),
        ("zoo:mobilenet-v2?width=1&width=2", "option 'width' is given twice"),
        ("zoo:sine?precision=int4", "precision is one of int8, int16, float32, not 'int4'"),
        ("zoo:sine-float?precision=int8", "the name says float32, the option precision says int8"),
        ("zoo:sine?seed=-1", "seed is a whole number from 0"),
    ],
)
def test_bad_references_are_refused_in_one_sentence(reference: str, sentence: str) -> None:
    with pytest.raises(zoo.ZooError) as caught:
        zoo.resolve(reference)
    assert isinstance(caught.value, McuplanError)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_references_carry_options() -> None:
    by_reference = zoo.resolve("zoo:mobilenet-v2?width=0.35&resolution=96&classes=2")
    by_call = zoo.build("mobilenet-v2", width=0.35, resolution=96, classes=2)
    assert by_reference == by_call
    assert by_call.main.tensors[by_call.main.inputs[0]].shape == (1, 96, 96, 3)
    assert by_call.main.tensors[by_call.main.outputs[0]].shape == (1, 2)
    assert zoo.resolve("sine-float") == zoo.build("sine", precision="float32")


def test_width_rounds_channels_as_mobilenet_v2_does() -> None:
    graph = zoo.build("mobilenet-v2", width=0.35, resolution=96)
    projections = [graph.main.tensors[op.outputs[0]].shape[3] for op in graph.main.operators if op.name == "CONV_2D"]
    # Stem, then (project) or (expand, project) of each block: 16, 24, 32, 64, 96, 160 and 320 channels times 0.35.
    assert projections[:4] == [16, 8, 48, 8]
    assert projections[-2:] == [112, 1280]
    assert set(projections[1::2]) == {8, 16, 24, 32, 56, 112}


def test_seed_decides_the_weights_and_nothing_else() -> None:
    one, other = zoo.build("sine"), zoo.build("sine", seed=2)
    assert one == zoo.build("sine", seed=1)
    assert one.buffers != other.buffers
    assert [t.shape for t in one.main.tensors] == [t.shape for t in other.main.tensors]


def test_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib; from mcuplan import tflite, zoo\n"
        "for name in ('ds-cnn', 'mcunet-vww-float'): print(hashlib.sha256(tflite.write(zoo.build(name))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "3"}
    there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    here = [hashlib.sha256(tflite.write(zoo.build(name))).hexdigest() for name in ("ds-cnn", "mcunet-vww-float")]
    assert there.stdout.split() == here


def test_listing_and_refusing_do_not_import_numpy() -> None:
    program = (
        "import sys; from mcuplan import zoo\n"
        "zoo.describe(zoo.names()[0])\n"
        "try: zoo.resolve('zoo:none')\n"
        "except zoo.ZooError: pass\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", EVERY)
def test_files_are_read_back_as_they_were_built(name: str) -> None:
    built = zoo.build(name)
    read = tflite.read(tflite.write(built), name)
    assert read.main == built.main
    assert [bytes(buffer.data or b"") for buffer in read.buffers] == [
        bytes(buffer.data or b"") for buffer in built.buffers
    ]


@pytest.mark.parametrize("name", zoo.names())
def test_quantization_follows_tflites_rules(name: str) -> None:
    graph = zoo.build(name)
    for op in graph.main.operators:
        tensors = [graph.main.tensors[i] for i in op.inputs]
        output = graph.main.tensors[op.outputs[0]]
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            _check_weighted(graph, op.name, *tensors)
        if op.name == "SOFTMAX":
            assert output.quantization is not None
            assert (output.quantization.scales, output.quantization.zero_points) == ((1 / 256,), (-128,))
        if op.name in ("RESHAPE", "PAD", "AVERAGE_POOL_2D", "TRANSPOSE", "SQUEEZE"):
            assert output.quantization == tensors[0].quantization


def _check_weighted(graph: Graph, operator: str, x: object, weights: object, bias: object) -> None:
    import numpy as np

    from mcuplan.graph import Tensor

    assert isinstance(x, Tensor)
    assert isinstance(weights, Tensor)
    assert isinstance(bias, Tensor)
    assert x.quantization is not None
    assert weights.quantization is not None
    assert bias.quantization is not None
    filters, dimension = {
        "CONV_2D": (weights.shape[0], 0),
        "DEPTHWISE_CONV_2D": (weights.shape[-1], 3),
        "FULLY_CONNECTED": (1, 0),
    }[operator]
    assert (weights.dtype, bias.dtype) == (DType.INT8, DType.INT32)
    assert len(weights.quantization.scales) == filters
    assert weights.quantization.dimension == dimension
    assert set(weights.quantization.zero_points) == {0}
    assert bias.quantization.zero_points == weights.quantization.zero_points
    expected = np.float32(x.quantization.scales[0]) * np.asarray(weights.quantization.scales, dtype=np.float32)
    assert bias.quantization.scales == tuple(expected.tolist())
    assert np.frombuffer(graph.data(weights) or b"", dtype=np.int8).min() >= -127
