"""An input that comes by rows, from the command line: planned, judged, proven, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from conftest import Cli

from mcuplan.graph import DType, Graph
from mcuplan.operators.streamed import streamed_inputs
from mcuplan.patching.arena.rows import rows_input
from mcuplan.reports.documents.schema import plan_schema
from mcuplan.tflite import load, save
from mcuplan.tflm import predict
from mcuplan.zoo.builder import Builder


def picture(precision: str = "int8") -> Graph:
    """Three convolutions over 64 rows of 60 positions of 3 channels."""
    b = Builder(precision=precision, seed=3)
    x = b.conv2d(b.input((1, 64, 60, 3)), 8, 3, stride=2)
    x = b.conv2d(b.depthwise_conv2d(x, 3, stride=2), 8, 1)
    return b.graph([b.mean(x, (1, 2))])


def quantized_picture() -> Graph:
    """The same behind a QUANTIZE of float pixels."""
    b = Builder(seed=3)
    q = b.quantize(b.input((1, 64, 60, 3), dtype=DType.FLOAT32), low=-1.0, high=1.0)
    x = b.conv2d(q, 8, 3, stride=2)
    return b.graph([b.mean(b.conv2d(x, 8, 1), (1, 2))])


def planned(cli: Cli, tmp_path: Path, graph: Graph, *more: str) -> tuple[dict[str, object], Path]:
    given, out = tmp_path / "given.tflite", tmp_path / "planned.tflite"
    save(graph, given)
    done = cli("plan", given, "--patch", "--rows", "--effort", "fast", "-o", out, "--format", "json", *more)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    jsonschema.validate(document, plan_schema())
    return document, out


def test_a_plan_by_rows_has_no_input_and_says_what_its_source_holds(cli: Cli, tmp_path: Path) -> None:
    document, out = planned(cli, tmp_path, picture())
    graph = load(out)
    assert graph.main.inputs == ()
    streamed = streamed_inputs(graph)[0]
    assert streamed.tensor.shape == (1, 64, 60, 3)
    rows = document["rows"]
    assert isinstance(rows, dict)
    assert rows["row_bytes"] == 180
    assert document["rows_buffer_bytes"] == rows["buffer_bytes"] == streamed.buffer_bytes
    assert rows["buffer_rows"] == streamed.later_rows + 1 + rows["rows_back"]
    assert streamed.later_rows <= rows["rows_a_call"] == streamed.most_rows
    after = document["after"]
    assert isinstance(after, dict)
    assert after["declare_bytes"] == predict(graph).declare_bytes
    assert after["declare_bytes"] + streamed.buffer_bytes < 64 * 60 * 3  # less than the picture alone


def test_a_plan_by_rows_is_taken_and_proven(cli: Cli, tmp_path: Path) -> None:
    _, out = planned(cli, tmp_path, picture())
    assert cli("check", out, "--ram", "64 kB").code == 0  # no --custom-operator
    done = cli("verify", tmp_path / "given.tflite", out)
    assert done.code == 0, done.out + done.err
    assert "same operators on the same constants" in done.out


def test_quantizing_at_the_head_is_the_source_s(cli: Cli, tmp_path: Path) -> None:
    _, out = planned(cli, tmp_path, quantized_picture())
    graph = load(out)
    assert streamed_inputs(graph)[0].tensor.dtype.label == "int8"
    assert not any(op.name == "QUANTIZE" for op in graph.main.operators)
    done = cli("verify", tmp_path / "given.tflite", out)
    assert done.code == 0, done.out + done.err


def unstreamable() -> list[tuple[str, Graph, str]]:
    found = []
    b = Builder()
    found.append(
        ("dense", b.graph([b.fully_connected(b.input((1, 64)), 4)]), "is no picture of rows, its shape is [1, 64]")
    )
    b = Builder()
    x = b.input((1, 12, 12, 4))
    turned = b.transpose(b.transpose(b.conv2d(x, 4, 3), (0, 2, 1, 3)), (0, 2, 1, 3))
    far = b.conv2d(turned, 4, 3)
    found.append(("late", b.graph([b.add(x, far)]), "needs it again, when they are gone"))
    b = Builder()
    x = b.input((1, 12, 12, 4))
    found.append(("softmax", b.graph([b.conv2d(b.softmax(x), 4, 3)]), "SOFTMAX is never written by rows"))
    b = Builder()
    x = b.input((1, 12, 12, 4))
    found.append(("output", b.graph([b.conv2d(x, 4, 3), x]), "is an output too"))
    b = Builder()
    found.append(("batch", b.graph([b.conv2d(b.input((2, 12, 12, 4)), 4, 3)]), "its shape is [2, 12, 12, 4]"))
    return found


@pytest.mark.parametrize(("graph", "reason"), [case[1:] for case in unstreamable()], ids=[c[0] for c in unstreamable()])
def test_an_input_that_cannot_come_by_rows_is_told_in_a_sentence(
    cli: Cli, tmp_path: Path, graph: Graph, reason: str
) -> None:
    given, out = tmp_path / "given.tflite", tmp_path / "planned.tflite"
    save(graph, given)
    done = cli("plan", given, "--patch", "--rows", "-o", out, "--force")
    assert (done.code, done.out) == (2, "")
    assert reason in " ".join(done.err.split())
    assert not out.exists()


def test_of_several_inputs_the_largest_comes_by_rows() -> None:
    b = Builder(seed=1)
    small, large = b.input((1, 6, 6, 4)), b.input((1, 24, 24, 4))
    y = b.add(b.conv2d(b.conv2d(large, 4, 3, stride=2), 4, 3, stride=2), small)
    graph, number, why = rows_input(b.graph([y]))
    assert (number, why) == (1, None)
    assert len(graph.main.inputs) == 2


def test_rows_go_with_patch(cli: Cli) -> None:
    done = cli("plan", "zoo:sine", "--rows")
    assert done.code == 2
    assert "--rows goes with --patch" in done.err


def test_reports_say_that_the_input_comes_by_rows(cli: Cli, tmp_path: Path) -> None:
    _, out = planned(cli, tmp_path, picture())
    given, told = tmp_path / "given.tflite", "input: by rows, at most"
    for command in (("check", out), ("explain", out), ("diff", given, out), ("check", out, "--format", "markdown")):
        done = cli(*command)
        assert told in " ".join(done.out.split()).replace("Input", "input"), command
    page = tmp_path / "page.html"
    assert cli("report", out, "-o", page).code in (0, 1)
    assert told in page.read_text("utf-8")
    document = json.loads(cli("check", out, "--format", "json").out)
    assert document["results"][0]["rows"]["told"].startswith(told)
