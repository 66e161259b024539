"""One item of a sweep: a model, how it is taken, and its rows on every board and target."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mcuplan import budget, files
from mcuplan.api.checking import sentence
from mcuplan.api.criteria import Asking, CheckOptions, Deployment
from mcuplan.api.models import ZOO, Given, given, load_file
from mcuplan.api.plan import PlanOptions
from mcuplan.budget.placing import placed
from mcuplan.errors import McuplanError
from mcuplan.reports.documents.sweep import SweepRow, Way
from mcuplan.tflm import Target
from mcuplan.version import __version__

if TYPE_CHECKING:
    from mcuplan.budget import Analysis

_LONGEST_REASON = 500
"""Characters of a reason: rows are for tables, `mcuplan check` tells the whole."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What all items of a sweep have in common. Small, and picklable: it goes to every worker."""

    options: CheckOptions
    """Boards, limits, kernels; its target is left out."""
    targets: tuple[str, ...] = ()
    """Targets to take in place of a board's; those that are not for a board's core are left out there."""
    ways: tuple[Way, ...] = ("as-is",)
    planning: PlanOptions = field(default_factory=lambda: PlanOptions(effort="fast"))

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that differ where rows could."""
        return hashlib.sha256(repr((__version__, self)).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Item:
    """A model to look at: its name, its bytes where they do not lie at that name, and how it is taken."""

    model: str
    way: Way
    data: bytes | None = None

    @property
    def name(self) -> str:
        """The model's name as rows have it: text, whatever the bytes of its path are."""
        return _text(self.model)

    @property
    def key(self) -> tuple[str, str]:
        """What its rows are told by."""
        return self.name, self.way


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class Case:
    """A model's place: a board (or none), the target on it, and the limits there."""

    place: Deployment
    limits: budget.Limits

    @property
    def board_id(self) -> str | None:
        """What rows call the board."""
        return self.place.board.id if self.place.board is not None else None


@dataclass(frozen=True, slots=True)
class Prepared:
    """Settings with their boards read: what a worker works out once."""

    cases: tuple[Case, ...]
    planning: PlanOptions
    digest: str


_SETTINGS = 4
_known: OrderedDict[str, Prepared] = OrderedDict()


def prepared(settings: Settings) -> Prepared:
    """Boards, targets and limits of a sweep; kept for the last few, for a worker is asked once an item.

    Raises
    ------
    McuplanError
        For unknown boards and targets, and targets that are for none of the boards.
    """
    digest = settings.digest
    if digest not in _known:
        _known[digest] = _prepare(settings, digest)
        while len(_known) > _SETTINGS:
            _known.popitem(last=False)
    return _known[digest]


def _prepare(settings: Settings, digest: str) -> Prepared:
    stated = Asking(settings.options).stated()
    cases, fits = [], set[str]()
    for board in stated.boards:
        for named in settings.targets or (None,):
            criteria = replace(stated, target=named)
            try:
                place = Deployment(board, criteria.target_on(board), criteria)
            except McuplanError:
                if len(settings.targets) < 2:
                    raise
                Target.parse(named or "")  # an unknown target is said, one for other cores is left out
                continue
            fits.add(named or "")
            cases.append(Case(place, place.limits()))
    if missing := [name for name in settings.targets if name not in fits]:
        raise McuplanError(f"--target {missing[0]} is for none of the boards")
    return Prepared(tuple(cases), settings.planning, digest)


def rows_of(item: Item, settings: Settings) -> tuple[SweepRow, ...]:
    """The rows of one item, one a board and target, in their order; whatever happens is told in them."""
    setup = prepared(settings)
    try:
        model = given(item.model if item.data is None else item.data, item.model)
    except Exception as error:
        return tuple(
            replace(row, sha256=digest(item)) for row in failed(item, setup, sentence(item.model, error))
        )  # fmt: skip
    sha256 = digest(item) if model.file.array else model.file.sha256
    models: dict[Target, Given | str] = {}
    analyses: dict[tuple[Target, tuple[str, ...]], Analysis] = {}
    return tuple(
        replace(_row(item, setup, case, model, models, analyses), sha256=sha256, settings=setup.digest)
        for case in setup.cases
    )


