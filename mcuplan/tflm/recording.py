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
from mcuplan.tflm.kernels import object_sizes
from mcuplan.tflm.results import ArenaPrediction, PersistentAllocation, PersistentKind
from mcuplan.tflm.target import DEFAULT_TARGET, Target

_LINE = re.compile(
    r"\[RecordingMicroAllocator\] '([^']{1,80})' used (\d{1,12}) bytes[^(\n]{0,80}\(requested (\d{1,12}) bytes"
    r"(?: for (\d{1,12}))?"
)
_FAILED = re.compile(
    r"(?:Failed to ([a-z ]{1,40})\.\s{0,9})?Requested:?\s{1,9}(\d{1,12}),?\s{1,9}available:?\s{1,9}(\d{1,12}),?"
    r"\s{1,9}missing:?\s{1,9}(\d{1,12})"
)
_TOO_SMALL = re.compile(
    r"Arena size is too small for all buffers\. Needed (\d{1,12}) but only (\d{1,12}) was available"
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
    count: int | None = None
    """Objects that the line is for; None where it does not say."""


@dataclass(frozen=True, slots=True)
class AllocationFailure:
    """A line with which TFLM says that its arena is too small; bytes. ``what`` is what it was doing, in its words."""

    what: str
    requested: int
    available: int
    missing: int


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

    None, where TFLM only says that its arena is too small (:func:`parse_failures`).

    Raises
    ------
    RecordingError
        When ``text`` has neither.
    """
    lines = [RecordedLine(kind, int(used)) for kind, used in _TOTAL.findall(text)]
    lines += [
        RecordedLine(kind, int(used), int(requested), int(count) if count else None)
        for kind, used, requested, count in _LINE.findall(text)
    ]
    if not lines and not parse_failures(text):
        raise RecordingError(
            f"{name}: no line of TFLM's RecordingMicroAllocator in it (call PrintAllocations()), and none that says "
            "that the arena is too small"
        )
    return tuple(lines)


def parse_failures(text: str) -> tuple[AllocationFailure, ...]:
    """What a device log says of an arena that is too small, in its order.

    Sources: micro/arena_allocator/single_arena_buffer_allocator.cc ("Failed to allocate tail memory. Requested: %u,
    available %u, missing: %u" and its siblings), micro/micro_allocator.cc of TFLM until 2022 ("Arena size is too small
    for all buffers. Needed %u but only %u was available.").
    """
    found = [
        (m.start(), AllocationFailure(m[1] or "allocate memory", int(m[2]), int(m[3]), int(m[4])))
        for m in _FAILED.finditer(text)
    ]
    for m in _TOO_SMALL.finditer(text):
        needed, there = int(m[1]), int(m[2])
        found.append((m.start(), AllocationFailure("place all buffers", needed, there, max(needed - there, 0))))
    return tuple(failure for _, failure in sorted(found, key=lambda pair: pair[0]))


def of_64_bit_host(lines: Iterable[RecordedLine], target: Target) -> bool:
    """Whether a log is of a program with 64-bit pointers: its ``TfLiteEvalTensor`` (a pointer to data, a pointer to
    dimensions, a type) takes twice the target's bytes."""
    size = object_sizes(target)["TfLiteEvalTensor"]
    return any(
        line.name == "TfLiteEvalTensor data" and line.count and line.requested == 2 * size * line.count
        for line in lines
    )


def compare(predicted: Iterable[RecordedLine], logged: Iterable[RecordedLine]) -> tuple[Comparison, ...]:
    """Both logs side by side, in the order of the prediction, lines that only the log has behind."""
    ours = {line.name: line for line in predicted}
    theirs = {line.name: line for line in logged}
    names = [*ours, *(name for name in theirs if name not in ours)]
    return tuple(Comparison(name, ours.get(name), theirs.get(name)) for name in names)
