"""``mcuplan boards``: the catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from mcuplan.cli.parameters import board_argument, board_dir_option, examples


@click.command("boards", short_help="List boards, or show one.", epilog=examples(
    "mcuplan boards",
    "mcuplan boards arduino-nano-33-ble-sense",
))  # fmt: skip
@board_argument
@board_dir_option
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", help="How to show them.")
def command(name: str | None, board_dirs: tuple[Path, ...], format_: str) -> int:
    """List the boards mcuplan knows, or show all it knows of the board NAME, with sources."""
    from mcuplan.boards import all_boards, load_board

    boards = all_boards(board_dirs) if name is None else (load_board(name, board_dirs),)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.json import to_json

        documents = [board.model_dump(mode="json", exclude_none=True) for board in boards]
        write_text(to_json(documents if name is None else documents[0]), None)
        return 0
    from mcuplan.cli.output import show
    from mcuplan.reports.terminal import tables

    show(lambda width, _: tables.board_table(boards, width) if name is None else tables.board_details(boards[0], width))
    return 0
