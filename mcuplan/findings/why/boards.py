"""Another board: the cheapest on which the model passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mcuplan import budget
from mcuplan.budget import Resource
from mcuplan.budget.limits import RULE_OF_THUMB, Limit
from mcuplan.findings.why.case import Case, Way
from mcuplan.findings.why.worth import verdict_after
from mcuplan.tflm import Target

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.budget import Analysis


def board_ways(case: Case) -> Iterator[Way]:
    """The cheapest board on which the model passes; without a price, the smallest. Limits of the user stay."""
    if any(not _follows_board(case, getattr(case.limits, resource.value)) for resource in case.broken):
        return
    analyses: dict[tuple[Target, tuple[str, ...]], Analysis] = {}
    passing: list[tuple[Board, Way]] = []
    for board in case.boards:
        if case.board is not None and board.id == case.board.id:
            continue
        way = _on_board(case, board, analyses)
        if way is not None and verdict_after(case, way) == "pass":
            passing.append((board, way))
    if passing:
        yield min(passing, key=lambda found: _price(case, found[0]))[1]


def _follows_board(case: Case, limit: Limit) -> bool:
    """Whether the limit goes away with the board, or with the rule of thumb that counts where there is none."""
    if case.board is None:
        return limit in tuple(RULE_OF_THUMB) and limit.resource is not Resource.MACS
    totals = {Resource.RAM: case.board.arena_ram_bytes, Resource.FLASH: case.board.flash_bytes}
    return limit.resource in totals and limit.source.startswith(f"{totals[limit.resource]:,} on the board")


def _price(case: Case, board: Board) -> tuple[int, int, float, int, str]:
    """Boards with a price first, those of the same currency before others: no exchange rate is assumed."""
    own = case.board.price.currency if case.board is not None and case.board.price else "USD"
    size = board.arena_ram_bytes + board.flash_bytes
    if board.price is None:
        return 1, 0, 0.0, size, board.id
    return 0, int(board.price.currency != own), board.price.amount, size, board.id


def _on_board(case: Case, board: Board, analyses: dict[tuple[Target, tuple[str, ...]], Analysis]) -> Way | None:
    target = Target.parse(board.target)
    custom = (*case.custom_operators, *board.soc.custom_operators)
    if (target, custom) not in analyses:
        build = case.analysis.code.build
        analyses[target, custom] = budget.analyse(case.analysis.graph, target, build, custom)
    after = analyses[target, custom]
    limits = budget.limits_on_board(board, budget.Asked())
    options = [f"--board {board.id}", case.build_option]
    if case.limits.macs is not None and case.limits.macs != RULE_OF_THUMB.macs:
        limits = replace(limits, macs=case.limits.macs)
        options.append(f"--macs {case.limits.macs.amount}")
    if case.stack != budget.DEFAULT_STACK_BYTES:
        options.append(f"--stack {case.stack}")
    price = board.price
    cost = f"other hardware, {price.amount:g} {price.currency} in {price.year}" if price else "other hardware"
    if board.reserved is not None:
        cost += "; counted beside its usual firmware"
    text = f"another board: {board.name}"
    command = case.command("check", *options, target=False)
    return Way("board", text, cost, command, after.need(case.stack), after.refusals, limits)
