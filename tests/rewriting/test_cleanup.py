"""Each lossless clean-up: where it applies, where it must not, and the same outputs on real runtimes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import runtimes
from drawn.hand_models import IDENTITIES, OTHER, decorated, identity
from drawn.sketch import AFFINE, Sketch, planned

from mcuplan import tflite, zoo
from mcuplan.graph import Buffer, DType, Graph, Metadata, Quantization, Record
from mcuplan.operators.geometry import SAME
from mcuplan.rewriting.cleanup import clean_up, clean_up_mapped, rule_names
from mcuplan.tflm import predict
from mcuplan.tflm.offline import METADATA_NAME

FOLDED = "padding folded into convolutions"
TRIMMED = "padding never read trimmed"
IDENTITY = "identities removed"
RESHAPES = "reshapes before reshapes and fully connected layers removed"
TRIPS = "quantization round trips removed"
CONSTANT = "reshapes of constants done"
SHARED = "duplicate constants shared"
MERGED = "duplicate constant tensors merged"
DEAD = "operators without effect dropped"


def done(graph: Graph) -> dict[str, int]:
    """What was done, without the dropping of tensors that follows from it."""
    _, steps = clean_up(graph)
    return {step.name: step.count for step in steps if not step.name.startswith("tensors")}


def names(graph: Graph) -> list[str]:
    return [op.name for op in graph.main.operators]


def cleaned(graph: Graph) -> Graph:
    return clean_up(graph)[0]


# -- padding -------------------------------------------------------------------------------------------------------

RING = ((0, 0), (1, 1), (1, 1), (0, 0))
ODD = ((0, 0), (0, 1), (0, 1), (0, 0))


def padded_conv(
    size: int, amounts: Sequence[tuple[int, int]], dtype: DType = DType.INT8, operator: str = "CONV_2D", **facts: object
) -> Graph:
    s = Sketch()
    x = s.input(1, size, size, 3, dtype=dtype)
    return s.graph(s.conv(s.pad(x, amounts), operator=operator, **facts))  # type: ignore[arg-type]


@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize(
    ("size", "amounts", "facts"),
    [
        (8, RING, {}),
        (8, ODD, {"stride": 2}),
        (7, RING, {"stride": 2}),
        (8, ((0, 0), (2, 2), (2, 2), (0, 0)), {"kernel": (5, 5)}),
        (8, ((0, 0), (2, 2), (2, 2), (0, 0)), {"dilation": 2}),
        (8, ((0, 0), (1, 1), (0, 0), (0, 0)), {"kernel": (3, 1)}),
    ],
)
def test_padding_as_same_is_folded(
    operator: str, size: int, amounts: Sequence[tuple[int, int]], facts: dict[str, object]
) -> None:
    graph = padded_conv(size, amounts, operator=operator, **facts)
    assert done(graph) == {FOLDED: 1}
    after = cleaned(graph)
    assert names(after) == [operator]
    assert after.main.operators[0].option("padding") == SAME
    assert after.main.operators[0].inputs[0] == after.main.inputs[0]


@pytest.mark.parametrize(
    ("size", "amounts", "facts"),
    [
        (8, ((0, 0), (1, 2), (1, 1), (0, 0)), {}),  # a row more than SAME pads
        (8, ((0, 0), (2, 0), (1, 1), (0, 0)), {}),  # as many rows, all of them before
        (8, ((0, 0), (1, 1), (1, 1), (1, 0)), {}),  # channels
        (8, ((0, 0), (1, 0), (1, 0), (0, 0)), {"stride": 2}),  # SAME would pad behind
    ],
)
def test_other_padding_stays(size: int, amounts: Sequence[tuple[int, int]], facts: dict[str, object]) -> None:
    assert done(padded_conv(size, amounts, **facts)) == {}


def test_padding_before_pooling_stays() -> None:
    s = Sketch()
    x = s.input(1, 8, 8, 3)
    for operator in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        p = s.op(
            operator, [s.pad(x, RING)], (1, 8, 8, 3), padding=1, filter_height=3, filter_width=3, stride_h=1, stride_w=1
        )
    assert done(replace(s.graph(p, p - 3))) == {MERGED: 1, SHARED: 1}


def test_padding_that_someone_else_reads_stays() -> None:
    s = Sketch()
    p = s.pad(s.input(1, 8, 8, 3), RING)
    assert done(s.graph(s.conv(p), s.relu(p))) == {}
    s = Sketch()
    p = s.pad(s.input(1, 8, 8, 3), RING)
    assert done(s.graph(s.conv(p), p)) == {}


def test_padding_with_another_zero_stays() -> None:
    """PAD fills with its output's zero point; the convolution takes off its input's."""
    s = Sketch()
    x = s.input(1, 8, 8, 3)
    p = s.pad(x, RING)
    y = s.conv(p)
    s.tensors[p] = replace(s.tensors[p], quantization=Quantization(scales=(0.5,), zero_points=(4,)))
    assert done(s.graph(y)) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_float_weights_must_be_finite(value: float) -> None:
    weights = [1.0] * 53 + [value]
    assert done(padded_conv(8, RING, DType.FLOAT32, weights=weights)) == {}
    assert done(padded_conv(8, RING, DType.FLOAT32, weights=[1.0] * 54)) == {FOLDED: 1}


def test_padding_of_a_single_row_stays() -> None:
    s = Sketch()
    x = s.input(1, 1, 8, 3)
    y = s.conv(s.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0))), kernel=(1, 3))
    assert done(s.graph(y)) == {}


@pytest.mark.parametrize(("value", "expected"), [(3, {FOLDED: 1}), (2, {})])
def test_padv2_folds_where_it_pads_zeros(value: int, expected: dict[str, int]) -> None:
    s = Sketch()
    x = s.input(1, 8, 8, 3)
    amounts = s.constant([n for pair in RING for n in pair], (4, 2))
    filler = s.constant([value], (1,), dtype=DType.INT8)
    y = s.conv(s.op("PADV2", [x, amounts, filler], (1, 10, 10, 3)))
    assert done(s.graph(y)) == expected


def test_rows_behind_the_last_window_are_trimmed() -> None:
    """As Keras pads: one on every side, of which a stride of two leaves the last row and column unread."""
    graph = padded_conv(8, RING, stride=2)
    after = cleaned(graph)
    assert done(graph) == {TRIMMED: 1}
    assert [t.shape for t in after.main.tensors if t.shape == (1, 9, 9, 3)] != []
    pad = after.main.operators[0]
    assert tflite_values(after, pad.inputs[1]) == (0, 0, 1, 0, 1, 0, 0, 0)
    assert predict(after).nonpersistent_bytes < predict(graph).nonpersistent_bytes


def test_trimming_all_of_it_leaves_an_identity() -> None:
    graph = padded_conv(8, ODD, stride=2, kernel=(2, 2))
    assert done(graph) == {TRIMMED: 1, IDENTITY: 1}
    assert names(cleaned(graph)) == ["CONV_2D"]


def test_trimming_leaves_what_the_neediest_reader_reads() -> None:
    s = Sketch()
    p = s.pad(s.input(1, 8, 8, 3), RING)
    graph = s.graph(s.conv(p, stride=2), s.conv(p, stride=2, kernel=(2, 2)))
    assert TRIMMED not in done(graph)  # the second reads rows 0 to 9
    s = Sketch()
    p = s.pad(s.input(1, 8, 8, 3), RING)
    assert done(s.graph(s.conv(p, stride=2), s.relu(p))) == {}


def test_a_shared_table_of_amounts_is_not_changed_for_others() -> None:
    s = Sketch()
    x = s.input(1, 8, 8, 3)
    p = s.pad(x, RING)
    other = s.op("PAD", [x, s.operators[0].inputs[1]], (1, 10, 10, 3))
    after = cleaned(s.graph(s.conv(p, stride=2), other))
    shapes = {after.main.tensors[op.outputs[0]].shape for op in after.main.operators if op.name == "PAD"}
    assert shapes == {(1, 9, 9, 3), (1, 10, 10, 3)}


def tflite_values(graph: Graph, t: int) -> tuple[int, ...]:
    from mcuplan.operators import constant_values

    return constant_values(graph, graph.main.tensors[t]) or ()


# -- identities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", IDENTITIES)
def test_identities_are_removed(kind: str) -> None:
    s = Sketch()
    x = s.input(1, 4, 8)
    graph = s.graph(s.relu(identity(kind, s, s.relu(x))))
    assert done(graph) == {IDENTITY: 1}
    assert names(cleaned(graph)) == ["RELU", "RELU"]


@pytest.mark.parametrize("kind", IDENTITIES)
def test_an_identity_that_changes_what_numbers_mean_stays(kind: str) -> None:
    s = Sketch()
    y = identity(kind, s, s.relu(s.input(1, 4, 8)))
    s.tensors[y] = replace(s.tensors[y], quantization=OTHER)
    assert done(s.graph(s.relu(y))) == {}


def test_reversing_and_reordering_are_no_identities() -> None:
    s = Sketch()
    x = s.input(1, 4, 4)
    end, back = s.constant([-2, -5, -5]), s.constant([-1, -1, -1])
    y = s.op("STRIDED_SLICE", [x, s.constant([0, 3, 3]), end, back], (1, 4, 4))
    z = s.op("TRANSPOSE", [x, s.constant([0, 2, 1])], (1, 4, 4))
    assert done(s.graph(y, z)) == {}


def test_an_identity_before_an_output_keeps_the_outputs_tensor() -> None:
    s = Sketch()
    x = s.input(1, 8)
    y = s.reshape(s.relu(x), 1, 8)
    s.tensors[y] = replace(s.tensors[y], name="the output")
    after = cleaned(s.graph(y))
    assert names(after) == ["RELU"]
    assert after.main.tensors[after.main.outputs[0]].name == "the output"


def test_an_identity_between_input_and_output_stays() -> None:
    s = Sketch()
    x = s.input(1, 8)
    graph = s.graph(s.reshape(x, 1, 8))
    assert clean_up(graph) == (graph, ())


def test_an_identity_between_two_outputs_stays() -> None:
    s = Sketch()
    a = s.relu(s.input(1, 8))
    assert done(s.graph(a, s.reshape(a, 1, 8))) == {}


def test_an_identity_of_a_variable_stays() -> None:
    s = Sketch()
    state = s.tensor(1, 8, variable=True)
    y = s.add(s.reshape(state, 1, 8), s.input(1, 8))
    assert done(s.graph(y)) == {}


def test_tensors_written_twice_are_left_alone() -> None:
    s = Sketch()
    x = s.input(1, 8)
    a = s.relu(x)
    b = s.reshape(a, 1, 8)
    s.into("ABS", [x], [a])  # after b was taken from it
    assert done(s.graph(s.add(b, a))) == {}


# -- pairs ---------------------------------------------------------------------------------------------------------


def test_reshape_after_reshape() -> None:
    s = Sketch()
    x = s.relu(s.input(1, 4, 8))
    graph = s.graph(s.relu(s.reshape(s.reshape(x, 1, 32), 1, 2, 16)))
    assert done(graph) == {RESHAPES: 1, DEAD: 1}
    assert names(cleaned(graph)) == ["RELU", "RESHAPE", "RELU"]


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_reshape_before_fully_connected(dtype: DType) -> None:
    s = Sketch()
    x = s.relu(s.input(1, 2, 2, 8, dtype=dtype))
    graph = s.graph(s.dense(s.reshape(x, 1, 32)))
    assert done(graph) == {RESHAPES: 1, DEAD: 1}
    assert names(cleaned(graph)) == ["RELU", "FULLY_CONNECTED"]


def test_reshape_before_fully_connected_that_keeps_dimensions_stays() -> None:
    s = Sketch()
    x = s.relu(s.input(1, 2, 2, 8))
    y = s.dense(s.reshape(x, 1, 32))
    op = s.operators[-1]
    assert op.options is not None
    options = Record(op.options.table, {**op.options.fields, "keep_num_dims": True})
    s.operators[-1] = replace(op, options=options)
    assert done(s.graph(y)) == {}


def test_a_reshape_that_someone_else_reads_stays() -> None:
    s = Sketch()
    flat = s.reshape(s.relu(s.input(1, 2, 2, 8)), 1, 32)
    assert done(s.graph(s.dense(flat), s.relu(flat))) == {}


def round_trip(again: Quantization = AFFINE, dtype: DType = DType.INT8) -> Graph:
    s = Sketch()
    x = s.relu(s.input(1, 8, dtype=dtype, quantization=AFFINE if dtype is DType.INT8 else again))
    real = s.tensor(1, 8, dtype=DType.FLOAT32)
    s.into("DEQUANTIZE", [x], [real])
    y = s.tensor(1, 8, dtype=dtype, quantization=again)
    s.into("QUANTIZE", [real], [y])
    return s.graph(s.relu(y))


def test_a_quantization_round_trip() -> None:
    assert done(round_trip()) == {TRIPS: 1, DEAD: 1}
    assert names(cleaned(round_trip())) == ["RELU", "RELU"]
    assert done(round_trip(OTHER)) == {}


@pytest.mark.parametrize("bits", [8, 16])
def test_quantizing_what_was_dequantized_gives_every_integer_back(bits: int) -> None:
    """The kernels' arithmetic in float32, for every integer and many scales."""
    import numpy as np

    generator = np.random.default_rng(7)
    scales = np.concatenate([np.float32(10.0) ** generator.uniform(-29, 29, 300), [1e-29, 0.1, 1 / 3, 1, 1e29]])
    every = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1), dtype=np.int64)
    for scale in scales.astype(np.float32):
        for zero in (0, -7, int(every[0]), int(every[-1])):
            reals = (np.float64(scale) * (every - zero)).astype(np.float32)
            quotient = (reals / scale).astype(np.float64)
            rounded = np.trunc(quotient + np.copysign(0.5, quotient)).astype(np.int64) + zero
            assert (rounded == every).all()


