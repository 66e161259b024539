"""Writing: whatever a graph says is read back the same."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flat_by_hand import Ref, tiny_bytes, tiny_flat, tiny_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.errors import ModelError
from mcuplan.graph import (
    Buffer,
    DType,
    Graph,
    Metadata,
    Operator,
    OperatorCode,
    Quantization,
    Record,
    Subgraph,
    Tensor,
)
from mcuplan.tflite import load, operator_code, read, record, write
from mcuplan.tflite.reading import read_verified
from mcuplan.tflite.schema import FORMATS, Kind, builtin_codes, schema
from mcuplan.tflite.verify import verify

SHARED = os.environ.get("MCUPLAN_SHARED")
MODELS = sorted(Path(SHARED, "models").rglob("*.tflite")) if SHARED else []


def unread(graph: Graph) -> Graph:
    """The graph without what only a file has."""
    return replace(graph, file_bytes=0, notes=())


def structure(data: bytes) -> Graph:
    """The graph in the bytes, verified but not judged: random graphs make no sense."""
    view = memoryview(data).toreadonly()
    verify(view, "random")
    return unread(read_verified(view, "random"))


def test_a_small_model_comes_back_whole() -> None:
    assert unread(read(write(tiny_graph()))) == tiny_graph()


def test_writing_is_deterministic_and_stable() -> None:
    once = write(tiny_graph())
    assert write(read(once)) == once == write(tiny_graph())


def test_constant_bytes_are_16_aligned_and_present_once() -> None:
    weights = bytes(range(200, 233))
    graph = replace(tiny_graph(), buffers=(Buffer(), Buffer(weights), Buffer(b""), Buffer(b"plan" * 5)))
    data = write(graph)
    assert data.count(weights) == data.count(b"plan" * 5) == 1
    assert data.index(weights) % 16 == data.index(b"plan" * 5) % 16 == 0
    assert data[4:8] == b"TFL3"


def test_operator_codes_that_the_graph_does_not_list_are_appended() -> None:
    graph = tiny_graph()
    relu = Operator(OperatorCode("RELU", 2), (2,), (2,))
    mine = Operator(OperatorCode("CUSTOM", custom_code="Mine"), (2,), (2,), custom_options=b"")
    gelu = Operator(OperatorCode("GELU"), (2,), (2,))
    main = replace(graph.main, operators=(*graph.main.operators, relu, mine, gelu, relu))
    again = read(write(replace(graph, subgraphs=(main,))))
    assert again.operator_codes == (
        *graph.operator_codes,
        OperatorCode("RELU", 2, None, 19, 19),
        OperatorCode("CUSTOM", 1, "Mine", 32, 32),
        OperatorCode("GELU", 1, None, 127, 150),
    )
    assert [op.name for op in again.main.operators] == ["FULLY_CONNECTED", "RELU", "CUSTOM", "GELU", "RELU"]


def test_operator_codes_keep_their_raw_fields_and_duplicates() -> None:
    old = OperatorCode("FULLY_CONNECTED", 1, None, 9, 0)
    new = OperatorCode("FULLY_CONNECTED", 1, None, 9, 9)
    graph = tiny_graph()
    ops = tuple(replace(graph.main.operators[0], code=code) for code in (new, old, new))
    graph = replace(graph, operator_codes=(old, new, old), subgraphs=(replace(graph.main, operators=ops),))
    again = read(write(graph))
    assert again.operator_codes == (old, new, old)
    assert [op.code for op in again.main.operators] == [new, old, new]


def test_bytes_outside_the_flatbuffer_stay_outside() -> None:
    op = replace(tiny_graph().main.operators[0], custom_options=b"options", custom_options_external=True)
    graph = replace(
        tiny_graph(),
        subgraphs=(replace(tiny_graph().main, operators=(op, op)),),
        buffers=(Buffer(), Buffer(bytes(6), external=True), Buffer(b"xyz" * 7, external=True), Buffer(b"inside")),
    )
    data = write(graph)
    assert data.endswith(b"options")
    assert data.index(b"xyz" * 7) > data.index(b"inside")
    assert unread(read(data)) == graph


def zip_of(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


@pytest.mark.parametrize("absolute", [True, False])
def test_a_zip_of_associated_files_behind_the_model_still_opens_when_the_model_grows(absolute: bool) -> None:
    files = {"labels.txt": b"cat\ndog\n", "vocab.txt": b"a b c" * 100}
    held = io.BytesIO(write(tiny_graph()))
    if absolute:  # as TFLite Metadata's populator does it
        with zipfile.ZipFile(held, "a") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        data = held.getvalue()
    else:  # as `cat model.tflite files.zip` does it
        data = held.getvalue() + zip_of(files)
    graph = read(data)
    assert bytes(graph.appended[:4]) == b"PK\3\4"
    grown = write(
        replace(graph, description="a longer description than before", buffers=(*graph.buffers, Buffer(bytes(999))))
    )
    with zipfile.ZipFile(io.BytesIO(grown)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
    if absolute:
        end = grown.rindex(b"PK\5\6")
        assert grown[struct.unpack_from("<I", grown, end + 16)[0] :][:4] == b"PK\1\2"
    assert unread(read(write(graph))).main == graph.main


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"options": Record("NoSuchOptions")}, "BuiltinOptions has no member 'NoSuchOptions'|has no table 'NoSuch"),
        ({"options": record("StablehloPadOptions")}, "BuiltinOptions has no member 'StablehloPadOptions'"),
        ({"options": Record("SoftmaxOptions", {"gamma": 1.0})}, "SoftmaxOptions has no 'gamma'"),
        ({"options": Record("SoftmaxOptions", {"beta": "high"})}, "does not fit the TFLite schema"),
        ({"options": Record("AddOptions", {"fused_activation_function": 300})}, "does not fit the TFLite schema"),
        ({"options": Record("VarHandleOptions", {"container": ()})}, "does not fit the TFLite schema"),
        ({"inputs": (2**40,)}, "does not fit the TFLite schema"),
        ({"code": OperatorCode("CONVOLUTION")}, "no builtin operator is called 'CONVOLUTION'"),
    ],
)
def test_a_graph_that_the_schema_cannot_hold_is_refused(change: dict[str, Any], says: str) -> None:
    graph = tiny_graph()
    main = replace(graph.main, operators=(replace(graph.main.operators[0], **change),))
    with pytest.raises(ModelError, match=says):
        write(replace(graph, subgraphs=(main,)))


def test_shared_parts_of_a_file_are_read_and_written_apart() -> None:
    """Nothing may be shared in what we write: TFLM changes some shapes in place."""
    shared = tiny_bytes(x=(Ref("y shape"), ("b", 9), None, Ref("y name")))
    graph = read(shared)
    assert graph.main.tensors[0] == graph.main.tensors[2]
    assert shared.count(struct.pack("<3I", 2, 1, 2)) == 1
    assert write(graph).count(struct.pack("<3I", 2, 1, 2)) == 2


# Random graphs: every field of every table, within what the schema can hold.

TEXTS = st.text(max_size=8) | st.sampled_from(["", "a\0b", "ünïcode", "<script>", "\x1b[31m"])
FLOATS = st.floats(width=32, allow_nan=False)
INTS = st.integers(-(2**31), 2**31 - 1)
SMALL = st.integers(0, 2)
BYTES = st.binary(max_size=40)
_RANGES = {
    "b": (-128, 127), "B": (0, 255), "h": (-(2**15), 2**15 - 1), "H": (0, 2**16 - 1), "i": (-(2**31), 2**31 - 1),
    "I": (0, 2**32 - 1), "q": (-(2**63), 2**63 - 1), "Q": (0, 2**64 - 1),
}  # fmt: skip


def scalars(character: str) -> st.SearchStrategy[Any]:
    if character in "fd":
        return FLOATS
    return st.booleans() if character == "?" else st.integers(*_RANGES[character])


def tuples(of: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=size).map(tuple)


def records(name: str) -> st.SearchStrategy[Record]:
    """Random records of a table, driven by the schema's data."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in schema().tables[name].fields:
        if field.kind is Kind.SCALAR:
            fields[field.name] = st.just(field.default) | scalars(field.format)
        elif field.kind is Kind.STRING:
            fields[field.name] = st.none() | TEXTS
        elif field.kind is Kind.STRINGS:
            fields[field.name] = st.none() | tuples(TEXTS)
        elif field.kind is Kind.SCALARS:
            fields[field.name] = st.none() | (BYTES if field.format == "B" else tuples(scalars(field.format)))
        elif field.kind is Kind.TABLE:
            fields[field.name] = st.none() | records(field.target)
        elif field.kind is Kind.TABLES:
            fields[field.name] = st.none() | tuples(records(field.target))
        else:
            fields[field.name] = st.none() | members(field.target)
    return st.fixed_dictionaries(fields).map(lambda values: Record(name, values))


