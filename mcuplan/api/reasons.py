"""``check --why``: the results of a run, each with what would change its verdict."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from mcuplan.api.checking import Checker, sentence
from mcuplan.api.targets import choose_target
from mcuplan.findings.why import Case, why
from mcuplan.reports.documents.report import Report, Result

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.tflm import Target


def with_reasons(report: Report, checker: Checker) -> Report:
    """``report`` with the changes worked out for each result, from the analyses that ``checker`` kept."""
    from mcuplan.boards import all_boards

    boards = all_boards(checker.options.board_dirs)
    return replace(report, results=tuple(_with_reasons(result, checker, boards) for result in report.results))


def _with_reasons(result: Result, checker: Checker, boards: tuple[Board, ...]) -> Result:
    found = (checker.analyses or {}).get((result.model, result.board))
    if found is None or result.arena is None:
        return replace(result, why=())
    options = (*_board_options(checker, found.board), *_target_options(found.board, found.analysis.target))
    try:
        return replace(result, why=why(Case(found, " ".join(options), boards)))
    except Exception as error:
        # What cannot be worked out for one model hides neither its verdict nor the other models.
        return replace(result, why=(), notes=(*result.notes, f"--why: {sentence(result.model, error)}"))


def _board_options(checker: Checker, board: Board | None) -> tuple[str, ...]:
    if board is None:
        return ()
    ref, folders = checker.asking.named(board)
    named = () if ref.lower().endswith(".toml") else tuple(f"--board-dir {quote(str(folder))}" for folder in folders)
    return (f"--board {quote(ref)}", *named)


def _target_options(board: Board | None, target: Target) -> tuple[str, ...]:
    if choose_target(board, None, None) == target:
        return ()
    return (f"--target {target}",)
