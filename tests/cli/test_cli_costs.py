"""What a plan costs, told wherever plans are: the HTML report, Markdown, ``diff``; and the options that limit it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import Cli

import mcuplan
from mcuplan import PlanOptions
from mcuplan.api.report import html_report
from mcuplan.text import show_share
from mcuplan.tflite import save
from mcuplan.zoo.single import build_operator, operator_models

BOARD = ("--board", "nucleo-l4r5zi")
"""A board whose time was measured."""
DS_CNN = "zoo:ds-cnn"
RESNET8 = "zoo:resnet8"


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keyword spotting with patch stages, for that board."""
    path = tmp_path_factory.mktemp("costs") / "patched.tflite"
    found = mcuplan.plan(DS_CNN, board="nucleo-l4r5zi", options=PlanOptions(effort="fast", patch=True))
    assert found.steps.patch is not None
    found.save(path)
    return path


class _Tables(HTMLParser):
    """The cells of every row, by the label of the region around the table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self._label, self._cell = "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("role") == "region":
            self._label = given["aria-label"] or ""
        if tag == "tr":
            self.rows.setdefault(self._label, []).append([])
        if tag in ("td", "th"):
            self.rows[self._label][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")
        self._label = "" if tag == "table" else self._label

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[self._label][-1][-1] += data


def tables(text: str) -> dict[str, list[list[str]]]:
    parser = _Tables()
    parser.feed(text)
    return parser.rows


def test_the_html_report_tells_instructions_macs_and_time_of_each_plan(cli: Cli, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert cli("report", DS_CNN, *BOARD, "--patch", "--least", "-o", page).code == 0
    head, given, planned, stages = tables(page.read_text())["Costs of the plans"]
    assert head == ["Model", "Arena to declare", "Instructions", "MACs", "Time"]
    assert given == ["as given", "22,832", "7,713,587", "2,656,768", "about 104 ms"]
    assert planned[0] == "plan"
    assert stages[0] == "patch stages"
    assert int(stages[1].replace(",", "")) < int(planned[1].replace(",", "")) < 22_832
    factor = re.search(r"\(x(\d\.\d{3})\)", stages[2])
    assert factor is not None
    assert 1.0 < float(factor[1]) <= 1.1
    ms = float(stages[4].split()[1])
    assert ms == pytest.approx(103.7 * float(factor[1]), rel=0.01)  # as many cycles for each instruction


def test_where_no_time_was_measured_it_is_a_range_or_not_known(cli: Cli, tmp_path: Path) -> None:
    for board, instructions, time in (
        ("nucleo-f401re", "7,713,587", "range 140 ms to 240 ms"), ("esp32-s3-devkitc-1", "not known", "not known"),
    ):  # fmt: skip
        page = tmp_path / f"{board}.html"
        assert cli("report", DS_CNN, "--board", board, "-o", page).code == 0
        given = tables(page.read_text())["Costs of the plans"][1]
        assert (given[2], given[4]) == (instructions, time)


def test_a_plan_in_markdown(cli: Cli) -> None:
    done = cli("plan", DS_CNN, *BOARD, "--patch", "--effort", "fast", "--format", "markdown")
    assert done.code == 0, done.err
    document = json.loads(cli("plan", DS_CNN, *BOARD, "--patch", "--effort", "fast", "--format", "json").out)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.out.splitlines()]
    rows = {row[0]: row[1:] for row in cells if len(row) == 4}
    before, after = document["before"]["declare_bytes"], document["after"]["declare_bytes"]
    assert rows["arena to declare"] == [f"{before:,}", f"{after:,}", f"**{after - before:+,}**"]
    assert rows["instructions"][:2] == [f"{document[f'instructions_{side}']:,}" for side in ("before", "after")]
    assert rows["time on nucleo-l4r5zi"][0] == "104 ms"
    assert rows["time on nucleo-l4r5zi"][2] == f"{document['instructions_factor'] - 1:+.1%}"
    assert "`mcuplan plan zoo:ds-cnn --board nucleo-l4r5zi --effort fast --patch --least`" in done.out


def test_a_plan_in_markdown_without_cost_data(cli: Cli) -> None:
    done = cli("plan", DS_CNN, "--board", "esp32-s3-devkitc-1", "--effort", "fast", "--format", "markdown")
    assert "| instructions | not known | not known |  |" in done.out
    assert "time on" not in done.out


def test_diff_tells_instructions_and_time_in_every_format(cli: Cli, patched: Path, tmp_path: Path) -> None:
    texts = {name: cli("diff", DS_CNN, patched, *BOARD, "--format", name).out for name in ("text", "markdown", "json")}
    figures = {f["resource"]: f for f in json.loads(texts["json"])["boards"][0]["figures"]}
    assert figures["instructions"]["old"] == 7_713_587
    factor = figures["instructions"]["new"] / 7_713_587
    assert figures["latency"]["new"] / figures["latency"]["old"] == pytest.approx(factor, rel=1e-3)
    assert re.search(r"^    instructions 7\.71 M -> .* \(\+", texts["text"], re.MULTILINE)
    assert re.search(r"^    time +104 ms -> ", texts["text"], re.MULTILINE)
    assert "| flash | MACs | instructions | time |" in texts["markdown"]
    page = tmp_path / "d.html"
    assert cli("diff", DS_CNN, patched, *BOARD, "--format", "html", "-o", page).code == 0
    rows = {row[2]: row for row in tables(page.read_text())["Verdicts and figures by board"]}
    assert rows["instructions"][3].startswith("7.71 M → ")
    assert rows["time"][3].startswith("104 ms → ")


def test_report_and_sweep_take_every_limit_on_stages(cli: Cli, tmp_path: Path) -> None:
    """``--max-macs`` alone leaves time without a limit, as in ``plan``; the three options are the same everywhere."""
    found = {}
    for name, options in (("usual", ()), ("macs", ("--max-macs", "1.1")), ("tight", ("--max-overhead", "1.02"))):
        page, table = tmp_path / f"{name}.html", tmp_path / f"{name}.jsonl"
        assert cli("report", RESNET8, *BOARD, "--patch", "--least", *options, "-o", page).code == 0
        stages = tables(page.read_text())["Costs of the plans"][-1]
        done = cli("sweep", RESNET8, *BOARD, "--plan", "patch", "--least", *options, "-o", table)
        assert done.code == 0, done.err
        found[name] = (int(stages[1].replace(",", "")), json.loads(table.read_text().splitlines()[-1])["arena_bytes"])
    assert found["macs"][0] < found["usual"][0] < found["tight"][0]
    assert found["macs"][1] < found["usual"][1] < found["tight"][1]
    for command in ("report", "sweep"):
        done = cli(command, DS_CNN, "--max-macs", "0.9", "-o", tmp_path / "x.csv")
        assert (done.code, done.out) == (2, "")
        assert "0.9 is not in the range x>=1.0" in done.err


def test_the_reports_of_python_take_them_too() -> None:
    arenas = []
    for limits in ({"max_macs": 1.1}, {"max_overhead": 1.02}):
        stages = tables(html_report(RESNET8, board="nucleo-l4r5zi", least=True, **limits))["Costs of the plans"][-1]
        assert stages[0] == "patch stages"
        arenas.append(int(stages[1].replace(",", "")))
    assert arenas[0] < arenas[1]


@pytest.mark.parametrize("factor", ["0.9", "nan", "inf", "x"])
@pytest.mark.parametrize("option", ["--max-overhead", "--max-macs"])
@pytest.mark.parametrize("command", [("plan", DS_CNN, "--patch"), ("report", DS_CNN, "-o"), ("sweep", DS_CNN, "-o")])
def test_what_is_no_factor_is_refused(
    cli: Cli, command: tuple[str, ...], option: str, factor: str, tmp_path: Path
) -> None:
    output = (tmp_path / "x.csv",) if command[-1] == "-o" else ()
    done = cli(*command, *output, option, factor)
    assert (done.code, done.out, list(tmp_path.iterdir())) == (2, "", [])
    assert f"'{option}': " in done.err
    assert "bug" not in done.err


@pytest.mark.parametrize("options", [{"max_overhead": 0.5}, {"max_macs": float("nan")}, {"max_macs": float("inf")}])
def test_python_refuses_it_too(options: dict[str, float]) -> None:
    with pytest.raises(mcuplan.McuplanError, match=r"is not a factor: state a number such as 1\.1, at least 1"):
        mcuplan.plan("zoo:sine", options=PlanOptions(patch=True, **options))


def test_how_much_of_the_instructions_is_a_bound(cli: Cli, tmp_path: Path) -> None:
    """An operator without a cost model is bounded by the dearest of its kind; every report says how much that is."""
    model = tmp_path / "lstm.tflite"
    specs = {spec.name: spec for spec in operator_models()}
    save(build_operator(specs["unidirectional-sequence-lstm-int8-int16"]), model)
    told = json.loads(cli("inspect", model, "--format", "json").out)
    share = show_share(told["instructions_bounded"] / told["instructions"])
    note = f"{share} of the instructions are a bound from above: their operators have no cost model"
    assert note in cli("inspect", model).out
    assert note in " ".join(cli("plan", model, "--no-map").out.split())
    assert f"- {note}" in cli("plan", model, "--format", "markdown").out
    document = json.loads(cli("plan", model, "--format", "json").out)
    assert document["instructions_bounded"] == pytest.approx(told["instructions_bounded"], rel=0.01)
    assert "bound from above" not in cli("inspect", DS_CNN).out
