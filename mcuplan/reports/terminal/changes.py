"""What changed in a repository or a folder, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from mcuplan.findings.diff.boards import Changes, ModelChange
from mcuplan.reports.changes import heading, model_notes
from mcuplan.reports.terminal.boards import board_lines
from mcuplan.reports.terminal.diff import growth_sentence
from mcuplan.reports.terminal.lines import PATH, Lines


def changes_lines(found: Changes, width: int) -> Iterator[Text]:
    """Every model that changed, each board with its figures, what is wrong and what would help."""
    lines = Lines(width)
    yield from lines.wrapped(Text(f"{heading(found)} since {found.old}", "bold"), word=PATH)
    for note in found.notes:
        yield from lines.wrapped(Text(note), indent=2, hang=2)
    for model in found.models:
        yield Text()
        yield from _model(model, lines)


def _model(model: ModelChange, lines: Lines) -> Iterator[Text]:
    kind = "" if model.kind == "changed" else f", {model.kind}"
    yield from lines.wrapped(Text(f"{model.model}{kind}", "bold"), word=PATH)
    for note in model_notes(model):
        yield from lines.wrapped(Text(note), indent=2, hang=2)
    yield from board_lines(model.boards, lines)
    for limit in model.growth:
        yield from lines.wrapped(
            Text(growth_sentence(limit), style="red" if limit.broken else "green"), indent=2, hang=2
        )
