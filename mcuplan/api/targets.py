"""Which target the options, the board, or neither names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcuplan.errors import McuplanError
from mcuplan.tflm import DEFAULT_TARGET, Target

if TYPE_CHECKING:
    from mcuplan.boards import Board


def choose_target(board: Board | None, kernels: str | None, target: str | None) -> Target:
    """The target that the options, the board, or neither names.

    Raises
    ------
    McuplanError
        For an unknown target, or one that contradicts ``kernels`` or the board's core.
    """
    chosen = Target.parse(target or (board.target if board else DEFAULT_TARGET))
    if kernels is not None and kernels not in (chosen.library.name, str(chosen.library)):
        if target and "+" in target:
            raise McuplanError(f"--kernels {kernels} contradicts --target {target}: state one of them")
        chosen = chosen.with_library(kernels)
    if board is not None and target and chosen.core.name not in board.cores:
        raise McuplanError(f"--target {target} is for {chosen.core.name}, and {board.name} has {board.soc.core}")
    return chosen
