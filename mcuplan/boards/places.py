"""Where on a board an arena can lie: runs of touching regions on the chip, and memory beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.boards.errors import BoardError

if TYPE_CHECKING:
    from mcuplan.boards.spec import Board, Region

_EXTERNAL = frozenset({"psram", "sdram"})
"""Kinds of memory that are not part of the chip's own RAM: slower, and not there before something sets them up."""


@dataclass(frozen=True, slots=True)
class RamPlace:
    """One stretch of RAM: what users call it (``key``), its name in the spec, its bytes.

    ``main`` is the one that ``memory.arena_ram_bytes`` counts; ``start`` is None where the address is not fixed.
    """

    key: str
    name: str
    kind: str
    bytes: int
    main: bool
    start: int | None = None

    @property
    def external(self) -> bool:
        """Whether it is memory beside the chip's own RAM, and slower."""
        return self.kind in _EXTERNAL


def ram_places(board: Board) -> tuple[RamPlace, ...]:
    """The places of a board, the main one first; regions whose addresses touch are one.

    Examples
    --------
    >>> from mcuplan.boards import load_board
    >>> [(p.key, p.bytes, p.external) for p in ram_places(load_board("arduino-portenta-h7"))]
    [('axi', 524288, False), ('dtcm', 131072, False), ('sdram', 8388608, True)]
    """
    runs = [*_runs([r for r in board.memory.regions if r.arena])]
    runs += [[r] for r in board.memory.regions if not r.arena and r.kind in _EXTERNAL]
    main = max((run for run in runs if run[0].arena), key=lambda run: sum(r.bytes for r in run))
    runs.sort(key=lambda run: run is not main)
    keys = _keys(runs)
    return tuple(
        RamPlace(
            key, " and ".join(r.name for r in run), run[0].kind,
            board.arena_ram_bytes if run is main else sum(r.bytes for r in run), run is main, run[0].start,
        )
        for key, run in zip(keys, runs, strict=True)
    )  # fmt: skip


def find_place(board: Board, text: str) -> RamPlace:
    """The place that ``text`` names: its key, its kind where only one has it, or a part of its name.

    Raises
    ------
    BoardError
        Where none or several are meant.
    """
    places, wanted = ram_places(board), text.strip().lower()
    for fits in (
        lambda p: wanted == p.key or (wanted == "internal" and p.main),
        lambda p: wanted == p.kind,
        lambda p: bool(wanted) and wanted in p.name.lower(),
    ):
        found = [place for place in places if fits(place)]
        if len(found) == 1:
            return found[0]
    known = ", ".join(place.key for place in places)
    raise BoardError(f"{board.id}: no one place of its RAM is called {text!r} (it has {known})")


def _runs(regions: Sequence[Region]) -> list[list[Region]]:
    runs: list[list[Region]] = []
    for region in sorted(regions, key=lambda r: -1 if r.start is None else r.start):
        touches = bool(runs) and region.start is not None and runs[-1][-1].end == region.start
        if touches:
            runs[-1].append(region)
        else:
            runs.append([region])
    return runs


def _keys(runs: Sequence[Sequence[Region]]) -> list[str]:
    """The first telling word of each name; with the next one where two would be alike."""
    words = [[w for w in re.findall(r"[a-z0-9]+", run[0].name.lower()) if w not in ("external", "the", "of")] or [
        run[0].kind] for run in runs]  # fmt: skip
    first = [each[0] for each in words]
    return [each[0] if first.count(each[0]) == 1 else "-".join(each[:3]) for each in words]
