"""A model's boards before and after, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from mcuplan.findings.diff.boards import BoardChange
from mcuplan.reports.changes import LABELS, against, before_after, board_name, grown_most, growth, verdicts
from mcuplan.reports.terminal.lines import COMMAND, Lines, harmless


def board_lines(boards: Sequence[BoardChange], lines: Lines) -> Iterator[Text]:
    """Each board: the verdicts, the figures with their limits, what is wrong, what grew, what would help."""
    for board in boards:
        style = "green" if board.after == "pass" else "red" if board.after else ""
        yield from lines.wrapped(Text(f"{verdicts(board).upper()} on {board_name(board)}", style), indent=2, hang=2)
        width = max((len(LABELS[figure.resource]) for figure in board.figures), default=0) + 1
        for figure in board.figures:
            told = ", ".join(filter(None, (before_after(figure, "->"), growth(figure), against(figure))))
            yield from lines.wrapped(Text(f"{LABELS[figure.resource]:<{width}}{told}"), indent=4, hang=6)
        for problem in board.problems:
            yield from lines.wrapped(Text(problem), indent=4, hang=2)
        if (grown := grown_most(board)) is not None:
            yield lines.cut(Text(f"    {grown[0]}").append(f"  {grown[1]}", style="dim"))
        for remedy in board.remedies:
            yield from lines.wrapped(Text(f"- {remedy.text}"), indent=4, hang=2)
            if remedy.command:
                yield harmless(Text(f"      {remedy.command}"), COMMAND, COMMAND)
