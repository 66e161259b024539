"""Templates of generated projects. The one module of this room that imports Jinja2."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined

from mcuplan.firmware.names import plain
from mcuplan.tflite.carray import format_bytes


class Code(str):
    """Text that was made as source code, to stand in a file as it is."""

    __slots__ = ()


_HARMLESS = re.compile(r"[A-Za-z0-9 _.,:;/()\[\]{}<>=+*&|!@%^~-]*")
"""What can stand in every language that a project has files in: no quotes, escapes, comments' ends or line breaks."""


def render(template: str, **values: object) -> str:
    """A template of this package, filled.

    Raises
    ------
    ValueError
        Where a value is text that could end a string, a comment or a line: nothing from a model or a user comes into
        a file but as an identifier, through ``plain``, or as :class:`Code` that was made safe.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mcuplan.firmware"),
        autoescape=False,  # every value is checked instead
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_checked,
    )
    environment.filters |= {
        "plain": lambda text: Code(plain(text)),
        "bytes": lambda data: Code(format_bytes(data, "  ")),
        "signed": lambda data: Code(_signed(data)),
    }
    return environment


def _signed(data: bytes) -> str:
    """The bytes as numbers of int8, which an initialiser of such an array must not narrow."""
    numbers = [str(byte - 256 if byte > 127 else byte) for byte in data]
    return "".join(f"  {', '.join(numbers[i : i + 16])},\n" for i in range(0, len(numbers), 16))


def _checked(value: Any) -> Any:
    if isinstance(value, Undefined | Code) or not isinstance(value, str):
        return value
    if _HARMLESS.fullmatch(value) is None:
        raise ValueError(f"text that is not safe in a generated file: {value!r}")
    return value
