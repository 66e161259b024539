"""The single-operator models: complete, valid, and running on real TFLMs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import runtimes

from mcuplan import tflite
from mcuplan.graph import DType
from mcuplan.zoo.single import build_operator, operator_models

SPECS = operator_models()


def operators_used() -> set[str]:
    return {call.operator for spec in SPECS for subgraph in spec.subgraphs for call in subgraph.calls}


def test_names_tell_models_apart() -> None:
    names = [spec.name for spec in SPECS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) for name in names)


def test_every_model_is_about_its_operator() -> None:
    for spec in SPECS:
        assert spec.operator in {call.operator for subgraph in spec.subgraphs for call in subgraph.calls}


def test_every_builtin_operator_that_tflm_registers_is_there() -> None:
    shared = os.environ.get("MCUPLAN_SHARED")
    if not shared:
        pytest.skip("MCUPLAN_SHARED is not set: the folder with TFLM's measured operators")
    measured = json.loads((Path(shared) / "truth" / "opdata.json").read_text(encoding="utf-8"))["m4-ref"]
    assert len(operators_used()) == 100
    assert measured.keys() - operators_used() <= {"CUSTOM", "DELEGATE"}


def test_models_are_read_back_as_they_were_built() -> None:
    for spec in SPECS:
        built = build_operator(spec)
        assert tflite.read(tflite.write(built), spec.name).subgraphs == built.subgraphs, spec.name


def test_the_same_seed_gives_the_same_model() -> None:
    spec = next(spec for spec in SPECS if spec.name == "conv-2d-3x3-int8")
    assert build_operator(spec) == build_operator(spec)
    assert build_operator(spec) != build_operator(spec, seed=2)


def test_a_convolution_is_what_its_entry_says() -> None:
    graph = build_operator(next(spec for spec in SPECS if spec.name == "conv-2d-3x3-int8-int4"))
    (op,) = graph.main.operators
    x, weights, bias, y = graph.main.tensors
    assert (op.name, op.inputs, op.outputs) == ("CONV_2D", (0, 1, 2), (3,))
    assert (op.option("padding"), op.option("stride_w"), op.option("dilation_h_factor")) == (0, 1, 1)
    assert (x.shape, weights.shape, bias.shape, y.shape) == ((1, 9, 7, 6), (10, 3, 3, 6), (10,), (1, 9, 7, 10))
    assert (x.dtype, weights.dtype, bias.dtype) == (DType.INT8, DType.INT4, DType.INT32)
    assert x.quantization is not None
    assert weights.quantization is not None
    assert bias.quantization is not None
    assert len(weights.quantization.scales) == len(bias.quantization.scales) == 10
    assert bias.quantization.scales[3] == pytest.approx(x.quantization.scales[0] * weights.quantization.scales[3])
    # int4: two elements a byte.
    assert len(graph.data(weights) or b"") == 10 * 3 * 3 * 6 // 2
    assert graph.main.inputs == (0,)


def test_state_is_a_variable_and_no_input() -> None:
    graph = build_operator(next(spec for spec in SPECS if spec.name == "svdf-int8-int16"))
    (op,) = graph.main.operators
    state = graph.main.tensors[op.inputs[4]]
    assert state.is_variable
    assert not graph.is_constant(state)
    assert graph.main.inputs == (0,)


@pytest.mark.parametrize("runtime", ["tflm", "wasm"])
def test_every_model_runs(runtime: str) -> None:
    runtimes.require(runtime)
    models = [tflite.write(build_operator(spec)) for spec in SPECS]
    runs = runtimes.run_tflm_each(models) if runtime == "tflm" else runtimes.run_wasm_each(models)
    refused = {spec.name: run.message for spec, run in zip(SPECS, runs, strict=True) if not run.ok}
    assert refused == {}
