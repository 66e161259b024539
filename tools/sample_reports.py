"""Sample reports: the zoo on the lecture's three boards, for ``reports/``.

``python tools/sample_reports.py [FOLDER]`` writes them (default ``reports``); with ``--check`` it writes nothing and
ends with 1 where a file is missing or stale. They hold no dates: the same code makes the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mcuplan import budget, files, zoo
from mcuplan.boards import Board, load_board
from mcuplan.budget.stages import StageLimits
from mcuplan.findings.situation import Situation
from mcuplan.reports.documents import build
from mcuplan.reports.documents.performance import with_performance
from mcuplan.reports.documents.report import Report, Result
from mcuplan.reports.formats.markdown import render as to_markdown
from mcuplan.reports.html.index import render_index
from mcuplan.reports.html.render import render_report
from mcuplan.reports.html.subject import subjects
from mcuplan.tflite import read, write
from mcuplan.tflm import Target

_LIMIT = 64 << 20

PATCHED = "resnet8"
"""The model that has a second page, with patch stages: the search takes a second for it and minutes for some."""

BOARDS = ("arduino-nano-33-ble-sense", "sparkfun-edge", "stm32f746g-discovery")
"""The lecture's boards."""


def samples(names: Sequence[str] | None = None) -> Iterator[tuple[str, str]]:
    """File names and contents: a page for each zoo model (those of ``names``), then the index as HTML and Markdown."""
    boards = tuple(load_board(name) for name in BOARDS)
    reports: dict[str, Report] = {}
    for name in zoo.names() if names is None else names:
        report, analyses = _report(name, boards)
        reports[f"{name}.html"] = report
        yield f"{name}.html", render_report(report, subjects(report, analyses))
        if name == PATCHED:
            reports[f"{name}-patched.html"] = report
            within = {key: replace(found, stages=StageLimits(1.2)) for key, found in analyses.items()}
            yield f"{name}-patched.html", render_report(report, subjects(report, within, patch=True))
    together = build.report(
        result for name, report in reports.items() if "-patched" not in name for result in report.results
    )
    yield "index.html", render_index(reports)
    yield "README.md", _readme(reports, together)


def _report(name: str, boards: Sequence[Board]) -> tuple[Report, Mapping[tuple[str, str | None], Situation]]:
    model = f"{zoo.PREFIX}{name}"
    graph = read(write(zoo.resolve(model)), model)
    analyses: dict[tuple[str, str | None], Situation] = {}
    results: list[Result] = []
    for board in boards:
        analysis = budget.analyse(graph, Target.parse(board.target))
        need, limits = analysis.need(), budget.limits_on_board(board, budget.Asked())
        judgement = budget.judge(need, limits, analysis.refusals, faults=analysis.plan_faults)
        situation = analyses[model, board.id] = Situation(model, analysis, need, limits, judgement, board)
        result = build.result_of(situation)
        found = budget.estimate_performance(analysis, board, budget.AskedPerformance())
        results.append(with_performance(result, found, period=None))
    return build.report(results), analyses


def _readme(reports: Mapping[str, Report], together: Report) -> str:
    links = "\n".join(f"- [{name.removesuffix('.html')}]({name})" for name in reports)
    return (
        "# Sample reports\n\nThe zoo on the Arduino Nano 33 BLE Sense, the SparkFun Edge and the STM32F746G Discovery. "
        "Open [index.html](index.html) or a model's page from disk; made by `python tools/sample_reports.py`.\n\n"
        f"{links}\n\nThe same as a pull-request comment (`mcuplan check --format markdown`):\n\n{to_markdown(together)}"
    )


def main(arguments: Sequence[str]) -> int:
    """Write or check the samples; the exit code."""
    folder = Path(next((a for a in arguments if not a.startswith("-")), "reports"))
    stale = []
    for name, text in samples():
        path = folder / name
        if path.is_file() and files.read(path, _LIMIT).decode("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            folder.mkdir(parents=True, exist_ok=True)
            files.write_text(path, text)
    print(f"{len(stale)} files {'are stale' if '--check' in arguments else 'written'}: {', '.join(stale) or 'none'}")
    return int("--check" in arguments and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
