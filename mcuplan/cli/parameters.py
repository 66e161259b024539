"""Parameter types and options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

from mcuplan.budget.units import UnitError, parse_bytes, parse_count

Build: TypeAlias = Literal["O2-logs", "O2", "Os"]
"""How TFLM is compiled."""
_F = TypeVar("_F", bound=Callable[..., Any])


def examples(*commands: str) -> str:
    """The end of a help text: commands that run as they stand, in this order."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


class _Amount(click.ParamType[int]):
    """An amount with a unit, read by ``parse``."""

    def __init__(self, name: str, parse: Callable[[str | int], int]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The figure that the text on the command line stands for; a usage error where it is none."""
        if isinstance(value, int):
            return value
        try:
            return self._parse(value)
        except UnitError as error:
            self.fail(str(error), param, ctx)


SIZE = _Amount("SIZE", parse_bytes)
COUNT = _Amount("COUNT", parse_count)


class _Quantity(click.ParamType[float]):
    """An amount of a physical quantity, read by the function ``parse`` of the estimates and scaled to our unit."""

    def __init__(self, name: str, parse: str, scale: float) -> None:
        self.name = name
        self._parse, self._scale = parse, scale

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The figure that the text on the command line stands for; a usage error where it is none."""
        if isinstance(value, float):
            return value
        from mcuplan.estimates import quantities
        from mcuplan.estimates.errors import EstimateError

        try:
            return float(getattr(quantities, self._parse)(value)) * self._scale
        except EstimateError as error:
            self.fail(str(error), param, ctx)


LATENCY = _Quantity("TIME", "parse_duration", 1e6)
"""Microseconds."""
PERIOD = _Quantity("TIME", "parse_duration", 1.0)
"""Seconds."""
ENERGY = _Quantity("ENERGY", "parse_energy", 1e6)
"""Microjoules."""
POWER = _Quantity("POWER", "parse_power", 1e3)
"""Milliwatts."""


class _Number(click.FloatRange):
    """A number in a range; one that is none, or endless, is in no range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that the text stands for; a usage error where it is none."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


FACTOR = _Number(min=1.0)
"""How many times as much."""
SECONDS = _Number(min=0)
GRAMS = _Number(min=0, min_open=True)


def _complete_board(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from mcuplan.boards import board_names
    from mcuplan.errors import McuplanError

    try:
        names = board_names(tuple(map(Path, ctx.params.get("board_dirs") or ())))
    except McuplanError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_zoo(incomplete: str, prefix: str = "") -> list[CompletionItem]:
    """Zoo models that begin with what was typed."""
    from mcuplan.zoo import names

    return [CompletionItem(prefix + name) for name in names() if (prefix + name).startswith(incomplete)]


def _complete_model(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    if incomplete and "zoo:".startswith(incomplete[:4]):
        return complete_zoo(incomplete, "zoo:")
    return [CompletionItem(incomplete, type="file")]


def models_argument(required_count: int = -1) -> Callable[[_F], _F]:
    """``MODEL...``: files, folders, patterns, ``zoo:NAME``."""
    return click.argument(
        "models", metavar="MODEL..." if required_count < 0 else "MODEL", nargs=required_count, required=True,
        shell_complete=_complete_model,
    )  # fmt: skip


def board_dir_option(function: _F) -> _F:
    """``--board-dir``."""
    return click.option(
        "--board-dir", "board_dirs", multiple=True, metavar="DIR", is_eager=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder with board files of your own.",
    )(function)  # fmt: skip


_TOOLCHAIN = "mcuplan.toolchain"


def _keep_toolchain(ctx: click.Context, _param: click.Parameter, toolchain: str | None) -> None:
    ctx.meta[_TOOLCHAIN] = toolchain


def _with_toolchain(ctx: click.Context, _param: click.Parameter, boards: tuple[str, ...]) -> tuple[str, ...]:
    """The boards as ``BOARD@TOOLCHAIN``, which is how every command reads them."""
    toolchain = ctx.meta.get(_TOOLCHAIN)
    if toolchain is None:
        return boards
    if not boards:
        raise click.UsageError("--toolchain needs a board: name it with --board")
    return tuple(f"{ref}@{toolchain}" for ref in boards)


def board_options(function: _F) -> _F:
    """``--board``, as often as there are boards, ``--toolchain``, ``--board-dir`` and ``--config``."""
    return _board_options(config_option(function), "Board that it is for: a name from `mcuplan boards`, or a .toml "
                          "file. May be repeated.")  # fmt: skip


def one_board_options(function: _F) -> _F:
    """``--board``, ``--toolchain`` and ``--board-dir`` of a command that takes one; :func:`one_board` refuses more."""
    return _board_options(function, "Board that it is for: a name from `mcuplan boards`, or a .toml file.")


def config_option(function: _F) -> _F:
    """``--config``."""
    return click.option(
        "--config", metavar="FILE", type=click.Path(path_type=Path), help="Configuration to use for every model, "
        "instead of the nearest mcuplan.toml or pyproject.toml.",
    )(function)  # fmt: skip


def limit_options(function: _F) -> _F:
    """``--ram``, ``--arena-size``, ``--flash``, ``--reserve``, ``--reserve-only`` and ``--stack``."""
    for option in (
        click.option("--stack", type=SIZE, help="Stack counted for the calling thread.  [default: 4096]"),
        click.option("--reserve-only", metavar="SIZE|FILE", help="Memory that other code takes, in place of what the "
                     "board's usual firmware does."),
        click.option("--reserve", metavar="SIZE|FILE", help="Memory that other code takes on top of the board's usual "
                     "firmware (40kB; ram=40kB,flash=200kB); or a firmware's linker map, ELF file or `size` output, "
                     "which is all of it."),
        click.option("--flash", type=SIZE, help="Limit on flash, model and code."),
        click.option("--arena-size", type=SIZE, help="Limit on the tensor arena alone: is my kTensorArenaSize enough?"),
        click.option("--ram", type=SIZE, help="Limit on RAM, all that inference takes (arena, interpreter, kernel "
                     "data, stack): 64kB (1,000 bytes each), 64KiB (1,024)."),
    ):  # fmt: skip
        function = option(function)
    return function


def place_options(function: _F) -> _F:
    """``--arena-in`` and ``--persistent-in``."""
    function = click.option(
        "--persistent-in", metavar="RAM", help="Which one the persistent section lies in, in an arena of its own: dtcm."
    )(function)
    return click.option(
        "--arena-in", metavar="RAM", help="Which of the board's RAMs the arena lies in, where not the main one: psram."
    )(function)


def _board_options(function: _F, about: str) -> _F:
    function = click.option(
        "--toolchain", metavar="NAME", is_eager=True, expose_value=False, callback=_keep_toolchain,
        help="Toolchain of the board, such as zephyr, where not its usual one; `mcuplan boards NAME` lists them.",
    )(board_dir_option(function))  # fmt: skip
    return click.option(
        "-b", "--board", "boards", multiple=True, metavar="BOARD", shell_complete=_complete_board,
        callback=_with_toolchain, help=about,
    )(function)  # fmt: skip


def one_board(command: str, boards: tuple[str, ...]) -> str | None:
    """The board named, for a command that takes one at most."""
    if len(boards) > 1:
        raise click.UsageError(f"{command} takes one board")
    return boards[0] if boards else None


def board_argument(function: _F) -> _F:
    """``[NAME]`` of a board."""
    return click.argument("name", required=False, shell_complete=_complete_board)(function)


def target_options(function: _F) -> _F:
    """``--kernels``, ``--lean``, ``--target``, ``--build`` and ``--custom-operator``."""
    function = click.option(
        "--custom-operator", "custom_operators", multiple=True, metavar="NAME",
        help="A custom operator for which your firmware has a kernel. May be repeated.",
    )(function)  # fmt: skip
    function = click.option(
        "--build", type=click.Choice(["O2-logs", "O2", "Os"]), default=None,
        help="How TFLM is compiled: with log strings (default), without, or all for size.",
    )(function)  # fmt: skip
    return kernel_options(function)


def stage_options(needed: str) -> Callable[[_F], _F]:
    """``--max-overhead``, ``--max-macs`` and ``--least`` of a command whose option ``needed`` seeks patch stages."""

    def decorated(function: _F) -> _F:
        for option in (
            click.option("--least/--no-least", default=None,
                         help=f"With {needed}: the least arena within --max-overhead; else the plan behind which "
                         "little arena costs much time."),
            click.option("--max-macs", type=FACTOR, metavar="FACTOR",
                         help=f"Most multiply-accumulates with {needed}, as a factor; alone, time has no limit."),
            click.option("--max-overhead", type=FACTOR, show_default="1.1",
                         help=f"Most instructions with {needed}, as a factor; MACs where the target has no cost "
                         "data."),
        ):  # fmt: skip
            function = option(function)
        return function

    return decorated


def stages_are_sought(sought: bool, needed: str, **asked: object) -> None:
    """Raise UsageError where one of the :func:`stage_options` is ``asked`` and no patch stages are sought."""
    for name, value in asked.items():
        if value is not None and not sought:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with {needed}")


def performance_options(function: _F) -> _F:
    """``--latency``, ``--energy``, ``--power`` and ``--period``."""
    for name, kind, said in (
        ("--period", PERIOD, "How often the model runs: 10s."),
        ("--power", POWER, "Limit on average power, with --period: 1mW."),
        ("--energy", ENERGY, "Limit on the energy of one inference: 5mJ."),
        ("--latency", LATENCY, "Limit on the time of one inference: 200ms; for boards that were measured."),
    ):
        function = click.option(name, type=kind, help=said)(function)
    return function


def kernel_options(function: _F) -> _F:
    """``--kernels``, ``--lean`` and ``--target``."""
    function = click.option(
        "--target",
        metavar="TARGET",
        help="What to predict for: a name from `mcuplan targets`, such as cortex-m4+cmsis-nn; replaces the board's.",
    )(function)
    function = click.option(
        "--lean",
        is_flag=True,
        help="For firmware with the lean registrations that `mcuplan export --lean` writes: +lean.",
    )(function)
    return click.option("--kernels", metavar="LIBRARY", help="Kernel library: cmsis-nn or reference.")(function)
