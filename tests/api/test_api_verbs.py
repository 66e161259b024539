"""The verbs as a notebook, a search and a script use them."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import mcuplan
from mcuplan.cli import run
from mcuplan.tflite import read, write
from mcuplan.zoo import build

MODEL = write(build("visual-wake-words"))
BOARD = "sparkfun-edge"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vww.tflite").write_bytes(MODEL)
    return tmp_path / "vww.tflite"


def test_a_model_is_a_path_bytes_a_bytearray_a_view_or_a_graph(path: Path) -> None:
    graph = read(MODEL)
    given = (str(path), path, MODEL, bytearray(MODEL), memoryview(MODEL), graph, build("visual-wake-words"))
    found = [mcuplan.check(model, board=BOARD, name="vww") for model in given]
    assert found[0].result.model == "vww"
    assert all(result == found[0] for result in found)
    assert found[0].result.flash.model_bytes == len(MODEL)


@pytest.mark.parametrize("limit", ["90kB", "90000B", 90_000])
def test_limits_are_text_or_numbers(limit: str | int) -> None:
    found = mcuplan.check(MODEL, ram=limit)
    assert (found.verdict, found.ok, bool(found)) == ("fail", False, False)
    assert found.result.violations[0].limit == 90_000
    assert mcuplan.check(MODEL, ram="110kB", flash="450KiB", macs="8M").ok


def test_limits_on_time_energy_and_power() -> None:
    found = mcuplan.check(MODEL, board=BOARD, latency=10.0, energy="1J", power=0.5, period="1min")
    limits = {rule.quantity: rule.limit for rule in found.result.limits.estimates}
    assert limits == {"latency": 10e6, "energy": 1e6, "power": 500.0}


def test_boards_are_names_files_boards_or_several(path: Path) -> None:
    board = mcuplan.load_board(BOARD)
    assert mcuplan.check(path, board=board) == mcuplan.check(path, board=BOARD)
    both = mcuplan.check(path, board=[BOARD, mcuplan.load_board("arduino-nano-33-ble-sense")])
    assert [result.board for result in both.results] == [BOARD, "arduino-nano-33-ble-sense"]
    with pytest.raises(ValueError, match="too many"):
        _ = both.result


def test_the_report_is_the_commands_report(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "vww.tflite", "--board", BOARD, "--ram", "90kB", "--format", "json"]) == 1
    command = json.loads(capsys.readouterr().out)
    found = mcuplan.check("vww.tflite", board=BOARD, ram="90kB")
    document = found.to_dict()
    for rule in (*command["results"][0]["limits"]["rules"], *document["results"][0]["limits"]["rules"]):
        rule["source"] = ""
    for violation in (*command["results"][0]["violations"], *document["results"][0]["violations"]):
        violation["message"] = ""
    assert document == command
    assert json.loads(found.to_json())["exit_code"] == 1


def test_configuration_counts_only_where_it_is_asked_for(path: Path) -> None:
    (path.parent / "mcuplan.toml").write_text('[[models]]\nfiles = ["*.tflite"]\nram = "1kB"\n')
    path.write_bytes(write(build("sine")))
    assert mcuplan.check(path).ok
    assert not mcuplan.check(path, config="auto").ok
    assert not mcuplan.check(path, config=path.parent / "mcuplan.toml").ok


def test_why_works_out_what_would_change_the_verdict(path: Path) -> None:
    found = mcuplan.check(path, board=BOARD, ram="90kB", why=True)
    assert found.result.why
    assert found.result.why[0].name == "plan"
    assert mcuplan.check(path).result.why is None


def test_plan_verify_export_and_check_go_together(path: Path) -> None:
    found = mcuplan.plan(path, board=BOARD, options=mcuplan.PlanOptions(effort="fast"))
    assert (found.before.declare_bytes, found.after.declare_bytes, found.gain_bytes) == (100_720, 82_192, 18_528)
    assert found.save(path.parent / "planned.tflite") == len(found.model)
    assert (path.parent / "planned.tflite").read_bytes() == found.model
    assert mcuplan.check(found.model, board=BOARD).result.arena.declare_bytes == 82_192
    assert mcuplan.verify(path, found.model, board=BOARD, tflm=False, litert=False)
    assert not mcuplan.verify("zoo:sine", found.model, tflm=False, litert=False)
    made = mcuplan.export(found.model, path.parent / "fw", board=BOARD, name="vww")
    assert made.arena_bytes == 82_192
    assert sorted(file.name for file in (path.parent / "fw").iterdir()) == sorted(file.name for file in made.files)


def test_a_plan_that_gains_nothing_is_the_models_own_bytes() -> None:
    data = write(build("person-detection"))
    assert mcuplan.plan(data).model is data


def test_a_plan_can_have_to_fit() -> None:
    options = mcuplan.PlanOptions(effort="fast", fit=True, ram="90kB")
    assert mcuplan.plan(MODEL, options=options).fits is True
    assert mcuplan.plan("zoo:sine").fits is None


def every_result() -> list[object]:
    return [
        mcuplan.check(MODEL, board=BOARD, ram="90kB"),
        mcuplan.plan(MODEL, options=mcuplan.PlanOptions(effort="fast")),
        mcuplan.plan(build("resnet8"), options=mcuplan.PlanOptions(effort="fast", patch=True)),
        mcuplan.verify(MODEL, MODEL, tflm=False, litert=False),
        mcuplan.export(MODEL),
    ]


def test_results_are_frozen_and_pickle() -> None:
    for result in every_result():
        again = pickle.loads(pickle.dumps(result))
        assert again.to_json() == result.to_json()
        assert repr(again) == repr(result)
        with pytest.raises(FrozenInstanceError):
            result.name = "other"  # type: ignore[attr-defined]


def test_a_result_that_another_version_pickled_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = pickle.dumps(mcuplan.check(MODEL, board=BOARD))
    gone = pickled.replace(b"CheckResult", b"ChackResult")
    with pytest.raises(mcuplan.McuplanError, match=r"of another day .*: ask for it again, or keep results as JSON"):
        pickle.loads(gone)
    monkeypatch.setattr("mcuplan.api.results.__version__", "99.0")
    with pytest.raises(
        mcuplan.McuplanError, match=r"pickled by mcuplan \S+ cannot be read by mcuplan 99\.0: ask for it"
    ):
        pickle.loads(pickled)


def test_a_result_is_copied() -> None:
    found = mcuplan.check(MODEL, board=BOARD)
    assert copy.copy(found) == copy.deepcopy(found) == found


@pytest.mark.parametrize("model", [5, None, ["zoo:sine"], object()])
def test_what_is_no_model_is_one_sentence(model: object) -> None:
    for verb in (mcuplan.check, mcuplan.plan):
        with pytest.raises(mcuplan.McuplanError, match="is no model: give a path"):
            verb(model)  # type: ignore[operator]


def test_a_sweep_over_what_is_no_model_is_one_sentence() -> None:
    for models in (5, b"TFL3", ["zoo:sine", 5]):
        with pytest.raises(mcuplan.McuplanError, match="is no path: give paths"):
            mcuplan.sweep(models, jobs=1)  # type: ignore[arg-type]


def test_a_pickled_plan_still_proves_and_writes_its_model() -> None:
    found = mcuplan.plan(MODEL, options=mcuplan.PlanOptions(effort="fast"))
    assert pickle.loads(pickle.dumps(found)).model == found.model


def test_results_print_and_show_in_a_notebook() -> None:
    for result in every_result():
        assert repr(result).startswith(f"<{type(result).__name__} ")
        assert "\n" not in repr(result)
        assert len(str(result).splitlines()) > 1
        html = result._repr_html_()  # type: ignore[attr-defined]
        assert html.count("<tr>") == html.count("</tr>") > 1


def test_hostile_names_stay_text() -> None:
    hostile = "\x1b[2J<script>alert(1)</script>\n"
    result = mcuplan.check(MODEL, board=BOARD, name=hostile)
    for shown in (repr(result), str(result), result._repr_html_()):
        assert "\x1b" not in shown
        assert "<script>" not in result._repr_html_()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mcuplan.check("none.tflite"), "none.tflite: cannot be read: No such file"),
        (lambda: mcuplan.check(b"no model", name="x"), "x: "),
        (lambda: mcuplan.check(MODEL, board="no-such-board"), "no-such-board"),
        (lambda: mcuplan.check(MODEL, board=3), "3 is no board"),
        (lambda: mcuplan.check(MODEL, ram="64KB"), "ambiguous"),
        (lambda: mcuplan.check(MODEL, latency=-1), "must be above 0"),
        (lambda: mcuplan.check(MODEL, target="z80"), "unknown target"),
        (lambda: mcuplan.check(MODEL, config="none.toml"), "none.toml: cannot be read"),
        (lambda: mcuplan.plan("zoo:nothing"), "nothing"),
        (lambda: mcuplan.plan(MODEL, target="cortex-m4+nothing"), "nothing"),
        (lambda: mcuplan.verify(MODEL, b""), "the file is empty"),
        (lambda: mcuplan.export(MODEL, "/dev/null/folder"), "/dev/null/folder: cannot make this folder"),
    ],
)
def test_errors_are_one_sentence(call: object, says: str) -> None:
    with pytest.raises(mcuplan.McuplanError, match=says):
        call()  # type: ignore[operator]


def test_what_tflm_refuses_is_an_error_unless_forced() -> None:
    from dataclasses import replace

    graph = build("sine")
    code = replace(graph.main.operators[0].code, name="CUSTOM", custom_code="FlexRelu", builtin_code=32)
    operators = (replace(graph.main.operators[0], code=code, options=None), *graph.main.operators[1:])
    model = replace(graph, subgraphs=(replace(graph.main, operators=operators),), operator_codes=())
    assert mcuplan.check(model).verdict == "unsupported"
    for verb in (mcuplan.plan, mcuplan.export):
        with pytest.raises(mcuplan.RefusedError, match="TFLM refuses this model"):
            verb(model)
    assert mcuplan.plan(model, force=True).refusals
    assert mcuplan.export(model, force=True).files


def test_importing_mcuplan_imports_nothing_else() -> None:
    script = (
        "import sys, mcuplan; "
        "print(sorted(m for m in sys.modules if m.startswith('mcuplan')), 'numpy' in sys.modules); "
        "assert set(mcuplan.__all__) <= set(dir(mcuplan)); mcuplan.check"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['mcuplan', 'mcuplan.version'] False\n"
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = mcuplan.chekc  # type: ignore[attr-defined]


USERS_FILE = """
import mcuplan

