"""Wrapping with a hanging indent, in as many columns as there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

_LEAST = 20


@dataclass(frozen=True, slots=True)
class Lines:
    """Lays text out in ``width`` columns, ``margin`` of them kept free at the left."""

    width: int
    margin: int = 0

    def wrapped(self, text: Text, indent: int = 0, hang: int = 0) -> Iterator[Text]:
        """``text`` in lines: the first indented by ``indent``, the others by ``hang`` more; long words are cut."""
        first = self.margin + indent
        room = self.width - first - hang
        if text.cell_len <= self.width - first:
            yield Text(" " * first) + text
            return
        if room < _LEAST:
            first = hang = 0
            room = max(self.width, 1)
        for index, line in enumerate(text.wrap(_CONSOLE, room)):
            line.rstrip()
            yield Text(" " * (first + (hang if index else 0))) + line


_CONSOLE = Console(file=None, width=200, color_system=None, legacy_windows=False)
