"""A change in words that the terminal and Markdown share."""

from __future__ import annotations

from collections.abc import Iterator

from mcuplan.findings.diff.boards import BoardChange, Changes, FigureChange, ModelChange
from mcuplan.reports.documents.performance import show_quantity
from mcuplan.text import show_bytes, show_count, show_share

LABELS = {
    "arena": "arena", "ram": "RAM", "flash": "flash", "macs": "MACs", "instructions": "instructions", "latency": "time",
}  # fmt: skip
_COUNTS = ("macs", "instructions")


def show_figure(resource: str, amount: float) -> str:
    """An amount of a resource."""
    if resource == "latency":
        return show_quantity(amount, "us")
    return show_count(int(amount)) if resource in _COUNTS else show_bytes(int(amount))


def growth(figure: FigureChange) -> str:
    """``+18,432 (+21.3%)``; empty where nothing changed or one side is not known."""
    if not figure.change:
        return ""
    percent = "" if figure.percent is None else f" ({figure.percent:+.1f}%)"
    if figure.resource == "latency":
        return f"{'-' if figure.change < 0 else '+'}{show_quantity(abs(figure.change), 'us')}{percent}"
    return f"{figure.change:+,.0f}{'' if figure.resource in _COUNTS else ' B'}{percent}"


def before_after(figure: FigureChange, arrow: str) -> str:
    """``86.9 kB -> 105.4 kB``, or the one there is."""
    told = [show_figure(figure.resource, amount) for amount in (figure.old, figure.new) if amount is not None]
    return f" {arrow} ".join(dict.fromkeys(told))


def against(figure: FigureChange) -> str:
    """``141% of 75.0 kB, 30.4 kB too many``; empty without a limit."""
    if figure.limit is None or figure.share is None or figure.left is None:
        return ""
    over = figure.left < 0
    rest = f"{show_figure(figure.resource, abs(figure.left))} {'too many' if over else 'left'}"
    return f"{show_share(figure.share)} of {show_figure(figure.resource, figure.limit)}, {rest}"


def verdicts(change: BoardChange) -> str:
    """``pass -> fail``, or the one there is."""
    return " -> ".join(dict.fromkeys(verdict for verdict in (change.before, change.after) if verdict))


def board_name(change: BoardChange) -> str:
    """The board's name, or that there is none."""
    return change.board_name or change.board or "no board"


def grown_most(change: BoardChange) -> tuple[str, str] | None:
    """What grew most, in words, and the model's own name for it."""
    if change.grew is None or change.grew_in is None:
        return None
    unit = "" if change.grew_in == "macs" else " bytes"
    label = LABELS[change.grew_in]
    return f"grew most in {label}: {change.grew.what}, {change.grew.change:+,}{unit}", change.grew.name


def heading(found: Changes) -> str:
    """How many models changed, and how many no longer fit."""
    count = len(found.models)
    if not count:
        return "no model changed"
    worse = sum(any(board.worse for board in model.boards) for model in found.models)
    better = sum(
        any(b.before not in ("pass", None) and b.after == "pass" for b in model.boards) for model in found.models
    )
    said = [f"{count} model{'s' * (count > 1)} changed"]
    said += [f"{worse} do{'es' * (worse == 1)} not pass any more"] if worse else []
    said += [f"{better} pass{'es' * (better == 1)} now"] if better else []
    return ", ".join(said)


def model_notes(model: ModelChange) -> Iterator[str]:
    """What is to be said of a model besides its verdicts."""
    if model.was:
        yield f"was {model.was}"
    yield from model.notes
