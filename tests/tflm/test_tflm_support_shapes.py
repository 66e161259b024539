"""What each operator has to give and may read: declared outputs, constant parameters, ranges, missing lists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_models import RECIPES, bases, double, loop, model, operator, plain, values, whole

from mcuplan.graph import Buffer, DType, Graph, Quantization, Record, Tensor
from mcuplan.tflite import load, read, write
from mcuplan.tflm.support import UNNOTICED, unsupported
from mcuplan.tflm.support.inference import RULES
from mcuplan.tflm.support.table import operator_rule, support_table
from mcuplan.zoo.single import build_operator, operator_models

SHARED = os.environ.get("MCUPLAN_SHARED")


def base(name: str, first: DType | None = None) -> Graph:
    """The model of one operator that the recipes have, its first input of a type."""
    rule = operator_rule(name, "reference")
    assert rule is not None
    chosen = next(b for b in bases(rule) if first is None or b[(rule.inputs or rule.outputs)[0].name] is first)
    return model(RECIPES[name], rule, chosen)


def rules(graph: Graph) -> list[str]:
    """The rules broken, by the file that the graph makes."""
    return [refusal.rule for refusal in unsupported(read(write(graph)), "reference")]


def with_tensor(graph: Graph, name: str, **fields: Any) -> Graph:
    main = graph.main
    changed = tuple(replace(t, **fields) if t.name.rstrip("0123456789") == name else t for t in main.tensors)
    return replace(graph, subgraphs=(replace(main, tensors=changed), *graph.subgraphs[1:]))


def with_values(graph: Graph, name: str, *numbers: int) -> Graph:
    """The model with other int32 values of a constant, and the shape that they take if it has one dimension."""
    data = b"".join(n.to_bytes(4, "little", signed=True) for n in numbers)
    tensor = next(t for t in graph.main.tensors if t.name.rstrip("0123456789") == name)
    shape = (len(numbers),) if len(tensor.shape) == 1 else tensor.shape
    graph = replace(graph, buffers=(*graph.buffers, Buffer(data)))
    return with_tensor(graph, name, buffer=len(graph.buffers) - 1, shape=shape)


def with_operator(graph: Graph, **fields: Any) -> Graph:
    op = replace(graph.main.operators[0], **fields)
    return replace(graph, subgraphs=(replace(graph.main, operators=(op,)), *graph.subgraphs[1:]))


def with_options(graph: Graph, **fields: Any) -> Graph:
    options = graph.main.operators[0].options
    assert options is not None
    return with_operator(graph, options=Record(options.table, {**options.fields, **fields}))


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("RELU", (1, 5)), ("ADD", (1, 5)), ("CONV_2D", (1, 4, 4, 4)), ("CONV_2D", (1, 5, 4, 3)),
        ("CONV_2D", (2, 4, 4, 3)),
        ("DEPTHWISE_CONV_2D", (1, 4, 4, 4)), ("TRANSPOSE_CONV", (1, 4, 4, 4)),
        ("FULLY_CONNECTED", (1, 10, 3)), ("FULLY_CONNECTED", (3, 1)), ("AVERAGE_POOL_2D", (1, 2, 3, 2)),
        ("MAX_POOL_2D", (1, 2, 2, 4)), ("L2_POOL_2D", (1, 2, 2, 4)), ("MEAN", (4,)), ("SUM", (2, 2)), ("ARG_MAX", (2,)),
        ("CONCATENATION", (4, 4)), ("PACK", (2, 4)), ("UNPACK", (5,)), ("SPLIT", (2, 4)), ("SLICE", (1, 2)),
        ("GATHER", (2, 9)), ("GATHER_ND", (2, 9)), ("EMBEDDING_LOOKUP", (2, 5)), ("MIRROR_PAD", (1, 7)),
        ("REVERSE_V2", (1, 5)), ("DEPTH_TO_SPACE", (1, 4, 4, 2)), ("SPACE_TO_DEPTH", (1, 2, 2, 8)),
        ("BATCH_TO_SPACE_ND", (1, 4, 4, 2)), ("SPACE_TO_BATCH_ND", (4, 2, 2, 2)), ("RESIZE_BILINEAR", (1, 8, 9, 2)),
        ("RESIZE_NEAREST_NEIGHBOR", (1, 8, 9, 2)), ("SHAPE", (3,)), ("BROADCAST_ARGS", (3,)), ("SELECT_V2", (1, 5)),
        ("DYNAMIC_UPDATE_SLICE", (2, 5)), ("ZEROS_LIKE", (0,)),
    ],
)  # fmt: skip
def test_a_declared_shape_that_the_operator_would_not_give(name: str, output: tuple[int, ...]) -> None:
    graph = base(name)
    assert rules(graph) == []
    operand = "outputs" if name in ("UNPACK", "SPLIT") else "output"
    assert set(rules(with_tensor(graph, operand, shape=output))) == {"shape-mismatch"}


@pytest.mark.parametrize("name", ["GATHER", "GATHER_ND", "SPACE_TO_DEPTH", "L2_POOL_2D"])
def test_an_open_dimension_is_filled_in_among_as_many_as_the_file_has(name: str) -> None:
    graph = base(name)
    (out,) = (t for t in graph.main.tensors if t.name.startswith("output"))
    assert rules(with_tensor(graph, "output", shape=(-1, *out.shape[1:]))) == []
    assert "shape-mismatch" in rules(with_tensor(graph, "output", shape=(-1, *out.shape[1:], 1)))


@pytest.mark.parametrize("name", ["RELU", "ADD", "ZEROS_LIKE", "REVERSE_V2", "ARG_MAX"])
def test_what_is_walked_through_as_one_row_may_be_declared_in_another_shape(name: str) -> None:
    graph = base(name)
    (out,) = (t for t in graph.main.tensors if t.name.startswith("output"))
    assert rules(with_tensor(graph, "output", shape=(1, 1, *out.shape))) == []


FED: Mapping[str, tuple[str, ...]] = {
    "MEAN": ("axis",), "SUM": ("axis",), "REDUCE_MAX": ("axis",), "REDUCE_MIN": ("axis",), "REDUCE_ALL": ("axis",),
    "ARG_MAX": ("axis",), "ARG_MIN": ("axis",), "CUMSUM": ("axis",), "REVERSE_V2": ("axis",), "SLICE": ("size",),
    "SPACE_TO_BATCH_ND": ("block_shape", "paddings"), "BATCH_TO_SPACE_ND": ("block_shape", "crops"),
    "BROADCAST_ARGS": ("first_input", "second_input"), "MIRROR_PAD": ("paddings",),
}  # fmt: skip


@pytest.mark.parametrize(("name", "operand"), [(name, operand) for name, row in FED.items() for operand in row])
def test_parameters_that_have_to_be_constant(name: str, operand: str) -> None:
    graph = base(name)
    index = next(i for i, t in enumerate(graph.main.tensors) if t.name.rstrip("0123456789") == operand)
    both = replace(graph, subgraphs=(replace(graph.main, inputs=(*graph.main.inputs, index)),))
    assert rules(with_tensor(both, operand, buffer=0)) == ["non-constant-operand"]
    assert rules(both) == ["constant-input"]


@pytest.mark.parametrize(
    ("name", "operand", "numbers", "rule"),
    [
        ("SUM", "axis", (2,), "index-range"), ("MEAN", "axis", (-3,), "index-range"),
        ("GATHER", "positions", (0, 3), "index-range"), ("GATHER", "positions", (0, -1), "index-range"),
        ("EMBEDDING_LOOKUP", "indices", (0, 3), "index-range"), ("SLICE", "begin", (1, 0), "index-range"),
        ("SLICE", "size", (1, 9), "index-range"), ("MIRROR_PAD", "paddings", (0, 0, 5, 5), "index-range"),
        ("SPACE_TO_BATCH_ND", "block_shape", (0, 2), "index-range"), ("BROADCAST_ARGS", "first_input", (2, 3), None),
        ("EXPAND_DIMS", "axis", (-3,), "index-range"),
    ],
)  # fmt: skip
def test_values_out_of_range(name: str, operand: str, numbers: tuple[int, ...], rule: str | None) -> None:
    found = rules(with_values(base(name), operand, *numbers))
    assert found == ([] if rule is None else [rule])


def test_numbers_that_do_not_broadcast() -> None:
    graph = with_values(base("BROADCAST_ARGS"), "first_input", 2, 3)
    assert rules(with_values(graph, "second_input", 2, 4)) == ["shape-mismatch"]


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [("ARG_MIN", "output_type", -4), ("CAST", "in_data_type", 100), ("CONV_2D", "quantized_bias_type", -2),
     ("FULLY_CONNECTED", "weights_format", -1), ("CONV_2D", "dilation_w_factor", 0), ("CONV_2D", "padding", 2)],
)  # fmt: skip
def test_options_out_of_range(name: str, option: str, value: int) -> None:
    assert rules(with_options(base(name), **{option: value})) == ["option"]


def test_options_of_another_operator_read_as_zeros() -> None:
    graph = base("SPACE_TO_DEPTH")
    assert rules(with_operator(graph, options=Record("DepthToSpaceOptions", {"block_size": 2}))) == ["option"]


def test_divisions_by_zero() -> None:
    assert rules(with_values(base("DIV", DType.INT32), "second_input", 1, 0, 1, 1)) == ["value"]
    assert rules(base("DIV", DType.INT32)) == []


@pytest.mark.parametrize("scale", [0.0, -0.0])
def test_scales_that_end_the_process(scale: float) -> None:
    graph = base("SQUARED_DIFFERENCE", DType.INT8)
    found = next(t for t in graph.main.tensors if t.name.startswith("first"))
    assert found.quantization is not None
    changed = with_tensor(graph, "first_input", quantization=replace(found.quantization, scales=(scale,)))
    assert rules(changed) == ["scale"]


def test_an_output_scale_that_the_bias_is_compared_by() -> None:
    graph = base("FULLY_CONNECTED", DType.INT8)
    none = Quantization((0.0,), (0,))
    assert rules(with_tensor(graph, "output", quantization=none)) == ["scale"]


def test_the_state_of_an_svdf_has_the_type_of_its_time_weights() -> None:
    graph = base("SVDF", DType.INT8)
    assert rules(graph) == []
    assert rules(with_tensor(graph, "state", dtype=DType.INT16)) == ["unchecked-type"]


def test_paddings_that_are_no_pairs() -> None:
    graph = base("MIRROR_PAD")
    assert rules(with_tensor(graph, "paddings", shape=(1, 4))) == ["shape-mismatch"]


def test_lists_that_are_missing() -> None:
    graph = base("RELU")
    main = graph.main
    for side in ("inputs", "outputs"):
        without = replace(main, **{side: (), f"has_{side}": False})
        assert rules(replace(graph, subgraphs=(without,)))[0] == "missing-vector"
        assert "missing-vector" in rules(with_operator(graph, **{side: (), f"has_{side}": False}))
    split = base("SPLIT")
    assert "missing-vector" in rules(with_operator(split, outputs=(), has_outputs=False))
    assert "missing-vector" in rules(with_operator(base("CONCATENATION"), inputs=(), has_inputs=False))
    body = replace(double((1, 1)), outputs=(), has_outputs=False)
    assert "subgraph" in rules(loop(DType.BOOL, body))


def test_a_missing_list_is_kept_when_a_model_is_written() -> None:
    graph = base("RELU")
    without = replace(graph.main, inputs=(), has_inputs=False)
    back = read(write(replace(graph, subgraphs=(without,))))
    assert (back.main.has_inputs, back.main.has_outputs) == (False, True)


def test_what_is_read_before_anything_has_written_it() -> None:
    late = plain(
        operator("ABS", (1,), (2,)), operator("ABS", (0,), (1,)), tensors=values((1, 4), (1, 4), (1, 4)), feeds=(0,),
        results=(2,),
    )  # fmt: skip
    assert rules(whole(late)) == ["unwritten-tensor"]
    never = plain(operator("ABS", (0,), (1,)), tensors=values((1, 4), (1, 4), (1, 4)), feeds=(0,), results=(1, 2))
    assert rules(whole(never)) == ["unwritten-tensor"]
    itself = plain(operator("ABS", (1,), (1,)), tensors=values((1, 4), (1, 4)), feeds=(0,), results=(1,))
    assert rules(whole(itself)) == ["unwritten-tensor"]


def test_constants_that_are_written() -> None:
    graph = base("ADD")
    assert "constant-output" in rules(with_operator(graph, outputs=(1,)))
    assert rules(with_tensor(graph, "second_input", is_variable=True)) == ["variable-constant"]


def test_more_elements_than_32_bits_count() -> None:
    tensors = (Tensor("x", DType.INT8, (2**16, 2**16)), Tensor("y", DType.INT8, (2**16, 2**16)))
    graph = whole(plain(operator("ABS", (0,), (1,)), tensors=tensors, feeds=(0,), results=(1,)))
    assert rules(graph)[:2] == ["too-large", "too-large"]


def test_every_operator_says_what_it_gives() -> None:
    """By a rule of inference, or by a check of its own that compares the output."""
    document = support_table().document
    own = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE", "PAD", "PADV2", "TRANSPOSE", "BROADCAST_TO", "FILL",
           "BATCH_MATMUL", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"}  # fmt: skip
    flow = {"IF", "WHILE", "CALL_ONCE", "VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE"}
    told = {name for name, row in document["operators"].items() if "gives" in row}
    assert told | own | flow == document["operators"].keys()
    tables = [support_table(version).document for version in ("upstream-2026-08", "edge-impulse-1.93.20")]
    rows = [row for table in tables for kind in ("operators", "custom_operators") for row in table[kind].values()]
    assert {row["gives"].rstrip("~!") for row in rows if "gives" in row} == RULES.keys()


@pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED does not name the shared folder")
def test_models_on_which_a_real_tflm_dies() -> None:
    """The shared cases: each stands for a kind that the tests above build by hand."""
    folder = Path(SHARED or "") / "cases/hostile"
    paths = sorted([*folder.glob("differs-*.tflite"), *folder.glob("check-passes-*.tflite")])
    assert len(paths) == 16
    assert [path.stem for path in paths if not unsupported(load(path), "reference")] == []
    one = unsupported(load(folder / "differs-f7e32fff.tflite"), "reference")
    assert [r.reason for r in one] == [
        f"FULLY_CONNECTED gives the shape [1, 10], but its output has [1, 10, 917504]{UNNOTICED}"
    ]


@pytest.mark.parametrize(("step", "ends"), [(1, True), (0, False), (-5, False)])
def test_a_counter_that_does_not_grow(step: int, ends: bool) -> None:
    """``while (n < 3) n += step``, from an input of the model."""
    graph = next(build_operator(spec) for spec in operator_models() if spec.name == "while-int8")
    body = graph.subgraphs[2]
    one = next(t for t in body.tensors if graph.is_constant(t))
    buffers = list(graph.buffers)
    buffers[one.buffer] = Buffer(step.to_bytes(4, "little", signed=True))
    found = rules(replace(graph, buffers=tuple(buffers)))
    assert found == ([] if ends else ["subgraph"])
