"""``mcuplan export``: firmware sources for a model."""

from __future__ import annotations

from pathlib import Path

import click

from mcuplan.cli.parameters import (
    Build,
    config_option,
    examples,
    models_argument,
    one_board,
    one_board_options,
    place_options,
    target_options,
)

KINDS = ("cmake", "arduino", "platformio", "esp-idf", "zephyr")


@click.command("export", short_help="Write C++ sources or a whole project: the model, its arena, its op resolver.",
               epilog=examples(
    "mcuplan export zoo:sine -o firmware --name sine",
    "mcuplan export zoo:sine --board arduino-nano-33-ble-sense -o firmware",
))  # fmt: skip
@models_argument()
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.",
)  # fmt: skip
@click.option("--for", "kind", type=click.Choice(KINDS),
              help="Write a project that builds with this toolchain and tests itself on the device.")  # fmt: skip
@click.option("--name", help="Names files and identifiers: by default `model`, a project by its model's file.")
@click.option("--namespace", default="", help="C++ namespace of sources, such as app::models.")
@click.option("--no-golden", is_flag=True, help="Leave expected outputs out of a project.")
@click.option("--force", is_flag=True, help="Export a model that would not run right on the target all the same.")
@click.option("--overwrite", is_flag=True, help="Replace files of a project that were changed since it was written.")
@click.option(
    "--buffer-plan",
    metavar="RAM[:SIZE]",
    help="Which of the board's RAMs a project's most-touched buffers lie in, the rest in the arena's: dtcm:64KiB.",
)
@place_options
@one_board_options
@config_option
@target_options
def command(
    models: tuple[str, ...], output: Path, kind: str | None, name: str | None, namespace: str, build: Build | None,
    no_golden: bool, arena_in: str | None, persistent_in: str | None, buffer_plan: str | None, force: bool,
    overwrite: bool, boards: tuple[str, ...], board_dirs: tuple[Path, ...],
    kernels: str | None, lean: bool, target: str | None, custom_operators: tuple[str, ...], config: Path | None,
) -> int:  # fmt: skip
    """Write MODEL as an aligned C array, the arena to declare, and an op resolver with exactly its operators.

    With --for a whole project that builds with the toolchain named, runs the model once and compares the bytes used
    and the outputs with what is expected. Several MODELs share one arena there.

    Exit code 1, and nothing is written, where TFLM refuses MODEL or the memory plan in it is wrong on the target.
    """
    from mcuplan.api.export import export
    from mcuplan.api.models import expand_all
    from mcuplan.cli.export_lines import export_lines
    from mcuplan.cli.output import show

    if kind is None and len(models) > 1:
        raise click.UsageError("sources are of one model; several models go into a project: add --for")
    if kind is not None and namespace:
        raise click.UsageError("--namespace is for sources; a project's namespace is its name")
    if kind is None and (arena_in or persistent_in or buffer_plan):
        raise click.UsageError("--arena-in, --persistent-in and --buffer-plan place a project's arena: add --for")
    named = expand_all(models) if kind else models
    made = export(
        named, output, project=kind, board=one_board("export", boards), board_dirs=board_dirs, kernels=kernels,
        target=target, lean=lean, name=name, namespace=namespace, build=build, golden=not no_golden, force=force,
        overwrite=overwrite, arena_in=arena_in, persistent_in=persistent_in, buffer_plan=buffer_plan,
        custom_operators=custom_operators, config=config or "auto",
    )  # fmt: skip
    show(lambda width, _: export_lines(made, output, width))
    return 0
