"""C source made ready to be searched: comments, directives and what the preprocessor leaves out are blanked.

Everything keeps its place: what goes becomes spaces, so that positions in the prepared text are positions in all of its
forms, and memory stays at a few times the source, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mcuplan.tflite.conditions import Macros

_LITERAL = re.compile(
    rb"//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?"
    rb"|\"(?:[^\"\\\n]++|\\.)*+\"?|'(?<![0-9A-Za-z_]')(?:\\.[0-9A-Fa-f]{0,8}|[^'\\\n])'?",
    re.DOTALL,
)
"""A comment, a string or a character; unterminated ones reach as far as they can, so that no byte is looked at twice.
A quote behind a digit separates digits (C++14). The quantifiers are possessive: others remember every repetition."""

_DIRECTIVE = re.compile(rb"(?m)^[ \t]*#[ \t]*([a-z]*)([^\n]*)$")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]+)|([0-7]{1,3})|(.))", re.DOTALL)
_PLAIN_ESCAPES = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))


@dataclass(frozen=True, slots=True)
class PreparedSource:
    """The source twice, of one length: ``text`` keeps strings and has characters as numbers, ``skeleton`` has an
    ``x`` for each byte of a string, so that what looks like code in one is none."""

    text: bytes
    skeleton: bytes


def prepare(source: bytes) -> PreparedSource:
    """``source`` without line continuations, comments, directives and the parts that conditions leave out."""
    spliced = source.replace(b"\\\r\n", b"").replace(b"\\\n", b"")
    text, skeleton = bytearray(spliced), bytearray(spliced)
    for match in _LITERAL.finditer(spliced):
        _replace(text, skeleton, match)
    del spliced
    for start, end in _left_out(bytes(skeleton)):
        text[start:end] = skeleton[start:end] = b" " * (end - start)
    return PreparedSource(bytes(text), bytes(skeleton))


def _replace(text: bytearray, skeleton: bytearray, match: re.Match[bytes]) -> None:
    (start, end), literal = match.span(), match[0]
    size = end - start
    if literal[:1] == b"/":
        text[start:end] = skeleton[start:end] = b" " * size
        return
    closed = size > 1 and literal[-1] == literal[0]
    if literal[:1] == b'"' and closed:
        skeleton[start + 1 : end - 1] = b"x" * (size - 2)
        return
    value = unescape(literal[1:-1]) if closed and size < 16 else b""
    number = str(value[0]).encode() if len(value) == 1 else b"?"
    text[start:end] = skeleton[start:end] = number.ljust(size)


def unescape(inside: bytes) -> bytes:
    """The bytes of a string's or character's inside."""
    if b"\\" not in inside:
        return inside
    found, at = bytearray(), 0
    for match in _ESCAPE.finditer(inside):
        found += inside[at : match.start()]
        found.append(_escaped(match))
        at = match.end()
    return bytes(found + inside[at:])


def _escaped(match: re.Match[bytes]) -> int:
    hexadecimal, octal, plain = match.groups()
    if hexadecimal is not None:
        return int(hexadecimal[-2:], 16)
    return int(octal, 8) & 255 if octal is not None else _PLAIN_ESCAPES.get(plain[0], plain[0])


def _left_out(skeleton: bytes) -> Iterator[tuple[int, int]]:
    """Directives, and what they leave out, as half-open ranges in order."""
    macros = Macros()
    dead: int | None = None
    for match in _DIRECTIVE.finditer(skeleton):
        macros.directive(match[1], match[2])
        if dead is None:
            yield match.span()
        if macros.live and dead is not None:
            yield dead, match.end()
            dead = None
        elif not macros.live and dead is None:
            dead = match.end()
    if dead is not None:
        yield dead, len(skeleton)
