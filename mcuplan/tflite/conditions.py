"""What a C preprocessor leaves out, as far as the source itself tells.

Values have three states: a number, or None where the source does not tell (a macro that a build may define). A part
is left out only where its condition is surely false: of a choice that the build makes, every part is kept.
"""

from __future__ import annotations

import re

_NAME = re.compile(rb"[ \t]*([A-Za-z_]\w*)(\(?)[ \t]*")
_TOKEN = re.compile(rb"[A-Za-z_]\w*|[0-9][\w']*|&&|\|\||[=!<>]=|\S")
_INTEGER = re.compile(rb"(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)[uUlLzZ]*")
_LEVELS = ((b"||",), (b"&&",), (b"==", b"!="), (b"<", b">", b"<=", b">="))
_MOST_TOKENS = 100
_LONGEST = 1000
_MOST_MACROS = 4096
"""Macros that are remembered; of more, nothing is known."""

_LIVE, _SURE, _PARENT_LIVE, _PARENT_SURE, _MAYBE_TAKEN, _TAKEN = 1, 2, 4, 8, 16, 32
"""Bits of one level of nesting: whether its present part is kept, and surely so; the same of what is around it; whether
one of its parts so far may have been, or surely was, the chosen one."""


class Macros:
    """The preprocessor's state while its directives go by."""

    def __init__(self) -> None:
        self._levels = bytearray()
        self._macros: dict[bytes, int | None] = {}
        self._defined: dict[bytes, bool | None] = {}
        self._guard: bytes | None = None

    @property
    def live(self) -> bool:
        """Whether what follows is kept."""
        return not self._levels or bool(self._levels[-1] & _LIVE)

    @property
    def _sure(self) -> bool:
        return not self._levels or bool(self._levels[-1] & _SURE)

    def directive(self, name: bytes, rest: bytes) -> None:
        """Take in ``# name rest``."""
        guard, self._guard = self._guard, None
        match name:
            case b"if":
                self._open(self._value(rest))
            case b"ifdef":
                self._open(self._is_defined(rest))
            case b"ifndef":
                self._open(_not(self._is_defined(rest)))
                self._guard = _name(rest)
            case b"elif":
                self._next(rest)
            case b"else":
                self._next(b"1")
            case b"endif" if self._levels:
                self._levels.pop()
            case b"define" if self.live:
                if guard is not None and guard == _name(rest):
                    self._take_for_granted()
                self._define(rest)
            case b"undef" if self.live:
                self._set(_name(rest), 0 if self._sure else None, False if self._sure else None)

    # -- nesting ------------------------------------------------------------------------------------------------------

    def _open(self, value: int | None) -> None:
        around = self.live * _PARENT_LIVE | self._sure * _PARENT_SURE
        self._levels.append(_part(around, value))

    def _next(self, condition: bytes) -> None:
        if not self._levels:
            return
        level = self._levels[-1]
        around = level & (_PARENT_LIVE | _PARENT_SURE | _MAYBE_TAKEN | _TAKEN)
        self._levels[-1] = _part(around, 0 if level & _TAKEN else self._value(condition))

    def _take_for_granted(self) -> None:
        """The part after ``#ifndef NAME``, ``#define NAME``: a header's guard, which is true when it is first read."""
        self._levels[-1] |= _TAKEN | (_SURE if self._levels[-1] & _PARENT_SURE else 0)

    # -- macros -------------------------------------------------------------------------------------------------------

    def _define(self, rest: bytes) -> None:
        found = _NAME.match(rest)
        if found is None:
            return
        value = None if found[2] else self._value(rest[found.end() :])
        self._set(found[1], value if self._sure else None, True if self._sure else None)

    def _set(self, name: bytes, value: int | None, defined: bool | None) -> None:
        if not name or len(name) > _LONGEST:
            return
        if name not in self._macros and len(self._macros) >= _MOST_MACROS:
            self._macros.clear()
            self._defined.clear()
            return
        self._macros[name], self._defined[name] = value, defined

    def _is_defined(self, rest: bytes) -> int | None:
        found = self._defined.get(_name(rest))
        return None if found is None else int(found)

    # -- expressions --------------------------------------------------------------------------------------------------

    def _value(self, text: bytes) -> int | None:
        """The value of an expression; None where it is not known, or is none that is understood."""
        if len(text) > _LONGEST:
            return None
        tokens = _TOKEN.findall(text)
        if len(tokens) > _MOST_TOKENS:
            return None
        tokens.reverse()
        try:
            value = self._operation(tokens, 0)
        except _NotUnderstoodError:
            return None
        return None if tokens else value

    def _operation(self, tokens: list[bytes], level: int) -> int | None:
        """Takes what binds at least as strongly as the operators of ``level`` from the end of ``tokens``."""
        if level == len(_LEVELS):
            return self._operand(tokens)
        value = self._operation(tokens, level + 1)
        while tokens and tokens[-1] in _LEVELS[level]:
            operator = tokens.pop()
            value = _combined(operator, value, self._operation(tokens, level + 1))
        return value

    def _operand(self, tokens: list[bytes]) -> int | None:
        if not tokens:
            raise _NotUnderstoodError
        token = tokens.pop()
        if token == b"!":
            return _not(self._operand(tokens))
        if token == b"(":
            value = self._operation(tokens, 0)
            _expect(tokens, b")")
            return value
        if token == b"defined":
            return self._defined_operand(tokens)
        integer = _INTEGER.fullmatch(token.replace(b"'", b""))
        if integer is not None:
            return _integer(integer[1])
        if not _NAME.fullmatch(token) or (tokens and tokens[-1] == b"("):
            raise _NotUnderstoodError
        return {b"true": 1, b"false": 0}.get(token, self._macros.get(token))

    def _defined_operand(self, tokens: list[bytes]) -> int | None:
        bracket = bool(tokens) and tokens[-1] == b"("
        if bracket:
            tokens.pop()
        if not tokens:
            raise _NotUnderstoodError
        value = self._is_defined(tokens.pop())
        if bracket:
            _expect(tokens, b")")
        return value


class _NotUnderstoodError(Exception):
    """An expression with something that is not followed here."""


def _part(around: int, value: int | None) -> int:
    """One level with a part of the given value."""
    level = around
    if value is None:
        return level | _MAYBE_TAKEN | (_LIVE if around & _PARENT_LIVE else 0)
    if not value:
        return level
    sure = around & _PARENT_SURE and not around & _MAYBE_TAKEN
    return level | _TAKEN | (_LIVE if around & _PARENT_LIVE else 0) | (_SURE if sure else 0)


def _expect(tokens: list[bytes], token: bytes) -> None:
    if not tokens or tokens.pop() != token:
        raise _NotUnderstoodError


def _name(rest: bytes) -> bytes:
    found = _NAME.match(rest)
    return found[1] if found else b""


def _not(value: int | None) -> int | None:
    return None if value is None else int(not value)


def _integer(text: bytes) -> int:
    if text[:2].lower() in (b"0x", b"0b"):
        return int(text, 0)
    return int(text, 8 if text.startswith(b"0") else 10)


def _combined(operator: bytes, left: int | None, right: int | None) -> int | None:
    if operator == b"||":
        return 1 if left or right else None if left is None or right is None else 0
    if operator == b"&&":
        return 0 if left == 0 or right == 0 else None if left is None or right is None else 1
    if left is None or right is None:
        return None
    return int(
        {
            b"==": left == right, b"!=": left != right, b"<": left < right, b">": left > right, b"<=": left <= right,
            b">=": left >= right,
        }[operator]
    )  # fmt: skip
