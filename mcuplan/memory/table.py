"""Allocation problems as CSV files, in the columns of MiniMalloc.

``id,lower,upper,size`` with half-open lifespans and, where needed, ``alignment``, ``hint`` (-1: none), ``gaps`` and
``offset`` (-1 or nothing: the allocator chooses). Gaps are separated by spaces: ``5-7`` says that the buffer is not in
use during the steps [5, 7), ``5-7@16:32`` that only its bytes [16, 32) are. Files of an older form, whose last column
of time is ``end``, count the last step in. Source: https://github.com/google/minimalloc, ``src/converter.cc``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from io import StringIO
from itertools import pairwise
from pathlib import Path

from mcuplan import files
from mcuplan.memory.problem import AllocationError, Buffer, Problem, Window, shown

_OTHER_NAMES = {"buffer": "id", "buffer_id": "id", "start": "lower", "begin": "lower", "end": "upper"}
_REQUIRED = ("id", "lower", "upper", "size")
_KNOWN = frozenset((*_REQUIRED, "alignment", "hint", "gaps", "offset"))
_LIMIT = 16 << 20
"""Bytes of a table: a line of 20 bytes for each of 800,000 buffers, far more than can be placed."""

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_GAP = re.compile(r"([0-9]{1,18})-([0-9]{1,18})(?:@([0-9]{1,18}):([0-9]{1,18}))?")


def read_csv(path: Path, capacity: int | None = None) -> Problem:
    """The problem in a CSV file, to be placed within ``capacity`` bytes (None: as few as possible).

    Raises
    ------
    AllocationError
        Where the file cannot be read, lacks a column, holds something else than numbers, or the problem makes no sense.
    """
    try:
        text = files.read(path, _LIMIT, AllocationError).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AllocationError(f"{path}: is no CSV file: it is not UTF-8 text") from None
    try:
        return Problem(tuple(_buffers(text)), capacity)
    except (AllocationError, csv.Error) as error:
        raise AllocationError(f"{path}: {error}") from None


def write_csv(path: Path, problem: Problem, offsets: Mapping[Hashable, int]) -> None:
    """Write ``problem`` with the ``offsets`` in bytes, by buffer id, of a placement.

    Raises
    ------
    AllocationError
        Where windows of one buffer overlap in time: gaps cannot say that.
    McuplanError
        Where the file cannot be written; no partial file is left.
    """
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    aligned = any(b.alignment != 1 for b in problem.buffers)
    hinted = any(b.hint is not None for b in problem.buffers)
    gapped = any(b.windows for b in problem.buffers)
    optional = [name for name, there in (("alignment", aligned), ("hint", hinted), ("gaps", gapped)) if there]
    writer.writerow([*_REQUIRED, *optional, "offset"])
    for b in problem.buffers:
        cells = {"alignment": b.alignment, "hint": -1 if b.hint is None else b.hint, "gaps": " ".join(_gaps(b))}
        writer.writerow([b.id, b.lower, b.upper, b.size, *(cells[name] for name in optional), offsets[b.id]])
    files.write_text(path, out.getvalue())


# -- reading ------------------------------------------------------------------------------------------------------


def _buffers(text: str) -> Iterable[Buffer]:
    rows = csv.reader(StringIO(text), strict=True)
    header = [name.strip().lower() for name in next(rows, [])]
    columns = [_OTHER_NAMES.get(name, name) for name in header]
    for name in _REQUIRED:
        if name not in columns:
            raise AllocationError(f"has no column {name!r}; needed are {', '.join(_REQUIRED)}")
    if len(set(columns)) < len(columns):
        raise AllocationError("has two columns of one name")
    for name in columns:
        if name not in _KNOWN:
            raise AllocationError(f"has a column {shown(name)} that means nothing here")
    last_step_counts = int("end" in header)
    for cells in rows:
        if cells:
            if len(cells) != len(columns):
                raise AllocationError(f"line {rows.line_num} has {len(cells)} fields and not {len(columns)}")
            yield _Row(dict(zip(columns, map(str.strip, cells), strict=True)), rows.line_num, last_step_counts).buffer()


class _Row:
    """One line of the file."""

    def __init__(self, cells: Mapping[str, str], line: int, last_step_counts: int) -> None:
        self.cells = cells
        self.line = line
        self.last_step_counts = last_step_counts

    def buffer(self) -> Buffer:
        """The row as a buffer: bytes, steps ``[lower, upper)``, alignment (1 if not given), fixed offset."""
        lower, upper, size = self._number("lower"), self._number("upper") + self.last_step_counts, self._number("size")
        return Buffer(
            self.cells["id"],
            size,
            lower,
            upper,
            1 if (alignment := self._optional("alignment")) is None else alignment,
            self._optional("offset"),
            self._windows(lower, upper, size),
            self._optional("hint"),
        )

    def _number(self, column: str) -> int:
        cell = self.cells[column]
        if not _NUMBER.fullmatch(cell):
            raise AllocationError(f"line {self.line}: {column} is {shown(cell)}, which is no whole number")
        return int(cell)

    def _optional(self, column: str) -> int | None:
        """A number that may be left out; -1 stands for none as well."""
        if not self.cells.get(column) or (number := self._number(column)) == -1:
            return None
        return number

    def _windows(self, lower: int, upper: int, size: int) -> tuple[Window, ...]:
        """What is in use between gaps, and in those that leave a part of the buffer in use; none without gaps."""
        gaps = sorted(map(self._gap, self.cells.get("gaps", "").split()), key=lambda w: (w.lower, w.upper))
        if not gaps:
            return ()
        for a, b in pairwise(gaps):
            if b.lower < a.upper:
                raise AllocationError(f"line {self.line}: gaps {a.lower}-{a.upper} and {b.lower}-{b.upper} overlap")
        edges = [lower, *(step for gap in gaps for step in (gap.lower, gap.upper)), upper]
        between = [Window(begin, end, 0, size) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        if any(w.lower > w.upper for w in between):
            raise AllocationError(f"line {self.line}: a gap lies outside the lifespan [{lower}, {upper})")
        used = [w for w in (*between, *gaps) if w.lower < w.upper and (w.begin < w.end or w in gaps)]
        return tuple(sorted(used, key=lambda w: w.lower))

    def _gap(self, cell: str) -> Window:
        found = _GAP.fullmatch(cell)
        if found is None:
            raise AllocationError(f"line {self.line}: {shown(cell)} is no gap such as 5-7 or 5-7@16:32")
        lower, upper, begin, end = (int(part or 0) for part in found.groups())
        return Window(lower, upper + self.last_step_counts, begin, end)


# -- writing ------------------------------------------------------------------------------------------------------


def _gaps(b: Buffer) -> Sequence[str]:
    if not b.windows:
        return ()
    found = []
    at = b.lower
    for w in sorted(b.windows, key=lambda w: w.lower):
        if w.lower < at:
            raise AllocationError(f"buffer {shown(b.id)} has windows that overlap in time, which gaps cannot say")
        if at < w.lower:
            found.append(f"{at}-{w.lower}")
        if w.begin >= w.end:
            found.append(f"{w.lower}-{w.upper}")
        elif (w.begin, w.end) != (0, b.size):
            found.append(f"{w.lower}-{w.upper}@{w.begin}:{w.end}")
        at = w.upper
    return (*found, f"{at}-{b.upper}") if at < b.upper else tuple(found)
