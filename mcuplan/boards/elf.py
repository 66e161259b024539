"""A bounded reader of ELF section headers, load segments and symbols (32 and 64 bit, either byte order).

Layout: System V ABI, chapters "Object Files" and "Program Loading"
(https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html). Offsets and counts come from an untrusted file, so
each table is checked against the file's size before it is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"\x7fELF"

_SHT_SYMTAB, _SHT_STRTAB, _SHT_NOBITS = 2, 3, 8
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_PT_LOAD = 1
_STT_OBJECT, _STT_FUNC = 1, 2
_SHN_LORESERVE = 0xFF00
_TABLE_LIMIT = 128 << 20
"""Bytes of one table (symbols, strings); firmware images have a few MB."""

_MOST_SECTIONS, _MOST_SEGMENTS = 1 << 14, 1 << 7
"""Headers that are looked at; firmware images have some 50 sections and 10 segments."""


class MalformedElfError(Exception):
    """The file is not an ELF file that can be read; ``str`` says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section header; ``copied`` tells that start-up code copies it from another address (flash) to RAM."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    copied: bool = False

    @property
    def loaded(self) -> bool:
        """Whether it takes memory on the device."""
        return bool(self.flags & _SHF_ALLOC) and self.size > 0

    @property
    def listed(self) -> bool:
        """Whether ``size -A`` lists it: all but symbols and the strings they are named by."""
        return self.loaded or self.kind not in (_SHT_SYMTAB, _SHT_STRTAB)

    @property
    def has_contents(self) -> bool:
        """Whether its bytes are in the file, and so in flash."""
        return self.kind != _SHT_NOBITS

    @property
    def in_ram(self) -> bool:
        """As `size` has it (data and bss), and code that is copied to RAM."""
        return self.loaded and (self.copied or bool(self.flags & _SHF_WRITE and not self.flags & _SHF_EXECINSTR))

    @property
    def in_flash(self) -> bool:
        """As `size` has it (text and data)."""
        return self.loaded and (self.has_contents or not self.in_ram)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named variable or function with a size."""

    name: str
    value: int
    size: int
    section: int


class ElfFile:
    """Sections and symbols of an open ELF file.

    Raises
    ------
    MalformedElfError
        From the constructor and from :meth:`symbols`, where a table lies outside the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes = file.seek(0, 2)
        ident = self._read(0, 16, "header")
        if ident[:4] != MAGIC:
            raise MalformedElfError("no ELF header")
        if ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise MalformedElfError("an ELF header of an unknown class or byte order")
        self._wide = ident[4] == 2
        self._order = "<" if ident[5] == 1 else ">"
        self.sections = self._read_sections()

    def symbols(self) -> Iterator[Symbol]:
        """Variables and functions of the first symbol table, each address once; none in a stripped file."""
        table = next((s for s in self.sections if s.kind == _SHT_SYMTAB), None)
        if table is None:
            return
        if table.link >= len(self.sections):
            raise MalformedElfError("a symbol table without its strings")
        strings = self._table(self.sections[table.link], "symbol names")
        # Elf32_Sym: name value size info other shndx; Elf64_Sym: name info other shndx value size
        layout = struct.Struct(self._order + ("IBBHQQ" if self._wide else "IIIBBH"))
        rows = self._table(table, "symbol table")
        seen: set[tuple[int, int]] = set()
        for row in layout.iter_unpack(rows[: len(rows) - len(rows) % layout.size]):
            if self._wide:
                name, info, _, section, value, size = row
            else:
                name, value, size, info, _, section = row
            if (
                info & 15 not in (_STT_OBJECT, _STT_FUNC)
                or not size
                or not 0 < section < min(len(self.sections), _SHN_LORESERVE)
            ):
                continue
            if (section, value) not in seen:
                seen.add((section, value))
                yield Symbol(_string(strings, name), value, size, section)

    def names(self) -> Iterator[str]:
        """The names in the strings of the first symbol table, of functions and objects alike; none if stripped."""
        table = next((s for s in self.sections if s.kind == _SHT_SYMTAB), None)
        if table is None:
            return
        if table.link >= len(self.sections):
            raise MalformedElfError("a symbol table without its strings")
        for name in self._table(self.sections[table.link], "symbol names").split(b"\0"):
            if name:
                yield name.decode("utf-8", "replace")

    def section(self, name: str) -> bytes:
        """The bytes of the section of that name; none where there is no such section."""
        found = next((s for s in self.sections if s.name == name and s.has_contents), None)
        return self._table(found, name) if found else b""

    def content(self, symbol: Symbol, size: int) -> bytes:
        """The first ``size`` bytes of a symbol's initial value; fewer, or none, where the file has none."""
        section = self.sections[symbol.section]
        start = symbol.value - section.address
        if not section.has_contents or not 0 <= start < section.size or section.offset + start > self._bytes:
            return b""
        self._file.seek(section.offset + start)
        return self._file.read(min(size, symbol.size, section.size - start))

    def _read_sections(self) -> tuple[Section, ...]:
        # e_phoff e_shoff e_flags e_ehsize e_phentsize e_phnum e_shentsize e_shnum e_shstrndx
        header = struct.Struct(self._order + ("QQIHHHHHH" if self._wide else "IIIHHHHHH"))
        at = 32 if self._wide else 28
        segments_at, sections_at, _, _, ph_size, ph_count, entry, count, names = header.unpack(
            self._read(at, header.size, "header")
        )
        layout = struct.Struct(self._order + ("IIQQQQII" if self._wide else "IIIIIIII"))
        if sections_at == 0 or entry < layout.size:
            raise MalformedElfError("an ELF file without section headers")
        first = layout.unpack(self._read(sections_at, layout.size, "section headers"))
        # Counts of 0xff00 and more are kept in the first header.
        count, names = count or first[5], first[6] if names == 0xFFFF else names
        if count > _MOST_SECTIONS:
            raise MalformedElfError(f"an absurd number of section headers ({count})")
        table = self._read(sections_at, count * entry, "section headers")
        rows = [layout.unpack_from(table, i * entry) for i in range(count)]
        plain = [Section("", kind, fl, addr, off, size, link) for _, kind, fl, addr, off, size, link, _ in rows]
        strings = self._table(plain[names], "section names") if names < count else b""
        moved = self._copied_ranges(segments_at, ph_size, ph_count)
        return tuple(
            Section(
                _string(strings, row[0]), s.kind, s.flags, s.address, s.offset, s.size, s.link,
                any(start <= s.address < end for start, end in moved),
            )
            for row, s in zip(rows, plain, strict=True)
        )  # fmt: skip

    def _copied_ranges(self, at: int, entry: int, count: int) -> list[tuple[int, int]]:
        """Addresses of load segments that are stored elsewhere (physical address) than where they run."""
        if not at or not count:
            return []
        layout = struct.Struct(self._order + ("IIQQQQQQ" if self._wide else "IIIIIIII"))
        if entry < layout.size:
            raise MalformedElfError("program headers that are too short")
        if count > _MOST_SEGMENTS:
            raise MalformedElfError(f"an absurd number of program headers ({count})")
        table = self._read(at, count * entry, "program headers")
        ranges = []
        for i in range(count):
            row = layout.unpack_from(table, i * entry)
            virtual, physical, memory = (row[3], row[4], row[6]) if self._wide else (row[2], row[3], row[5])
            if row[0] == _PT_LOAD and virtual != physical:
                ranges.append((virtual, virtual + memory))
        return ranges

    def _table(self, section: Section, what: str) -> bytes:
        if section.size > _TABLE_LIMIT:
            raise MalformedElfError(f"{what} of an absurd size ({section.size} bytes)")
        return self._read(section.offset, section.size, what) if section.has_contents else b""

    def _read(self, at: int, size: int, what: str) -> bytes:
        if at + size > self._bytes:
            raise MalformedElfError(f"truncated: its {what} would end at byte {at + size} of {self._bytes}")
        self._file.seek(at)
        return self._file.read(size)


def _string(strings: bytes, at: int) -> str:
    if at >= len(strings):
        return ""
    end = strings.find(b"\0", at, at + 4096)
    return strings[at : end if end >= 0 else at + 4096].decode("utf-8", "replace")
