"""Boards: what fits on them, what they cost and draw, and where each figure comes from.

One TOML file describes one board (:mod:`mcuplan.boards.spec` says what it may hold; ``docs/schemas/board.schema.json``
is the same as JSON Schema). This module is cheap to import: pydantic and the specs are loaded when a board is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcuplan.boards.catalogue import all_boards, board_names, load_board, specs_folder
from mcuplan.boards.errors import BoardError, FirmwareError

if TYPE_CHECKING:
    from mcuplan.boards.firmware import Reserve, read_reserve
    from mcuplan.boards.spec import Board

__all__ = [
    "Board",
    "BoardError",
    "FirmwareError",
    "Reserve",
    "all_boards",
    "board_json_schema",
    "board_names",
    "boards_json_schema",
    "load_board",
    "read_reserve",
    "specs_folder",
]

_LATER = {
    "Board": "mcuplan.boards.spec",
    "Reserve": "mcuplan.boards.firmware",
    "read_reserve": "mcuplan.boards.firmware",
}


def board_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a board file, for editors and for checks outside mcuplan."""
    from mcuplan.boards import schema

    return schema.board_json_schema()


def boards_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the list that ``mcuplan boards --format json`` writes."""
    from mcuplan.boards import schema

    return schema.boards_json_schema()


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return found