def members(union: str) -> st.SearchStrategy[Record]:
    return st.sampled_from(sorted(set(schema().unions[union]))).flatmap(records)


@st.composite
def quantizations(draw: st.DrawFn) -> Quantization:
    scales, zero_points = draw(tuples(FLOATS)), draw(tuples(scalars("q")))
    return Quantization(
        scales=scales,
        zero_points=zero_points,
        dimension=draw(INTS),
        min=draw(st.none() | tuples(FLOATS)),
        max=draw(st.none() | tuples(FLOATS)),
        details=draw(st.none() | members("QuantizationDetails")),
        has_scales=bool(scales) or draw(st.booleans()),
        has_zero_points=bool(zero_points) or draw(st.booleans()),
    )


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    shape = draw(tuples(INTS))
    return Tensor(
        name=draw(TEXTS),
        dtype=draw(st.sampled_from(DType)),
        shape=shape,
        buffer=draw(scalars("I")),
        quantization=draw(st.none() | quantizations()),
        is_variable=draw(st.booleans()),
        has_shape=bool(shape) or draw(st.booleans()),
        has_rank=draw(st.booleans()),
        shape_signature=draw(st.none() | tuples(INTS)),
        sparsity=draw(st.none() | records("SparsityParameters")),
        variant_tensors=draw(st.none() | tuples(records("VariantSubType"))),
        external_buffer=draw(SMALL),
    )