def test_requantizing_by_one_gives_every_integer_back() -> None:
    """Both roundings of MultiplyByQuantizedMultiplier with the multiplier and shift of exactly one."""
    for x in range(-65536, 65537):
        product = (2 * x) * 2**30
        nudge = 2**30 if product >= 0 else 1 - 2**30
        assert int((product + nudge) / 2**31) == x
        assert (x * 2**30 + 2**29) >> 30 == x


# -- constants -----------------------------------------------------------------------------------------------------


def test_a_reshaped_constant_is_a_constant() -> None:
    s = Sketch()
    c = s.constant([1, 2, 3, 4], (4,), dtype=DType.INT8)
    y = s.add(s.input(1, 2, 2), s.reshape(c, 1, 2, 2))
    after = cleaned(s.graph(y))
    assert names(after) == ["ADD"]
    assert bytes(after.data(after.main.tensors[after.main.operators[0].inputs[1]]) or b"") == bytes([1, 2, 3, 4])


def test_equal_constants_are_kept_once() -> None:
    s = Sketch()
    x = s.input(1, 4)
    a, b = (s.constant([1, 2, 3, 4], (1, 4), dtype=DType.INT8, name=name) for name in ("a", "b"))
    graph = s.graph(s.add(s.add(x, a), b))
    assert done(graph) == {SHARED: 1, MERGED: 1}
    after = cleaned(graph)
    assert len(after.main.tensors) == 4
    assert len(after.buffers) == 2


