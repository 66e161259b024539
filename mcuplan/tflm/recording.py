"""What TFLM's ``RecordingMicroInterpreter`` prints, predicted and compared line by line with a real log.

Source: micro/recording_micro_allocator.cc, ``PrintAllocations``. The recording allocator is itself larger than the
plain one, so an arena that is recorded holds about 104 bytes more than the same arena in production.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mcuplan import files
from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.tflm.arena import predict
from mcuplan.tflm.results import ArenaPrediction, PersistentAllocation, PersistentKind
from mcuplan.tflm.target import DEFAULT_TARGET, Target

_LINE = re.compile(
    r"\[RecordingMicroAllocator\] '([^']{1,80})' used (\d{1,12}) bytes[^(\n]{0,80}\(requested (\d{1,12}) bytes"
)
_TOTAL = re.compile(r"\[RecordingMicroAllocator\] Arena allocation (total|head|tail) (\d{1,12}) bytes")

_LIMIT = 16 << 20
"""Bytes of a log; a serial line of 115,200 baud sends as many in 24 minutes."""

_TOTALS = ("total", "head", "tail")


class RecordingError(McuplanError):
    """A file that holds no recording allocator's log."""


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """One line of the log: bytes used with alignment, bytes asked for (None for the totals)."""

    name: str
    used: int
    requested: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A line predicted and logged; None where one side has no such line (nothing of that kind was allocated)."""

    name: str
    predicted: RecordedLine | None
    logged: RecordedLine | None

    @property
    def difference(self) -> int:
        """Logged minus predicted bytes used."""
        return (self.logged.used if self.logged else 0) - (self.predicted.used if self.predicted else 0)


def _is_tensor(allocation: PersistentAllocation) -> bool:
    return allocation.kind is PersistentKind.IO_TENSORS and allocation.tensor >= 0


def _is_buffer(allocation: PersistentAllocation) -> bool:
    kind = PersistentKind
    if allocation.kind is kind.IO_TENSORS:
        return allocation.tensor < 0  # the arrays of pointers to input and output tensors
    return allocation.kind in (kind.OP_DATA, kind.PERSISTENT_BUFFER, kind.RESOURCE_VARIABLES)


_CATEGORIES: tuple[tuple[str, Callable[[PersistentAllocation], bool]], ...] = (
    ("TfLiteEvalTensor data", lambda a: a.kind is PersistentKind.EVAL_TENSORS),
    ("Persistent TfLiteTensor data", _is_tensor),
    ("Persistent TfLiteTensor quantization data", lambda a: a.kind is PersistentKind.IO_QUANTIZATION),
    ("Persistent buffer data", _is_buffer),
    ("TfLiteTensor variable buffer data", lambda a: a.kind is PersistentKind.VARIABLES),
    ("NodeAndRegistration struct", lambda a: a.kind is PersistentKind.NODES),
)


def recorded_lines(graph: Graph, target: Target | str = DEFAULT_TARGET) -> tuple[RecordedLine, ...]:
    """The lines that a ``RecordingMicroInterpreter`` would print for ``graph`` on ``target``."""
    return _lines(predict(graph, target, recording=True))


def _lines(arena: ArenaPrediction) -> tuple[RecordedLine, ...]:
    totals = (arena.used_bytes, arena.nonpersistent_bytes, arena.persistent_bytes)
    lines = [RecordedLine(name, used) for name, used in zip(_TOTALS, totals, strict=True)]
    for name, belongs in _CATEGORIES:
        chosen = [a for a in arena.persistent if belongs(a)]
        if used := sum(a.used for a in chosen):
            lines.append(RecordedLine(name, used, sum(a.size for a in chosen)))
    return tuple(lines)


def read_log(path: Path) -> str:
    """The text of a log file; bytes that are no text become escapes.

    Raises
    ------
    RecordingError
        When the file cannot be read.
    """
    return files.read(path, _LIMIT, RecordingError, "cannot read the log").decode("utf-8", "backslashreplace")


def parse_log(text: str, name: str = "log") -> tuple[RecordedLine, ...]:
    """The recording allocator's lines in a device log; anything else in it is passed over.

    Raises
    ------
    RecordingError
        When ``text`` has no such line.
    """
    lines = [RecordedLine(kind, int(used)) for kind, used in _TOTAL.findall(text)]
    lines += [RecordedLine(kind, int(used), int(requested)) for kind, used, requested in _LINE.findall(text)]
    if not lines:
        raise RecordingError(f"{name}: no line of TFLM's RecordingMicroAllocator in it (call PrintAllocations())")
    return tuple(lines)


def compare(predicted: Iterable[RecordedLine], logged: Iterable[RecordedLine]) -> tuple[Comparison, ...]:
    """Both logs side by side, in the order of the prediction, lines that only the log has behind."""
    ours = {line.name: line for line in predicted}
    theirs = {line.name: line for line in logged}
    names = [*ours, *(name for name in theirs if name not in ours)]
    return tuple(Comparison(name, ours.get(name), theirs.get(name)) for name in names)
