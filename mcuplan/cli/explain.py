"""``mcuplan explain``: where every byte of the arena goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from mcuplan.cli.parameters import (
    config_option,
    examples,
    models_argument,
    one_board,
    one_board_options,
    target_options,
)

if TYPE_CHECKING:
    from rich.text import Text

    from mcuplan.budget import Analysis
    from mcuplan.reports.documents.explain import ExplainReport
    from mcuplan.reports.terminal.glyphs import Glyphs
    from mcuplan.tflm.recording import AllocationFailure, Comparison


@click.command("explain", short_help="Show where every byte of the arena goes.", epilog=examples(
    "mcuplan explain zoo:person-detection",
    "mcuplan explain zoo:sine --board esp32-devkitc --format json",
))  # fmt: skip
@models_argument(1)
@click.option(
    "--compare", metavar="LOG", type=click.Path(dir_okay=False, path_type=Path),
    help="A device's log to hold against the prediction: what RecordingMicroInterpreter printed (PrintAllocations), or "
    "TFLM's complaint that the arena is too small.",
)  # fmt: skip
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@one_board_options
@config_option
@target_options
def command(
    models: str, compare: Path | None, format_: str, config: Path | None, boards: tuple[str, ...], **asked: Any,
) -> int:  # fmt: skip
    """Account for every byte of MODEL's tensor arena: a table that adds up, and each operator's persistent bytes.

    With --compare the exit code is 1 where the log differs from the prediction, or TFLM says in it that its arena is
    too small.
    """
    from mcuplan.api.criteria import CheckOptions, deployment
    from mcuplan.api.models import load_model
    from mcuplan.cli.output import show

    one_board("explain", boards)
    place = deployment(models, CheckOptions(boards=boards, **asked, config=config or "auto"))
    analysis = place.analyse(load_model(models))
    log = None if compare is None else _Log.of(analysis, compare)
    if format_ == "json":
        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.explain import explain_report
        from mcuplan.reports.documents.json import to_json

        write_text(to_json(log.report(models) if log else explain_report(models, analysis)), None)
    elif log is not None:
        show(lambda width, _: log.lines(width))
    else:
        show(lambda width, glyphs: _lines(models, analysis, width, glyphs))
    return int(log is not None and log.differs)


@dataclass(frozen=True)
class _Log:
    """A device's log beside the prediction."""

    analysis: Analysis
    rows: Sequence[Comparison]
    failures: Sequence[AllocationFailure]
    of_host: bool

    @classmethod
    def of(cls, analysis: Analysis, path: Path) -> Self:
        """The log at ``path``; RecordingError where it says nothing of an arena."""
        from mcuplan.tflm import recording

        text, target = recording.read_log(path), analysis.target
        logged = recording.parse_log(text, str(path))
        rows = recording.compare(recording.recorded_lines(analysis.graph, target), logged) if logged else ()
        return cls(analysis, rows, recording.parse_failures(text), recording.of_64_bit_host(logged, target))

    @property
    def differs(self) -> bool:
        """Whether the log contradicts the prediction; of a 64-bit host's only the planned section can be compared."""
        rows = [row for row in self.rows if row.name == "head"] if self.of_host else self.rows
        return bool(self.failures) or any(row.difference for row in rows)

    def report(self, model: str) -> ExplainReport:
        """The JSON document."""
        from mcuplan.reports.documents.explain import explain_report

        return explain_report(model, self.analysis, self.rows, self.failures, self.of_host)

    def lines(self, width: int) -> Iterator[Text]:
        """The text for a terminal."""
        from mcuplan.reports.terminal.explain import comparison_lines, failure_lines

        yield from failure_lines(self.failures, self.analysis.arena.declare_bytes, width)
        if self.rows:
            yield from comparison_lines(self.rows, width, self.of_host)


def _lines(model: str, analysis: Analysis, width: int, glyphs: Glyphs) -> Iterator[Text]:
    from rich.text import Text

    from mcuplan.findings.diagnostics import diagnose
    from mcuplan.findings.explanation import explain
    from mcuplan.findings.lean import lean_told
    from mcuplan.findings.rows import rows_told
    from mcuplan.reports.documents.build import refusal_shown
    from mcuplan.reports.terminal import explain as explain_text
    from mcuplan.reports.terminal.check import refused_lines
    from mcuplan.reports.terminal.lines import Lines

    graph, target, arena = analysis.graph, analysis.target, analysis.arena
    explanation = explain(graph, target, arena)
    kind = "exact" if arena.exact else f"an upper bound, {arena.bounded_bytes:,} bytes of it bounded"
    yield Lines(width).title(model)
    yield from Lines(width).wrapped(Text(f"{arena.target}: {kind}"), indent=2, hang=2)
    for told in filter(None, (rows_told(graph), lean_told(graph, target))):
        yield from Lines(width).wrapped(Text(f"  {told}"), hang=2)
    yield from refused_lines([refusal_shown(refusal) for refusal in analysis.refusals], Lines(width))
    yield Text()
    yield from explain_text.explanation_lines(explanation, width, glyphs)
    yield Text()
    yield from explain_text.operator_bytes_table(explanation.operators, width)
    yield from explain_text.note_lines(arena, diagnose(graph, target, arena), width)
