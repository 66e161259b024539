"""``mcuplan sweep``, from its arguments to its table and its picture; the example of a search."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from mcuplan.reports.documents.sweep import sweep_schema

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ("--board", "sparkfun-edge", "--board", "arduino-uno-r4-wifi")


def test_rows_for_each_model_and_board(cli, models, tmp_path):
    output = tmp_path / "rows.jsonl"
    outcome = cli("sweep", str(models), "zoo:nope", *BOARDS, "-o", str(output), "-j", "1")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    for row in rows:
        jsonschema.validate(row, sweep_schema())
    found = {(Path(row["model"]).name, row["board"]): row for row in rows}
    assert len(found) == len(rows) == 2 * len({row["model"] for row in rows})
    assert found["person.tflite", "sparkfun-edge"]["verdict"] == "pass"
    assert found["person.tflite", "arduino-uno-r4-wifi"]["verdict"] == "fail"
    assert "over" in found["person.tflite", "arduino-uno-r4-wifi"]["reason"]
    assert found["strange.tflite", "sparkfun-edge"]["verdict"] == "unsupported"
    assert found["zoo:nope", "sparkfun-edge"]["verdict"] == "error"
    verdicts = [row["verdict"] for row in rows]
    assert f"{verdicts.count('pass')} pass" in outcome.out


def test_the_committed_schema_is_the_one_that_is_printed(cli):
    committed = (ROOT / "docs" / "schemas" / "sweep.schema.json").read_text("utf-8")
    assert cli("schema", "sweep").out == committed, "run: mcuplan schema sweep -o docs/schemas/sweep.schema.json"


def test_the_field_names_each_model_where_it_lies(cli, models, tmp_path):
    page = tmp_path / "field.html"
    assert cli("sweep", str(models), *BOARDS, "-o", str(tmp_path / "r.csv"), "-j", "1", "--plot", str(page)).code == 0
    text = page.read_text()
    assert text.count('<section aria-label="') == 2
    assert "person.tflite pass: RAM" in text
    assert "person.tflite fail: RAM" in text
    assert 'class="room"' in text


def test_names_from_models_are_text_in_the_picture():
    from mcuplan.reports.documents.sweep import SweepRow
    from mcuplan.reports.html.sweep_page import render_sweep

    row = SweepRow(
        model="<script>alert(1)</script>", board="<b>", target="t", plan="as-is", verdict="pass", arena_bytes=1,
        ram_bytes=2, flash_bytes=3, macs=4,
    )  # fmt: skip
    page = render_sweep(lambda: [row])
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_picture_is_no_larger_than_its_frame():
    """However many models there are, as many marks as places."""
    from mcuplan.reports.documents.sweep import SweepRow
    from mcuplan.reports.html.sweep_page import render_sweep

    def rows():
        for number in range(20_000):
            yield SweepRow(
                model=f"m{number}", board="b", target="t", plan="as-is", verdict="pass", arena_bytes=1,
                ram_bytes=1_000_000 + number // 100, flash_bytes=2_000_000 + number % 100,
            )  # fmt: skip

    page = render_sweep(rows)
    assert page.count("<circle") < 50
    assert "more here" in page


def test_a_bar_on_terminals(cli, models, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    outcome = cli("sweep", str(models), "-o", str(tmp_path / "rows.jsonl"), "-j", "1")
    assert outcome.code == 0
    assert "a second" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "rows.txt"), "rows.txt: rows are written as .jsonl, .csv or .parquet"),
        (("-o", "rows.csv", "--board", "nope"), "unknown board 'nope'"),
        (("-o", "no/where/rows.csv"), "no/where/rows.csv: cannot be written"),
        (("-o", "rows.csv", "--dask", "nonsense"), "--dask nonsense: no scheduler answers there"),
        ((), "Missing option '-o'"),
    ],
)
def test_bad_usage_is_one_sentence(cli, tmp_path, monkeypatch, arguments, said):
    if "--dask" in arguments:
        pytest.importorskip("distributed", reason="dask is not installed: pip install 'mcuplan[dask]'")
    monkeypatch.chdir(tmp_path)
    outcome = cli("sweep", "zoo:sine", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_example_of_a_search_finds_networks_that_fit():
    pytest.importorskip("optuna", reason="optuna is not installed: pip install optuna")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "search_optuna.py", "--trials", "12", "--board", "sparkfun-edge"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "of 12 networks pass on sparkfun-edge" in done.stdout
    assert "arena" in done.stdout.splitlines()[1]


def test_boards_and_limits_of_the_nearest_configuration(cli, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mcuplan.toml").write_text('boards = ["sparkfun-edge"]\nram = "20kB"\n')
    assert cli("sweep", str(models / "deep" / "person.tflite"), "-o", "r.jsonl").code == 0
    (row,) = map(json.loads, Path("r.jsonl").read_text().splitlines())
    assert (row["board"], row["ram_limit"], row["verdict"]) == ("sparkfun-edge", 20_000, "fail")
    (tmp_path / "other.toml").write_text("ram = 90000\n")
    assert cli("sweep", str(models / "deep" / "person.tflite"), "--config", "other.toml", "-o", "o.jsonl").code == 0
    (row,) = map(json.loads, Path("o.jsonl").read_text().splitlines())
    assert (row["board"], row["ram_limit"], row["verdict"]) == (None, 90_000, "pass")


def test_a_configuration_that_cannot_be_used_is_one_sentence(cli, tmp_path):
    outcome = cli("sweep", "zoo:sine", "--config", str(tmp_path / "none.toml"), "-o", str(tmp_path / "r.csv"))
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "none.toml" in outcome.err
    assert not (tmp_path / "r.csv").exists()
