"""C arrays: in whatever way they are written, the model comes out; what we write, compilers and we read."""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import FrameType

import pytest
from flat_by_hand import tiny_bytes, tiny_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.errors import ModelError
from mcuplan.tflite import c_identifier, format_c_array, load, load_all, write_c_array
from mcuplan.tflite.carray import begins_a_model, read_c_models

MODEL = tiny_bytes()
HEX = ", ".join(f"0x{b:02x}" for b in MODEL)


def only(source: str) -> tuple[str, bytes]:
    (array,) = read_c_models(source.encode(), "f.cc")
    return array.name, array.data


def xxd(data: bytes, name: str) -> str:
    lines = ["  " + ", ".join(f"0x{b:02x}" for b in data[i : i + 12]) for i in range(0, len(data), 12)]
    return f"unsigned char {name}[] = {{\n" + ",\n".join(lines) + f"\n}};\nunsigned int {name}_len = {len(data)};\n"


def char(b: int) -> str:
    return {39: r"'\''", 92: r"'\\'", 10: r"'\n'", 123: "'{'", 125: "'}'"}.get(b) or (
        f"'{chr(b)}'" if 32 <= b < 127 else rf"'\x{b:02x}'" if b % 2 else rf"'\{b:o}'"
    )


def test_as_xxd_writes_it() -> None:
    assert only(xxd(MODEL, "person_detect_tflite")) == ("person_detect_tflite", MODEL)


DECLARATIONS = [
    "const unsigned char m[] = {@};",
    "unsigned char m[] = {@,};",
    "alignas(16) const uint8_t m[] = {@};",
    "const uint8_t m[{n}] __attribute__((aligned(16))) = {@};",
    "__attribute__((aligned(4), section(\".rodata[x]\"))) const unsigned char m[] = {@};",
    "const unsigned char m[] DATA_ALIGN_ATTRIBUTE = {@};",
    "const unsigned char m[] PROGMEM = {@};",
    "static constexpr std::uint8_t m[] {@};",
    "alignas(8) unsigned char const m [ {n}u ]\n=\n{\n@\n}\n;",
    "namespace a { namespace b { const unsigned char m[] = {@}; } }",
    "extern const unsigned char m[];\nextern const int m_len;\nconst unsigned char m[] = {@};",
    'const char* s = "a { \\" // } /*"; /* int x[] = { 1 }; */ const unsigned char m[] = {@}; // }{',
    "// it's a comment with 'quotes {\nconst unsigned char m[] = {@};",
    "#ifdef A\n#define B {\n#endif\nconst unsigned char m[] = {@};\n#if 0\n#endif",
    "/* first */ int a[] = {1, 2, 3}; float b[] = {1.5f, 2e3}; const unsigned char m[] = {@}; int c[2][2] = {{1},{2}};",
    "const char* names[] = {\"x\", \"y\"}; const unsigned char m[] = {@};",
    "#define LONG \\\n  line {\nconst unsigned char m[] = {@};",
    "const unsigned char\r\nm[]\r\n= {\r\n@\r\n};\r\n",
    "constexpr std::array<uint8_t, {n}> m = {@};",
    "alignas(16) constexpr std::array<std::uint8_t, {n}> m{{\n@\n}};",
    "inline constexpr auto m = std::to_array<unsigned char>({@});",
    "static const std::vector<unsigned char> m = {@};",
    "int c[2][2] = {{1, 2}, {3, 4}}; const std::array< uint8_t , kSize > m = { {@} };",
    "#include <Arduino.h>\nconst unsigned char m[] PROGMEM __attribute__((aligned(16))) = {@};\nvoid setup() {}",
    "alignas(16) const unsigned char m[] PROGMEM = {@};",
]  # fmt: skip


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_as_people_declare_it(declaration: str) -> None:
    source = declaration.replace("{n}", str(len(MODEL))).replace("@", HEX)
    assert only(source) == ("m", MODEL)


