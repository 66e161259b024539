"""Measured instructions of single operators, as rows of a CSV file, and the calls that they were measured of.

The columns: input ``h w cin``, ``cout`` or depth multiplier ``mult``, window ``kh kw``, ``stride``, ``padding``, output
``oh ow``; ``form`` and ``other`` the second operand's shape; ``pads``, ``parts``, ``axis``, ``rows`` of PAD,
CONCATENATION and SPLIT, DYNAMIC_UPDATE_SLICE and GATHER; ``instructions`` in steps of 40.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcuplan.estimates.instructions import Call
from mcuplan.operators.geometry import SAME, VALID, window_axis

Row = Mapping[str, str]


@dataclass(frozen=True)
class Measured:
    """One call and what it took."""

    name: str
    library: str
    call: Call
    instructions: float


@dataclass(frozen=True)
class MeasuredLoop:
    """A WHILE by itself: turns, variables beside the counter, bytes of each, every one copied."""

    turns: int
    variables: int
    bytes: int
    instructions: float


def read_rows(path: Path) -> tuple[list[Measured], list[MeasuredLoop]]:
    """Operators and loops of one file."""
    calls: list[Measured] = []
    loops: list[MeasuredLoop] = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            count = float(row["instructions"])
            if row["op"] == "WHILE":
                size = _n(row, "h") * _n(row, "w") * _n(row, "cin")
                loops.append(MeasuredLoop(_n(row, "rows"), _n(row, "parts"), size, count))
            else:
                calls.append(Measured(row["name"], row["library"], call_of_row(row), count))
    return calls, loops


def read_calls(path: Path) -> list[Measured]:
    """Lines of library, call, instructions, as ``tools/measure_instructions/measure.py`` prints them."""
    found = []
    for k, line in enumerate(path.read_text().splitlines()):
        library, fields, count = json.loads(line)
        call = Call(**{name: _tuples(value) for name, value in fields.items()})
        found.append(Measured(f"{path.stem}:{k + 1}", library, call, float(count)))
    return found


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def call_of_row(row: Row) -> Call:
    """The call that a row describes."""
    return _MAKERS.get(row["op"], _plain)(row)


def _n(row: Row, key: str) -> int:
    return int(row[key] or 0)


def _source(row: Row) -> tuple[int, ...]:
    return (1, _n(row, "h"), _n(row, "w"), _n(row, "cin")) if row["h"] else (1, _n(row, "cin"))


def _window(row: Row) -> Call:
    source = _source(row)
    padding = SAME if row["padding"].upper() == "SAME" else VALID
    kernel, stride = (_n(row, "kh"), _n(row, "kw")), _n(row, "stride")
    rows, columns = (window_axis(source[1 + i], kernel[i], stride, 1, padding) for i in range(2))
    made = _n(row, "cout") if row["op"] == "CONV_2D" else source[3] * (_n(row, "mult") or 1)
    result = (1, rows.output, columns.output, made)
    before = (rows.before, columns.before)
    return Call(row["op"], row["type"], source, result, kernel=kernel, stride=(stride, stride), before=before)


def _dense(row: Row) -> Call:
    return Call(row["op"], row["type"], (1, _n(row, "cin")), (1, _n(row, "cout")))


def _pairs(row: Row) -> Call:
    source = _source(row)
    return Call(row["op"], row["type"], source, source, tuple(json.loads(row["other"])) if row["other"] else source)


def _pad(row: Row) -> Call:
    pads, source = json.loads(row["pads"]), _source(row)
    result = tuple(size + sum(pad) for size, pad in zip(source, pads, strict=True))
    return Call(row["op"], row["type"], source, result, detail=tuple(n for pad in pads for n in pad))


def _slice(row: Row) -> Call:
    source = _source(row)
    return Call(row["op"], row["type"], source, (1, _n(row, "oh"), _n(row, "ow"), source[3]))


def _concatenation(row: Row) -> Call:
    source, axis, parts = _source(row), _n(row, "axis"), _n(row, "parts")
    result = tuple(size * (parts if i == axis else 1) for i, size in enumerate(source))
    return Call(row["op"], row["type"], source, result, detail=(axis, *[source[axis]] * parts))


def _split(row: Row) -> Call:
    source, axis, parts = _source(row), _n(row, "axis"), _n(row, "parts")
    part = tuple(size // (parts if i == axis else 1) for i, size in enumerate(source))
    return Call(row["op"], row["type"], source, part, detail=(axis, *[part[axis]] * parts))


def _gather(row: Row) -> Call:
    source, axis = _source(row), _n(row, "axis")
    result = tuple(_n(row, "rows") if i == axis else size for i, size in enumerate(source))
    return Call(row["op"], row["type"], source, result, detail=(axis,))


def _update(row: Row) -> Call:
    source = _source(row)
    return Call(row["op"], row["type"], source, source, (1, _n(row, "rows"), *source[2:]))


def _mean(row: Row) -> Call:
    source = _source(row)
    return Call(row["op"], row["type"], source, (1, source[3]), detail=(1, 2))


def _plain(row: Row) -> Call:
    source = _source(row)
    made = {"QUANTIZE": "int8", "DEQUANTIZE": "float32"}.get(row["op"], "")
    return Call(row["op"], row["type"], source, source, made=made if made != row["type"] else "")


_MAKERS: Mapping[str, Callable[[Row], Call]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"), _window),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"), _pairs),
    **dict.fromkeys(("SLICE", "STRIDED_SLICE"), _slice),
    "FULLY_CONNECTED": _dense,
    "PAD": _pad,
    "CONCATENATION": _concatenation,
    "SPLIT": _split,
    "GATHER": _gather,
    "DYNAMIC_UPDATE_SLICE": _update,
    "MEAN": _mean,
    "LESS": lambda row: _plain(row)._replace(made="bool"),
}
