"""What is wrong, one finding each: broken limits, reasons why TFLM refuses a model, models that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mcuplan.findings.costs import place
from mcuplan.reports.documents.report import Refusal, Report, Result, SharedResult
from mcuplan.text import safe_name

Kind = Literal["limit", "unsupported", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``rule`` names its kind (``ram-limit``); strings are safe to show but not escaped."""

    kind: Kind
    rule: str
    model: str
    board: str
    message: str
    remedy: str = ""


def findings(report: Report) -> Iterator[Finding]:
    """Every finding of a report, result by result."""
    for result in report.results:
        yield from result_findings(result)
    for group in report.shared:
        yield from group_findings(group)


def result_findings(result: Result) -> Iterator[Finding]:
    """The findings of one model on one board."""
    board = board_label(result)
    if result.error is not None:
        yield Finding("error", "unreadable-model", result.model, board, safe_name(result.error, 500))
    for violation in result.violations:
        message = safe_name(violation.message, 500)
        yield Finding("limit", f"{violation.resource}-limit", result.model, board, message)
    for refusal in result.refusals:
        yield Finding(
            "unsupported", f"unsupported-{safe_name(refusal.rule)}", result.model, board, refusal_sentence(refusal),
            safe_name(refusal.remedy, 500),
        )  # fmt: skip


def group_findings(group: SharedResult) -> Iterator[Finding]:
    """The findings of several models on one board, told of the first of them."""
    model, board = group.models[0] if group.models else group.name, board_label(group)
    told = f"{safe_name(group.name)} together: "
    if group.error is not None:
        yield Finding("error", "unreadable-model", model, board, f"{told}{safe_name(group.error, 500)}")
    for violation in group.violations:
        yield Finding(
            "limit", f"{violation.resource}-limit", model, board, f"{told}{safe_name(violation.message, 500)}"
        )


def refusal_sentence(refusal: Refusal) -> str:
    """Which operator TFLM refuses and why."""
    where = ""
    if refusal.operator >= 0:
        where = f"operator {place(refusal.subgraph, refusal.operator)}, {safe_name(refusal.operator_name)}: "
    tensor = f" (tensor {safe_name(refusal.tensor_name, 40)!r})" if refusal.tensor_name else ""
    return f"{where}{safe_name(refusal.reason, 300)}{tensor}"


def board_label(result: Result | SharedResult) -> str:
    """The board's name, or that there is none."""
    return safe_name(result.board_name or result.board or "no board")
