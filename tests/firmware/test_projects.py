"""Projects for toolchains: what stands in them, a compiler's opinion, and the folder they are written to."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from drawn.sketch import Sketch
from test_rows_sources import by_rows

import mcuplan
from mcuplan import tflite, zoo
from mcuplan.api.golden import golden_vector
from mcuplan.api.project import project_target
from mcuplan.api.refusing import RefusedError
from mcuplan.boards import load_board
from mcuplan.cli import run
from mcuplan.errors import McuplanError
from mcuplan.firmware.golden import GoldenVector
from mcuplan.firmware.kinds import kinds
from mcuplan.firmware.output import MANIFEST, write_project
from mcuplan.firmware.projects import Project, ProjectModel, project
from mcuplan.firmware.resolver import ExportError
from mcuplan.firmware.templating import render
from mcuplan.firmware.tensors import float32_literal, tensor_constants
from mcuplan.graph import DType, Graph
from mcuplan.operators.streamed import streamed_inputs
from mcuplan.proof.runtimes.child import seeded
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm import Target, predict
from mcuplan.tflm.arena import predict_split

STUBS = Path(__file__).parent / "tflm_stubs"
TOOLCHAINS = Path(__file__).parent / "toolchain_stubs"
OLDEST = {"arduino": "-std=c++11", "platformio": "-std=c++11"}
"""The language of a kind's older compilers; C++17 of the others."""
STRICT = ("-x", "c++", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror", "-Wno-error=overflow")


BOARD = load_board("arduino-nano-33-ble-sense").toolchain_names


def made(kind: str, *models: tuple[str, Graph], golden: GoldenVector | None = None, target: str = "") -> Project:
    each = [ProjectModel(name, tflite.write(graph), golden) for name, graph in models]
    name = models[0][0] if len(models) == 1 else "several"
    return project(kind, name, each, Target.parse(target or kinds()[kind].target), board=BOARD)


def text(found: Project, ending: str) -> str:
    return next(file.text for file in found.files if file.name.endswith(ending))


def put(found: Project, folder: Path) -> Path:
    write_project(found, folder)
    return folder


def compiles(folder: Path, standard: str = "-std=c++17") -> None:
    """Each C++ source of a project, by a strict compiler that knows TFLM's names and types."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ is installed")
    sources = [path for suffix in (".cc", ".cpp", ".ino") for path in folder.rglob(f"*{suffix}")]
    includes = [f"-I{path}" for path in (STUBS, TOOLCHAINS, *{header.parent for header in folder.rglob("*.h")})]
    assert sources
    for source in sources:
        if source.parent.name == "emulated_board":
            continue  # Arm's instructions: the test of the emulator compiles it
        # Arduino's core is included before everything else in a sketch.
        before = ["-include", str(TOOLCHAINS / "Arduino.h")] if source.suffix == ".ino" else []
        command = [compiler, "-fsyntax-only", standard, *STRICT, *includes, *before, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


def build_program(folder: Path, source: str, *more: str) -> None:
    """The program ``run`` from one source; skips without a compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ is installed")
    (folder / "main.cc").write_text(source)
    subprocess.run([compiler, "-std=c++17", *more, str(folder / "main.cc"), "-o", str(folder / "run")], check=True)


QUANTIZE = """
#include <cstdio>
#include <initializer_list>
#include "p_tensors.h"
int main() {
  for (float real : {0.0f, 0.5f, -3.0f, 900.0f, -900.0f}) {
    const p::PInput0Type stored = p::QuantizePInput0(real);
    std::printf("%d %.6g\\n", stored, static_cast<double>(p::DequantizePInput0(stored)));
  }
}
"""

FILL = """
#include <cstdint>
#include <cstdio>
#include <cstring>
#include "tensorflow/lite/micro/micro_interpreter.h"
// FUNCTION
static void Show(TfLiteType type) {
  static unsigned char room[64];
  TfLiteTensor tensor;
  tensor.type = type;
  tensor.data.data = room;
  tensor.bytes = sizeof room;
  FillInput(&tensor);
  for (unsigned char c : room) std::printf("%02x", c);
  std::printf("\\n");
}
int main() {
// CALLS
}
"""


def with_variables() -> Graph:
    s = Sketch()
    handle = s.tensor(dtype=DType.RESOURCE)
    s.into("VAR_HANDLE", [], [handle], container="c", shared_name="v")
    s.into("ASSIGN_VARIABLE", [handle, s.input(1, 8)], [])
    again = s.tensor(1, 8)
    s.into("READ_VARIABLE", [handle], [again])
    return s.graph(again)


def with_custom(*names: str) -> Graph:
    s = Sketch()
    x = s.input(1, 8)
    for name in names:
        y = s.tensor(1, 8)
        s.into("CUSTOM", [x], [y], custom=name)
        x = y
    return s.graph(x)


CUSTOM = with_custom('a"??/', "b\n")


# -- a compiler's opinion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", kinds())
def test_every_source_of_every_kind_compiles(kind: str, tmp_path: Path) -> None:
    vector = GoldenVector("a runtime", (bytes(10),), 1)
    compiles(
        put(made(kind, ("person", zoo.build("person-detection")), golden=vector), tmp_path / "out"),
        OLDEST.get(kind, "-std=c++17"),
    )


def test_custom_operators_of_an_older_tflm_compile(tmp_path: Path) -> None:
    compiles(put(made("arduino", ("mine", CUSTOM)), tmp_path / "out"), "-std=c++11")


def test_several_models_variables_and_custom_operators_compile(tmp_path: Path) -> None:
    found = made(
        "cmake", ("sine", zoo.build("sine")), ("held", with_variables()), ("mine", with_custom('a"??/', "b\n"))
    )
    compiles(put(found, tmp_path / "out"))
    runner = text(found, "several_runner.cc")
    assert "MicroResourceVariables::Create(allocator, kHeldResourceVariables)" in runner
    assert runner.count("MicroAllocator::Create(") == 1
    customs = text(found, "custom_operators.h")
    functions = re.findall(r"(\w+)\(\);", customs)
    assert len(functions) == 2
    assert f"RegisterMineOps(resolver, {functions[0]}(), {functions[1]}())" in runner


def test_lean_sources_are_part_of_the_project(tmp_path: Path) -> None:
    target = "cortex-m4+cmsis-nn+lean"
    found = made("cmake", ("person", zoo.build("person-detection")), target=target)
    assert found.arena_bytes == predict(zoo.build("person-detection"), target).declare_bytes < 62_000
    assert "src/person_lean.cc" in text(found, "CMakeLists.txt")
    compiles(put(found, tmp_path / "out"))


@pytest.mark.parametrize("golden", [True, False])
def test_an_input_that_comes_row_by_row(golden: bool, tmp_path: Path) -> None:
    graph = by_rows()
    vector, reason = golden_vector(tflite.write(graph))
    assert vector is not None, reason
    found = made("cmake", ("rows", graph), golden=vector if golden else None)
    compiles(put(found, tmp_path / "out"))
    assert "SetRowsRows(RowsRowsInMemory::Give, &picture);" in text(found, "self_test.cc")
    (streamed,) = streamed_inputs(graph).values()
    size = streamed.options.rows * streamed.options.row_bytes
    assert f"kRowsGoldenPicture[{size}]" in text(found, "golden.h")
    assert "src/rows_rows.cc" in text(found, "CMakeLists.txt")


# -- what stands in them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", kinds())
def test_each_file_says_what_made_it_and_that_it_is_free(kind: str) -> None:
    for file in made(kind, ("sine", zoo.build("sine"))).files:
        head = file.text[:600]
        assert f"Made by mcuplan {mcuplan.__version__}" in head or "Made by mcuplan" in file.text[-600:], file.name
        assert "may be used freely" in file.text.replace("\n", " "), file.name
        assert file.text.isascii(), file.name
        assert file.text.endswith("\n"), file.name
        assert not re.search(r"[ \t]$", file.text, re.MULTILINE), file.name
        assert "{{" not in file.text, file.name
        assert "{%" not in file.text, file.name


def test_models_that_share_one_arena_are_predicted_together() -> None:
    a, b = zoo.build("person-detection"), zoo.build("resnet8")
    found = made("cmake", ("a", a), ("b", b))
    assert f"Room({found.arena_bytes})" in text(found, "several_runner.cc")
    assert f"kPredictedUsedBytes = {found.used_bytes}" in text(found, "several_runner.h")
    assert found.arena_bytes < predict(a).declare_bytes + predict(b).persistent_bytes + 16


def test_constants_of_inputs_and_outputs() -> None:
    graph = zoo.build("person-detection")
    header = text(made("cmake", ("p", graph)), "p_tensors.h")
    assert "constexpr int kPInput0Shape[] = {1, 96, 96, 1};" in header
    assert "constexpr std::size_t kPInput0Elements = 9216;" in header
    q = graph.main.tensors[graph.main.inputs[0]].quantization
    assert q is not None
    assert f"kPInput0Scale = {float32_literal(q.scales[0])}f;" in header
    assert f"kPInput0ZeroPoint = {q.zero_points[0]};" in header


def test_quantize_and_dequantize_as_a_compiler_runs_them(tmp_path: Path) -> None:
    graph = zoo.build("person-detection")
    folder = put(made("cmake", ("p", graph)), tmp_path / "out")
    scale, zero = 0.0, 0
    for tensor in tensor_constants(graph, "P", "Input"):
        scale, zero = float(tensor.scale), tensor.zero_point
    build_program(tmp_path, QUANTIZE, f"-I{folder}/src")
    lines = subprocess.run([str(tmp_path / "run")], capture_output=True, text=True, check=True).stdout.split("\n")
    for line, real in zip(lines, (0.0, 0.5, -3.0, 900.0, -900.0), strict=False):
        stored = min(127, max(-128, math.floor(real / scale + 0.5) + zero))
        assert int(line.split()[0]) == stored
        assert float(line.split()[1]) == pytest.approx((stored - zero) * scale, abs=1e-4)


def test_the_self_test_fills_inputs_as_the_runtimes_do(tmp_path: Path) -> None:
    """The generator in C++ against the one that the expected outputs were made with."""
    vector = GoldenVector("a runtime", (b"\0",), 0)
    source = text(made("cmake", ("sine", zoo.build("sine")), golden=vector), "self_test.cc")
    function = source[source.index("void FillInput") : source.index("// Elements that differ")]
    types = {"kTfLiteInt8": "int8", "kTfLiteUInt8": "uint8", "kTfLiteInt16": "int16", "kTfLiteFloat32": "float32",
             "kTfLiteInt32": "int32", "kTfLiteInt64": "int64", "kTfLiteBool": "bool"}  # fmt: skip
    calls = "".join(f"  Show({name});\n" for name in types)
    build_program(tmp_path, FILL.replace("// FUNCTION", function).replace("// CALLS", calls), f"-I{STUBS}")
    lines = subprocess.run([str(tmp_path / "run")], capture_output=True, text=True, check=True).stdout.split()
    for line, dtype in zip(lines, types.values(), strict=True):
        size = {"int8": 1, "uint8": 1, "int16": 2, "float32": 4, "int32": 4, "int64": 8, "bool": 1}[dtype]
        assert bytes.fromhex(line) == seeded(dtype, (64 // size,), 12345).tobytes(), dtype


def test_golden_vectors_come_from_a_real_runtime() -> None:
    vector, reason = golden_vector(tflite.write(zoo.build("sine")))
    assert vector is not None, reason
    assert vector.step == 0
    assert [len(output) for output in vector.outputs] == [1]
    nothing, why = golden_vector(tflite.write(with_custom("nobody_has_it")))
    assert nothing is None
    assert "refuses the model" in why


def test_text_that_is_not_safe_never_comes_into_a_file() -> None:
    for hostile in ('a"b', "a\\b", "a\nb", "a'b", "$(b)", "#b", "`b`", "é"):
        with pytest.raises(ValueError, match="not safe"):
            render("cmake/emulated_board.cmake.j2", made_by="me", machine="m", name=hostile)


# -- which TFLM ----------------------------------------------------------------------------------------------------


def test_a_kind_builds_with_its_usual_tflm_only() -> None:
    with pytest.raises(ExportError, match=r"a project for cmake builds with upstream-2026-08, not with pico-2024-12"):
        made("cmake", ("sine", zoo.build("sine")), target="pico-2024-12/cortex-m33")
    with pytest.raises(ExportError, match=r"for cortex-m cores, not for upstream-2026-08/esp32\+reference"):
        made("cmake", ("sine", zoo.build("sine")), target="upstream-2026-08/esp32+reference")


def test_the_board_s_toolchain_of_the_kind() -> None:
    board = load_board("arduino-nano-33-ble-sense")
    assert str(project_target(kinds()["cmake"], board, None, None)) == "upstream-2026-08/cortex-m4+cmsis-nn"
    with pytest.raises(McuplanError, match="builds with upstream-2026-08, not with arduino-2023-02"):
        project_target(kinds()["cmake"], load_board("arduino-nano-33-ble-sense@arduino"), None, None, explicit=True)


# -- where arenas lie ----------------------------------------------------------------------------------------------


def test_arenas_in_sections_of_the_linker_s(tmp_path: Path) -> None:
    done = mcuplan.export(
        "zoo:person-detection", tmp_path / "out", project="cmake", board="nucleo-h743zi", persistent_in="dtcm",
        golden=False,
    )  # fmt: skip
    compiles(tmp_path / "out")
    assert done.project is not None
    runner = text(done.project, "_runner.cc")
    assert '__attribute__((section(".arena_dtcm")))' in runner
    assert "MicroAllocator::Create(persistent_arena, kPersistentArenaBytes," in runner
    assert "*(.arena_dtcm .arena_dtcm.*)" in text(done.project, "mps2.ld")
    assert "DTCM at 0x20000000: your linker script must place the section" in text(done.project, "README.md")
    split = predict_split([zoo.build("person-detection")], done.target)
    assert done.arena_bytes == split.persistent_declare_bytes + split.nonpersistent_declare_bytes
    assert f"kPredictedUsedBytes = {split.used_bytes}" in text(done.project, "_runner.h")


def test_arenas_from_the_heap_of_esp_idf(tmp_path: Path) -> None:
    done = mcuplan.export(
        "zoo:person-detection", tmp_path / "out", project="esp-idf", board="seeed-xiao-esp32s3-sense",
        arena_in="psram", golden=False,
    )  # fmt: skip
    compiles(tmp_path / "out")
    assert done.project is not None
    assert "heap_caps_aligned_alloc(16, kTensorArenaBytes, MALLOC_CAP_SPIRAM" in text(done.project, "_runner.cc")
    assert "CONFIG_SPIRAM=y" in text(done.project, "sdkconfig.defaults")
    assert "PRIV_REQUIRES heap" in text(done.project, "person_detection/CMakeLists.txt")


@pytest.mark.parametrize(
    ("board", "arena_in", "said"),
    [
        ("nucleo-h743zi", "psram", "no one place of its RAM is called 'psram' (it has axi, dtcm)"),
        (None, "psram", "name one"),
    ],
)
def test_places_that_are_not_there(board: str | None, arena_in: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(McuplanError, match=re.escape(said)):
        mcuplan.export("zoo:sine", tmp_path / "out", project="cmake", board=board, arena_in=arena_in, golden=False)
    assert not (tmp_path / "out").exists()


def test_an_arena_larger_than_its_place(tmp_path: Path) -> None:
    with pytest.raises(McuplanError, match=r"the tensor arena takes [\d,]+ bytes, and DTCM has 131,072"):
        mcuplan.export(
            "zoo:mobilenet-v2", tmp_path / "out", project="cmake", board="nucleo-h743zi", arena_in="dtcm", golden=False
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "board", "arena_in", "plan"),
    [
        ("cmake", "nucleo-h743zi", None, "dtcm:32KiB"),
        ("esp-idf", "seeed-xiao-esp32s3-sense", "psram", "internal:64KiB"),
        ("arduino", "arduino-portenta-h7", "sdram", "dtcm"),
    ],
)
def test_a_buffer_plan(kind: str, board: str, arena_in: str | None, plan: str, tmp_path: Path) -> None:
    done = mcuplan.export(
        "zoo:person-detection", tmp_path / "out", project=kind, board=board, arena_in=arena_in, buffer_plan=plan,
        golden=False,
    )  # fmt: skip
    compiles(tmp_path / "out", OLDEST.get(kind, "-std=c++17"))
    assert done.project is not None
    runner = text(done.project, "_runner.cpp" if kind == "arduino" else "_runner.cc")
    arena = predict(zoo.build("person-detection"), done.target)
    entries = re.findall(r"{(true|false), (\d+), (\d+), (-?\d+), (-?\d+)}", runner)
    assert [(int(b[2]), int(b[3]), int(b[4])) for b in entries] == [(b.size, b.first, b.last) for b in arena.plan]
    room = {"dtcm:32KiB": 32_768, "internal:64KiB": 65_536, "dtcm": 131_072}[plan]
    assert 0 < max(int(b[1]) + int(b[2]) for b in entries if b[0] == "true") <= room
    assert "A BufferPlan puts" in text(done.project, "README.md")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"board": None}, "name one"),
        ({"persistent_in": "dtcm"}, "leave out --persistent-in"),
        ({"buffer_plan": "axi"}, "the arena lies in AXI SRAM itself"),
        ({"buffer_plan": "sram9"}, "no one place of its RAM is called 'sram9'"),
        ({"buffer_plan": "dtcm:64KB"}, "'64KB' is ambiguous"),
        ({"buffer_plan": "dtcm:8"}, "no buffer of the planned section fits 8 bytes of DTCM"),
        ({"lean": True}, "lean registrations"),
        ({"model": ["zoo:sine", "zoo:ds-cnn"]}, "a buffer plan is one model's"),
    ],
)
def test_no_buffer_plan(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"model": "zoo:sine", "board": "nucleo-h743zi", "buffer_plan": "dtcm", **change}
    with pytest.raises(McuplanError, match=re.escape(said)):
        mcuplan.export(folder=tmp_path / "out", project="cmake", golden=False, **given)
    assert not (tmp_path / "out").exists()


