"""What is left on a board around a model, in sentences: what other code takes, and what is left for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mcuplan import budget
from mcuplan.text import show_bytes

if TYPE_CHECKING:
    from mcuplan.boards import Board


def room_left(board: Board, need: budget.Need, limits: budget.Limits) -> Iterator[str]:
    """What was recognised in the firmware whose share was subtracted, or what is left where no share is known."""
    reserved = limits.reserved or budget.Reserve()
    yield from reserved.notes
    stated = board.reserved
    left = []
    if limits.ram and not reserved.ram and not (stated and stated.ram_bytes):
        left.append(("RAM", limits.ram.amount - need.ram.total_bytes))
    if limits.flash and not reserved.flash and not (stated and stated.flash_bytes):
        left.append(("flash", limits.flash.amount - need.flash.total_bytes))
    known = [f"{show_bytes(size)} of {what}" for what, size in left if size > 0]
    if known:
        yield f"leaves {' and '.join(known)} for your code: what other code takes is not known"
