"""Small inputs that once got a wrong answer, each standing for its kind, through the command that they are named for.

They lie in the folder ``cases`` of ``MCUPLAN_SHARED``. What is expected of a kind is written here; the tests of each
room try more of the same kind on models of their own.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import Cli, Outcome

SHARED = os.environ.get("MCUPLAN_SHARED")
CASES = Path(SHARED or ".") / "cases"

pytestmark = pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED is not set: the cases are not at hand")

REFERENCE = ("--target", "cortex-m4+reference")


def _files(pattern: str) -> list[str]:
    return sorted(path.name for path in (CASES / "hostile").glob(pattern)) if SHARED else []


def answered(outcome: Outcome, codes: tuple[int, ...]) -> None:
    """A documented exit code, and no sign of an exception."""
    assert outcome.code in codes, (outcome.code, outcome.out[-300:], outcome.err[-300:])
    assert "Traceback" not in outcome.err
    assert "a bug in mcuplan" not in outcome.err


@pytest.mark.parametrize("name", _files("differs-*.tflite") + _files("check-passes-*.tflite"))
def test_what_dies_or_differs_on_a_real_tflm_is_refused(cli: Cli, name: str) -> None:
    outcome = cli("check", CASES / "hostile" / name, *REFERENCE)
    answered(outcome, (1,))
    assert "UNSUPPORTED" in outcome.out


@pytest.mark.parametrize("name", _files("*.tflite"))
def test_check_has_an_answer_to_every_file(cli: Cli, name: str) -> None:
    answered(cli("check", CASES / "hostile" / name, "--why"), (0, 1, 2))


COMMANDS = {
    "plan": ("plan", "{}"),
    "report": ("report", "{}", "-o", "report.html"),
    "latency": ("latency", "{}"),
    "prune": ("whatif", "{}", "--prune", "0.3"),
    "prune-87ffee3e": ("whatif", "{}", "--sparsity", "0.01"),
    "width": ("whatif", "{}", "--width", "0.5"),
    "input": ("whatif", "{}", "--input", "16x16"),
    "fits": ("fit-search", "{}", "--board", "sparkfun-edge"),
    "verify": ("verify", "{}", "{}", "--no-tflm", "--no-litert"),
}


@pytest.mark.parametrize(
    "name", [name for name in _files("*.tflite") if re.split(r"[-.]", name)[0] in COMMANDS and "adv" not in name]
)
def test_the_command_a_file_is_named_for_has_an_answer(cli: Cli, name: str) -> None:
    stem = name.removesuffix(".tflite")
    arguments = COMMANDS.get(stem) or COMMANDS[stem.split("-")[0]]
    path = str(CASES / "hostile" / name)
    answered(cli(*(argument.format(path) for argument in arguments)), (0, 1, 2))


@pytest.mark.parametrize("changed", ["zero_point_changed", "zero_point_changed_in_loop"])
def test_a_changed_zero_point_is_another_function(cli: Cli, changed: str) -> None:
    folder = CASES / "hostile"
    outcome = cli("verify", folder / "zero_point_original.tflite", folder / f"{changed}.tflite",
                  "--no-tflm", "--no-litert")  # fmt: skip
    answered(outcome, (1,))
    assert "the same, bit for bit" not in outcome.out


def test_constants_have_to_fill_their_shapes(cli: Cli) -> None:
    folder = CASES / "hostile"
    outcome = cli("verify", folder / "vadv-wrong-eb97d7c2-orig.tflite", folder / "vadv-wrong-eb97d7c2.tflite",
                  "--no-tflm", "--no-litert")  # fmt: skip
    answered(outcome, (1,))
    answered(cli("verify", folder / "vadv-wrong-eb97d7c2-orig.tflite", folder / "vadv-exc-ValueError-1.tflite",
                 "--no-tflm", "--no-litert"), (1, 2))  # fmt: skip


@pytest.mark.parametrize(
    "name", [*_files("*_of_one_input.tflite"), *_files("*lies.tflite"), *_files("*without*.tflite")]
)
def test_what_cannot_be_followed_is_not_proven(cli: Cli, name: str) -> None:
    """Also against itself: TFLM refuses these files, and verify says so."""
    path = CASES / "hostile" / name
    outcome = cli("verify", path, path, "--no-tflm", "--no-litert")
    answered(outcome, (1,))


@pytest.mark.parametrize(("name", "code"), [("redos.toml", 0), ("baseline-devzero.toml", 2)])
def test_configurations(cli: Cli, tmp_path: Path, name: str, code: int) -> None:
    shutil.copy(CASES / "hostile" / name, tmp_path / "mcuplan.toml")
    shutil.copy(CASES / "field" / "ethos_u_scratch.tflite", tmp_path / "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.tflite")
    outcome = cli("check", tmp_path / "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.tflite", "--custom-operator", "ethos-u")
    answered(outcome, (code,))


@pytest.mark.parametrize("board", ["seeed-grove-vision-ai-v2", "alif-ensemble-e7-devkit"])
@pytest.mark.parametrize("model", ["ethos_u_scratch", "ethos_u_two_regions"])
def test_boards_with_an_npu_run_what_vela_compiled(cli: Cli, board: str, model: str) -> None:
    path = CASES / "field" / f"{model}.tflite"
    outcome = cli("check", path, "--board", board)
    answered(outcome, (0,))
    assert "no operator touches" not in outcome.out
    assert "memory plan is wrong" not in outcome.out
    answered(cli("verify", path, path, "--no-tflm", "--no-litert", "--board", board), (0,))


def test_an_operator_that_came_after_the_boards_tflm(cli: Cli) -> None:
    path = CASES / "field" / "dynamic_update_slice.tflite"
    outcome = cli("check", path, "--board", "raspberry-pi-pico")
    answered(outcome, (1,))
    assert "2025-11-10" in outcome.out
    answered(cli("check", path), (0,))


def test_a_scale_a_channel_in_a_dense_layer_by_date(cli: Cli) -> None:
    path = CASES / "field" / "dense_per_channel.tflite"
    answered(cli("check", path, "--target", "zephyr-2024-05/cortex-m4+cmsis-nn"), (1,))
    answered(cli("check", path, "--board", "arduino-nano-33-ble-sense"), (1,))
    answered(cli("check", path), (0,))


@pytest.mark.parametrize("model", ["hybrid_conv", "flex", "lstm_hybrid", "sparse", "uint8_conv"])
def test_nothing_is_written_of_a_model_that_tflm_refuses(cli: Cli, tmp_path: Path, model: str) -> None:
    path = CASES / "field" / f"{model}.tflite"
    answered(cli("check", path), (1,))
    for arguments in (("plan", path, "-o", "p.tflite"), ("export", path, "-o", "firmware")):
        answered(cli(*arguments), (1,))
    assert sorted(tmp_path.iterdir()) == []


def test_c_arrays_as_powershell_and_xxd_from_a_pipe_write_them(cli: Cli) -> None:
    for name in ("powershell_utf16.h", "xxd_stdin.h"):
        outcome = cli("check", CASES / "field" / name)
        assert outcome.code == 0, outcome.err


def test_an_int8_model_with_two_subgraphs_is_quantized_already(cli: Cli) -> None:
    outcome = cli("whatif", CASES / "field" / "int8_two_subgraphs.tflite", "--int8")
    assert "quantized already" in outcome.out + outcome.err


def test_an_arena_of_arduinos_library_to_the_byte(cli: Cli) -> None:
    outcome = cli("check", CASES / "target" / "arduino_multiple_outputs.tflite", "--board", "arduino-nano-33-ble-sense")
    assert "declare 1,088 bytes (uses 1,040" in outcome.out


def test_patches_stand_whatever_the_width(cli: Cli, tmp_path: Path) -> None:
    for name in ("patch_unaligned_scratch", "patched_declare_16_too_many"):
        path = CASES / "target" / f"{name}.tflite"
        answered(cli("plan", path, "--patch", "-o", f"{name}.tflite"), (0,))
        answered(cli("verify", path, tmp_path / f"{name}.tflite", "--no-tflm", "--no-litert"), (0,))


def test_a_custom_operators_name_reaches_the_terminal_inert(cli: Cli) -> None:
    for command in (("plan",), ("check",), ("inspect",), ("explain",)):
        outcome = cli(*command, CASES / "hostile" / "esc-custom-op.tflite")
        assert "\x1b" not in outcome.out + outcome.err