found = mcuplan.check(bytearray(b""), board=["a", mcuplan.load_board("b")], ram="64kB", latency=0.2, config="auto")
verdict: str = found.verdict
arena = found.result.arena
if arena is not None:
    declare: int = arena.declare_bytes
plan: mcuplan.PlanResult = mcuplan.plan("m.tflite", board="b", options=mcuplan.PlanOptions(patch=True))
model: bytes = plan.model
ok: bool = mcuplan.verify("m.tflite", model).ok
names: list[str] = [file.name for file in mcuplan.export(model, "firmware").files]
reveal_type(found)
mcuplan.check("m.tflite", bord="b")
mcuplan.PlanOptions(effort="fastest")
plan.gain_bytes = 3
"""


def test_a_users_file_is_type_checked(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    (tmp_path / "user.py").write_text(USERS_FILE)
    out, _, code = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(tmp_path / "user.py")])
    told = [line.partition("user.py:")[2] for line in out.splitlines() if "user.py:" in line]
    assert code == 1
    assert [line.partition(":")[0] for line in told] == ["13", "14", "14", "15", "16"], out
    assert 'Revealed type is "mcuplan.api.check.CheckResult"' in out
    assert (Path(mcuplan.__file__).parent / "py.typed").exists()


def test_a_planned_model_says_where_it_is_from_whatever_it_was_given_as(path: Path) -> None:
    from hashlib import sha256

    from mcuplan.rewriting.origin import plan_origin

    for model in (path, MODEL):
        planned = read(mcuplan.plan(model, options=mcuplan.PlanOptions(effort="fast")).model)
        origin = plan_origin(planned)
        assert origin is not None
        assert origin.model_sha256 == sha256(MODEL).hexdigest()
