"""What callers of the verbs state, amounts as text among it, as the options that every command has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mcuplan.api.amounts import Count, Quantity, Size, count, joules, seconds, size, watts
from mcuplan.api.criteria import CheckOptions
from mcuplan.api.targets import BoardLike, listed


def check_options(
    *,
    board: BoardLike | Sequence[BoardLike] | None = None,
    board_dirs: Sequence[str | os.PathLike[str]] = (),
    ram: Size | None = None,
    arena_size: Size | None = None,
    flash: Size | None = None,
    macs: Count | None = None,
    latency: Quantity | None = None,
    energy: Quantity | None = None,
    power: Quantity | None = None,
    period: Quantity | None = None,
    reserve: Size | None = None,
    reserve_only: Size | None = None,
    stack: Size | None = None,
    arena_in: str | None = None,
    persistent_in: str | None = None,
    target: str | None = None,
    kernels: str | None = None,
    lean: bool = False,
    build: str | None = None,
    custom_operators: Sequence[str] = (),
    config: str | os.PathLike[str] | None = None,
) -> CheckOptions:
    """The options that what is stated makes; see :func:`mcuplan.check` for each.

    Raises
    ------
    McuplanError
        For amounts that are none.
    """
    return CheckOptions(
        boards=listed(board), board_dirs=tuple(map(Path, board_dirs)), ram=size(ram), arena_size=size(arena_size),
        flash=size(flash), macs=count(macs), kernels=kernels, target=target, lean=lean, build=build,
        custom_operators=tuple(custom_operators), stack=size(stack), reserve=None if reserve is None else str(reserve),
        reserve_only=None if reserve_only is None else str(reserve_only), latency=seconds(latency, 1e6),
        arena_in=arena_in, persistent_in=persistent_in,
        energy=joules(energy, 1e6), power=watts(power, 1e3), period=seconds(period), prefix="",
        config="auto" if config == "auto" else None if config is None else Path(config),
    )  # fmt: skip