def digest(item: Item) -> str:
    """SHA-256 of the file that a model lies in, in hexadecimal; empty where that cannot be read."""
    if item.data is not None:
        return hashlib.sha256(item.data).hexdigest()
    try:
        if item.model.startswith(ZOO):
            return load_file(item.model).sha256
        return hashlib.sha256(files.read(item.model, files.MODEL_LIMIT)).hexdigest()
    except McuplanError:
        return ""


def failed(item: Item, setup: Prepared, said: str) -> tuple[SweepRow, ...]:
    """The rows of an item of which nothing can be told but why."""
    return tuple(replace(_error(item, case, said), settings=setup.digest) for case in setup.cases)


def _error(item: Item, case: Case, said: str) -> SweepRow:
    return SweepRow(
        model=item.name, board=case.board_id, target=str(case.place.target), plan=item.way, verdict="error",
        reason=_text(said[:_LONGEST_REASON]),
    )  # fmt: skip


def _row(
    item: Item,
    setup: Prepared,
    case: Case,
    model: Given,
    models: dict[Target, Given | str],
    analyses: dict[tuple[Target, tuple[str, ...]], Analysis],
) -> SweepRow:
    try:
        if case.place.target not in models:
            models[case.place.target] = _taken(item, setup, case.place.target, model)
        taken = models[case.place.target]
        if isinstance(taken, str):
            return _error(item, case, taken)
        key = case.place.target, case.place.custom_operators
        if key not in analyses:
            analyses[key] = case.place.analyse(taken.graph)
        return _judged(item, case, analyses[key])
    except Exception as error:
        return _error(item, case, sentence(item.model, error))


def _taken(item: Item, setup: Prepared, target: Target, model: Given) -> Given | str:
    """The model as the item takes it on a target; a sentence where it cannot be planned."""
    if item.way == "as-is":
        return model
    from mcuplan.api.plan import plan

    options = replace(setup.planning, patch=item.way == "patch")
    try:
        return given(plan(model.graph, target=str(target), options=options, force=True, name=item.model).model)
    except McuplanError as error:
        return str(error)


def _judged(item: Item, case: Case, analysis: Analysis) -> SweepRow:
    criteria = case.place.criteria
    need, limits = placed(
        analysis, analysis.need(case.place.stack), case.limits, case.place.board, criteria.arena_in,
        criteria.persistent_in,
    )  # fmt: skip
    found = budget.estimate_performance(analysis, case.place.board, criteria.performance)
    judged = budget.judge(need, limits, analysis.refusals, found, analysis.plan_faults)
    latency, energy = found.estimate(budget.Quantity.LATENCY), found.estimate(budget.Quantity.ENERGY)
    return SweepRow(
        model=item.name,
        board=case.board_id,
        target=str(case.place.target),
        plan=item.way,
        verdict=judged.verdict.value,
        arena_bytes=need.ram.arena_bytes,
        ram_bytes=need.ram.total_bytes,
        ram_limit=limits.ram.amount if limits.ram else None,
        model_bytes=need.flash.model_bytes,
        flash_bytes=need.flash.total_bytes,
        flash_limit=limits.flash.amount if limits.flash else None,
        macs=need.macs,
        macs_limit=limits.macs.amount if limits.macs else None,
        latency_us=None if latency is None else round(latency.amount, 1),
        energy_uj=None if energy is None else round(energy.amount, 4),
        operators=sum(len(subgraph.operators) for subgraph in analysis.graph.subgraphs),
        exact=analysis.arena.exact,
        reason=_reason(judged),
    )


def _reason(judged: budget.Judgement) -> str:
    reasons = list(_reasons(judged))
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{_text(reasons[0][:_LONGEST_REASON])}{more}" if reasons else ""


def _reasons(judged: budget.Judgement) -> Iterator[str]:
    for refusal in judged.refusals:
        yield f"operator {refusal.operator}: {refusal.reason}" if refusal.operator >= 0 else refusal.reason
    for fault in judged.faults:
        yield f"the memory plan is wrong: {fault}"
    for broken in judged.violations:
        yield f"{broken.limit.resource.value} is {broken.over:,} over"
    for over in judged.overruns:
        yield f"{over.quantity.value} is over its limit"
