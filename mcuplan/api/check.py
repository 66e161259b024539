"""The verb ``check``: does this model run on that board?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mcuplan.api.amounts import Count, Quantity, Size
from mcuplan.api.checking import Checker
from mcuplan.api.models import ModelLike, given
from mcuplan.api.results import Shown, Summary
from mcuplan.api.stated import check_options
from mcuplan.api.targets import BoardLike
from mcuplan.errors import McuplanError
from mcuplan.text import show_bytes, show_count

if TYPE_CHECKING:
    from mcuplan.reports.documents.report import Report, Result, VerdictName

_ORDER: tuple[VerdictName, ...] = ("pass", "fail", "unsupported", "error")


@dataclass(frozen=True, repr=False)
class CheckResult(Shown):
    """What was found for one model on each board: the report that ``mcuplan check --format json`` writes."""

    report: Report

    @property
    def results(self) -> tuple[Result, ...]:
        """One a board, in the order asked for."""
        return self.report.results

    @property
    def result(self) -> Result:
        """The only one; ValueError where several boards were asked for."""
        (only,) = self.report.results
        return only

    @property
    def verdict(self) -> VerdictName:
        """The worst of all boards: ``pass``, ``fail`` or ``unsupported``."""
        return max((result.verdict for result in self.results), key=_ORDER.index)

    @property
    def ok(self) -> bool:
        """True where the model passes on every board."""
        return self.verdict == "pass"

    def __bool__(self) -> bool:
        return self.ok

    def to_json(self) -> str:
        """The report as ``mcuplan check --format json`` writes it."""
        from mcuplan.reports.documents.json import to_json

        return to_json(self.report)

    def summary(self) -> Summary:
        """A row a board, and what is wrong."""
        from mcuplan.reports.problems import result_problems

        rows = tuple(
            (result.verdict, result.board_name or "no board", *_figures(result), result.target or "")
            for result in self.results
        )
        wrong = tuple(
            f"{problem.board}: {problem.message}" for result in self.results for problem in result_problems(result)
        )
        heading = f"{self.results[0].model}: {self.verdict}"
        return Summary(heading, ("verdict", "board", "RAM", "flash", "MACs", "target"), rows, wrong)


def _figures(result: Result) -> tuple[str, str, str]:
    limits = {rule.resource: rule for rule in result.limits.rules}
    totals = {
        "ram": result.ram.total_bytes if result.ram else None,
        "flash": result.flash.total_bytes if result.flash else None,
        "macs": result.macs,
    }
    told = []
    for resource, total in totals.items():
        show = show_count if resource == "macs" else show_bytes
        rule = next((rule for name, rule in limits.items() if name == resource), None)
        if rule is not None:
            told.append(f"{show(rule.figure)} of {show(rule.limit)}")
        else:
            told.append("" if total is None else show(total))
    return told[0], told[1], told[2]


def check(
    model: ModelLike,
    *,
    board: BoardLike | Sequence[BoardLike] | None = None,
    ram: Size | None = None,
    arena_size: Size | None = None,
    flash: Size | None = None,
    macs: Count | None = None,
    latency: Quantity | None = None,
    energy: Quantity | None = None,
    power: Quantity | None = None,
    period: Quantity | None = None,
    reserve: Size | None = None,
    reserve_only: Size | None = None,
    stack: Size | None = None,
    arena_in: str | None = None,
    persistent_in: str | None = None,
    target: str | None = None,
    lean: bool = False,
    kernels: str | None = None,
    build: Literal["O2-logs", "O2", "Os"] | None = None,
    custom_operators: Sequence[str] = (),
    why: bool = False,
    config: str | os.PathLike[str] | None = None,
    name: str | None = None,
    board_dirs: Sequence[str | os.PathLike[str]] = (),
) -> CheckResult:
    """Will this model run on that board?

    Without a board the tinyML rule of thumb counts: arena and model each under 250,000 bytes, under 60 million
    multiply-accumulates; a limit that is stated replaces all of it.

    Parameters
    ----------
    model
        A path, ``zoo:NAME``, the bytes of a `.tflite` file (a converter's bytearray, too), or a Graph.
    board
        A board or several: names, paths of board files, or Boards.
    ram, arena_size, flash, macs
        Limits: bytes and operations, or text such as ``"64kB"`` (1,000 bytes each), ``"64KiB"`` (1,024), ``"60M"``.
        ``ram`` is for all that inference takes, ``arena_size`` for the arena that the firmware declares, alone.
    latency, energy, power, period
        Limits on one inference in seconds, joules and watts, or text such as ``"200ms"``, ``"5mJ"``, ``"1mW"``; and how
        often the model runs, for the power.
    reserve
        Memory that other code takes on top of the board's usual firmware: bytes of RAM, ``"40kB"``,
        ``"ram=40kB,flash=200kB"``. Or the path of a firmware's linker map, ELF file or `size` output: that is all of
        the firmware, and replaces the usual one.
    reserve_only
        The same in place of what the usual firmware takes.
    stack
        Stack counted for the calling thread, 4,096 bytes by default.
    arena_in, persistent_in
        Which of the board's RAMs the arena lies in (``"psram"``), and the persistent section in one of its own.
    target, kernels
        The core and kernel library (``"cortex-m4+cmsis-nn"``), or the library alone, in place of the board's.
    lean
        For firmware with the lean registrations of :func:`mcuplan.export`.
    build
        How TFLM is compiled: with log strings (default), without, or all for size.
    custom_operators
        Custom operators for which the firmware has kernels.
    why
        Also work out what would change the verdict; takes seconds.
    config
        ``"auto"``: what is not stated comes from the nearest ``mcuplan.toml`` or ``pyproject.toml``, as on the command
        line; a path: from that file. By default no configuration counts.
    name
        What to call a model that has no path.

    Raises
    ------
    McuplanError
        For a model that cannot be read, an unknown board or target, amounts that are none.

    Examples
    --------
    >>> import mcuplan
    >>> found = mcuplan.check("zoo:person-detection", board="sparkfun-edge")
    >>> found.verdict, found.result.arena.declare_bytes
    ('pass', 82320)
    >>> mcuplan.check("zoo:person-detection", ram="64kB").result.violations[0].over
    22920
    """
    it = given(model, name)
    options = check_options(
        board=board, board_dirs=board_dirs, ram=ram, arena_size=arena_size, flash=flash, macs=macs, latency=latency,
        energy=energy, power=power, period=period, reserve=reserve, reserve_only=reserve_only, stack=stack,
        arena_in=arena_in, persistent_in=persistent_in, target=target, lean=lean, kernels=kernels, build=build,
        custom_operators=custom_operators, config=config,
    )  # fmt: skip
    report = Checker(options, analyses={} if why else None).report_of(it)
    error = next((result.error for result in report.results if result.error is not None), None)
    if error is not None:
        raise McuplanError(error)
    return CheckResult(report)
