"""A sweep's settings, completed by a configuration: one for all its models, since rows are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcuplan.api.criteria import Asking, CheckOptions, board_dirs, stated_first
from mcuplan.api.plan import PlanOptions
from mcuplan.api.sweeping.items import Settings
from mcuplan.api.targets import AUTO
from mcuplan.budget.config import Config, ConfigError, load_config, nearest_config

if TYPE_CHECKING:
    from mcuplan.budget.settings import ReserveRules, Rules

_AS_THEY_ARE = (
    "ram", "arena_size", "flash", "macs", "latency", "energy", "power", "period", "build", "stack", "arena_in",
    "persistent_in",
)  # fmt: skip
"""Keys that mean what the option of their name means."""


def configured(settings: Settings) -> Settings:
    """What ``settings`` state, and what they do not as their configuration has it.

    That is the file they name, or the one nearest to the working folder: its general rules. What belongs to one model
    (``[[models]]``, ``[[shared]]``, baselines), or to one firmware project (its TFLM), is not for a sweep. The settings
    that come of it name no configuration, so that workers need not see it.

    Raises
    ------
    ConfigError
        Where the configuration cannot be used.
    """
    config = _found(settings.options.config)
    if config is None:
        return replace(settings, options=replace(settings.options, config=None))
    rules = config.settings
    options = _completed(settings.options, config)
    targets = settings.targets
    if rules.target is not None and not targets and settings.options.kernels is None:
        if rules.target == AUTO:
            raise ConfigError(
                f"{config.path}: target {AUTO!r} is that of one firmware project: state a sweep's with --target"
            )
        targets = (rules.target,)
    kernels = options.kernels or (None if targets else rules.kernels)
    return replace(
        settings, options=replace(options, kernels=kernels), targets=targets,
        planning=_planning(settings.planning, rules),
    )  # fmt: skip


def _found(config: Path | str | None) -> Config | None:
    if config is None:
        return None
    return load_config(config) if isinstance(config, Path) else nearest_config(Path.cwd())


def _completed(options: CheckOptions, config: Config) -> CheckOptions:
    rules = config.settings
    found: dict[str, Any] = {name: stated_first(getattr(options, name), getattr(rules, name)) for name in _AS_THEY_ARE}
    options = replace(options, **found)
    if options.reserve is None and options.reserve_only is None:
        options = replace(
            options, reserve=_reserve(config, rules.reserve), reserve_only=_reserve(config, rules.reserve_only)
        )
    options = replace(options, board_dirs=(*options.board_dirs, *board_dirs(config)), config=None)
    return replace(
        options,
        boards=options.boards or _boards(options, config),
        lean=options.lean or bool(rules.lean),
        custom_operators=options.custom_operators or tuple(rules.custom_operators or ()),
    )


def _boards(options: CheckOptions, config: Config) -> tuple[str, ...]:
    asking, names = Asking(options), tuple(config.settings.boards or ())
    for name in names:
        asking.configured_board(config, name)  # what is wrong with it is said of the configuration
    return tuple(str(config.at(name)) if name.lower().endswith(".toml") else name for name in names)


def _reserve(config: Config, rules: ReserveRules | None) -> str | None:
    """The reserve as an option states it."""
    if rules is None:
        return None
    if rules.firmware is not None:
        return str(config.at(rules.firmware))
    return f"ram={rules.ram or 0},flash={rules.flash or 0}"


def _planning(planning: PlanOptions, rules: Rules) -> PlanOptions:
    return replace(
        planning,
        max_overhead=stated_first(planning.max_overhead, rules.max_overhead),
        max_macs=stated_first(planning.max_macs, rules.max_macs),
        least=stated_first(planning.least, rules.least),
    )
