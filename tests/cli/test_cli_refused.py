"""Models that TFLM refuses: plan, inspect and explain say it first; nothing is written of them unless forced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Cli

from mcuplan.tflite import write
from mcuplan.zoo import build

SHARED = os.environ.get("MCUPLAN_SHARED")


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """A model whose first convolution takes uint8, which TFLM's does not."""
    from dataclasses import replace

    from mcuplan.graph import DType

    graph = build("resnet8")
    main = graph.main
    tensors = list(main.tensors)
    t = main.operators[0].inputs[0]
    tensors[t] = replace(tensors[t], dtype=DType.UINT8)
    path = tmp_path / "refused.tflite"
    changed = replace(graph, subgraphs=(replace(main, tensors=tuple(tensors)),))
    path.write_bytes(write(changed))
    return path


@pytest.mark.parametrize("command", ["plan", "inspect", "explain"])
def test_it_is_said_first(cli: Cli, refused: Path, command: str) -> None:
    lines = cli(command, refused).out.splitlines()
    said = next(i for i, line in enumerate(lines) if "TFLM refuses this model" in line)
    assert said <= 2
    assert "operator 0, CONV_2D: " in lines[said + 1]


def test_nothing_is_said_of_a_model_that_runs(cli: Cli) -> None:
    for command in ("plan", "inspect", "explain"):
        assert "refuses" not in cli(command, "zoo:sine").out


def test_plan_writes_nothing_of_it_unless_forced(cli: Cli, refused: Path, tmp_path: Path) -> None:
    done = cli("plan", refused, "-o", "p.tflite")
    assert done.code == 1
    assert "refused.tflite: TFLM refuses this model on " in done.err
    assert "operator 0, CONV_2D" in done.err
    assert not (tmp_path / "p.tflite").exists()
    assert cli("plan", refused, "--in-place").code == 1
    assert cli("plan", refused).code == 0
    assert cli("plan", refused, "-o", "p.tflite", "--force").code == 0
    assert (tmp_path / "p.tflite").exists()


def test_plan_as_json_has_the_reasons(cli: Cli, refused: Path) -> None:
    document = json.loads(cli("plan", refused, "--format", "json").out)
    assert document["refusals"][0]["operator_name"] == "CONV_2D"


def test_export_writes_nothing_of_it_unless_forced(cli: Cli, refused: Path, tmp_path: Path) -> None:
    done = cli("export", refused, "-o", "fw")
    assert done.code == 1
    assert "TFLM refuses this model" in done.err
    assert not (tmp_path / "fw").exists()
    assert cli("export", refused, "-o", "fw", "--force").code == 0
    assert (tmp_path / "fw" / "model.cc").exists()


def test_export_judges_the_plan_in_a_model_on_its_target(cli: Cli, tmp_path: Path) -> None:
    assert cli("plan", "zoo:resnet8", "-o", "p.tflite").code == 0
    newer = ("--board", "esp32-s3-eye", "--target", "esp32s3+esp-nn-1.2.4")
    done = cli("export", "p.tflite", "-o", "fw", *newer)
    assert done.code == 1
    assert "its memory plan is wrong on " in done.err
    assert "operator 0 (CONV_2D) writes tensor" in done.err
    assert not (tmp_path / "fw").exists()
    assert cli("export", "p.tflite", "-o", "fw", *newer, "--force").code == 0
    assert cli("export", "p.tflite", "-o", "other").code == 0


def test_a_kernel_of_ones_own_is_no_reason(cli: Cli, models: Path) -> None:
    assert cli("export", models / "strange.tflite", "-o", "fw").code == 0
    assert cli("plan", models / "strange.tflite", "-o", "p.tflite").code == 0


@pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED names no folder of cases")
@pytest.mark.parametrize("name", ["hybrid_conv", "flex", "lstm_hybrid", "sparse", "uint8_conv"])
def test_models_from_the_field(cli: Cli, name: str, tmp_path: Path) -> None:
    assert SHARED is not None
    model = Path(SHARED) / "cases" / "field" / f"{name}.tflite"
    for command in ("plan", "inspect", "explain"):
        done = cli(command, model)
        assert "TFLM refuses this model" in "\n".join(done.out.splitlines()[:3])
    assert cli("plan", model, "-o", "p.tflite").code == 1
    assert cli("export", model, "-o", "fw").code == 1
    assert os.listdir(tmp_path) == []
