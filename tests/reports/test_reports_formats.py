"""Markdown, JUnit, SARIF and GitHub annotations: what they say, and that their schemas take them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from report_samples import HOSTILE_NAME, analysis, graph, report, result

from mcuplan.budget.limits import Counted, Limit, Limits, Resource
from mcuplan.reports.documents import build
from mcuplan.reports.documents.report import Refusal, Report, Result
from mcuplan.reports.formats import FORMATS, renderer
from mcuplan.reports.formats.github import render as to_annotations
from mcuplan.reports.formats.junit import render as to_junit
from mcuplan.reports.formats.markdown import render as to_markdown
from mcuplan.reports.formats.sarif import model_uri
from mcuplan.reports.formats.sarif import render as to_sarif
from mcuplan.reports.problems import problems

NOW = datetime(2026, 1, 2, 3, 4, 5)


def tight(model: str = "model.tflite") -> Result:
    """480 bytes of arena where 400 are allowed."""
    return result(limits=Limits(ram=Limit(Resource.RAM, 400, Counted.ARENA, source="board")), model=model)


def refused(count: int, model: str = "refused.tflite") -> Result:
    refusals = tuple(
        Refusal("shape-mismatch", f"no {i}%", "convert again", 0, i, "RELU", 1, f"t{i}") for i in range(count)
    )
    return replace(result(model=model), verdict="unsupported", refusals=refusals)


def many() -> Report:
    return build.report([
        result(model="good.tflite"), tight("fat model.tflite"), refused(7),
        build.failed("gone.tflite", None, "gone.tflite: cannot be read: No such file or directory"),
    ])  # fmt: skip


def hostile() -> Report:
    evil = replace(tight(f"| `@everyone` {HOSTILE_NAME}"), board_name="<b>|**board**")
    refusal = Refusal("rule", f"]]> {HOSTILE_NAME}", "%0A::error::x", 0, 0, HOSTILE_NAME, 0, HOSTILE_NAME)
    return build.report([replace(evil, refusals=(refusal,)), result(analysis(graph(tensor_prefix=HOSTILE_NAME)))])


REPORTS = {"many": many, "hostile": hostile, "pass": report, "empty": lambda: build.report([])}


def schema(name: str) -> Path:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("needs MCUPLAN_SHARED, the folder with schemas/")
    return Path(folder) / "schemas" / name


@pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)
def test_sarif_is_valid(made: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    rules = json.loads(schema("sarif-schema-2.1.0.json").read_text("utf-8"))
    jsonschema.Draft7Validator(rules).validate(json.loads(to_sarif(made())))


@pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)
def test_junit_is_valid(made: Any) -> None:
    etree = pytest.importorskip("lxml.etree", reason="needs lxml (the test extra)")
    rules = etree.XMLSchema(etree.parse(str(schema("JUnit.xsd"))))
    rules.assertValid(etree.fromstring(to_junit(made()).encode()))


def test_the_problems_of_a_report() -> None:
    found = [(f.kind, f.rule, f.model) for f in problems(many())]
    assert found[0] == ("limit", "ram-limit", "fat model.tflite")
    assert found[1:8] == [("unsupported", "unsupported-shape-mismatch", "refused.tflite")] * 7
    assert found[8] == ("error", "unreadable-model", "gone.tflite")


def test_sarif_says_what_is_wrong_and_where() -> None:
    run = json.loads(to_sarif(many()))["runs"][0]
    first = run["results"][0]
    assert first["ruleId"] == "ram-limit"
    assert first["message"]["text"].startswith("no board: RAM: the arena takes 480 bytes, may be at most 400")
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "fat%20model.tflite"
    rules = run["tool"]["driver"]["rules"]
    for entry in run["results"]:
        assert rules[entry["ruleIndex"]]["id"] == entry["ruleId"]
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)
    assert len({rule["id"] for rule in rules}) == len(rules) == 9


@pytest.mark.parametrize(
    ("model", "uri"),
    [
        ("a/b.tflite", "a/b.tflite"), ("zoo:mobilenet-v2?width=0.5", "zoo:mobilenet-v2?width=0.5"),
        ("/models/x y.tflite", "file:///models/x%20y.tflite"), ("1:2.tflite", "1%3A2.tflite"), ("ü\udcff", "%C3%BC%FF"),
    ],
)  # fmt: skip
def test_a_model_as_a_uri(model: str, uri: str) -> None:
    assert model_uri(model) == uri


def test_junit_has_a_case_for_every_question() -> None:
    from xml.etree import ElementTree

    suites = ElementTree.fromstring(to_junit(many(), NOW)).findall("testsuite")
    assert [(s.get("name"), s.get("tests"), s.get("failures"), s.get("errors")) for s in suites] == [
        ("good.tflite", "4", "0", "0"), ("fat model.tflite", "2", "1", "0"), ("refused.tflite", "4", "1", "0"),
        ("gone.tflite", "1", "0", "1"),
    ]  # fmt: skip
    assert [s.get("id") for s in suites] == ["0", "1", "2", "3"]
    assert suites[0].get("timestamp") == "2026-01-02T03:04:05"
    assert [case.get("name") for case in suites[1]][1:3] == ["RAM on no board", "TFLM runs it on no board"]
    failure = suites[2].find("testcase/failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.count("convert again") == 7


def test_annotations_are_escaped_and_few() -> None:
    lines = to_annotations(many()).splitlines()
    assert lines[0].startswith("::error file=fat model.tflite,title=no board%3A over a limit::RAM: the arena takes 480")
    assert lines[1] == (
        "::error file=refused.tflite,title=no board%3A TFLM cannot run it::"
        "operator 0, RELU: no 0%25 (tensor 't0'). convert again"
    )
    assert sum("refused.tflite" in line for line in lines) == 6
    assert "and 2 more" in lines[6]
    assert to_annotations(report()) == "::notice title=mcuplan::1 check passed\n"


def test_no_name_makes_an_annotation_of_its_own() -> None:
    for line in to_annotations(hostile()).splitlines():
        assert re.match(r"::error file=[^:,]*,title=[^:,]*::[^\r\n]*$", line)


def test_markdown_has_a_row_for_every_result_and_folds_details() -> None:
    text = to_markdown(many())
    assert "### mcuplan: 1 pass, 1 fail, 1 unsupported, 1 unreadable" in text
    assert "| ❌ fail | `fat model.tflite` | – | ❌ **120%** 480 B of 400 B |" in text
    assert "| ✅ pass | `good.tflite` | – | <1% 480 B of 250.0 kB |" in text
    assert text.count("<details>") == text.count("</details>") == 3
    assert "- and 2 more reasons" in text


def test_markdown_of_hostile_names_has_no_markup_of_theirs() -> None:
    text = to_markdown(hostile())
    allowed = re.sub(r"</?(details|summary)>", "", text)
    outside = re.sub(r"`[^`\n]*`", "", allowed)
    assert "<script" not in outside
    assert "<b>" not in outside
    assert "@everyone" not in outside
    table = [line for line in text.splitlines() if line.startswith("| ❌")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 7 for line in table)


def test_markdown_stays_under_60_kb() -> None:
    row = tight()
    rows = [replace(row, model=f"model-{i}-{'x' * 150}.tflite") for i in range(1_000)]
    text = to_markdown(build.report(rows))
    assert len(text.encode()) < 60_000
    assert "more results" in text
    assert "are left out" in text


def test_every_format_is_text_that_ends_with_a_line() -> None:
    for render in map(renderer, FORMATS):
        assert render(many()).endswith("\n")
