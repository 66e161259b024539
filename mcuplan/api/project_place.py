"""Where an exported project puts its arenas: in a section of the linker's, or in memory from a heap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.boards.places import RamPlace
    from mcuplan.firmware.kinds import Kind
    from mcuplan.firmware.places import ArenaArray, Place, PlacedBuffer, Section
    from mcuplan.graph import Graph
    from mcuplan.tflm import Target


def project_place(
    kind: Kind,
    board: Board | None,
    graphs: Sequence[Graph],
    target: Target,
    arena_in: str | None,
    persistent_in: str | None,
    buffer_plan: str | None = None,
) -> Place | None:
    """The arenas of a project in the RAMs that are asked for; None where none is: one array, where linkers put it.

    ``buffer_plan`` names the RAM of the buffers that are touched most (:mod:`mcuplan.api.buffer_plan`).

    Raises
    ------
    McuplanError
        Without a board, for a place that it does not have, and where an arena is larger than its place.
    """
    if arena_in is None and persistent_in is None and buffer_plan is None:
        if board is not None:
            _refuse_too_large(board, graphs, target)
        return None
    if board is None:
        raise McuplanError("where an arena lies is a question of a board: name one")
    if buffer_plan is not None:
        from mcuplan.api.buffer_plan import buffer_plan_place

        return buffer_plan_place(kind, board, graphs, target, arena_in, persistent_in, buffer_plan)
    from mcuplan.boards.places import find_place
    from mcuplan.tflm.arena import predict_shared, predict_split

    arena = find_place(board, arena_in or "internal")
    persistent = find_place(board, persistent_in) if persistent_in is not None else arena
    shared = predict_shared(graphs, target)
    if persistent == arena:
        parts = [ram_array("tensor_arena", "kTensorArenaBytes", "The tensor arena", shared.declare_bytes, arena, kind)]
        more = 0
    else:
        split = predict_split(graphs, target)
        parts = [
            ram_array("persistent_arena", "kPersistentArenaBytes", "The persistent section",
                   split.persistent_declare_bytes, persistent, kind),
            ram_array("planned_arena", "kPlannedArenaBytes", "Activations and scratch",
                   split.nonpersistent_declare_bytes, arena, kind),
        ]  # fmt: skip
        more = split.used_bytes - shared.used_bytes
    return joined_place(parts, (persistent, arena), kind, more)


def _refuse_too_large(board: Board, graphs: Sequence[Graph], target: Target) -> None:
    """McuplanError where the arena is larger than the board's main RAM, in which a linker would put it."""
    from mcuplan.boards.places import find_place, ram_places
    from mcuplan.tflm.arena import predict_shared

    size, main = predict_shared(graphs, target).declare_bytes, find_place(board, "internal")
    if size <= main.bytes:
        return
    larger = [place for place in ram_places(board) if size <= place.bytes]
    other = f"; {larger[0].name} has {larger[0].bytes:,}: --arena-in {larger[0].key}" if larger else ""
    raise McuplanError(
        f"the tensor arena takes {size:,} bytes, and {main.name} of {board.id} has {main.bytes:,}{other}"
    )


def joined_place(
    parts: Sequence[ArenaArray],
    rams: Sequence[RamPlace],
    kind: Kind,
    more_used_bytes: int,
    plan: tuple[PlacedBuffer, ...] = (),
    planned_bytes: int = 0,
    notes: tuple[str, ...] = (),
) -> Place:
    """The place of arrays in ``rams``, with the sections, settings and notes that these need."""
    from mcuplan.firmware.places import Place

    places = list(dict.fromkeys(rams))
    allocated = any(part.allocate for part in parts)
    external = any(place.external for place in places)
    return Place(
        tuple(parts),
        includes=("<esp_heap_caps.h>",) if allocated else (),
        sections=tuple(_section(place) for place in places if not place.main) if not allocated else (),
        notes=(*notes, *(note for place in places if (note := _note(place, kind)))),
        settings=("CONFIG_SPIRAM=y",) if allocated and external else (),
        more_used_bytes=more_used_bytes,
        plan=plan,
        planned_bytes=planned_bytes,
    )


_ESP_IDF = "esp-idf"


def ram_array(name: str, constant: str, what: str, size: int, place: RamPlace, kind: Kind) -> ArenaArray:
    """The declaration of an array of ``size`` bytes in ``place``.

    Raises
    ------
    McuplanError
        Where it is larger than its place.
    """
    from mcuplan.firmware.names import plain
    from mcuplan.firmware.places import ArenaArray
    from mcuplan.firmware.templating import Code

    if size > place.bytes:
        raise McuplanError(f"{what.lower()} takes {size:,} bytes, and {place.name} has {place.bytes:,}")
    about = Code(plain(f"{what}, in {place.name}."))
    if place.main:
        return ArenaArray(name, constant, size, about)
    if kind.name == _ESP_IDF:
        which = "MALLOC_CAP_SPIRAM" if place.external else "MALLOC_CAP_INTERNAL"
        call = f"heap_caps_aligned_alloc(16, {constant}, {which} | MALLOC_CAP_8BIT)"
        return ArenaArray(name, constant, size, about, allocate=Code(f"static_cast<std::uint8_t*>({call})"))
    return ArenaArray(
        name, constant, size, about, attribute=Code(f'__attribute__((section("{_section(place).name}")))')
    )


def _section(place: RamPlace) -> Section:
    from mcuplan.firmware.places import Section

    return Section(f".arena_{place.key.replace('-', '_')}")


def _note(place: RamPlace, kind: Kind) -> str:
    from mcuplan.firmware.names import plain
    from mcuplan.firmware.templating import Code

    if place.main:
        return ""
    slower = " It is slower than the memory of the chip; by how much is not known here." if place.external else ""
    if kind.name == _ESP_IDF:
        setup = (
            " `sdkconfig.defaults` turns it on; on chips with octal PSRAM (ESP32-S3R8) set `CONFIG_SPIRAM_MODE_OCT=y`."
            if place.external else ""
        )  # fmt: skip
        return Code(plain(f"Memory from the heap: {place.name}.{setup}{slower}").replace("?", "`"))
    at = f" at 0x{place.start:08x}" if place.start is not None else ""
    ready = " It must be set up before `SetUpModels`." if place.external else ""
    name = _section(place).name
    return Code(
        f"{plain(place.name)}{at}: your linker script must place the section `{name}` there, as\n"
        f"`{name} (NOLOAD) : {{ *({name}) }} > REGION`.{ready}{slower}"
    )
