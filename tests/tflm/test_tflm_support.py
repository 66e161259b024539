"""The static verdict of what TFLM refuses: one small graph for each rule, and the rules' data."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from support_changes import changes
from support_models import (
    RECIPES,
    bases,
    conditional,
    custom,
    double,
    loop,
    model,
    operator,
    plain,
    values,
    variables,
    whole,
)

from mcuplan.errors import McuplanError
from mcuplan.graph import Buffer, DType, Graph, Metadata, Operator, Quantization, Record, Tensor
from mcuplan.operators.input_rows import ROWS_OPERATOR
from mcuplan.tflm.results import Refusal
from mcuplan.tflm.support import UNNOTICED, unsupported
from mcuplan.tflm.support.checks import CHECKS
from mcuplan.tflm.support.table import operator_rule, support_table

F32, F16, I8, I16, I32, U8 = DType.FLOAT32, DType.FLOAT16, DType.INT8, DType.INT16, DType.INT32, DType.UINT8


def one(name: str, first: DType, kernels: str = "cmsis-nn", **types: DType) -> Graph:
    """A model of one operator whose choosing operand has the type ``first``; ``types`` for operands by name."""
    rule = operator_rule(name, kernels)
    assert rule is not None
    chooser = rule.anchor or (rule.inputs or rule.outputs)[0].name
    base = next((base for base in bases(rule) if base[chooser] is first), {**bases(rule)[0], chooser: first})
    return model(RECIPES[name], rule, {**base, **types})


def tensors(graph: Graph, change: Callable[[Tensor], Tensor], *names: str) -> Graph:
    """The model with some tensors of its main subgraph changed."""
    main = graph.main
    changed = tuple(change(t) if t.name.rstrip("0123456789") in names else t for t in main.tensors)
    return replace(graph, subgraphs=(replace(main, tensors=changed), *graph.subgraphs[1:]))


def op_of(graph: Graph, **changed: Any) -> Graph:
    """The model with its only operator changed."""
    op = replace(graph.main.operators[0], **changed)
    return replace(graph, subgraphs=(replace(graph.main, operators=(op,)), *graph.subgraphs[1:]))


def options(graph: Graph, **fields: Any) -> Graph:
    """The model with options of its only operator changed."""
    found = graph.main.operators[0].options
    assert found is not None
    return op_of(graph, options=replace(found, fields={**found.fields, **fields}))


def scaled(scale: float | Sequence[float], zero_point: int = 0, dimension: int = 0) -> Callable[[Tensor], Tensor]:
    """Gives a tensor a scale, or one for each channel."""
    scales = (scale,) if isinstance(scale, float) else tuple(scale)
    return lambda t: replace(t, quantization=Quantization(scales, (zero_point,) * len(scales), dimension))


def shaped(*shape: int) -> Callable[[Tensor], Tensor]:
    return lambda t: replace(t, shape=shape)


def fed(graph: Graph, *names: str) -> Graph:
    """The model with these constants as inputs."""
    graph, main = tensors(graph, unfed, *names), graph.main
    given = tuple(i for i, t in enumerate(main.tensors) if t.name.rstrip("0123456789") in names)
    return replace(graph, subgraphs=(replace(graph.main, inputs=main.inputs + given), *graph.subgraphs[1:]))


def bare(tensor: Tensor) -> Tensor:
    return replace(tensor, quantization=None)


def unfed(tensor: Tensor) -> Tensor:
    """A constant made an activation."""
    return replace(tensor, buffer=0)


def rules(graph: Graph, kernels: str = "cmsis-nn", custom_operators: Sequence[str] = ()) -> list[str]:
    return [refusal.rule for refusal in unsupported(graph, kernels, custom_operators)]


def only(graph: Graph, kernels: str = "cmsis-nn") -> Refusal:
    """The one reason why a model does not run."""
    (refusal,) = unsupported(graph, kernels)
    return refusal


# -- what it says -----------------------------------------------------------------------------------------------


def test_a_model_that_runs_has_no_refusal() -> None:
    assert unsupported(one("CONV_2D", I8)) == ()
    assert unsupported(one("CONV_2D", F32), "reference") == ()


def test_hybrid_weights_are_named_with_operator_and_tensor() -> None:
    graph = one("CONV_2D", F32, filter=I8)
    assert only(graph) == Refusal(
        "CONV_2D has float32 input and int8 filter, and hybrid (dynamic-range) operators do not run on TFLM",
        "Convert with full integer quantization and a representative data set (int8 activations), "
        "or without quantization (float32 weights)",
        "hybrid-weights",
        subgraph=0,
        operator=0,
        operator_name="CONV_2D",
        tensor=1,
        tensor_name="filter0",
    )
    assert rules(one("FULLY_CONNECTED", F32, filter=I8)) == ["hybrid-weights"]
    assert rules(one("DEPTHWISE_CONV_2D", F32, filter=DType.INT4)) == ["hybrid-weights"]
    assert rules(one("EMBEDDING_LOOKUP", F32, values=I8)) == []  # the one hybrid kernel that TFLM has


def test_float16_weights() -> None:
    assert rules(one("FULLY_CONNECTED", F32, filter=F16)) == ["float16-weights"]
    assert rules(one("DEQUANTIZE", F16)) == ["float16-weights"]


def test_unsupported_type_names_what_the_kernel_takes() -> None:
    refusal = only(one("NEG", I8))
    assert (refusal.rule, refusal.tensor_name) == ("unsupported-type", "input0")
    assert refusal.reason == "NEG takes float32 as its input, not int8"
    refusal = only(one("CONV_2D", U8, filter=U8, output=U8))
    assert refusal.reason == "CONV_2D takes float32, int16 or int8 as its input, not uint8"
    assert refusal.remedy.startswith("Quantize to int8")
    assert only(one("GATHER", I8, positions=DType.INT64)).reason == (
        "GATHER with int8 input takes int32 as its positions, not int64"
    )
    assert rules(one("RESHAPE", I8, output=F32)) == ["unsupported-type"]


def test_a_type_that_tflm_does_not_look_at() -> None:
    refusal = only(one("FULLY_CONNECTED", I16, bias=I32))
    assert refusal.rule == "unchecked-type"
    assert refusal.reason == f"FULLY_CONNECTED with int16 input takes int64 as its bias, not int32{UNNOTICED}"
    assert rules(one("FULLY_CONNECTED", I16, "reference", bias=I32), "reference") == []


def test_every_operand_of_a_repeated_input_is_looked_at() -> None:
    graph = one("CONCATENATION", I8)
    second = graph.main.operators[0].inputs[1]
    changed = tuple(replace(t, dtype=I16) if i == second else t for i, t in enumerate(graph.main.tensors))
    refusal = only(replace(graph, subgraphs=(replace(graph.main, tensors=changed),)))
    assert (refusal.rule, refusal.tensor) == ("unsupported-type", second)


def test_refusals_come_in_the_order_of_subgraphs_and_operators() -> None:
    neg = operator("NEG", (0,), (1,))
    gelu = operator("GELU", (1,), (2,), "GeluOptions")
    sub = plain(neg, gelu, tensors=values((1, 4), (1, 4), (1, 4), dtype=I8), feeds=(0,), results=(2,))
    found = unsupported(whole(sub, sub))
    assert [(r.subgraph, r.operator, r.rule) for r in found] == [
        (0, 0, "unsupported-type"),
        (0, 1, "unsupported-operator"),
        (1, 0, "unsupported-type"),
        (1, 1, "unsupported-operator"),
    ]


def test_an_unknown_kernel_library_is_an_error_in_one_sentence() -> None:
    with pytest.raises(McuplanError, match="unknown kernel library 'esp', expected one of: cmsis-nn, reference"):
        unsupported(one("NEG", F32), "esp")


# -- operators that are not there ----------------------------------------------------------------------------------


def _unary(op: Operator, dtype: DType = F32) -> Graph:
    return whole(plain(op, tensors=values((1, 4), (1, 4), dtype=dtype), feeds=(0,), results=(1,)))


def test_operator_without_a_kernel() -> None:
    refusal = only(_unary(operator("REVERSE_SEQUENCE", (0,), (1,), "ReverseSequenceOptions")))
    assert (refusal.rule, refusal.operator_name) == ("unsupported-operator", "REVERSE_SEQUENCE")
    assert "REVERSE_V2" in refusal.remedy
    assert "StableHLO" in only(_unary(operator("STABLEHLO_ADD", (0,), (1,)))).remedy
    newer = replace(operator("ABS", (0,), (1,)).code, name="BUILTIN_300", builtin_code=300)
    assert rules(_unary(Operator(newer, (0,), (1,)))) == ["unsupported-operator"]


def test_custom_operators() -> None:
    graph = _unary(custom("MyKernel", (0,), (1,)))
    refusal = only(graph)
    assert (refusal.rule, refusal.operator_name) == ("custom-operator", "MyKernel")
    assert "MyKernel" not in refusal.reason  # untrusted text stays in its own field
    assert rules(graph, custom_operators=["MyKernel"]) == []
    assert rules(_unary(custom("SignalRfft", (0,), (1,)))) == ["option"]  # no FlexBuffer, so no length
    assert rules(_unary(custom("TFLM_DECODE", (0,), (1,)))) == []
    assert "Ethos-U" in only(_unary(custom("ethos-u", (0,), (1,)))).remedy
    assert rules(_unary(custom("ethos-u", (0,), (1,))), custom_operators=["ethos-u"]) == []
    assert rules(_unary(custom("", (0,), (1,)))) == ["custom-operator"]


def test_flex_operators() -> None:
    assert rules(_unary(custom("FlexErf", (0,), (1,)))) == ["flex-operator"]
    assert "SELECT_TF_OPS" in only(_unary(custom("FlexErf", (0,), (1,)))).remedy


def test_tflms_own_custom_operators_have_types_and_shapes() -> None:
    def buffer(dtype: DType, source: tuple[int, ...], target: tuple[int, ...]) -> Graph:
        op = custom("CIRCULAR_BUFFER", (0,), (1,))
        return whole(plain(op, tensors=values(source, target, dtype=dtype), feeds=(0,), results=(1,)))

    assert rules(buffer(I8, (1, 1, 1, 8), (1, 5, 1, 8))) == []
    assert rules(buffer(F32, (1, 1, 1, 8), (1, 5, 1, 8))) == ["unsupported-type"]
    assert rules(buffer(I8, (1, 2, 1, 8), (1, 5, 1, 8))) == ["shape-mismatch"]
    assert rules(buffer(F32, (1, 2, 1, 8), (1, 5, 1, 8)), custom_operators=["CIRCULAR_BUFFER"]) == []


# -- the model as a whole ------------------------------------------------------------------------------------------


def test_a_model_without_a_graph() -> None:
    assert rules(Graph((), ())) == ["no-subgraph"]


@pytest.mark.parametrize("dtype", [DType.STRING, DType.VARIANT, DType.INT2, DType.UINT4, DType.FLOAT8_E5M2])
def test_types_that_tflm_cannot_size_are_refused_even_where_unused(dtype: DType) -> None:
    graph = one("RELU", F32)
    spare = replace(graph.main, tensors=(*graph.main.tensors, Tensor("spare", dtype, (2,))))
    refusal = only(replace(graph, subgraphs=(spare,)))
    assert (refusal.rule, refusal.operator, refusal.tensor_name) == ("unsized-type", -1, "spare")
    assert dtype.label in refusal.reason


def test_dynamic_shapes_are_told_where_they_start() -> None:
    graph = whole(
        plain(
            operator("ABS", (0,), (1,)),
            operator("ABS", (1,), (2,)),
            tensors=values((-1, 4), (-1, 4), (-1, 4)),
            feeds=(0,),
            results=(2,),
        )
    )
    refusal = only(graph)
    assert (refusal.rule, refusal.operator, refusal.tensor) == ("dynamic-shape", -1, 0)


def test_shapes_that_prepare_works_out_are_not_dynamic() -> None:
    reshape = tensors(one("RESHAPE", F32), shaped(-1, 2), "output")
    assert rules(reshape) == []
    assert rules(tensors(one("RESHAPE", F32), shaped(-1, -1), "output")) == ["dynamic-shape"]
    assert rules(tensors(one("RESHAPE", F32), shaped(-1, 3), "output")) == ["shape-mismatch"]
    assert rules(tensors(one("GATHER", F32), shaped(-1, 4), "output")) == []
    after = replace(
        reshape.main,
        operators=(*reshape.main.operators, operator("ABS", reshape.main.operators[0].outputs, (3,))),
        tensors=(*reshape.main.tensors, *values((2, 2))),
    )
    assert rules(replace(reshape, subgraphs=(after,))) == []


def test_tensors_without_elements() -> None:
    assert rules(tensors(one("RELU", F32), shaped(0, 4), "input", "output")) == ["empty-tensor"]
    assert rules(tensors(one("RELU", F32), shaped(0), "input", "output")) == []  # the old way to write a scalar


def test_more_dimensions_than_a_shape_object_holds() -> None:
    seven = (1, 1, 1, 1, 1, 1, 4)
    assert rules(tensors(one("RELU", F32), shaped(*seven), "input", "output")) == ["rank", "rank"]
    assert rules(tensors(one("ABS", F32), shaped(*seven), "input", "output")) == []


def test_data_outside_the_flatbuffer() -> None:
    graph = one("FULLY_CONNECTED", I8)
    outside = replace(graph, buffers=tuple(replace(b, external=len(b) > 0) for b in graph.buffers))
    assert set(rules(outside)) == {"external-buffer"}
    by_index = tensors(graph, lambda t: replace(t, buffer=0, external_buffer=1), "filter")
    assert rules(by_index) == ["external-buffer"]


def test_sparse_weights() -> None:
    sparse = Record("SparsityParameters")
    graph = tensors(one("FULLY_CONNECTED", F32), lambda t: replace(t, sparsity=sparse), "filter")
    assert rules(graph) == []  # marked as sparse, yet all values are there
    short = [Buffer(bytes(8)) if i == graph.main.tensors[1].buffer else b for i, b in enumerate(graph.buffers)]
    assert rules(replace(graph, buffers=tuple(short))) == ["sparse-weights"]


def test_offline_plan_for_another_number_of_tensors() -> None:
    graph = one("RELU", F32)

    def planned(*numbers: int) -> Graph:
        data = Buffer(struct.pack(f"<{len(numbers)}i", *numbers))
        named = Metadata("OfflineMemoryAllocation", len(graph.buffers))
        return replace(graph, buffers=(*graph.buffers, data), metadata=(named,))

    assert rules(planned(1, 1, 2, -1, -1)) == []
    assert rules(planned(1, 1, 3, -1, -1, -1)) == ["offline-plan"]
    assert rules(planned(1, 1)) == ["offline-plan"]
    assert rules(planned(1, 1, 2, -1)) == ["offline-plan"]


def test_builtin_operator_with_custom_options() -> None:
    assert rules(op_of(one("RELU", F32), custom_options=b"")) == ["builtin-custom-options"]


def test_intermediate_tensors() -> None:
    graph = one("UNIDIRECTIONAL_SEQUENCE_LSTM", I8)
    spare = replace(graph.main, tensors=(*graph.main.tensors, Tensor("none", I8, (0,)), Tensor("some", I8, (2,))))
    graph, last = replace(graph, subgraphs=(spare,)), len(spare.tensors) - 1
    assert rules(op_of(graph, intermediates=(last - 1,))) == []
    assert rules(op_of(graph, intermediates=(last,))) == ["intermediate-tensors"]


# -- operands --------------------------------------------------------------------------------------------------


def test_operands_that_are_missing_or_too_many() -> None:
    graph = one("MUL", F32)
    first = graph.main.operators[0].inputs[0]
    assert rules(op_of(graph, inputs=(first,))) == ["missing-operand"]
    assert rules(op_of(graph, inputs=(first, -1))) == ["missing-operand"]
    assert rules(op_of(graph, inputs=(first, first, first))) == ["operand-count"]
    assert rules(op_of(graph, outputs=())) == ["missing-operand"]
    assert rules(op_of(graph, outputs=(-1,))) == ["missing-operand", "missing-operand"]
    assert rules(op_of(one("ADD", F32), inputs=(first,) * 3)) == []  # its kernel does not count


def test_optional_bias() -> None:
    for name in ("CONV_2D", "FULLY_CONNECTED"):
        graph = one(name, I8)
        assert rules(op_of(graph, inputs=graph.main.operators[0].inputs[:2])) == []
        assert rules(op_of(graph, inputs=(*graph.main.operators[0].inputs[:2], -1))) == []
    depthwise = one("DEPTHWISE_CONV_2D", I8)
    assert rules(op_of(depthwise, inputs=depthwise.main.operators[0].inputs[:2])) == []
    assert rules(op_of(depthwise, inputs=(*depthwise.main.operators[0].inputs[:2], -1))) == ["missing-operand"]
    svdf = one("SVDF", I8)
    x, feature, time, _, state = svdf.main.operators[0].inputs
    assert rules(op_of(svdf, inputs=(x, feature, time, -1, state))) == ["missing-operand"]


def test_transposed_int16_convolution_needs_a_bias_in_cmsis_nn() -> None:
    graph = one("TRANSPOSE_CONV", I16)
    graph = op_of(graph, inputs=graph.main.operators[0].inputs[:3])
    assert rules(graph) == ["missing-operand"]
    assert rules(graph, "reference") == []


def test_concatenation_of_more_than_ten() -> None:
    graph = one("CONCATENATION", I8)
    first = graph.main.operators[0].inputs[0]
    graph = tensors(graph, shaped(10, 4), "output")
    assert rules(op_of(graph, inputs=(first,) * 10)) == []
    refusal = only(op_of(graph, inputs=(first,) * 11))
    assert (refusal.rule, refusal.reason) == ("concat-inputs", "CONCATENATION takes at most 10 inputs, not 11")


@pytest.mark.parametrize(
    ("name", "operand"),
    [
        ("PAD", "paddings"), ("STRIDED_SLICE", "begin"), ("TRANSPOSE", "perm"), ("EXPAND_DIMS", "axis"),
        ("RESIZE_BILINEAR", "size"), ("SPLIT", "axis"), ("BROADCAST_TO", "shape"), ("FILL", "dims"),
    ],
)  # fmt: skip
def test_operands_that_have_to_be_constant(name: str, operand: str) -> None:
    refusal = only(tensors(one(name, F32), unfed, operand))
    assert (refusal.rule, refusal.tensor_name) == ("non-constant-operand", f"{operand}0")


def test_operands_that_need_not_be_constant() -> None:
    assert rules(fed(one("FULLY_CONNECTED", I8), "filter")) == []
    assert rules(fed(one("SLICE", F32), "begin")) == []
    assert rules(fed(one("RESHAPE", F32), "shape")) == []


def test_lstm() -> None:
    graph = one("UNIDIRECTIONAL_SEQUENCE_LSTM", I8)
    names = ["input_to_input", "recurrent_to_output", "cell_bias"]
    assert rules(graph) == []
    assert rules(fed(graph, *names)) == ["non-constant-operand"] * 3
    assert rules(fed(graph, *names), "reference") == []
    assert rules(tensors(graph, lambda t: replace(t, is_variable=False), "hidden_state")) == ["state-not-variable"]
    assert rules(tensors(graph, shaped(3, 5), "input_to_cell")) == ["shape-mismatch"]
    assert rules(tensors(graph, scaled([0.125] * 3), "input_to_cell")) == ["per-channel-weights"]
    inputs = graph.main.operators[0].inputs
    with_peephole = (*inputs[:9], inputs[12], *inputs[10:])
    assert rules(op_of(graph, inputs=with_peephole)) == ["unsupported-variant"]
    assert "operand-count" in rules(op_of(graph, inputs=inputs[:20]))
    hybrid = one("UNIDIRECTIONAL_SEQUENCE_LSTM", F32, input_to_input=I8)
    assert rules(hybrid) == ["hybrid-weights"]


def test_svdf() -> None:
    graph = one("SVDF", I8)
    assert rules(graph) == []
    assert rules(tensors(graph, lambda t: replace(t, is_variable=False), "state")) == ["state-not-variable"]
    assert rules(options(graph, rank=2)) == ["option"]
    assert rules(tensors(graph, shaped(1, 5), "state")) == ["shape-mismatch"]
    assert rules(tensors(graph, scaled(0.02), "bias")) == ["bias-scale"]


# -- quantization --------------------------------------------------------------------------------------------------


def test_bias_scale_of_dense_layers() -> None:
    graph = one("FULLY_CONNECTED", I8)  # 0.125 x 0.125 = 0.015625, output scale 0.125: at most 0.0025 apart
    assert rules(tensors(graph, scaled(0.015625 + 0.0024), "bias")) == []
    refusal = only(tensors(graph, scaled(0.015625 + 0.0026), "bias"))
    assert (refusal.rule, refusal.tensor_name) == ("bias-scale", "bias0")
    assert "0.015625" in refusal.reason
    per_channel = tensors(graph, scaled([0.125] * 3), "filter")
    assert rules(tensors(per_channel, scaled(1.0), "bias")) == []  # not looked at with a scale a channel
    assert rules(tensors(one("CONV_2D", I8), scaled(1.0), "bias")) == []


def test_per_channel_weights() -> None:
    per_channel = scaled([0.125, 0.25, 0.5])
    assert rules(tensors(one("CONV_2D", I8), per_channel, "filter")) == []
    assert rules(tensors(one("FULLY_CONNECTED", I8), per_channel, "filter")) == []
    assert rules(tensors(one("FULLY_CONNECTED", I16), per_channel, "filter")) == ["per-channel-weights"]
    assert rules(tensors(one("FULLY_CONNECTED", I16), per_channel, "filter"), "reference") == []
    assert rules(tensors(one("FULLY_CONNECTED", I8, filter=DType.INT4), per_channel, "filter")) == [
        "per-channel-weights"
    ]
    assert rules(tensors(one("CONV_2D", I8), scaled([0.125, 0.25]), "filter")) == ["channel-scales"]
    assert rules(tensors(one("CONV_2D", I8), scaled([0.1] * 3, dimension=3), "filter")) == ["channel-scales"]
    assert rules(tensors(one("DEPTHWISE_CONV_2D", I8), scaled([0.1] * 2, dimension=3), "filter")) == []
    assert rules(tensors(one("QUANTIZE", F32), scaled([0.1] * 4), "output")) == ["per-channel-weights"]


def test_missing_quantization() -> None:
    assert rules(tensors(one("CONV_2D", I8), bare, "filter")) == ["missing-quantization"]
    no_zero_point = tensors(one("CONV_2D", I8), lambda t: replace(t, quantization=Quantization((0.1,))), "input")
    assert rules(no_zero_point) == ["missing-quantization"]
    refusal = only(tensors(one("MUL", I8), bare, "output"))
    assert (refusal.rule, refusal.tensor_name) == ("missing-quantization", "output0")
    assert refusal.reason.endswith(UNNOTICED)
    assert rules(tensors(one("MAX_POOL_2D", I8), bare, "input", "output")) == []
    assert rules(tensors(one("RESHAPE", I8, output=I8), bare, "input", "output")) == []


def test_int32_arithmetic_takes_no_scale() -> None:
    assert rules(one("ADD", I32)) == []
    assert rules(tensors(one("ADD", I32), scaled(0.1), "first_input")) == ["quantized-int32"]
    assert rules(tensors(one("SUB", I32), scaled(0.1), "output")) == ["quantized-int32"]


def test_scales_that_a_sum_cannot_be_rescaled_to() -> None:
    assert rules(tensors(one("ADD", I8), scaled(1e-6), "output")) == []
    assert rules(tensors(one("ADD", I8), scaled(1e-7), "output")) == ["scale"]  # 2 x 0.125 / 2^20 / 1e-7 = 2.4
    assert rules(tensors(one("ADD", I8), scaled(0.0), "first_input")) == ["scale"]
    assert rules(tensors(one("SUB", I16), scaled(1e-6), "output")) == ["scale"]  # only 15 bits there


def test_zero_points() -> None:
    assert rules(tensors(one("LOGISTIC", I8), scaled(1 / 256, 0), "output")) == ["zero-point"]
    assert rules(tensors(one("RELU", I16), scaled(0.1, 5), "input")) == ["zero-point"]
    assert rules(tensors(one("ADD", I16), scaled(0.1, 5), "first_input")) == ["zero-point"]
    assert rules(tensors(one("ADD", I16), scaled(0.1, 5), "first_input"), "reference") == []
    assert rules(tensors(one("SQUARED_DIFFERENCE", I8), scaled(0.1, 200), "first_input")) == ["zero-point"]
    assert rules(tensors(one("ABS", I16), bare, "input", "output")) == []
    assert rules(tensors(one("ABS", I16), scaled(0.1, 5), "input")) == ["zero-point"]


def test_scales_that_a_kernel_insists_on() -> None:
    assert rules(tensors(one("SOFTMAX", I8), scaled(1 / 255, -128), "output")) == ["scale"]
    assert rules(tensors(one("TANH", I16), scaled(1 / 30000), "output")) == ["scale"]
    assert rules(tensors(one("EQUAL", I8), scaled(1.5), "first_input")) == ["scale"]
    assert rules(tensors(one("HARD_SWISH", I8), scaled(16.0), "input")) == ["scale"]  # 128 x the output's
    assert rules(tensors(one("SOFTMAX", I8), scaled(1e-9), "input")) == ["scale"]
    assert rules(options(one("SOFTMAX", I8), beta=0.0)) == ["scale"]


def test_operators_that_do_not_rescale() -> None:
    assert rules(tensors(one("CONCATENATION", I8), scaled(0.5), "output")) == ["quantization-mismatch"] * 3
    assert rules(tensors(one("MAX_POOL_2D", I8), scaled(0.126), "output")) == ["quantization-mismatch"]
    assert rules(tensors(one("MAX_POOL_2D", I8), scaled(0.125 + 5e-7), "output")) == []
    assert rules(tensors(one("REDUCE_MAX", I8), scaled(0.125, 1), "output")) == ["quantization-mismatch"]


# -- shapes and options --------------------------------------------------------------------------------------------


def test_ranks() -> None:
    assert rules(tensors(one("SLICE", F32), shaped(1, 1, 1, 1, 1, 4), "input")) == ["rank"]
    five = shaped(1, 1, 1, 1, 4)
    assert "rank" in rules(tensors(one("STRIDED_SLICE", F32), five, "input"))
    graph = tensors(one("MAXIMUM", I8), five, "first_input", "second_input", "output")
    assert rules(graph) == ["rank"] * 3
    assert rules(graph, "reference") == []
    mean = tensors(one("MEAN", F32), shaped(1, 1, 1, 1, 1, 1, 1, 4), "input")
    assert rules(tensors(mean, shaped(1, 1, 1, 1, 1, 1, 4), "output")) == []


@pytest.mark.parametrize(
    ("name", "operand", "shape"),
    [
        ("ADD", "output", (1, 5)), ("RESHAPE", "output", (2, 3)), ("PAD", "output", (1, 7)),
        ("STRIDED_SLICE", "output", (1, 3)), ("EXPAND_DIMS", "output", (4, 1)), ("SQUEEZE", "output", (2,)),
        ("BROADCAST_TO", "output", (2, 4)), ("FILL", "output", (2, 3)), ("BATCH_MATMUL", "output", (2, 3, 4)),
        ("TRANSPOSE", "output", (1, 4)), ("CONV_2D", "output", (2, 4, 4, 3)), ("SELECT_V2", "condition", (1, 3)),
        ("DYNAMIC_UPDATE_SLICE", "update", (3, 4)), ("CEIL", "output", (4,)), ("MIRROR_PAD", "paddings", (1, 4)),
        ("DEPTH_TO_SPACE", "input", (1, 2, 2, 6)), ("SPACE_TO_DEPTH", "input", (1, 3, 4, 1)),
        ("EMBEDDING_LOOKUP", "output", (1, 4)), ("GATHER", "output", (2,)), ("CUMSUM", "axis", (2,)),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(name: str, operand: str, shape: tuple[int, ...]) -> None:
    graph = one(name, DType.BOOL if name == "SELECT_V2" else F32)
    assert rules(graph) == []
    assert rules(tensors(graph, shaped(*shape), operand)) == ["shape-mismatch"]


def test_a_broadcast_that_fits() -> None:
    graph = tensors(one("ADD", F32), shaped(3, 1), "first_input")
    assert rules(tensors(graph, shaped(3, 4), "output")) == []
    assert rules(tensors(tensors(one("MUL", F32), shaped(), "second_input"), shaped(4), "output")) == []


def constant(graph: Graph, name: str, *numbers: int) -> Graph:
    """The model with other int32 numbers in a constant."""
    tensor = next(t for t in graph.main.tensors if t.name == f"{name}0")
    data = Buffer(struct.pack(f"<{len(numbers)}i", *numbers))
    return replace(graph, buffers=(*graph.buffers[: tensor.buffer], data, *graph.buffers[tensor.buffer + 1 :]))


def test_constant_indices_out_of_range() -> None:
    assert rules(constant(one("SPLIT", F32), "axis", 2)) == ["index-range"]
    assert rules(constant(one("SPLIT", F32), "axis", -2)) == []
    assert rules(constant(one("TRANSPOSE", F32), "perm", 0, 2)) == ["index-range"]
    assert rules(constant(one("STRIDED_SLICE", F32), "strides", 1, 0)) == ["index-range"]
    assert rules(options(one("GATHER", F32), axis=2)) == ["index-range"]
    assert rules(options(one("CONCATENATION", F32), axis=2)) == ["index-range"]
    assert rules(tensors(one("GATHER_ND", F32), shaped(1, 3), "indices")) == ["index-range"]
    reverse = tensors(one("REVERSE_V2", F32), shaped(1, 2, 2), "input", "output")
    assert rules(constant(tensors(reverse, shaped(2), "axis"), "axis", 0, 2)) == ["index-range"]
    assert rules(constant(tensors(reverse, shaped(2), "axis"), "axis", 2, -2)) == []


@pytest.mark.parametrize(
    ("begin", "end", "strides", "masks", "output"),
    [
        ((0, 1), (1, 3), (1, 1), {}, (1, 2)),
        ((0, 3), (1, 0), (1, -1), {}, (1, 3)),
        ((0, 3), (1, 0), (1, -1), {"end_mask": 2}, (1, 4)),
        ((0, 9), (1, -1), (1, 2), {"begin_mask": 2}, (1, 2)),
        ((0, -3), (1, 99), (1, 1), {}, (1, 3)),
        ((0, 1), (1, 2), (1, 1), {"shrink_axis_mask": 2}, (1,)),
        ((0, 3), (1, 1), (1, 1), {}, (1, 0)),
    ],
)
def test_strided_slices_are_worked_out(
    begin: tuple[int, ...],
    end: tuple[int, ...],
    strides: tuple[int, ...],
    masks: dict[str, int],
    output: tuple[int, ...],
) -> None:
    graph = options(one("STRIDED_SLICE", F32), **masks)
    for name, numbers in (("begin", begin), ("end", end), ("strides", strides)):
        graph = constant(graph, name, *numbers)
    assert rules(tensors(graph, shaped(*output), "output")) == (["empty-tensor"] if 0 in output else [])
    assert "shape-mismatch" in rules(tensors(graph, shaped(1, 7), "output"))


def test_options() -> None:
    assert rules(options(one("CONCATENATION", I8), fused_activation_function=1)) == ["option"]
    assert rules(options(one("L2_NORMALIZATION", F32), fused_activation_function=1)) == ["option"]
    assert rules(options(one("FULLY_CONNECTED", I8), weights_format=1)) == ["option"]
    assert rules(options(one("CONV_2D", I8), stride_w=0)) == ["option"]
    both = options(one("RESIZE_BILINEAR", F32), half_pixel_centers=True, align_corners=True)
    assert rules(both) == ["option"]
    assert rules(options(one("RESIZE_BILINEAR", F32), half_pixel_centers=True)) == []
    assert rules(options(one("PACK", F32), values_count=4)) == ["operand-count"]
    assert rules(options(one("ADD", I8), fused_activation_function=1)) == []


# -- control flow --------------------------------------------------------------------------------------------------


def test_branches() -> None:
    small, large = double((1, 4)), double((1, 5))
    assert rules(conditional(small, small)) == []
    assert rules(conditional(small, small, I8)) == ["unsupported-type"]
    assert rules(conditional(small, large)) == ["subgraph", "subgraph"]
    assert rules(conditional(small, small, then_index=7)) == ["subgraph"]
    no_inputs = replace(small, inputs=())
    assert rules(conditional(no_inputs, small)) == ["subgraph"]


def test_loops() -> None:
    body = double((1, 1))
    assert rules(loop(DType.BOOL, body)) == []
    assert rules(loop(DType.BOOL, double((1, 2)))) == ["subgraph", "subgraph"]
    assert rules(loop(DType.BOOL, body, body_index=5)) == ["subgraph"]
    assert "subgraph" in rules(loop(I32, body))


def test_recursion() -> None:
    def calls(subgraph: int) -> Operator:
        return operator("CALL_ONCE", (), (), "CallOnceOptions", init_subgraph_index=subgraph)

    def body(*operators: Operator) -> Any:
        return plain(*operators, tensors=(), feeds=(), results=())

    assert rules(whole(body(calls(1)), body(calls(2)), body())) == []
    assert rules(whole(body(calls(1), calls(1)), body())) == []
    assert rules(whole(body(calls(0)))) == ["recursive-subgraph"]
    found = unsupported(whole(body(calls(1)), body(calls(2)), body(calls(1))))
    assert [(r.rule, r.subgraph, r.operator) for r in found] == [("recursive-subgraph", 2, 0)]
    assert rules(whole(body(calls(3)))) == ["subgraph"]


def test_resource_variables() -> None:
    assert rules(variables(DType.RESOURCE, F32)) == []
    assert rules(variables(F32, F32)) == ["unsupported-type", "unchecked-type"]


# -- any graph -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["cmsis-nn", "reference"])
def test_every_change_of_every_operator_gets_a_verdict(kernels: str) -> None:
    """Whatever a file says of an operator: no exception, and each reason names its operator or tensor."""
    graphs = [
        graph
        for name, recipe in RECIPES.items()
        if (rule := operator_rule(name, kernels)) is not None
        for _, graph in changes(model(recipe, rule, bases(rule)[0]))
    ]
    found = [refusal for graph in random.Random(3).sample(graphs, 2000) for refusal in unsupported(graph, kernels)]
    assert len(found) > 500
    assert all(refusal.operator_name or refusal.tensor_name for refusal in found)
    assert all(refusal.reason and refusal.remedy and "\n" not in refusal.reason for refusal in found)


# -- the table -------------------------------------------------------------------------------------------------


def _document() -> dict[str, Any]:
    text = resources.files("mcuplan.tflm").joinpath("data/upstream-2026-08/support.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def test_the_table_is_of_the_operators_that_tflm_registers() -> None:
    document = _document()
    assert len(document["operators"]) == 100  # micro_mutable_op_resolver.h
    assert len(document["custom_operators"].keys() - {ROWS_OPERATOR}) == 17
    assert all(row["source"] for row in document["operators"].values())


@pytest.mark.parametrize("kernels", ["cmsis-nn", "reference"])
def test_the_table_fits_together(kernels: str) -> None:
    document = _document()
    for kind, custom_kind in (("operators", False), ("custom_operators", True)):
        for name, row in document[kind].items():
            rule = operator_rule(name, kernels, custom_kind)
            assert rule is not None
            names = [operand.name for operand in (*rule.inputs, *rule.outputs)]
            assert len(set(names)) == len(names), name
            assert all(len(columns) == len(names) for columns in rule.rows), name
            assert all(check["check"] in CHECKS for check in row.get("checks", ())), name
            for spec in rule.checks:
                assert {*spec.of, *(of for of, _ in spec.when)} <= set(names), (name, spec.name)
            assert {rule.weights, rule.anchor} - {None} <= set(names), name


def test_every_check_is_used_and_every_rule_has_a_remedy() -> None:
    document = _document()
    rows = [*document["operators"].values(), *document["custom_operators"].values()]
    used = {check["check"] for row in rows for check in row.get("checks", ())}
    assert used == CHECKS.keys()
    assert all(text and not text.endswith(".") for text in document["remedies"].values())
    table = support_table()
    assert table.operator_remedy("TILE").startswith("Use BROADCAST_TO")
    assert all(label.upper() in DType.__members__ for label in document["type_remedies"])
