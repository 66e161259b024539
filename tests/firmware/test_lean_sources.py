"""Lean registrations as sources: what stands in them, and a compiler's opinion."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mcuplan import tflite, zoo
from mcuplan.firmware.sources import firmware_sources, write_sources
from mcuplan.graph import Graph
from mcuplan.tflite.reading import buffer_positions
from mcuplan.tflm import Target
from mcuplan.tflm.lean import kept
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.single import build_operator, operator_models

STUBS = Path(__file__).parent / "tflm_stubs"
M4, M55 = "cortex-m4+cmsis-nn+lean", "cortex-m55+cmsis-nn+lean"
KEEPERS = {
    "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM",
}  # fmt: skip


def sources(graph: Graph, target: str = M4, **words: str) -> dict[str, str]:
    return {file.name: file.text for file in firmware_sources(graph, target=target, **words).files}


def compiled(folder: Path, *more: str, stubs: Path = STUBS) -> subprocess.CompletedProcess[str]:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ is installed")
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror", "-fsyntax-only"]
    return subprocess.run(
        [compiler, *flags, f"-I{stubs}", f"-I{folder}", *more], capture_output=True, text=True, check=False
    )


def numbers(source: str, name: str) -> list[int]:
    body = re.search(rf"alignas\(16\) const std::int32_t {name}\[\] = {{\n(.*?)}};", source, re.DOTALL)
    assert body
    return [int(v) for v in re.findall(r"-?\d+", body[1])]


def test_a_convolution_s_arrays_stand_behind_one_another_at_its_filter_s_place() -> None:
    data = tflite.write(zoo.build("person-detection"))
    graph = tflite.read(data)
    made = {file.name: file.text for file in firmware_sources(data, target=M4, name="person").files}
    assert list(made) == [
        "person.h", "person.cc", "person_arena.h", "person_op_resolver.h", "person_lean.h", "person_lean.cc",
    ]  # fmt: skip
    source = made["person_lean.cc"]
    first = graph.main.operators[0]
    x, w = (graph.main.tensors[t] for t in first.inputs[:2])
    y = graph.main.tensors[first.outputs[0]]
    at = data.index(bytes(graph.buffers[w.buffer].data or b""))
    count = y.shape[3]
    row = re.search(rf"  {{{at}u, {count}, 2, (kLeanArrays\d+)}},", source)
    assert row, "the filter's place in the file names the operator"
    found = numbers(source, row[1])
    assert len(found) == 2 * count
    scales = [x.quantization.scales[0] * s / y.quantization.scales[0] for s in w.quantization.scales]
    for multiplier, shift, scale in zip(found[:count], found[count:], scales, strict=True):
        assert 2**30 <= multiplier < 2**31
        assert multiplier * 2.0 ** (shift - 31) == pytest.approx(scale, rel=2**-30)
    assert "MakePersonLean(resolver)" in made["person_op_resolver.h"]
    assert made["person_op_resolver.h"].index("AddConv2D") < made["person_op_resolver.h"].index("MakePersonLean")


def test_nodes_that_share_a_filter_and_scales_share_arrays() -> None:
    graph = zoo.build("person-detection")
    first = graph.main.operators[0]
    twice = replace(graph.main, operators=(first, *graph.main.operators))
    doubled = replace(graph, subgraphs=(twice,))
    target = Target.parse(M4)
    assert kept(doubled, target) == kept(graph, target)


def test_nothing_to_keep_no_lean_source() -> None:
    assert [n for n in sources(zoo.build("sine")) if "lean" in n] == []
    assert "Lean" not in sources(zoo.build("sine"))["op_resolver.h"]
    assert kept(zoo.build("person-detection"), Target.parse("cortex-m4+cmsis-nn")) == ()


def test_positions_of_buffers_are_where_their_bytes_are() -> None:
    data = tflite.write(zoo.build("person-detection"))
    graph = tflite.read(data)
    for buffer, at in zip(graph.buffers, buffer_positions(data), strict=True):
        found = bytes(buffer.data or b"")
        assert at == -1 if buffer.data is None else data[at : at + len(found)] == found


@pytest.mark.parametrize("target", [M4, M55, "cortex-m4+reference+lean"])
def test_every_operator_that_keeps_something_compiles(tmp_path: Path, target: str) -> None:
    written, operators = [], set()
    for i, spec in enumerate(operator_models()):
        if not KEEPERS & {call.operator for s in spec.subgraphs for call in s.calls}:
            continue
        graph = build_operator(spec)
        made = firmware_sources(graph, target=target, name=f"op{i}", namespace=f"n{i}")
        if len(made.files) < 6:
            continue
        write_sources(made, tmp_path)
        written += [str(tmp_path / f"op{i}_lean.cc")]
        operators |= {k.operator for k in kept(graph, Target.parse(target))}
    assert len(written) > 20
    others = {M55: set(), M4: {"SVDF"}}.get(target, {"SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"})
    assert operators == KEEPERS - others
    done = compiled(tmp_path, *written)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("member", ["per_channel_output_multiplier", "per_channel_output_shift"])
def test_a_tflm_without_the_members_does_not_compile(tmp_path: Path, member: str) -> None:
    write_sources(firmware_sources(zoo.build("person-detection"), target=M4), tmp_path)
    stubs = tmp_path / "stubs"
    shutil.copytree(STUBS, stubs)
    conv = stubs / "tensorflow/lite/micro/kernels/conv.h"
    conv.write_text(conv.read_text().replace(member, "per_channel_something"))
    done = compiled(tmp_path, str(tmp_path / "lean.cc"), stubs=stubs)
    assert done.returncode != 0
    assert member in done.stderr


def test_the_registrations_run_against_a_stand_in(tmp_path: Path) -> None:
    """What they do when TFLM prepares, on this computer: a kernel that asks for arrays, in right and in wrong ways."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ is installed")
    builder = Builder()
    data = tflite.write(builder.graph([builder.conv2d(builder.input((1, 4, 4, 3)), 5, 1)]))
    write_sources(firmware_sources(data, target=M4), tmp_path)
    (found,) = kept(tflite.read(data), Target.parse(M4))
    arrays = "".join(
        f"const std::int32_t {name}[] = {{{', '.join(map(str, values))}}};\n"
        for name, values in zip(("kMultipliers", "kShifts"), found.values, strict=True)
    )
    place = buffer_positions(data)[found.filter]
    (tmp_path / "expected.inc").write_text(f"const int kFilter = {place}, kCount = {found.count};\n{arrays}")
    program = tmp_path / "program"
    sources = [str(tmp_path / "lean.cc"), str(tmp_path / "model.cc"), str(Path(__file__).parent / "lean_on_stubs.cc")]
    flags = ["-std=c++11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{STUBS}", f"-I{tmp_path}", "-o", str(program)]
    done = subprocess.run([compiler, *flags, *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    ran = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
