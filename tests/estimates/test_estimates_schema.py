"""JSON Schemas of the estimate documents: they describe what is written, and the committed ones are the code's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mcuplan.cli import run
from mcuplan.reports.documents.estimate_schema import estimate_schema

ROOT = Path(__file__).parents[2]
NANO = "arduino-nano-33-ble-sense"
DOCUMENTS = [
    ("whatif", ("whatif", "zoo:resnet8-float", "--int8", "--prune", "0.5", "--sparsity", "0.01")),
    ("latency", ("latency", "zoo:person-detection", "-b", NANO, "--limit", "1s")),
    ("latency", ("latency", "zoo:sine", "-b", NANO)),
    ("energy", ("energy", "zoo:sine")),
    ("energy", ("energy", "zoo:person-detection", "-b", NANO, "--period", "10s", "--battery", "220mAh@3V",
                "--max-power", "1mW", "--frame", "96x96", "--extra", "1mW:1s")),
]  # fmt: skip


def _document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--format", "json"]) in (0, 1)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("kind", "arguments"), DOCUMENTS)
def test_what_is_written_is_valid(kind: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    document, schema = _document(capsys, *arguments), estimate_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert set(document) == set(schema["properties"])


@pytest.mark.parametrize("kind", ["whatif", "latency", "energy"])
def test_another_document_is_not(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, "latency" if kind == "energy" else "energy", "zoo:sine", "-b", NANO)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(estimate_schema(kind)).validate(document)


def test_a_limit_must_say_whether_it_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, "latency", "zoo:sine", "-b", NANO, "--limit", "1s")
    del document["limits_held"][0]["kept"]
    with pytest.raises(jsonschema.ValidationError, match="kept"):
        jsonschema.Draft202012Validator(estimate_schema("latency")).validate(document)


@pytest.mark.parametrize("kind", ["whatif", "latency", "energy"])
def test_the_committed_schemas_are_the_code_s(kind: str) -> None:
    committed = json.loads((ROOT / "docs" / "schemas" / f"{kind}.schema.json").read_text("utf-8"))
    assert committed == estimate_schema(kind), f"run: mcuplan schema {kind} -o docs/schemas/{kind}.schema.json"