def test_no_buffer_plan_of_a_model_that_has_one(tmp_path: Path) -> None:
    graph = zoo.build("ds-cnn")
    arena = predict(graph, "cortex-m7+cmsis-nn")
    planned = set_offline_plan(graph, [
        next((b.offset for b in arena.plan if b.tensor == t), -1) for t in range(len(graph.main.tensors))
    ])  # fmt: skip
    with pytest.raises(McuplanError, match="brings a memory plan of its own"):
        mcuplan.export(planned, tmp_path / "out", project="cmake", board="nucleo-h743zi", buffer_plan="dtcm")
    assert run(["export", "zoo:sine", "-o", str(tmp_path / "out"), "--buffer-plan", "dtcm"]) == 2


# -- the folder ----------------------------------------------------------------------------------------------------


def test_an_earlier_export_is_replaced_and_foreign_files_are_not(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(made("cmake", ("first", zoo.build("sine"))), out)
    (out / "build").mkdir()
    (out / "build" / "object.o").write_bytes(b"")
    put(made("cmake", ("second", zoo.build("sine"))), out)
    assert (out / "src" / "second_runner.cc").exists()
    assert not (out / "src" / "first_runner.cc").exists()
    assert (out / "build" / "object.o").exists()
    assert set(json.loads((out / MANIFEST).read_text())["files"]) == {
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()
    } - {MANIFEST, "build/object.o"}

    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"notes\.txt is not from an earlier export"):
        put(made("cmake", ("third", zoo.build("sine"))), out)
    (out / "notes.txt").unlink()
    (out / "main.cc").write_text("// mine now\n")
    with pytest.raises(ExportError, match=r"main\.cc is not from an earlier export, or was changed"):
        put(made("cmake", ("third", zoo.build("sine"))), out)
    (out / "main.cc").write_bytes(before[out / "main.cc"])
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "main.cc").write_text("// mine now\n")
    (out / "notes.txt").write_text("mine")
    write_project(made("cmake", ("third", zoo.build("sine"))), out, overwrite=True)
    assert "third" in (out / "main.cc").read_text()
    assert (out / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_manifest_that_lies_removes_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "keep.txt"
    outside.write_text("keep")
    out = put(made("cmake", ("sine", zoo.build("sine"))), tmp_path / "out")
    told = json.loads((out / MANIFEST).read_text())
    told["files"]["../keep.txt"] = "0" * 64
    told["files"][str(outside)] = "0" * 64
    (out / MANIFEST).write_text(json.dumps(told))
    put(made("cmake", ("sine", zoo.build("sine"))), out)
    assert outside.read_text() == "keep"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ExportError, match=r"cannot (make this folder|be written)"):
            put(made("cmake", ("sine", zoo.build("sine"))), bad)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# -- the verb ------------------------------------------------------------------------------------------------------


