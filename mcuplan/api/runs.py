"""Whole runs of ``check`` and ``compare``: every model that the arguments name, and the report of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mcuplan.api.checking import DEFAULT_BASELINE, Checker, CheckOptions, on_boards
from mcuplan.api.models import expand
from mcuplan.budget.baseline import record
from mcuplan.reports.documents import build as building
from mcuplan.reports.documents.report import Report, Result

if TYPE_CHECKING:
    from mcuplan.boards import Board


def check_models(
    arguments: Sequence[str], options: CheckOptions, *, write_baseline: bool = False, why: bool = False
) -> Report:
    """Check the models that ``arguments`` name; with ``why`` work out what would change each verdict.

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
    checker = Checker(options, analyses={} if why else None)
    report = checker.report(arguments)
    if not why:
        return report
    from mcuplan.api.reasons import with_reasons

    return with_reasons(report, checker)


def compare_models(arguments: Sequence[str], boards: Sequence[Board], options: CheckOptions) -> Report:
    """Every model that ``arguments`` name on every board; the exit code is 0 where each passes on some board.

    Of ``options`` the limits, target, build and stack count; configuration does not.

    Raises
    ------
    McuplanError
        Where the options are wrong.
    """
    plan = replace(Checker(options).options_plan(), boards=tuple(boards))
    results: list[Result] = []
    homeless = False
    for model, error in expand(arguments).items():
        found = list(on_boards(model, plan)) if error is None else [building.failed(model, None, str(error))]
        homeless |= all(result.verdict != "pass" for result in found)
        results.extend(found)
    report = building.report(results)
    return report if report.exit_code == 2 else replace(report, exit_code=int(homeless))
