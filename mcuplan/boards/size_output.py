"""The text that `size` prints: Berkeley (or GNU) totals, or the sections of `size -A`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mcuplan.boards import sections
from mcuplan.boards.contents import Part, part_of_section
from mcuplan.boards.errors import FirmwareError
from mcuplan.boards.reserve import Reserve, Tally

_TOTALS_NOTE = "a tensor arena or a model in it is counted, as totals do not show it"
_FIGURE = re.compile(r"[0-9]{1,15}|0x[0-9a-fA-F]{1,15}")


_BERKELEY = re.compile(
    r"^[ \t]*[0-9]{1,15}[ \t]+[0-9]{1,15}[ \t]+[0-9]{1,15}[ \t]+(?P<total>[0-9]{1,15})[ \t]+(?:[0-9a-f]{1,15}[ \t]+)?"
    r"(?P<name>\S[^\r\n]{0,400}?)[ \t]*\r?$",
    re.MULTILINE,
)
_SYSV_NAME = re.compile(r"^(?P<name>\S[^\r\n]{0,400}?)[ \t]*:[ \t]*\r?$", re.MULTILINE)
_SYSV_TOTAL = re.compile(r"^Total[ \t]+(?P<total>[0-9]{1,15})[ \t]*\r?$", re.MULTILINE)


def measured(text: str) -> tuple[str, int] | None:
    """The file that ``size`` was run on, and the bytes of all its sections; None where the text tells not one.

    ``size -A`` sums sections that take no memory too.
    """
    if name := _SYSV_NAME.search(text):
        total = _SYSV_TOTAL.search(text)
        return (name["name"], int(total["total"])) if total else None
    rows = list(_BERKELEY.finditer(text))
    return (rows[0]["name"], int(rows[0]["total"])) if len(rows) == 1 else None


def read_berkeley(lines: Iterable[str], path: str) -> Reserve:
    """The reserve in rows of text, data and bss: flash is text + data, RAM data + bss.

    Raises
    ------
    FirmwareError
        When there is no row, or one for each of several files without their total (``size -t``).
    """
    rows: list[list[int]] = []
    totals: list[int] = []
    for line in lines:
        words = line.split()[:3]
        if len(words) == 3 and all(_FIGURE.fullmatch(word) for word in words):
            figures = [int(word, 0 if word.startswith("0x") else 10) for word in words]
            if line.rstrip().endswith("(TOTALS)"):
                totals = figures
            else:
                rows.append(figures)
    if not totals and len(rows) > 1:
        raise FirmwareError(f"{path}: output of `size` for {len(rows)} files: give that of one, or add -t")
    if not totals and not rows:
        raise FirmwareError(f"{path}: output of `size` without a row of figures")
    text, data, bss = totals or rows[0]
    return Reserve(data + bss, text + data, "output of size", (_TOTALS_NOTE,))


def read_sysv(lines: Iterable[str], path: str) -> Reserve:
    """The reserve in the sections of ``size -A``, which name their place only by convention.

    Raises
    ------
    FirmwareError
        When there is no section.
    """
    tally, found = Tally(), False
    for line in lines:
        words = line.split()
        if len(words) != 3 or not all(_FIGURE.fullmatch(word) for word in words[1:]):
            continue
        name, size = words[0], int(words[1], 0 if words[1].startswith("0x") else 10)
        where = sections.placement(name)
        # A section of its own, as linker scripts make for what must lie somewhere.
        part = part_of_section(name, "", size, where.ram) if name.count(".") > 1 or not name.startswith(".") else None
        if size:
            found = True
            tally.add_section(name, size, where)
            if part:
                tally.take_back(part, name, size, where.ram, where.flash)
    if not found:
        raise FirmwareError(f"{path}: output of `size -A` without a section that takes memory")
    if not tally.found(Part.MODEL):
        arena = tally.found(Part.ARENA)
        tally.note("a model in it is counted, as sections do not show it" if arena else _TOTALS_NOTE)
    return tally.reserve("output of size -A")
