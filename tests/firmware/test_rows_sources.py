"""The operator that gives an input by rows, as exported: a compiler's opinion, and each source of rows run."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_sources import compile_syntax

from mcuplan.firmware.sources import Export, firmware_sources, write_sources
from mcuplan.graph import Graph
from mcuplan.operators.row_calls import row_calls
from mcuplan.operators.streamed import streamed_inputs
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, write_stage
from mcuplan.patching.writing.reader import StageReader
from mcuplan.zoo.builder import Builder


def by_rows(kind: Kind = Kind.LOOP, precision: str = "int8") -> Graph:
    """Two convolutions over 20 rows of 12 positions of 2 channels."""
    b = Builder(seed=5, precision=precision)
    graph = b.graph([b.conv2d(b.conv2d(b.input((1, 20, 12, 2)), 4, 3, stride=2), 4, 3)])
    stage = list(StageReader(graph).stages(0))[-1]
    draft = Draft(graph, streamed=graph.main.inputs[0])
    return write_stage(draft, stage, StageForm(kind, even_cuts(10, 2), "pad", stream=False)).tidy().graph


HOST = """
#include <cstdio>
#include <vector>
#include "rows_sources.h"

// One call of the operator, as TFLM makes it.
static TfLiteEvalTensor begin, output;
static TfLiteIntArray shape = {4, {1, 0, 0, kModelInputChannels}};

const TfLiteEvalTensor* tflite::micro::GetEvalInput(const TfLiteContext*, const TfLiteNode*, int) { return &begin; }
TfLiteEvalTensor* tflite::micro::GetEvalOutput(const TfLiteContext*, const TfLiteNode*, int) { return &output; }
void MicroPrintf(const char* format, ...) { (void)format; }

static std::vector<std::int8_t> picture;
static ModelRowsOfCamera camera;
static int come = 0;
static void Interrupt() { camera.Line(picture.data() + come++ * kModelRowBytes); }
static int expected = 0;
static bool Checked(void* user, int first, int count, std::int8_t* to) {
  if (first < expected - kModelRowsBack || first < 0 || count < 1 || first + count > kModelInputRows) return false;
  if (first + count > expected) expected = first + count;
  return ModelRowsInMemory::Give(user, first, count, to);
}

int main(int argc, char** argv) {
  if (argc != 4) return 9;
  picture.resize(kModelInputRows * kModelRowBytes);
  std::FILE* file = std::fopen(argv[1], "rb");
  if (file == nullptr || std::fread(picture.data(), 1, picture.size(), file) != picture.size()) return 2;
  const int kind = std::atoi(argv[2]);
  ModelRowsInMemory memory = {picture.data()};
  ModelRowsInFile disk = {file};
  if (kind == 0) SetModelRows(Checked, &memory);
  if (kind == 1) SetModelRows(ModelRowsInFile::Give, &disk);
  camera.wait = Interrupt;
  camera.Restart();
  if (kind == 2) SetModelRows(ModelRowsOfCamera::Give, &camera);
  const auto* registration = ModelRowsOperator();
  TfLiteContext context = {};
  TfLiteNode node = {};
  // Calls come as lines of numbers: options, row, column, rows, columns.
  std::FILE* calls = std::fopen(argv[3], "rb");
  std::int32_t options[7], call[4];
  while (std::fread(options, 4, 7, calls) == 7 && std::fread(call, 4, 4, calls) == 4) {
    std::int32_t place[4] = {0, call[0], call[1], 0};
    begin.data.data = place;
    shape.data[1] = call[2];
    shape.data[2] = call[3];
    std::vector<std::int8_t> out(call[2] * call[3] * kModelInputChannels);
    output.data.data = out.data();
    output.dims = &shape;
    node.user_data = registration->init(&context, reinterpret_cast<const char*>(options), sizeof(options));
    if (registration->prepare(&context, &node) != kTfLiteOk) return 3;
    if (registration->invoke(&context, &node) != kTfLiteOk) return 4;
    std::fwrite(out.data(), 1, out.size(), stdout);
  }
  return 0;
}
"""


def built(tmp_path: Path, graph: Graph) -> tuple[Export, Path]:
    made = firmware_sources(graph)
    write_sources(made, tmp_path)
    program = tmp_path / "program"
    compile_syntax(tmp_path, "#include <cstdlib>\n" + HOST, str(tmp_path / "rows.cc"), "-o", str(program))
    return made, program


def expected(graph: Graph, picture: np.ndarray) -> bytes:
    """What the calls give, from the definition: rows of the picture, with what it is filled with around it."""
    found = []
    for call in row_calls(graph) or ():
        rows, columns, channels = picture.shape
        around = np.full((rows + 200, columns + 200, channels), call.options.fill, np.uint8).view(np.int8)
        around[100 : 100 + rows, 100 : 100 + columns] = picture
        row, column = (100 + at for at in call.begin)
        found.append(around[row : row + call.count, column : column + call.columns].tobytes())
    return b"".join(found)


@pytest.mark.parametrize("kind", [Kind.LOOP, Kind.STRIPS, Kind.BORDERED_LOOP])
def test_every_source_gives_the_rows_that_are_asked_for(tmp_path: Path, kind: Kind) -> None:
    graph = by_rows(kind)
    made, program = built(tmp_path, graph)
    assert made.brought == ()
    picture = np.random.default_rng(1).integers(-128, 128, (20, 12, 2)).astype(np.int8)
    (tmp_path / "picture").write_bytes(picture.tobytes())
    calls = row_calls(graph)
    assert calls
    records = b"".join(
        c.options.encoded() + np.array([*c.begin, c.count, c.columns], "<i4").tobytes() for c in calls
    )  # fmt: skip
    (tmp_path / "calls").write_bytes(records)
    for source in range(3):
        command = [str(program), str(tmp_path / "picture"), str(source), str(tmp_path / "calls")]
        ran = subprocess.run(command, capture_output=True, check=False)
        assert ran.returncode == 0
        assert ran.stdout == expected(graph, picture)


def test_errors_end_invoke(tmp_path: Path) -> None:
    """Rows out of order, options of another version, no source."""
    graph = by_rows()
    _, program = built(tmp_path, graph)
    calls = row_calls(graph)
    assert calls
    (tmp_path / "picture").write_bytes(bytes(20 * 12 * 2))
    last, first = ([*c.begin, c.count, c.columns] for c in (calls[1], calls[0]))
    options = calls[0].options
    out_of_order = [(options.encoded(), last), (options.encoded(), first)]
    other = options.encoded().replace(b"\x01\x00\x00\x00", b"\x02\x00\x00\x00", 1)
    narrow = replace(options, columns=99).encoded()
    for source, records, code in ((0, out_of_order, 4), (0, [(other, first)], 4), (0, [(narrow, first)], 4),
                                  (7, [(options.encoded(), first)], 4), (0, [(b"\0" * 28, first)], 4)):  # fmt: skip
        data = b"".join(head + np.array(call, "<i4").tobytes() for head, call in records)
        (tmp_path / "calls").write_bytes(data)
        command = [str(program), str(tmp_path / "picture"), str(source), str(tmp_path / "calls")]
        assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_a_camera_that_is_too_fast_ends_invoke(tmp_path: Path) -> None:
    write_sources(firmware_sources(by_rows()), tmp_path)
    source = """
