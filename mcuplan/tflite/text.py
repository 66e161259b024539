"""Strings of a file as Python text, without losing a byte.

FlatBuffer strings ought to be UTF-8, but nothing enforces it. Text that is not UTF-8 is shown with backslash escapes
and carries the file's own bytes with it, so that writing the model back gives the same bytes, while whatever prints,
encodes or validates the text never meets a lone surrogate.
"""

from __future__ import annotations


class UndecodableText(str):
    """Text shown in place of bytes that are not UTF-8; ``raw`` are those bytes."""

    __slots__ = ("raw",)
    raw: bytes

    def __new__(cls, raw: bytes) -> UndecodableText:
        """Text for ``raw``, each offending byte as a backslash escape."""
        self = super().__new__(cls, raw.decode("utf-8", "backslashreplace"))
        self.raw = raw
        return self

    def __getnewargs__(self) -> tuple[bytes]:  # type: ignore[override]
        return (self.raw,)


def decode(raw: bytes) -> str:
    """The text of a FlatBuffer string."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return UndecodableText(raw)


def encode(text: str) -> bytes:
    """The bytes that :func:`decode` made ``text`` from. TypeError for what is no text."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    return text.raw if isinstance(text, UndecodableText) else text.encode("utf-8", "surrogatepass")
