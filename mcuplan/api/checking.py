"""Checking models: configuration and options brought together, each model analysed once and judged on each board."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from mcuplan import budget
from mcuplan.api.criteria import Asking, CheckOptions, Criteria, configured_reserve, limits_of
from mcuplan.api.models import ZOO, Given, expand, load_file, load_model
from mcuplan.api.targets import choose_target
from mcuplan.budget import Limits, Need
from mcuplan.budget.baseline import Allowance, Baseline, Key, allowance, model_key, read_baseline
from mcuplan.budget.config import Config
from mcuplan.budget.placing import ArenaBytes, arenas_placed, placed
from mcuplan.errors import McuplanError
from mcuplan.findings.situation import Situation
from mcuplan.reports.documents import build as building
from mcuplan.reports.documents.performance import with_performance
from mcuplan.reports.documents.report import Report, Result, SharedResult
from mcuplan.tflm import Target

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.budget.settings import SharedBoard
    from mcuplan.tflite import ModelFile


Kept: TypeAlias = "dict[tuple[str, str | None], Situation]"
"""Situations by model and board id."""

DEFAULT_BASELINE = "mcuplan-baseline.json"
"""Where --write-baseline writes when neither an option nor the configuration names a file."""


class Adjust(Protocol):
    """Limits for one model on one board, changed before they count."""

    def __call__(self, model: str, board: Board | None, target: str, need: Need, limits: Limits) -> Limits:
        """The limits that count."""


@dataclass
class Checker:
    """One run over many models.

    With ``recording`` baselines are not applied: ``overshoots`` collects, for each baseline file, what it has to
    allow of each model (None: nothing).
    """

    options: CheckOptions
    recording: bool = False
    overshoots: dict[Path, dict[Key, Allowance | None]] = field(default_factory=dict)
    analyses: Kept | None = None
    """Set to a dictionary, it collects the situation of each model on each board, for those who draw them."""
    asking: Asking = field(init=False)
    _baselines: dict[Path, Baseline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.asking = Asking(self.options)

    def report(self, arguments: Iterable[str]) -> Report:
        """Check every model that ``arguments`` name; what cannot be read is a result of its own and hides no other.

        Raises
        ------
        McuplanError
            Where the options themselves are wrong: an unknown board, a bad reserve, two targets.
        """
        # Wrong options are refused before any model is read.
        self.asking.stated()
        if self.asking.explicit_config is None and self.options.baseline is not None and not self.recording:
            self._baseline(self.options.baseline)
        models = expand(arguments)
        results: list[Result] = []
        for model, error in models.items():
            results.extend(self.check(model) if error is None else [building.failed(model, None, str(error))])
        return building.report(results, self._shared([model for model, error in models.items() if error is None]))

    def report_of(self, given: Given, why: bool = True) -> Report:
        """The report of one model that was read already; with :attr:`analyses` and ``why`` also what would change its
        verdict.

        Raises
        ------
        McuplanError
            Where the options themselves are wrong.
        """
        self.asking.stated()
        report = building.report(self.check(given.name, given.file))
        if self.analyses is None or not why:
            return report
        from mcuplan.api.reasons import with_reasons

        return with_reasons(report, self)

    def check(self, model: str, given: ModelFile | None = None) -> Iterator[Result]:
        """The results of one model, one a board; ``given`` is the model where it was read already."""
        try:
            plan = self.asking.criteria(model)
        except McuplanError as error:
            yield building.failed(model, None, str(error))
            return
        yield from on_boards(model, plan, self._with_baseline, self.analyses, given)

    def _with_baseline(self, model: str, board: Board | None, target: str, need: Need, limits: Limits) -> Limits:
        """``limits``, raised to what the model's baseline allows."""
        path = self._baseline_path(model)
        if path is None:
            return limits
        key = Key(model_key(model, path), board.id if board else None, target)
        if not self.recording:
            return self._baseline(path).apply(key, limits)
        self.overshoots.setdefault(path, {})[key] = allowance(budget.judge(need, limits))
        return limits

    def _baseline_path(self, model: str) -> Path | None:
        if self.options.baseline is not None:
            return self.options.baseline
        config = self.asking.config_for(model)
        if config is not None and config.settings.baseline is not None:
            return config.at(config.settings.baseline)
        return Path(DEFAULT_BASELINE) if self.recording else None

    def _baseline(self, path: Path) -> Baseline:
        if path not in self._baselines:
            self._baselines[path] = read_baseline(path)
        return self._baselines[path]

    # -- several models on one board -------------------------------------------------------------------------------

    def _shared(self, models: Sequence[str]) -> Iterator[SharedResult]:
        """The groups of models that share a board and that one of ``models`` is part of."""
        seen: dict[tuple[Path, str], tuple[Config, SharedBoard]] = {}
        for model in models:
            try:
                config = self.asking.config_for(model)
            except McuplanError:
                continue  # said where the model itself was checked
            for group in config.settings.shared if config else ():
                if config and model in _as_given(config, group, model):
                    seen.setdefault((config.path, group.name), (config, group))
        for config, group in seen.values():
            yield self._group(config, group)

    def _group(self, config: Config, group: SharedBoard) -> SharedResult:
        members = [member if member.startswith(ZOO) else str(config.at(member)) for member in group.models]
        try:
            board = self.asking.configured_board(config, group.board)
            o = self.options
            stated = config.settings.lean if group.lean is None else group.lean
            lean = o.lean or (o.target is None and bool(stated))
            project = None if group.kernels else self.asking.project(config, [group.board])
            target = choose_target(board, o.kernels or group.kernels, o.target, lean, project)
            build = self.options.build or config.settings.build or budget.DEFAULT_BUILD
            custom = self.options.custom_operators or tuple(config.settings.custom_operators or ())
            custom = (*custom, *board.soc.custom_operators)
            analyses = [budget.analyse(load_model(member), target, build, custom) for member in members]
            stack = next((s for s in (self.options.stack, group.stack, config.settings.stack) if s is not None), None)
            need = budget.together(analyses, group.arenas, budget.DEFAULT_STACK_BYTES if stack is None else stack)
            sources = {name: f"{config.path.name}: {name} of {group.name}" for name in ("ram", "flash")}
            reserve = (
                self.asking.reserve or configured_reserve(config, group) or configured_reserve(config, config.settings)
            )
            limits = limits_of(board, budget.Asked(group.ram, group.flash, None, sources), reserve)
            places = [o.arena_in or group.arena_in or config.settings.arena_in,
                      o.persistent_in or group.persistent_in or config.settings.persistent_in]  # fmt: skip
            arenas = ArenaBytes(need.ram.arena_bytes, partial(budget.sections_together, analyses, group.arenas))
            need, limits = arenas_placed(arenas, need, limits, board, *places)
        except McuplanError as error:
            return building.shared_failed(group.name, group.models, group.board, group.arenas, str(error))
        refusals = tuple(refusal for analysis in analyses for refusal in analysis.refusals)
        faults = tuple(fault for analysis in analyses for fault in analysis.plan_faults)
        return building.shared(
            group.name, group.models, board, group.arenas, str(target), need, limits,
            budget.judge(need, limits, refusals, faults=faults), _group_notes(members, analyses),
        )  # fmt: skip


