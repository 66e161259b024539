"""The report as HTML text: self-contained, escaped, the same each time."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from html.parser import HTMLParser

import pytest
from html_samples import HOSTILE, chain, hostile, html

from mcuplan.boards import Board
from mcuplan.findings.inspection import OperatorRow
from mcuplan.graph import Graph
from mcuplan.reports.documents.report import Result
from mcuplan.reports.html.table import operator_table, to_csv
from mcuplan.zoo import build


class Reader(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def vww() -> str:
    return html(build("visual-wake-words"), planned=True)


def test_nothing_is_loaded_from_anywhere(vww: str) -> None:
    reader = Reader(vww)
    for tag, attributes in reader.tags:
        assert tag not in {"img", "link", "iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        href = attributes.get("href")
        assert href is None or href.startswith(("#", "data:text/csv"))
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    assert not re.search(r"https?://|@import|url\(", vww)


def test_the_policy_allows_exactly_the_script_and_the_style_inside(vww: str) -> None:
    policy = next(a["content"] for _, a in Reader(vww).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        bodies = re.findall(f"<{tag}>(.*?)</{tag}>", vww, re.S)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_both_plans_stand_side_by_side(vww: str) -> None:
    # DESIGN.md's figures: 73,728 bytes planned by TFLM where 55,296 are enough.
    assert "of which 73,728 planned" in vww
    assert "of which 55,296 planned" in vww
    assert re.search(r"mcuplan plan model.tflite --board sparkfun-edge -o planned.tflite", vww)


def test_a_zoo_report_is_small_and_the_same_each_time(vww: str) -> None:
    assert len(vww.encode()) < 500_000
    assert html(build("visual-wake-words"), planned=True) == vww


def test_every_operator_is_in_the_table_and_in_the_csv(vww: str) -> None:
    graph = build("visual-wake-words")
    body = re.search(r'<table class="operators sortable">.*?</table>', vww, re.S)
    assert body is not None
    assert body[0].count("<tr id=") == len(graph.main.operators)
    link = next(a["href"] for _, a in Reader(vww).tags if a.get("class") == "csv")
    assert link is not None
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(link.partition(",")[2]).decode())))
    assert len(rows) == len(graph.main.operators)
    assert rows[2]["kind"] == "CONV_2D"
    assert rows[2]["live bytes"] == "55296"


@pytest.mark.parametrize("model_name", HOSTILE)
def test_hostile_strings_are_only_text(model_name: str) -> None:
    text = html(hostile(), model_name, board=None)
    reader = Reader(text)
    assert [tag for tag, _ in reader.tags].count("script") == 1
    assert not {"img", "iframe"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert not (attributes.get("href") or "").startswith("javascript:")
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)
    assert "x" * 200 not in text
    shown = "".join(reader.texts)
    assert "{{ 7*7 }}" in shown
    assert "<script>alert(1)</script>" in shown


def test_a_large_model_is_summed_up() -> None:
    text = html(chain(5_000), board=None, planned=True)
    assert text.count('class="buf item') == 400
    assert text.count('class="node item') <= 320
    assert text.count('class="bar item') <= 120
    assert "The 1,000 costliest of 5,000 operators" in text
    assert "No plan was sought: 5,000 operators" in text


def linked(text: str) -> tuple[list[str], list[str]]:
    """Where the boxes of dataflow pictures lead, and the names of rows."""
    tags = Reader(text).tags
    boxes = [a for tag, a in tags if (a.get("class") or "").startswith("node item")]
    rows = [str(a["id"]) for tag, a in tags if tag == "tr" and "id" in a]
    return [str(a["href"]) for a in boxes if "href" in a], rows


def test_every_box_leads_to_the_row_of_its_operator() -> None:
    hrefs, rows = linked(html(chain(3)))
    assert hrefs == ["#operator-1-0", "#operator-1-1", "#operator-1-2"]
    assert rows == ["operator-1-0", "operator-1-1", "operator-1-2"]


def test_a_box_without_a_row_leads_nowhere() -> None:
    hrefs, rows = linked(html(chain(5_000), board=None))
    assert len(set(rows)) == len(rows) == 1_000
    assert {href.removeprefix("#") for href in hrefs} <= set(rows)


def test_a_model_that_cannot_be_read_has_a_card_and_no_pictures() -> None:
    from mcuplan.reports.documents import build as building
    from mcuplan.reports.html.render import render_report
    from mcuplan.reports.html.subject import subjects

    report = building.report([building.failed("bad.tflite", None, "bad.tflite: this is not a model <b>")])
    text = render_report(report, subjects(report, {}))
    assert "this is not a model &lt;b&gt;" in text
    assert '<svg class="chart"' not in text


def test_a_model_without_operators_is_drawn() -> None:
    from mcuplan.graph import Buffer, DType, Subgraph, Tensor

    empty = Graph((Subgraph((Tensor("x", DType.INT8, (1, 4)),), (), (0,), (0,)),), (Buffer(),))
    assert "0 operators" in html(empty, board=None)


def test_csv_has_no_formulas() -> None:
    row = OperatorRow(0, 0, "=cmd()", (1,), "int8", "@sum", None, 0, 5, (1, 2))
    table = operator_table([row], "../../evil name.tflite")
    assert table.csv_name == "evil-name-operators.csv"
    found = next(csv.DictReader(io.StringIO(to_csv(table.rows))))
    assert found["kind"] == "'=cmd()"
    assert found["output"] == "'@sum"
    assert found["MACs"] == ""


def test_time_is_told_where_the_chip_was_measured() -> None:
    assert re.search(r"about [\d.,]+ ms, up to \d+% off", html(build("person-detection"), board="nucleo-l4r5zi"))
    assert ">Time<" not in html(build("person-detection"), board="sparkfun-edge")


def test_models_that_share_a_board_have_a_card() -> None:
    from mcuplan.budget import Arenas
    from mcuplan.reports.documents import build as building
    from mcuplan.reports.html.render import render_report

    group = building.shared_failed("both <b>", ["a.tflite", "b.tflite"], "teensy", Arenas.SUM, "a.tflite: gone & lost")
    text = render_report(building.report([], [group]), ())
    assert "both &lt;b&gt; together on teensy" in text
    assert "a.tflite, b.tflite; an arena each" in text
    assert "gone &amp; lost" in text


def test_the_overview_is_a_matrix_with_failures_first() -> None:
    from mcuplan.boards import load_board
    from mcuplan.reports.documents import build as building
    from mcuplan.reports.html.page import page
    from mcuplan.reports.html.subject import subjects

    boards = [load_board(name) for name in ("sparkfun-edge", "arduino-nano-33-ble-sense")]
    rows = [result_on(name, board) for name in ("a/sine.tflite", "b/mcunet-320k.tflite") for board in boards]
    report = building.report([*rows[:2], *rows[2:3]])
    made = page(report, subjects(report, {}), "2026-01-02")
    assert made.boards == ("SparkFun Edge", "Arduino Nano 33 BLE Sense")
    assert [line.name for line in made.overview] == ["mcunet-320k.tflite", "sine.tflite"]
    assert [cell and cell.verdict for cell in made.overview[0].cells] == ["FAIL", None]
    assert [model.name for model in made.models] == ["sine.tflite", "mcunet-320k.tflite"]
    assert made.models[0].path == "a/sine.tflite"
    versions = dict.fromkeys(row.tflm_version for row in report.results)
    assert made.made.endswith(f"; TFLM {', '.join(map(str, versions))}; 2026-01-02")


def test_models_of_one_name_keep_their_paths() -> None:
    from mcuplan.reports.documents import build as building
    from mcuplan.reports.html.page import page
    from mcuplan.reports.html.subject import subjects

    report = building.report([building.failed(name, None, f"{name}: gone") for name in ("a/m.tflite", "b/m.tflite")])
    made = page(report, subjects(report, {}))
    assert [model.name for model in made.models] == ["a/m.tflite", "b/m.tflite"]
    assert [line.cells[0].verdict for line in made.overview if line.cells[0]] == ["ERROR", "ERROR"]


def result_on(name: str, board: Board) -> Result:
    from mcuplan import budget
    from mcuplan.reports.documents import build as building
    from mcuplan.tflm import Target

    graph = build(name.rpartition("/")[2].removesuffix(".tflite"))
    analysis = budget.analyse(graph, Target.parse(board.target))
    limits = budget.limits_on_board(board, budget.Asked())
    judged = budget.judge(analysis.need(), limits, analysis.refusals)
    return building.result(name, board, analysis, analysis.need(), limits, judged)


def test_a_planned_model_is_named_as_what_it_is() -> None:
    from mcuplan.planning.plan import PlanOptions, make_plan
    from mcuplan.rewriting.origin import PlanOrigin, set_plan_origin

    graph = make_plan(build("resnet8"), "cortex-m4+cmsis-nn", PlanOptions(effort="fast")).graph
    assert "As given, with a memory plan in its metadata" in html(graph, board=None)
    told = html(set_plan_origin(graph, PlanOrigin(("cortex-m4+cmsis-nn",), "0.1.0", "0" * 64)), board=None)
    assert "As given, planned for cortex-m4+cmsis-nn by mcuplan 0.1.0" in told
    assert "<b>Stock TFLM</b>" not in told
    assert "<b>Stock TFLM</b>" in html(build("resnet8"), board=None)


def test_a_limit_says_what_it_leaves_for_the_arena() -> None:
    """The card says 393.2 kB, the map draws what interpreter, resolver and stack leave of it."""
    text = html(build("person-detection"), board="sparkfun-edge")
    assert "of 393.2 kB" in text
    assert re.search(r"The limit of 393\.2 kB leaves 388\.\d kB beside interpreter, stack and the like", text)
