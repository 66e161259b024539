"""What the page asks of mcuplan, in the browser's Python. It gets and gives text and bytes, no objects."""

from __future__ import annotations

import json
import platform

import mcuplan
from mcuplan.api.report import html_report
from mcuplan.boards import all_boards
from mcuplan.errors import McuplanError
from mcuplan.reports.problems import result_problems
from mcuplan.version import __version__


def about() -> str:
    """Versions, and the boards to choose from, as JSON."""
    boards = [{"id": board.id, "name": board.name} for board in all_boards()]
    return json.dumps({"mcuplan": __version__, "python": platform.python_version(), "boards": boards})


def examine(name: str, data: memoryview) -> str:
    """The verdicts on one model: the report document that ``mcuplan check`` writes for every board, and for each the
    first thing that is wrong; or the sentence that says why the model cannot be read."""
    try:
        found = mcuplan.check(bytes(data), board=list(all_boards()), name=name)
    except McuplanError as error:
        return json.dumps({"error": str(error)})
    wrong = [next((problem.message for problem in result_problems(result)), "") for result in found.results]
    return json.dumps({"report": json.loads(found.to_json()), "wrong": wrong})


def page(name: str, data: memoryview, board: str) -> str:
    """The HTML report of one model on one board; the rule of thumb where ``board`` is empty."""
    return html_report(bytes(data), board=board or None, name=name)
