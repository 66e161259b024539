"""JUnit XML, as the widely used ``JUnit.xsd`` (Windy Road) has it: a suite a model, a case a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO

from junitparser import (
    Attr,
    Element,
    Error,
    Failure,
    IntAttr,
    JUnitXml,
    Properties,
    Skipped,
    SystemErr,
    SystemOut,
    TestCase,
    TestSuite,
)

from mcuplan.reports.documents.report import Report, Result, SharedResult
from mcuplan.reports.problems import Problem, board_label, group_problems, result_problems
from mcuplan.text import safe_name, shown

_LABELS = {
    "ram": "RAM", "arena": "arena", "flash": "flash", "macs": "MACs", "latency": "latency", "energy": "energy",
    "power": "average power",
}  # fmt: skip
_RUNS = "TFLM runs it"
_PLAN = "its memory plan is safe"


class _Suite(TestSuite):
    """A suite with the two attributes that the schema asks for and the library does not know."""

    package = Attr()
    id = IntAttr()


def render(report: Report, now: datetime | None = None) -> str:
    """The report as JUnit XML; ``now`` (the clock where None) is the time the schema asks for."""
    stamp = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S")
    document = JUnitXml()
    # The library's sums on the root element are not part of the schema, so that suites are appended as they are.
    for index, (name, cases) in enumerate(_suites(report)):
        document._elem.append(_suite(index, name, cases, stamp)._elem)
    out = BytesIO()
    document.write(out)
    return out.getvalue().decode() + "\n"


def _suites(report: Report) -> Iterator[tuple[str, list[TestCase]]]:
    for model in dict.fromkeys(result.model for result in report.results):
        rows = [result for result in report.results if result.model == model]
        yield model, [case for row in rows for case in _cases(row, list(result_problems(row)))]
    for group in report.shared:
        yield f"{group.name} together", list(_cases(group, list(group_problems(group))))


def _suite(index: int, name: str, cases: Sequence[TestCase], stamp: str) -> _Suite:
    suite = _Suite(_token(name))
    suite.package, suite.id, suite.timestamp, suite.hostname = "mcuplan", index, stamp, "localhost"
    suite.time = 0
    suite.tests = len(cases)
    suite.failures = sum(case.is_failure for case in cases)
    suite.errors = sum(case.is_error for case in cases)
    properties: Element = Properties()  # type: ignore[no-untyped-call]
    for part in (properties, *cases, SystemOut(""), SystemErr("")):
        suite._elem.append(part._elem)
    return suite


def _cases(row: Result | SharedResult, found: Sequence[Problem]) -> Iterator[TestCase]:
    """A case for each limit and for whether TFLM runs the model; one alone where it cannot be read."""
    board = board_label(row)
    errors = [problem for problem in found if problem.kind == "error"]
    if errors:
        yield _case(row, f"readable on {board}", Error(shown(errors[0].message), errors[0].rule))
        return
    for resource in dict.fromkeys(rule.resource for rule in row.limits.rules):
        broken = [f for f in found if f.rule == f"{resource}-limit"]
        yield _case(row, f"{_LABELS[resource]} on {board}", _failure(broken))
    for estimate in row.limits.estimates:
        name = f"{_LABELS[estimate.quantity]} on {board}"
        if estimate.kept is None:
            yield _case(row, name, Skipped(shown(estimate.message)))
        else:
            yield _case(row, name, _failure([f for f in found if f.rule == f"{estimate.quantity}-limit"]))
    if isinstance(row, Result):
        yield _case(row, f"{_RUNS} on {board}", _failure([f for f in found if f.kind == "unsupported"]))
        if row.planned is not None or row.faults:
            yield _case(row, f"{_PLAN} on {board}", _failure([f for f in found if f.kind == "plan"]))


def _failure(found: Sequence[Problem]) -> Failure | None:
    if not found:
        return None
    failure = Failure(shown(found[0].message), found[0].rule)
    failure.text = "\n".join(shown(f"{f.message}. {f.remedy}".strip()) for f in found)
    return failure


def _case(row: Result | SharedResult, name: str, result: Failure | Error | Skipped | None) -> TestCase:
    model = row.model if isinstance(row, Result) else row.name
    case = TestCase(_token(name), classname=_token(model), time=0)
    if result is not None:
        case.result = [result]
    return case


def _token(text: str) -> str:
    """A name as ``xs:token`` wants it: spaces single, none at the ends, never empty."""
    return " ".join(safe_name(text, 300).split()) or "unnamed"
