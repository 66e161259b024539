"""Boards of a comparison, narrowed and put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.reports.documents.report import Report

_KEYS: dict[str, Callable[[Board], tuple[Any, ...]]] = {
    "name": lambda board: (board.id,),
    "price": lambda board: (
        (0, board.price.currency, board.price.amount, board.id) if board.price else (1, "", 0.0, board.id)
    ),
    "ram": lambda board: (board.arena_ram_bytes, board.id),
    "flash": lambda board: (board.flash_bytes, board.id),
    "clock": lambda board: (board.soc.clock_mhz, board.id),
}
ORDERS = ("name", "price", "ram", "flash", "clock", "use")
"""What boards are put in order by: their own properties, or how full the models make them."""


def narrowed(boards: Sequence[Board], words: Sequence[str]) -> tuple[Board, ...]:
    """The boards whose id, name, maker, chip, core or toolchain has each of ``words``, in any case of letters."""
    return tuple(board for board in boards if all(word.casefold() in _said(board) for word in words))


def _said(board: Board) -> str:
    named = (board.id, board.name, board.maker, board.soc.name, board.soc.core, *board.targets)
    return "\n".join(named).casefold()


def ordered(boards: Sequence[Board], order: str) -> tuple[Board, ...]:
    """The boards from the least to the most. By price: of one currency after the other, without a price last.

    ``use`` needs the report and leaves them as they are: see :func:`arranged`.
    """
    return tuple(sorted(boards, key=_KEYS[order])) if order in _KEYS else tuple(boards)


def arranged(report: Report, order: str, passing: bool) -> Report:
    """``report`` with boards from the emptiest to the fullest for order ``use``; with ``passing`` only those on which
    some model passes. Results that are of no board stay."""
    fullness: dict[str, float] = {}
    for result in report.results:
        if result.board is not None:
            used = max((rule.figure / max(rule.limit, 1) for rule in result.limits.rules), default=float("inf"))
            fullness[result.board] = max(fullness.get(result.board, 0.0), used)
    passed = {result.board for result in report.results if result.verdict == "pass"}
    kept = [r for r in report.results if not passing or r.board is None or r.board in passed]
    if order == "use":
        kept.sort(key=lambda r: fullness.get(r.board, 0.0) if r.board is not None else 0.0)
    return replace(report, results=tuple(kept))
