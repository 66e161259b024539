"""The cost model of operators: counts by hand, and the fit against what was measured."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.estimates.instructions import (
    Call,
    cost_model,
    model_instructions,
    planned_addresses,
)
from mcuplan.estimates.instructions._copies import copied, filled
from mcuplan.estimates.instructions._taps import positions_inside, rows_outside, taps_inside
from mcuplan.estimates.instructions.paths import FEATURES, PARTS
from mcuplan.tflm import Target
from mcuplan.zoo import build
from mcuplan.zoo.single import build_operator, operator_models

M4 = Target.parse("cortex-m4+cmsis-nn")


def _model():
    model = cost_model(M4)
    assert model is not None
    return model


def test_taps_inside_by_hand() -> None:
    """Five positions, a window of three, one position of padding: 2 + 3 + 3 + 3 + 2 taps on the input."""
    assert taps_inside(5, 5, 3, 1, 1, 1) == 13
    assert rows_outside(5, 5, 3, 1, 1) == (1, 1)
    assert positions_inside(5, 5, 1, -1) == 4


@given(
    st.integers(1, 30), st.integers(1, 7), st.integers(1, 3), st.integers(1, 3), st.integers(0, 6), st.integers(1, 30)
)
def test_taps_inside_is_what_a_loop_counts(size, kernel, stride, dilation, before, outputs) -> None:
    """The closed form against the loops of the kernels."""
    counted = sum(0 <= o * stride - before + k * dilation < size for o in range(outputs) for k in range(kernel))
    assert taps_inside(size, outputs, kernel, stride, dilation, before) == counted


@pytest.mark.parametrize(
    ("size", "instructions"), [(0, 14), (1, 19), (2, 21), (3, 21), (4, 18), (16, 24), (64, 48), (100, 48 + 20 + 4)]
)
def test_memcpy_of_aligned_bytes(size: int, instructions: int) -> None:
    """Along newlib's listing: 4 + 6 + 34 a block of 64, 10 a block of 16, 4 a word, 4, 9 or 11 for the rest."""
    assert copied(size) == instructions


def test_memset_by_hand() -> None:
    """Eight to begin with, then words; a size of 0 returns at once."""
    assert (filled(0), filled(4), filled(16)) == (10.0, 26.0, 37.0)


def test_the_paths_of_convolutions_are_told_apart_by_the_kernels_conditions() -> None:
    """1x1; with a stride; with a window; with padding of a 1x1 window; int16; float."""
    conv = FEATURES["cmsis-nn"]["CONV_2D"]
    base = Call("CONV_2D", "int8", (1, 8, 8, 16), (1, 8, 8, 8))
    paths = [
        conv(call)[0]
        for call in (
            base, base._replace(stride=(2, 2), result=(1, 4, 4, 8)), base._replace(kernel=(3, 3), before=(1, 1)),
            base._replace(before=(1, 1)), base._replace(dtype="int16"), base._replace(dtype="float32"),
        )
    ]  # fmt: skip
    assert paths == ["conv.1x1", "conv.1x1-strided", "conv.im2col", "conv.im2col", "conv.im2col-int16",
                     "conv.reference"]  # fmt: skip


def test_the_paths_of_depthwise_convolutions() -> None:
    """3x3 with padding of one; of two; 5x5; several filters a channel, by four and not."""
    depthwise = FEATURES["cmsis-nn"]["DEPTHWISE_CONV_2D"]
    base = Call("DEPTHWISE_CONV_2D", "int8", (1, 8, 8, 6), (1, 8, 8, 6), kernel=(3, 3), before=(1, 1))
    paths = [
        depthwise(call)[0]
        for call in (
            base, base._replace(before=(2, 1)), base._replace(kernel=(5, 5)), base._replace(result=(1, 8, 8, 24)),
            base._replace(result=(1, 8, 8, 12)), base._replace(dilation=(2, 2)),
        )
    ]  # fmt: skip
    assert paths == ["depthwise.3x3", "depthwise.optimized", "depthwise.optimized", "depthwise.multiple-of-4",
                     "depthwise.generic", "depthwise.generic"]  # fmt: skip


