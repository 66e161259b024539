"""The runtimes against the shared measurements: what judges other tests is judged here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import runtimes
from mcuplan import tflite, zoo
from mcuplan.proof.runtimes import children as product
from runtimes.inputs import seeded

SMALL = ("hello_world_int8", "micro_speech_quantized", "mlperf_kws_int8", "person_detect", "multiple_scratch")


@pytest.fixture(scope="module")
def shared() -> Path:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED is not set: the folder with the public reference models")
    return Path(folder)


@pytest.mark.parametrize("name", SMALL)
def test_tflm_gives_the_measured_outputs_and_head(shared: Path, name: str) -> None:
    runtimes.require("tflm")
    entries = json.loads((shared / "truth" / "arena.json").read_text())
    truth = next(entry for entry in entries if entry["model"] == name)["targets"]["cortex-m4+reference"]
    run = runtimes.run_tflm((shared / "models" / f"{name}.tflite").read_bytes())
    assert run.ok, run.message
    assert run.outputs_crc32 == truth["output_crc32"]
    assert run.head_bytes == truth["nonpersistent_bytes"]
    assert run.arena_used_bytes == run.head_bytes + run.tail_bytes
    assert sum(line.used_bytes for line in run.recorded) < run.tail_bytes


def test_tflm_says_why_it_refuses(shared: Path) -> None:
    runtimes.require("tflm")
    run = runtimes.run_tflm((shared / "models" / "mlperf_kws_hybrid.tflite").read_bytes())
    assert not run.ok
    assert "Hybrid models are not supported" in run.message


def test_litert_survives_a_model_that_aborts_it(shared: Path) -> None:
    runtimes.require("litert")
    run = runtimes.run_litert((shared / "models" / "keyword_scrambled_8bit.tflite").read_bytes())
    assert not run.ok
    assert run.message


def test_an_arena_that_is_too_small_is_reported() -> None:
    runtimes.require("tflm")
    run = runtimes.run_tflm(tflite.write(zoo.build("person-detection")), arena_bytes=60_000)
    assert not run.ok
    assert "Failed to allocate" in run.message or "Failed to resize" in run.message


def test_given_inputs_take_the_place_of_seeded_ones() -> None:
    runtimes.require("tflm")
    runtimes.require("litert")
    model = tflite.write(zoo.build("sine-float"))
    low, high = (bytes(seeded("<f4", (1, 1), 1) * 0 + value) for value in (0, 6))
    for run in (runtimes.run_tflm, runtimes.run_litert):
        assert run(model, inputs=[low]).outputs != run(model, inputs=[high]).outputs
        assert run(model, inputs=[low]).outputs == run(model, seed=7, inputs=[low]).outputs


def test_the_generator_is_the_documented_one() -> None:
    state, expected = 12345, []
    for _ in range(40):
        state = (state * 1664525 + 1013904223) % 2**32
        expected.append((state >> 16) & 0xFF)
    assert list(seeded("uint8", (40,), 12345)) == expected
    assert [int(v) & 0xFF for v in seeded("int8", (5, 8), 12345).ravel()] == expected
    assert list(seeded("int32", (5,), 12345)) == [0, 1, 0, 1, 0]
    assert float(abs(seeded("float32", (1000,), 1)).max()) <= 1.0


def test_a_missing_runtime_is_a_skip_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "has_module", lambda python, module: False)
    with pytest.raises(runtimes.RuntimeMissingError, match="pip install --pre tflite-micro"):
        runtimes.run_tflm(b"")
    with pytest.raises(pytest.skip.Exception, match="ai-edge-litert"):
        runtimes.require("litert")
