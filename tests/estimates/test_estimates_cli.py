"""The commands of estimates: what they print, JSON, exit codes, one sentence for each mistake."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mcuplan.cli import run
from mcuplan.tflite import save
from mcuplan.zoo import build


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_int8(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "whatif", "zoo:resnet8-float", "--int8")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith(("int8", "change"))}
    assert "55,008" in rows["int8"]
    assert "-72%" in rows["change"]
    for word in ("quantization of weights", "source:", "error: on five real int8 conversions", "never written"):
        assert word in " ".join(out.split())


def test_every_step_has_source_and_error_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--input", "48x48", "--width", "2", "--prune", "0.5", "--int8", "--sparsity", "0.01")
    code, out, _ = call(capsys, "whatif", "zoo:resnet8-float", *arguments, "--format", "json")
    assert code == 0
    document = json.loads(out)
    assert document["kind"] == "whatif"
    assert [step["name"] for step in document["steps"]] == ["as it is", "input 48x48", "width 2", "pruned", "int8"]
    assert all(step["basis"]["source"] and step["basis"]["error"] for step in document["steps"])
    assert document["sparsity"]["basis"]["error"]
    assert document["layers"]
    assert all(sum(row["histogram"]) == row["elements"] for row in document["weights"])
    assert "NaN" not in out
    assert "Infinity" not in out


def test_html_has_a_histogram_a_layer(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "whatif", "zoo:resnet8-float", "--int8", "--format", "html")
    assert code == 0
    assert out.count("<figure>") == 10
    assert "55,008" in out
    assert "five real int8 conversions" in out
    assert "Content-Security-Policy" in out
    assert "style=" not in out


def test_names_of_models_are_escaped_in_html(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    graph = build("sine-float")
    main = graph.main
    tensors = tuple(replace(t, name="<script>alert(1)</script>\x1b[31m") for t in main.tensors)
    path = tmp_path / "evil.tflite"
    save(replace(graph, subgraphs=(replace(main, tensors=tensors),)), path)
    code, out, _ = call(capsys, "whatif", str(path), "--int8", "--format", "html")
    assert code == 0
    assert "<script>alert" not in out
    assert "\x1b" not in out


def test_latency(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "latency", "zoo:resnet8", "-b", "nano33ble")
    assert code == 0
    assert "one inference: about 1.2 s" in out
    assert "at most 3% on the 4 networks" in " ".join(out.split())
    code, out, _ = call(capsys, "latency", "zoo:resnet8", "-b", "nano33ble", "--format", "json")
    assert json.loads(out)["total_us"] == pytest.approx(1_210_100, rel=1e-3)


def test_energy(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--period", "10s", "--battery", "220mAh@3V", "--part", "microphone", "--frame", "160x120")
    code, out, _ = call(capsys, "energy", "zoo:person-detection", "-b", "nano33ble", *arguments)
    assert code == 0
    text = " ".join(out.split())
    assert "TinyML (average power below 1 mW): yes" in text
    assert "battery: 220mAh@3V lasts 29.2 days" in text
    assert "frame 160x120 19,200" in text
    code, out, _ = call(capsys, "energy", "zoo:person-detection", "--format", "json")
    document = json.loads(out)
    assert document["average"] is None
    assert document["stages"][0]["microjoules"] is None


def test_limits(capsys: pytest.CaptureFixture[str]) -> None:
    nano = ("zoo:resnet8", "-b", "nano33ble")
    code, out, _ = call(capsys, "latency", *nano, "--limit", "2s")
    assert (code, "PASS  latency" in out, "could be otherwise" in out) == (0, True, False)
    code, out, _ = call(capsys, "latency", *nano, "--limit", "1.2s")
    assert (code, "FAIL  latency" in out, "could be otherwise" in out) == (1, True, True)
    code, out, _ = call(capsys, "energy", *nano, "--period", "10s", "--max-power", "1mW", "--max-energy", "10mJ")
    assert code == 1
    assert "FAIL  average power 1.21 mW of 1 mW" in out
    assert "FAIL  energy of one inference" in out
    code, out, _ = call(capsys, "energy", *nano, "--period", "20s", "--max-power", "1mW", "--format", "json")
    assert code == 0
    assert json.loads(out)["limits_held"][0]["kept"] is True


def test_fit_search(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--ram", "40kB", "--flash", "500kB", "--widths", "0.5,1")
    code, out, _ = call(capsys, "fit-search", "zoo:resnet8", *arguments)
    assert code == 0
    assert "the given model, does not fit" in out
    assert out.count(" fits") >= 1
    code, out, _ = call(capsys, "fit-search", "zoo:resnet8", "--ram", "5kB", "--widths", "1")
    assert code == 1
    assert "nothing fits" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("whatif", "zoo:resnet8", "--int8"), "the model is quantized already"),
        (("whatif", "zoo:resnet8", "--prune", "0"), "a pruning factor of 0 removes nothing"),
        (("whatif", "zoo:resnet8", "--prune", "1"), "a pruning factor of 1 removes every filter"),
        (("whatif", "zoo:resnet8", "--prune", "2"), "2 is no pruning factor"),
        (("whatif", "zoo:resnet8", "--prune", "nan"), "nan is no pruning factor"),
        (("whatif", "zoo:resnet8", "--width", "-1"), "-1 is no width"),
        (("whatif", "zoo:resnet8", "--width", "nan"), "nan is no width"),
        (("whatif", "zoo:resnet8", "--sparsity", "nan"), "nan is no threshold"),
        (("whatif", "zoo:resnet8", "--prune-layer", "x"), "write K=F"),
        (("whatif", "zoo:resnet8", "--input", "1x1"), "the input is too small"),
        (("whatif", "zoo:resnet8", "--input", "0x10"), "is not a resolution"),
        (("whatif", "zoo:resnet8", "--input", "big"), "is not a resolution"),
        (("whatif", "zoo:sine", "--input", "8x8"), "only a model with one input of four dimensions"),
        (("whatif", "zoo:resnet8"), "say what to change"),
        (("latency", "zoo:resnet8", "-b", "raspberry-pi-pico"), "no latency was measured on RP2040"),
        (("latency", "zoo:resnet8"), "takes one board"),
        (("energy", "zoo:resnet8", "--battery", "220mAh@3V"), "says nothing without --period"),
        (("energy", "zoo:resnet8", "-b", "raspberry-pi-pico", "--period", "1s"), "state --power"),
        (("energy", "zoo:resnet8", "--wakes", "zoo:sine@2"), "a probability P from 0 to 1"),
        (("latency", "zoo:resnet8-float", "-b", "nano33ble", "--limit", "1s"), "a limit on latency cannot be checked"),
        (("energy", "zoo:resnet8", "--max-energy", "1mJ"), "a limit on energy of one inference cannot be checked"),
        (("energy", "zoo:resnet8", "--max-power", "1mW"), "says nothing without --period"),
        (("energy", "zoo:resnet8", "--period", "10"), "is not a duration"),
        (("fit-search", "zoo:resnet8", "--widths", "a"), "write factors with commas"),
    ],
)
def test_mistakes_are_one_sentence(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert said in err
    assert not out
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert "a bug in mcuplan" not in err


def test_files_are_never_written_but_where_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    save(build("resnet8-float"), path)
    before = path.read_bytes()
    code, out, _ = call(capsys, "whatif", str(path), "--int8", "-o", str(tmp_path / "out.txt"))
    assert code == 0
    assert not out
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.tflite", "out.txt"]
    assert "\x1b" not in (tmp_path / "out.txt").read_text()
