"""The document of ``mcuplan explain``: where every byte of the arena goes. Names from the model are untrusted text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.findings.diagnostics import diagnose
from mcuplan.findings.explanation import ByteRow, OperatorBytes, explain
from mcuplan.findings.lean import lean_told
from mcuplan.findings.rows import rows_told
from mcuplan.findings.tool import Tool
from mcuplan.reports.documents.build import refusal_shown
from mcuplan.reports.documents.report import Refusal
from mcuplan.tflm.recording import AllocationFailure, Comparison
from mcuplan.version import __version__

if TYPE_CHECKING:
    from pydantic import ConfigDict

    from mcuplan.budget import Analysis
    from mcuplan.findings.device_log import DeviceLog

EXPLAIN_SCHEMA_VERSION = "1.0"
_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class ExplainReport:
    """What ``mcuplan explain --format json`` writes."""

    __pydantic_config__ = _CONFIG

    tool: Tool
    model: str
    target: str
    tflm_version: str
    exact: bool
    """False: the figures are upper bounds."""
    bounded_bytes: int
    """Bytes of `declare_bytes` that are not known exactly."""
    declare_bytes: int
    """Smallest arena that is safe to declare."""
    used_bytes: int
    """What `arena_used_bytes()` returns after `Invoke`."""
    rows: tuple[ByteRow, ...]
    """They add up to `declare_bytes`."""
    operators: tuple[OperatorBytes, ...]
    """The persistent section again, operator by operator, the largest first."""
    refusals: tuple[Refusal, ...]
    """Reasons why TFLM cannot run the model."""
    notes: tuple[str, ...]
    compared: tuple[Comparison, ...] | None = None
    """With --compare: the lines of the log beside the prediction; else null."""
    log_failures: tuple[AllocationFailure, ...] = ()
    """With --compare: where TFLM said in the log that its arena is too small."""
    log_of_64_bit_host: bool = False
    """With --compare: the log is of a program with 64-bit pointers, whose structures are larger than the target's."""
    schema_version: str = EXPLAIN_SCHEMA_VERSION


def explain_report(
    model: str,
    analysis: Analysis,
    compared: Sequence[Comparison] | None = None,
    failures: Sequence[AllocationFailure] = (),
    of_host: bool = False,
) -> ExplainReport:
    """The document for one model on one target."""
    arena = analysis.arena
    found = explain(analysis.graph, analysis.target, arena)
    traps = diagnose(analysis.graph, analysis.target, arena)
    return ExplainReport(
        tool=Tool("mcuplan", __version__),
        model=model,
        target=str(analysis.target),
        tflm_version=arena.tflm_version,
        exact=arena.exact,
        bounded_bytes=arena.bounded_bytes,
        declare_bytes=found.declare_bytes,
        used_bytes=found.used_bytes,
        rows=found.rows,
        operators=found.operators,
        refusals=tuple(map(refusal_shown, analysis.refusals)),
        notes=(
            *filter(None, [rows_told(analysis.graph), lean_told(analysis.graph, analysis.target)]),
            *arena.notes,
            *(f"{trap.message} ({trap.name})" if trap.name else trap.message for trap in traps),
        ),
        compared=None if compared is None else tuple(compared),
        log_failures=tuple(failures),
        log_of_64_bit_host=of_host,
    )


def log_report(model: str, log: DeviceLog) -> ExplainReport:
    """The same with a device's log beside it."""
    return explain_report(model, log.analysis, log.rows, log.failures, log.of_host)
