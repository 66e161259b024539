"""Whole runs of ``check`` and ``compare``: every model that the arguments name, and the report of them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mcuplan.api.checking import DEFAULT_BASELINE, Checker, Kept, on_boards
from mcuplan.api.criteria import Asking, CheckOptions, Criteria, board_dirs
from mcuplan.api.models import expand
from mcuplan.budget.baseline import record
from mcuplan.errors import McuplanError
from mcuplan.reports.documents import build as building
from mcuplan.reports.documents.report import Report, Result

if TYPE_CHECKING:
    from mcuplan.boards import Board


def check_models(
    arguments: Sequence[str],
    options: CheckOptions,
    *,
    write_baseline: bool = False,
    why: bool = False,
    keep: Kept | None = None,
) -> Report:
    """Check the models that ``arguments`` name; with ``why`` work out what would change each verdict.

    ``keep`` collects the situation of each model on each board, for those who draw them.

    With ``write_baseline`` the baseline is written first, from what is over its limits now, and then counts. Entries
    of models that are not checked now stay in it.

    Raises
    ------
    McuplanError
        Where the options are wrong, or the baseline cannot be read or written.
    """
    if write_baseline:
        recorder = Checker(options, recording=True)
        recorder.report(arguments)
        for path, found in recorder.overshoots.items():
            record(path, found)
        # No configuration may name the file just written.
        if Path(DEFAULT_BASELINE) in recorder.overshoots:
            options = replace(options, baseline=Path(DEFAULT_BASELINE))
    checker = Checker(options, analyses={} if why and keep is None else keep)
    report = checker.report(arguments)
    if not why:
        return report
    from mcuplan.api.reasons import with_reasons

    return with_reasons(report, checker)


def compared_boards(arguments: Sequence[str], options: CheckOptions) -> tuple[Board, ...]:
    """The boards that the options name, else the catalogue with the folders that options and configurations name."""
    from mcuplan.boards import all_boards

    asking = Asking(options)
    if options.boards:
        return tuple(board for board in asking.stated().boards if board is not None)
    configs = (asking.config_for(model) for model, error in expand(arguments).items() if error is None)
    folders = dict.fromkeys(
        [*options.board_dirs, *(each for config in configs if config for each in board_dirs(config))]
    )
    return all_boards(tuple(folders))


def compare_models(arguments: Sequence[str], boards: Sequence[Board], options: CheckOptions) -> Report:
    """Every model that ``arguments`` name on every board; the exit code is 0 where each passes on some board.

    Of the configuration counts what is of the model and its use. What is of the board it is meant for does not:
    ``boards``, ``target``, ``kernels``, and limits on RAM, arena and flash.

    Raises
    ------
    McuplanError
        Where the options are wrong.
    """
    asking = Asking(options)
    stated = asking.stated()
    results: list[Result] = []
    homeless = False
    for model, error in expand(arguments).items():
        found = list(_on_all(model, boards, asking, stated)) if error is None else [
            building.failed(model, None, str(error))
        ]  # fmt: skip
        homeless |= all(result.verdict != "pass" for result in found)
        results.extend(found)
    report = building.report(results)
    return report if report.exit_code == 2 else replace(report, exit_code=int(homeless))


def _on_all(model: str, boards: Sequence[Board], asking: Asking, stated: Criteria) -> Iterator[Result]:
    """The results of one model, one a board."""
    try:
        found = asking.criteria(model)
    except McuplanError as error:
        yield building.failed(model, None, str(error))
        return
    amounts = {name: getattr(stated.asked, name) for name in ("ram", "arena_size", "flash")}
    asked = replace(found.asked, **amounts)
    kept = replace(found, boards=tuple(boards), asked=asked, kernels=stated.kernels, target=stated.target,
                   lean=stated.lean)  # fmt: skip
    yield from on_boards(model, kept)
