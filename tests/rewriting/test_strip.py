"""Smaller files for the same model, and integers at the ends."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import runtimes
from drawn.hand_models import FINE, SCALE, ZERO, float_ends
from drawn.sketch import AFFINE, Sketch, planned
from runtimes.inputs import seeded

from mcuplan import tflite, zoo
from mcuplan.graph import Buffer, DType, Graph, Metadata, OperatorCode, Quantization, Record, Subgraph
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.rewriting.strip import int8_io, strip
from mcuplan.tflm import predict, read_offline_plan


def wordy() -> Graph:
    """A model with one of everything that can go."""
    s = Sketch()
    x = s.input(1, 4, name="a long name that nobody reads")
    a = s.constant([1, 2, 3, 4], (1, 4), dtype=DType.INT8)
    b = s.constant([1, 2, 3, 4], (1, 4), dtype=DType.INT8)
    y = s.add(s.add(x, a), b)
    s.tensors[y] = replace(s.tensors[y], quantization=replace(AFFINE, min=(-1.0,), max=(1.0,)), shape_signature=(-1, 4))
    s.tensors[x] = replace(s.tensors[x], buffer=len(s.buffers))
    s.buffers += [Buffer(), Buffer(b"nobody names these bytes"), Buffer(b"1.14.0\0\0")]
    graph = s.graph(y)
    entry = Record("TensorMap", {"name": "x", "tensor_index": x})
    signature = Record("SignatureDef", {"inputs": (entry,), "outputs": (), "signature_key": "s", "subgraph_index": 0})
    unused = OperatorCode("RELU", 1, None, 19, 19)
    return replace(
        graph,
        description="made by hand",
        metadata=(Metadata("min_runtime_version", len(s.buffers) - 1),),
        operator_codes=(*graph.operator_codes, unused),
        signatures=(signature,),
    )


def test_everything_that_goes_is_told_with_its_bytes() -> None:
    graph = wordy()
    small, savings = strip(graph, signatures=True)
    assert {saving.name for saving in savings} == {
        "names of tensors and subgraphs", "recorded ranges (min, max)", "shape signatures", "descriptions",
        "metadata that TFLM does not read", "signature definitions", "duplicate constants",
        "empty and unused buffers", "unused operator codes",
    }  # fmt: skip
    assert all(saving.bytes > 0 for saving in savings)
    assert sum(saving.bytes for saving in savings) == len(tflite.write(graph)) - len(tflite.write(small))
    assert [bytes(buffer.data or b"") for buffer in small.buffers] == [b"", bytes([1, 2, 3, 4])]
    assert small.operator_codes == (graph.operator_codes[0],)
    assert same_function(graph, small) == ()


def test_signatures_stay_unless_asked() -> None:
    small, _ = strip(wordy())
    assert small.signatures == wordy().signatures


def test_subgraphs_that_only_a_signature_reaches_go_with_it_unless_planned() -> None:
    s = Sketch()
    x = s.input(1, 4)
    other = Sketch(s.buffers)
    graph = s.graph(s.relu(x), others=[other.subgraph(other.relu(other.input(1, 4)))])
    signature = Record("SignatureDef", {"inputs": (), "outputs": (), "signature_key": "s", "subgraph_index": 1})
    graph = replace(graph, signatures=(signature,))
    assert len(strip(graph)[0].subgraphs) == 2
    assert len(strip(graph, signatures=True)[0].subgraphs) == 1
    small, _ = strip(planned(graph, {x: 0}), signatures=True)
    assert len(small.subgraphs) == 2
    plan = read_offline_plan(small)
    assert plan is not None
    assert plan.problem == ""


def test_the_plan_stays_where_it_is() -> None:
    graph = planned(wordy(), {0: 32, 3: 0})
    small, _ = strip(graph, signatures=True)
    assert read_offline_plan(small) == read_offline_plan(graph)
    assert predict(small).plan == predict(graph).plan
    assert static_check(small) == ()


def test_compressed_models_keep_their_buffers() -> None:
    graph = wordy()
    entry = Metadata("COMPRESSION_METADATA", len(graph.buffers))
    graph = replace(graph, buffers=(*graph.buffers, Buffer(b"\x01\x02\x03\x04")), metadata=(*graph.metadata, entry))
    small, savings = strip(graph, signatures=True)
    assert len(small.buffers) == len(graph.buffers)
    assert small.metadata == (entry,)
    assert "duplicate constants" not in {saving.name for saving in savings}


def test_stripping_twice_saves_nothing() -> None:
    once, _ = strip(wordy(), signatures=True)
    assert strip(once, signatures=True) == (once, ())


@pytest.mark.parametrize("runtime", ["tflm", "litert"])
def test_outputs_and_arena_of_stripped_models(runtime: str) -> None:
    runtimes.require(runtime)
    run = runtimes.run_tflm_each if runtime == "tflm" else runtimes.run_litert_each
    graphs = {name: zoo.build(name) for name in ("sine", "ds-cnn", "micro-speech", "resnet8")}
    folder = os.environ.get("MCUPLAN_SHARED")
    if folder:
        files = sorted(Path(folder, "models").glob("*.tflite"))
        graphs |= {file.name: tflite.load(file) for file in files if file.stat().st_size < 400_000}
    small = {name: strip(graph, signatures=True)[0] for name, graph in graphs.items()}
    before = run([tflite.write(graph) for graph in graphs.values()])
    after = run([tflite.write(graph) for graph in small.values()])
    for name, a, b in zip(graphs, before, after, strict=True):
        assert (a.ok, a.outputs) == (b.ok, b.outputs), name
        assert predict(small[name]).declare_bytes == predict(graphs[name]).declare_bytes, name
        assert same_function(graphs[name], small[name]) == (), name


# -- integers at the ends ------------------------------------------------------------------------------------------


def test_both_ends_become_integers() -> None:
    graph = float_ends()
    small, savings = int8_io(graph)
    assert [op.name for op in small.main.operators] == ["RELU"]
    ends = [small.main.tensors[t] for t in (*small.main.inputs, *small.main.outputs)]
    assert [(t.name, t.dtype) for t in ends] == [("picture", DType.INT8), ("verdict", DType.INT8)]
    assert ends[0].quantization == FINE
    assert len(small.main.tensors) == 2
    assert [saving.name for saving in savings] == ["quantizing of inputs", "dequantizing of outputs"]
    assert sum(saving.bytes for saving in savings) == len(tflite.write(graph)) - len(tflite.write(small))
    assert predict(small).declare_bytes < predict(graph).declare_bytes


def test_an_input_that_someone_else_reads_stays() -> None:
    small, savings = int8_io(float_ends(other_reader=True))
    assert [saving.name for saving in savings] == ["dequantizing of outputs"]
    assert small.main.tensors[small.main.inputs[0]].dtype is DType.FLOAT32


def test_two_quantizations_of_one_input() -> None:
    same, _ = int8_io(float_ends(second=FINE))
    assert [op.name for op in same.main.operators] == ["RELU", "ADD"]
    assert same.main.operators[1].inputs[1] == same.main.inputs[0]
    other, savings = int8_io(float_ends(second=AFFINE))
    assert [saving.name for saving in savings] == ["dequantizing of outputs"]
    assert other.main.tensors[other.main.inputs[0]].dtype is DType.FLOAT32


def test_models_with_integer_ends_are_left_alone() -> None:
    graph = zoo.build("person-detection")
    assert int8_io(graph) == (graph, ())


def test_signatures_follow_their_tensors() -> None:
    graph = float_ends()
    entries = [Record("TensorMap", {"name": n, "tensor_index": t}) for n, t in
               (("in", graph.main.inputs[0]), ("out", graph.main.outputs[0]))]  # fmt: skip
    signature = Record("SignatureDef", {"inputs": (entries[0],), "outputs": (entries[1],), "signature_key": "s",
                                        "subgraph_index": 0})  # fmt: skip
    small, _ = int8_io(replace(graph, signatures=(signature,)))
    (after,) = small.signatures
    assert after["inputs"][0]["tensor_index"] == small.main.inputs[0]
    assert after["outputs"][0]["tensor_index"] == small.main.outputs[0]
    tflite.read(tflite.write(small))


def test_a_plan_is_dropped_with_the_ends() -> None:
    graph = float_ends()
    small, _ = int8_io(planned(graph, {0: 0}))
    assert read_offline_plan(small) is None


def test_integers_at_the_ends_give_what_floats_gave() -> None:
    """The firmware's own arithmetic around the smaller model, against the whole one on TFLM."""
    runtimes.require("tflm")
    graph = float_ends()
    small, _ = int8_io(graph)
    reals = seeded("float32", (1, 4, 4), 11) * np.float32(3)
    whole = runtimes.run_tflm(tflite.write(graph), inputs=[reals.tobytes()])
    quotient = (reals / np.float32(SCALE)).astype(np.float64)
    integers = np.clip(np.trunc(quotient + np.copysign(0.5, quotient)) + ZERO, -128, 127).astype(np.int8)
    inner = runtimes.run_tflm(tflite.write(small), inputs=[integers.tobytes()])
    assert whole.ok, whole.message
    assert inner.ok, inner.message
    back = (np.frombuffer(inner.outputs[0], np.int8).astype(np.float64) - 3) * 0.5
    assert (back.astype(np.float32) == np.frombuffer(whole.outputs[0], np.float32)).all()


def test_subgraph_names_and_empty_ranges_go_too() -> None:
    s = Sketch()
    y = s.relu(s.input(1, 4, dtype=DType.FLOAT32))
    nothing = Quantization(has_scales=False, has_zero_points=False)
    s.tensors[y] = replace(s.tensors[y], quantization=nothing)
    graph = replace(s.graph(y), subgraphs=(Subgraph(tuple(s.tensors), tuple(s.operators), (0,), (y,), "main"),))
    small, savings = strip(graph)
    assert small.main.name is None
    assert small.main.tensors[y].quantization is None
    assert {saving.name for saving in savings} == {"names of tensors and subgraphs", "recorded ranges (min, max)"}
