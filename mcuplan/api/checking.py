"""Checking models: configuration and options brought together, each model analysed once and judged on each board."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from mcuplan import budget
from mcuplan.api.models import ZOO, Given, expand, home, load_file, load_model
from mcuplan.api.targets import BoardLike, choose_target, find_board
from mcuplan.budget import Limits, Need
from mcuplan.budget.baseline import Allowance, Baseline, Key, allowance, model_key, read_baseline
from mcuplan.budget.config import Config, ConfigError, load_config, nearest_config, rules_for
from mcuplan.budget.reserve import firmware_reserve, parse_reserve
from mcuplan.errors import McuplanError
from mcuplan.findings.situation import Situation
from mcuplan.reports.documents import build as building
from mcuplan.reports.documents.performance import with_performance
from mcuplan.reports.documents.report import Report, Result, SharedResult
from mcuplan.tflm import Target

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.budget.settings import ReserveRules, Rules, SharedBoard
    from mcuplan.tflite import ModelFile


Kept: TypeAlias = "dict[tuple[str, str | None], Situation]"
"""Situations by model and board id."""

DEFAULT_BASELINE = "mcuplan-baseline.json"
"""Where --write-baseline writes when neither an option nor the configuration names a file."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What is asked for; what is not may be the configuration's. Amounts are in bytes, MACs, us, uJ, mW and s."""

    boards: tuple[BoardLike, ...] = ()
    board_dirs: tuple[Path, ...] = ()
    ram: int | None = None
    flash: int | None = None
    macs: int | None = None
    kernels: str | None = None
    target: str | None = None
    lean: bool = False
    build: str | None = None
    custom_operators: tuple[str, ...] = ()
    stack: int | None = None
    reserve: str | None = None
    latency: float | None = None
    energy: float | None = None
    power: float | None = None
    period: float | None = None
    config: Path | Literal["auto"] | None = None
    """A configuration for every model; ``auto``: the one nearest to each; None: none."""
    baseline: Path | None = None
    prefix: str = "--"
    """What stands before an option's name where a report says whose limit it is."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What one model is checked against."""

    boards: tuple[Board | None, ...]
    asked: budget.Asked
    kernels: str | None = None
    target: str | None = None
    lean: bool = False
    build: str = budget.DEFAULT_BUILD
    custom_operators: tuple[str, ...] = ()
    stack: int = budget.DEFAULT_STACK_BYTES
    reserve: budget.Reserve | None = None
    performance: budget.AskedPerformance = field(default_factory=budget.AskedPerformance)


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
    _boards: dict[tuple[str, tuple[Path, ...]], Board] = field(default_factory=dict)
    _baselines: dict[Path, Baseline] = field(default_factory=dict)
    _configs: dict[Path, Config | None] = field(default_factory=dict)

    def report(self, arguments: Iterable[str]) -> Report:
        """Check every model that ``arguments`` name; what cannot be read is a result of its own and hides no other.

        Raises
        ------
        McuplanError
            Where the options themselves are wrong: an unknown board, a bad reserve, two targets.
        """
        # Wrong options are refused before any model is read.
        self.options_plan()
        if self._explicit_config is None and self.options.baseline is not None and not self.recording:
            self._baseline(self.options.baseline)
        models = expand(arguments)
        results: list[Result] = []
        for model, error in models.items():
            results.extend(self.check(model) if error is None else [building.failed(model, None, str(error))])
        return building.report(results, self._shared([model for model, error in models.items() if error is None]))

    def report_of(self, given: Given) -> Report:
        """The report of one model that was read already; with :attr:`analyses` also what would change its verdict.

        Raises
        ------
        McuplanError
            Where the options themselves are wrong.
        """
        self.options_plan()
        report = building.report(self.check(given.name, given.file))
        if self.analyses is None:
            return report
        from mcuplan.api.reasons import with_reasons

        return with_reasons(report, self)

    def check(self, model: str, given: ModelFile | None = None) -> Iterator[Result]:
        """The results of one model, one a board; ``given`` is the model where it was read already."""
        try:
            plan = self._plan(model)
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

    # -- options and configuration ---------------------------------------------------------------------------------

    @cached_property
    def _explicit_config(self) -> Config | None:
        config = self.options.config
        return load_config(config) if isinstance(config, Path) else None

    def config_for(self, model: str) -> Config | None:
        """The configuration that counts for a model: the one named by ``--config``, else the nearest."""
        if self._explicit_config is not None or self.options.config is None:
            return self._explicit_config
        folder = home(model)
        if folder not in self._configs:
            self._configs[folder] = nearest_config(folder)
        return self._configs[folder]

    def _baseline_path(self, model: str) -> Path | None:
        if self.options.baseline is not None:
            return self.options.baseline
        config = self.config_for(model)
        if config is not None and config.settings.baseline is not None:
            return config.at(config.settings.baseline)
        return Path(DEFAULT_BASELINE) if self.recording else None

    def _baseline(self, path: Path) -> Baseline:
        if path not in self._baselines:
            self._baselines[path] = read_baseline(path)
        return self._baselines[path]

    @cached_property
    def _option_reserve(self) -> budget.Reserve | None:
        return (
            parse_reserve(self.options.reserve, f"{self.options.prefix}reserve")
            if self.options.reserve is not None
            else None
        )

    def options_plan(self) -> Criteria:
        """What the options alone ask for."""
        o = self.options
        stated = {name: f"{o.prefix}{name}" for name in ("ram", "flash", "macs") if getattr(o, name) is not None}
        plan = Criteria(
            boards=tuple(self._board(ref, o.board_dirs) for ref in o.boards) or (None,),
            asked=budget.Asked(o.ram, o.flash, o.macs, stated),
            kernels=o.kernels,
            target=o.target,
            lean=o.lean,
            build=o.build or budget.DEFAULT_BUILD,
            custom_operators=o.custom_operators,
            stack=budget.DEFAULT_STACK_BYTES if o.stack is None else o.stack,
            reserve=self._option_reserve,
            performance=_asked_performance(o, o.prefix),
        )
        if o.boards:
            for board in plan.boards:
                choose_target(board, o.kernels, o.target, o.lean)
                _limits(board, plan.asked, plan.reserve)
        elif o.target or o.kernels or o.lean:
            choose_target(None, o.kernels, o.target, o.lean)
        return plan

    def _plan(self, model: str) -> Criteria:
        """What one model is checked against: the options first, then its configuration."""
        plan, config = self.options_plan(), self.config_for(model)
        if config is None:
            return plan
        rules, o = rules_for(config, model), self.options
        amounts = {name: getattr(rules, name) for name in ("ram", "flash", "macs")}
        sources = {name: f"{config.path.name}: {name}" for name, amount in amounts.items() if amount is not None}
        for name, source in plan.asked.sources.items():
            amounts[name], sources[name] = getattr(plan.asked, name), source
        from_rules = rules.target is not None and o.target is None and o.kernels is None
        return Criteria(
            boards=plan.boards if o.boards else self._configured_boards(config, rules.boards or ()),
            asked=budget.Asked(**amounts, sources=sources),
            kernels=o.kernels or (None if o.target or from_rules else rules.kernels),
            target=rules.target if from_rules else o.target,
            lean=o.lean or (o.target is None and bool(rules.lean)),
            build=o.build or rules.build or budget.DEFAULT_BUILD,
            custom_operators=o.custom_operators or tuple(rules.custom_operators or ()),
            stack=next((s for s in (o.stack, rules.stack) if s is not None), budget.DEFAULT_STACK_BYTES),
            reserve=plan.reserve or _configured_reserve(config, rules.reserve),
            performance=_merged(plan.performance, _asked_performance(rules, f"{config.path.name}: ")),
        )

    def _configured_boards(self, config: Config, names: Sequence[str]) -> tuple[Board | None, ...]:
        return tuple(self._configured_board(config, name) for name in names) or (None,)

    def _configured_board(self, config: Config, name: str) -> Board:
        folders = (*self.options.board_dirs, *(config.at(folder) for folder in config.settings.board_dirs))
        ref = str(config.at(name)) if name.lower().endswith(".toml") else name
        try:
            return self._board(ref, folders)
        except McuplanError as error:
            raise ConfigError(f"{config.path}: {error}") from None

    def _board(self, board: BoardLike, folders: tuple[Path, ...]) -> Board:
        from mcuplan.boards import Board

        ref = board.id if isinstance(board, Board) else os.fspath(board)
        if (ref, folders) not in self._boards:
            found = find_board(board, folders)
            assert found is not None
            self._boards[ref, folders] = found
        return self._boards[ref, folders]

    def named(self, board: Board) -> tuple[str, tuple[Path, ...]]:
        """How a board of this run was named, and the folders it was looked for in."""
        return next((ref, folders) for (ref, folders), known in self._boards.items() if known is board)

    # -- several models on one board -------------------------------------------------------------------------------

    def _shared(self, models: Sequence[str]) -> Iterator[SharedResult]:
        """The groups of models that share a board and that one of ``models`` is part of."""
        seen: dict[tuple[Path, str], tuple[Config, SharedBoard]] = {}
        for model in models:
            try:
                config = self.config_for(model)
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
            board = self._configured_board(config, group.board)
            o = self.options
            lean = o.lean or (o.target is None and group.lean)
            target = choose_target(board, o.kernels or group.kernels, o.target, lean)
            build = self.options.build or config.settings.build or budget.DEFAULT_BUILD
            custom = self.options.custom_operators or tuple(config.settings.custom_operators or ())
            custom = (*custom, *board.soc.custom_operators)
            analyses = [budget.analyse(load_model(member), target, build, custom) for member in members]
            stack = next((s for s in (self.options.stack, group.stack, config.settings.stack) if s is not None), None)
            need = budget.together(analyses, group.arenas, budget.DEFAULT_STACK_BYTES if stack is None else stack)
            sources = {name: f"{config.path.name}: {name} of {group.name}" for name in ("ram", "flash")}
            reserve = self._option_reserve or _configured_reserve(config, group.reserve or config.settings.reserve)
            limits = _limits(board, budget.Asked(group.ram, group.flash, None, sources), reserve)
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
            target = choose_target(board, plan.kernels, plan.target, plan.lean)
            limits = _limits(board, plan.asked, plan.reserve)
            custom = (*plan.custom_operators, *(board.soc.custom_operators if board else ()))
            if (target, custom) not in analyses:
                analyses[target, custom] = budget.analyse(given.graph, target, plan.build, custom)
            analysis = analyses[target, custom]
            need = analysis.need(plan.stack)
            if adjust is not None:
                limits = adjust(model, board, str(target), need, limits)
            found = budget.estimate_performance(analysis, board, plan.performance)
            judgement = budget.judge(need, limits, analysis.refusals, found, analysis.plan_faults)
            situation = Situation(model, analysis, need, limits, judgement, board, given.sha256)
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


def _limits(board: Board | None, asked: budget.Asked, reserve: budget.Reserve | None) -> budget.Limits:
    if board is None:
        return budget.limits_without_board(asked)
    return budget.limits_on_board(board, asked, reserve)


def _asked_performance(stated: CheckOptions | Rules, prefix: str) -> budget.AskedPerformance:
    """Limits on estimates that options or rules state; ``prefix`` goes before their names."""
    amounts = {name: getattr(stated, name) for name in ("latency", "energy", "power", "period")}
    sources = {name: f"{prefix}{name}" for name, amount in amounts.items() if amount is not None}
    return budget.AskedPerformance(**amounts, sources=sources)


def _merged(first: budget.AskedPerformance, second: budget.AskedPerformance) -> budget.AskedPerformance:
    """``second``, each limit replaced by what ``first`` states."""
    return replace(
        second,
        **{name: getattr(first, name) for name in first.sources},
        sources={**second.sources, **first.sources},
    )


def _configured_reserve(config: Config, rules: ReserveRules | None) -> budget.Reserve | None:
    if rules is None:
        return None
    if rules.firmware is not None:
        return firmware_reserve(config.at(rules.firmware))
    return budget.Reserve(rules.ram or 0, rules.flash or 0, config.path.name)
