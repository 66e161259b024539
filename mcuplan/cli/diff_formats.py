"""The formats of ``mcuplan diff``: for two models, and for many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan.cli.output import show, write_text

if TYPE_CHECKING:
    from mcuplan.api.changes import Compared
    from mcuplan.findings.diff.boards import Changes


def show_changes(found: Changes, format_: str, output: Path | None) -> int:
    """What changed in many models, in one format; the exit code."""
    if format_ == "text":
        from mcuplan.reports.terminal.changes import changes_lines

        show(lambda width, _: changes_lines(found, width), output)
    elif format_ == "markdown":
        from mcuplan.reports.markdown.changes import changes_markdown

        write_text(changes_markdown(found), output)
    elif format_ == "json":
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(found), output)
    else:
        raise click.UsageError("--format html is for two models; text, markdown and json are for many")
    return found.exit_code


def show_pair(pair: Compared, format_: str, output: Path | None) -> int:
    """What changed between two models, in one format; the exit code."""
    if format_ == "text":
        from mcuplan.reports.terminal.diff import diff_lines

        show(lambda width, _: diff_lines(pair.found, width), output)
    elif format_ == "markdown":
        from mcuplan.reports.markdown.diff import diff_markdown

        write_text(diff_markdown(pair.found), output)
    elif format_ == "html":
        from mcuplan.reports.html.diff_page import render_diff

        write_text(render_diff(pair.found, pair.old, pair.new), output)
    else:
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(pair.found), output)
    return pair.found.exit_code
