"""``mcuplan plan``: the least arena without touching a multiply, written into the model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan import files
from mcuplan.cli.parameters import SIZE, board_options, kernel_options, models_argument

if TYPE_CHECKING:
    from mcuplan.api.planning import Found
    from mcuplan.graph import Graph


@click.command("plan", short_help="Find the least arena and write the model that needs it.")
@models_argument(1)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the planned model.")
@click.option("--in-place", is_flag=True, help="Write the planned model over the given one.")
@click.option("--fit", is_flag=True, help="Stop at the first step that fits --ram or the board; exit code 1 if none.")
@click.option(
    "--ram",
    type=SIZE,
    metavar="SIZE",
    help="RAM to fit into (with --fit), counted as `mcuplan check` does: arena, interpreter, stack, ...",
)
@click.option("--no-clean-up", is_flag=True, help="Leave padding, identities and dead parts of the graph as they are.")
@click.option("--no-alias", is_flag=True, help="Let no two tensors share bytes.")
@click.option("--no-order", is_flag=True, help="Keep the operators in the order of the file.")
@click.option("--patch", is_flag=True, help="Also run the first layers in strips of rows: less arena, a few more MACs.")
@click.option(
    "--max-overhead",
    type=click.FloatRange(min=1.0),
    default=1.1,
    show_default=True,
    help="Most multiply-accumulates with --patch, as a factor.",
)
@click.option("--advice", is_flag=True, help="With --patch: what a designer could change so that stages overlap less.")
@click.option(
    "--input-rows-streamed",
    is_flag=True,
    help="With --patch: also analyse an input that comes row by row, as papers count; no model is written from that.",
)
@click.option("--strip", is_flag=True, help="Also make the file smaller: names, ranges, what TFLM never reads.")
@click.option("--strip-signatures", is_flag=True, help="Strip signature definitions too, which only LiteRT reads.")
@click.option("--int8-io", is_flag=True, help="Drop QUANTIZE and DEQUANTIZE at the ends; the firmware then feeds int8.")
@click.option("--effort", type=click.Choice(["fast", "default", "best"]), default="default", show_default=True)
@click.option("--time-limit", type=click.FloatRange(min=0), metavar="SECONDS", help="CPU seconds to search at most.")
@click.option("--map/--no-map", "show_map", default=True, help="Show the arena as a map of address and time.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@board_options
@kernel_options
def command(
    models: str,
    output: Path | None,
    in_place: bool,
    fit: bool,
    ram: int | None,
    no_clean_up: bool,
    no_alias: bool,
    no_order: bool,
    patch: bool,
    max_overhead: float,
    advice: bool,
    input_rows_streamed: bool,
    strip: bool,
    strip_signatures: bool,
    int8_io: bool,
    effort: str,
    time_limit: float | None,
    show_map: bool,
    format_: str,
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    kernels: str | None,
    target: str | None,
) -> int:
    """Plan MODEL: offsets, aliases and operator order that need the least arena, as metadata that stock TFLM honours.

    Same operators, same outputs bit for bit. With --patch, or where --fit needs it, the first layers run in strips of
    rows: more operators, still the same outputs. Without -o nothing is written.
    """
    from mcuplan.api.models import is_model_file, load_file
    from mcuplan.api.planning import Wish, arena_room, fit_limits, search, shortage, write_planned
    from mcuplan.api.targets import choose_target
    from mcuplan.boards import load_board
    from mcuplan.cli.progress import searching
    from mcuplan.cli.streams import say
    from mcuplan.planning.plan import PlanOptions
    from mcuplan.text import safe_name

    if len(boards) > 1:
        raise click.UsageError("plan takes one board")
    board = load_board(boards[0], board_dirs) if boards else None
    if fit and ram is None and board is None:
        raise click.UsageError("--fit needs --ram or --board")
    if ram is not None and not fit:
        raise click.UsageError("--ram goes with --fit")
    for name, asked in (("--advice", advice), ("--input-rows-streamed", input_rows_streamed)):
        if asked and not patch:
            raise click.UsageError(f"{name} goes with --patch")
    destination = _destination(models, output, in_place)
    chosen = choose_target(board, kernels, target)
    given = load_file(models)
    original = given.graph
    limits = fit_limits(board, ram) if fit else None
    options = PlanOptions(
        effort=effort,
        time_limit=time_limit,
        reorder=not no_order,
        alias=not no_alias,
        clean_up=not no_clean_up,
        fit_bytes=arena_room(original, chosen, limits) if limits else None,
    )
    stripped = strip or strip_signatures
    wish = Wish(patch, max_overhead, advice, input_rows_streamed, stripped, strip_signatures, int8_io)
    with searching(options) as watched:
        found = search(given, chosen, watched, wish)
    if found.no_stages and wish.patch:
        say(f"no patch stages: {safe_name(found.no_stages, 300)}")
    written = None
    if destination:
        # A model that gains nothing keeps its very bytes.
        kept = Path(models) if found.graph is original and is_model_file(models) else None
        if kept:
            written = files.copy(kept, destination)
        else:
            written = write_planned(found.start, found.graph, destination, chosen)
    short = shortage(found.graph, chosen, limits) if limits else None
    return _show(models, original, found, options.fit_bytes, short, destination, written, format_, show_map)


def _destination(model: str, output: Path | None, in_place: bool) -> Path | None:
    from mcuplan.api.models import ZOO

    if in_place:
        if output is not None:
            raise click.UsageError("--in-place and --output exclude each other")
        if model.startswith(ZOO):
            raise click.UsageError("--in-place needs a file")
        return Path(model)
    if output is not None and os.path.exists(output) and os.path.exists(model) and os.path.samefile(output, model):
        raise click.UsageError("the output is the input; use --in-place to write over it")
    return output


def _show(
    model: str,
    original: Graph,
    found: Found,
    fit_bytes: int | None,
    short: str | None,
    destination: Path | None,
    written: int | None,
    format_: str,
    show_map: bool,
) -> int:
    from mcuplan.reports.documents.plan import SavingShown, plan_report

    place = str(destination) if destination else None
    report = plan_report(
        model, original, found.plan, found.patch, fit_bytes=fit_bytes, short=short, output=place, output_bytes=written,
        savings=tuple(SavingShown(saving.name, saving.bytes) for saving in found.savings), advice=found.advice,
        streamed=found.streamed, no_stages=found.no_stages,
    )  # fmt: skip
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(report), None)
    else:
        from mcuplan.cli.output import show
        from mcuplan.reports.terminal.plan import plan_lines

        arena = found.patch.after if found.patch else found.plan.after
        show(lambda width, glyphs: plan_lines(report, found.graph, arena, width, glyphs, show_map))
    return int(report.fits is False)