def test_constants_that_mean_something_else_stay_tensors_apart() -> None:
    s = Sketch()
    x = s.input(1, 4)
    a = s.constant([1, 2, 3, 4], (1, 4), dtype=DType.INT8)
    b = s.constant([1, 2, 3, 4], (1, 4), dtype=DType.INT8, quantization=OTHER)
    c = s.constant([1, 2, 3, 4], (4,), dtype=DType.INT8)
    graph = s.graph(s.add(s.add(s.add(x, a), b), c))
    assert done(graph) == {SHARED: 2}
    assert len(cleaned(graph).main.tensors) == len(graph.main.tensors)


def test_a_variables_first_value_is_not_shared() -> None:
    s = Sketch()
    x = s.input(1, 4)
    a = s.constant([1, 2, 3, 4], (1, 4), dtype=DType.INT8)
    v = s.constant([1, 2, 3, 4], (1, 4), dtype=DType.INT8, variable=True)
    assert done(s.graph(s.add(s.add(x, a), v))) == {}


# -- what nobody needs ---------------------------------------------------------------------------------------------


def test_operators_without_effect_and_their_tensors() -> None:
    s = Sketch()
    x = s.input(1, 8)
    s.relu(s.relu(x))
    graph = s.graph(s.relu(x))
    assert done(graph) == {DEAD: 2}
    assert len(cleaned(graph).main.tensors) == 2


