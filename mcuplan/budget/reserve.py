"""The reserve as a user states it: a size, sizes for RAM and flash, or a firmware file to read them from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mcuplan.budget.limits import LimitError, Reserve
from mcuplan.budget.units import UnitError, parse_bytes


def parse_reserve(text: str, source: str = "", adds: bool = False) -> Reserve:
    """A reserve from ``40kB`` (of RAM), ``ram=40kB,flash=120kB``, or the path of a firmware file.

    With ``adds`` amounts come on top of what the board's usual firmware takes. A firmware file never does: it tells
    all that the firmware takes, the usual part among it.

    Raises
    ------
    McuplanError
        Where it is none of these, or the file cannot be read.

    Examples
    --------
    >>> parse_reserve("ram=40kB,flash=1MiB")
    Reserve(ram=40000, flash=1048576, source='', adds=False, notes=())
    """
    try:
        return Reserve(ram=parse_bytes(text), source=source, adds=adds)
    except UnitError as error:
        if not Path(text).exists():
            return replace(_pairs(text, source, error), adds=adds)
    return firmware_reserve(Path(text))


def firmware_reserve(path: Path) -> Reserve:
    """What a firmware takes, from its linker map, its ELF file or the output of ``size``."""
    from mcuplan.boards import read_reserve

    found = read_reserve(path)
    notes = tuple(f"{path.name}: {note}" for note in found.notes)
    return Reserve(found.ram_bytes, found.flash_bytes, path.name, notes=notes)


def _pairs(text: str, source: str, no_size: UnitError) -> Reserve:
    if "=" not in text:
        if Path(text).suffix:
            raise LimitError(f"{text}: no such firmware file to read a reserve from") from None
        raise no_size
    amounts: dict[str, int] = {}
    for pair in text.split(","):
        name, _, amount = pair.partition("=")
        name = name.strip().lower()
        if name not in ("ram", "flash"):
            raise LimitError(f"{text!r}: a reserve is of 'ram' or 'flash', not {name!r}")
        if name in amounts:
            raise LimitError(f"{text!r}: the reserve of {name} is stated twice")
        amounts[name] = parse_bytes(amount)
    return Reserve(amounts.get("ram", 0), amounts.get("flash", 0), source)
