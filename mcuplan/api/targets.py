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
    from mcuplan.detect import Detection


AUTO = "auto"
"""As a target: the one that a firmware project has, that of a configuration or the one in the working folder."""

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
    each = () if board is None else tuple(board) if isinstance(board, list | tuple) else (board,)
    for one in each:
        if not isinstance(one, str | os.PathLike) and not _is_board(one):
            raise McuplanError(f"{one!r} is no board: give its name, the path of its file, or a Board")
    return each


def _is_board(one: object) -> bool:
    from mcuplan.boards import Board  # only where something is no name: it brings pydantic

    return isinstance(one, Board)


def every_toolchain(boards: Sequence[str], folders: Sequence[Path]) -> tuple[str, ...]:
    """``BOARD@TOOLCHAIN`` for each toolchain of each board, the usual one first."""
    from mcuplan.boards import load_board

    named: list[str] = []
    for ref in boards:
        toolchains = [name for name in load_board(ref, tuple(folders)).targets if name]
        named += [f"{ref.partition('@')[0]}@{toolchain}" for toolchain in toolchains] or [ref]
    return tuple(named)


def choose_target(
    board: Board | None, kernels: str | None, target: str | None, lean: bool = False, project: Detection | None = None
) -> Target:
    """The target that the options, the project, the board, or none of them names; with ``lean`` registrations, whatever
    names it.

    ``project`` is what the firmware project of a configuration has: it counts where no option names a target, but for
    boards that it is not for.

    Raises
    ------
    McuplanError
        For an unknown target, one that contradicts ``kernels`` or the board's core, one that has no lean registrations,
        and where a project's files disagree.
    """
    if target == AUTO:
        target = str(_sole_target(project, board) if project else detected_target(Path(), board))
    elif project is not None and target is None and kernels is None and _is_for(project, board):
        target = str(_sole_target(project, board))
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

    return _sole_target(detect(project), board)


def _core(board: Board | None) -> str:
    return Target.parse(board.target).core.name if board is not None else ""


def _is_for(project: Detection, board: Board | None) -> bool:
    """Whether a project tells a TFLM, and is not for another board than this one."""
    return bool(project.targets(_core(board))) and (board is None or not project.cores or _fits(project, board))


def _fits(project: Detection, board: Board) -> bool:
    return bool(board.cores & set(project.cores))


def _sole_target(found: Detection, board: Board | None) -> Target:
    targets = found.targets(_core(board))
    if len(targets) == 1:
        return targets[0]
    where = found.path.resolve()
    if targets:
        raise McuplanError(f"{where}: its files tell {' and '.join(map(str, targets))}: state one with --target")
    if found.versions:
        raise McuplanError(f"{where}: its files tell {' and '.join(found.versions)} and no core: name a board")
    raise McuplanError(f"{where}: its files do not tell which TFLM it builds: see `mcuplan target --detect`")
