"""What a firmware takes beside the model: read from a linker map, an ELF file or the output of ``size``.

A tensor arena that the firmware declares, models that it contains and TFLM's code are left out where they can be told
apart (:mod:`mcuplan.boards.contents`), and the notes say so: mcuplan counts them itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from mcuplan import files
from mcuplan.boards import elf, sections
from mcuplan.boards.contents import Part, part_of_symbol
from mcuplan.boards.errors import FirmwareError
from mcuplan.boards.linker_maps import read_armlink_map, read_gnu_map, read_iar_map
from mcuplan.boards.reserve import Reserve, Tally, shown
from mcuplan.boards.size_output import measured, read_berkeley, read_sysv

__all__ = ["Reserve", "read_reserve"]

_MODEL_IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of a .tflite file (file_identifier of schema.fbs)."""

_ELF_LIMIT = 1 << 30
"""Bytes of an ELF file; with all of its debug information large firmware has some 100 MB."""

_HEAD = 4096
_LINE_LIMIT = 1 << 16
_TEXT_LIMIT = 64 << 20
"""Bytes of a map; those of large firmware have some 20 MB."""

_TEXT_FORMATS: tuple[tuple[bytes, Callable[[Iterable[str], str], Reserve]], ...] = (
    (rb"Memory Configuration|Linker script and memory map", read_gnu_map),
    (rb"Component: A(?:rm|RM) Compiler|[ \t]*Total (?:RO|RW|ROM)[ \t]+Size \(", read_armlink_map),
    (rb"#?[ \t]*IAR ELF Linker", read_iar_map),
    (rb"[ \t]*text[ \t]+data[ \t]+bss[ \t]+(?:dec[ \t]+hex|total)[ \t]+filename", read_berkeley),
    (rb"section[ \t]+size(?:[ \t]+addr)?[ \t]*\r?$", read_sysv),
)
"""A line that only this kind of file has, and the reader of the kind."""

_ANY_FORMAT = re.compile(rb"^(?:" + rb"|".join(rb"(%s)" % mark for mark, _ in _TEXT_FORMATS) + rb")", re.MULTILINE)


def read_reserve(path: str | Path) -> Reserve:
    """RAM and flash (bytes) of the firmware that ``path`` describes.

    ``path`` is an ELF file (`.elf`, `.axf`), a linker map (GNU ld, armlink, IAR) or the text that ``size`` printed
    (Berkeley, GNU or ``-A`` format). Flash counts code, constants and the initial values of variables; RAM counts
    variables, zeroed memory and stacks that the linker reserves, and code copied to RAM.

    Raises
    ------
    FirmwareError
        When the file cannot be read or is none of these; the message is one sentence that names the file.
    """
    path = Path(path)
    try:
        with files.opened(path, _ELF_LIMIT, FirmwareError, "cannot read the firmware file") as file:
            if file.read(len(elf.MAGIC)) == elf.MAGIC:
                reserve = _from_elf(elf.ElfFile(file), path)
            else:
                file.seek(0)
                text = file.read(_TEXT_LIMIT + 1)
                reserve = _beside(text, path) or _from_text(text, path)
    except elf.MalformedElfError as error:
        raise FirmwareError(f"{path}: not a usable ELF file: {error}") from None
    return replace(reserve, source=f"{reserve.source} of {path.name}")


def _from_elf(image: elf.ElfFile, path: Path) -> Reserve:
    tally = Tally()
    counted = [section.loaded and not sections.is_heap(section.name) for section in image.sections]
    if not any(counted):
        raise FirmwareError(f"{path}: an ELF file in which no section takes memory")
    for section, counts in zip(image.sections, counted, strict=True):
        if counts:
            tally.add(section.size, section.in_ram, section.in_flash)
        elif section.loaded:
            tally.leave_out_heap(section.size)
    for symbol in image.symbols():
        section = image.sections[symbol.section]
        if counted[symbol.section] and symbol.size <= section.size:
            part = _part(image, symbol)
            if part is not None:
                tally.take_back(part, symbol.name, symbol.size, section.in_ram, section.in_flash)
    return tally.reserve("sections")


def _part(image: elf.ElfFile, symbol: elf.Symbol) -> Part | None:
    holds_model = symbol.size >= 16 and image.content(symbol, 8)[4:] == _MODEL_IDENTIFIER
    return part_of_symbol(symbol.name, symbol.size, image.sections[symbol.section].in_ram, holds_model)


def _beside(text: bytes, path: Path) -> Reserve | None:
    """What the ELF file tells that ``size`` was run on, where it lies beside its output and has not changed since."""
    if len(text) > _HEAD or b"\0" in text or _text_format(text) not in (read_berkeley, read_sysv):
        return None
    named = measured(text.decode("utf-8", "replace"))
    if named is None:
        return None
    name, total = named
    beside = path.parent / Path(name).name
    try:
        with files.opened(beside, _ELF_LIMIT, FirmwareError) as file:
            image = elf.ElfFile(file)
            sums = {sum(s.size for s in image.sections if s.loaded), sum(s.size for s in image.sections if s.listed)}
            found = _from_elf(image, beside) if total in sums else None
    except (FirmwareError, elf.MalformedElfError):
        return None
    return found and replace(found, source=f"{found.source} of {shown(beside.name)}, beside the output of size")


def _from_text(text: bytes, path: Path) -> Reserve:
    if not text:
        raise FirmwareError(f"{path}: the firmware file is empty")
    if text.startswith((b":", b"S0")):
        raise FirmwareError(f"{path}: a hex image holds no section sizes: give the .elf or the linker's .map")
    if b"\0" not in text[:_HEAD] and len(text) > _TEXT_LIMIT:
        raise FirmwareError(f"{path}: more than {_TEXT_LIMIT >> 20} MiB of text: give the .elf instead")
    reader = None if b"\0" in text[:_HEAD] else _text_format(text)
    if reader is None:
        raise FirmwareError(f"{path}: not an ELF file, a linker map or output of `size`: give one of these")
    return reader(_lines(text), str(path))


def _text_format(text: bytes) -> Callable[[Iterable[str], str], Reserve] | None:
    found = _ANY_FORMAT.search(text)
    return _TEXT_FORMATS[found.lastindex - 1][1] if found and found.lastindex else None


def _lines(text: bytes) -> Iterator[str]:
    stream = BytesIO(text)
    while line := stream.readline(_LINE_LIMIT):
        yield line.decode("utf-8", "replace").rstrip("\r\n")
