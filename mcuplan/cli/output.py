"""Where output goes: the terminal in its width and encoding, or a file that appears whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from mcuplan.reports.glyphs import Glyphs

FILE_WIDTH = 100
"""Columns of text written to a file."""


def write_text(text: str, output: Path | None) -> None:
    """Write ``text`` to ``output``, atomically, or to stdout."""
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    from mcuplan.budget.files import write_text_atomically

    write_text_atomically(output, text)


def show(lines: Callable[[int, Glyphs], Iterable[Text]], output: Path | None = None) -> None:
    """Print lines laid out for where they go: ``lines(width, glyphs)`` makes them."""
    from mcuplan.reports.glyphs import BLOCKS, glyphs_for

    if output is not None:
        file = StringIO()
        _print(_console(file, FILE_WIDTH), lines(FILE_WIDTH, BLOCKS))
        write_text(file.getvalue(), output)
        return
    console = _console(None, None)
    _print(console, lines(console.width, glyphs_for(getattr(sys.stdout, "encoding", None))))
    sys.stdout.flush()


def _console(file: StringIO | None, width: int | None) -> Console:
    from rich.console import Console

    color = None if file is not None else "auto"
    return Console(file=file, width=width, color_system=color, highlight=False, markup=False, emoji=False)  # type: ignore[arg-type]


def _print(console: Console, lines: Iterable[Text]) -> None:
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
