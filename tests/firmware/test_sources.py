"""Firmware sources: what stands in them, and a compiler's opinion."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from drawn.sketch import Sketch, planned
from hypothesis import given
from hypothesis import strategies as st

from mcuplan import tflite, zoo
from mcuplan.firmware.names import comment
from mcuplan.firmware.resolver import ExportError
from mcuplan.firmware.sources import Export, firmware_sources, write_sources
from mcuplan.graph import DType, Graph
from mcuplan.tflm import predict
from mcuplan.zoo.single import build_operator, operator_models

STUBS = Path(__file__).parent / "tflm_stubs"


def text(made: Export, ending: str) -> str:
    return next(file.text for file in made.files if file.name.endswith(ending))


def compile_syntax(folder: Path, source: str, *more: str) -> None:
    """A strict compiler must find nothing to say."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ is installed")
    (folder / "main.cc").write_text(source)
    command = [compiler, "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{STUBS}", f"-I{folder}", *more]
    done = subprocess.run([*command, str(folder / "main.cc")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def methods(graph: Graph, target: str = "cortex-m4+cmsis-nn") -> list[tuple[str, str]]:
    return [(r.method, r.registration) for r in firmware_sources(graph, target=target).operators]


# -- a compiler's opinion ------------------------------------------------------------------------------------------


def test_sources_compile_and_the_array_is_the_file(tmp_path: Path) -> None:
    data = tflite.write(zoo.build("sine"))
    made = firmware_sources(data, name="sine", namespace="demo::models")
    write_sources(made, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "sine.cc", "sine.h", "sine_arena.h", "sine_op_resolver.h",
    ]  # fmt: skip
    source = """
#include <cstdint>
#include <cstdio>
#include "sine.h"
#include "sine_arena.h"
#include "sine_op_resolver.h"
alignas(16) static std::uint8_t tensor_arena[demo::models::kSineArenaBytes];
int main() {
  demo::models::SineOpResolver resolver;
  if (demo::models::RegisterSineOps(resolver) != kTfLiteOk) return 2;
  if (reinterpret_cast<std::uintptr_t>(demo::models::sine_tflite) % 16 != 0) return 3;
  tensor_arena[0] = 0;
  std::fwrite(demo::models::sine_tflite, 1, demo::models::sine_tflite_len, stdout);
  return sizeof(tensor_arena) == 1168 ? 0 : 4;
}
namespace tflite { TFLMRegistration Register_FULLY_CONNECTED_INT8() { return TFLMRegistration(); } }
"""
    program = tmp_path / "program"
    compile_syntax(tmp_path, source, f"-I{tmp_path / 'out'}", str(tmp_path / "out" / "sine.cc"), "-o", str(program))
    ran = subprocess.run([str(program)], capture_output=True, check=False)
    assert ran.returncode == 0
    assert ran.stdout == data
    assert made.model_bytes == len(data)
    assert tflite.write(tflite.load(tmp_path / "out" / "sine.cc")) == tflite.write(tflite.read(data))


def test_every_operator_of_tflm_compiles(tmp_path: Path) -> None:
    """One resolver for each operator and type that TFLM has, all in one source."""
    lines, calls = [], []
    for i, spec in enumerate(operator_models()):
        for target in ("cortex-m4+cmsis-nn", "cortex-m4+reference"):
            name = f"op{i}{target[10:13]}"
            made = firmware_sources(build_operator(spec), target=target, name=name)
            if made.brought:
                continue
            header = next(file for file in made.files if file.name == f"{name}_op_resolver.h")
            (tmp_path / header.name).write_text(header.text)
            camel = name[0].upper() + name[1:]
            lines.append(f'#include "{header.name}"\n')
            calls.append(f"  {camel}OpResolver {name};\n  if (Register{camel}Ops({name}) != kTfLiteOk) return 1;\n")
    assert len(calls) > 200
    compile_syntax(tmp_path, "".join(lines) + "int main() {\n" + "".join(calls) + "}\n", "-fsyntax-only")


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("class", ""),
        ("2nd try", "3::namespace"),
        ("ΑΒΓ", "größe"),
        ("a__b", "_x::y_"),
        ("", ""),
        ('"; evil(); //', "a::b::int"),
        ("main", "std"),
        ("tflite", "a::tflite"),
        ("errno", "linux::NULL::unix"),
    ],
)
def test_any_names_give_sources_that_compile(tmp_path: Path, name: str, namespace: str) -> None:
    made = firmware_sources(zoo.build("sine"), name=name, namespace=namespace)
    write_sources(made, tmp_path)
    lines = "".join(f'#include "{file.name}"\n' for file in made.files if file.name.endswith(".h"))
    compile_syntax(tmp_path, lines + "int main() { return 0; }\n", "-fsyntax-only")
    source = next(file.name for file in made.files if file.name.endswith(".cc"))
    compile_syntax(tmp_path, (tmp_path / source).read_text(), "-fsyntax-only")
    assert all(re.fullmatch(r"[A-Za-z0-9_]+\.(h|cc)", file.name) for file in made.files)


