"""Instructions as commands show them: inspect, plan, diff."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from conftest import Cli

from mcuplan.reports.documents.schema import inspect_schema
from mcuplan.tflite import write
from mcuplan.zoo import build

ROOT = Path(__file__).parents[2]
SHARED = os.environ.get("MCUPLAN_SHARED")


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    path = tmp_path / "resnet8.tflite"
    path.write_bytes(write(build("resnet8")))
    return path


def _json(cli: Cli, *arguments: str) -> dict:
    done = cli(*arguments, "--format", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_inspect_as_json(resnet: Path, cli: Cli) -> None:
    document = _json(cli, "inspect", str(resnet))
    jsonschema.validate(document, inspect_schema())
    each = sum(row["instructions"] * row["calls"] for row in document["operators"])
    assert 0 < document["instructions"] - each < 0.001 * document["instructions"]  # the interpreter's own share
    assert document["instructions_bounded"] == 0
    assert document["instructions_exact"]


def test_inspect_without_cost_data(resnet: Path, cli: Cli) -> None:
    document = _json(cli, "inspect", str(resnet), "--target", "esp32+esp-nn")
    jsonschema.validate(document, inspect_schema())
    assert document["instructions"] is document["cost_model"] is None
    assert all(row["instructions"] is None and row["calls"] is None for row in document["operators"])
    assert document["macs"] > 0


def test_the_committed_inspect_schema_is_the_code_s() -> None:
    committed = json.loads((ROOT / "docs" / "schemas" / "inspect.schema.json").read_text("utf-8"))
    assert committed == inspect_schema()


def test_a_plan_tells_its_instructions(resnet: Path, cli: Cli) -> None:
    document = _json(cli, "plan", str(resnet), "--effort", "fast")
    assert document["instructions_before"] == pytest.approx(document["instructions_after"], rel=0.001)
    assert document["instructions_factor"] == pytest.approx(1.0, abs=0.001)
    without = _json(cli, "plan", str(resnet), "--effort", "fast", "--target", "esp32+esp-nn")
    assert without["instructions_before"] is without["instructions_after"] is without["instructions_factor"] is None


def test_growth_of_instructions_has_a_limit(resnet: Path, cli: Cli) -> None:
    asked = ("diff", str(resnet), str(resnet), "--max-growth", "instructions=1")
    done = cli(*asked)
    assert done.code == 0
    assert "instructions" in done.out
    done = cli(*asked, "--target", "esp32+esp-nn")
    assert done.code == 2
    assert "no cost data for" in done.err
    assert "esp32+esp-nn: instructions cannot be limited there" in done.err


@pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED is not set: the measured models are not at hand")
def test_whole_models_against_an_emulated_board() -> None:
    """Stock models within 5% of what was measured; the bar of the cost model."""
    from mcuplan.estimates.instructions import invoke_instructions
    from mcuplan.tflite import load
    from mcuplan.tflm import Target

    folder = Path(SHARED or "")
    rows = json.loads((folder / "truth" / "instructions_models.json").read_text())
    assert len(rows) >= 6
    for row in rows:
        graph = load(str(folder / "models" / f"{row['model']}.tflite"))
        found = invoke_instructions(graph, Target.parse(row["target"]))
        assert found is not None
        assert found.total == pytest.approx(row["stock_instructions"], rel=0.02), row["model"]
