"""Facts that contradict each other are refused in one sentence that says where."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flat_by_hand import tiny_graph

from mcuplan.errors import ModelError
from mcuplan.graph import Buffer, DType, Graph, Metadata, Operator, OperatorCode, Quantization, Subgraph, Tensor
from mcuplan.tflite import operator_code, read, record, write
from mcuplan.tflite.checks import check


def with_tensor(index: int, **changes: Any) -> Graph:
    graph = tiny_graph()
    tensors = list(graph.main.tensors)
    tensors[index] = replace(tensors[index], **changes)
    return replace(graph, subgraphs=(replace(graph.main, tensors=tuple(tensors)),))


def with_operator(**changes: Any) -> Graph:
    graph = tiny_graph()
    return replace(graph, subgraphs=(replace(graph.main, operators=(replace(graph.main.operators[0], **changes),)),))


def with_constant(data: bytes, dtype: DType, shape: tuple[int, ...], **changes: Any) -> Graph:
    graph = with_tensor(1, dtype=dtype, shape=shape, **changes)
    return replace(graph, buffers=(Buffer(), Buffer(data)))


def refusal(graph: Graph) -> str:
    """The sentence, the same whether the graph is judged in memory or from its bytes."""
    with pytest.raises(ModelError) as caught:
        check(graph, "m")
    with pytest.raises(ModelError) as again:
        read(write(graph), "m")
    assert str(caught.value) == str(again.value)
    return str(caught.value).removeprefix("m: ")


def accepted(graph: Graph) -> Graph:
    check(graph, "m")
    return read(write(graph), "m")


def test_a_consistent_graph_passes() -> None:
    accepted(tiny_graph())


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (replace(tiny_graph(), subgraphs=()), "the model is empty: it holds no tensor and no operator"),
        (replace(tiny_graph(), subgraphs=(Subgraph((), (), (), ()),)), "the model is empty"),
        (replace(tiny_graph(), subgraphs=(Subgraph((), (), (), ()), tiny_graph().main)), "main subgraph is empty"),
        (with_tensor(2, buffer=2), "tensor 2 'y' refers to buffer 2, the model has 2"),
        (with_tensor(2, buffer=2**32 - 1), "tensor 2 'y' refers to buffer 4294967295, the model has 2"),
        (replace(tiny_graph(), buffers=()), "tensor 0 'x' refers to buffer 0, the model has 0"),
        (with_operator(inputs=(0, 3)), "operator 0 (FULLY_CONNECTED) refers to tensor 3 as input 1, there are 3"),
        (with_operator(inputs=(-2,)), "operator 0 (FULLY_CONNECTED) refers to tensor -2 as input 0, there are 3"),
        (with_operator(outputs=(99,)), "refers to tensor 99 as output 0, there are 3"),
        (with_operator(intermediates=(0, 4)), "refers to tensor 4 as intermediate 1, there are 3"),
        (with_operator(mutating_variable_inputs=(True,)), "has 3 inputs and 1 marks of which are variables"),
        (replace(tiny_graph(), metadata=(Metadata("x\ny", 2),)), "metadata 'x?y' refers to buffer 2, the model has 2"),
        (replace(tiny_graph(), metadata_buffers=(0, -1)), "metadata_buffer list refers to buffer -1"),
    ],
)
def test_indices_out_of_range(graph: Graph, says: str) -> None:
    assert says in refusal(graph)


@pytest.mark.parametrize("ends", [{"inputs": (3,)}, {"inputs": (-1,)}, {"outputs": (0, 3)}])
def test_the_models_own_inputs_and_outputs_must_exist(ends: dict[str, tuple[int, ...]]) -> None:
    graph = tiny_graph()
    assert "of the model refers to tensor" in refusal(replace(graph, subgraphs=(replace(graph.main, **ends),)))


def test_an_absent_optional_input_is_fine() -> None:
    assert accepted(with_operator(inputs=(0, 1, -1), intermediates=(-1,))).main.operators[0].inputs == (0, 1, -1)


def test_an_operator_code_that_is_not_listed() -> None:
    from flat_by_hand import Ref, tiny_bytes

    with pytest.raises(ModelError, match=r"^m: operator 0 of subgraph 0 has operator code 1, the model has 1$"):
        read(tiny_bytes(operator=(("I", 1), Ref("op inputs"), Ref("op outputs"))), "m")


@pytest.mark.parametrize("code", [23, 127, -1])
def test_an_element_type_that_no_schema_defines(code: int) -> None:
    from flat_by_hand import Ref, tiny_bytes

    with pytest.raises(ModelError, match=rf"^m: tensor 2 of subgraph 0 has element type {code}, which no TFLite"):
        read(tiny_bytes(y=(Ref("y shape"), ("b", code))), "m")


@pytest.mark.parametrize(
    ("size", "dtype", "shape"),
    [
        (6, DType.INT8, (2, 3)),
        (12, DType.INT16, (2, 3)),
        (12, DType.FLOAT16, (6,)),
        (24, DType.FLOAT32, (1, 2, 3)),
        (48, DType.INT64, (6,)),
        (96, DType.COMPLEX128, (6,)),
        (6, DType.BOOL, (6,)),
        (4, DType.INT32, ()),
        (3, DType.INT4, (2, 3)),  # two a byte
        (4, DType.INT4, (7,)),  # the last byte half used
        (6, DType.INT4, (2, 3)),  # a byte each
        (2, DType.INT2, (2, 3)),  # four a byte
        (3, DType.UINT4, (5,)),
        (6, DType.FLOAT8_E5M2, (6,)),
        (17, DType.STRING, (2,)),  # strings take what they take
        (5, DType.RESOURCE, (1,)),
        (5, DType.VARIANT, (1,)),
        (0, DType.INT8, (2, 3)),  # no constant at all
        (0, DType.INT8, (0, 3)),
    ],
)
def test_constant_bytes_that_fit_their_shape(size: int, dtype: DType, shape: tuple[int, ...]) -> None:
    assert len(accepted(with_constant(bytes(size), dtype, shape)).buffers[1]) == size


@pytest.mark.parametrize(
    ("size", "dtype", "shape", "says"),
    [
        (5, DType.INT8, (2, 3), "tensor 1 'w' has 5 constant bytes, but its shape [2, 3] of int8 takes 6"),
        (7, DType.INT8, (2, 3), "has 7 constant bytes, but its shape [2, 3] of int8 takes 6"),
        (6, DType.FLOAT32, (2, 3), "has 6 constant bytes, but its shape [2, 3] of float32 takes 24"),
        (5, DType.INT4, (2, 3), "has 5 constant bytes, but its shape [2, 3] of int4 takes 3"),
        (6, DType.INT16, (6,), "has 6 constant bytes, but its shape [6] of int16 takes 12"),
        (1, DType.INT8, (0, 3), "has 1 constant bytes, but its shape [0, 3] of int8 takes 0"),
        (6, DType.INT8, (-1, 3), "is constant, but its shape [-1, 3] is unknown"),
        (6, DType.INT8, (65536, 65536, 65536, 65536), "has an absurd shape"),
    ],
)
def test_constant_bytes_that_do_not(size: int, dtype: DType, shape: tuple[int, ...], says: str) -> None:
    assert says in refusal(with_constant(bytes(size), dtype, shape))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": (1, -2)}, "has a negative dimension in its shape [1, -2]"),
        ({"shape_signature": (-2, 2)}, "has a negative dimension in its shape signature [-2, 2]"),
        ({"shape_signature": (1, 2, 3)}, "has 2 dimensions in its shape and 3 in its shape signature"),
        ({"shape": (1,) * 65}, "has 65 dimensions, more than"),
        ({"shape": (2**31 - 1,) * 3}, "has an absurd shape"),
    ],
)
def test_shapes_without_meaning(changes: dict[str, Any], says: str) -> None:
    assert says in refusal(with_tensor(2, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": (-1, 2)},  # a dimension known only at run time, the old way
        {"shape": (1, 2), "shape_signature": (-1, 2), "has_rank": True},
        {"shape": (), "has_shape": False},  # a scalar, or of unknown rank
        {"shape": (), "shape_signature": (-1,)},
        {"shape": (0, 5)},
    ],
)
def test_shapes_that_are_only_unknown_pass(changes: dict[str, Any]) -> None:
    accepted(with_tensor(2, **changes))


@pytest.mark.parametrize(
    "quantization",
    [
        Quantization((0.5,), (3,)),
        Quantization((), (), has_scales=False, has_zero_points=False),
        Quantization((0.5, 0.25), (0, 0), dimension=1),
        Quantization((0.5, 0.25), (0,), dimension=1),
        Quantization((0.5, 0.25), (0, 0), dimension=3),  # converters leave the weights' dimension on biases
        Quantization((0.0,), (0,)),
        Quantization(min=(-math.inf,), max=(math.inf,)),
    ],
)
def test_quantization_that_makes_sense(quantization: Quantization) -> None:
    accepted(with_tensor(2, quantization=quantization))


@pytest.mark.parametrize(
    ("quantization", "says"),
    [
        (Quantization((0.5,), (0, 0)), "has 1 quantization scales and 2 zero points"),
        (Quantization((0.5, 0.5), (0, 0, 0), dimension=1), "has 2 quantization scales and 3 zero points"),
        (Quantization((0.5,) * 3, (0,) * 3, dimension=1), "has 3 quantization scales for a shape [1, 2]"),
        (Quantization((0.5,) * 2, (0,) * 2, dimension=0), "has 2 quantization scales for a shape [1, 2]"),
        (Quantization((0.5,) * 3, (0,) * 3, dimension=9), "has 3 quantization scales for a shape [1, 2]"),
        (Quantization((math.nan,), (0,)), "has a quantization scale that is negative or not a number"),
        (Quantization((math.inf,), (0,)), "has a quantization scale that is negative or not a number"),
        (Quantization((-0.5,), (0,)), "has a quantization scale that is negative or not a number"),
        (
            Quantization(details=record("BlockwiseQuantization", scales=3, zero_points=-1, block_size=32)),
            "takes its quantization scales from tensor 3, there are 3",
        ),
    ],
)
def test_quantization_that_does_not(quantization: Quantization, says: str) -> None:
    assert says in refusal(with_tensor(2, quantization=quantization))


def sparsity(order: tuple[int, ...], blocks: tuple[int, ...] | None, dimensions: int) -> Any:
    dense = record("DimensionMetadata", dense_size=2)
    return record("SparsityParameters", traversal_order=order, block_map=blocks, dim_metadata=(dense,) * dimensions)


def test_sparse_constants_need_not_fill_their_shape() -> None:
    accepted(with_constant(b"abc", DType.INT8, (2, 3), sparsity=sparsity((0, 1), None, 2)))
    accepted(with_constant(b"abc", DType.INT8, (2, 4), sparsity=sparsity((0, 1, 2, 3), (0, 1), 4)))


@pytest.mark.parametrize(
    ("order", "blocks", "dimensions"),
    [((0, 1), None, 3), ((0, 0), None, 2), ((0,), None, 1), ((0, 1, 2), (5,), 3), ((0, 1, 2), None, 3)],
)
def test_sparsity_that_does_not_fit_its_tensor(
    order: tuple[int, ...], blocks: tuple[int, ...] | None, dimensions: int
) -> None:
    graph = with_constant(b"abc", DType.INT8, (2, 3), sparsity=sparsity(order, blocks, dimensions))
    assert "has a sparsity" in refusal(graph)


def test_external_values_must_be_listed() -> None:
    group, entry = record("ExternalBufferGroup", name="w.bin"), record("ExternalBuffer", id=7, length=2)
    graph = with_tensor(2, external_buffer=7)
    assert "refers to external buffer 7, which the model does not list" in refusal(graph)
    accepted(replace(graph, external_buffer_groups=(group,), external_buffers=(entry,)))
    assert "external buffer 0 refers to group 0" in refusal(replace(graph, external_buffers=(entry,)))


def test_signatures_must_refer_to_what_is_there() -> None:
    inputs = (record("TensorMap", name="in", tensor_index=0),)
    good = record("SignatureDef", inputs=inputs, signature_key="serving_default")
    assert accepted(replace(tiny_graph(), signatures=(good,))).signatures == (good,)
    tensor = record("SignatureDef", outputs=(record("TensorMap", tensor_index=3),), signature_key="a")
    assert "signature 'a' refers to tensor 3, there are 3" in refusal(replace(tiny_graph(), signatures=(tensor,)))
    subgraph = record("SignatureDef", subgraph_index=1)
    assert "signature '' refers to subgraph 1" in refusal(replace(tiny_graph(), signatures=(subgraph,)))


FLAG = Tensor("flag", DType.BOOL, ())


def branching(*targets: tuple[int, int]) -> Graph:
    """One subgraph per pair, which calls the pair's two by IF; (-1, -1) calls none."""
    code = operator_code("IF")

    def subgraph(then: int, other: int) -> Subgraph:
        options = record("IfOptions", then_subgraph_index=then, else_subgraph_index=other)
        called = (Operator(code, (0,), (0,), options),) if then >= 0 else ()
        return Subgraph((FLAG,), called, (0,), (0,))

    return Graph(tuple(subgraph(*pair) for pair in targets), (Buffer(),), (code,))