def test_operators_that_a_signature_names_stay() -> None:
    s = Sketch()
    x = s.input(1, 8)
    y = s.relu(x)
    other = s.relu(x)
    entry = Record("TensorMap", {"name": "other", "tensor_index": other})
    signature = Record("SignatureDef", {"inputs": (), "outputs": (entry,), "signature_key": "s", "subgraph_index": 0})
    assert done(replace(s.graph(y), signatures=(signature,))) == {}


def test_operators_with_an_effect_stay() -> None:
    s = Sketch()
    x = s.input(1, 8)
    s.into("CUSTOM", [x], [s.tensor(1, 8)], custom="mine")
    state = s.tensor(1, 8, variable=True)
    s.into("ADD", [x, state], [s.tensor(1, 8)])
    assert done(s.graph(s.relu(x))) == {}


def test_subgraphs_that_nothing_reaches() -> None:
    s = Sketch()
    other = Sketch(s.buffers)
    subgraph = other.subgraph(other.relu(other.input(1, 8)))
    graph = s.graph(s.relu(s.input(1, 8)), others=[subgraph])
    assert done(graph) == {"subgraphs never reached dropped": 1}
    assert len(cleaned(graph).subgraphs) == 1
    assert predict(cleaned(graph)).declare_bytes < predict(graph).declare_bytes


