"""Targets on the command line: the list, toolchains of a board, versions that lack or have what a model needs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Cli

from mcuplan.tflm import target_names

FIELD = Path(os.environ.get("MCUPLAN_SHARED", "")) / "cases" / "field"
needs_cases = pytest.mark.skipif("MCUPLAN_SHARED" not in os.environ, reason="MCUPLAN_SHARED is not set: no field cases")


def test_the_list_of_targets(cli: Cli) -> None:
    rows = json.loads(cli("targets", "--format", "json").out)
    assert [row["target"] for row in rows] == list(target_names())
    found = {row["target"]: row for row in rows}
    assert found["arduino-2023-02/cortex-m4+cmsis-nn"]["records"] == 84
    assert found["esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.2.1"]["upstream"] == "2026-07-13"
    shown = cli("targets", "pico", "cortex-m0plus").out.splitlines()
    assert shown[0].split() == ["target", "upstream", "of", "arenas", "measured", "what", "it", "is"]
    assert shown[1].split()[:3] == ["pico-2024-12/cortex-m0plus+cmsis-nn", "2024-12-23", "89"]
    assert len(shown) == 2
    assert "by rule" in cli("targets", "pico", "cortex-m33").out


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            "upstream-2020-01/cortex-m4",
            "upstream-2020-01 is older than arduino-2023-02-static, the oldest that mcuplan",
        ),
        ("zefyr-2024-05/cortex-m4", "unknown TFLM version 'zefyr-2024-05' (did you mean 'zephyr-2024-05'?)"),
        ("pico-2024-12/esp32+esp-nn", "pico-2024-12 has no esp-nn kernels, it has cmsis-nn"),
        ("edge-impulse-1.93.20/cortex-m55", "mcuplan has no rules of edge-impulse-1.93.20 for cortex-m55"),
        ("esp32s3+esp-nn-0.9", "no esp-nn '0.9' (known: 1.0.2, "),
        ("esp32s3+esp-nn-", "no kernel library 'esp-nn-'"),
        ("/cortex-m4", "no TFLM version before the '/'"),
        ("cortex-m4+", "no kernel library after the '+'"),
        ("9" * 5000, "a name of 5,000 characters"),
    ],
)
def test_targets_that_are_none(cli: Cli, target: str, says: str) -> None:
    done = cli("check", "zoo:sine", "--target", target)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_a_target_that_contradicts_the_board(cli: Cli) -> None:
    done = cli("check", "zoo:sine", "--board", "esp32-devkitc", "--target", "cortex-m4")
    assert (done.code, done.out) == (2, "")
    assert "--target cortex-m4 is for cortex-m4, and ESP32-DevKitC has xtensa-lx6" in done.err


def test_versions_between_and_after_the_known_ones_are_bounded_and_say_so(cli: Cli) -> None:
    def notes(target: str) -> list[str]:
        result = json.loads(cli("check", "zoo:ds-cnn", "--target", target, "--format", "json").out)["results"][0]
        assert result["target"].startswith(target)
        assert not result["arena"]["exact"]
        return list(result["notes"])

    assert (
        notes("upstream-2025-06/cortex-m4+cmsis-nn")[0]
        == "upstream-2025-06 was not measured: figures are the greater of zephyr-2025-02 and nxp-2025-07"
    )
    assert "newer than upstream-2026-08" in notes("upstream-2026-11/cortex-m4+cmsis-nn")[0]
    assert "newer than 1.2.3" in notes("esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.4.0")[0]
    assert "the greater of those of esp-nn 1.1.2 and 1.2.0" in notes("esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.1.5")[0]


@needs_cases
@pytest.mark.parametrize(
    ("model", "board", "code"),
    [
        ("dynamic_update_slice", "raspberry-pi-pico", 1),
        ("dynamic_update_slice", "esp32-devkitc", 0),
        ("dense_per_channel", "arduino-nano-33-ble-sense", 1),
        ("dense_per_channel", "nrf52840-dk@zephyr", 1),
        ("dense_per_channel", "nrf52840-dk", 0),
        ("ethos_u_scratch", "seeed-grove-vision-ai-v2", 0),
        ("ethos_u_scratch", "alif-ensemble-e7-devkit", 0),
        ("ethos_u_scratch", "ek-ra8m1", 1),
    ],
)
def test_field_cases_on_the_tflm_of_a_board(cli: Cli, model: str, board: str, code: int) -> None:
    done = cli("check", FIELD / f"{model}.tflite", "--board", board, "--format", "json")
    result = json.loads(done.out)["results"][0]
    assert (done.code, result["verdict"]) == (code, "unsupported" if code else "pass")
    assert not [note for note in result["notes"] if "touches" in note]
    if model == "dynamic_update_slice" and code:
        assert "2025-11-10" in result["refusals"][0]["reason"]
        assert "upstream-2026-08" in result["refusals"][0]["remedy"]


def test_diff_between_two_targets(cli: Cli) -> None:
    model = "zoo:resnet8"
    done = cli(
        "diff", model, model, "--target", "esp32s3+esp-nn-1.2.0", "--to", "esp32s3+esp-nn-1.2.3", "--format", "json"
    )
    found = json.loads(done.out)
    esp = "esp-tflite-micro-1.4.0/esp32s3+esp-nn"
    assert (done.code, found["target"]) == (0, f"{esp}-1.2.0 -> {esp}-1.2.3")
    arena = next(change for change in found["changes"] if change["resource"] == "arena")
    alone = [
        json.loads(cli("check", model, "--target", f"{esp}-{v}", "--format", "json").out)["results"][0]["arena"]
        for v in ("1.2.0", "1.2.3")
    ]
    assert [arena["old"], arena["new"]] == [a["declare_bytes"] for a in alone]
    assert arena["new"] > arena["old"]
    assert sum(part["change"] for part in arena["parts"]) == arena["change"]
    over = ("--max-growth", "arena=1kB")
    assert cli("diff", model, model, "--target", f"{esp}-1.2.0", "--to", f"{esp}-1.2.3", *over).code == 1


@needs_cases
def test_diff_says_what_another_tflm_refuses(cli: Cli) -> None:
    model = FIELD / "dynamic_update_slice.tflite"
    shown = cli("diff", model, model, "--target", "cortex-m33", "--to", "pico-2024-12/cortex-m33").out
    assert "new: unsupported: DYNAMIC_UPDATE_SLICE works since 2025-11-10" in " ".join(shown.split())
    assert "old: unsupported" not in shown


def test_check_on_all_targets_of_a_board(cli: Cli) -> None:
    done = cli("check", "zoo:person-detection", "--board", "arduino-nano-33-ble-sense", "--all-targets")
    rows = [line.split() for line in done.out.splitlines()]
    assert done.code == 0
    assert rows[0] == ["model", "target", "verdict", "arena", "RAM", "flash", "why", "not"]
    assert [row[1].partition("/")[0] for row in rows[1:]] == [
        *("arduino-2023-02", "arduino-2023-02-static", "chirale-2.0.0", "zephyr-2024-05", "zephyr-2025-02"),
        *("zephyr-2026-02", "edge-impulse-1.93.20", "upstream-2026-08"),
    ]
    assert (rows[1][3], rows[-1][3]) == ("82,752", "82,320")
    assert "--all-targets needs a board" in cli("check", "zoo:sine", "--all-targets").err
    assert cli("check", "zoo:sine", "-b", "sparkfun-edge", "--all-targets", "--target", "cortex-m4").code == 2
