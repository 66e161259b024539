"""What the reader takes from a file's few tables, against the accessors of the ``tflite`` package."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tflite.Model import Model

from mcuplan import zoo
from mcuplan.graph import Graph, Metadata
from mcuplan.tflite import operator_code, parse, write
from mcuplan.tflite.reading import buffer_positions


def _bare() -> Graph:
    """No description, name, custom code or metadata; a code for which the old byte is too small."""
    graph = zoo.build("sine")
    codes = (*graph.operator_codes, operator_code("STABLEHLO_ADD"), operator_code("CUSTOM", 3, "Zero"))
    nameless = tuple(replace(subgraph, name=None) for subgraph in graph.subgraphs)
    return replace(graph, description=None, metadata=(), operator_codes=codes, subgraphs=nameless)


def _told() -> Graph:
    graph = zoo.build("sine")
    named = tuple(replace(subgraph, name="main ü") for subgraph in graph.subgraphs)
    entries = (Metadata("", 0), Metadata("min_runtime_version", len(graph.buffers) - 1))
    return replace(graph, description="of a sine", metadata=entries, subgraphs=named, schema_version=3)


@pytest.mark.parametrize("graph", [_bare(), _told(), zoo.build("ds-cnn")])
def test_the_few_tables_read_as_the_accessors_do(graph: Graph) -> None:
    data = write(graph)
    read, model = parse(data, "model").graph, Model.GetRootAs(data, 0)

    def text(raw: bytes | None) -> str | None:
        return None if raw is None else raw.decode()

    assert (read.schema_version, read.description) == (model.Version(), text(model.Description()))
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    assert [
        (
            code.custom_code,
            code.version,
            code.deprecated_builtin_code,
            max(code.deprecated_builtin_code, code.builtin_code),
        )
        for code in read.operator_codes
    ] == [(text(c.CustomCode()), c.Version(), c.DeprecatedBuiltinCode(), c.BuiltinCode()) for c in codes]
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    assert [(each.name, each.buffer) for each in read.metadata] == [(text(e.Name()) or "", e.Buffer()) for e in entries]
    subgraphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    assert [
        (each.name, each.inputs, each.outputs, len(each.tensors), len(each.operators)) for each in read.subgraphs
    ] == [
        (text(s.Name()), tuple(map(s.Inputs, range(s.InputsLength()))), tuple(map(s.Outputs, range(s.OutputsLength()))),
         s.TensorsLength(), s.OperatorsLength())
        for s in subgraphs
    ]  # fmt: skip
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    assert [bytes(each.data or b"") for each in read.buffers] == [
        b"" if b.DataIsNone() else b.DataAsNumpy().tobytes() for b in buffers
    ]
    positions = buffer_positions(data)
    assert len(positions) == len(buffers)
    for at, buffer in zip(positions, read.buffers, strict=True):
        assert (at == -1) if not buffer.data else data[at : at + len(buffer.data)] == bytes(buffer.data)
