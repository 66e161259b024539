"""The HTML report of one model, for callers that have it in hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from mcuplan.api.checking import Checker
from mcuplan.api.models import ModelLike, given
from mcuplan.api.stated import check_options
from mcuplan.api.targets import BoardLike


def html_report(
    model: ModelLike,
    *,
    board: BoardLike | Sequence[BoardLike] | None = None,
    planned: bool = True,
    patch: bool | None = None,
    max_overhead: float | None = None,
    max_macs: float | None = None,
    least: bool | None = None,
    config: str | os.PathLike[str] | None = None,
    name: str | None = None,
) -> str:
    """The page that ``mcuplan report`` writes, for one model.

    ``planned`` also seeks a memory plan, ``patch`` patch stages (None: where a limit on them is stated), which may cost
    ``max_overhead`` (a factor of instructions) and ``max_macs`` (a factor of MACs); with ``least`` the least arena
    counts, not the knee. Neither needs numpy. The other parameters are those of :func:`mcuplan.check`.

    Raises
    ------
    McuplanError
        For a model that cannot be read, an unknown board, amounts that are none.
    """
    from mcuplan.reports.html.render import render_report
    from mcuplan.reports.html.subject import subjects

    it = given(model, name)
    options = check_options(board=board, config=config)
    options = replace(options, max_overhead=max_overhead, max_macs=max_macs, least=least)
    if patch is None:
        patch = any(stated is not None for stated in (max_overhead, max_macs, least))
    checker = Checker(options, analyses={})
    report = checker.report_of(it, why=False)
    found = subjects(report, checker.analyses or {}, planned, patch)
    return render_report(report, found, date.today().isoformat())
