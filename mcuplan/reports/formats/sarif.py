"""SARIF 2.1.0 (OASIS): one rule per kind of finding, with help; locations are the model files.

No library is used: the one there is (sarif-om) has not been kept up since 2019. The tests hold the output against
OASIS's schema.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from mcuplan.findings.tool import Tool
from mcuplan.reports.documents.json import to_json
from mcuplan.reports.documents.report import Report
from mcuplan.reports.problems import Problem, problems
from mcuplan.reports.repository import repository_path
from mcuplan.text import safe_name, shown

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES = {
    "ram-limit": (
        "RAM limit",
        "The model takes more RAM than the limit allows.",
        "The tensor arena, and on a board the interpreter, the stack and the kernels' data beside it, must fit. Run "
        "`mcuplan explain MODEL` to see where every byte goes and `mcuplan plan MODEL` for a plan with a smaller "
        "arena and the same outputs.",
    ),
    "flash-limit": (
        "Flash limit",
        "The model, or the model and TFLM's code, take more flash than the limit allows.",
        "Weights are most of a model: quantize to int8, use fewer channels or layers, or leave names and metadata out "
        "with `mcuplan plan MODEL --strip`.",
    ),
    "arena-limit": (
        "Arena limit",
        "The tensor arena to declare is larger than the limit on it.",
        "`mcuplan plan MODEL` looks for a plan that needs less; `mcuplan explain MODEL` shows where every byte goes.",
    ),
    "macs-limit": (
        "MACs limit",
        "One inference takes more multiply-accumulates than the limit allows.",
        "A smaller input or fewer channels: `mcuplan inspect MODEL` lists the MACs of each operator.",
    ),
    "latency-limit": (
        "Latency limit",
        "One inference takes longer than the limit allows.",
        "An estimate from measurements on the chip: `mcuplan latency MODEL --board BOARD` lists the time of each "
        "operator, its source and its error.",
    ),
    "energy-limit": (
        "Energy limit",
        "One inference takes more energy than the limit allows.",
        "An estimate, time by the board's active power: `mcuplan energy MODEL --board BOARD` says where both are from.",
    ),
    "power-limit": (
        "Average power limit",
        "The model, run once a period, takes more power on average than the limit allows.",
        "Run it less often, or a smaller one first that wakes it: `mcuplan energy MODEL --board BOARD --period TIME`.",
    ),
    "unreadable-model": (
        "Unreadable model",
        "The model cannot be read or analysed.",
        "The message says what is wrong with the file.",
    ),
}
_UNSUPPORTED = "TensorFlow Lite Micro would refuse the model, or compute garbage, for this reason."
_WRONG_PLAN = "The memory plan in the model loses bytes that are needed, on this target."
_LONGEST_PATH = 4_096


def render(report: Report) -> str:
    """The report as a SARIF 2.1.0 log."""
    found = list(problems(report))
    rules = list(dict.fromkeys([*_RULES, *(problem.rule for problem in found)]))
    run = {
        "tool": {"driver": _driver(report.tool, rules, found)},
        "columnKind": "utf16CodeUnits",
        "results": [_result(problem, rules.index(problem.rule)) for problem in found],
    }
    return to_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _driver(tool: Tool, rules: Sequence[str], found: Sequence[Problem]) -> dict[str, Any]:
    return {
        "name": tool.name,
        "version": tool.version,
        "semanticVersion": tool.version,
        "rules": [_rule(rule, found) for rule in rules],
    }


def _rule(rule: str, found: Sequence[Problem]) -> dict[str, Any]:
    remedy = next(
        (f.remedy for f in found if f.rule == rule and f.remedy), "Run `mcuplan check MODEL` for every reason."
    )
    why = _WRONG_PLAN if rule.startswith("plan-") else _UNSUPPORTED
    name, short, help_ = _RULES.get(rule, (rule.replace("-", " ").capitalize(), why, remedy))
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in name.split()),
        "shortDescription": {"text": short},
        "help": {"text": shown(help_.replace("`", "'")), "markdown": shown(help_)},
        "defaultConfiguration": {"level": "error"},
    }


def _result(problem: Problem, index: int) -> dict[str, Any]:
    model = repository_path(problem.model)
    key = f"{problem.rule}:{safe_name(problem.board)}:{safe_name(model, 200)}"
    text = f"{problem.board}: {problem.message}" + (f". {problem.remedy}" if problem.remedy else "")
    return {
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": shown(text)},
        "locations": [{"physicalLocation": _location(model)}],
        "partialFingerprints": {"mcuplan/v1": key},
    }


def _location(model: str) -> dict[str, Any]:
    # A model has no lines, but GitHub's code scanning takes no location without one.
    return {"artifactLocation": {"uri": model_uri(model)}, "region": {"startLine": 1}}


def model_uri(model: str) -> str:
    """The model as a URI reference (RFC 3986): relative where the path is, ``zoo:NAME`` as it stands.

    Examples
    --------
    >>> model_uri("models/visual wake.tflite"), model_uri("zoo:ds-cnn")
    ('models/visual%20wake.tflite', 'zoo:ds-cnn')
    """
    path = model[:_LONGEST_PATH].replace(os.sep, "/").encode("utf-8", "surrogateescape")
    if model.startswith("zoo:"):
        return f"zoo:{quote(path[4:], safe='/?=&')}"
    # The first segment of a relative reference may hold no colon; quote() takes care of that.
    return f"file://{quote(path)}" if path.startswith(b"/") else quote(path)
