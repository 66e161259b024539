"""The text that `size` prints: Berkeley (or GNU) totals, or the sections of `size -A`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mcuplan.boards import sections
from mcuplan.boards.errors import FirmwareError
from mcuplan.boards.reserve import ARENA, Reserve, Tally, shown

_TOTALS_NOTE = "a tensor arena or a model in it is counted, as totals do not show it"
_FIGURE = re.compile(r"[0-9]{1,15}|0x[0-9a-fA-F]{1,15}")


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
    tally, found, arena = Tally(), False, False
    for line in lines:
        words = line.split()
        if len(words) != 3 or not all(_FIGURE.fullmatch(word) for word in words[1:]):
            continue
        name, size = words[0], int(words[1], 0 if words[1].startswith("0x") else 10)
        if ARENA in name.lower():
            arena = True
            tally.note(f"tensor arena {shown(name)} ({size:,} bytes) is not counted")
        elif size:
            found = True
            tally.add_section(name, size, sections.placement(name))
    if not found:
        raise FirmwareError(f"{path}: output of `size -A` without a section that takes memory")
    tally.note("a model in it is counted, as sections do not show it" if arena else _TOTALS_NOTE)
    return tally.reserve("output of size -A")
