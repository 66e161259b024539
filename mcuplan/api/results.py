"""What the results of all verbs have in common: they print, show in a notebook, and become JSON."""

from __future__ import annotations

import html
import json
import pickle
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mcuplan.errors import McuplanError
from mcuplan.text import shown
from mcuplan.version import __version__

_CELL = "text-align: left; vertical-align: top"


@dataclass(frozen=True, slots=True)
class Summary:
    """A result in short: a heading, a table, and sentences below it; raw text."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...] = ()


class Shown(ABC):
    """A result: frozen, picklable, and shown in the same short form everywhere."""

    @abstractmethod
    def to_json(self) -> str:
        """The result as the JSON document that the command of the same name writes."""

    @abstractmethod
    def summary(self) -> Summary:
        """The result in short."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain dictionaries and lists."""
        document: dict[str, Any] = json.loads(self.to_json())
        return document

    def __reduce__(self) -> tuple[Any, tuple[str, bytes]]:
        # What is inside may be other classes in another version: the version is looked at before they are asked for.
        return unpickled, (__version__, pickle.dumps((type(self), self.__dict__)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {shown(self.summary().heading)}>"

    def __str__(self) -> str:
        told = self.summary()
        table = _aligned([told.columns, *told.rows] if told.columns else told.rows)
        return "\n".join([shown(told.heading), *table, *map(shown, told.sentences)])

    def _repr_html_(self) -> str:
        told = self.summary()
        head = "".join(f'<th style="{_CELL}">{_html(name)}</th>' for name in told.columns)
        rows = "".join(f"<tr>{_cells(row)}</tr>" for row in told.rows)
        below = "".join(f"<p>{_html(sentence)}</p>" for sentence in told.sentences)
        return f"<p><b>{_html(told.heading)}</b></p><table><tr>{head}</tr>{rows}</table>{below}"


def unpickled(version: str, content: bytes) -> Shown:
    """A result that mcuplan ``version`` pickled; ``content`` are its class and fields, pickled.

    Raises
    ------
    McuplanError
        Where another mcuplan wrote it, whose results may hold something else.
    """
    said = f"a result pickled by mcuplan {version} cannot be read by mcuplan {__version__}"
    remedy = "ask for it again, or keep results as JSON (to_json)"
    if version != __version__:
        raise McuplanError(f"{said}: {remedy}")
    try:
        kind, fields = pickle.loads(content)
    except (AttributeError, ImportError, TypeError) as error:
        raise McuplanError(f"{said} of another day ({error}): {remedy}") from None
    result: Shown = object.__new__(kind)
    result.__dict__.update(fields)
    return result


def _cells(row: Iterable[str]) -> str:
    return "".join(f'<td style="{_CELL}">{_html(cell)}</td>' for cell in row)


def _html(text: str) -> str:
    return html.escape(shown(text))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