def _group_notes(members: Sequence[str], analyses: Sequence[budget.Analysis]) -> Iterator[str]:
    """Why a group fails whatever its size; each model's own result says more."""
    for member, analysis in zip(members, analyses, strict=True):
        if analysis.plan_faults:
            yield f"the memory plan of {member} is wrong on this target: {analysis.plan_faults[0]}"


def on_boards(
    model: str,
    plan: Criteria,
    adjust: Adjust | None = None,
    keep: Kept | None = None,
    given: ModelFile | None = None,
) -> Iterator[Result]:
    """The results of one model on the boards of a plan: read once, analysed once a target, judged on each board.

    ``adjust`` may change the limits of a board before they count; ``keep`` collects the situations by model and board;
    ``given`` is the model where it was read already.
    """
    try:
        given = given or load_file(model)
    except Exception as error:
        yield building.failed(model, None, sentence(model, error))
        return
    analyses: dict[tuple[Target, tuple[str, ...]], budget.Analysis] = {}
    for board in plan.boards:
        try:
            target = plan.target_on(board)
            limits = limits_of(board, plan.asked, plan.reserve)
            custom = (*plan.custom_operators, *(board.soc.custom_operators if board else ()))
            if (target, custom) not in analyses:
                analyses[target, custom] = budget.analyse(given.graph, target, plan.build, custom)
            analysis = analyses[target, custom]
            need, limits = placed(analysis, analysis.need(plan.stack), limits, board, plan.arena_in, plan.persistent_in)
            if adjust is not None:
                limits = adjust(model, board, str(target), need, limits)
            found = budget.estimate_performance(analysis, board, plan.performance)
            judgement = budget.judge(need, limits, analysis.refusals, found, analysis.plan_faults)
            situation = Situation(model, analysis, need, limits, judgement, board, given.sha256, plan.stages)
            if keep is not None:
                keep[model, board.id if board else None] = situation
            yield with_performance(building.result_of(situation), found, plan.performance.period)
        except Exception as error:
            yield building.failed(model, board.id if board else None, sentence(model, error))


def sentence(model: str, error: Exception) -> str:
    """What to say of an error; of one that is a bug of mcuplan, which must not hide the other models, that too."""
    if isinstance(error, McuplanError):
        return str(error)
    if os.environ.get("MCUPLAN_DEBUG"):
        raise error
    return f"{model}: {type(error).__name__}: {error} (a bug in mcuplan, please report it; MCUPLAN_DEBUG=1 shows where)"


def _as_given(config: Config, group: SharedBoard, model: str) -> set[str]:
    """``model`` where it is a member of ``group``, however the path is written."""
    if model.startswith(ZOO):
        return set(group.models)
    here = Path(model).resolve()
    return {model for member in group.models if not member.startswith(ZOO) and config.at(member).resolve() == here}
