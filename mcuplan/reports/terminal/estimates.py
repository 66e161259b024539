"""What-ifs, latency and energy on a terminal: every estimate with its source and its error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.latency import Latency
from mcuplan.estimates.limits import EstimateLimit
from mcuplan.estimates.sparsity import Sparsity
from mcuplan.estimates.weights import WeightError
from mcuplan.estimates.whatif import WhatIf
from mcuplan.estimates.worth import LayerWorth
from mcuplan.findings.costs import place
from mcuplan.reports.documents.performance import show_quantity
from mcuplan.reports.terminal.grid import Column, grid
from mcuplan.reports.terminal.lines import PATH, Lines
from mcuplan.text import show_count, show_share

_WORST = 10
_RANGE_PERCENT = 100.0
"""The ends of a range are rounded as figures that may be this far off."""


def heading(model: str, target: str, width: int) -> Iterator[Text]:
    """The model and what the figures are for."""
    yield Lines(width).title(model)
    yield from Lines(width).wrapped(Text(f"  {target}"), hang=2)


def basis_lines(bases: Iterable[Basis], width: int) -> Iterator[Text]:
    """Each source and its error, once."""
    lines = Lines(width)
    for basis in dict.fromkeys(bases):
        yield from lines.wrapped(Text(f"source: {basis.source}"), hang=2, word=PATH)
        yield from lines.wrapped(Text(f"error: {basis.error}"), hang=2, word=PATH)


def note_lines(notes: Iterable[str], width: int) -> Iterator[Text]:
    """Remarks, one sentence each."""
    for note in dict.fromkeys(notes):
        yield from Lines(width).wrapped(Text(f"note: {note}"), hang=2)


def whatif_lines(result: WhatIf, width: int) -> Iterator[Text]:
    """The steps as a table, the worst layers, sources and errors."""
    yield from heading(result.model, result.target, width)
    yield Text()
    yield from _steps(result, width)
    if result.weights:
        yield Text()
        yield from weight_table(result.weights, width)
    if result.layers:
        yield Text()
        yield from worth_table(result.layers, width)
    if result.sparsity is not None:
        yield Text()
        yield from sparsity_table(result.sparsity, width)
    yield Text()
    bases = [step.basis for step in result.steps]
    yield from basis_lines([*bases, *([result.sparsity.basis] if result.sparsity else [])], width)
    yield from note_lines((*result.notes, *(note for step in result.steps for note in step.notes)), width)


def _steps(result: WhatIf, width: int) -> Iterator[Text]:
    columns = (
        Column("model", least=10), Column("arena to declare", right=True), Column("activations", right=True),
        Column("model file", right=True), Column("code", right=True), Column("MACs", right=True),
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            step.name, _bound(step.footprint.arena_bytes, step.footprint.exact),
            f"{step.footprint.activations_bytes:,}", f"{step.footprint.model_bytes:,}",
            f"{step.footprint.code_bytes:,}", show_count(step.footprint.macs),
        )
        for step in result.steps
    ]  # fmt: skip
    first, last = result.steps[0].footprint, result.steps[-1].footprint
    if len(result.steps) > 1:
        pairs = (
            (first.arena_bytes, last.arena_bytes), (first.activations_bytes, last.activations_bytes),
            (first.model_bytes, last.model_bytes), (first.code_bytes, last.code_bytes), (first.macs, last.macs),
        )  # fmt: skip
        rows.append(("change", *(_change(a, b) for a, b in pairs)))
    yield from grid(columns, rows, width)


def _bound(amount: int, exact: bool) -> str:
    return f"{amount:,}" if exact else f"{amount:,} or less"


def _change(before: int, after: int) -> str:
    return "=" if before == after or not before else f"{(after / before - 1) * 100:+.0f}%"


def weight_table(rows: Sequence[WeightError], width: int, worst: int = _WORST) -> Iterator[Text]:
    """Signal-to-quantization-noise ratios of the worst layers."""
    columns = (
        Column("#", right=True), Column("operator", least=8), Column("weights", right=True),
        Column("int8", right=True), Column("int8/channel", right=True), Column("int4", right=True),
        Column("int4/channel", right=True), Column("tensor", least=8, optional=True),
    )  # fmt: skip
    cells = [
        (
            str(r.operator), r.operator_name, f"{r.elements:,}", _db(r.int8_tensor_db),
            _db(r.int8_channel_db), _db(r.int4_tensor_db), _db(r.int4_channel_db), r.tensor_name,
        )
        for r in rows[:worst]
    ]  # fmt: skip
    left = len(rows) - len(cells)
    title = f"quantization of weights: signal-to-noise ratio in dB (higher is better), the {len(cells)} worst layers"
    yield from Lines(width).wrapped(Text(title + (f" of {len(rows)}" if left else "")), hang=2)
    yield from grid(columns, cells, width)


def _db(ratio: float | None) -> str:
    return "exact" if ratio is None else f"{ratio:.1f}"


def latency_lines(model: str, latency: Latency, width: int) -> Iterator[Text]:
    """Time by operator and in all."""
    lines = Lines(width)
    yield lines.title(model)
    yield from lines.wrapped(Text(f"  {latency.system}"), hang=2)
    yield Text()
    if any(row.microseconds is not None for row in latency.operators):
        yield from _operator_times(latency, width)
        yield Text()
    yield from lines.wrapped(Text(_total_time(latency)), hang=2)
    yield from basis_lines([latency.basis], width)
    yield from note_lines(latency.notes, width)


def _operator_times(latency: Latency, width: int) -> Iterator[Text]:
    columns = (
        Column("#", right=True), Column("operator", least=12), Column("ms", right=True), Column("share", right=True),
    )  # fmt: skip
    cells = [
        (place(row.subgraph, row.operator), row.name, *_time_cells(row.microseconds, latency.covered_us))
        for row in latency.operators
    ]
    yield from grid(columns, cells, width)


def _time_cells(us: float | None, total: float) -> tuple[str, str]:
    return ("not measured", "") if us is None else (f"{us / 1e3:,.3f}", show_share(us / total) if total else "")


def _total_time(latency: Latency) -> str:
    if latency.total_us is not None:
        return f"one inference: about {show_quantity(latency.total_us, 'us', latency.error_percent)} (error below)"
    if latency.range_us is not None:
        low, high = (show_quantity(us, "us", _RANGE_PERCENT) for us in latency.range_us)
        return f"one inference: between {low} and {high} (a range over other boards, see below)"
    missing = ", ".join(name for name in latency.missing)
    measured = f"; the other operators take {latency.covered_us / 1e3:,.1f} ms" if latency.covered_us else ""
    return f"one inference: unknown, for {missing} was not measured{measured}"


def worth_table(rows: Sequence[LayerWorth], width: int, most: int = _WORST) -> Iterator[Text]:
    """The layers that are most worth pruning."""
    columns = (
        Column("operators", least=9), Column("filters", right=True), Column("removed", right=True),
        Column("arena saved", right=True), Column("flash saved", right=True), Column("MACs saved", right=True),
        Column("L1 norm lost", right=True), Column("kind", least=8, optional=True),
    )  # fmt: skip
    cells = [
        (
            ", ".join(map(str, row.operators)), str(row.filters), str(row.removed), f"{row.arena_saved:,}",
            f"{row.flash_saved:,}", show_count(row.macs_saved), show_share(row.norm_lost),
            row.operator_names[0],
        )
        for row in rows[:most]
    ]  # fmt: skip
    title = "layers worth pruning, each pruned alone"
    yield Text(title if len(rows) <= most else f"{title}: the first {most} of {len(rows)}")
    yield from grid(columns, cells, width)


def sparsity_table(counted: Sparsity, width: int, most: int = _WORST) -> Iterator[Text]:
    """Zero and small weights, the sparsest layers first, and the honest sum."""
    columns = (
        Column("#", right=True), Column("operator", least=8), Column("weights", right=True), Column("zero", right=True),
        Column(f"below {counted.threshold:g}", right=True), Column("stored", right=True), Column("bitmap", right=True),
        Column("tensor", least=8, optional=True),
    )  # fmt: skip
    cells = [
        (
            str(row.operator), row.operator_name, f"{row.elements:,}",
            show_share(row.zeros / row.elements) if row.elements else "-",
            show_share(row.small / row.elements) if row.elements else "-", f"{row.stored_bytes:,}",
            f"{row.compressed_bytes:,}", row.tensor_name,
        )
        for row in counted.layers[:most]
    ]  # fmt: skip
    total = max(counted.elements, 1)
    cells.append(
        (
            "", "all weights", f"{counted.elements:,}", show_share(counted.zeros / total),
            show_share(counted.small / total), f"{counted.stored_bytes:,}", f"{counted.compressed_bytes:,}", "",
        )
    )  # fmt: skip
    yield from grid(columns, cells, width)
    said = "TFLM gains nothing from zeros: the tensors stay dense, with the same RAM, flash and time"
    yield from Lines(width).wrapped(Text(said), hang=2)


def limit_lines(limits: Iterable[EstimateLimit], width: int) -> Iterator[Text]:
    """Verdicts on limits, with a warning where the error of the estimate could turn one."""
    for row in limits:
        verdict = "PASS" if row.kept else "FAIL"
        figure = show_quantity(row.figure, row.unit, row.error_percent)
        limit = show_quantity(row.limit, row.unit)
        if figure == limit:
            figure = show_quantity(row.figure, row.unit)
        said = f"{verdict}  {row.name} {figure} of {limit}"
        if row.close:
            said += f"; within the error of {row.error_percent:.0f}%, so it could be otherwise"
        yield from Lines(width).wrapped(Text(said), hang=6)
