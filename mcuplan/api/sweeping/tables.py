"""Where a sweep's rows go: a file that tells, when it is read again, what is done.

The rows of one item are written with one call and stand together. What a run that was killed left behind is at most a
part of the last item, which is dropped: an item counts as done where all its rows are there. Of an item that was done
twice (its model changed in between) the later rows count.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from mcuplan import files
from mcuplan.errors import McuplanError
from mcuplan.reports.documents.sweep import COLUMNS, SweepRow, as_dict, from_dict

FORMATS = (".jsonl", ".csv", ".parquet")
"""Endings of the files that rows can be written to."""

_FORMULA = ("=", "+", "-", "@", "'")
"""What a spreadsheet takes for the beginning of a formula (and our own mark before those)."""
_TEXTS = ("model", "board", "reason")
_ROW_GROUP = 10_000
_TOGETHER = 1_000
"""Rows that are written with one call where a whole file is."""


class Lines(Protocol):
    """A manner of writing rows as lines of text; ``begin`` is what every file begins with that has a row."""

    begin: str

    def head(self) -> str:
        """What the file begins with."""

    def encode(self, rows: Iterable[SweepRow]) -> str:
        """Rows as whole lines."""

    def decode(self, file: io.TextIOWrapper) -> Iterator[SweepRow | None]:
        """The rows of a file, None for what is none."""


class JsonLines:
    """One JSON object a line; pure ASCII."""

    begin = f'{{"{COLUMNS[0]}": "'

    def head(self) -> str:
        """Nothing."""
        return ""

    def encode(self, rows: Iterable[SweepRow]) -> str:
        """One line a row."""
        return "".join(json.dumps(as_dict(row)) + "\n" for row in rows)

    def decode(self, file: io.TextIOWrapper) -> Iterator[SweepRow | None]:
        """Each line's row."""
        for line in file:
            try:
                values = json.loads(line) if line.endswith("\n") else None
            except (ValueError, RecursionError):
                values = None
            yield from_dict(values) if isinstance(values, dict) else None


class Csv:
    """RFC 4180, with a head; text that a spreadsheet would take for a formula gets an apostrophe before it."""

    begin = ",".join(COLUMNS) + "\r\n"

    def head(self) -> str:
        """The columns' names."""
        return self.begin

    def encode(self, rows: Iterable[SweepRow]) -> str:
        """One record a row; what is not known is empty."""
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        for row in rows:
            values = as_dict(row)
            for name in _TEXTS:
                text = values[name]
                values[name] = f"'{text}" if text and text.startswith(_FORMULA) else text
            writer.writerow(["" if value is None else value for value in values.values()])
        return file.getvalue()

    def decode(self, file: io.TextIOWrapper) -> Iterator[SweepRow | None]:
        """Each record's row."""
        whole = _ends_with_newline(file)
        reader = csv.reader(file)
        head = next(reader, None)
        if head is None:
            return
        if tuple(head) != COLUMNS:
            yield None
            return
        before: list[str] | None = None
        with contextlib.suppress(csv.Error):
            for record in reader:
                if before is not None:
                    yield self._row(before)
                before = record
        if before is not None:
            yield self._row(before) if whole else None

    def _row(self, record: Sequence[str]) -> SweepRow | None:
        if len(record) != len(COLUMNS):
            return None
        values: dict[str, str | None] = dict(zip(COLUMNS, record, strict=True))
        for name, text in values.items():
            if name in _TEXTS and text and text[0] == "'" and text[1:].startswith(_FORMULA):
                values[name] = text[1:]
            elif not text and name not in ("model", "reason", "sha256", "settings"):
                values[name] = None
        return from_dict(values)


def _ends_with_newline(file: io.TextIOWrapper) -> bool:
    raw = cast("BinaryIO", file.buffer)
    size = raw.seek(0, os.SEEK_END)
    raw.seek(max(size - 1, 0))
    last = raw.read(1)
    raw.seek(0)
    return last == b"\n"


