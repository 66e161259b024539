"""The verb ``plan``: the least arena without touching a multiply, and the only writer of planned models.

Nothing leaves here as a planned model that is not proven: no live byte is overwritten on the target, and each output is
computed as before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from mcuplan import files
from mcuplan.api.amounts import Size
from mcuplan.api.models import ModelLike, given
from mcuplan.api.refusing import refusals, refuse_refused
from mcuplan.api.results import Shown, Summary
from mcuplan.api.stated import check_options
from mcuplan.api.targets import BoardLike
from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.api.plan_steps import Steps
    from mcuplan.boards import Board
    from mcuplan.budget.stages import StageLimits
    from mcuplan.estimates.latency import Latency
    from mcuplan.reports.documents.plan import PlanReport
    from mcuplan.tflite import ModelFile
    from mcuplan.tflm import Target
    from mcuplan.tflm.results import ArenaPrediction, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What a plan may do, and what else is asked for."""

    effort: Literal["fast", "default", "best"] = "default"
    """How long to search."""
    time_limit: float | None = None
    """CPU seconds to search at most."""
    clean_up: bool = True
    """Drop padding, identities and dead parts of the graph."""
    alias: bool = True
    """Let tensors share bytes."""
    reorder: bool = True
    """Look for another order of the operators."""
    patch: bool = False
    """Also run the first layers in strips of rows."""
    max_overhead: float | None = None
    """Most instructions with patch stages, as a factor; multiply-accumulates where the target has no cost data. None
    for what the configuration says, else 1.1."""
    least: bool | None = None
    """With patch stages: the least arena within these limits, not the knee, behind which little arena costs much."""
    max_macs: float | None = None
    """Most multiply-accumulates with patch stages, as a factor; alone, time has no limit. None for what the
    configuration says, else for as many as there may be."""
    fit: bool = False
    """Stop at the first step that keeps the limits, stated or of the board; patch stages come last."""
    ram: Size | None = None
    """RAM to fit into, with all that inference takes."""
    arena_size: Size | None = None
    """The arena to fit into, alone."""
    flash: Size | None = None
    """Flash to fit into, model and code."""
    reserve: Size | None = None
    """What other code takes on top of the board's usual firmware; as for :func:`mcuplan.check`."""
    reserve_only: Size | None = None
    """What other code takes, in place of the board's usual firmware."""
    stack: Size | None = None
    """Stack of the thread that runs inference."""
    strip: bool = False
    """Leave out of the file what TFLM never reads."""
    strip_signatures: bool = False
    """Leave out signature definitions too, which only LiteRT reads."""
    int8_io: bool = False
    """Drop QUANTIZE and DEQUANTIZE at the ends of the network."""
    advice: bool = False
    """Tell what a designer could change so that patch stages overlap less."""
    input_rows_streamed: bool = False
    """Also analyse an input that comes row by row."""
    rows: bool = False
    """With ``patch``: the firmware gives the largest input row by row, so that it is never whole in memory."""


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """Whom a search tells how far it is: the best height in bytes; patch stages tried, and the least arena so far."""

    height: Callable[[int], None] | None = None
    patches: Callable[[int, int], None] | None = None


_UNTOLD = PlanProgress()


