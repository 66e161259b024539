"""Where a project's arena lies: one array or two, in which section, or taken from a heap."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.firmware.templating import Code


@dataclass(frozen=True, slots=True)
class ArenaArray:
    """One arena: its variable, the constant of its size, its bytes, and where it lies.

    ``attribute`` follows the declaration of a static array; ``allocate`` is the expression that takes it from a heap
    instead.
    """

    name: str
    constant: str
    bytes: int
    about: str
    attribute: str = ""
    allocate: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A linker section of an arena, and the emulated board's memory that stands for it."""

    name: str
    emulated: str = "PSRAM"


@dataclass(frozen=True, slots=True)
class PlacedBuffer:
    """A buffer of the planned section: where it lies, and the request for it, by which the firmware knows it.

    ``offset`` counts from the begin of the array it lies in: with ``fast`` the second, else the arena.
    """

    fast: bool
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Place:
    """The arenas of a project: one, or the persistent and the non-persistent one, in TFLM's order, or with a ``plan``
    the arena and an array of planned buffers.

    ``more_used_bytes`` is what two arenas use more than one (another allocator's objects).
    """

    arenas: tuple[ArenaArray, ...]
    includes: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    """Lines of ESP-IDF's configuration that it needs."""
    more_used_bytes: int = 0
    plan: tuple[PlacedBuffer, ...] = ()
    """Every planned buffer, in TFLM's order, where a ``BufferPlan`` lays them out in the arena and a second array."""
    planned_bytes: int = 0
    """Bytes of the arena that such a plan takes."""

    @property
    def allocated(self) -> bool:
        """Whether an arena is taken from a heap."""
        return any(arena.allocate for arena in self.arenas)


def one_arena(declare_bytes: int) -> Place:
    """One static array where the linker puts it."""
    about = "The tensor arena: what AllocateTensors needs at its height, aligned as TFLM wants it."
    return Place((ArenaArray("tensor_arena", "kTensorArenaBytes", declare_bytes, Code(about)),))