# -- what must not be renumbered -----------------------------------------------------------------------------------


def untidy() -> Graph:
    s = Sketch()
    x = s.input(1, 8)
    s.relu(x)
    return s.graph(s.relu(s.reshape(s.relu(x), 1, 8)))


def test_a_plan_made_for_other_tensors_is_dropped() -> None:
    after, steps = clean_up(planned(untidy(), {0: 0, 2: 16}))
    assert steps
    assert after.metadata_data(METADATA_NAME) is None
    tidy = planned(cleaned(untidy()), {0: 0, 1: 16})
    assert clean_up(tidy) == (tidy, ())


def test_compressed_and_vela_models_are_left_alone() -> None:
    graph = untidy()
    entry = Metadata("COMPRESSION_METADATA", len(graph.buffers))
    compressed = replace(graph, buffers=(*graph.buffers, Buffer(b"1234")), metadata=(entry,))
    assert clean_up(compressed) == (compressed, ())
    s = Sketch()
    x = s.input(1, 8)
    s.relu(x)
    y = s.tensor(1, 8)
    s.into("CUSTOM", [x, x, x, x, x], [y], custom="ethos-u")
    assert clean_up(s.graph(y)) == (s.graph(y), ())


def test_cleaning_up_twice_changes_nothing() -> None:
    for graph in [untidy(), *(zoo.build(name) for name in ("ds-cnn", "mcunet-vww", "resnet8"))]:
        once = cleaned(graph)
        assert clean_up(once) == (once, ())


