"""The formats of ``mcuplan check``: its options, and the report in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mcuplan.cli.output import show, write_text
from mcuplan.reports.formats import FORMATS, renderer

if TYPE_CHECKING:
    from mcuplan.api.checking import Kept
    from mcuplan.reports.documents.report import Report

_F = TypeVar("_F", bound=Callable[..., Any])


class _Also(click.ParamType[tuple[str, Path]]):
    """``FORMAT=FILE``."""

    name = "FORMAT=FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        """The format and the file; a usage error where the format is none of ours."""
        formats = ("text", *FORMATS, "html")
        name, equals, file = value.partition("=")
        if name not in formats or not equals or not file:
            self.fail(f"{value!r}: write FORMAT=FILE; formats are {', '.join(formats)}", param, ctx)
        return name, Path(file)


ALSO = _Also()


def report_options(function: _F) -> _F:
    """``--format``, ``--output``, ``--also`` and ``--quiet``."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Report only what does not pass."),
        click.option("--also", "also", multiple=True, metavar="FORMAT=FILE", type=ALSO,
                     help="Also write the report in this format, html too, from the same run. May be repeated."),
        click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
                     help="Write the report to a file."),
        click.option("--format", "format_", type=click.Choice(["text", *FORMATS]), default="text",
                     help="How to report."),
    ):  # fmt: skip
        function = option(function)
    return function


def write_report(
    report: Report, name: str, file: Path | None, keep: Kept | None, all_targets: bool, quiet: bool
) -> None:
    """The report in one format, to a file or to stdout."""
    if name in FORMATS:
        write_text(renderer(name)(report), file)
    elif name == "html":
        from datetime import date

        from mcuplan.reports.html.render import render_report
        from mcuplan.reports.html.subject import subjects

        write_text(render_report(report, subjects(report, keep or {}), date.today().isoformat()), file)
    elif all_targets:
        from mcuplan.reports.terminal.targets import verdict_table

        show(lambda width, _: verdict_table(report, width), file)
    else:
        from mcuplan.reports.terminal.check import report_lines

        show(lambda width, glyphs: report_lines(report, width, glyphs, quiet=quiet, errors=file is not None), file)
