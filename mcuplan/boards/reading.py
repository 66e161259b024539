"""One board file: TOML text to a :class:`Board`, and every complaint as one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mcuplan import files
from mcuplan.boards.errors import BoardError
from mcuplan.boards.fields import PATTERNS
from mcuplan.boards.spec import Board

_LIMIT = 256 * 1024
"""Bytes of a board file; the largest shipped one has some 6 kB."""

_SHOWN = 4
"""Complaints named in one message."""

_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "model_type": "a table",
}
"""What a value of the wrong type must be, by pydantic's name of the error."""


def read_board(path: Path) -> Board:
    """The board in ``path``.

    Raises
    ------
    BoardError
        When the file is missing, unreadable, not TOML, or not a board spec; the message names the file and the key.
    """
    table = read_table(path)
    try:
        return Board.model_validate(table)
    except ValidationError as error:
        raise BoardError(f"{path}: {_sentence(error)}") from None


def read_table(path: Path) -> dict[str, Any]:
    """The TOML table in ``path``; raises :class:`BoardError` where there is none."""
    text = text_of(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BoardError(f"{path}: not TOML: {_one_line(str(error))}") from None
    except RecursionError:
        raise BoardError(f"{path}: not a board spec: nested too deeply") from None


def text_of(path: Path) -> str:
    """The text of ``path``, which has at most 256 KiB; raises :class:`BoardError`."""
    data = files.read(path, _LIMIT, BoardError, "cannot read the board file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BoardError(f"{path}: not a board spec: not UTF-8 text") from None


def _sentence(error: ValidationError) -> str:
    complaints: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        said, wanted = _complaint(detail)
        complaints.setdefault(said, []).extend([wanted] if wanted else [])
    whole = [f"{said}, but must be {' or '.join(wants)}" if wants else said for said, wants in complaints.items()]
    more = len(whole) - _SHOWN
    return "; ".join(whole[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _complaint(detail: ErrorDetails) -> tuple[str, str]:
    """What is wrong, and what the value must be (several for a key that may be of several types)."""
    key, kind, context = _key(detail["loc"]), detail["type"], detail.get("ctx", {})
    if kind == "board_spec":
        return str(context["message"]), ""
    if kind == "missing":
        return f"{key} is missing", ""
    if kind == "extra_forbidden":
        return _unknown_key(detail["loc"]), ""
    said = f"{key} is {_shown(detail['input'])}"
    if kind == "literal_error":
        return said, str(context["expected"])
    if kind == "string_pattern_mismatch":
        return said, PATTERNS[context["pattern"]]
    if kind in _TYPES:
        return said, _TYPES[kind]
    message = detail["msg"].removeprefix("Input should be ")
    return (said, message) if message != detail["msg"] else (f"{said}: {message[:1].lower()}{message[1:]}", "")


def _unknown_key(loc: tuple[int | str, ...]) -> str:
    import difflib

    name = _one_line(str(loc[-1]))
    allowed = sorted(_model_at(loc[:-1]).model_fields)
    close = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(allowed)}"
    return f"{_key(loc)} is not a key of a board spec ({hint})"


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the table at ``loc``: the way down goes through fields; list indices and union tags lead nowhere."""
    model: type[BaseModel] = Board
    for step in loc:
        field = model.model_fields.get(step) if isinstance(step, str) else None
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (tuple, Union, UnionType):
        for argument in get_args(annotation):
            yield from _models_in(argument)


def _key(loc: tuple[int | str, ...]) -> str:
    key = ""
    for step in loc:
        if isinstance(step, int):
            key += f"[{step}]"
        elif not step.startswith(("literal[", "constrained-", "float")):
            # pydantic adds the tag of the union member that it tried: no key of the file.
            key += f".{_one_line(step)}" if key else _one_line(step)
    return key or "the file"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    return _one_line(repr(value))


def _one_line(text: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= 80 else f"{clean[:77]}..."