def test_operators_keep_their_origin() -> None:
    """Of RELU (unused), RELU, RESHAPE to the same shape, RELU the second and the last are left."""
    graph = untidy()
    main = replace(graph.main, operators=tuple(replace(op, debug_metadata_index=9) for op in graph.main.operators))
    found = clean_up_mapped(replace(graph, subgraphs=(main,)))
    assert found.origins == (1, 3)
    assert [op.debug_metadata_index for op in found.graph.main.operators] == [9, 9]
    assert clean_up_mapped(found.graph).origins == (0, 1)


def test_origins_of_random_models() -> None:
    """No name tells operators apart here: no tensor has one. Each is the given operator, maybe with other tensors."""
    changed = 0
    for graph in (*hand_made(), *map(decorated, range(60))):
        main = replace(graph.main, tensors=tuple(replace(t, name="") for t in graph.main.tensors))
        found = clean_up_mapped(replace(graph, subgraphs=(main, *graph.subgraphs[1:])))
        assert list(found.origins) == sorted(set(found.origins))
        for op, k in zip(found.graph.main.operators, found.origins, strict=True):
            assert (op.code, op.debug_metadata_index) == (
                main.operators[k].code,
                main.operators[k].debug_metadata_index,
            )
        changed += found.origins != tuple(range(len(main.operators)))
    assert changed > 50


def test_every_rule_is_named_once() -> None:
    assert len(set(rule_names())) == len(list(rule_names())) == 11


# -- on real runtimes ----------------------------------------------------------------------------------------------


def hand_made() -> list[Graph]:
    found = [round_trip(), untidy()]
    for dtype in (DType.INT8, DType.INT16, DType.FLOAT32):
        for operator in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            found += [padded_conv(8, RING, dtype, operator), padded_conv(8, RING, dtype, operator, stride=2),
                      padded_conv(8, ODD, dtype, operator, stride=2), padded_conv(7, RING, dtype, operator, stride=2),
                      padded_conv(8, ((0, 0), (2, 2), (2, 2), (0, 0)), dtype, operator, dilation=2)]  # fmt: skip
    for kind in IDENTITIES:
        s = Sketch()
        found.append(s.graph(s.relu(identity(kind, s, s.relu(s.input(1, 4, 8))))))
    return found


@pytest.mark.parametrize("runtime", ["tflm", "litert"])
def test_outputs_stay_as_they_are(runtime: str) -> None:
    """Hand-made and random models, changed and unchanged, on three inputs each."""
    runtimes.require(runtime)
    run = runtimes.run_tflm_each if runtime == "tflm" else runtimes.run_litert_each
    graphs = [g for g in (*hand_made(), *map(decorated, range(60))) if clean_up(g)[1]]
    assert len(graphs) > 60
    before, after = [tflite.write(g) for g in graphs], [tflite.write(cleaned(g)) for g in graphs]
    compared = 0
    for seed in (1, 2, 3):
        runs = run(before + after, seed)
        for k, (a, b) in enumerate(zip(runs[: len(graphs)], runs[len(graphs) :], strict=True)):
            assert a.ok == b.ok, (k, a.message, b.message)
            assert a.outputs == b.outputs, (k, seed, clean_up(graphs[k])[1])
            compared += a.ok
    assert compared == 3 * len(graphs)


def test_shared_models_keep_their_outputs() -> None:
    runtimes.require("tflm")
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED is not set: the folder with the public reference models")
    models = {file.name: tflite.load(file) for file in sorted(Path(folder, "models").rglob("*.tflite"))}
    changed = {name: cleaned(graph) for name, graph in models.items() if clean_up(graph)[1]}
    assert len(changed) >= 12
    before = runtimes.run_tflm_each([tflite.write(models[name]) for name in changed])
    after = runtimes.run_tflm_each([tflite.write(graph) for graph in changed.values()])
    for name, a, b in zip(changed, before, after, strict=True):
        assert (a.ok, a.outputs) == (b.ok, b.outputs), name
        assert predict(changed[name]).declare_bytes <= predict(models[name]).declare_bytes, name