ELEMENTS = {
    "hex": lambda b: f"0x{b:02x}",
    "HEX": lambda b: f"0X{b:02X}",
    "short hex": lambda b: f"0x{b:x}",
    "decimal": str,
    "signed": lambda b: str(b - 256 if b > 127 else b),
    "octal": lambda b: f"0{b:o}",
    "binary": lambda b: f"0b{b:b}",
    "suffixed": lambda b: f"{b}U",
    "cast": lambda b: f"(uint8_t)0x{b:02x}",
    "separated": lambda b: f"0b{b >> 4:04b}'{b & 15:04b}",
    "characters": char,
    "commented": lambda b: f"{b} /* {b}, }} */",
}


@pytest.mark.parametrize("style", ELEMENTS)
@pytest.mark.parametrize("separator", [", ", ",", "\n,\t", " , // a, b }\n"])
def test_as_people_write_bytes(style: str, separator: str) -> None:
    elements = separator.join(ELEMENTS[style](b) for b in MODEL)
    assert only(f"const char m[] = {{{elements}}};") == ("m", MODEL)


def test_every_byte_value_in_every_style() -> None:
    data = b"\x20\0\0\0TFL3" + bytes(range(256))
    for style in ELEMENTS.values():
        assert only(f"char m[] = {{{', '.join(map(style, data))}}};")[1] == data


def test_a_mixture_of_styles() -> None:
    rng = random.Random(1)
    elements = ", ".join(rng.choice(list(ELEMENTS.values()))(b) for b in MODEL)
    assert only(f"const unsigned char m[] = {{{elements}}};")[1] == MODEL


def test_string_literals_are_joined() -> None:
    def escaped(data: bytes) -> str:
        return "".join(rf"\{b:03o}" if not 32 <= b < 127 or b in b'"\\?' else chr(b) for b in data)

    lines = "\n".join(f'  "{escaped(MODEL[i : i + 20])}"' for i in range(0, len(MODEL), 20))
    assert only(f"const char m[] =\n{lines};") == ("m", MODEL)
    assert only(f"const char m[] = {{\n{lines}\n}};") == ("m", MODEL)


@pytest.mark.parametrize(
    ("type_name", "code"), [("uint32_t", "I"), ("uint16_t", "H"), ("int32_t", "i"), ("uint64_t", "Q")]
)
def test_arrays_of_words_are_little_endian(type_name: str, code: str) -> None:
    data = MODEL + bytes(-len(MODEL) % 8)
    words = struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)
    assert only(f"const {type_name} m[] = {{{', '.join(map(str, words))}}};")[1] == data


def test_the_array_that_holds_the_model_is_taken() -> None:
    source = xxd(b"\0" * 5000, "noise") + xxd(MODEL, "g_model") + xxd(b"labels", "labels")
    assert only(source) == ("g_model", MODEL)


def test_several_models_in_a_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "models.cc"
    path.write_text(xxd(MODEL, "a") + xxd(MODEL, "b"))
    assert [(name, graph.main) for name, graph in load_all(path)] == [
        ("a", tiny_graph().main),
        ("b", tiny_graph().main),
    ]
    with pytest.raises(ModelError, match=r"holds 2 models \(a, b\): give each its own file$"):
        load(path)


