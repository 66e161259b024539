"""Zoo models on real runtimes: they run, their outputs mean something, and their memory is the measured one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import runtimes
from runtimes.inputs import seeded

from mcuplan import tflite, zoo
from mcuplan.graph import DType, Tensor

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "arena-2026-08.json").read_text(encoding="utf-8"))
"""TFLM's arena of each model as measured on its namesake, by target."""

MODELS = [*zoo.names(), "sine-float", "ds-cnn-float", "visual-wake-words-float", "resnet8-float"]
NUMPY = {DType.INT8: np.int8, DType.INT16: np.int16, DType.FLOAT32: np.float32}


def real(data: bytes, tensor: Tensor) -> np.ndarray:
    """The reals that a tensor's bytes stand for."""
    values = np.frombuffer(data, dtype=NUMPY[tensor.dtype]).astype(np.float64)
    if tensor.quantization is None:
        return values
    return (values - tensor.quantization.zero_points[0]) * tensor.quantization.scales[0]


def outputs_of(name: str, seeds: Sequence[int], **options: str) -> list[np.ndarray]:
    graph = zoo.build(name, **options)
    model = tflite.write(graph)
    runs = [runtimes.run_tflm(model, seed) for seed in seeds]
    assert all(run.ok for run in runs), runs[0].message
    return [real(run.outputs[0], graph.main.tensors[graph.main.outputs[0]]) for run in runs]


@pytest.mark.parametrize("name", MODELS)
def test_tflm_runs_it_and_the_output_depends_on_the_input(name: str) -> None:
    runtimes.require("tflm")
    outputs = outputs_of(name, (1, 2, 3))
    assert len({output.tobytes() for output in outputs}) == 3
    assert all(np.isfinite(output).all() for output in outputs)
    assert any(output.size == 1 or np.ptp(output) > 0 for output in outputs)


@pytest.mark.parametrize("name", MODELS)
def test_litert_runs_it(name: str) -> None:
    runtimes.require("litert")
    run = runtimes.run_litert(tflite.write(zoo.build(name)))
    assert run.ok, run.message


@pytest.mark.parametrize("name", ["ds-cnn", "person-detection", "resnet8", "mcunet-vww"])
def test_int16_runs_too(name: str) -> None:
    runtimes.require("tflm")
    outputs = outputs_of(name, (1, 2), precision="int16")
    assert outputs[0].tobytes() != outputs[1].tobytes()


@pytest.mark.parametrize("name", GOLDEN)
def test_planned_memory_is_the_measured_one(name: str) -> None:
    """The head of the reference build depends on the model alone, so host, wasm32 and Cortex-M4 agree to the byte."""
    runtimes.require("tflm")
    measured = GOLDEN[name]["cortex-m4+reference"]["nonpersistent_bytes"]
    run = runtimes.run_tflm(tflite.write(zoo.build(name)))
    assert run.head_bytes == measured


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "mobilenet-v2"])
def test_planned_memory_on_32_bits(name: str) -> None:
    runtimes.require("wasm")
    run = runtimes.run_wasm(tflite.write(zoo.build(name)))
    assert run.ok, run.message
    assert run.head_bytes == GOLDEN[name]["cortex-m4+reference"]["nonpersistent_bytes"]


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("sine", 0.1), ("ds-cnn", 0.1), ("resnet8", 0.2), ("autoencoder", 0.5)],
)
def test_the_quantized_model_approximates_its_float_twin(name: str, tolerance: float) -> None:
    """Of the shallow ones: random weights amplify rounding layer by layer."""
    runtimes.require("tflm")
    quantized, exact = zoo.build(name), zoo.build(f"{name}-float")
    entry = quantized.main.tensors[quantized.main.inputs[0]]
    data = seeded(np.int8, entry.shape, 5).tobytes()
    one = runtimes.run_tflm(tflite.write(quantized), inputs=[data])
    other = runtimes.run_tflm(tflite.write(exact), inputs=[real(data, entry).astype(np.float32).tobytes()])
    assert one.ok
    assert other.ok
    near = real(one.outputs[0], quantized.main.tensors[quantized.main.outputs[0]])
    assert np.abs(near - real(other.outputs[0], exact.main.tensors[exact.main.outputs[0]])).max() < tolerance
