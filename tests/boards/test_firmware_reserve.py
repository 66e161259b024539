"""Reserves read from ELF files, linker maps and the output of `size`, against `size` itself and by hand."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.boards import FirmwareError, Reserve, read_reserve
from mcuplan.boards.contents import Part, part_of_section, part_of_symbol
from mcuplan.boards.elf import ElfFile
from mcuplan.errors import McuplanError

PROGBITS, SYMTAB, STRTAB, NOBITS = 1, 2, 3, 8
WRITE, ALLOC, EXEC = 1, 2, 4


def elf32(sections, symbols=(), segments=(), order="<"):
    """An ELF32 file for Arm. A section is (name, type, flags, address, content or size), a symbol (name, address,
    size, section), a segment (virtual, physical, bytes)."""
    names = b"\0"
    strings = b"\0"
    table = struct.pack(order + "IIIBBH", 0, 0, 0, 0, 0, 0)
    for name, address, size, section in symbols:
        table += struct.pack(order + "IIIBBH", len(strings), address, size, 1 | 1 << 4, 0, section)
        strings += name.encode() + b"\0"
    rows = [("", 0, 0, 0, b"", 0, 0), *((*s[:4], s[4], 0, 0) for s in sections)]
    rows.append((".symtab", SYMTAB, 0, 0, table, len(rows) + 1, 16))
    rows.append((".strtab", STRTAB, 0, 0, strings, 0, 0))
    rows.append((".shstrtab", STRTAB, 0, 0, None, 0, 0))
    for row in rows[1:]:
        names += row[0].encode() + b"\0"
    body, headers, at = b"", b"", 52 + 32 * len(segments)
    for name, kind, flags, address, content, link, entry in rows:
        data = names if content is None else content if isinstance(content, bytes) else b""
        size = content if isinstance(content, int) else len(data)
        where = names.find(b"\0" + name.encode() + b"\0") + 1 if name else 0
        headers += struct.pack(order + "10I", where, kind, flags, address, at + len(body), size, link, 0, 4, entry)
        body += data
    loads = b"".join(struct.pack(order + "8I", 1, at, v, p, n, n, 6, 4) for v, p, n in segments)
    ident = b"\x7fELF" + bytes([1, 1 if order == "<" else 2, 1]) + bytes(9)
    header = ident + struct.pack(
        order + "HHIIIIIHHHHHH", 2, 40, 1, 0, 52 if segments else 0, at + len(body), 0, 52, 32, len(segments), 40,
        len(rows), len(rows) - 1,
    )  # fmt: skip
    return header + loads + body + headers


MODEL = b"\x1c\0\0\0TFL3" + bytes(92)
SECTIONS = [
    (".text", PROGBITS, ALLOC | EXEC, 0x10000, bytes(1000)),
    (".rodata", PROGBITS, ALLOC, 0x11000, bytes(100) + MODEL),
    (".data", PROGBITS, ALLOC | WRITE, 0x20000200, bytes(40)),
    (".bss", NOBITS, ALLOC | WRITE, 0x20000300, 5000),
    (".stack_dummy", NOBITS, ALLOC | WRITE, 0x20001800, 1024),
    (".heap", NOBITS, ALLOC | WRITE, 0x20002000, 200_000),
    (".debug_info", PROGBITS, 0, 0, bytes(9999)),
    (".comment", PROGBITS, 0, 0, bytes(50)),
]
SYMBOLS = [
    ("_ZN12_GLOBAL__N_112tensor_arenaE", 0x20000300, 4096, 4),
    ("an_alias_of_tensor_arena", 0x20000300, 4096, 4),
    ("g_person_detect_model_data", 0x11064, 100, 2),
    ("counter", 0x20000200, 4, 3),
]
SEGMENTS = [(0x10000, 0x10000, 5000), (0x20000200, 0x14000, 40)]
BY_HAND = Reserve(
    ram_bytes=40 + 5000 + 1024 - 4096,
    flash_bytes=1000 + 200 + 40 - 100,
    source="sections of firmware.elf",
    notes=(
        "the linker's heap section (200,000 bytes) is not counted: it is what is left of RAM",
        "tensor arena _ZN12_GLOBAL__N_112tensor_arenaE (4,096 bytes) is not counted",
        "model g_person_detect_model_data (100 bytes) is not counted",
    ),
)


def written(folder: Path, content: bytes | str, name: str = "firmware.elf") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def check_read_or_refused(path: Path) -> None:
    """A reserve that makes sense or one sentence; any other exception fails the test."""
    try:
        outcome: Reserve | str = read_reserve(path)
    except FirmwareError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert outcome.isprintable()
        assert outcome.startswith(f"{path}: ")
    else:
        assert min(outcome.ram_bytes, outcome.flash_bytes) >= 0
        assert all(note.isprintable() for note in outcome.notes)


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_elf_by_hand(tmp_path, order):
    assert read_reserve(written(tmp_path, elf32(SECTIONS, SYMBOLS, SEGMENTS, order))) == BY_HAND


def test_code_that_is_copied_to_ram_counts_in_both(tmp_path):
    sections = [(".text", PROGBITS, ALLOC | EXEC, 0x10000, bytes(100)),
                (".ramfunc", PROGBITS, ALLOC | EXEC, 0x20000000, bytes(60))]  # fmt: skip
    copied = read_reserve(written(tmp_path, elf32(sections, segments=[(0x20000000, 0x10064, 60)])))
    assert (copied.ram_bytes, copied.flash_bytes) == (60, 160)
    in_place = read_reserve(written(tmp_path, elf32(sections, segments=[(0x20000000, 0x20000000, 60)])))
    assert (in_place.ram_bytes, in_place.flash_bytes) == (0, 160)


def test_an_elf_that_takes_no_memory(tmp_path):
    with pytest.raises(FirmwareError, match=r"firmware\.elf: an ELF file in which no section takes memory"):
        read_reserve(written(tmp_path, elf32([(".comment", PROGBITS, 0, 0, b"x")])))


@pytest.mark.parametrize("size", range(0, len(elf32(SECTIONS, SYMBOLS, SEGMENTS)), 97))
def test_a_truncated_elf_is_refused(tmp_path, size):
    with pytest.raises(FirmwareError, match=r"^[^\n]*firmware\.elf: [^\n]+$"):
        read_reserve(written(tmp_path, elf32(SECTIONS, SYMBOLS, SEGMENTS)[:size]))


IMAGE = elf32(SECTIONS, SYMBOLS, SEGMENTS)
HEADERS = [*range(52 + 64), *range(len(IMAGE) - 40 * 12, len(IMAGE))]


@settings(max_examples=400, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(HEADERS), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_mutated_elf_is_read_or_refused(tmp_path_factory, changes):
    image = bytearray(IMAGE)
    for at, value in changes:
        image[at] = value
    path = written(tmp_path_factory.mktemp("elf", numbered=True), bytes(image))
    check_read_or_refused(path)


PROGRAM = """
#include <stdint.h>
#include <string.h>
uint8_t my_tensor_arena[20480] __attribute__((aligned(16)));
const uint8_t g_model[1000] __attribute__((aligned(16))) = {0x1c, 0, 0, 0, 'T', 'F', 'L', '3'};
int table[100] = {1, 2, 3};
int main(int argc, char **argv) {
    memset(my_tensor_arena, argc, sizeof my_tensor_arena);
    return g_model[argc] + table[argc] + (argv != 0);
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A real program, with its map and what `size` says of it."""
    if shutil.which("gcc") is None or shutil.which("size") is None:
        pytest.skip("gcc and size are not installed")
    folder = tmp_path_factory.mktemp("built")
    (folder / "program.c").write_text(PROGRAM)
    command = ["gcc", "-O1", "-fdata-sections", "program.c", "-o", "program.elf", "-Wl,-Map=program.map"]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip("gcc cannot link a program here")
    for name, options in (("berkeley.txt", []), ("sysv.txt", ["-A"])):
        said = subprocess.run(["size", *options, "program.elf"], cwd=folder, capture_output=True, check=True).stdout
        (folder / name).write_bytes(said)
    return folder


def test_a_real_elf_agrees_with_size(built):
    text, data, bss = map(int, (built / "berkeley.txt").read_text().splitlines()[1].split()[:3])
    reserve = read_reserve(built / "program.elf")
    assert reserve.ram_bytes == data + bss - 20_480
    assert reserve.flash_bytes == text + data - 1000
    assert set(reserve.notes) == {
        "tensor arena my_tensor_arena (20,480 bytes) is not counted",
        "model g_model (1,000 bytes) is not counted",
    }


def test_the_output_of_size_counts_as_size_does(built, tmp_path):
    """Away from the ELF file that it was run on: totals do not tell what is in them."""
    shutil.copy(built / "berkeley.txt", tmp_path)
    text, data, bss = map(int, (built / "berkeley.txt").read_text().splitlines()[1].split()[:3])
    reserve = read_reserve(tmp_path / "berkeley.txt")
    assert (reserve.ram_bytes, reserve.flash_bytes) == (data + bss, text + data)
    assert reserve.notes == ("a tensor arena or a model in it is counted, as totals do not show it",)


@pytest.mark.parametrize("name", ["berkeley.txt", "sysv.txt"])
def test_the_output_of_size_beside_its_elf_agrees_with_it(built, tmp_path, name):
    by_elf, by_size = read_reserve(built / "program.elf"), read_reserve(built / name)
    assert (by_size.ram_bytes, by_size.flash_bytes) == (by_elf.ram_bytes, by_elf.flash_bytes)
    assert by_size.notes == by_elf.notes
    assert "of program.elf, beside the output of size" in by_size.source
    # Another program of that name is none that it tells of.
    for file in (built / name, built / "program.elf"):
        shutil.copy(file, tmp_path)
    (tmp_path / "program.elf").write_bytes(IMAGE)
    assert "as totals do not show it" in str(read_reserve(tmp_path / name).notes)


def test_a_real_map_and_sections_are_close_to_the_elf(built, tmp_path):
    exact = read_reserve(built / "program.elf")
    by_map = read_reserve(built / "program.map")
    shutil.copy(built / "sysv.txt", tmp_path)
    by_sections = read_reserve(tmp_path / "sysv.txt")
    # A map of the host has no regions, so names decide; dynamic-linking tables of the host go to flash by name.
    assert by_map.ram_bytes + by_map.flash_bytes == pytest.approx(exact.ram_bytes + exact.flash_bytes + 1000, rel=0.5)
    assert by_sections.ram_bytes == by_map.ram_bytes + 20_480
    assert "tensor arena .bss.my_tensor_arena (20,480 bytes) is not counted" in by_map.notes


FREESTANDING = """
unsigned char my_tensor_arena[20480] __attribute__((aligned(16)));
const unsigned char g_model[1000] __attribute__((aligned(16))) = {0x1c, 0, 0, 0, 'T', 'F', 'L', '3'};
volatile int table[100] = {1, 2, 3};
int main(void) { for (int i = 0;; i++) my_tensor_arena[i & 255] = g_model[i & 511] + table[i & 63]; }
"""

SCRIPT = """
MEMORY { FLASH (rx) : ORIGIN = 0x10000, LENGTH = 960K  RAM (rwx) : ORIGIN = 0x20000200, LENGTH = 200K }
ENTRY(main)
SECTIONS {
  .text : { *(.text*) *(.rodata*) } > FLASH
  .data : { *(.data*) } > RAM AT > FLASH
  .bss (NOLOAD) : { *(.bss*) *(COMMON) } > RAM
  .heap (NOLOAD) : { . = . + 0x1000; } > RAM
  /DISCARD/ : { *(.note*) *(.eh_frame*) }
}
"""


def test_a_map_with_memory_regions_agrees_with_its_elf(tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (tmp_path / "firmware.ld").write_text(SCRIPT)
    (tmp_path / "firmware.c").write_text(FREESTANDING)
    flags = ["-O1", "-ffreestanding", "-fdata-sections", "-fno-pic", "-no-pie", "-nostdlib", "-static"]
    link = ["-Wl,-T,firmware.ld", "-Wl,-Map=firmware.map", "-Wl,--build-id=none"]
    made = subprocess.run(["gcc", *flags, "firmware.c", *link, "-o", "firmware.elf"], cwd=tmp_path, check=False)
    if made.returncode:
        pytest.skip("gcc cannot link with a linker script of ours here")
    by_elf, by_map = read_reserve(tmp_path / "firmware.elf"), read_reserve(tmp_path / "firmware.map")
    assert (by_map.ram_bytes, by_map.flash_bytes) == (by_elf.ram_bytes, by_elf.flash_bytes)
    assert "model .text.g_model (1,000 bytes) is not counted" not in by_map.notes
    assert by_elf.ram_bytes == 400  # the table; the arena and the heap are left out
    heap = "the linker's heap section (4,096 bytes) is not counted: it is what is left of RAM"
    assert heap in by_elf.notes
    assert heap in by_map.notes


GNU_MAP = """\
Archive member included to satisfy reference by file (symbol)

Discarded input sections

 .bss.tensor_arena_old
                0x0000000000000000     0x9999 unused.o

Memory Configuration

Name             Origin             Length             Attributes
FLASH            0x0000000000010000 0x00000000000f0000 xr
RAM              0x0000000020000200 0x000000000003fe00 xrw
*default*        0x0000000000000000 0xffffffffffffffff

Linker script and memory map

LOAD main.o
START GROUP
                0x0000000000000400                StackSize = 0x400

.text           0x0000000000010000     0x3000
 *(.text*)
 .text.main     0x0000000000010000       0x20 main.o
                0x0000000000010000                main
 .rodata.a_name_that_is_long
                0x0000000000010020      0x100 main.o

.a_section_with_a_long_name
                0x0000000000013000       0x10

.data           0x0000000020000200       0x80 load address 0x0000000000013010
 .data.x        0x0000000020000200       0x80 main.o

.bss            0x0000000020000280     0x2100 load address 0x0000000000013090
 .bss.other     0x0000000020000280      0x100 main.o
 .bss.tensor_arena
                0x0000000020000380     0x2000 main.o
                0x0000000020000380                tensor_arena

.heap           0x0000000020002380    0x3c000
.stack_dummy    0x0000000020002380      0x400
.ARM.attributes
                0x0000000000000000       0x2e
.debug_info     0x0000000000000000    0xabcd0
.comment        0x0000000000000000       0x49
OUTPUT(program.elf elf32-littlearm)
"""


def test_a_map_of_gnu_ld_by_hand(tmp_path):
    reserve = read_reserve(written(tmp_path, GNU_MAP, "program.map"))
    assert reserve.ram_bytes == 0x80 + 0x2100 - 0x2000 + 0x400
    assert reserve.flash_bytes == 0x3000 + 0x10 + 0x80
    assert reserve.source == "linker map of program.map"
    assert reserve.notes == (
        "the linker's heap section (245,760 bytes) is not counted: it is what is left of RAM",
        "tensor arena .bss.tensor_arena (8,192 bytes) is not counted",
        "a model in it is counted, as a map does not show it",
    )


ARM_MAP = """\
Component: ARM Compiler 6.16 Tool: armlink [5dfeaa00]

Image Symbol Table

    Local Symbols

    Symbol Name                              Value     Ov Type        Size  Object(Section)

    tensor_arena                             0x20001000   Data       81920  main.o(.bss.tensor_arena)
    counter                                  0x20000000   Data           4  main.o(.data)

==============================================================================

    Total RO  Size (Code + RO Data)                30000 (  29.30kB)
    Total RW  Size (RW Data + ZI Data)             90000 (  87.89kB)
    Total ROM Size (Code + RO Data + RW Data)      30500 (  29.79kB)
"""

IAR_MAP = """\
###############################################################################
#
# IAR ELF Linker V9.20.1.364/W64 for ARM
#
*** MODULE SUMMARY
  12 345 bytes of readonly  code memory
   1'655 bytes of readonly  data memory
   5 678 bytes of readwrite data memory
"""

SIZE_A = """\
program.elf  :
section                size         addr
.text                  1000        65536
.rodata                 200        66536
.data                    40    536871424
.bss                   5000    536871464
.bss.tensor_arena      4096    536880000
.mystery                 16    536890000
.heap                200000    536890016
.debug_info            9999            0
.ARM.attributes          46            0
Total                220397


"""


@pytest.mark.parametrize(
    ("content", "ram", "flash", "note"),
    [
        (ARM_MAP, 90_000 - 81_920, 30_500, "tensor arena tensor_arena (81,920 bytes) is not counted"),
        (IAR_MAP, 5_678, 14_000, "a tensor arena or a model in it is counted, as totals do not show it"),
        (
            SIZE_A,
            40 + 5000 + 16,
            1000 + 200 + 40 + 16,
            "counted in RAM and in flash, as their names do not tell: .mystery",
        ),
        (SIZE_A, 40 + 5000 + 16, 1000 + 200 + 40 + 16, "tensor arena .bss.tensor_arena (4,096 bytes) is not counted"),
        ("   text\t   data\t    bss\t    dec\t    hex\tfilename\n 1000\t40\t 500\t 1540\t 604\ta.elf\n", 540, 1040, ""),
        ("      text       data        bss      total filename\n 1000 40 500 1540 a.elf\n", 540, 1040, ""),
        ("  text data bss dec hex filename\n 1 2 3 6 6 a\n 10 20 30 60 3c b\n 11 22 33 66 42 (TOTALS)\n", 55, 33, ""),
        ("  text data bss dec hex filename\n 0x10 0x2 0x3 21 15 a\n", 5, 18, ""),
    ],
)
def test_other_maps_and_output_of_size(tmp_path, content, ram, flash, note):
    reserve = read_reserve(written(tmp_path, content, "firmware.txt"))
    assert (reserve.ram_bytes, reserve.flash_bytes) == (ram, flash)
    assert any(note in said for said in reserve.notes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the firmware file is empty"),
        (b"\0\1\2\3", "not an ELF file, a linker map or output of `size`: give one of these"),
        (b"hello\n", "not an ELF file, a linker map or output of `size`: give one of these"),
        (b":10000000000400200D0100000801000008010000AA\n", "a hex image holds no section sizes: give the .elf or"),
        (b"\x7fELF", "not a usable ELF file: truncated"),
        (b"\x7fELF\x09" + bytes(60), "not a usable ELF file: an ELF header of an unknown class or byte order"),
        (b"\x7fELF\x01\x01" + bytes(60), "not a usable ELF file: an ELF file without section headers"),
        (b"Memory Configuration\n", "a linker map in which no section takes memory"),
        (b"Component: ARM Compiler\n", "an armlink map without its totals of RW and ROM size"),
        (b"# IAR ELF Linker\n", "an IAR map without its totals of readonly and readwrite memory"),
        (b"text data bss dec hex filename\n", "output of `size` without a row of figures"),
        (b"text data bss dec hex filename\n1 2 3 6 6 a\n1 2 3 6 6 b\n", "output of `size` for 2 files: give that of"),
        (b"section size addr\n", "output of `size -A` without a section that takes memory"),
    ],
)
def test_files_that_are_no_firmware_are_refused_in_one_sentence(tmp_path, content, said):
    path = written(tmp_path, content, "firmware.bin")
    with pytest.raises(FirmwareError) as caught:
        read_reserve(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert isinstance(caught.value, McuplanError)


def test_absurd_counts_are_refused_at_once(tmp_path):
    image = bytearray(elf32(SECTIONS, SYMBOLS, SEGMENTS))
    image[44:46] = struct.pack("<H", 60_000)  # e_phnum
    with pytest.raises(FirmwareError, match=r"an absurd number of program headers \(60000\)"):
        read_reserve(written(tmp_path, bytes(image)))
    image = bytearray(elf32(SECTIONS, SYMBOLS, SEGMENTS))
    image[48:50] = struct.pack("<H", 60_000)  # e_shnum
    with pytest.raises(FirmwareError, match=r"an absurd number of section headers \(60000\)"):
        read_reserve(written(tmp_path, bytes(image)))
    regions = "".join(f"R{i} 0x{i:x}000 0x1000 rw\n" for i in range(300))
    with pytest.raises(FirmwareError, match="a linker map with more than 256 memory regions"):
        read_reserve(written(tmp_path, f"Memory Configuration\n{regions}", "firmware.map"))


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FirmwareError, match="cannot read the firmware file: No such file"):
        read_reserve(tmp_path / "none.elf")
    with pytest.raises(FirmwareError, match="cannot read the firmware file"):
        read_reserve(tmp_path)


@pytest.mark.parametrize("content", [GNU_MAP, ARM_MAP, IAR_MAP, SIZE_A])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mutated_text_is_read_or_refused(tmp_path_factory, content, data):
    text = bytearray(content.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    path = written(tmp_path_factory.mktemp("text", numbered=True), bytes(text), "firmware.map")
    check_read_or_refused(path)


def test_a_line_without_an_end_is_read_in_pieces(tmp_path):
    with pytest.raises(FirmwareError, match="not an ELF file"):
        read_reserve(written(tmp_path, b"x" * (3 << 20), "firmware.map"))


# -- what is recognised --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "size", "in_ram", "holds_model", "part"),
    [
        ("tensor_arena", 20_000, True, False, Part.ARENA),
        ("_ZN12_GLOBAL__N_1L12tensor_arenaE", 20_000, True, False, Part.ARENA),
        ("_ZL5arena", 20_000, True, None, Part.ARENA),
        ("_ZZ5setupvE12tensor_arena", 20_000, True, None, Part.ARENA),
        ("kTensorArenaSize", 4, False, False, None),
        ("tensor_arena_size", 4, True, None, None),
        ("main_arena", 1_096, True, False, None),
        ("arena_of_gladiators", 20_000, True, None, None),
        ("g_model", 3_000, False, None, Part.MODEL),
        ("g_model", 3_000, False, False, None),
        ("whatever", 3_000, False, True, Part.MODEL),
        ("person_detect_tflite", 3_000, False, None, Part.MODEL),
        ("_ZN3app17g_gesture_modelE", 3_000, False, None, Part.MODEL),
        ("remodelling_table", 3_000, False, None, None),
        ("_ZN6tflite16MicroInterpreter15AllocateTensorsEv", 400, False, False, Part.TFLM),
        ("_ZTVN6tflite16MicroInterpreterE", 40, False, None, Part.TFLM),
        ("_ZN12_GLOBAL__N_18ConvEvalEP13TfLiteContextP10TfLiteNode", 400, False, False, Part.TFLM),
        ("_ZN12_GLOBAL__N_1L12kLeanArrays0E", 512, False, None, Part.TFLM),
        ("arm_convolve_s8", 400, False, False, Part.TFLM),
        ("arm_cfft_f32", 400, False, False, None),
        ("esp_nn_conv_s8_ansi", 400, False, False, Part.TFLM),
        ("_ZN3app4LoopEv", 400, False, False, None),
        ("main", 400, False, False, None),
        ("", 400, False, None, None),
    ],
)
def test_parts_by_symbol(symbol, size, in_ram, holds_model, part):
    assert part_of_symbol(symbol, size, in_ram, holds_model) is part


@pytest.mark.parametrize(
    ("section", "file", "size", "in_ram", "part"),
    [
        (".rodata.g_model_data", "model_data.cpp.obj", 300_568, False, Part.MODEL),
        (".rodata", "src/person_model.cc.o", 300_568, False, Part.MODEL),
        (".rodata.font", "libapp.a(model_data.o)", 300, False, None),
        (".text.load_model", "app.o", 500, False, None),
        (".bss._ZN12_GLOBAL__N_1L12tensor_arenaE", "app.o", 139_264, True, Part.ARENA),
        (".text", "libtensorflow-microlite.a(conv.o)", 3_000, False, Part.TFLM),
        (".text", "build/tensorflow/lite/micro/kernels/conv.cc.o", 3_000, False, Part.TFLM),
        (".rodata.str1.1", "libtflm.a(conv.o)", 3_000, False, None),
        (".text.main", "/home/me/tensorflow-project/main.o", 500, False, None),
    ],
)
def test_parts_by_section_and_object(section, file, size, in_ram, part):
    assert part_of_section(section, file, size, in_ram) is part


@given(st.text(max_size=80), st.integers(0, 1 << 40), st.booleans(), st.sampled_from([None, True, False]))
def test_any_symbol_is_judged(symbol, size, in_ram, holds_model):
    assert part_of_symbol(symbol, size, in_ram, holds_model) in {None, *Part}
    assert part_of_section(f".text.{symbol}", symbol, size, in_ram) in {None, *Part}


def test_a_firmware_that_has_model_arena_and_tflm_already():
    shared = os.environ.get("MCUPLAN_SHARED")
    if not shared:
        pytest.skip("MCUPLAN_SHARED names no folder of shared cases")
    reserve = read_reserve(Path(shared) / "cases" / "field" / "firmware_with_model.map")
    assert reserve.ram_bytes == 0x23000 - 0x22000
    assert reserve.flash_bytes == 0x1A000 + 0x49A00 - 0x49618 - 0x3400
    assert reserve.notes == (
        "model .rodata.g_model_data (300,568 bytes) is not counted",
        "tensor arena .bss._ZN12_GLOBAL__N_1L12tensor_arenaE (139,264 bytes) is not counted",
        "TFLM's own code and data (13,312 bytes of flash, 2 parts) are not counted",
    )


def test_sections_that_take_no_memory_are_not_taken_back(tmp_path):
    inside = " .ARM.attributes\n                0x0000000000000000       0x2e libtflm.a(conv.o)\n"
    text = GNU_MAP.replace("0x2e\n", f"0x2e\n{inside}")
    assert read_reserve(written(tmp_path, text, "program.map")).flash_bytes == 0x3000 + 0x10 + 0x80


def test_an_independent_reader_of_elf_agrees(built):
    """pyelftools reads the same sections and symbols."""
    elffile = pytest.importorskip("elftools.elf.elffile")
    with (built / "program.elf").open("rb") as file:
        theirs = elffile.ELFFile(file)
        sections = [(s.name, s["sh_addr"], s["sh_size"]) for s in theirs.iter_sections()]
        symbols = {
            (s.name, s["st_value"], s["st_size"])
            for s in theirs.get_section_by_name(".symtab").iter_symbols()
            if s["st_info"]["type"] in ("STT_OBJECT", "STT_FUNC") and s["st_size"] and isinstance(s["st_shndx"], int)
        }
        ours = ElfFile(file)
        assert [(s.name, s.address, s.size) for s in ours.sections] == sections
        found = {(s.name, s.value, s.size) for s in ours.symbols()}
        assert found <= symbols
        assert {(value, size) for _, value, size in found} == {(value, size) for _, value, size in symbols}