#include "rows_sources.h"
int main() {
  static ModelRowsOfCamera camera;
  static std::int8_t line[kModelRowBytes], to[kModelInputRows * kModelRowBytes];
  camera.Restart();
  for (int i = 0; i < kModelBufferRows; ++i) if (!camera.Line(line)) return 1;
  if (!ModelRowsOfCamera::Give(&camera, 0, 1, to)) return 2;
  if (!camera.Line(line)) return 3;          // one was given: there is room again
  if (camera.Line(line)) return 4;           // and now there is none
  if (!ModelRowsOfCamera::Give(&camera, 1, kModelBufferRows, to)) return 5;  // those that came are there
  if (ModelRowsOfCamera::Give(&camera, kModelBufferRows + 1, 1, to)) return 6;
  camera.Restart();
  return camera.Line(line) ? 0 : 7;
}
"""
    program = tmp_path / "camera"
    compile_syntax(tmp_path, source, "-o", str(program))
    assert subprocess.run([str(program)], check=False).returncode == 0


@pytest.mark.parametrize("target", ["cortex-m4+cmsis-nn", "arduino-2023-02/cortex-m4+cmsis-nn"])
def test_what_is_exported(target: str) -> None:
    graph = by_rows(Kind.STRIPS)  # the library for Arduinos has no loops
    made = firmware_sources(graph, target=target, name="vision", namespace="app")
    names = [file.name for file in made.files]
    assert names[-3:] == ["vision_rows.h", "vision_rows.cc", "vision_rows_sources.h"]
    text = {file.name: file.text for file in made.files}
    streamed = streamed_inputs(graph)[0]
    assert f"constexpr int kVisionBufferRows = {streamed.buffer_rows};" in text["vision_rows.h"]
    assert f"a camera's buffer of rows takes {streamed.buffer_bytes:,} bytes more" in text["vision_arena.h"]
    assert 'resolver.AddCustom("MCUPLAN_ROWS", VisionRowsOperator())' in text["vision_op_resolver.h"]
    assert ("TfLiteRegistration* VisionRowsOperator()" in text["vision_rows.h"]) == ("arduino" in target)
    assert all("Made by mcuplan" in file.text for file in made.files)
    assert len(text["vision_rows.cc"].splitlines()) < 90


def test_pixels_become_elements(tmp_path: Path) -> None:
    graph = by_rows()
    write_sources(firmware_sources(graph), tmp_path)
    quantization = streamed_inputs(graph)[0].tensor.quantization
    assert quantization is not None
    scale, zero = quantization.scales[0], quantization.zero_points[0]
    values = [-2.0, -1.0, -0.5, 0.0, 0.25, 0.999, 3.0]
    wanted = [min(max(round(v / scale + zero), -128), 127) for v in values]
    source = (
        '#include <cstdio>\n#include <initializer_list>\n#include "rows.h"\nint main() {\n'
        f'  for (float v : {{{", ".join(f"{v}f" for v in values)}}}) std::printf("%d ", ModelQuantized(v));\n'
        "  const std::uint8_t from[3] = {0, 128, 255};\n  std::int8_t to[3];\n  ModelFromUint8(from, 3, to);\n"
        '  std::printf("%d %d %d", to[0], to[1], to[2]);\n}\n'
    )
    program = tmp_path / "pixels"
    compile_syntax(tmp_path, source, "-o", str(program))
    told = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    assert told == " ".join(map(str, [*wanted, -128, 0, 127]))
