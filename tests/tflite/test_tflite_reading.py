"""Reading: hand-laid bytes into exactly the graph they describe."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from flat_by_hand import Flat, Ref, tiny_bytes, tiny_flat, tiny_graph

from mcuplan.errors import ModelError
from mcuplan.graph import DType, Record
from mcuplan.tflite import enum_code, operator_code, read, record, write


def test_a_model_laid_out_by_hand_is_read_as_the_graph_it_describes() -> None:
    data = tiny_bytes()
    assert read(data) == replace(tiny_graph(), file_bytes=len(data))


def test_constant_bytes_are_views_into_the_file_not_copies() -> None:
    data = tiny_bytes()
    weights = read(data).buffers[1].data
    assert isinstance(weights, memoryview)
    assert weights.obj is data
    assert bytes(weights) == struct.pack("6b", 1, -2, 3, -4, 5, -6)


@pytest.mark.parametrize(
    ("deprecated", "extended", "name"),
    [
        (9, 0, "FULLY_CONNECTED"),  # schema 3: only the old field
        (9, 9, "FULLY_CONNECTED"),  # schema 3a: both
        (127, 150, "GELU"),  # a code that the old field cannot hold
        (0, 0, "ADD"),
        (32, 32, "CUSTOM"),
        (0, 9, "FULLY_CONNECTED"),
        (127, 999, "BUILTIN_999"),
        (-3, -5, "BUILTIN_-3"),
    ],
)
def test_the_operator_is_the_greater_of_the_old_and_the_new_code(deprecated: int, extended: int, name: str) -> None:
    code = read(tiny_bytes(code=(("b", deprecated), None, ("i", 1), ("i", extended)))).operator_codes[0]
    assert (code.name, code.deprecated_builtin_code, code.builtin_code) == (name, deprecated, extended)


def test_absent_fields_take_the_schemas_defaults() -> None:
    flat = Flat()
    flat.table("model", None, Ref("codes"), Ref("subgraphs"), None, Ref("buffers"))
    flat.references("codes", "code")
    flat.table("code")
    flat.references("subgraphs", "main")
    flat.table("main", Ref("tensors"), None, None, Ref("operators"))
    flat.references("tensors", "t")
    flat.table("t")
    flat.references("operators", "op")
    flat.table("op", None, None, None, ("B", 1), Ref("options"))
    flat.table("options")
    flat.references("buffers", "buffer")
    flat.table("buffer")
    graph = read(flat.finish("model"))
    (tensor,), (op,) = graph.main.tensors, graph.main.operators
    assert graph.schema_version == 0
    assert (tensor.name, tensor.dtype, tensor.shape, tensor.has_shape) == ("", DType.FLOAT32, (), False)
    assert (op.name, op.code.version, op.has_inputs, op.has_outputs) == ("ADD", 1, False, False)
    assert op.debug_metadata_index == graph.main.debug_metadata_index == -1
    assert op.options == Record(
        "Conv2DOptions",
        {
            "padding": 0, "stride_w": 0, "stride_h": 0, "fused_activation_function": 0, "dilation_w_factor": 1,
            "dilation_h_factor": 1, "quantized_bias_type": 0,
        },
    )  # fmt: skip


def test_an_options_tag_without_a_table_reads_as_the_defaults() -> None:
    op = read(tiny_bytes(operator=(("I", 0), Ref("op inputs"), Ref("op outputs"), ("B", 9)))).main.operators[0]
    assert op.options == record("SoftmaxOptions")


def test_an_options_table_without_a_tag_is_no_options() -> None:
    slots = (("I", 0), Ref("op inputs"), Ref("op outputs"), ("B", 0), Ref("options"))
    assert read(tiny_bytes(operator=slots)).main.operators[0].options is None


def test_absent_and_empty_vectors_are_told_apart() -> None:
    absent = read(tiny_bytes()).main.tensors[0]
    flat = tiny_flat(
        x=(Ref("x shape"), ("b", 9), ("I", 0), Ref("x name"), Ref("empty quantization"), None, None, Ref("none"))
    )
    flat.table("empty quantization", Ref("none"), None, Ref("none"), Ref("none"))
    flat.vector("none", "i")
    empty = read(flat.finish("model")).main.tensors[0]
    assert absent.shape_signature is None
    assert absent.quantization is not None
    assert absent.quantization.min is None
    assert empty.shape_signature == ()
    assert empty.quantization is not None
    assert (empty.quantization.min, empty.quantization.max) == ((), None)
    assert (empty.quantization.scales, empty.quantization.has_scales) == ((), True)


def test_fields_that_the_tflite_package_lacks_are_read_by_their_slot() -> None:
    flat = tiny_flat(
        model=(("I", 3), Ref("codes"), Ref("subgraphs"), None, Ref("buffers"), *[None] * 3, Ref("groups"), Ref("list")),
        main=(Ref("tensors"), Ref("inputs"), Ref("outputs"), Ref("operators"), None, ("i", 4)),
        operator=(("I", 0), Ref("op inputs"), Ref("op outputs"), *[None] * 10, ("i", 17)),
        y=(Ref("y shape"), ("b", 19), None, *[None] * 7, ("I", 5)),
    )  # fmt: skip
    flat.references("groups", "group")
    flat.table("group", Ref("group name"))
    flat.string("group name", b"weights.bin")
    flat.references("list", "entry")
    flat.table("entry", ("I", 5), ("I", 0), ("Q", 64), ("Q", 1), None)
    graph = read(flat.finish("model"))
    assert graph.main.debug_metadata_index == 4
    assert graph.main.operators[0].debug_metadata_index == 17
    assert graph.main.tensors[2].dtype is DType.INT2
    assert graph.main.tensors[2].external_buffer == 5
    assert graph.is_constant(graph.main.tensors[2])
    assert graph.external_buffer_groups == (Record("ExternalBufferGroup", {"name": "weights.bin"}),)
    assert graph.external_buffers == (record("ExternalBuffer", id=5, group=0, offset=64, length=1),)
    assert graph.notes == ("1 of its tensors has its values in other files, whose bytes are not counted",)


def test_a_buffer_behind_the_flatbuffer_is_found_by_its_offset() -> None:
    inside = tiny_flat(**{"buffer 1": (None, ("Q", 2), ("Q", 6))})
    start = len(inside.finish("model"))
    data = tiny_bytes(**{"buffer 1": (None, ("Q", start), ("Q", 6))}) + b"abcdef"
    buffer = read(data).buffers[1]
    assert (buffer.external, bytes(buffer.data or b"")) == (True, b"abcdef")
    with pytest.raises(ModelError, match=r"^f: buffer 1 claims bytes .* truncated$"):
        read(data[:-1], "f")


def test_offsets_of_one_mean_no_outside_data() -> None:
    graph = read(tiny_bytes(**{"buffer 1": (None, ("Q", 1), ("Q", 1))}))
    assert graph.buffers[1].data is None
    assert not graph.is_constant(graph.main.tensors[1])


def test_custom_options_may_lie_behind_the_flatbuffer() -> None:
    slots = (("I", 0), Ref("op inputs"), Ref("op outputs"), *[None] * 6)
    start = len(tiny_bytes(operator=(*slots, ("Q", 2), ("Q", 4))))
    op = read(tiny_bytes(operator=(*slots, ("Q", start), ("Q", 4))) + b"abcd").main.operators[0]
    assert (op.custom_options, op.custom_options_external) == (b"abcd", True)


def test_names_that_are_not_utf8_are_printable_and_written_back_unchanged() -> None:
    flat = tiny_flat(x=(Ref("x shape"), ("b", 9), ("I", 0), Ref("odd name"), Ref("x quantization")))
    flat.string("odd name", b"a\xff\x00b")
    graph = read(flat.finish("model"))
    assert graph.main.tensors[0].name == "a\\xff\x00b"
    graph.main.tensors[0].name.encode("utf-8")
    assert b"a\xff\x00b\0" in write(graph)


def test_options_newer_than_the_schema_survive_as_bytes_where_they_can_be_moved() -> None:
    flat = tiny_flat(
        operator=(("I", 0), Ref("op inputs"), Ref("op outputs"), ("B", 200), Ref("new options")),
    )
    flat.table("new options", ("i", 3), None, ("B", 1), ("f", 2.5))
    graph = read(flat.finish("model"))
    options = graph.main.operators[0].options
    assert options is not None
    assert options.table == "BuiltinOptions#200"
    assert options["relocatable"]
    assert [slot and slot[:4] for slot in options["slots"]] == [
        struct.pack("<i", 3), None, b"\1\0\0\0", struct.pack("<f", 2.5),
    ]  # fmt: skip
    again = read(write(graph))
    assert again.main.operators[0].options == options
    assert graph.notes == ("it has operator options newer than the schema known here: BuiltinOptions#200",)


def test_options_newer_than_the_schema_that_point_elsewhere_are_read_but_not_written() -> None:
    flat = tiny_flat(operator=(("I", 0), Ref("op inputs"), Ref("op outputs"), ("B", 200), Ref("new options")))
    flat.table("new options", Ref("new vector"))
    flat.vector("new vector", "i", 1, 2, 3)
    graph = read(flat.finish("model"))
    with pytest.raises(ModelError, match="BuiltinOptions#200 is newer than the schema known here"):
        write(graph)


def test_fields_newer_than_the_schema_are_noted() -> None:
    graph = read(tiny_bytes(code=(("b", 9), None, ("i", 1), ("i", 9), ("i", 77))))
    assert graph.notes == (
        "it has fields newer than the schema known here (in OperatorCode): "
        "they are ignored, and lost when the model is rewritten",
    )


def test_helpers_make_codes_records_and_enum_values_or_say_what_is_wrong() -> None:
    gelu = operator_code("GELU", version=2)
    assert (gelu.deprecated_builtin_code, gelu.builtin_code, gelu.version) == (127, 150, 2)
    assert operator_code("CUSTOM", custom_code="Mine").custom_code == "Mine"
    assert enum_code("Padding", "VALID") == 1
    assert record("BidirectionalSequenceLSTMOptions")["time_major"] is True
    with pytest.raises(ValueError, match="no builtin operator is called 'CONV'"):
        operator_code("CONV")
    with pytest.raises(ValueError, match="no table 'Conv'"):
        record("Conv")
    with pytest.raises(ValueError, match="Conv2DOptions has no field 'stride'"):
        record("Conv2DOptions", stride=1)
