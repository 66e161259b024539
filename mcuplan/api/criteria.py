"""What a model is held against, for every command alike: options first, then the configuration nearest to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from mcuplan import budget
from mcuplan.api.models import home
from mcuplan.api.targets import BoardLike, choose_target, find_board
from mcuplan.budget.config import Config, ConfigError, load_config, nearest_config, rules_for
from mcuplan.budget.limits import LIMITED
from mcuplan.budget.reserve import firmware_reserve, parse_reserve
from mcuplan.budget.stages import StageLimits, stage_limits
from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.budget.settings import ReserveRules, Rules, SharedBoard
    from mcuplan.detect import Detection
    from mcuplan.graph import Graph
    from mcuplan.tflm import Target

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What is asked for; what is not may be the configuration's. Amounts are in bytes, MACs, us, uJ, mW and s."""

    boards: tuple[BoardLike, ...] = ()
    board_dirs: tuple[Path, ...] = ()
    ram: int | None = None
    arena_size: int | None = None
    flash: int | None = None
    macs: int | None = None
    kernels: str | None = None
    target: str | None = None
    lean: bool = False
    build: str | None = None
    custom_operators: tuple[str, ...] = ()
    stack: int | None = None
    reserve: str | None = None
    """On top of what the board's usual firmware takes; a firmware's file is all of it, and replaces that."""
    reserve_only: str | None = None
    """In place of what the board's usual firmware takes."""
    arena_in: str | None = None
    """Which of the board's RAMs the arena lies in; its main one where that is not said."""
    persistent_in: str | None = None
    """Which one the persistent section lies in, in an arena of its own."""
    latency: float | None = None
    energy: float | None = None
    power: float | None = None
    period: float | None = None
    config: Path | Literal["auto"] | None = None
    """A configuration for every model; ``auto``: the one nearest to each; None: none."""
    max_overhead: float | None = None
    max_macs: float | None = None
    least: bool | None = None
    """Of patch stages: most instructions and MACs, as factors, and whether the least arena is meant."""
    baseline: Path | None = None
    prefix: str = "--"
    """What stands before an option's name where a report says whose limit it is."""

    def named(self, name: str) -> str:
        """How a user writes the option ``name``."""
        return f"--{name.replace('_', '-')}" if self.prefix == "--" else f"{self.prefix}{name}"


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
    arena_in: str | None = None
    persistent_in: str | None = None
    stages: StageLimits = field(default_factory=StageLimits)
    """What patch stages may cost."""
    project: Detection | None = None
    """Which TFLM the firmware project has that the configuration lies in, where nothing else names a target."""

    def target_on(self, board: Board | None) -> Target:
        """The target on a board, or without one."""
        return choose_target(board, self.kernels, self.target, self.lean, self.project)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model on one board (None: on none): the target, how TFLM is built for it, and what limits it there."""

    board: Board | None
    target: Target
    criteria: Criteria

    @property
    def custom_operators(self) -> tuple[str, ...]:
        """Custom operators for which there are kernels: those stated, and those that the board brings."""
        return (*self.criteria.custom_operators, *(self.board.soc.custom_operators if self.board else ()))

    @property
    def build(self) -> str:
        """How TFLM is compiled."""
        return self.criteria.build

    @property
    def stack(self) -> int:
        """Bytes of stack of the thread that runs inference."""
        return self.criteria.stack

    def limits(self) -> budget.Limits:
        """What the model may take there; LimitError where limits contradict each other or the board."""
        return limits_of(self.board, self.criteria.asked, self.criteria.reserve)

    def analyse(self, graph: Graph) -> budget.Analysis:
        """What TFLM makes of a model there."""
        return budget.analyse(graph, self.target, self.build, self.custom_operators)


def limits_of(board: Board | None, asked: budget.Asked, reserve: budget.Reserve | None) -> budget.Limits:
    """The limits on a board, or without one."""
    if board is None:
        return budget.limits_without_board(asked)
    return budget.limits_on_board(board, asked, reserve)


def deployments(model: str, options: CheckOptions) -> tuple[Deployment, ...]:
    """The boards that the options, else the configuration of ``model``, name; one without a board where none does.

    Raises
    ------
    McuplanError
        For an unknown board or target, and a configuration that cannot be used.
    """
    found = Asking(options).criteria(model)
    return tuple(Deployment(board, found.target_on(board), found) for board in found.boards)


def deployment(model: str, options: CheckOptions, needs_board: bool = False) -> Deployment:
    """The one board that a command is for.

    A configuration may name several. They are as good as one where they have the same target and custom operators,
    unless the command ``needs_board``, that is more of it than these.

    Raises
    ------
    McuplanError
        Where there are several that differ; and what :func:`deployments` raises.
    """
    found = deployments(model, options)
    first, *others = found
    if others and (needs_board or any(one.target != first.target or one.custom_operators != first.custom_operators
                                      for one in others)):  # fmt: skip
        names = " and ".join(one.board.id for one in found if one.board is not None)
        raise McuplanError(f"the configuration of {model} names {names}: pick one with --board")
    return first


class Asking:
    """Options, and the configurations that complete them; each file and board is read once."""

    def __init__(self, options: CheckOptions) -> None:
        self.options = options
        self._boards: dict[tuple[str, tuple[Path, ...]], Board] = {}
        self._configs: dict[Path, Config | None] = {}
        self._projects: dict[Path, Detection | None] = {}

    @cached_property
    def explicit_config(self) -> Config | None:
        """The configuration that the options name."""
        config = self.options.config
        return load_config(config) if isinstance(config, Path) else None

    def config_for(self, model: str) -> Config | None:
        """The configuration that counts for a model: the one named by ``--config``, else the nearest."""
        if self.explicit_config is not None or self.options.config is None:
            return self.explicit_config
        folder = home(model)
        if folder not in self._configs:
            self._configs[folder] = nearest_config(folder)
        return self._configs[folder]

    @cached_property
    def reserve(self) -> budget.Reserve | None:
        """The reserve that the options state."""
        o = self.options
        if o.reserve is not None and o.reserve_only is not None:
            raise McuplanError(f"{o.named('reserve')} contradicts {o.named('reserve_only')}: state one of them")
        if o.reserve_only is not None:
            return parse_reserve(o.reserve_only, o.named("reserve_only"))
        return None if o.reserve is None else parse_reserve(o.reserve, o.named("reserve"), adds=True)

    def stated(self) -> Criteria:
        """What the options alone ask for.

        Raises
        ------
        McuplanError
            Where they are wrong: an unknown board, a bad reserve, two targets.
        """
        return self._stated

    @cached_property
    def _stated(self) -> Criteria:
        o = self.options
        sources = {name: o.named(name) for name in LIMITED if getattr(o, name) is not None}
        stated = Criteria(
            boards=tuple(self._board(ref, o.board_dirs) for ref in o.boards) or (None,),
            asked=budget.Asked(o.ram, o.flash, o.macs, sources, o.arena_size),
            kernels=o.kernels,
            target=o.target,
            lean=o.lean,
            build=o.build or budget.DEFAULT_BUILD,
            custom_operators=o.custom_operators,
            stack=budget.DEFAULT_STACK_BYTES if o.stack is None else o.stack,
            reserve=self.reserve,
            performance=_asked_performance(o, o.prefix),
            arena_in=o.arena_in,
            persistent_in=o.persistent_in,
            stages=stage_limits(o.max_overhead, o.max_macs, o.least),
        )
        if o.boards:
            for board in stated.boards:
                stated.target_on(board)
                limits_of(board, stated.asked, stated.reserve)
        elif o.target or o.kernels or o.lean:
            stated.target_on(None)
        return stated

    def criteria(self, model: str) -> Criteria:
        """What one model is held against: the options first, then its configuration."""
        stated, config = self._stated, self.config_for(model)
        if config is None:
            return stated
        rules, o = rules_for(config, model), self.options
        amounts = {name: getattr(rules, name) for name in LIMITED}
        sources = {name: f"{config.path.name}: {name}" for name, amount in amounts.items() if amount is not None}
        for name, source in stated.asked.sources.items():
            amounts[name], sources[name] = getattr(stated.asked, name), source
        from_rules = rules.target is not None and o.target is None and o.kernels is None
        return Criteria(
            boards=stated.boards if o.boards else self._configured_boards(config, rules.boards or ()),
            asked=budget.Asked(**amounts, sources=sources),
            kernels=o.kernels or (None if o.target or from_rules else rules.kernels),
            target=rules.target if from_rules else o.target,
            lean=o.lean or (o.target is None and bool(rules.lean)),
            build=o.build or rules.build or budget.DEFAULT_BUILD,
            custom_operators=o.custom_operators or tuple(rules.custom_operators or ()),
            stack=next((s for s in (o.stack, rules.stack) if s is not None), budget.DEFAULT_STACK_BYTES),
            reserve=stated.reserve or configured_reserve(config, rules),
            performance=_merged(stated.performance, _asked_performance(rules, f"{config.path.name}: ")),
            arena_in=o.arena_in or rules.arena_in,
            persistent_in=o.persistent_in or rules.persistent_in,
            stages=_stages(o, rules),
            project=None if rules.kernels else self.project(config, o.boards or rules.boards or ()),
        )

    def project(self, config: Config, boards: Sequence[BoardLike]) -> Detection | None:
        """What the firmware project in a configuration's folder has, where the options name no target.

        None where it is no such folder or tells no TFLM, and where boards are named with the toolchain that is meant.
        """
        named = any(isinstance(ref, str) and "@" in ref for ref in boards)
        if named or self.options.target or self.options.kernels:
            return None
        folder = config.path.parent
        if folder not in self._projects:
            from mcuplan.detect import DetectError, detect, is_project

            self._projects[folder] = None
            with suppress(DetectError):
                self._projects[folder] = detect(folder) if is_project(folder) else None
        return self._projects[folder]

    def _configured_boards(self, config: Config, names: Sequence[str]) -> tuple[Board | None, ...]:
        return tuple(self.configured_board(config, name) for name in names) or (None,)

    def configured_board(self, config: Config, name: str) -> Board:
        """A board as a configuration names it; ConfigError where there is none of that name."""
        folders = (*self.options.board_dirs, *board_dirs(config))
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


def board_dirs(config: Config) -> tuple[Path, ...]:
    """The folders of board files that a configuration names."""
    return tuple(config.at(folder) for folder in config.settings.board_dirs)


def configured_reserve(config: Config, rules: Rules | SharedBoard) -> budget.Reserve | None:
    """The reserve that rules of a configuration state."""
    if rules.reserve_only is not None:
        return _reserve(config, rules.reserve_only)
    if rules.reserve is None:
        return None
    found = _reserve(config, rules.reserve)
    return found if rules.reserve.firmware is not None else replace(found, adds=True)


def _reserve(config: Config, rules: ReserveRules) -> budget.Reserve:
    if rules.firmware is not None:
        return firmware_reserve(config.at(rules.firmware))
    return budget.Reserve(rules.ram or 0, rules.flash or 0, config.path.name)


def _asked_performance(stated: CheckOptions | Rules, prefix: str) -> budget.AskedPerformance:
    """Limits on estimates that options or rules state; ``prefix`` goes before their names."""
    amounts = {name: getattr(stated, name) for name in ("latency", "energy", "power", "period")}
    sources = {name: f"{prefix}{name}" for name, amount in amounts.items() if amount is not None}
    return budget.AskedPerformance(**amounts, sources=sources)


def _stages(stated: CheckOptions, rules: Rules) -> StageLimits:
    """What patch stages may cost."""
    return stage_limits(
        stated_first(stated.max_overhead, rules.max_overhead),
        stated_first(stated.max_macs, rules.max_macs),
        stated_first(stated.least, rules.least),
    )


def stated_first(stated: _Value | None, configured: _Value | None) -> _Value | None:
    """What is stated, else what a configuration says, each for itself."""
    return configured if stated is None else stated


def _merged(first: budget.AskedPerformance, second: budget.AskedPerformance) -> budget.AskedPerformance:
    """``second``, each limit replaced by what ``first`` states."""
    return replace(
        second,
        **{name: getattr(first, name) for name in first.sources},
        sources={**second.sources, **first.sources},
    )
