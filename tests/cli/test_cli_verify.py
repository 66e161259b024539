"""``mcuplan verify`` and ``mcuplan export`` as commands."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Cli

from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflite import save
from mcuplan.zoo import build

VWW = "zoo:visual-wake-words"
ALONE = ("--no-tflm", "--no-litert")


def test_a_plan_is_proven(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "planned.tflite"
    assert cli("plan", VWW, "-o", out).code == 0
    done = cli("verify", VWW, out, *ALONE)
    assert done.code == 0
    assert "no live byte overwritten" in done.out
    assert "the same, bit for bit" in done.out


def test_a_plan_that_overwrites_is_caught(cli: Cli, tmp_path: Path) -> None:
    graph = build("ds-cnn")
    bad = tmp_path / "bad.tflite"
    save(set_offline_plan(graph, [0] * len(graph.main.tensors)), bad)
    done = cli("verify", "zoo:ds-cnn", bad, *ALONE, "--format", "json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document["ok"] is False
    assert document["checks"][0]["status"] == "failed"
    assert document["checks"][0]["findings"]


def test_another_model_is_not_the_same(cli: Cli) -> None:
    done = cli("verify", VWW, "zoo:ds-cnn", *ALONE)
    assert done.code == 1
    assert "not proven the same" in done.out


def test_export_writes_sources_and_says_what_they_save(cli: Cli, tmp_path: Path) -> None:
    done = cli("export", "zoo:sine", "-o", tmp_path / "fw", "--name", "sine wave")
    assert done.code == 0
    assert "arena to declare 1,168 bytes" in done.out
    names = sorted(path.name for path in (tmp_path / "fw").iterdir())
    assert names == ["sine_wave.cc", "sine_wave.h", "sine_wave_arena.h", "sine_wave_op_resolver.h"]


def test_export_to_a_file_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = cli("export", "zoo:sine", "-o", tmp_path / "file" / "fw")
    assert done.code == 2
    assert "cannot make this folder" in done.err
