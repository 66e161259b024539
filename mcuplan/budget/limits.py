"""What a model may use, and where each limit comes from."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.boards import Board


class LimitError(McuplanError):
    """Limits that contradict each other or the board."""


class Resource(enum.StrEnum):
    """What is limited."""

    RAM = "ram"
    ARENA = "arena"
    """The tensor arena alone, which is part of the RAM."""
    FLASH = "flash"
    MACS = "macs"


class Counted(enum.StrEnum):
    """Which figure a limit is held against."""

    ARENA = "arena"
    """The tensor arena to declare, alone."""
    MODEL = "model"
    """The model's bytes, alone."""
    NEED = "need"
    """All that inference takes: with the interpreter, kernel data and stack (RAM), or TFLM's code (flash)."""
    MACS = "macs"
    """Multiply-accumulates of one inference."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit. ``amount`` is bytes, or MACs; ``strict`` means that the figure must stay under it.

    ``source`` says in a few words where it comes from; ``baseline`` is True where a baseline file raised it to what
    the model already took, and ``stated`` is then the limit itself.
    """

    resource: Resource
    amount: int
    counted: Counted
    source: str
    strict: bool = False
    baseline: bool = False
    stated: int | None = None

    def allows(self, figure: int) -> bool:
        """Whether ``figure`` (bytes or MACs) keeps the limit."""
        return figure < self.amount if self.strict else figure <= self.amount


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that one model is held against; None where a resource has none."""

    ram: Limit | None = None
    flash: Limit | None = None
    macs: Limit | None = None
    arena: Limit | None = None
    reserved: Reserve | None = None
    """What other code takes of the board, already subtracted; None without a board."""

    def __iter__(self) -> Iterator[Limit]:
        return (limit for limit in (self.ram, self.arena, self.flash, self.macs) if limit is not None)


RULE_OF_THUMB = Limits(
    ram=Limit(Resource.RAM, 250_000, Counted.ARENA, "tinyML rule of thumb", strict=True),
    flash=Limit(Resource.FLASH, 250_000, Counted.MODEL, "tinyML rule of thumb", strict=True),
    macs=Limit(Resource.MACS, 60_000_000, Counted.MACS, "tinyML rule of thumb", strict=True),
)
"""The limits without a board: peak memory and model size each under 250 kB, under 60 million multiply-adds.

Source: the lecture "Tiny ML: Machine learning for embedded systems" (2022); its 250 kB are read as 250,000 bytes,
the stricter way.
"""


LIMITED = ("ram", "arena_size", "flash", "macs")
"""The limits that a user may state, as fields of :class:`Asked`, options and keys of the configuration name them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Limits that a user states; None where none is. ``sources`` names the option or key that states each.

    ``ram`` is for all that inference takes, ``arena_size`` for the tensor arena alone: the array that the firmware
    declares.
    """

    ram: int | None = None
    flash: int | None = None
    macs: int | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    arena_size: int | None = None

    @property
    def any(self) -> bool:
        """Whether any limit is stated."""
        return any(getattr(self, name) is not None for name in LIMITED)

    def source(self, resource: Resource) -> str:
        """Who states the limit of ``resource``."""
        name = "arena_size" if resource is Resource.ARENA else resource.value
        return self.sources.get(name, "your limit")

    def __post_init__(self) -> None:
        for name in LIMITED:
            amount = getattr(self, name)
            if amount is not None and amount < 1:
                raise LimitError(f"a limit of {amount} for {name} lets no model pass: state at least 1")


@dataclass(frozen=True, slots=True)
class Reserve:
    """Bytes of a board that other code takes, and who says so.

    With ``adds`` they come on top of what the board's spec reserves for its usual firmware; without they replace it.
    """

    ram: int = 0
    flash: int = 0
    source: str = ""
    adds: bool = False
    notes: tuple[str, ...] = ()
    """What was left out of a firmware's file, or assumed, one sentence each."""

    def __post_init__(self) -> None:
        for name in ("ram", "flash"):
            if getattr(self, name) < 0:
                raise LimitError(f"a reserve of {getattr(self, name)} bytes of {name} is negative")