@dataclass(frozen=True, repr=False)
class PlanResult(Shown):
    """A model with a plan in it, and how it was found."""

    name: str
    given: ModelFile
    targets: tuple[Target, ...]
    """What the plan is for: it is safe on each."""
    steps: Steps
    fit_bytes: int | None = None
    """The arena that there was room for; None where nothing had to fit."""
    short_of: str | None = None
    """What the planned model takes more of than there is; None where it fits, or nothing had to."""
    refusals: tuple[Refusal, ...] = ()
    """Why TFLM refuses the model, where it was planned all the same."""
    boards: tuple[Board, ...] = ()
    """The boards that were named."""
    command: tuple[str, ...] = ()
    """The command that plans the same without patch stages, word by word."""
    stage_limits: StageLimits | None = None
    """What patch stages might cost (None: as mcuplan takes them by itself)."""

    @property
    def before(self) -> ArenaPrediction:
        """The given model's arena, on the target where it is largest."""
        return self.steps.plan.before

    @property
    def after(self) -> ArenaPrediction:
        """The planned model's arena, on the target where it is largest."""
        return max((after for _, after in self.arenas), key=lambda arena: arena.declare_bytes)

    @cached_property
    def arenas(self) -> tuple[tuple[ArenaPrediction, ArenaPrediction], ...]:
        """The arena before and after on each target."""
        from mcuplan.tflm import predict

        planned = self.steps.plan.arenas
        if self.steps.patch is None:
            return tuple((arena.before, arena.after) for arena in planned)
        return tuple((arena.before, predict(self.steps.graph, arena.target)) for arena in planned)

    @property
    def gain_bytes(self) -> int:
        """Bytes of arena to declare that the plan saves."""
        return self.before.declare_bytes - self.after.declare_bytes

    @property
    def fits(self) -> bool | None:
        """Whether RAM (and on a board flash) suffice; None where nothing had to fit."""
        return None if self.fit_bytes is None else self.short_of is None

    @cached_property
    def model(self) -> bytes:
        """The planned model as a `.tflite` file; of a model that gains nothing, its very bytes.

        Raises
        ------
        PlanError
            Where the proof fails: a bug of the planner, which must not become a model that is wrong.
        """
        if self.steps.graph is self.given.graph:
            return self.given.data
        from mcuplan.tflite import write

        self._prove()
        return write(self.steps.graph)

    def save(self, path: str | os.PathLike[str]) -> int:
        """Write :attr:`model` to ``path``, whole or not at all; the bytes written."""
        if not files.holds(path, self.model):
            files.write_bytes(path, self.model)
        return len(self.model)

    def to_json(self) -> str:
        """The plan as ``mcuplan plan --format json`` writes it."""
        from mcuplan.reports.documents.json import to_json

        return to_json(self.document())

    def summary(self) -> Summary:
        """The arena before and after, and what each step gained."""
        told = self.document()
        rows = tuple((step.name, f"{step.after_bytes:,}", f"{step.gain_bytes:,}", step.detail) for step in told.steps)
        given_row = ("given model", f"{told.before.declare_bytes:,}", "", "")
        arena = f"arena {self.before.declare_bytes:,} -> {self.after.declare_bytes:,} bytes"
        heading = f"{self.name} on {' and '.join(map(str, self.targets))}: {arena}"
        columns = ("step", "arena to declare", "gain", "what")
        refused = ("TFLM refuses this model",) if self.refusals else ()
        return Summary(heading, columns, (given_row, *rows), refused)

    def document(self, output: str | os.PathLike[str] | None = None) -> PlanReport:
        """What ``mcuplan plan --format json`` writes; ``output`` is where the model was saved."""
        from mcuplan.reports.documents.plan import SavingShown, plan_report
        from mcuplan.reports.documents.rows import rows_shown

        steps = self.steps
        return plan_report(
            self.name, self.given.graph, steps.plan, steps.patch, fit_bytes=self.fit_bytes, short=self.short_of,
            output=None if output is None else os.fspath(output),
            output_bytes=None if output is None else len(self.model),
            savings=tuple(SavingShown(saving.name, saving.bytes) for saving in steps.savings), advice=steps.advice,
            streamed=steps.streamed, no_stages=steps.no_stages, refusals=self.refusals, arenas=self.arenas,
            rows=rows_shown(steps.graph), times=self._times(), command=self.command, limits=self.stage_limits,
        )  # fmt: skip

    def _times(self) -> tuple[Board, Latency, Latency] | None:
        """The first board of which the time is known, before and after; None where no board was measured."""
        from mcuplan.findings.planned import latency_on

        for board in self.boards:
            before, after = (latency_on(g, board, self.targets) for g in (self.given.graph, self.steps.graph))
            if before and after and before.total_us is not None and after.total_us is not None:
                return board, before, after
        return None

    def _prove(self) -> None:
        from mcuplan.planning.plan import PlanError
        from mcuplan.proof.function.same_function import same_function
        from mcuplan.proof.memory.static_check import static_check

        for target in self.targets:
            if clobbers := static_check(self.steps.graph, target):
                raise PlanError(f"{self.name}: no model is made, the plan is not safe on {target}: {clobbers[0]}")
        if differences := same_function(self.steps.start, self.steps.graph):
            raise PlanError(f"{self.name}: no model is made, it is not proven to be the same: {differences[0]}")