def test_subgraphs_may_be_called_more_than_once() -> None:
    accepted(branching((1, 2), (2, 2), (-1, -1)))


@pytest.mark.parametrize("targets", [((0, 0),), ((1, 1), (0, 0)), ((1, 2), (-1, -1), (1, 0))])
def test_subgraphs_that_call_themselves(targets: tuple[tuple[int, int], ...]) -> None:
    assert refusal(branching(*targets)) == "its subgraphs call each other in a circle"


def test_a_circle_that_nothing_calls_is_refused_as_well() -> None:
    assert "in a circle" in refusal(branching((-1, -1), (2, 2), (1, 1)))


def test_subgraphs_that_double_at_every_level() -> None:
    levels = 40
    graph = branching(*((i + 1, i + 1) for i in range(levels)), (-1, -1))
    assert "so often that no runtime could unfold them" in refusal(graph)


def test_a_call_of_a_subgraph_that_is_not_there() -> None:
    assert "operator 0 (IF) calls subgraph 1, the model has 1" in refusal(branching((1, 1)))
    graph = with_operator(code=operator_code("WHILE"), options=None)
    assert "operator 0 (WHILE) does not name the subgraph that it calls" in refusal(graph)
    graph = with_operator(options=record("CallOptions", subgraph=1))
    assert "calls subgraph 1, the model has 1" in refusal(graph)
    graph = with_operator(options=None, options_2=record("StablehloCaseOptions", branch_subgraph_indices=(0, 4)))
    assert "calls subgraph 4, the model has 1" in refusal(graph)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "<script>alert(1)</script>", "[bold]x[/bold]", "x" * 5000, "‮"])
