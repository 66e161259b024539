"""What ``mcuplan export`` says of what it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from mcuplan.api.export import ExportResult
from mcuplan.reports.terminal.lines import PATH, Lines
from mcuplan.text import counted


def export_lines(made: ExportResult, folder: Path, width: int) -> Iterator[Text]:
    """The files written, the figures that go with them, and what the firmware has to bring."""
    lines = Lines(width)
    written = (
        [f"{folder} ({counted(len(made.files), 'file')})"]
        if made.project
        else [folder / file.name for file in made.files]
    )
    for path in written:
        yield from lines.wrapped(Text(f"written: {path}"), hang=2, word=PATH)
    for sentence in (*_figures(made), *_project(made)):
        yield from lines.wrapped(Text(sentence), hang=2)
    for custom in made.brought:
        yield from lines.wrapped(Text(f"your firmware must bring the kernel of {custom}"), hang=2)


def _figures(made: ExportResult) -> Iterator[str]:
    model_bytes = sum(export.model_bytes for export in made.exports)
    yield f"model {model_bytes:,} bytes, arena to declare {made.arena_bytes:,} bytes"
    operators = {registered.operator for export in made.exports for registered in export.operators}
    saved = sum(export.flash_saved_bytes for export in made.exports)
    more = f", registrations for one type save {saved:,} bytes of flash ({made.sources.build})" if saved else ""
    yield f"{counted(len(operators), 'operator')} registered{more}"
    if made.target.lean:
        kept = sum(export.lean_bytes for export in made.exports)
        yield (
            f"lean registrations take {kept:,} bytes of flash, and go with this model and no other"
            if kept
            else "the operators keep nothing that could lie in flash: no lean source is needed"
        )


def _project(made: ExportResult) -> Iterator[str]:
    if made.project is None:
        return
    yield f"project {made.project.name} for {made.project.kind}, {made.target}: README.md says how it is built"
    for runtime, reason in zip(made.project.golden, made.project.no_golden, strict=True):
        yield f"expected outputs are from {runtime}" if runtime else f"no expected outputs: {reason}"
