"""Sweeps: every model on every board once, whatever happens to models, workers and the run itself."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import mcuplan
from mcuplan.api.criteria import CheckOptions
from mcuplan.api.sweep import SweepProgress
from mcuplan.api.sweeping.executors import DaskCluster, InProcess, ProcessPool
from mcuplan.api.sweeping.items import Item, Settings, rows_of
from mcuplan.reports.documents.sweep import COLUMNS
from mcuplan.tflite import write
from mcuplan.zoo.builder import Builder

BOARDS = ("sparkfun-edge", "raspberry-pi-pico", "arduino-nano-33-ble-sense")


def network(filters: int) -> bytes:
    b = Builder(seed=1)
    return write(b.graph([b.conv2d(b.input((1, 16, 16, 3)), filters, 3)]))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Twelve networks, and what is none: an empty file, an LFS pointer, a folder called like a model."""
    folder = tmp_path / "models"
    folder.mkdir()
    for number in range(12):
        (folder / f"net{number:02}.tflite").write_bytes(network(4 + number))
    (folder / "empty.tflite").write_bytes(b"")
    (folder / "pointer.tflite").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    return folder


def told(rows):
    """Rows in an order of their own."""
    return sorted((dataclasses.astuple(row) for row in rows), key=repr)


def swept(models: Path, **asked):
    return mcuplan.sweep([models], board=BOARDS, **{"jobs": 1} | asked)


# -- rows ---------------------------------------------------------------------------------------------------------


def test_a_row_says_what_check_says(models):
    row = next(row for row in swept(models).rows if row.model.endswith("net03.tflite"))
    found = mcuplan.check(models / "net03.tflite", board=BOARDS[0]).result
    limits = {rule.resource: rule for rule in found.limits.rules}
    assert (row.board, row.target, row.verdict) == (found.board, found.target, found.verdict)
    assert (row.arena_bytes, row.ram_bytes) == (found.arena.declare_bytes, found.ram.total_bytes)
    assert (row.model_bytes, row.flash_bytes) == (found.flash.model_bytes, found.flash.total_bytes)
    assert (row.ram_limit, row.flash_limit) == (limits["ram"].limit, limits["flash"].limit)
    assert (row.macs, row.operators, row.sha256) == (found.macs, found.facts.operators, found.facts.sha256)


def test_what_cannot_be_read_is_rows_and_hides_nothing(models):
    found = swept(models)
    assert found.verdicts == {"pass": 36, "fail": 0, "unsupported": 0, "error": 6}
    said = {Path(row.model).name: row.reason for row in found.rows if row.verdict == "error"}
    assert "empty.tflite" in said
    assert "git lfs pull" in said["pointer.tflite"]


def test_limits_fail_with_what_is_over(models):
    (row,) = mcuplan.sweep([models / "net00.tflite"], board=BOARDS[0], ram="5kB", jobs=1).rows
    check = mcuplan.check(models / "net00.tflite", board=BOARDS[0], ram="5kB").result
    assert row.reason == f"ram is {check.violations[0].over:,} over"


def test_models_as_bytes_by_name_and_no_board():
    found = mcuplan.sweep({"a": network(4), "b": b"no model"}, jobs=1)
    assert [(row.model, row.board, row.verdict) for row in found.rows] == [("a", None, "pass"), ("b", None, "error")]


def test_targets_where_they_are_for_the_board():
    targets = ("cortex-m4+reference", "cortex-m0plus+reference")
    found = mcuplan.sweep("zoo:sine", board=BOARDS, target=targets, jobs=1)
    assert [(row.board, row.target.rpartition("/")[2]) for row in found.rows] == [
        ("sparkfun-edge", targets[0]), ("raspberry-pi-pico", targets[1]), ("arduino-nano-33-ble-sense", targets[0]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"board": "no-such-board"}, "unknown board"),
        ({"board": BOARDS[1], "target": ("cortex-m4+cmsis-nn", "cortex-m4+reference")}, "for none of the boards"),
        ({"target": ("nope+cmsis-nn", "cortex-m4+reference")}, "no core 'nope'"),
        ({"output": "rows.txt"}, "rows are written as .jsonl, .csv or .parquet"),
        ({"plan": "magic"}, "'magic' is no way to take a model"),
        ({"ram": "12 cows"}, "unknown unit"),
    ],
)
def test_wrong_questions_are_refused_before_any_model_is_read(asked, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mcuplan.McuplanError, match=said):
        mcuplan.sweep("zoo:sine", jobs=1, **asked)
    assert not list(tmp_path.iterdir())