def test_depthwise_convolutions_of_int16_go_filter_by_filter() -> None:
    """TFLM calls arm_depthwise_conv_s16, never its fast form: window rows that lie inside, as measured."""
    depthwise = FEATURES["cmsis-nn"]["DEPTHWISE_CONV_2D"]
    call = Call("DEPTHWISE_CONV_2D", "int16", (1, 8, 8, 6), (1, 8, 8, 6), kernel=(3, 3), before=(1, 1))
    path, counts = depthwise(call)
    assert path == "depthwise.generic"
    assert dict(zip(PARTS[path], counts, strict=True))["filter_taps"] == 22 * 22 * 6  # 2 + 6 * 3 + 2 a side


def test_the_paths_of_transposed_convolutions() -> None:
    """Row by row up to 16 channels or with strides above 2, else a convolution of the spread input."""
    transposed = FEATURES["cmsis-nn"]["TRANSPOSE_CONV"]
    base = Call("TRANSPOSE_CONV", "int8", (1, 2, 6, 10), (1, 4, 12, 3), kernel=(2, 2), stride=(2, 2))
    deep = base._replace(source=(1, 2, 6, 17))
    assert [transposed(c)[0] for c in (base, deep, deep._replace(stride=(3, 1)), base._replace(dtype="float32"))] == [
        "transposed.rows", "transposed.im2col", "transposed.rows", "transposed",
    ]  # fmt: skip
    counts = dict(zip(PARTS["transposed.rows"], transposed(base)[1], strict=True))
    # 2 rows, 3 filters of 2 x 2 taps; 6 columns are one tile of 4 and 2 by themselves; 10 channels 2 fours and 2 more.
    assert (counts["rows"], counts["filters"], counts["filter_rows"]) == (2, 2 * 3 * 3, 2 * 2 * 3 * 3)
    assert (counts["tiles"], counts["tiles_4"], counts["tiles_1"]) == (2 * 2 * 2 * 3, 48, 48)
    assert (counts["rest"], counts["rest_4"], counts["rest_1"]) == (2 * 2 * 2 * 2 * 3, 96, 96)
    assert (counts["pixels"], counts["results"]) == (4 * 12, 4 * 12 * 3)


def test_rows_of_a_source_that_fall_outside_of_the_result_take_nothing_off() -> None:
    """Rows 0, 3, 6, 9, 12, 15 of a filter of 3, a result of 5: two of them count, the others begin behind it."""
    call = Call("TRANSPOSE_CONV", "int8", (1, 6, 4, 1), (1, 5, 4, 1), kernel=(3, 3), stride=(3, 3))
    name, work = FEATURES["cmsis-nn"]["TRANSPOSE_CONV"](call)
    counts = dict(zip(PARTS[name], work, strict=True))
    assert (counts["filter_rows"], counts["tiles"]) == (3 + 3, (3 + 3) * 3)
    assert min(work) >= 0


def test_a_mean_that_drops_its_axes_takes_the_general_way() -> None:
    """Only where dimensions are kept TFLM sums whole planes (micro/kernels/reduce_common.cc)."""
    mean = FEATURES["reference"]["MEAN"]
    kept = Call("MEAN", "float32", (1, 4, 4, 8), (1, 1, 1, 8), detail=(1, 2))
    assert [mean(c)[0] for c in (kept, kept._replace(result=(1, 8)))] == ["mean.planes", "mean"]


def test_every_path_counts_as_many_parts_as_it_names() -> None:
    """A row of counts for each operator of the zoo's single-operator models, of both libraries."""
    from mcuplan.estimates.instructions import call_of
    from mcuplan.operators import OperatorCall
    from mcuplan.zoo.single import build_operator, operator_models

    seen = 0
    for spec in operator_models():
        graph = build_operator(spec)
        call = call_of(OperatorCall(graph, graph.main, graph.main.operators[-1])) if graph.main.operators else None
        for library, features in FEATURES.items():
            if call is None or call.operator not in features:
                continue
            path, counts = features[call.operator](call)
            assert len(counts) == len(PARTS[path]), (library, call)
            assert min(counts) >= 0, (library, call, counts)
            seen += 1
    assert seen > 100


