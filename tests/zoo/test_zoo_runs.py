"""Zoo models on real runtimes: they run, their outputs mean something, and their memory is the measured one."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import runtimes
from runtimes.inputs import seeded

from mcuplan import tflite, zoo
from mcuplan.graph import DType, Tensor

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "arena-2026-08.json").read_text(encoding="utf-8"))
"""TFLM's arena of each model as measured on its namesake, by target."""

MODELS = list(dict.fromkeys([*zoo.names(), *GOLDEN, "ds-cnn-float"]))
NUMPY = {DType.INT8: np.int8, DType.INT16: np.int16, DType.FLOAT32: np.float32}


def real(data: bytes, tensor: Tensor) -> np.ndarray:
    """The reals that a tensor's bytes stand for."""
    values = np.frombuffer(data, dtype=NUMPY[tensor.dtype]).astype(np.float64)
    if tensor.quantization is None:
        return values
    return (values - tensor.quantization.zero_points[0]) * tensor.quantization.scales[0]


@functools.cache
def files() -> dict[str, bytes]:
    return {name: tflite.write(zoo.build(name)) for name in MODELS}


@functools.cache
def tflm_runs(seed: int) -> dict[str, runtimes.TflmRun]:
    """Every model on TFLM, in one process."""
    return dict(zip(MODELS, runtimes.run_tflm_each(list(files().values()), seed), strict=True))


@functools.cache
def litert_runs() -> dict[str, runtimes.LitertRun]:
    return dict(zip(MODELS, runtimes.run_litert_each(list(files().values())), strict=True))


@functools.cache
def wasm_runs() -> dict[str, runtimes.TflmRun]:
    models = {name: data for name, data in files().items() if len(data) < 2_000_000}
    return dict(zip(models, runtimes.run_wasm_each(list(models.values())), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_tflm_runs_it_and_the_output_depends_on_the_input(name: str) -> None:
    runtimes.require("tflm")
    runs = [tflm_runs(seed)[name] for seed in (1, 2, 3)]
    assert all(run.ok for run in runs), runs[0].message
    assert len({run.outputs_crc32 for run in runs}) == 3
    main = zoo.build(name).main
    outputs = [real(run.outputs[0], main.tensors[main.outputs[0]]) for run in runs]
    assert all(np.isfinite(output).all() for output in outputs)
    assert all(output.size == 1 or np.ptp(output) > 0 for output in outputs)


@pytest.mark.parametrize("name", MODELS)
def test_litert_runs_it(name: str) -> None:
    runtimes.require("litert")
    assert litert_runs()[name].ok, litert_runs()[name].message


@pytest.mark.parametrize("name", ["sine", "ds-cnn", "person-detection", "resnet8"])
def test_litert_and_tflm_agree(name: str) -> None:
    """Of the models without large dense layers, whose reference kernels round alike."""
    runtimes.require("tflm")
    runtimes.require("litert")
    assert litert_runs()[name].outputs == runtimes.run_tflm(files()[name]).outputs


def test_int16_runs_too() -> None:
    runtimes.require("tflm")
    models = [tflite.write(zoo.build(name, precision="int16")) for name in ("ds-cnn", "person-detection", "resnet8")]
    for run, other in zip(runtimes.run_tflm_each(models, 1), runtimes.run_tflm_each(models, 2), strict=True):
        assert run.ok, run.message
        assert run.outputs_crc32 != other.outputs_crc32


@pytest.mark.parametrize("name", GOLDEN)
def test_planned_memory_is_the_measured_one(name: str) -> None:
    """The head of the reference build depends on the model alone, so host, wasm32 and Cortex-M4 agree to the byte."""
    runtimes.require("tflm")
    assert tflm_runs(1)[name].head_bytes == GOLDEN[name]["cortex-m4+reference"]["nonpersistent_bytes"]


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "mobilenet-v2"])
def test_planned_memory_on_32_bits(name: str) -> None:
    """Of all but the one model that is too large for that build."""
    runtimes.require("wasm")
    run = wasm_runs()[name]
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
