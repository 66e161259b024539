"""The report as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import HOSTILE_NAME, analysis, graph, report, result

from mcuplan.budget import Counted, Limit, Resource, analyse
from mcuplan.budget.limits import Limits
from mcuplan.reports.documents import build as building
from mcuplan.reports.documents.report import Report
from mcuplan.reports.terminal.check import FAIL, PASS, WARN, report_lines
from mcuplan.reports.terminal.glyphs import BLOCKS, PLAIN
from mcuplan.tflm import Refusal, Target
from mcuplan.zoo import build


def text(document: Report, width: int = 100, **options: bool) -> str:
    return "\n".join(line.plain for line in report_lines(document, width, PLAIN, **options))


def test_one_model_says_verdict_bars_peak_and_costs() -> None:
    shown = text(report())
    assert shown.startswith("PASS  model.tflite\n")
    for part in ("RAM   #", "flash #", "MACs  #", "480 B of 250.0 kB", "declare 480 bytes (uses 480: 192 planned"):
        assert part in shown
    assert "Memory peaks at operator 1, RELU: 160 bytes live in 3 buffers" in shown
    costs = shown[shown.index("Largest costs") :].splitlines()[1:6]
    assert len(costs) == 5


def test_what_would_help_is_said() -> None:
    found = analyse(build("visual-wake-words"), Target.parse("cortex-m4+cmsis-nn"))
    shown = text(report(result(found)))
    assert "What would help" in shown
    assert "18,432 bytes" in shown


def test_a_real_model_fits_one_screen() -> None:
    model = build("person-detection")
    found = analyse(replace(model, file_bytes=300_568), Target.parse("cortex-m4+cmsis-nn"))
    lines = text(report(result(found)), 80).splitlines()
    assert 16 <= len(lines) <= 40
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    refusal = Refusal("a long reason " * 5, "a long remedy " * 5, "rule", 0, 1, "RELU", 2, "t2" * 30)
    found = result(replace(analysis(), refusals=(refusal,)), limits=_ram(4_900))
    document = report(found, replace(found, model="another", error=None))
    for line in report_lines(document, width, BLOCKS):
        assert line.cell_len <= width


def _ram(amount: int) -> Limits:
    return Limits(ram=Limit(Resource.RAM, amount, Counted.NEED, "test"))


@pytest.mark.parametrize(("amount", "style"), [(10_000, PASS), (5_000, WARN), (4_972, WARN), (4_971, FAIL)])
def test_bars_are_coloured_by_how_close_the_limit_is(amount: int, style: str) -> None:
    lines = list(report_lines(report(result(limits=_ram(amount))), 80, PLAIN))
    gauge = next(line for line in lines if line.plain.startswith("  RAM   #"))
    assert [span.style for span in gauge.spans] == [style]


def test_bounds_are_marked() -> None:
    found = analysis(exact=False, notes=("operator 1 has no data",))
    shown = text(report(result(found, limits=_ram(4_900))))
    assert "<=4,972 B of" in shown
    assert "declare at most 480 bytes" in shown
    assert "take at most 4,972 bytes" in shown
    assert "Note: operator 1 has no data" in shown


def test_colours_tell_verdicts_and_nothing_else() -> None:
    document = report(result(limits=_ram(4_900)), result(model="b", limits=_ram(100_000)))
    styles = {str(span.style) for line in report_lines(document, 80, PLAIN) for span in line.spans}
    assert styles <= {PASS, WARN, FAIL, "bold", "not bold", "dim", f"bold {PASS}", f"bold {FAIL}"}


def test_several_boards_share_the_details_of_the_worst() -> None:
    good = replace(result(limits=_ram(10_000)), board="roomy", board_name="Roomy Board")
    bad = replace(result(limits=_ram(4_900)), board="tight", board_name="Tight Board")
    shown = text(report(good, bad))
    assert "PASS  model.tflite on Roomy Board" in shown
    assert "FAIL  model.tflite on Tight Board" in shown
    assert shown.count("Largest costs (on Tight Board)") == 1
    assert shown.endswith("1 model on 2 boards: 1 pass, 1 fail")


def test_many_models_are_a_line_each() -> None:
    shown = text(report(*(result(model=f"m{i}.tflite") for i in range(30)))).splitlines()
    assert shown[0] == "PASS   RAM  <1%  flash  <1%  MACs  <1%  m0.tflite"
    assert shown[-1] == "30 models: 30 pass"
    assert len(shown) == 32


def test_quiet_shows_only_what_does_not_pass() -> None:
    good, bad = result(), result(limits=_ram(4_900), model="bad.tflite")
    assert text(report(good, good), quiet=True) == ""
    shown = text(report(good, bad), quiet=True)
    assert shown.startswith("FAIL")
    assert "model.tflite" not in shown
    assert "RAM: arena, interpreter and stack take 4,972 bytes" in shown


def test_unreadable_models_are_shown_or_left_to_stderr() -> None:
    document = report(building.failed("x.tflite", None, "x.tflite: not a model"))
    assert "x.tflite: not a model" in text(document)
    assert text(document, errors=False) == ""


def test_equal_refusals_are_said_once() -> None:
    refusals = tuple(Refusal("hybrid", "quantize", "hybrid", 0, k, "CONV_2D", k, f"w{k}") for k in range(12))
    shown = text(report(result(replace(analysis(), refusals=refusals))))
    assert "operators 0, 1, 2, 3, 4, 5, 6, 7 and 4 more: hybrid" in shown
    assert shown.count("remedy: quantize") == 1
    assert shown.startswith("UNSUPPORTED model.tflite")


HOSTILE = HOSTILE_NAME + "A" * 10_000


def test_hostile_names_do_nothing() -> None:
    model = graph(("!" + HOSTILE, "RELU", "RELU"), tensor_prefix=HOSTILE)
    refusal = Refusal(f"no kernel for {HOSTILE}", HOSTILE, "rule", 0, 0, HOSTILE, 1, HOSTILE)
    found = replace(analysis(model), refusals=(refusal,))
    document = report(result(found, model=HOSTILE), building.failed(HOSTILE, HOSTILE, f"{HOSTILE}: no"))
    lines = list(report_lines(document, 80, BLOCKS))
    assert lines
    for line in lines:
        assert line.cell_len <= 80
        assert line.plain.isprintable()
        assert "\u202e" not in line.plain
        assert all(str(span.style) in (PASS, WARN, FAIL, "bold", "dim", f"bold {PASS}", f"bold {FAIL}", "not bold")
                   for span in line.spans)  # fmt: skip


def test_docs_schema_is_not_stale() -> None:
    import json

    from mcuplan.budget.settings import config_schema
    from mcuplan.reports.documents.schema import report_schema

    folder = Path(__file__).parents[2] / "docs" / "schemas"
    for name, schema in (("report", report_schema()), ("config", config_schema())):
        committed = json.loads((folder / f"{name}.schema.json").read_text("utf-8"))
        assert committed == schema, f"run: mcuplan schema {name} -o docs/schemas/{name}.schema.json"