class Table:
    """A file of rows that grows item by item.

    Parameters
    ----------
    path
        The file; its ending says how rows are written.
    settings
        The digest that its rows must have.
    cases
        Rows of one item.
    restart
        Begin anew, whatever the file holds.

    Raises
    ------
    McuplanError
        Where the file cannot be written, is no output of a sweep, or one with other settings; or another run writes it.
    """

    def __init__(self, path: Path, settings: str, cases: int, restart: bool = False) -> None:
        self.path = path
        self._parquet = path.suffix.lower() == ".parquet"
        self._lines = _lines(path)
        self._written = path.with_name(f"{path.name}.rows.jsonl") if self._parquet else path
        self._settings, self._cases = settings, cases
        self.done: dict[tuple[str, str], str] = {}
        """Items that are done, each with the SHA-256 of its model."""
        if self._parquet:
            parquet = _pyarrow()
            if not restart and not self._written.exists() and path.exists():
                self._replace(parquet.read(path))
        if restart:
            self._written.unlink(missing_ok=True)
        self._file = self._open()

    def _open(self) -> BinaryIO:
        file = files.appended_to(self._written)
        try:
            if self._read():
                self._compact()
                file.close()
                file = files.appended_to(self._written)
            if file.seek(0, os.SEEK_END) == 0:
                file.write(self._lines.head().encode())
                file.flush()
        except BaseException:
            file.close()
            raise
        return file

    def _groups(self) -> Iterator[tuple[tuple[SweepRow, ...], bool]]:
        """Rows of one item that stand together, and whether they are all."""
        group: list[SweepRow] = []
        for row in self._rows():
            if group and (row is None or row.item != group[0].item or len(group) == self._cases):
                yield tuple(group), len(group) == self._cases
                group = []
            if row is None:
                yield (), False
                continue
            group.append(row)
        if group:
            yield tuple(group), len(group) == self._cases

    def _rows(self) -> Iterator[SweepRow | None]:
        return _decoded(self._written, self._lines)

    def _read(self) -> bool:
        """Find out what is done; whether there is anything that has to go."""
        torn = any_row = False
        for group, whole in self._groups():
            any_row = any_row or bool(group)
            if whole and any(row.settings != self._settings for row in group):
                raise McuplanError(
                    f"{self.path}: its rows were made with other boards, options or another mcuplan: "
                    "name another file, or begin anew with --restart"
                )
            torn = torn or not whole or group[0].item in self.done
            if whole:
                self.done[group[0].item] = group[0].sha256
        if torn and not any_row and not self._begun():
            raise McuplanError(f"{self.path}: this is no output of `mcuplan sweep`, and nothing was written over it")
        return torn

    def _begun(self) -> bool:
        """Whether a file without a whole row is one that a sweep began to write."""
        begin = self._lines.begin.encode()
        with files.opened(self._written, files.ANY_SIZE) as file:
            found = file.read(len(begin))
        return begin.startswith(found)

    def append(self, rows: Sequence[SweepRow]) -> None:
        """Write the rows of one item, all or (where the process is killed) as good as none."""
        try:
            self._file.write(self._lines.encode(rows).encode())
            self._file.flush()
        except OSError as error:
            raise McuplanError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    def close(self, complete: bool, redone: bool = False) -> None:
        """End: with ``redone`` drop the rows of items that were done again; complete tables in Parquet are written."""
        self._file.close()
        if redone:
            self._compact()
        if complete and self._parquet:
            _pyarrow().write(self.path, filter(None, self._rows()))
            self._written.unlink()

    def _compact(self) -> None:
        """Keep the last whole group of each item."""
        last: dict[tuple[str, str], int] = {}
        for number, (group, whole) in enumerate(self._groups()):
            if whole:
                last[group[0].item] = number
        kept = frozenset(last.values())
        self._replace(row for number, (group, _) in enumerate(self._groups()) if number in kept for row in group)

    def _replace(self, rows: Iterable[SweepRow]) -> None:
        with files.replaced(self._written) as file:
            file.write(self._lines.head().encode())
            for some in _batches(rows, _TOGETHER):
                file.write(self._lines.encode(some).encode())


def rows_in(path: Path) -> Iterator[SweepRow]:
    """All rows of a file that is complete."""
    if path.suffix.lower() == ".parquet":
        return _pyarrow().read(path)
    return filter(None, _decoded(path, _lines(path)))


def _lines(path: Path) -> Lines:
    return Csv() if path.suffix.lower() == ".csv" else JsonLines()


def _decoded(path: Path, lines: Lines) -> Iterator[SweepRow | None]:
    with (
        files.opened(path, files.ANY_SIZE) as raw,
        io.TextIOWrapper(raw, "utf-8", "replace", newline="") as file,
    ):
        yield from lines.decode(file)


def _batches(rows: Iterable[SweepRow], size: int) -> Iterator[list[SweepRow]]:
    some: list[SweepRow] = []
    for row in rows:
        some.append(row)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


class _Parquet:
    """Reads and writes rows with pyarrow."""

    def __init__(self) -> None:
        import pyarrow
        import pyarrow.parquet

        self._arrow = pyarrow
        whole, real, text = pyarrow.int64(), pyarrow.float64(), pyarrow.string()
        kinds = {"latency_us": real, "energy_uj": real, "exact": pyarrow.bool_()}
        texts = ("model", "board", "target", "plan", "verdict", "reason", "sha256", "settings")
        self._schema = pyarrow.schema(
            [(name, kinds.get(name, text if name in texts else whole)) for name in COLUMNS]
        )  # fmt: skip

    def write(self, path: Path, rows: Iterable[SweepRow]) -> None:
        """Write a whole file, some rows at a time."""
        with files.replaced(path) as file, self._arrow.parquet.ParquetWriter(file, self._schema) as writer:
            for some in _batches(rows, _ROW_GROUP):
                writer.write_table(self._arrow.Table.from_pylist([as_dict(row) for row in some], self._schema))

    def read(self, path: Path) -> Iterator[SweepRow]:
        """The rows of a file; McuplanError where it is none of ours."""
        try:
            with files.opened(path, files.ANY_SIZE) as file:
                for batch in self._arrow.parquet.ParquetFile(file).iter_batches():
                    for values in batch.to_pylist():
                        row = from_dict(values)
                        if row is None:
                            raise McuplanError(f"{path}: this is no output of `mcuplan sweep`")
                        yield row
        except self._arrow.ArrowException as error:
            raise McuplanError(f"{path}: cannot be read as Parquet: {error}") from None


def _pyarrow() -> _Parquet:
    try:
        return _Parquet()
    except ImportError:
        raise McuplanError("Parquet needs pyarrow: pip install 'mcuplan[parquet]', or write .csv or .jsonl") from None