def test_custom_operators_and_their_hostile_names(tmp_path: Path) -> None:
    s = Sketch()
    x = s.input(1, 8)
    names = ['zero"out\\', "a\nb??/", "größe", "zero out"]
    for custom in names:
        y = s.tensor(1, 8)
        s.into("CUSTOM", [x], [y], custom=custom)
        x = y
    made = firmware_sources(s.graph(x))
    write_sources(made, tmp_path)
    assert set(made.brought) == set(names)
    resolver = text(made, "op_resolver.h")
    assert "MicroMutableOpResolver<4>" in resolver
    arguments = ", ".join(["&r"] * 4)
    source = '#include "op_resolver.h"\nint main() {\n  TFLMRegistration r;\n  ModelOpResolver o;\n'
    compile_syntax(tmp_path, source + f"  return RegisterModelOps(o, {arguments});\n}}\n", "-fsyntax-only")
    literals = re.findall(r'AddCustom\("((?:[^"\\]|\\[0-7]{3})*)", op\d_\w+\)', resolver)
    meant = {re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), literal).encode("latin-1") for literal in literals}
    assert meant == {name.encode() for name in names}
    compile_syntax(tmp_path, '#include "arena.h"\nint main() { return 0; }\n', "-fsyntax-only")


TRIGRAPHS = re.compile(r"\?\?[=/'()!<>-]")

HOSTILE = (
    "??/", "????/", "?" * 7 + "/", "éé/", "a\\", "?\\", "\\\n#error no", "// */", "??=error", "\u2028#error",
    "\x85x", "\ud800", "%s%n", '"); system("', "u\u0008", "\u202eevil",
)  # fmt: skip


def custom(*names: str) -> Graph:
    """A chain of custom operators of which nothing is known, so that the arena's comment names them too."""
    s = Sketch()
    x = s.input(1, 8)
    for name in names:
        y = s.tensor(1, 8, name=name)
        s.into("CUSTOM", [x], [y], custom=name)
        x = y
    return s.graph(x)


def test_no_trigraphs_whatever_the_models_strings(tmp_path: Path) -> None:
    """Compilers that know trigraphs read ??/ as a backslash, which takes the next line into a comment."""
    names = [name for name in HOSTILE if "\ud800" not in name]
    made = firmware_sources(custom(*names), name="a??/b", namespace="x??/::y")
    write_sources(made, tmp_path)
    for file in made.files:
        assert TRIGRAPHS.search(file.text) is None, file.name
        assert file.text.isascii()
        assert not any(line.endswith("\\") for line in file.text.splitlines())
    headers = [file for file in made.files if file.name.endswith(".h")]
    arguments = ", ".join(["&r"] * len(names))
    source = "".join(f'#include "{file.name}"\n' for file in headers)
    source += "int main() {\n  TFLMRegistration r;\n  x::y::ABOpResolver o;\n"
    source += f"  return x::y::RegisterABOps(o, {arguments}) + (x::y::kABArenaBytes == 0);\n}}\n"
    compile_syntax(tmp_path, source, "-fsyntax-only", "-trigraphs", "-Wtrigraphs")


@given(st.text(max_size=60))
def test_a_comment_is_one_line_of_ascii_without_trigraphs(text: str) -> None:
    line = comment(text)
    assert line.isascii()
    assert line.isprintable()
    assert line.startswith("//")
    assert "\\" not in line
    assert "??" not in line


# -- the resolver --------------------------------------------------------------------------------------------------


def test_registrations_for_one_type_where_all_uses_allow() -> None:
    made = firmware_sources(zoo.build("visual-wake-words"))
    assert [(r.operator, r.registration) for r in made.operators] == [
        ("AVERAGE_POOL_2D", "AVERAGE_POOL_2D_INT8"),
        ("CONV_2D", "CONV_2D_INT8"),
        ("DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D_INT8"),
        ("FULLY_CONNECTED", "FULLY_CONNECTED_INT8"),
        ("RESHAPE", ""),
        ("SOFTMAX", "SOFTMAX_INT8"),
    ]
    assert made.flash_saved_bytes > 20_000
    assert f"save {made.flash_saved_bytes:,} bytes of flash" in text(made, "op_resolver.h")


def test_reference_kernels_have_no_such_registrations() -> None:
    made = firmware_sources(zoo.build("visual-wake-words"), target="cortex-m4+reference")
    assert {r.registration for r in made.operators} == {""}
    assert made.flash_saved_bytes == 0
    assert "kernels/" not in text(made, "op_resolver.h")


def test_one_float_use_keeps_the_registration_for_all_types() -> None:
    s = Sketch()
    x, real = s.input(1, 4, 4, 3), s.input(1, 4, 4, 3, dtype=DType.FLOAT32)
    graph = s.graph(s.conv(x), s.conv(real))
    assert methods(graph) == [("AddConv2D", "")]
    s = Sketch()
    assert methods(s.graph(s.conv(s.input(1, 4, 4, 3)))) == [("AddConv2D", "CONV_2D_INT8")]


