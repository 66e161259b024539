"""Linker maps: GNU ld (sections in regions), armlink and IAR (totals)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mcuplan.boards import sections
from mcuplan.boards.contents import Part, part_of_section, part_of_symbol
from mcuplan.boards.errors import FirmwareError
from mcuplan.boards.reserve import Reserve, Tally


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of GNU ld's map: a memory region, an output section, or an input section inside one."""

    kind: str
    name: str
    at: int
    size: int
    flags: str = ""
    rest: str = ""
    """The object that an input section is from; of an output section, where it is loaded."""


_MOST_REGIONS = 256
_NOWHERE = sections.Placement(ram=False, flash=False)

_REGION = re.compile(r"(\S+)\s+0x([0-9a-f]{1,16})\s+0x([0-9a-f]{1,16})(?:\s+(\S+))?$")
_SECTION = re.compile(
    r"(?P<indent> ?)(?P<name>[^\s(]+)?\s+0x(?P<at>[0-9a-f]{1,16})\s+0x(?P<size>[0-9a-f]{1,16})(?:\s|$)"
)
_NAME_ALONE = re.compile(r" ?[^\s(]+$")


def read_gnu_map(lines: Iterable[str], path: str) -> Reserve:
    """The reserve in a map of GNU ld (``-Wl,-Map``). A section counts where its memory region says.

    Raises
    ------
    FirmwareError
        When no section in it takes memory, or it has an absurd number of memory regions.
    """
    tally, regions = Tally(), list[_Row]()
    recognised: dict[int, tuple[Part, _Row, sections.Placement]] = {}
    any_section, where = False, None
    for row in _gnu_rows(lines):
        if row.kind == "region":
            regions.append(row)
            if len(regions) > _MOST_REGIONS:
                raise FirmwareError(f"{path}: a linker map with more than {_MOST_REGIONS} memory regions")
        elif row.kind == "output":
            any_section = True
            counts = sections.is_loaded(row.name) and not sections.is_heap(row.name)
            where = _where(row, regions) if counts else None
            tally.add_section(row.name, row.size, where or _NOWHERE)
        elif where and (part := part_of_section(row.name, row.rest, row.size, where.ram)):
            recognised[row.at] = part, row, where
    if not any_section:
        raise FirmwareError(f"{path}: a linker map in which no section takes memory")
    for part, row, place in recognised.values():
        tally.take_back(part, row.name, row.size, place.ram, place.flash)
    if not tally.found(Part.MODEL):
        tally.note("a model in it is counted, as a map does not show it")
    return tally.reserve("linker map")


def _gnu_rows(lines: Iterable[str]) -> Iterator[_Row]:
    """Rows that take memory. A long name stands on a line of its own, before the line with its figures."""
    part = held = ""
    for line in lines:
        if line.startswith(("Memory Configuration", "Linker script and memory map")):
            part = line.split()[0]
        elif part == "Memory":
            if (region := _REGION.match(line)) and not region[1].startswith("*"):  # *default* is everything
                yield _Row("region", region[1], int(region[2], 16), int(region[3], 16), region[4] or "")
        elif part == "Linker":
            section = _SECTION.match(line)
            if section is None:
                held = line if _NAME_ALONE.match(line) else ""
                continue
            name = f"{section['indent']}{section['name']}" if section["name"] else held
            held = ""
            at, size = int(section["at"], 16), int(section["size"], 16)
            if name and size:
                kind = "input" if name.startswith(" ") else "output"
                yield _Row(kind, name.strip(), at, size, rest=line[section.end() :].strip())


def _where(row: _Row, regions: Iterable[_Row]) -> sections.Placement:
    region = next((r for r in regions if r.at <= row.at < r.at + r.size), None)
    if region is None:
        return sections.placement(row.name)
    by_name = sections.placement(row.name)
    # Constants that run where they are stored take no other memory, whatever the region may be used for.
    in_place = by_name.sure and not by_name.ram and "load address" not in row.rest
    if in_place or "w" not in region.flags.partition("!")[0]:
        return sections.Placement(ram=False, flash=True)
    return sections.Placement(ram=True, flash=sections.has_contents(row.name))


_ARM_SYMBOL = re.compile(
    r"\s+(?P<name>\S+)\s+0x(?P<at>[0-9a-fA-F]{8})\s+(?P<kind>Data|(?:Thumb|ARM) Code)\s+(?P<size>[0-9]{1,12})\s+"
    r"(?P<file>[^\s(]+)(?:\((?P<section>[^)]*)\))?"
)
_ARM_TOTAL = re.compile(r"\s*Total (?P<what>RW|ROM)\s+Size \(.*\)\s+(?P<size>[0-9]{1,12})\b")


def read_armlink_map(lines: Iterable[str], path: str) -> Reserve:
    """The reserve in a map of armlink (``--map --symbols --info=sizes``), from its totals of RW and ROM size.

    Raises
    ------
    FirmwareError
        When the totals are missing.
    """
    tally, totals = Tally(), dict[str, int]()
    recognised: dict[str, tuple[Part, str, int, bool]] = {}
    for line in lines:
        if total := _ARM_TOTAL.match(line):
            totals[total["what"]] = int(total["size"])
        elif (symbol := _ARM_SYMBOL.match(line)) and (found := _arm_part(symbol)):
            recognised[symbol["at"]] = found
    if set(totals) != {"RW", "ROM"}:
        raise FirmwareError(f"{path}: an armlink map without its totals of RW and ROM size")
    tally.add(totals["RW"], ram=True, flash=False)
    tally.add(totals["ROM"], ram=False, flash=True)
    for part, name, size, in_ram in recognised.values():
        tally.take_back(part, name, size, ram=in_ram, flash=not in_ram)
    if not tally.found(Part.MODEL):
        tally.note("a model in it is counted, as a map does not show it")
    return tally.reserve("linker map")


def _arm_part(symbol: re.Match[str]) -> tuple[Part, str, int, bool] | None:
    """What a symbol of an armlink map is, its name and size, and whether it lies in RAM."""
    name, size = symbol["name"], int(symbol["size"])
    variable = symbol["kind"] == "Data"
    in_ram = variable and sections.placement(symbol["section"] or ".bss").ram
    part = part_of_symbol(name, size, in_ram, None if variable else False)
    return (part, name, size, in_ram) if part else None


_IAR_TOTAL = re.compile(r"\s*(?P<size>[0-9][0-9 ']{0,15}) bytes of (?P<what>readonly|readwrite)\s+(code|data) memory")


def read_iar_map(lines: Iterable[str], path: str) -> Reserve:
    """The reserve in a map of the IAR ELF linker, from its totals of readonly and readwrite memory.

    Raises
    ------
    FirmwareError
        When the totals are missing.
    """
    tally, found = Tally(), False
    for line in lines:
        if total := _IAR_TOTAL.match(line):
            found = True
            size = int(re.sub(r"[^0-9]", "", total["size"]))
            tally.add(size, ram=total["what"] == "readwrite", flash=total["what"] == "readonly")
    if not found:
        raise FirmwareError(f"{path}: an IAR map without its totals of readonly and readwrite memory")
    tally.note("a tensor arena or a model in it is counted, as totals do not show it")
    return tally.reserve("linker map")
