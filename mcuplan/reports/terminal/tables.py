"""Tables for terminals: inspections, boards, comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from mcuplan.findings.costs import place
from mcuplan.findings.inspection import BlockRow, BufferRow, OperatorRow
from mcuplan.reports.documents.report import Report, Result
from mcuplan.reports.terminal.check import FAIL, PASS
from mcuplan.reports.terminal.glyphs import Glyphs, bar
from mcuplan.reports.terminal.grid import Bars, Column, grid
from mcuplan.reports.terminal.lines import Lines
from mcuplan.text import kibibytes, show_bytes, show_count, show_share

if TYPE_CHECKING:
    from mcuplan.boards import Board

_PEAK = " peak"
_CELL = 22
"""Columns of the terminal for one model in a comparison."""


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as ``1x96x96x8``; ``scalar`` without dimensions."""
    return "x".join("?" if size < 0 else str(size) for size in shape) or "scalar"


def _right(heading: str) -> Column:
    return Column(heading, right=True)


def operator_table(rows: Sequence[OperatorRow], width: int, glyphs: Glyphs) -> Iterator[Text]:
    """Operators with a bar of the bytes live during each; the peak is marked."""
    columns = (
        _right("#"),
        Column("operator", least=17),
        Column("output", least=12, optional=True),
        Column("type", optional=True),
        _right("MACs"),
        Column("instructions", right=True, optional=True),
        Column("weights", right=True, optional=True),
        Column("lives", optional=True),
        _right("live"),
    )
    yield from grid(
        columns,
        [
            (
                place(row.subgraph, row.operator),
                row.name,
                shape_text(row.output_shape),
                row.output_type,
                "?" if row.macs is None else show_count(row.macs) if row.macs else "",
                _instructions(row),
                show_bytes(row.weights_bytes) if row.weights_bytes else "",
                f"[{row.lifespan[0]}, {row.lifespan[1]})" if row.lifespan else "",
                f"{row.live_bytes:,}",
            )
            for row in rows
        ],
        width,
        _bars([row.live_bytes for row in rows], glyphs),
    )


def _instructions(row: OperatorRow) -> str:
    """Instructions of one call; a bound from above is marked."""
    if row.instructions is None:
        return ""
    return show_count(row.instructions) if row.instructions_modelled else f"<= {show_count(row.instructions)}"


def _bars(figures: Sequence[int], glyphs: Glyphs) -> Bars:
    """``figures`` as bars against the greatest, which is named."""
    most = max(figures, default=0)

    def draw(figure: int, room: int) -> Text:
        drawn = bar(figure, most, room - len(_PEAK), glyphs).rstrip(glyphs.empty) if figure > 0 else ""
        return Text(drawn + _PEAK, style="bold") if figure == most and figure > 0 else Text(drawn)

    return Bars([partial(draw, figure) for figure in figures])


def block_table(rows: Sequence[BlockRow], width: int, glyphs: Glyphs) -> Iterator[Text]:
    """Blocks with a bar of the most bytes live in each; the peak is marked."""
    columns = (
        _right("#"),
        Column("block", least=17),
        Column("operators", optional=True),
        Column("output", least=12, optional=True),
        _right("MACs"),
        Column("weights", right=True, optional=True),
        _right("live"),
    )
    yield from grid(
        columns,
        [
            (
                str(index),
                row.kind,
                place(row.subgraph, row.first) + (f"-{row.last}" if row.last > row.first else ""),
                shape_text(row.output_shape),
                show_count(row.macs) if row.macs else "",
                show_bytes(row.weights_bytes) if row.weights_bytes else "",
                f"{row.live_bytes:,}",
            )
            for index, row in enumerate(rows)
        ],
        width,
        _bars([row.live_bytes for row in rows], glyphs),
    )


def buffer_table(rows: Sequence[BufferRow], width: int) -> Iterator[Text]:
    """Buffers of the arena: where each lies and when it lives."""
    columns = (
        _right("offset"), _right("bytes"), Column("lives"), Column("what", least=12), Column("name", least=8),
    )  # fmt: skip
    yield from grid(
        columns,
        [
            (
                f"{row.offset:,}{'*' if row.offline else ''}",
                f"{row.size:,}",
                f"[{row.start}, {row.end})",
                row.what,
                row.name,
            )
            for row in rows
        ],
        width,
    )
    if any(row.offline for row in rows):
        yield Text("* fixed by the plan in the model's metadata")


def board_table(boards: Sequence[Board], width: int) -> Iterator[Text]:
    """The catalogue, a line a board."""
    columns = (
        Column("board", least=12), Column("core", least=8), Column("MHz", right=True, optional=True), _right("RAM"),
        _right("flash"), Column("price", right=True, optional=True),
    )  # fmt: skip
    yield from grid(
        columns,
        [
            (
                b.id, b.soc.core, f"{b.soc.clock_mhz:g}", kibibytes(b.arena_ram_bytes), kibibytes(b.flash_bytes),
                price_text(b),
            )
            for b in boards
        ],
        width,
    )  # fmt: skip


def price_text(board: Board) -> str:
    """``EUR 29.70``; ``-`` where no price is known."""
    return f"{board.price.currency} {board.price.amount:.2f}" if board.price else "-"


