"""``mcuplan whatif``: the same network as int8, pruned, narrower or at another resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcuplan.cli.parameters import (
    config_option,
    examples,
    models_argument,
    one_board,
    one_board_options,
    target_options,
)


@click.command("whatif", short_help="Show what a model would take as int8, pruned, narrower or smaller.",
               epilog=examples(
    "mcuplan whatif zoo:ds-cnn --width 0.5",
    "mcuplan whatif zoo:visual-wake-words --input 64x64",
))  # fmt: skip
@models_argument(1)
@click.option("--input", "resolution", metavar="HxW", help="Another resolution of the input: rows x columns.")
@click.option("--width", type=float, metavar="F", help="F times the filters of every layer.")
@click.option("--prune", type=float, metavar="F", help="Remove the fraction F of every layer's filters.")
@click.option(
    "--prune-layer", "prune_layers", multiple=True, metavar="K=F",
    help="Remove the fraction F of the filters of operator K. May be repeated.",
)  # fmt: skip
@click.option("--sparsity", type=float, metavar="T", help="Count weights of magnitude below T (unstructured pruning).")
@click.option("--int8", "int8", is_flag=True, help="Quantize: the int8 form that the converter would make.")
@click.option(
    "--float-io", is_flag=True, help="With --int8: keep float inputs and outputs, as the converter does by default."
)
@click.option("--ranges/--no-ranges", default=None,
              help="With --int8: count the min and max that older converters keep.")  # fmt: skip
@click.option(
    "--dense-per-channel/--dense-per-tensor", "per_unit", default=None,
    help="With --int8: a scale for each unit of a dense layer, as newer converters give, or one.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True,
              help="What to print.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@one_board_options
@config_option
@target_options
def command(
    models: str, resolution: str | None, prune_layers: tuple[str, ...], build: str | None, form: str,
    output: Path | None, boards: tuple[str, ...], board_dirs: tuple[Path, ...], kernels: str | None, lean: bool,
    target: str | None, custom_operators: tuple[str, ...], config: Path | None, **asked: Any,
) -> int:  # fmt: skip
    """Show what MODEL would take after a change, before anyone trains again.

    Changes apply in this order and add up. The changed models are for their sizes only: they are never written.
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.models import load_model
    from mcuplan.cli.output import show, write_text
    from mcuplan.estimates.change import Changes, what_if
    from mcuplan.estimates.quantities import parse_resolution
    from mcuplan.reports.documents.estimates import estimate_json
    from mcuplan.reports.terminal.estimates import whatif_lines

    one_board("whatif", boards)
    of_int8 = asked["float_io"] or asked["ranges"] is not None or asked["per_unit"] is not None
    if of_int8 and not asked["int8"]:
        raise click.UsageError("--float-io, --ranges and --dense-per-channel go with --int8")
    size = None if resolution is None else parse_resolution(resolution)
    changes = Changes(resolution=size, prune_layers=tuple(map(_layer, prune_layers)), **asked)
    if not changes.any:
        raise click.UsageError("say what to change: --input, --width, --prune, --prune-layer, --sparsity or --int8")
    place = deployment(models, CheckOptions(
        boards=boards, board_dirs=board_dirs, kernels=kernels, lean=lean, target=target, build=build,
        custom_operators=custom_operators, config=config or "auto",
    ))  # fmt: skip
    result = what_if(load_model(models), models, place.target, place.build, changes)
    if form == "json":
        write_text(estimate_json(result, "whatif"), output)
    elif form == "html":
        from mcuplan.reports.html.whatif_page import render_whatif

        write_text(render_whatif(result), output)
    else:
        show(lambda width, _: whatif_lines(result, width), output)
    return 0


def _layer(text: str) -> tuple[int, float]:
    """``K=F`` as operator and fraction."""
    operator, _, fraction = text.partition("=")
    try:
        return int(operator), float(fraction)
    except ValueError:
        raise click.UsageError(f"--prune-layer {text!r}: write K=F, such as 3=0.5 for operator 3") from None