def test_planned_models_take_less():
    found = mcuplan.sweep("zoo:ds-cnn", board=BOARDS[0], plan=("as-is", "plan"), jobs=1)
    given, planned = found.rows
    assert (given.plan, planned.plan) == ("as-is", "plan")
    assert planned.arena_bytes < given.arena_bytes
    assert planned.arena_bytes == mcuplan.plan(
        "zoo:ds-cnn", board=BOARDS[0], options=mcuplan.PlanOptions(effort="fast")
    ).after.declare_bytes  # fmt: skip


# -- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet"])
def test_a_file_holds_the_rows_and_knows_what_is_done(models, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    output = tmp_path / name
    first, again = swept(models, output=output), swept(models, output=output)
    assert told(first.rows) == told(again.rows) == told(swept(models).rows)
    assert (first.found_done, again.found_done) == (0, 14)
    assert [path.name for path in tmp_path.glob("rows*")] == [name]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.77, 0.999])
def test_a_torn_file_is_mended(models, tmp_path, name, part):
    """Wherever a run was killed, what it did whole stays, the rest is done, nothing stands twice."""
    output = tmp_path / name
    whole = told(swept(models, output=output).rows)
    data = output.read_bytes()
    output.write_bytes(data[: int(len(data) * part)])
    again = swept(models, output=output)
    assert told(again.rows) == whole
    assert abs(again.found_done - 14 * part) <= 2


def test_a_model_that_changed_is_done_anew(models, tmp_path):
    output = tmp_path / "rows.jsonl"
    swept(models, output=output)
    (models / "net05.tflite").write_bytes(network(40))
    again = swept(models, output=output)
    assert again.found_done == 13
    assert told(again.rows) == told(swept(models).rows)


def test_new_models_join_and_others_stay(models, tmp_path):
    output = tmp_path / "rows.jsonl"
    swept(models, output=output)
    added = mcuplan.sweep("zoo:sine", board=BOARDS, output=output, jobs=1)
    assert Counter(row.model for row in added.rows) == Counter({row.model: 3 for row in added.rows})
    assert sum(added.verdicts.values()) == 45


def test_another_sweeps_file_is_refused_unless_restarted(models, tmp_path):
    output = tmp_path / "rows.csv"
    swept(models, output=output)
    before = output.read_bytes()
    with pytest.raises(mcuplan.McuplanError, match="other boards, options or another mcuplan"):
        swept(models, output=output, ram="10kB")
    assert output.read_bytes() == before
    assert swept(models, output=output, ram="10kB", restart=True).found_done == 0


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
@pytest.mark.parametrize("text", ["dear diary\n", '{"a": 1}\n', "x,y\n1,2\n", "\x00\xff"])
def test_somebody_elses_file_is_left_alone(tmp_path, name, text):
    output = tmp_path / name
    output.write_text(text)
    with pytest.raises(mcuplan.McuplanError, match="no output of `mcuplan sweep`"):
        mcuplan.sweep("zoo:sine", output=output, jobs=1)
    assert output.read_text() == text


def test_formulas_and_newlines_in_names_come_back(tmp_path):
    names = ["=cmd()", "'=cmd()", "-1", "@x", 'a\nb,"c"', "ü", "plain"]
    output = tmp_path / "rows.csv"
    models = dict.fromkeys(names, network(4))
    mcuplan.sweep(models, output=output, jobs=1)
    again = mcuplan.sweep(models, output=output, jobs=1)
    assert again.found_done == len(names)
    assert [row.model for row in again.rows] == names
    assert "\n=cmd" not in output.read_text()
    assert output.read_text().startswith(",".join(COLUMNS))


