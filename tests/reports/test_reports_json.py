"""The report as JSON: stable keys, valid against the schema, readable again."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from report_samples import HOSTILE_NAME, analysis, graph, report, result

from mcuplan.reports.documents import build
from mcuplan.reports.documents.json import to_json
from mcuplan.reports.documents.schema import ReportError, from_json, report_schema


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(to_json(report(result(), build.failed("bad.tflite", None, "bad.tflite: no"))))


def test_keys_that_scripts_stand_on(document: Any) -> None:
    assert document["schema_version"] == "1.3"
    assert document["tool"]["name"] == "mcuplan"
    first = document["results"][0]
    assert first["model"] == "model.tflite"
    assert first["board"] is None
    assert first["verdict"] == "pass"
    arena = [first["arena"][f"{k}_bytes"] for k in ("declare", "used", "nonpersistent", "persistent")]
    assert arena == [480, 480, 192, 288]
    assert first["arena"]["exact"] is True
    flash = [first["flash"][f"{k}_bytes"] for k in ("model", "weights", "runtime", "total")]
    assert flash == [1_500, 800, 25_604, 27_104]
    assert first["macs"] == 40_000
    assert first["limits"]["ram_bytes"] == 250_000
    assert first["limits"]["flash_bytes"] == 250_000
    assert first["limits"]["macs"] == 60_000_000
    assert first["violations"] == []
    assert document["results"][1]["verdict"] == "error"
    assert document["exit_code"] == 2


def test_every_key_is_always_there(document: Any) -> None:
    good, bad = document["results"]
    assert list(good) == list(bad)


def test_it_is_valid_against_the_schema(document: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(report_schema())
    jsonschema.Draft202012Validator(report_schema()).validate(document)


def test_the_schema_describes_and_requires_every_key() -> None:
    schema = report_schema()
    for name, table in schema["$defs"].items():
        assert set(table["required"]) == set(table["properties"]), name
        assert table["description"]
    assert "declare_bytes" in schema["$defs"]["Arena"]["properties"]


def test_it_reads_back_equal() -> None:
    written = report(result(), build.failed("bad.tflite", None, "no"))
    assert from_json(to_json(written)) == written


def test_later_keys_are_tolerated(document: Any) -> None:
    newer = {**document, "schema_version": "1.7", "latency": {"us": 5}}
    jsonschema.Draft202012Validator(report_schema()).validate(newer)
    assert from_json(json.dumps(newer)).schema_version == "1.7"


def test_what_is_not_a_report_is_refused() -> None:
    with pytest.raises(ReportError, match="not a report of schema version"):
        from_json("{}")
    with pytest.raises(ReportError, match="not a report"):
        from_json("nonsense")


def test_hostile_names_come_back_and_are_ascii_on_the_way() -> None:
    written = report(result(analysis(graph(tensor_prefix=HOSTILE_NAME)), model=HOSTILE_NAME + "\udcff"))
    text = to_json(written)
    assert text.isascii()
    assert all(c.isprintable() or c == "\n" for c in text)
    assert json.loads(text)["results"][0]["model"] == HOSTILE_NAME + "\udcff"
