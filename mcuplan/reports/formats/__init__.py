"""The report in the formats of machines and of forges: a module each, with a function ``render``.

A module that is put here is a format: its name is what ``--format`` takes.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from mcuplan.reports.documents.report import Report


class Render(Protocol):
    """What a format's module has under the name ``render``."""

    def __call__(self, report: Report) -> str:
        """The whole report as text that ends with a newline.

        What it shows of models, boards and files goes through :mod:`mcuplan.text` and the escaping of the format.
        """


FORMATS = tuple(sorted(module.name for module in iter_modules(__path__)))
"""Every format but the terminal's, by the name that ``--format`` takes."""


def renderer(name: str) -> Render:
    """The function that renders format ``name``; its module is imported when it is asked for."""
    assert name in FORMATS
    return cast(Render, import_module(f"{__name__}.{name}").render)
