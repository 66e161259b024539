"""Where output goes: the terminal in its width and encoding, or a file that appears whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from mcuplan.reports.terminal.glyphs import Glyphs


class ReaderGoneError(Exception):
    """Whoever read the output has seen enough.

    Not a BrokenPipeError: click would turn that into the exit code that says a limit is broken.
    """


PLAIN_WIDTH = 100
"""Columns of text that goes to a file or a pipe."""


def write_text(text: str, output: Path | None) -> None:
    """Write ``text`` to ``output``, atomically, or to stdout."""
    if output is None:
        from mcuplan.text import without_controls

        try:
            sys.stdout.write(without_controls(text))
            sys.stdout.flush()
        except BrokenPipeError:
            raise ReaderGoneError from None
        return
    from mcuplan import files

    files.write_text(output, text)


def show(parts: Callable[[int, Glyphs], Iterable[Text]], output: Path | None = None) -> None:
    """Print what ``parts(width, glyphs)`` makes, laid out for where it goes."""
    from mcuplan.reports.terminal.glyphs import BLOCKS, glyphs_for

    if output is not None:
        file = StringIO()
        _print(_console(file, PLAIN_WIDTH), parts(PLAIN_WIDTH, BLOCKS))
        write_text(file.getvalue(), output)
        return
    # A pipe has no width: take one that tables fit in, unless the user states COLUMNS.
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else PLAIN_WIDTH
    console = _console(None, width)
    _print(console, parts(console.width, glyphs_for(getattr(sys.stdout, "encoding", None))))
    write_text("", None)


def _console(file: StringIO | None, width: int | None) -> Console:
    from rich.console import Console

    class Loud(Console):
        """Rich would end the program by itself, with the exit code that says a limit is broken."""

        def on_broken_pipe(self) -> None:
            """Raise ReaderGoneError: whoever read the output has gone, which is no fault of the command."""
            raise ReaderGoneError

    return Loud(
        file=file, width=width, color_system=None if file is not None else "auto", highlight=False, markup=False,
        emoji=False,
    )  # fmt: skip


def _print(console: Console, parts: Iterable[Text]) -> None:
    from mcuplan.reports.terminal.lines import COMMAND, harmless

    for part in parts:
        # Lines are laid out already; wrapping them again would only cost time.
        console.print(harmless(part, COMMAND, COMMAND), no_wrap=True, overflow="ignore", crop=False)
