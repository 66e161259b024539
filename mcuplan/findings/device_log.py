"""A device's log of its allocations, held against the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mcuplan.budget import Analysis
from mcuplan.tflm import recording
from mcuplan.tflm.recording import AllocationFailure, Comparison


@dataclass(frozen=True)
class DeviceLog:
    """What a log said beside the prediction: ``rows`` of bytes, ``failures`` of TFLM to allocate.

    ``of_host`` where the log is a 64-bit host's, whose persistent bytes are others.
    """

    analysis: Analysis
    rows: Sequence[Comparison]
    failures: Sequence[AllocationFailure]
    of_host: bool

    @classmethod
    def of(cls, analysis: Analysis, path: Path) -> Self:
        """The log at ``path``; RecordingError where it says nothing of an arena."""
        text, target = recording.read_log(path), analysis.target
        logged = recording.parse_log(text, str(path))
        rows = recording.compare(recording.recorded_lines(analysis.graph, target), logged) if logged else ()
        return cls(analysis, rows, recording.parse_failures(text), recording.of_64_bit_host(logged, target))

    @property
    def differs(self) -> bool:
        """Whether the log contradicts the prediction; of a 64-bit host's only the planned section can be compared."""
        rows = [row for row in self.rows if row.name == "head"] if self.of_host else self.rows
        return bool(self.failures) or any(row.difference for row in rows)