def test_names_in_messages_are_short_and_printable(name: str) -> None:
    code = OperatorCode("CUSTOM", 1, name, 32, 32)
    sentence = refusal(with_operator(code=code, inputs=(9,))) + refusal(with_tensor(2, name=name, buffer=9))
    assert sentence.isprintable()
    assert len(sentence) < 400


def compressed(tensor: int, value_buffer: int, data: bytes = b"\x1b") -> Graph:
    """The tiny model with its weights compressed to two-bit indices, as TFLM's compression tool leaves it."""
    from flat_by_hand import Flat, Ref

    flat = Flat()
    flat.table("metadata", ("I", 1), Ref("subgraphs"))
    flat.references("subgraphs", "subgraph")
    flat.table("subgraph", Ref("luts"))
    flat.references("luts", "lut")
    flat.table("lut", ("i", tensor), ("I", value_buffer), ("B", 2))
    buffers = (Buffer(), Buffer(data), Buffer(b"\1\2\3\4"), Buffer(flat.finish("metadata")))
    return replace(tiny_graph(), buffers=buffers, metadata=(Metadata("COMPRESSION_METADATA", 3),))


def test_compressed_tensors_are_recognised_and_make_figures_inexact() -> None:
    graph = read(write(compressed(tensor=1, value_buffer=2)), "m")
    assert graph.notes == (
        "1 of its tensors is compressed (COMPRESSION_METADATA): figures cannot be exact, "
        "for TensorFlow Lite Micro decompresses them into buffers of its own",
    )


