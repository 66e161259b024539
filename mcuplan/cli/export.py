"""``mcuplan export``: firmware sources for a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mcuplan.cli.parameters import kernel_options, models_argument, one_board, one_board_options

if TYPE_CHECKING:
    from rich.text import Text

    from mcuplan.firmware.sources import Export


@click.command("export", short_help="Write C++ sources: the model, its arena, its op resolver.")
@models_argument(1)
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write the sources to.",
)  # fmt: skip
@click.option("--name", default="model", show_default=True, help="Names files and identifiers; made safe for C.")
@click.option("--namespace", default="", help="C++ namespace, such as app::models.")
@click.option("--build", type=click.Choice(["O2-logs", "O2", "Os"]), default="O2-logs", show_default=True,
              help="How TFLM is compiled, for the flash that registrations for one type save.")  # fmt: skip
@click.option("--force", is_flag=True, help="Export a model that would not run right on the target all the same.")
@one_board_options
@kernel_options
def command(
    models: str,
    output: Path,
    name: str,
    namespace: str,
    build: Literal["O2-logs", "O2", "Os"],
    force: bool,
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    kernels: str | None,
    lean: bool,
    target: str | None,
) -> int:
    """Write MODEL as an aligned C array, the arena to declare, and an op resolver with exactly its operators.

    Exit code 1, and nothing is written, where TFLM refuses MODEL or the memory plan in it is wrong on the target.
    """
    from mcuplan.api.export import export
    from mcuplan.cli.output import show

    made = export(
        models, output, board=one_board("export", boards), board_dirs=board_dirs, kernels=kernels, target=target,
        lean=lean, name=name, namespace=namespace, build=build, force=force,
    )  # fmt: skip
    show(lambda width, _: _lines(made.sources, output, width))
    return 0


def _lines(made: Export, folder: Path, width: int) -> Iterator[Text]:
    from rich.text import Text

    from mcuplan.reports.terminal.lines import PATH, Lines

    lines = Lines(width)
    for file in made.files:
        yield from lines.wrapped(Text(f"written: {folder / file.name}"), hang=2, word=PATH)
    yield Text(f"model {made.model_bytes:,} bytes, arena to declare {made.arena_bytes:,} bytes")
    saved = f", registrations for one type save {made.flash_saved_bytes:,} bytes of flash ({made.build})"
    yield from lines.wrapped(
        Text(f"{len(made.operators)} operators registered{saved if made.flash_saved_bytes else ''}"), hang=2
    )
    for custom in made.brought:
        yield from lines.wrapped(Text(f"your firmware must bring the kernel of {custom}"), hang=2)
