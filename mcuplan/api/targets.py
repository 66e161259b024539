"""Which target the options, the board, or neither names."""

from __future__ import annotations

from dataclasses import replace
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
        For an unknown target, or one that contradicts ``kernels``.
    """
    chosen = Target.parse(target or (board.target if board else DEFAULT_TARGET))
    if kernels is not None and kernels != chosen.library.name:
        if target and "+" in target:
            raise McuplanError(f"--kernels {kernels} contradicts --target {target}: state one of them")
        chosen = Target.parse(f"{chosen.core.name}+{kernels}")
    # A target that is stated means the TFLM it names; the board's own means the one its toolchain ships.
    return replace(chosen, older=board.tflm_note or "") if board and board.older_tflm and not target else chosen