def test_the_verb_makes_projects(tmp_path: Path) -> None:
    done = mcuplan.export(["zoo:sine", "zoo:resnet8"], tmp_path / "two nets", project="cmake", golden=False)
    assert done.project is not None
    assert done.project.name == "two_nets"
    assert done.project.no_golden == ("none was asked for",) * 2
    assert len(done.exports) == 2
    assert f"arena to declare {done.arena_bytes:,} bytes" in str(done.summary())
    assert json.loads(done.to_json())["used_bytes"] == done.project.used_bytes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": "make"}, "'make' is no kind of project; there are cmake"),
        ({"project": "cmake", "name": "a b"}, "name 'a b' is no identifier that every toolchain takes; 'a_b' is one"),
        ({"project": "cmake", "name": "class"}, "'class_' is one"),
        ({"project": "cmake", "target": "arduino-2023-02/cortex-m4"}, "a project for cmake builds with"),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_written(options: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(McuplanError, match=re.escape(said)):
        mcuplan.export("zoo:sine", tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_exit_codes_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    s = Sketch()
    x = s.input(1, 8)
    (tmp_path / "refused.tflite").write_bytes(tflite.write(s.graph(s.op("GELU", [x], (1, 8)))))
    out = tmp_path / "out"
    for arguments, code, said in (
        (["zoo:sine", "--for", "cmake", "--no-golden"], 0, ""),
        ([str(tmp_path / "refused.tflite"), "--for", "cmake"], 1, "TFLM refuses this model"),
        (["zoo:sine", "--for", "cmake", "--name", "2nd"], 2, "'n2nd' is one"),
        (["zoo:sine", "--for", "make"], 2, "'make' is not one of"),
        (["zoo:sine", "zoo:resnet8"], 2, "add --for"),
        (["zoo:sine", "--arena-in", "psram"], 2, "add --for"),
        (["zoo:sine", "--for", "cmake", "--namespace", "a::b"], 2, "namespace is its name"),
    ):
        assert run(["export", *arguments, "-o", str(out)]) == code
        errors = capsys.readouterr().err
        assert said in errors
        assert "Traceback" not in errors
        assert out.exists() == (code == 0)
        shutil.rmtree(out, ignore_errors=True)


def test_two_models_of_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.tflite").write_bytes(tflite.write(zoo.build("sine")))
    with pytest.raises(ExportError, match="two models would be called net"):
        mcuplan.export([tmp_path / "a" / "net.tflite", tmp_path / "b" / "net.tflite"], project="cmake", golden=False)


def test_a_model_that_tflm_refuses(tmp_path: Path) -> None:
    s = Sketch()
    x = s.input(1, 8)
    graph = s.graph(s.op("GELU", [x], (1, 8)))
    with pytest.raises(RefusedError, match="TFLM refuses this model"):
        mcuplan.export(graph, tmp_path / "out", project="cmake")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("board", "options", "said"),
    [
        ("arduino-nano-33-ble-sense", {}, r"^the tensor arena takes 1,652,160 bytes, and .* has 262,144$"),
        ("arduino-portenta-h7", {}, r"AXI SRAM .* has 524,288; external SDRAM has 8,388,608: --arena-in sdram$"),
        ("arduino-portenta-h7", {"arena_in": "dtcm"}, r"arena takes 1,652,160 bytes, and DTCM has 131,072$"),
        ("nucleo-h743zi", {"buffer_plan": "dtcm:1MB"}, r"^dtcm:1MB: DTCM has 131,072 bytes$"),
    ],
)  # fmt: skip
def test_an_arena_over_its_region_is_not_exported(
    board: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(McuplanError, match=said):
        mcuplan.export("zoo:mobilenet-v2", tmp_path / "out", project="cmake", board=board, golden=False, **options)
    assert not (tmp_path / "out").exists()