@st.composite
def operator_codes(draw: st.DrawFn) -> OperatorCode:
    name = draw(st.sampled_from([*builtin_codes(), "BUILTIN_300"]))
    code = operator_code(name, draw(INTS), draw(st.none() | TEXTS))
    old_only = code.builtin_code < 127 and draw(st.booleans())
    return replace(code, builtin_code=0) if old_only else code


@st.composite
def operators(draw: st.DrawFn, codes: tuple[OperatorCode, ...]) -> Operator:
    inputs, outputs = draw(tuples(INTS)), draw(tuples(INTS))
    custom = draw(st.none() | BYTES)
    return Operator(
        code=draw(st.sampled_from(codes)),
        inputs=inputs,
        outputs=outputs,
        options=draw(st.none() | members("BuiltinOptions")),
        options_2=draw(st.none() | members("BuiltinOptions2")),
        custom_options=custom,
        custom_options_format=draw(scalars("b")),
        intermediates=draw(st.none() | tuples(INTS)),
        mutating_variable_inputs=draw(st.none() | tuples(st.booleans())),
        debug_metadata_index=draw(INTS),
        has_inputs=bool(inputs) or draw(st.booleans()),
        has_outputs=bool(outputs) or draw(st.booleans()),
        custom_options_external=custom is not None and draw(st.booleans()),
    )


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    codes = draw(st.lists(operator_codes(), min_size=1, max_size=3).map(tuple))
    subgraphs = st.builds(
        Subgraph, tuples(tensors()), tuples(operators(codes)), tuples(INTS), tuples(INTS), st.none() | TEXTS, INTS
    )
    buffers = st.none().map(Buffer) | BYTES.map(Buffer) | BYTES.map(lambda data: Buffer(data, external=True))
    return Graph(
        subgraphs=draw(tuples(subgraphs)),
        buffers=draw(tuples(buffers)),
        operator_codes=codes,
        metadata=draw(tuples(st.builds(Metadata, TEXTS, scalars("I")))),
        signatures=draw(tuples(records("SignatureDef"))),
        description=draw(st.none() | TEXTS),
        schema_version=draw(scalars("I")),
        metadata_buffers=draw(st.none() | tuples(INTS)),
        external_buffer_groups=draw(st.none() | tuples(records("ExternalBufferGroup"))),
        external_buffers=draw(st.none() | tuples(records("ExternalBuffer"))),
    )


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_any_graph_comes_back_as_it_went(graph: Graph) -> None:
    assert structure(write(graph)) == graph


@settings(max_examples=60, deadline=None)
@given(members("BuiltinOptions"), members("BuiltinOptions2"))
def test_any_options_come_back_as_they_went(options: Record, options_2: Record) -> None:
    op = replace(tiny_graph().main.operators[0], options=options, options_2=options_2)
    graph = replace(tiny_graph(), subgraphs=(replace(tiny_graph().main, operators=(op,)),))
    assert structure(write(graph)).main.operators == (op,)


def test_every_options_table_and_scalar_type_is_drawn_from() -> None:
    assert set("".join(FORMATS.values())) == set(_RANGES) | set("?fd")


@pytest.mark.skipif(not MODELS, reason="MCUPLAN_SHARED does not name the folder with the shared models")
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_shared_models_come_back_as_they_went(path: Path) -> None:
    graph = load(path)
    data = write(graph)
    assert unread(read(data)) == unread(graph)
    assert write(read(data)) == data
    # No more than padding is added to what the original converter needed.
    assert len(data) <= graph.file_bytes * 1.002 + 64


def test_a_model_above_two_gigabytes_is_refused_before_it_takes_the_memory() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 2**31

    with pytest.raises(ModelError, match="a model above 2 GB cannot be written"):
        write(replace(tiny_graph(), buffers=(Buffer(), Buffer(Huge()))))


def test_unread_parts_of_a_hand_laid_model_are_not_kept() -> None:
    """Bytes that nothing refers to have no meaning, and are not written."""
    flat = tiny_flat()
    flat.string("orphan", b"nobody reads this")
    assert b"nobody" not in write(read(flat.finish("model")))