def board_details(board: Board, width: int) -> Iterator[Text]:
    """All that the spec of one board says, and where it comes from."""
    lines = Lines(width)
    yield from lines.wrapped(Text(f"{board.name} ({board.id}), {board.maker}", style="bold"), hang=2)
    for name, value in _board_facts(board):
        yield from lines.wrapped(Text(f"{name}: {value}"), hang=2)
    yield Text()
    yield from grid(
        (Column("memory", least=8), Column("kind"), _right("start"), _right("bytes"), Column("arena")),
        [
            (r.name, r.kind, "-" if r.start is None else f"{r.start:#010x}", f"{r.bytes:,}", "yes" if r.arena else "no")
            for r in board.memory.regions
        ],
        width,
    )
    if board.parts:
        yield Text()
        columns = (Column("part", least=12), Column("kind", optional=True), Column("on board"), _right("power"))
        parts = [(p.name, p.kind, "yes" if p.on_board else "no", _power(p.watts)) for p in board.parts]
        yield from grid(columns, parts, width)
    yield Text()
    yield Text("Sources", style="bold")
    for source in board.sources:
        yield from lines.wrapped(Text(f"{source.id}: {source.title}"), hang=2)
        if source.url:
            yield Text(f"  {source.url}")


def _board_facts(board: Board) -> Iterator[tuple[str, str]]:
    memory, soc = board.memory, board.soc
    extensions = [name for name, there in (("FPU", soc.fpu), ("DSP", soc.dsp), ("MVE", soc.mve)) if there]
    yield "processor", f"{', '.join([f'{soc.name}: {soc.cores} x {soc.core} at {soc.clock_mhz:g} MHz', *extensions])}"
    usual, *others = board.targets.items()
    yield "target", f"{usual[1]} ({usual[0]})" if usual[0] else usual[1]
    for toolchain, target in others:
        yield f"with {toolchain}", target
    note = f"; {memory.note}" if memory.note else ""
    yield "RAM for an arena", f"{board.arena_ram_bytes:,} bytes ({kibibytes(board.arena_ram_bytes)}){note}"
    yield "flash", f"{board.flash_bytes:,} bytes ({kibibytes(board.flash_bytes)})"
    if board.reserved:
        kept = board.reserved
        named = (("RAM", kept.ram_bytes), ("flash", kept.flash_bytes))
        amounts = [f"{amount:,} bytes of {name}" for name, amount in named if amount]
        yield "reserved", f"{' and '.join(amounts) or 'nothing'} for {kept.firmware}"
    if board.price:
        yield "price", f"{price_text(board)} in {board.price.year}"
    if board.tflm_note:
        yield "note", board.tflm_note
    for mode in board.power.modes if board.power else ():
        yield f"power, {mode.state}", f"{mode.milliwatts:g} mW ({mode.scope}; {mode.condition})"


def _power(watts: float | None) -> str:
    if watts is None:
        return "unknown"
    factor, unit = next((pair for pair in ((1, "W"), (1e3, "mW")) if watts * pair[0] >= 1), (1e6, "uW"))
    return f"{watts * factor:g} {unit}"


def comparison(report: Report, width: int) -> Iterator[Text]:
    """Models against boards: in each cell the verdict and the fullest of RAM, flash and MACs."""
    models = list(dict.fromkeys(result.model for result in report.results))
    by_pair = {(result.model, result.board): result for result in report.results}
    boards = list(dict.fromkeys(result.board for result in report.results if result.board))
    per_table = max(1, (width - max(map(len, boards), default=0)) // _CELL)
    for start in range(0, len(models), per_table):
        if start:
            yield Text()
        chosen = models[start : start + per_table]
        columns = (Column("board", least=12), *(Column(_short(model)) for model in chosen))
        yield from grid(columns, [(b, *(_cell(by_pair.get((m, b))) for m in chosen)) for b in boards], width)


def cheapest(report: Report, boards: Sequence[Board], width: int) -> Iterator[Text]:
    """For each model the cheapest board that it passes on, by currency: no exchange rate is assumed."""
    lines = Lines(width)
    by_id = {board.id: board for board in boards}
    for model in dict.fromkeys(result.model for result in report.results):
        passed = [by_id[r.board] for r in report.results if r.model == model and r.verdict == "pass" and r.board]
        name = _short(model)
        if not passed:
            yield from lines.wrapped(Text(f"{name}: passes on none of these boards", style=FAIL), hang=2)
            continue
        best: dict[str, Board] = {}
        for board in sorted((b for b in passed if b.price), key=lambda b: (b.price.amount if b.price else 0, b.id)):
            if board.price:
                best.setdefault(board.price.currency, board)
        said = [f"{b.name} ({price_text(b)} in {b.price.year})" for b in best.values() if b.price]
        unpriced = sum(board.price is None for board in passed)
        more = f"; {unpriced} more pass, without a known price" if unpriced else ""
        text = f"cheapest board that passes: {', or '.join(said)}" if said else "passes, but no price is known"
        yield from lines.wrapped(Text(f"{name}: {text}{more}"), hang=2)


def _short(model: str) -> str:
    return model.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _cell(result: Result | None) -> Text:
    if result is None:
        return Text("-")
    if result.verdict in ("error", "unsupported"):
        return Text(result.verdict, style=FAIL)
    fullest = max(result.limits.rules, key=lambda rule: rule.figure / max(rule.limit, 1), default=None)
    style = PASS if result.verdict == "pass" else FAIL
    if fullest is None:
        return Text(result.verdict, style=style)
    name = {"ram": "RAM", "arena": "arena", "flash": "flash", "macs": "MACs"}[fullest.resource]
    return Text(f"{result.verdict} {name} {show_share(fullest.figure / max(fullest.limit, 1))}", style=style)
