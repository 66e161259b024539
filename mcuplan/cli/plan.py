"""``mcuplan plan``: the least arena without touching a multiply, written into the model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan import files
from mcuplan.cli.parameters import SIZE, board_options, kernel_options, models_argument
from mcuplan.reports.text import safe_name

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.graph import Graph
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.planning.plan import Plan, PlanOptions
    from mcuplan.rewriting.strip import StripSaving
    from mcuplan.tflm import Target


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for beyond the plan itself."""

    patch: bool
    max_overhead: float
    strip: bool
    signatures: bool
    int8_io: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """A plan, the patch stages on top of it (if any), the graph to write, and what made its file smaller."""

    plan: Plan
    patch: PatchPlan | None
    graph: Graph
    savings: tuple[StripSaving, ...] = ()


@click.command("plan", short_help="Find the least arena and write the model that needs it.")
@models_argument(1)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the planned model.")
@click.option("--in-place", is_flag=True, help="Write the planned model over the given one.")
@click.option("--fit", is_flag=True, help="Stop at the first step that fits --ram or the board; exit code 1 if none.")
@click.option("--ram", type=SIZE, metavar="SIZE", help="Arena to fit into (with --fit), such as 64kB or 64KiB.")
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
    from mcuplan.boards import load_board
    from mcuplan.cli.models import is_model_file, load_model
    from mcuplan.cli.targets import choose_target
    from mcuplan.planning.plan import PlanOptions

    if len(boards) > 1:
        raise click.UsageError("plan takes one board")
    board = load_board(boards[0], board_dirs) if boards else None
    if fit and ram is None and board is None:
        raise click.UsageError("--fit needs --ram or --board")
    if ram is not None and not fit:
        raise click.UsageError("--ram goes with --fit")
    destination = _destination(models, output, in_place)
    chosen = choose_target(board, kernels, target)
    original = load_model(models)
    options = PlanOptions(
        effort=effort,
        time_limit=time_limit,
        reorder=not no_order,
        alias=not no_alias,
        clean_up=not no_clean_up,
        fit_bytes=_room(original, chosen, board, ram) if fit else None,
    )
    found = _search(
        original, chosen, options, _Wish(patch, max_overhead, strip or strip_signatures, strip_signatures, int8_io)
    )
    written = None
    if destination:
        # A model that gains nothing keeps its very bytes.
        kept = Path(models) if found.graph is original and is_model_file(models) else None
        written = files.copy(kept, destination) if kept else _write(found.graph, destination, chosen)
    return _show(models, original, found, options.fit_bytes, destination, written, format_, show_map)


def _destination(model: str, output: Path | None, in_place: bool) -> Path | None:
    from mcuplan.cli.models import ZOO

    if in_place:
        if output is not None:
            raise click.UsageError("--in-place and --output exclude each other")
        if model.startswith(ZOO):
            raise click.UsageError("--in-place needs a file")
        return Path(model)
    if output is not None and os.path.exists(output) and os.path.exists(model) and os.path.samefile(output, model):
        raise click.UsageError("the output is the input; use --in-place to write over it")
    return output


def _room(graph: Graph, target: Target, board: Board | None, ram: int | None) -> int:
    """The arena that fits: ``ram`` itself, or what the board leaves beside the interpreter, the stack and the like."""
    from mcuplan import budget

    if board is None:
        assert ram is not None
        return ram
    limit = budget.limits_on_board(board, budget.Asked(ram=ram)).ram
    assert limit is not None
    need = budget.analyse(graph, target).need().ram
    return max(limit.amount - (need.total_bytes - need.arena_bytes), 0)


def _search(original: Graph, target: Target, options: PlanOptions, wish: _Wish) -> _Found:
    """The plan, and the graph to write."""
    from mcuplan.cli.progress import searching
    from mcuplan.planning.plan import make_plan

    start = original
    savings: tuple[StripSaving, ...] = ()
    if wish.int8_io:
        from mcuplan.rewriting.strip import int8_io as without_conversions

        start, savings = without_conversions(original)
    with searching(options) as watched:
        plan = make_plan(start, target, watched)
        patch = _patch(start, target, options, plan, wish)
    graph = patch.graph if patch else plan.graph
    if wish.strip:
        from mcuplan.rewriting.strip import strip as stripped

        graph, more = stripped(graph, wish.signatures)
        savings = (*savings, *more)
    return _Found(plan, patch, graph, savings)


def _patch(graph: Graph, target: Target, options: PlanOptions, plan: Plan, wish: _Wish) -> PatchPlan | None:
    """Patch stages where they are asked for, or where nothing cheaper fits; None where they do not help."""
    missed = options.fit_bytes is not None and plan.after.declare_bytes > options.fit_bytes
    if not (missed if options.fit_bytes is not None else wish.patch):
        return None
    from mcuplan.patching.arena.search import PatchRefusal, find_patch_plan

    try:
        found = find_patch_plan(graph, target, wish.max_overhead, options.fit_bytes, options.effort)
    except PatchRefusal as refusal:
        if wish.patch:
            click.echo(f"no patch stages: {safe_name(str(refusal), 300)}", err=True)
        return None
    return found if found and found.after.declare_bytes < plan.after.declare_bytes else None


def _write(graph: Graph, destination: Path, target: Target) -> int:
    """Write the planned model, if the static check finds nothing wrong with it; its bytes."""
    from mcuplan.planning.plan import PlanError
    from mcuplan.rewriting.verify import static_check
    from mcuplan.tflite import save

    found = static_check(graph, target)
    if found:
        raise PlanError(f"{destination}: not written, the plan does not stand the static check: {found[0]}")
    return save(graph, destination)


def _show(
    model: str,
    original: Graph,
    found: _Found,
    fit_bytes: int | None,
    destination: Path | None,
    written: int | None,
    format_: str,
    show_map: bool,
) -> int:
    from mcuplan.reports.plan_report import SavingShown, plan_report

    place = str(destination) if destination else None
    report = plan_report(
        model, original, found.plan, found.patch, fit_bytes=fit_bytes, output=place, output_bytes=written,
        savings=tuple(SavingShown(saving.name, saving.bytes) for saving in found.savings),
    )  # fmt: skip
    if format_ == "json":
        import json
        from dataclasses import asdict

        from mcuplan.cli.output import write_text

        write_text(json.dumps(asdict(report), indent=2, ensure_ascii=True) + "\n", None)
    else:
        from mcuplan.cli.output import show
        from mcuplan.reports.plan_text import plan_lines

        arena = found.patch.after if found.patch else found.plan.after
        show(lambda width, _: plan_lines(report, found.graph, arena, width, show_map))
    return int(report.fits is False)
