"""Adding up what a firmware takes, with notes on what was left out or assumed. All sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from mcuplan.boards import sections
from mcuplan.boards.contents import Part

_NAMED = 3
"""Sections named in one note."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Memory that a firmware takes, without arena and models. ``notes`` say what was left out or assumed."""

    ram_bytes: int
    flash_bytes: int
    source: str
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """A :class:`Reserve` in the making."""

    ram: int = 0
    flash: int = 0
    notes: list[str] = field(default_factory=list)
    recognised: dict[Part, list[int]] = field(default_factory=dict)
    """Of each part: bytes of RAM, bytes of flash, how many."""
    unsure: list[str] = field(default_factory=list)

    def add(self, size: int, ram: bool, flash: bool) -> None:
        """Count ``size`` bytes in RAM, in flash, or in both."""
        self.ram += size if ram else 0
        self.flash += size if flash else 0

    def add_section(self, name: str, size: int, where: sections.Placement) -> None:
        """Count an output section at ``where``, unless its name says that it takes no memory of its own."""
        if not sections.is_loaded(name):
            return
        if sections.is_heap(name):
            self.leave_out_heap(size)
            return
        self.add(size, where.ram, where.flash)
        if not where.sure:
            self.unsure.append(shown(name))

    def leave_out_heap(self, size: int) -> None:
        """Say that a heap section is not counted: linker scripts stretch it over the RAM that is left."""
        self.note(f"the linker's heap section ({size:,} bytes) is not counted: it is what is left of RAM")

    def take_back(self, part: Part, name: str, size: int, ram: bool, flash: bool) -> None:
        """Subtract bytes that were counted with their section, and say so: mcuplan counts them itself."""
        self.add(-size, ram, flash)
        sums = self.recognised.setdefault(part, [0, 0, 0])
        sums[0] += size if ram else 0
        sums[1] += size if flash else 0
        sums[2] += 1
        if part is not Part.TFLM:  # which has hundreds of them
            self.note(f"{part.value} {shown(name)} ({size:,} bytes) is not counted")

    def found(self, part: Part) -> bool:
        """Whether any such part was recognised."""
        return part in self.recognised

    def note(self, text: str) -> None:
        """Keep ``text``."""
        self.notes.append(text)

    def reserve(self, source: str) -> Reserve:
        """The sums."""
        notes = list(dict.fromkeys(self.notes))
        if Part.TFLM in self.recognised:
            ram, flash, count = self.recognised[Part.TFLM]
            data = f" and {ram:,} bytes of RAM" if ram else ""
            notes.append(f"TFLM's own code and data ({flash:,} bytes of flash{data}, {count:,} parts) are not counted")
        if self.unsure:
            more = f" and {len(self.unsure) - _NAMED} more" if len(self.unsure) > _NAMED else ""
            named = ", ".join(self.unsure[:_NAMED])
            notes.append(f"counted in RAM and in flash, as their names do not tell: {named}{more}")
        return Reserve(max(self.ram, 0), max(self.flash, 0), source, tuple(notes))


def shown(name: str, most: int = 60) -> str:
    """A name from an untrusted file, fit for a message."""
    clean = "".join(c if c.isprintable() else "?" for c in name)
    return clean if len(clean) <= most else f"{clean[: most - 3]}..."