@given(
    st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"]),
    st.tuples(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64)),
    st.integers(1, 64),
    st.sampled_from([(1, 1), (3, 3), (5, 5), (1, 7), (10, 4)]),
)
def test_more_rows_never_take_less(operator, shape, filters, kernel) -> None:
    """No shape has a cost below that of a part of it, and none is free."""
    model = _model()
    made = filters if operator == "CONV_2D" else shape[2]

    def cost(rows: int) -> float:
        source, result = (1, rows, *shape[1:]), (1, rows, shape[1], made)
        before = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
        return model.cost(Call(operator, "int8", source, result, kernel=kernel, before=before)).instructions

    low, high = cost(shape[0]), cost(shape[0] + 2)
    assert 0 < low < high
    assert math.isfinite(high)


def test_an_unknown_operator_is_bounded_and_said_so() -> None:
    """A kernel that was not measured costs at least as much as a measured one of its kind."""
    shape = (1, 8, 8, 16)
    model = _model()
    bound = model.cost(Call("L2_NORMALIZATION", "int8", shape, shape))
    assert not bound.modelled
    assert bound.instructions > model.cost(Call("LOGISTIC", "int8", shape, shape)).instructions


def test_loops_count_turn_by_turn() -> None:
    """A loop of three turns: the condition four times, the body three times."""
    from mcuplan.zoo.single import build_operator, operator_models

    graph = build_operator(next(spec for spec in operator_models() if spec.name == "while-int8"))
    found = model_instructions(graph, _model(), planned_addresses(graph, M4))
    calls = {(row.subgraph, row.name): row.calls for row in found.operators}
    assert calls[0, "WHILE"] == 1
    assert not found.exact  # the counter is an input: how often it turns is not known
    assert calls[1, "LESS"] == 2
    assert calls[2, "RELU"] == 1


def test_a_target_without_cost_data() -> None:
    """ESP-NN and MVE have kernels of their own, which nobody measured."""
    assert cost_model(Target.parse("esp32+esp-nn")) is None
    assert cost_model(Target.parse("cortex-m55+cmsis-nn")) is None
    stand_in = cost_model(Target.parse("cortex-m7+cmsis-nn"))
    assert stand_in is not None
    assert "Cortex-M4" in stand_in.about


def test_total_is_the_sum_of_its_parts() -> None:
    """Operators by their calls, and the interpreter."""
    graph = build("person-detection")
    found = model_instructions(graph, _model(), planned_addresses(graph, M4))
    assert found.total == pytest.approx(sum(row.total for row in found.operators) + found.interpreter)
    assert found.exact
    assert found.bounded == 0


@pytest.mark.parametrize("axis", [-128, -5, 4, 2**31 - 1])
@pytest.mark.parametrize("name", ["concatenation-int8", "gather-int8", "pack-int8", "unpack-int8"])
def test_an_axis_out_of_range_ends_nothing(name: str, axis: int) -> None:
    """TFLM refuses such a model; who asks for its instructions all the same gets a figure, not an exception."""
    graph = build_operator(next(spec for spec in operator_models() if spec.name == name))
    op = graph.main.operators[0]
    assert op.options is not None
    op = replace(op, options=replace(op.options, fields={**op.options.fields, "axis": axis}))
    changed = replace(graph, subgraphs=(replace(graph.main, operators=(op,)),))
    assert model_instructions(changed, _model(), planned_addresses(changed, M4)).total > 0


@pytest.mark.parametrize(
    ("rows", "width", "measured"), [(4, 97 * 3, 1680), (4, 98, 920), (2, 34 * 3, 560), (8, 34 * 3, 1680)]
)
def test_rows_of_the_firmware(rows: int, width: int, measured: int) -> None:
    """``MCUPLAN_ROWS`` with a copy as the source of rows, on an emulated Cortex-M4F."""
    model = cost_model(Target.parse("cortex-m4+cmsis-nn"))
    assert model is not None
    shape = (1, rows, width, 1)
    cost = model.cost(Call("MCUPLAN_ROWS", "int8", shape, shape))
    assert cost.modelled
    assert abs(cost.instructions / measured - 1) <= 0.04
