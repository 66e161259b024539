"""Text made harmless in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from mcuplan.text import safe_name, shown

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")


def code(name: str, longest: int = 60) -> str:
    """A name as a code span, in which nothing is interpreted; good in tables.

    Examples
    --------
    >>> code("a|b`<img>")
    "`a\\\\|b'<img>`"
    """
    return f"`{safe_name(name, longest).replace('`', chr(39)).replace('|', chr(92) + '|') or ' '}`"


def plain(text: str, longest: int = 400) -> str:
    """A sentence in which no character is markup and no ``@name`` calls anybody.

    Examples
    --------
    >>> plain("<b> *x*")
    '&lt;b&gt; \\\\*x\\\\*'
    """
    return _quiet(escape(_SPECIAL.sub(r"\\\1", shown(text, longest=longest)), quote=False))


def html_text(name: str, longest: int = 60) -> str:
    """A name inside an HTML block of Markdown, where tags count and ``*`` does not."""
    return _quiet(escape(safe_name(name, longest)))


def _quiet(text: str) -> str:
    """``@name`` with a zero-width space in it: GitHub tells nobody."""
    return text.replace("@", "@\u200b")


def fitting(parts: Sequence[str], room: int) -> list[str]:
    """The first of some lines or sections that go into ``room`` bytes of a comment, line ends included."""
    kept: list[str] = []
    for part in parts:
        room -= len(part.encode("utf-8", "backslashreplace")) + 1
        if room < 0:
            break
        kept.append(part)
    return kept