def test_a_run_that_is_killed_loses_one_item(models, tmp_path):
    """SIGKILL as the fourth item is told: its rows are written, those of the fifth are not begun."""
    output = tmp_path / "rows.jsonl"
    code = f"""
import os, signal, mcuplan
from mcuplan.api.sweep import SweepProgress
told = []
def done(model, anew):
    told.append(model)
    if len(told) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
mcuplan.sweep({str(models)!r}, board={BOARDS!r}, output={str(output)!r}, jobs=1, progress=SweepProgress(done=done))
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    again = swept(models, output=output)
    assert again.found_done == 4
    assert told(again.rows) == told(swept(models).rows)


def test_an_interruption_keeps_what_is_done(models, tmp_path):
    output = tmp_path / "rows.jsonl"
    count = 0

    def done(_model: str, _anew: bool) -> None:
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(models, output=output, progress=SweepProgress(done=done))
    assert swept(models, output=output).found_done == 5


def test_two_runs_do_not_write_one_file(tmp_path):
    from mcuplan.files import appended_to

    with appended_to(tmp_path / "rows.jsonl"), pytest.raises(mcuplan.McuplanError, match="another run"):
        mcuplan.sweep("zoo:sine", output=tmp_path / "rows.jsonl", jobs=1)


# -- executors ----------------------------------------------------------------------------------------------------

SETTINGS = Settings(CheckOptions(boards=BOARDS))


@dataclasses.dataclass(frozen=True)
class Deadly(Item):
    """An item that ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (9,)


def items(count: int) -> list[Item]:
    return [Item(f"net{number}", "as-is", network(4 + number)) for number in range(count)]


def test_a_pool_gives_what_one_process_gives():
    here = {item.key: rows for item, rows in InProcess().run(items(9), SETTINGS)}
    pool = [(item.key, rows) for item, rows in ProcessPool(2).run(items(9), SETTINGS)]
    assert len(pool) == 9
    assert dict(pool) == here


def test_an_item_that_ends_its_worker_hides_no_other():
    given = items(7)
    given.insert(2, Deadly("deadly", "as-is"))
    done = list(ProcessPool(2).run(given, SETTINGS))
    assert sorted(item.model for item, _ in done) == sorted(item.model for item in given)
    for item, rows in done:
        if item.model == "deadly":
            assert {row.reason for row in rows} == {"deadly: the process that looked at it ended"}
        else:
            assert rows == rows_of(item, SETTINGS)


def test_no_more_is_taken_than_there_is_work_for():
    taken = 0

    def many():
        nonlocal taken
        for item in items(30):
            taken += 1
            yield item

    run = ProcessPool(1).run(many(), SETTINGS)
    next(run)
    assert taken <= 5
    run.close()


def test_a_cluster_that_loses_a_worker_loses_nothing():
    """A real LocalCluster of two processes, one of which is killed while it works."""
    distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'mcuplan[dask]'")
    from distributed import LocalCluster

    given = items(20)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        processes = client.run(os.getpid)
        done = []
        for number, (item, rows) in enumerate(DaskCluster(cluster.scheduler_address).run(given, SETTINGS)):
            done.append((item.model, rows))
            if number == 3:
                os.kill(next(iter(processes.values())), signal.SIGKILL)
    assert Counter(model for model, _ in done) == Counter(item.model for item in given)
    assert dict(done) == {item.model: rows_of(item, SETTINGS) for item in given}


def test_no_scheduler_is_said(tmp_path):
    pytest.importorskip("distributed", reason="dask is not installed: pip install 'mcuplan[dask]'")
    from mcuplan.api.sweeping import executors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "_PATIENCE", 0.2)
        with pytest.raises(mcuplan.McuplanError, match="no scheduler answers there"):
            mcuplan.sweep("zoo:sine", dask="tcp://127.0.0.1:9")


def test_dask_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(mcuplan.McuplanError, match=r"pip install 'mcuplan\[dask\]'"):
        mcuplan.sweep("zoo:sine", dask="tcp://127.0.0.1:9")


# -- the configuration --------------------------------------------------------------------------------------------

CONFIGURATION = """
boards = ["sparkfun-edge", "raspberry-pi-pico"]
ram = "9kB"
stack = "1KiB"
lean = true
reserve = {ram = 1000, flash = "2kB"}

[[models]]
files = ["net00.tflite"]
ram = "1B"
"""