def plan(
    model: ModelLike,
    *,
    board: BoardLike | Sequence[BoardLike] | None = None,
    target: str | None = None,
    kernels: str | None = None,
    lean: bool = False,
    options: PlanOptions | None = None,
    build: Literal["O2-logs", "O2", "Os"] | None = None,
    custom_operators: Sequence[str] = (),
    force: bool = False,
    name: str | None = None,
    config: str | os.PathLike[str] | None = None,
    board_dirs: Sequence[str | os.PathLike[str]] = (),
    progress: PlanProgress = _UNTOLD,
) -> PlanResult:
    """Find offsets, tensors that share bytes, an order of operators (and patch stages) that need the least arena.

    A plan is for a target: the board's, or ``target`` (``"cortex-m4+cmsis-nn"``). For several boards it is safe on all.

    Parameters
    ----------
    model
        A path, ``zoo:NAME``, the bytes of a `.tflite` file, or a Graph.
    board
        The board to plan for, or several: names, paths of board files, or Boards.
    target, kernels
        The core and kernel library, or the library alone, in place of the board's.
    lean
        For firmware with lean registrations: what kernels keep for good then lies in flash, not in the arena.
    options
        What the plan may do; by default offsets, aliases, order and clean-ups.
    build, custom_operators
        How TFLM is compiled, and for which custom operators the firmware has kernels.
    force
        Plan a model that TFLM refuses all the same.
    name
        What to call a model that has no path.
    config
        Where what is not stated comes from, as for :func:`mcuplan.check`: ``"auto"``, a path, or None.

    Raises
    ------
    RefusedError
        Where TFLM refuses the model, without ``force``.
    McuplanError
        For a model that cannot be read, an unknown board or target, amounts that are none; with ``rows`` for a model
        of which no input can come row by row.

    Examples
    --------
    >>> import mcuplan
    >>> found = mcuplan.plan("zoo:visual-wake-words", board="sparkfun-edge")
    >>> found.before.declare_bytes, found.after.declare_bytes
    (100720, 82192)
    """
    from mcuplan.api.criteria import deployments
    from mcuplan.api.plan_steps import RowsError, arena_room, find_steps, plan_command, shortage

    options = options or PlanOptions()
    it = given(model, name)
    asked = check_options(
        board=board, board_dirs=board_dirs, target=target, kernels=kernels, lean=lean, build=build, config=config,
        custom_operators=custom_operators, ram=options.ram, arena_size=options.arena_size, flash=options.flash,
        reserve=options.reserve, reserve_only=options.reserve_only, stack=options.stack,
    )  # fmt: skip
    asked = replace(asked, max_overhead=options.max_overhead, max_macs=options.max_macs, least=options.least)
    places = deployments(it.name, asked)
    stages = places[0].criteria.stages
    limits = [(place, place.limits()) for place in places if options.fit]
    if any(place.board is None and not place.criteria.asked.any for place, _ in limits):
        raise McuplanError(
            "--fit needs --ram or --board (or --arena-size, --flash, or a configuration with any of them)"
        )
    # The first board of a target stands for all of it where nothing has to fit.
    first = {place.target: place for place in reversed(places)}
    analyses = {each: first[each].analyse(it.graph) for each in reversed(first)}
    for analysis in () if force else analyses.values():
        refuse_refused(it.name, analysis)
    room = min((arena_room(analyses[place.target], kept, place.stack) for place, kept in limits), default=None)
    try:
        steps = find_steps(it.file, tuple(analyses), options, stages, room, progress)
    except RowsError as error:
        raise McuplanError(f"{it.name}: {error}") from None
    short = [told for place, kept in limits if (told := shortage(steps.graph, place, kept)) is not None]
    refused = next((found for analysis in analyses.values() if (found := refusals(analysis))), ())
    named = tuple(place.board for place in places if place.board is not None)
    command = plan_command(it.name, board, target, kernels, lean, options)
    return PlanResult(
        it.name, it.file, tuple(analyses), steps, room, "; ".join(short) or None, refused, named, command, stages
    )  # fmt: skip
