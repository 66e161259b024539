"""Which target the options, the board, or neither names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mcuplan.errors import McuplanError
from mcuplan.tflm import DEFAULT_TARGET, Target

if TYPE_CHECKING:
    from mcuplan.boards import Board


AUTO = "auto"
"""As a target: the one that the firmware project in the working folder has."""

BoardLike: TypeAlias = "str | os.PathLike[str] | Board"
"""A board's name, the path of its file, or the board."""


def find_board(board: BoardLike | None, folders: Sequence[str | os.PathLike[str]] = ()) -> Board | None:
    """The board that is meant; None where none is.

    Raises
    ------
    McuplanError
        Where no board of that name is in the catalogue or in ``folders``.
    """
    if board is None:
        return None
    from mcuplan.boards import Board, load_board

    return board if isinstance(board, Board) else load_board(os.fspath(board), tuple(map(Path, folders)))


def listed(board: BoardLike | Sequence[BoardLike] | None) -> tuple[BoardLike, ...]:
    """One board or several; McuplanError where something is none."""
    from mcuplan.boards import Board

    each = () if board is None else tuple(board) if isinstance(board, list | tuple) else (board,)
    for one in each:
        if not isinstance(one, str | os.PathLike | Board):
            raise McuplanError(f"{one!r} is no board: give its name, the path of its file, or a Board")
    return each


def every_toolchain(boards: Sequence[str], folders: Sequence[Path]) -> tuple[str, ...]:
    """``BOARD@TOOLCHAIN`` for each toolchain of each board, the usual one first."""
    from mcuplan.boards import load_board

    named: list[str] = []
    for ref in boards:
        toolchains = [name for name in load_board(ref, tuple(folders)).targets if name]
        named += [f"{ref.partition('@')[0]}@{toolchain}" for toolchain in toolchains] or [ref]
    return tuple(named)


def choose_target(board: Board | None, kernels: str | None, target: str | None, lean: bool = False) -> Target:
    """The target that the options, the board, or neither names; with ``lean`` registrations, whatever names it.

    Raises
    ------
    McuplanError
        For an unknown target, one that contradicts ``kernels`` or the board's core, or that has no lean registrations.
    """
    if target == AUTO:
        target = str(detected_target(Path(), board))
    chosen = Target.parse(target or (board.target if board else DEFAULT_TARGET))
    if kernels is not None and kernels not in (chosen.library.name, str(chosen.library)):
        if target and "+" in target:
            raise McuplanError(f"--kernels {kernels} contradicts --target {target}: state one of them")
        chosen = chosen.with_library(kernels)
    chosen = chosen.with_lean() if lean else chosen
    if board is not None and target and chosen.core.name not in board.cores:
        raise McuplanError(f"--target {target} is for {chosen.core.name}, and {board.name} has {board.soc.core}")
    return chosen


def detected_target(project: Path, board: Board | None) -> Target:
    """The one target that a project's files tell; its core is the board's where they tell none.

    Raises
    ------
    McuplanError
        Where they tell no TFLM, several, or no core.
    """
    from mcuplan.detect import detect

    found = detect(project)
    core = Target.parse(board.target).core.name if board is not None else ""
    targets = found.targets(core)
    if len(targets) == 1:
        return targets[0]
    where = project.resolve()
    if targets:
        raise McuplanError(f"{where}: its files tell {' and '.join(map(str, targets))}: state one with --target")
    if found.versions:
        raise McuplanError(f"{where}: its files tell {' and '.join(found.versions)} and no core: name a board")
    raise McuplanError(f"{where}: its files do not tell which TFLM it builds: see `mcuplan target --detect`")