@pytest.fixture
def project(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (models / "mcuplan.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(models)
    return models


def test_no_configuration_counts_unless_it_is_asked_for(project):
    (row,) = mcuplan.sweep(["net00.tflite"], jobs=1).rows
    assert (row.board, row.ram_limit) == (None, 250_000)


def test_general_rules_of_the_configuration_hold_for_all_models(project):
    rows = list(mcuplan.sweep(["net00.tflite", "net01.tflite"], jobs=1, config="auto").rows)
    assert [(row.model, row.board) for row in rows] == [
        (model, board) for model in ("net00.tflite", "net01.tflite") for board in ("sparkfun-edge", "raspberry-pi-pico")
    ]
    assert {row.ram_limit for row in rows} == {9_000}
    assert all(row.target.endswith("+lean") for row in rows)
    found = mcuplan.check("net01.tflite", config="auto").results
    assert [(row.ram_bytes, row.flash_limit, row.verdict) for row in rows[2:]] == [
        (result.ram.total_bytes, result.limits.flash_bytes, result.verdict) for result in found
    ]


def test_what_is_stated_comes_before_the_configuration(project):
    (row,) = mcuplan.sweep(
        ["net01.tflite"], board="arduino-nano-33-ble-sense", ram="1kB", reserve=0, jobs=1, config="mcuplan.toml"
    ).rows
    assert (row.board, row.ram_limit) == ("arduino-nano-33-ble-sense", 1_000)
    check = mcuplan.check(
        "net01.tflite", board="arduino-nano-33-ble-sense", ram="1kB", reserve=0, config="mcuplan.toml"
    ).result
    assert row.flash_limit == check.limits.flash_bytes


def test_a_target_of_the_configuration_is_that_of_every_row(project):
    (project / "mcuplan.toml").write_text('target = "cortex-m7+reference"\n')
    (row,) = mcuplan.sweep(["net01.tflite"], jobs=1, config="auto").rows
    assert row.target == "upstream-2026-08/cortex-m7+reference"
    (row,) = mcuplan.sweep(["net01.tflite"], target="cortex-m0+reference", jobs=1, config="auto").rows
    assert row.target == "upstream-2026-08/cortex-m0+reference"


def test_the_target_of_one_project_is_not_for_a_sweep(project):
    (project / "mcuplan.toml").write_text('target = "auto"\n')
    with pytest.raises(mcuplan.McuplanError, match=r"mcuplan\.toml: target 'auto' is that of one firmware project"):
        mcuplan.sweep(["net01.tflite"], jobs=1, config="auto")
    assert mcuplan.sweep(["net01.tflite"], target="cortex-m4+reference", jobs=1, config="auto").verdicts["pass"] == 1


def test_a_board_that_the_configuration_has_wrong_is_said_of_it(project):
    (project / "mcuplan.toml").write_text('boards = ["sparkfun-egde"]\n')
    with pytest.raises(mcuplan.McuplanError, match=r"mcuplan\.toml: .*sparkfun-egde.*sparkfun-edge"):
        mcuplan.sweep(["net01.tflite"], jobs=1, config="auto")


def test_rows_are_another_sweeps_once_the_configuration_changed(project):
    mcuplan.sweep(["net01.tflite"], output="o.jsonl", jobs=1, config="auto")
    assert mcuplan.sweep(["net01.tflite"], output="o.jsonl", jobs=1, config="auto").found_done == 1
    (project / "mcuplan.toml").write_text(CONFIGURATION.replace("9kB", "10kB"))
    with pytest.raises(mcuplan.McuplanError, match="other boards, options"):
        mcuplan.sweep(["net01.tflite"], output="o.jsonl", jobs=1, config="auto")


def test_arenas_lie_where_the_configuration_says(project):
    (project / "mcuplan.toml").write_text('boards = ["esp32-s3-eye"]\narena_in = "psram"\n')
    (row,) = mcuplan.sweep(["net11.tflite"], jobs=1, config="auto").rows
    found = mcuplan.check("net11.tflite", config="auto").result
    assert (row.ram_bytes, row.arena_bytes) == (found.ram.total_bytes, found.arena.declare_bytes)
    (inside,) = mcuplan.sweep(["net11.tflite"], board="esp32-s3-eye", jobs=1).rows
    assert row.ram_bytes < inside.ram_bytes
