"""Text for people: made safe to show, and amounts with their units.

Models, boards, configurations, CSV files and logs hold text that nobody vouches for. It stays as it is in results and
documents; each renderer sends all that it shows through one filter of this module, and then through the escaping of
its medium (rich markup, HTML, Markdown, XML, workflow commands).
"""

from __future__ import annotations

import re
import unicodedata

WORD = 60
"""Characters up to which a word (a name, mostly) is shown whole."""
LONGEST = 2_000
"""Characters up to which a sentence is shown whole."""


def safe_name(name: str, longest: int = WORD) -> str:
    """A name from a model or a path, made harmless to show anywhere on one line.

    Control codes (ANSI sequences, newlines), invisible and direction-changing characters (RTL marks, zero-width
    joiners), unpaired surrogates and unassigned code points become ``\\x1b``-like escapes. Long names keep their
    beginning and end. Workflow commands (``::set-output ...::``) lose their first colon. The result still needs the
    escaping of its medium (HTML, rich markup).

    Examples
    --------
    >>> print(safe_name("conv\\x1b[31m\\n<script>"))
    conv\\x1b[31m\\n<script>
    """
    # A name of a million characters must not cost a million steps.
    if len(name) > 4 * longest:
        name = f"{name[: 2 * longest]}{name[-2 * longest :]}"
        shortened = True
    else:
        shortened = False
    seen = inert(name if name.isascii() and name.isprintable() else "".join(map(_visible, name)))
    if len(seen) > longest or shortened:
        head = max((longest - 3) // 2, 1)
        tail = max(longest - 3 - head, 1)
        seen = f"{seen[:head]}...{seen[-tail:]}"
    return seen


def shown(text: str, word: int = WORD, longest: int = LONGEST) -> str:
    """A sentence, with whatever names it holds, made harmless to show anywhere on one line.

    As :func:`safe_name`; words of more than ``word`` characters keep their beginning and end too.

    Examples
    --------
    >>> print(shown("tensor conv/" + "x" * 1_000_000 + "/Relu\\n, 3 bytes", 24))
    tensor conv/xxxxx...xxx/Relu\\n, 3 bytes
    """
    text = safe_name(text, longest)
    if len(text) <= word:
        return text
    return re.sub(rf"[^ ]{{{word + 1},}}", lambda found: safe_name(found[0], word), text)


_COMMAND = re.compile(r"::(?=[\w-]+(?: .*)?::)|##(?=\[)")


def inert(text: str) -> str:
    """``text`` in which a log of GitHub Actions finds no command: ``::set-output ...::``, ``##[group]``.

    A command may stand behind spaces, or behind what a narrow terminal broke off.
    """
    if "::" not in text and "##[" not in text:
        return text
    return _COMMAND.sub(lambda found: f"\\x{ord(found[0][0]):02x}{found[0][1]}", text)


_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def without_controls(text: str) -> str:
    """Text of several lines that is finished, with what could still steer a terminal as escapes.

    The last net below the renderers, for their own text has none of this: control codes but newlines and tabs, marks
    that change the direction of writing, halves of surrogate pairs.
    """
    return _UNSEEN.sub(lambda found: _visible(found[0]), text)


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character == " " or category[0] not in "CZ":
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show_bytes(amount: int) -> str:
    """Bytes in kB (1,000) or MB with one decimal, exact below 10,000.

    Examples
    --------
    >>> show_bytes(772), show_bytes(82_308), show_bytes(1_048_576)
    ('772 B', '82.3 kB', '1.05 MB')
    """
    if abs(amount) < 10_000:
        return f"{amount:,} B"
    if abs(amount) < 999_950:
        return f"{amount / 1e3:,.1f} kB"
    return f"{amount / 1e6:,.2f} MB"


def show_count(amount: int) -> str:
    """A number of operations.

    Examples
    --------
    >>> show_count(288), show_count(7_157_888)
    ('288', '7.16 M')
    """
    if amount < 10_000:
        return f"{amount:,}"
    if amount < 999_950:
        return f"{amount / 1e3:.1f} k"
    return f"{amount / 1e6:,.2f} M" if amount < 999_995_000 else f"{amount / 1e9:,.2f} G"


def counted(amount: int, noun: str) -> str:
    """A number of things; their noun is the last word, and takes an s.

    Examples
    --------
    >>> counted(1, "fault"), counted(2, "more reason"), counted(1_200, "row")
    ('1 fault', '2 more reasons', '1,200 rows')
    """
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def show_rough(amount: float) -> str:
    """An amount in two digits, written out.

    Examples
    --------
    >>> show_rough(137.2), show_rough(0.0456), show_rough(12_345)
    ('140', '0.046', '12,000')
    """
    return f"{float(f'{amount:.2g}'):,.10g}"


def show_share(part: float) -> str:
    """A share in per cent; never a rounded 0% or 100% for what is not.

    Examples
    --------
    >>> show_share(0.314), show_share(0.0004), show_share(0.9996), show_share(1.25)
    ('31%', '<1%', '>99%', '125%')
    """
    percent = part * 100
    if 0 < percent < 1:
        return "<1%"
    if 99 < percent < 100:
        return ">99%"
    if 100 < percent < 101:
        return ">100%"
    return f"{percent:.0f}%"


def kibibytes(amount: int) -> str:
    """Memory as makers state it: KiB or MiB where it is a whole number of them, else bytes."""
    if amount % 2**20 == 0:
        return f"{amount // 2**20:,} MiB"
    return f"{amount // 2**10:,} KiB" if amount % 2**10 == 0 else f"{amount:,} B"
