"""What ``mcuplan plan`` can be asked for: its options, which go together, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mcuplan.cli.parameters import SECONDS, stage_options, stages_are_sought

if TYPE_CHECKING:
    from mcuplan.api.plan import PlanOptions

_F = TypeVar("_F", bound=Callable[..., Any])
_GO_WITH = (
    *((name, "fit") for name in ("ram", "arena_size", "flash", "reserve", "reserve_only", "stack")),
    ("advice", "patch"), ("input_rows_streamed", "patch"), ("rows", "patch"), ("least", "patch"),
)  # fmt: skip


def plan_options(function: _F) -> _F:
    """Everything from ``--fit`` to ``--time-limit``: what may be changed, and how long it is sought."""
    for option in (
        click.option("--time-limit", type=SECONDS, metavar="SECONDS",
                     help="CPU seconds to search at most."),
        click.option("--effort", type=click.Choice(["fast", "default", "best"]), default="default", show_default=True),
        click.option("--int8-io", is_flag=True,
                     help="Drop QUANTIZE and DEQUANTIZE at the ends; the firmware then feeds int8."),
        click.option("--strip-signatures", is_flag=True,
                     help="Strip signature definitions too, which only LiteRT reads."),
        click.option("--strip", is_flag=True, help="Also make the file smaller: names, ranges, what TFLM never reads."),
        click.option("--input-rows-streamed", is_flag=True,
                     help="With --patch: also analyse an input that comes row by row, "
                     "as papers count; --rows writes such a model."),
        click.option("--advice", is_flag=True,
                     help="With --patch: what a designer could change so that stages overlap less."),
        click.option("--rows", is_flag=True,
                     help="With --patch: the firmware gives the largest input row by row, so that it "
                     "is never whole in memory."),
        stage_options("--patch"),
        click.option("--patch", is_flag=True,
                     help="Also run the first layers in strips of rows: less arena, a few more MACs."),
        click.option("--no-order", "no_reorder", is_flag=True, help="Keep the operators in the order of the file."),
        click.option("--no-alias", is_flag=True, help="Let no two tensors share bytes."),
        click.option("--no-clean-up", is_flag=True,
                     help="Leave padding, identities and dead parts of the graph as they are."),
        click.option("--fit", is_flag=True, help="Stop at the first step that keeps the limits (of the board, --ram, "
                     "--arena-size, --flash); exit code 1 if none does."),
    ):  # fmt: skip
        function = option(function)
    return function


def planned_as(asked: dict[str, Any]) -> PlanOptions:
    """The options as the planner takes them; UsageError where one needs another that is not given."""
    from mcuplan.api.plan import PlanOptions

    for option, needed in _GO_WITH:
        if asked[option] is not None and asked[option] is not False and not asked[needed]:
            raise click.UsageError(f"--{option.replace('_', '-')} goes with --{needed}")
    limits = {name: asked[name] for name in ("max_overhead", "max_macs")}
    stages_are_sought(asked["patch"] or asked["fit"], "--patch or --fit", **limits)
    asked |= {name: not asked.pop(f"no_{name}") for name in ("clean_up", "alias", "reorder")}
    return PlanOptions(**asked)
