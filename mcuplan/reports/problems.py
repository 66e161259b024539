"""What is wrong, one problem each: broken limits, TFLM's reasons to refuse, wrong memory plans, unreadable models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mcuplan.findings.costs import place
from mcuplan.reports.documents.report import Refusal, Report, Result, SharedResult

Kind = Literal["limit", "unsupported", "plan", "error"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``rule`` names its kind (``ram-limit``); strings are raw: each renderer filters them."""

    kind: Kind
    rule: str
    model: str
    board: str
    message: str
    remedy: str = ""


def problems(report: Report) -> Iterator[Problem]:
    """Every problem of a report, result by result."""
    for result in report.results:
        yield from result_problems(result)
    for group in report.shared:
        yield from group_problems(group)


def result_problems(result: Result) -> Iterator[Problem]:
    """The problems of one model on one board."""
    board = board_label(result)
    if result.error is not None:
        yield Problem("error", "unreadable-model", result.model, board, result.error)
    for violation in result.violations:
        message = violation.message
        yield Problem("limit", f"{violation.resource}-limit", result.model, board, message)
    for refusal in result.refusals:
        yield Problem(
            "unsupported", f"unsupported-{refusal.rule}", result.model, board, refusal_sentence(refusal),
            refusal.remedy,
        )  # fmt: skip
    for fault in result.faults:
        yield Problem("plan", fault.rule, result.model, board, f"memory plan: {fault.message}", fault.remedy)


def group_problems(group: SharedResult) -> Iterator[Problem]:
    """The problems of several models on one board, told of the first of them."""
    model, board = group.models[0] if group.models else group.name, board_label(group)
    told = f"{group.name} together: "
    if group.error is not None:
        yield Problem("error", "unreadable-model", model, board, f"{told}{group.error}")
    for violation in group.violations:
        yield Problem("limit", f"{violation.resource}-limit", model, board, f"{told}{violation.message}")


def refusal_sentence(refusal: Refusal) -> str:
    """Which operator TFLM refuses and why."""
    where = ""
    if refusal.operator >= 0:
        where = f"operator {place(refusal.subgraph, refusal.operator)}, {refusal.operator_name}: "
    tensor = f" (tensor '{refusal.tensor_name}')" if refusal.tensor_name else ""
    return f"{where}{refusal.reason}{tensor}"


def board_label(result: Result | SharedResult) -> str:
    """The board's name, or that there is none."""
    return result.board_name or result.board or "no board"