def test_a_use_in_another_subgraph_counts() -> None:
    s = Sketch()
    choice, x = s.input(1, dtype=DType.BOOL), s.input(1, 4)
    branch = Sketch(s.buffers)
    y = s.tensor(1, 4, dtype=DType.FLOAT32)
    real = branch.input(1, 4, dtype=DType.FLOAT32)
    s.into("IF", [choice, x], [y], then_subgraph_index=1, else_subgraph_index=1)
    graph = s.graph(y, s.add(x, x), others=[branch.subgraph(branch.add(real, real))])
    assert methods(graph) == [("AddAdd", ""), ("AddIf", "")]


def test_int16_convolutions_need_a_bias() -> None:
    """Without one the registration for int16 sums in 64 bits where the general one sums in 32."""
    s = Sketch()
    y = s.conv(s.input(1, 4, 4, 3, dtype=DType.INT16))
    assert methods(s.graph(y)) == [("AddConv2D", "CONV_2D_INT16")]
    op = s.operators[-1]
    s.operators[-1] = op.__class__(op.code, op.inputs[:2], op.outputs, op.options)
    assert methods(s.graph(y)) == [("AddConv2D", "")]


def test_an_operator_that_tflm_lacks() -> None:
    s = Sketch()
    x = s.input(1, 8)
    graph = s.graph(s.op("REVERSE_SEQUENCE", [x, s.constant([1])], (1, 8)))
    with pytest.raises(ExportError, match="TensorFlow Lite Micro has no operator REVERSE_SEQUENCE"):
        firmware_sources(graph)


def test_a_model_without_operators() -> None:
    s = Sketch()
    x = s.input(1, 8)
    made = firmware_sources(s.graph(x))
    assert made.operators == ()
    assert "MicroMutableOpResolver<1>" in text(made, "op_resolver.h")


# -- the arena -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sine", "person-detection", "resnet8"])
def test_the_arena_is_the_predicted_one(name: str) -> None:
    graph = zoo.build(name)
    made = firmware_sources(graph, target="cortex-m55+cmsis-nn", name="x")
    arena = predict(graph, "cortex-m55+cmsis-nn")
    assert made.arena_bytes == arena.declare_bytes
    header = text(made, "x_arena.h")
    assert f"constexpr std::size_t kXArenaBytes = {arena.declare_bytes};" in header
    assert "Predicted for upstream-2026-08/cortex-m55+cmsis-nn:" in header
    assert f"{arena.nonpersistent_bytes:,} bytes of non-persistent section" in header


def test_where_the_size_comes_from() -> None:
    assert "AllocateTensors needs more while it plans memory" in text(firmware_sources(zoo.build("sine")), "arena.h")
    assert "both sections" in text(firmware_sources(zoo.build("resnet8")), "arena.h")


def test_a_plan_an_upper_bound_and_resources_are_told() -> None:
    graph = zoo.build("resnet8")
    assert "carries a memory plan" in text(firmware_sources(planned(graph, {0: 0})), "arena.h")
    s = Sketch()
    y = s.tensor(1, 8)
    s.into("CUSTOM", [s.input(1, 8)], [y], custom="mine\nevil")
    header = text(firmware_sources(s.graph(y)), "arena.h")
    assert "An upper bound" in header
    assert "operator 0 (mine?evil) has no measured kernel data" in header
    assert "ResourceVariables" not in header
    s = Sketch()
    handle = s.tensor(dtype=DType.RESOURCE)
    s.into("VAR_HANDLE", [], [handle], container="c", shared_name="v")
    s.into("ASSIGN_VARIABLE", [handle, s.input(1, 8)], [])
    again = s.tensor(1, 8)
    s.into("READ_VARIABLE", [handle], [again])
    assert "kModelResourceVariables = 1;" in text(firmware_sources(s.graph(again)), "arena.h")


# -- files ---------------------------------------------------------------------------------------------------------


def test_the_usual_file_names() -> None:
    made = firmware_sources(zoo.build("sine"))
    assert [file.name for file in made.files] == ["model.h", "model.cc", "arena.h", "op_resolver.h"]
    assert "extern const unsigned char model_tflite[];" in text(made, "model.h")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot make this folder"):
        write_sources(firmware_sources(zoo.build("sine")), tmp_path / "file" / "below")


def test_the_same_model_gives_the_same_sources() -> None:
    data = tflite.write(zoo.build("sine"))

    def once() -> Sequence[object]:
        return firmware_sources(data).files

    assert once() == once()


def test_registrations_that_the_target_s_tflm_has() -> None:
    graph = build_operator(next(spec for spec in operator_models() if spec.name == "pad-int8"))
    assert methods(graph) == [("AddPad", "PAD_INT8")]
    for target in ("pico-2024-12/cortex-m33", "zephyr-2025-02/cortex-m4", "arduino-2023-02/cortex-m4"):
        assert methods(graph, target) == [("AddPad", "")]


def test_an_operator_that_the_target_s_tflm_lacks() -> None:
    graph = build_operator(next(spec for spec in operator_models() if spec.name == "reverse-v2-float32"))
    assert methods(graph) == [("AddReverseV2", "")]
    with pytest.raises(ExportError, match=r"pico-2024-12/cortex-m33\+cmsis-nn has no operator REVERSE_V2"):
        methods(graph, "pico-2024-12/cortex-m33")
