"""Where the arena goes on a board with more than one RAM: what fits where, and what a choice changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcuplan.boards.places import RamPlace, find_place, ram_places
from mcuplan.budget.analysis import Analysis
from mcuplan.budget.limits import Counted, Limit, Limits, Resource
from mcuplan.budget.need import Need
from mcuplan.errors import McuplanError
from mcuplan.text import show_bytes
from mcuplan.tflm.arena import predict_split
from mcuplan.tflm.results import SplitPrediction

if TYPE_CHECKING:
    from mcuplan.boards import Board


@dataclass(frozen=True, slots=True)
class Part:
    """One arena and where it lies: both sections in one, or one of the two."""

    section: str
    bytes: int
    place: RamPlace


@dataclass(frozen=True, slots=True)
class Placing:
    """ArenaBytes by place: one for both sections, or one for each, the persistent one first."""

    parts: tuple[Part, ...]

    @property
    def elsewhere_bytes(self) -> int:
        """Bytes outside the RAM that a board's limit counts."""
        return sum(part.bytes for part in self.parts if not part.place.main)


@dataclass(frozen=True, slots=True)
class Fits:
    """Where an arena would fit: places for all of it, and pairs for the persistent and the non-persistent section."""

    whole: tuple[RamPlace, ...]
    in_two: tuple[tuple[RamPlace, RamPlace], ...]
    split: SplitPrediction


@dataclass(frozen=True, slots=True)
class ArenaBytes:
    """What there is to place: bytes of one arena for all, and (asked only where it counts) of one for each section."""

    declare_bytes: int
    sections: Callable[[], tuple[int, int]]
    """Bytes to declare of the persistent and of the non-persistent arena."""


def chosen_placing(arenas: ArenaBytes, board: Board, arena_in: str | None, persistent_in: str | None) -> Placing:
    """The arena, or two, in the places that are asked for; what is not asked for lies in the main RAM.

    Raises
    ------
    McuplanError
        For a place that the board does not have.
    """
    arena = find_place(board, arena_in or "internal")
    persistent = find_place(board, persistent_in) if persistent_in is not None else arena
    if persistent == arena:
        return Placing((Part("arena", arenas.declare_bytes, arena),))
    kept, planned = arenas.sections()
    return Placing((Part("persistent section", kept, persistent), Part("non-persistent section", planned, arena)))


def placed(
    analysis: Analysis, need: Need, limits: Limits, board: Board | None, arena_in: str | None, persistent_in: str | None
) -> tuple[Need, Limits]:
    """Need and limits of one model with its arena where it is asked for.

    Raises
    ------
    McuplanError
        Without a board, and for a place that it does not have.
    """

    def sections() -> tuple[int, int]:
        split = predict_split([analysis.graph], analysis.target)
        return split.persistent_declare_bytes, split.nonpersistent_declare_bytes

    whole = ArenaBytes(analysis.arena.declare_bytes, sections)
    return arenas_placed(whole, need, limits, board, arena_in, persistent_in)


def arenas_placed(
    arenas: ArenaBytes, need: Need, limits: Limits, board: Board | None, arena_in: str | None, persistent_in: str | None
) -> tuple[Need, Limits]:
    """Need and limits with arenas where they are asked for: only what is left in the main RAM counts there.

    Raises
    ------
    McuplanError
        Without a board, and for a place that it does not have.
    """
    if arena_in is None and persistent_in is None:
        return need, limits
    if board is None:
        raise McuplanError("where an arena lies is a question of a board: name one")
    placing = chosen_placing(arenas, board, arena_in, persistent_in)
    total = sum(part.bytes for part in placing.parts)
    ram = replace(need.ram, arena_bytes=total, elsewhere_bytes=placing.elsewhere_bytes)
    need = replace(need, ram=ram)
    return need, replace(limits, arena=_arena_limit(placing, total, limits))


def _arena_limit(placing: Placing, total: int, limits: Limits) -> Limit | None:
    """The limit of places outside the main RAM, whose own limit counts the rest; or a stated one that is less."""
    outside = [part for part in placing.parts if not part.place.main]
    if not outside:
        return limits.arena
    over = sum(max(part.bytes - part.place.bytes, 0) for part in outside)
    amount = total - over if over else total + min(part.place.bytes - part.bytes for part in outside)
    source = " and ".join(f"{part.place.bytes:,} of {part.place.name}" for part in outside)
    found = Limit(Resource.ARENA, amount, Counted.ARENA, source)
    return limits.arena if limits.arena is not None and limits.arena.amount <= amount else found


def where_it_fits(analysis: Analysis, board: Board, need: Need, limits: Limits) -> Fits | None:
    """Where the arena would fit on a board with several places; None on one with a single place."""
    places = ram_places(board)
    if len(places) < 2 or limits.ram is None or need.ram.elsewhere_bytes:
        return None
    beside = need.ram.total_bytes - need.ram.arena_bytes
    room = {p.key: limits.ram.amount - beside if p.main else p.bytes for p in places}
    split = predict_split([analysis.graph], analysis.target)
    whole = tuple(p for p in places if need.ram.arena_bytes <= room[p.key])
    pairs = (
        (a, b)
        for a in places
        for b in places
        if a != b and split.persistent_declare_bytes <= room[a.key] and split.nonpersistent_declare_bytes <= room[b.key]
    )
    return Fits(whole, tuple(pairs), split)


def placing_sentences(analysis: Analysis, board: Board, need: Need, limits: Limits) -> Iterator[str]:
    """Where the arena would fit, and whether that is slower, in sentences; where it lies, if that was asked for."""
    fits = where_it_fits(analysis, board, need, limits)
    if fits is None or limits.ram is None:
        return
    on_chip = [p for p in fits.whole if not p.external]
    beside = [p for p in fits.whole if p.external]
    if need.ram.total_bytes <= limits.ram.amount:
        others = [p for p in fits.whole if not p.main]
        if others:
            yield f"the arena also fits {_named(others)}"
        return
    # What fails on the chip's main RAM and would run elsewhere is told, with the options that choose it.
    for place in (*on_chip, *beside):
        yield (
            f"the arena does not fit {show_bytes(limits.ram.amount)} of internal RAM ({_main(board).name}); fits "
            f"{_named([place])}: --arena-in {place.key}"
        )
    pairs = [pair for pair in fits.in_two if not pair[1].external] or list(fits.in_two if not fits.whole else ())
    if not on_chip and pairs:
        a, b = pairs[0]
        slower = ", slower" if a.external or b.external else ""
        yield (
            f"the arena fits in two: persistent section ({fits.split.persistent_declare_bytes:,} bytes) in {a.name}, "
            f"the other ({fits.split.nonpersistent_declare_bytes:,} bytes) in {b.name}{slower}: "
            f"--persistent-in {a.key} --arena-in {b.key}"
        )


def _main(board: Board) -> RamPlace:
    return next(place for place in ram_places(board) if place.main)


def _named(places: list[RamPlace]) -> str:
    return ", ".join(f"{show_bytes(p.bytes)} of {p.name}{', slower' if p.external else ''}" for p in places)
