"""The operator table, and the same as CSV."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.findings.costs import place
from mcuplan.findings.inspection import OperatorRow
from mcuplan.text import safe_name

_SHOWN = 1_000
_HEADER = ("operator", "kind", "output shape", "type", "live bytes", "MACs", "weights bytes", "lifespan", "output")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One operator as the table shows it; ``macs`` is None where unknown."""

    order: int
    place: str
    kind: str
    shape: str
    type: str
    live: int
    macs: int | None
    weights: int
    lifespan: str
    name: str


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """The costliest operators in the file's order, how many there are in all, and all as a ``data:`` link to CSV."""

    rows: tuple[TableRow, ...]
    total: int
    csv_link: str
    csv_name: str

    @property
    def places(self) -> frozenset[str]:
        """The places of the operators that have a row, to which pictures can link."""
        return frozenset(row.place for row in self.rows)


def operator_table(rows: Sequence[OperatorRow], model: str) -> OperatorTable:
    """The table of a model; above 1,000 operators those with most live bytes, MACs and weights."""
    every = [_row(i, row) for i, row in enumerate(rows)]
    shown = every
    if len(every) > _SHOWN:
        most = [max((rank(row) for row in every), default=1) or 1 for rank in (_live, _macs, _weights)]
        cost = [max(_live(r) / most[0], _macs(r) / most[1], _weights(r) / most[2]) for r in every]
        costly = sorted(range(len(every)), key=lambda i: -cost[i])[:_SHOWN]
        shown = [every[i] for i in sorted(costly)]
    encoded = base64.b64encode(to_csv(every).encode()).decode()
    return OperatorTable(tuple(shown), len(every), f"data:text/csv;charset=utf-8;base64,{encoded}", _file_name(model))


def to_csv(rows: Sequence[TableRow]) -> str:
    """The rows as CSV (RFC 4180); text that a spreadsheet would take for a formula gets an apostrophe before it."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(_HEADER)
    for r in rows:
        texts = [_no_formula(text) for text in (r.kind, r.shape, r.type, r.lifespan, r.name)]
        macs = "" if r.macs is None else r.macs
        writer.writerow([r.place, *texts[:3], r.live, macs, r.weights, *texts[3:]])
    return file.getvalue()


def _no_formula(text: str) -> str:
    """A cell that is harmless, in a spreadsheet too."""
    text = safe_name(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _row(order: int, row: OperatorRow) -> TableRow:
    return TableRow(
        order=order,
        place=place(row.subgraph, row.operator),
        kind=row.name,
        shape="×".join(map(str, row.output_shape))[:60],
        type=row.output_type,
        live=row.live_bytes,
        macs=row.macs,
        weights=row.weights_bytes,
        lifespan=f"[{row.lifespan[0]}, {row.lifespan[1]})" if row.lifespan else "",
        name=row.output_name,
    )


def _live(row: TableRow) -> int:
    return row.live


def _macs(row: TableRow) -> int:
    return row.macs or 0


def _weights(row: TableRow) -> int:
    return row.weights


def _file_name(model: str) -> str:
    """A plain file name: letters, digits, points and dashes."""
    stem = model.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".tflite")
    plain = "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in stem[:60]).strip(".-")
    return f"{plain or 'model'}-operators.csv"