def test_a_wrong_length_is_noted_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "m.h"
    path.write_text(f"const unsigned char m[{len(MODEL) + 9}] = {{{HEX}}};\nconst int m_len = 7;\n")
    graph = load(path)
    assert graph.main == tiny_graph().main
    assert graph.file_bytes == len(MODEL)
    assert graph.notes == (
        f"the array m is declared with {len(MODEL) + 9} elements and initialised with {len(MODEL)} bytes",
        f"m_len says 7 bytes, the array m has {len(MODEL)}",
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "no array of bytes is in this C source"),
        ("int main() { return 0; }", "no array of bytes is in this C source"),
        ("extern const unsigned char m[];", "no array of bytes is in this C source"),
        ("const unsigned char m[] = {1, 2, 3};", "the largest, m, has 3 bytes without the file identifier TFL3"),
        (f"const unsigned char m[] = {{{HEX}", "the array m has no end: the file is truncated"),
        (f"/* const unsigned char m[] = {{{HEX}}};", "no array of bytes is in this C source"),
        ("const unsigned char m[] = {SOME_MACRO};", "no array of bytes is in this C source"),
        ("const unsigned char m[] = {256};", "no array of bytes is in this C source"),
        ("const unsigned char m[] = {1 2, 3};", "the largest, m, has 2 bytes"),
        ("const unsigned char m[] = {,};", "no array of bytes is in this C source"),
        ("const unsigned char m[] = {'ab'};", "no array of bytes is in this C source"),
    ],
)
def test_a_source_without_a_model(source: str, says: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_c_models(source.encode(), "f.cc")
    assert str(caught.value).startswith("f.cc: ")
    assert says in str(caught.value)


def test_a_damaged_model_in_an_array_names_the_array(tmp_path: Path) -> None:
    path = tmp_path / "m.cc"
    path.write_text(xxd(MODEL[:100], "g_model"))
    with pytest.raises(ModelError, match=r"m\.cc \(g_model\): the file is truncated"):
        load(path)


def outcome(source: bytes) -> str:
    """The array found, or the refusal."""
    try:
        return read_c_models(source, "f.c")[0].name
    except ModelError as error:
        return str(error)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_source_or_a_refusal(source: bytes, declared: bool) -> None:
    if declared:
        source = b"char m[] = {" + source
    assert outcome(source).startswith("f.c: ")


@given(st.text("0x1,{}[]='\"/*\\\n a;#", max_size=200))
def test_any_c_punctuation_is_a_source_or_a_refusal(source: str) -> None:
    assert outcome(source.encode()).startswith("f.c: ")


def steps_of(source: bytes) -> int:
    """Lines of Python executed, a measure of work that no other load of the machine changes."""
    steps = 0

    def count(frame: FrameType, event: str, _: object) -> object:
        nonlocal steps
        steps += event == "line"
        return count

    sys.settrace(count)
    try:
        read_c_models(source, "f.c")
    except ModelError:
        pass
    finally:
        sys.settrace(None)
    return steps


REPEATED = [
    "{",
    "a[]={",
    "/*",
    '"',
    "a",
    "a ",
    "'",
    "a[",
    'x[]="1"',
    "(",
    "\\",
    " ",
    "#",
    "a[] = {1};",
    "a ={",
    "/*/",
    "}{",
    "[]",
]


@pytest.mark.parametrize("piece", REPEATED)
def test_work_is_linear_in_a_source_of_repetitions(piece: str) -> None:
    small, large = (f"char m[] = {{{piece * count}".encode() for count in (500, 5000))
    assert steps_of(large) <= 11 * steps_of(small) + 500


@pytest.mark.parametrize("piece", REPEATED)
def test_a_long_source_of_repetitions_is_over_soon(piece: str) -> None:
    """Regular expressions do their work out of Python's sight: quadratic ones would take hours here."""
    source = (piece * (300_000 // len(piece))).encode()
    for variant in (source, b"char m[] = {" + source, source + b"}"):
        with pytest.raises(ModelError):
            read_c_models(variant, "f.c")


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("model", "model"),
        ("person detect-v2.int8", "person_detect_v2_int8"),
        ("2nd", "n2nd"),
        ("class", "class_"),
        ("_Reserved__name_", "Reserved_name"),
        ("größe", "gr_e"),
        ("", "model"),
        ("模型", "model"),
        ("a\n};int x[]={", "a_int_x"),
        ("main", "main_"),
    ],
)
def test_identifiers_are_made_safe(text: str, identifier: str) -> None:
    assert c_identifier(text) == identifier


@given(st.text(max_size=20))
def test_any_text_makes_a_valid_identifier(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", c_identifier(text))
    assert "__" not in c_identifier(text)


def test_what_is_written_is_aligned_twelve_a_line_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "my model.h"
    assert write_c_array(MODEL, path) == "my_model"
    text = path.read_text()
    assert text.startswith("alignas(16) const unsigned char my_model[] = {\n    0x")
    assert text.splitlines()[1].count("0x") == 12
    assert f"const unsigned int my_model_len = {len(MODEL)};" in text
    assert only(text) == ("my_model", MODEL)
    assert load(path).main == tiny_graph().main


@given(st.binary(max_size=60))
def test_any_bytes_are_written_so_that_they_come_back(tail: bytes) -> None:
    data = b"\x20\0\0\0TFL3" + tail
    assert only(format_c_array(data, "m")) == ("m", data)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_a_compiler_accepts_what_is_written(tmp_path: Path) -> None:
    write_c_array(MODEL, tmp_path / "class.cc")
    subprocess.run(
        ["g++", "-std=c++11", "-Wall", "-Werror", "-c", "class.cc", "-o", "class.o"], cwd=tmp_path, check=True
    )
    assert MODEL in (tmp_path / "class.o").read_bytes()


MANY = [
    "#\n", "\\\\", "\\\n", "{", '"', '""', "'a'", "'a',", "/**/", "//\n", "1,", "10,", "a=1;", "char a[]={1};",
    "#define a1\n", "#if 0\n", "#if 1\n", 'a[]="1";', '"\\n"', '"a\\n"', "0x12345678,", "{}",
]  # fmt: skip


@pytest.mark.parametrize("piece", MANY)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("char m[] = {", "};"), ("uint64_t m[] = {", "};")])
def test_memory_is_a_few_times_the_source(piece: str, before: str, after: str) -> None:
    source = (before + piece * (1_000_000 // len(piece)) + after).encode()
    tracemalloc.start()
    try:
        outcome(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 10 * len(source)


CONDITIONS = {
    "#if 0": "#if 0\n{old}\n#endif\n{new}",
    "#if false": "#if false\n{old}\n#endif\n{new}",
    "in brackets": "#if (0)\n{old}\n#endif\n{new}",
    "with a comment": "#if 0 /* was #if 1 */\n{old}\n#endif // 0\n{new}",
    "spaces": "  #  if 0\n{old}\n  #  endif\n{new}",
    "else": "#if 0\n{old}\n#else\n{new}\n#endif",
    "else of what is true": "#if 1\n{new}\n#else\n{old}\n#endif",
    "elif of what is true": "#if 1\n{new}\n#elif SOME\n{old}\n#endif",
    "elif of what is false": "#if 0\n{old}\n#elif 1\n{new}\n#else\n{old}\n#endif",
    "not": "#if !1\n{old}\n#endif\n#if !0\n{new}\n#endif",
    "and": "#if 0 && defined(ANY)\n{old}\n#endif\n{new}",
    "or": "#if defined ANY || 1\n{new}\n#else\n{old}\n#endif",
    "comparison": "#if 2 > 10\n{old}\n#endif\n{new}",
    "nested in what is false": "#if 0\n#if 1\n{old}\n#else\n{old}\n#endif\n{old}\n#endif\n{new}",
    "nested in a guard": "#ifndef M_H\n#define M_H\n#define OLD 0\n#if OLD\n{old}\n#endif\n{new}\n#endif",
    "a macro": "#define OLD 0\n#if OLD\n{old}\n#else\n{new}\n#endif",
    "a macro of a macro": "#define A 0x0u\n#define B A\n#if B == 0\n{new}\n#else\n{old}\n#endif",
    "ifdef of a macro": "#define NEW\n#ifdef NEW\n{new}\n#else\n{old}\n#endif",
    "undefined again": "#define OLD\n#undef OLD\n#ifdef OLD\n{old}\n#endif\n{new}",
    "no end": "{new}\n#if 0\n{old}\n",
    "prose": "#if 0\nDon't use \" this { /* #endif */\n{old}\n#endif\n{new}",
    "continued": "#if \\\n 0\n{old}\n#endif\n{new}",
}


@pytest.mark.parametrize("way", CONDITIONS)
def test_what_the_preprocessor_leaves_out_is_no_model(way: str) -> None:
    old, new = xxd(MODEL, "old_model"), xxd(MODEL, "new_model")
    assert only(CONDITIONS[way].replace("{old}", old).replace("{new}", new)) == ("new_model", MODEL)


@pytest.mark.parametrize(
    "condition",
    ["if CONFIG_BIG", "ifdef BIG", "ifndef BIG", "if defined(BIG) && BIG > 1", "if F(1)", "if 1 +", "if", "elif 0"],
)
def test_what_a_build_decides_is_kept(condition: str) -> None:
    source = f"#{condition}\n{xxd(MODEL, 'a')}\n#else\n{xxd(MODEL, 'b')}\n#endif"
    assert [array.name for array in read_c_models(source.encode(), "f.h")] == ["a", "b"]


def test_a_macro_that_a_build_may_have_changed_decides_nothing() -> None:
    source = f"#ifdef BOARD\n#define OLD 0\n#endif\n#if OLD\n{xxd(MODEL, 'a')}\n#endif"
    assert only(source) == ("a", MODEL)


TESTS = st.sampled_from(["0", "1", "!0 && 1", "A", "A == 0", "defined(A)", "A > 1 || !defined A", "0 && A"])
PLAIN = st.sampled_from(["#define A 0", "#define A 1", "#undef A", "@"]).map(lambda line: [line])


def conditional(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    def lines(first: str, body: list[str], elifs: list[tuple[str, list[str]]], last: list[str] | None) -> list[str]:
        more = [line for test, part in elifs for line in (f"#elif {test}", *part)]
        return [first, *body, *more, *(["#else", *last] if last is not None else []), "#endif"]

    starts = st.one_of(TESTS.map("#if {}".format), st.sampled_from(["#ifdef A", "#ifndef A"]))
    one = st.builds(lines, starts, inner, st.lists(st.tuples(TESTS, inner), max_size=2), st.none() | inner)
    return st.lists(one | PLAIN, max_size=3).map(lambda parts: [line for part in parts for line in part])


@pytest.mark.skipif(shutil.which("cpp") is None, reason="no C preprocessor is installed")
@given(st.recursive(PLAIN, conditional, max_leaves=12))
@settings(max_examples=60, deadline=None)
def test_what_is_left_out_is_what_a_preprocessor_leaves_out(lines: list[str]) -> None:
    """Where the source says of every macro whether it is defined."""
    arrays = (f"char m{i}[] = {{0, 0, 0, 0, 84, 70, 76, 51}};" for i in range(len(lines)))
    source = "\n".join(["#undef A", *(next(arrays) if line == "@" else line for line in lines), ""])
    done = subprocess.run(["cpp", "-P", "-w", "-"], input=source, capture_output=True, text=True, check=True)
    try:
        found = [array.name for array in read_c_models(source.encode(), "f.c")]
    except ModelError:
        found = []
    assert found == re.findall(r"m\d+", done.stdout)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
@pytest.mark.parametrize("source", [xxd(MODEL, "m"), f"  {HEX}\r\n"])
def test_what_powershell_writes_and_bytes_without_a_declaration(source: str, encoding: str) -> None:
    """PowerShell's ``>`` writes UTF-16; ``xxd -i < FILE`` writes the bytes alone."""
    (array,) = read_c_models(source.encode(encoding), "f.h")
    assert array.data == MODEL
    assert begins_a_model(source.encode(encoding)[:200])


def test_big_endian_text_with_its_mark() -> None:
    (array,) = read_c_models(b"\xfe\xff" + xxd(MODEL, "m").encode("utf-16-be"), "f.h")
    assert (array.name, array.data) == ("m", MODEL)


def test_a_sketch_of_arduino(tmp_path: Path) -> None:
    sketch = tmp_path / "wand.ino"
    sketch.write_text(
        f"#include <Arduino.h>\nalignas(8) const unsigned char m[] PROGMEM = {{{HEX}}};\nvoid loop() {{}}\n"
    )
    assert load(sketch).file_bytes == len(MODEL)


@pytest.mark.parametrize("source", [f"  {HEX[: len(HEX) // 2]}", ", ".join(f"0x{b:02x}" for b in range(12))])
def test_a_list_that_is_cut_or_no_model_is_refused(source: str, tmp_path: Path) -> None:
    path = tmp_path / "f.h"
    path.write_text(source)
    with pytest.raises(ModelError, match=re.escape(str(path))):
        load(path)
