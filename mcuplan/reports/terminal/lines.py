"""Text for a terminal: harmless, and wrapped with a hanging indent in as many columns as there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console
from rich.text import Span, Text

from mcuplan.text import LONGEST, WORD, inert, shown

_LEAST = 20
PATH = 200
"""Characters up to which a path is shown whole."""
COMMAND = 4_000
"""Characters up to which a command is shown whole: it is copied."""


def harmless(text: Text, word: int = WORD, longest: int = LONGEST) -> Text:
    """``text`` with its styles, on one line, without what could steer a terminal; words and all bounded."""
    plain = text.plain
    if len(plain) <= word and plain.isascii() and plain.isprintable() and inert(plain) is plain:
        return text
    if not text.spans:
        clean = shown(plain, word, longest)
        return text if clean == plain else Text(clean, style=text.style)
    made = Text(style=text.style)
    edges = sorted({0, len(plain), *(edge for span in text.spans for edge in (span.start, span.end))})
    for start, end in pairwise(edges):
        piece = Text(shown(plain[start:end], word, longest))
        piece.spans = [
            Span(0, len(piece), span.style) for span in text.spans if span.start <= start and end <= span.end
        ]
        made.append_text(piece)
    # Pieces that are harmless each may be a command together.
    return made if inert(made.plain) == made.plain else Text(inert(made.plain), style=text.style)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lays text out in ``width`` columns, ``margin`` of them kept free at the left."""

    width: int
    margin: int = 0

    def wrapped(self, text: Text, indent: int = 0, hang: int = 0, word: int = WORD) -> Iterator[Text]:
        """``text``, made harmless, in lines: the first indented by ``indent``, the others by ``hang`` more.

        Words of more than ``word`` characters keep their beginning and end.
        """
        text = harmless(text, word)
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

    def title(self, name: str) -> Text:
        """A name or a path as a heading of one line."""
        room = max(self.width, _LEAST)
        return harmless(Text(name, style="bold"), room, room)

    def cut(self, text: Text) -> Text:
        """``text``, made harmless, as one line; where it is too long, its last words go and two dots say so."""
        line = harmless(text)
        if line.cell_len <= self.width:
            return line
        line.truncate(max(self.width - 2, 0))
        at = line.plain.rstrip().rfind(" ")
        if at > self.width // 2:
            line = line[:at]
            line.rstrip()
        line.append("..")
        line.truncate(self.width)
        return line


_CONSOLE = Console(file=None, width=200, color_system=None, legacy_windows=False)
