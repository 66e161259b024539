"""``mcuplan check`` with limits on time, energy and power: options, configuration, every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import pytest

from mcuplan.reports.documents.schema import from_json, report_schema


class Outcome(Protocol):
    code: int
    out: str
    err: str


class Cli(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


NANO = ("zoo:person-detection", "-b", "arduino-nano-33-ble-sense")
UNMEASURED = ("zoo:sine", "-b", "stm32f746g-discovery")


def document(cli: Cli, *arguments: str) -> Any:
    found = json.loads(cli("check", *arguments, "--format", "json").out)
    jsonschema.Draft202012Validator(report_schema()).validate(found)
    return found["results"][0]


def flat(text: str) -> str:
    return " ".join(text.split())


def test_time_and_energy_are_told_where_the_board_was_measured(cli: Cli) -> None:
    done = cli("check", *NANO)
    assert done.code == 0
    assert "time about 640 ms, up to 23% off on measured networks" in flat(done.out)
    assert "energy about 6.4 mJ, up to 23% off in time alone" in flat(done.out)
    row = document(cli, *NANO)
    assert row["latency"]["us"] == pytest.approx(638_000, rel=0.01)
    assert row["latency"]["error_percent"] == 22.9
    assert "mcufit-bench" in row["latency"]["source"]
    assert "left out of the fit" in row["latency"]["error"]
    assert row["energy"]["uj"] == pytest.approx(row["latency"]["us"] * 9.984e-3, rel=1e-3)
    assert "Product Specification" in row["energy"]["source"]
    assert row["power"] is None
    assert row["limits"]["estimates"] == []


def test_no_board_and_no_data_no_number(cli: Cli) -> None:
    for arguments in (("zoo:sine",), UNMEASURED):
        row = document(cli, *arguments)
        assert (row["latency"], row["energy"], row["power"]) == (None, None, None)
        assert "time " not in cli("check", *arguments).out


def test_a_broken_limit_fails_and_says_that_the_error_could_turn_it(cli: Cli) -> None:
    done = cli("check", *NANO, "--latency", "600ms")
    assert done.code == 1
    said = flat(done.out)
    assert "FAIL" in said
    assert "latency: about 640 ms, may be at most 600 ms (--latency): 39 ms too much" in said
    assert "the estimate may be 23% off, so it could be otherwise" in said
    row = document(cli, *NANO, "--latency", "600ms")
    assert row["verdict"] == "fail"
    [broken] = row["violations"]
    assert (broken["resource"], broken["counted"], broken["limit"]) == ("latency", "estimate", 600_000)
    assert broken["over"] == pytest.approx(broken["figure"] - 600_000)
    [rule] = row["limits"]["estimates"]
    assert (rule["quantity"], rule["unit"], rule["kept"], rule["close"]) == ("latency", "us", False, True)


def test_far_over_the_error_does_not_matter(cli: Cli) -> None:
    said = flat(cli("check", *NANO, "--latency", "1ms").out)
    assert "may be at most 1 ms" in said
    assert "otherwise" not in said


def test_energy_and_power_are_limits_too(cli: Cli) -> None:
    row = document(cli, *NANO, "--energy", "5mJ", "--power", "1uW", "--period", "10s")
    assert [v["resource"] for v in row["violations"]] == ["energy", "power"]
    assert row["power"]["period_s"] == 10
    assert row["power"]["mw"] == pytest.approx(0.641, rel=0.01)
    kept = document(cli, *NANO, "--energy", "5J", "--power", "5W", "--period", "10s")
    assert kept["verdict"] == "pass"
    assert [rule["kept"] for rule in kept["limits"]["estimates"]] == [True, True]


def test_a_limit_kept_within_the_error_is_noted(cli: Cli) -> None:
    row = document(cli, *NANO, "--latency", "700ms")
    assert row["verdict"] == "pass"
    assert "keeps the limit of 700 ms (--latency); the estimate may be 23% off" in row["notes"][0]
    assert not any("keeps" in note for note in document(cli, *NANO, "--latency", "10s")["notes"])


def test_a_board_that_was_not_measured_has_a_range_in_milliseconds(cli: Cli) -> None:
    row = document(cli, "zoo:ds-cnn", "--board", "nucleo-f401re", "--latency", "100ms")
    assert "other boards with its core would take 140 to 240 ms, which is a range, not a figure" in row["notes"][0]
    assert row["latency"] is None


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_limit_without_data_is_not_silent(cli: Cli, quiet: tuple[str, ...]) -> None:
    done = cli("check", *UNMEASURED, "--latency", "200ms", *quiet)
    assert done.code == 0
    said = flat(done.out)
    assert "the limit on latency of 200 ms (--latency) cannot be judged: no data: no latency was measured on" in said
    row = document(cli, *UNMEASURED, "--latency", "200ms")
    assert row["verdict"] == "pass"
    assert row["violations"] == []
    assert "cannot be judged" in row["notes"][0]
    [rule] = row["limits"]["estimates"]
    assert (rule["figure"], rule["kept"]) == (None, None)


def test_every_format_tells_of_it(cli: Cli, tmp_path: Path) -> None:
    broken, unknown = (*NANO, "--latency", "400ms"), (*UNMEASURED, "--latency", "200ms")
    markdown = cli("check", *broken, "--format", "markdown").out
    assert "latency: about 640 ms" in markdown
    assert "Time: about 640 ms of 400 ms" in markdown
    assert "cannot be judged" in cli("check", *unknown, "--format", "markdown").out
    junit = cli("check", *broken, "--format", "junit").out
    assert "latency-limit" in junit
    assert "latency on Arduino Nano 33 BLE Sense" in junit
    skipped = cli("check", *unknown, "--format", "junit").out
    assert "<skipped" in skipped
    assert "cannot be judged" in skipped
    sarif = json.loads(cli("check", *broken, "--format", "sarif").out)["runs"][0]
    assert [found["ruleId"] for found in sarif["results"]] == ["latency-limit"]
    github = cli("check", *unknown, "--format", "github").out
    assert github.startswith("::warning file=zoo%3Asine,title=STM32F746G Discovery%3A not judged::the limit on latency")
    assert "passed" not in github
    (tmp_path / "mcuplan.toml").write_text('latency = "400ms"\n')
    html = cli("report", *NANO, "--config", str(tmp_path / "mcuplan.toml"), "-o", str(tmp_path / "r.html"), "--no-plan")
    assert html.code == 1
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "estimate: about 640 ms of 400 ms" in page
    assert ">Energy<" in page
    assert "(mcuplan.toml: latency)" in page


def test_reports_read_back_equal(cli: Cli) -> None:
    from mcuplan.reports.documents.json import to_json

    text = cli("check", *NANO, "--latency", "400ms", "--format", "json").out
    assert to_json(from_json(text)) == text


def test_the_configuration_states_them_and_options_go_before(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "mcuplan.toml"
    config.write_text(
        'latency = "100ms"\npower = "1mW"\nperiod = "10s"\n[[models]]\nfiles = ["zoo:sine"]\nenergy = "1nJ"\n'
    )
    row = document(cli, *NANO, "--config", str(config))
    assert [(r["quantity"], r["limit"], r["source"]) for r in row["limits"]["estimates"]] == [
        ("latency", 100_000, "mcuplan.toml: latency"),
        ("power", 1, "mcuplan.toml: power"),
    ]
    row = document(cli, *NANO, "--config", str(config), "--latency", "1s")
    assert next((r["limit"], r["source"]) for r in row["limits"]["estimates"]) == (1_000_000, "--latency")
    row = document(cli, "zoo:sine", "-b", "arduino-nano-33-ble-sense", "--config", str(config))
    assert "energy" in [v["resource"] for v in row["violations"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency = 200", "key 'latency': 200 has no unit"),
        ('latency = "200mJ"', "key 'latency': '200mJ' is not a duration"),
        ('energy = "0J"', "key 'energy': '0J' is no energy: it must be above 0"),
        ('power = "-1mW"', "key 'power': '-1mW' is not a power"),
        ('periods = "1s"', "unknown key 'periods'; did you mean 'period'?"),
        ('power = "1mW"', "a limit on average power (mcuplan.toml: power) says nothing without a period"),
    ],
)
def test_bad_configuration(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "mcuplan.toml"
    config.write_text(text + "\n")
    done = cli("check", *NANO, "--config", str(config))
    assert done.code == 2
    assert said in flat(done.err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--latency", "200"), "'200' is not a duration"),
        (("--latency", "0ms"), "it must be above 0"),
        (("--energy", "5kB"), "'5kB' is not an energy"),
        (("--power", "lots"), "'lots' is not a power"),
        (("--power", "1mW"), "says nothing without a period"),
        (("--period", "1mW"), "'1mW' is not a duration"),
    ],
)
def test_bad_options(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = cli("check", *NANO, *arguments)
    assert done.code == 2
    assert said in flat(done.err)
    assert "Traceback" not in done.err