def limits_without_board(asked: Asked) -> Limits:
    """What the user asked for; the rule of thumb where that is nothing.

    A limit on RAM that the user states is held against the whole need, as a board's is; the rule of thumb against the
    arena and the model alone. One stated limit replaces all of the rule: who states one decides for himself.
    """
    return _stated_limits(asked) if asked.any else RULE_OF_THUMB


def limits_on_board(board: Board, asked: Asked, reserve: Reserve | None = None) -> Limits:
    """The board's memory minus what is reserved, and never more than the user asked for.

    ``reserve`` adds to the reserve that the board's spec states for its usual firmware, or replaces it, as it says
    itself. MACs have no limit unless the user states one.

    Raises
    ------
    LimitError
        Where the reserve leaves nothing, or the user's limit is more than the board has.
    """
    kept, stated = _kept(board, reserve), _stated_limits(asked)
    if asked.arena_size is not None and asked.arena_size > board.arena_ram_bytes:
        raise _contradiction(Resource.ARENA, asked.arena_size, board, board.arena_ram_bytes, asked)
    return Limits(
        ram=_on_board(Resource.RAM, board, board.arena_ram_bytes, kept.ram, kept.source, asked.ram, asked),
        flash=_on_board(Resource.FLASH, board, board.flash_bytes, kept.flash, kept.source, asked.flash, asked),
        macs=stated.macs,
        arena=stated.arena,
        reserved=kept,
    )


def _kept(board: Board, reserve: Reserve | None) -> Reserve:
    """What is reserved on the board in all."""
    usual = board_reserve(board)
    if reserve is None:
        return usual
    if not reserve.adds or not (usual.ram or usual.flash):
        return reserve
    both = " and ".join(source for source in (usual.source, reserve.source) if source)
    return Reserve(usual.ram + reserve.ram, usual.flash + reserve.flash, both, notes=reserve.notes)


def board_reserve(board: Board) -> Reserve:
    """What the board's usual firmware takes, as its spec states it."""
    stated = board.reserved
    if stated is None:
        return Reserve()
    return Reserve(stated.ram_bytes or 0, stated.flash_bytes or 0, stated.firmware)


def with_baseline(limit: Limit | None, recorded: int | None, name: str = "baseline") -> Limit | None:
    """``limit`` raised to the figure that the baseline ``name`` recorded, where that figure is over it."""
    if limit is None or recorded is None or limit.allows(recorded):
        return limit
    source = f"{name}, over the limit of {limit.amount:,} ({limit.source})"
    return replace(limit, amount=recorded, strict=False, baseline=True, stated=limit.amount, source=source)


_COUNTED = {
    Resource.RAM: Counted.NEED, Resource.ARENA: Counted.ARENA, Resource.FLASH: Counted.NEED,
    Resource.MACS: Counted.MACS,
}  # fmt: skip


def _stated_limits(asked: Asked) -> Limits:
    return Limits(
        ram=_stated(Resource.RAM, asked.ram, asked),
        flash=_stated(Resource.FLASH, asked.flash, asked),
        macs=_stated(Resource.MACS, asked.macs, asked),
        arena=_stated(Resource.ARENA, asked.arena_size, asked),
    )


def _stated(resource: Resource, amount: int | None, asked: Asked) -> Limit | None:
    return None if amount is None else Limit(resource, amount, _COUNTED[resource], asked.source(resource))


def _on_board(
    resource: Resource, board: Board, total: int, reserved: int, reserver: str, amount: int | None, asked: Asked
) -> Limit:
    if reserved >= total:
        raise LimitError(
            f"a reserve of {reserved:,} bytes of {resource} ({reserver or 'stated'}) leaves nothing of the "
            f"{total:,} bytes of {board.name}"
        )
    if amount is not None and amount > total:
        raise _contradiction(resource, amount, board, total, asked)
    usable = total - reserved
    if amount is not None and amount <= usable:
        return Limit(resource, amount, Counted.NEED, asked.source(resource))
    source = f"{total:,} on the board" + (f" - {reserved:,} reserved for {reserver}" if reserved else "")
    return Limit(resource, usable, Counted.NEED, source)


def _contradiction(resource: Resource, amount: int, board: Board, total: int, asked: Asked) -> LimitError:
    return LimitError(
        f"a limit of {amount:,} bytes of {resource} ({asked.source(resource)}) contradicts {board.name}, "
        f"which has {total:,}"
    )