@pytest.mark.parametrize(("tensor", "value_buffer"), [(3, 2), (-1, 2), (1, 9)])
def test_compression_metadata_must_refer_to_what_is_there(tensor: int, value_buffer: int) -> None:
    with pytest.raises(ModelError, match=r"^m: COMPRESSION_METADATA refers to tensor"):
        read(write(compressed(tensor, value_buffer)), "m")


def test_compression_metadata_that_is_damaged_is_noted_and_excuses_nothing() -> None:
    graph = compressed(tensor=1, value_buffer=2, data=bytes(6))
    graph = replace(graph, buffers=(*graph.buffers[:3], Buffer(b"\xff" * 64)))
    assert read(write(graph)).notes == (
        "its COMPRESSION_METADATA cannot be read, so that it is unknown which tensors are compressed",
    )
    with pytest.raises(ModelError, match="has 1 constant bytes"):
        read(write(replace(graph, buffers=(Buffer(), Buffer(b"\x1b"), *graph.buffers[2:]))), "m")


CASES: list[Callable[[], Graph]] = [lambda: with_tensor(0, name="same"), lambda: with_operator(options=None)]


@pytest.mark.parametrize("case", CASES)
def test_what_is_odd_but_sound_passes(case: Callable[[], Graph]) -> None:
    accepted(case())
