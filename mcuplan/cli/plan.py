"""``mcuplan plan``: the least arena without touching a multiply, written into the model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcuplan.cli.parameters import Build, board_options, examples, limit_options, models_argument, target_options
from mcuplan.cli.plan_options import plan_options, planned_as

if TYPE_CHECKING:
    from mcuplan.api.plan import PlanResult


@click.command("plan", short_help="Find the least arena and write the model that needs it.", epilog=examples(
    "mcuplan plan zoo:visual-wake-words --board sparkfun-edge -o vww.planned.tflite",
    "mcuplan plan zoo:visual-wake-words --fit --ram 90kB --no-map",
    "mcuplan plan zoo:sine --patch --no-map",
))  # fmt: skip
@models_argument(1)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the planned model.")
@click.option("--in-place", is_flag=True, help="Write the planned model over the given one.")
@click.option("--force", is_flag=True, help="Write a model that TFLM refuses all the same.")
@plan_options
@click.option("--map/--no-map", "show_map", default=True, help="Show the arena as a map of address and time.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text",
              show_default=True)  # fmt: skip
@board_options
@limit_options
@target_options
def command(
    models: str, output: Path | None, in_place: bool, force: bool, boards: tuple[str, ...],
    board_dirs: tuple[Path, ...], kernels: str | None, lean: bool, target: str | None, build: Build | None,
    custom_operators: tuple[str, ...], config: Path | None, show_map: bool, format_: str, **asked: Any,
) -> int:  # fmt: skip
    """Plan MODEL: offsets, aliases and operator order that need the least arena, as metadata that stock TFLM honours.

    Same operators, same outputs bit for bit. With --patch, or where --fit needs it, the first layers run in strips of
    rows: more operators, still the same outputs. A plan is for a target; with several --board it is safe on all.
    Without -o nothing is written. Exit code 1, and nothing is written, where TFLM refuses MODEL.
    """
    from mcuplan.api.plan import plan
    from mcuplan.cli.progress import searching
    from mcuplan.cli.streams import say
    from mcuplan.text import shown

    options = planned_as(asked)
    destination = _destination(models, output, in_place)
    with searching() as progress:
        found = plan(
            models, board=boards, board_dirs=board_dirs, kernels=kernels, target=target, lean=lean, build=build,
            custom_operators=custom_operators, config=config or "auto", progress=progress,
            options=options, force=force or destination is None,
        )  # fmt: skip
    if found.steps.patch is not None and found.steps.patch.instructions_factor is None:
        say(f"no cost data for {found.steps.patch.after.target}: --max-overhead counts MACs, not instructions")
    if found.steps.no_stages and options.patch:
        say(shown(f"no patch stages: {found.steps.no_stages}"))
    if destination:
        found.save(destination)
    _show(found, destination, format_, show_map)
    return int(found.fits is False)


def _destination(model: str, output: Path | None, in_place: bool) -> Path | None:
    if in_place:
        if output is not None:
            raise click.UsageError("--in-place and --output exclude each other")
        if model.startswith("zoo:"):
            raise click.UsageError("--in-place needs a file")
        return Path(model)
    if output is not None and output.exists() and os.path.exists(model) and os.path.samefile(output, model):
        raise click.UsageError("the output is the input; use --in-place to write over it")
    return output


def _show(found: PlanResult, destination: Path | None, format_: str, show_map: bool) -> None:
    from mcuplan.cli.output import show, write_text
    from mcuplan.reports.documents.json import to_json
    from mcuplan.reports.terminal.plan import plan_lines

    report = found.document(destination)
    if format_ == "json":
        return write_text(to_json(report), None)
    if format_ == "markdown":
        from mcuplan.reports.markdown.plan import plan_markdown

        return write_text(plan_markdown(report), None)
    return show(lambda width, glyphs: plan_lines(report, found.steps.graph, found.after, width, glyphs, show_map))
