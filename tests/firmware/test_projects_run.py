"""Projects built with a real TFLM and run: on this computer, and on an emulated Cortex-M4.

``MCUPLAN_TFLM`` is a checkout of TFLM with what its Makefile downloads (flatbuffers, gemmlowp, ruy, CMSIS-NN); TFLM is
built from it first, which takes minutes (``tflm_archive``). docs/guide/firmware.md tells how to get it.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from test_rows_sources import by_rows
from tflm_archive import TFLM, archive, needs

import mcuplan
from mcuplan import zoo
from mcuplan.boards import Board, load_board
from mcuplan.tflm import predict
from mcuplan.tflm.arena import predict_split

pytestmark = pytest.mark.skipif(not TFLM, reason="MCUPLAN_TFLM names no checkout of TFLM: the projects are not built")


def built(project: Path, build: Path, *options: str) -> str:
    """What the project's self-test prints; building it must leave no warning."""
    configured = subprocess.run(
        ["cmake", "-S", str(project), "-B", str(build), f"-DTFLM_DIR={TFLM}", *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert configured.returncode == 0, configured.stderr[-3000:]
    command = ["cmake", "--build", str(build), "-j", str(os.cpu_count() or 1)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, (made.stdout + made.stderr)[-3000:]
    tested = subprocess.run(["ctest", "--test-dir", str(build), "-V"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout[-3000:]
    return tested.stdout


def on_cortex_m4(project: Path, build: Path) -> str:
    needs("cmake", "arm-none-eabi-g++", "qemu-system-arm")
    return built(
        project, build, "-DCMAKE_TOOLCHAIN_FILE=cmake/arm-none-eabi.cmake", f"-DTFLM_LIBRARY={archive()}"
    )  # fmt: skip


def with_dtcm() -> Board:
    """A board with a Cortex-M4 and 128 KiB of DTCM beside its RAM, which no real one of them has."""
    board = load_board("nrf52840-dk")
    regions = (*board.memory.regions, board.memory.regions[0].model_copy(update={
        "name": "DTCM", "kind": "tcm", "start": 0x10000000, "bytes": 131_072}))  # fmt: skip
    return board.model_copy(update={"memory": board.memory.model_copy(update={"regions": regions})})


def test_one_model_on_an_emulated_cortex_m4(tmp_path: Path) -> None:
    mcuplan.export("zoo:person-detection", tmp_path / "out", project="cmake", name="person")
    said = on_cortex_m4(tmp_path / "out", tmp_path / "build")
    used = predict(zoo.build("person-detection")).used_bytes
    assert f"arena: used {used} bytes, predicted {used}: ok" in said
    assert "person: output 0 as expected: ok" in said
    assert "mcuplan self-test: PASSED" in said


def test_models_that_share_an_arena_on_an_emulated_cortex_m4(tmp_path: Path) -> None:
    """In both orders, in an arena of exactly the predicted bytes; 16 less and it is refused."""
    for order in (["zoo:resnet8", "zoo:ds-cnn", "zoo:sine"], ["zoo:sine", "zoo:resnet8", "zoo:ds-cnn"]):
        out, build = tmp_path / order[0][4:], tmp_path / f"build-{order[0][4:]}"
        done = mcuplan.export(order, out, project="cmake", name="nets")
        said = on_cortex_m4(out, build)
        assert said.count("as expected: ok") == 3
        assert re.search(r"arena: used (\d+) bytes, predicted \1: ok", said)
        runner = out / "src" / "nets_runner.cc"
        runner.write_text(runner.read_text().replace(f"Room({done.arena_bytes})", f"Room({done.arena_bytes - 16})"))
        subprocess.run(["cmake", "--build", str(build)], capture_output=True, check=True)
        less = subprocess.run(["ctest", "--test-dir", str(build), "-V"], capture_output=True, text=True, check=False)
        assert "AllocateTensors failed" in less.stdout


def test_two_arenas_on_an_emulated_cortex_m4(tmp_path: Path) -> None:
    """In two memories, with exactly the predicted bytes; 16 less in either and it is refused."""
    out, build = tmp_path / "out", tmp_path / "build"
    mcuplan.export(
        "zoo:person-detection", out, project="cmake", name="person", board=with_dtcm(), persistent_in="dtcm",
        target="upstream-2026-08/cortex-m4+cmsis-nn",
    )  # fmt: skip
    said = on_cortex_m4(out, build)
    split = predict_split([zoo.build("person-detection")])
    assert f"arena: used {split.used_bytes} bytes, predicted {split.used_bytes}: ok" in said
    assert "person: output 0 as expected: ok" in said
    runner = out / "src" / "person_runner.cc"
    text = runner.read_text()
    for size in (split.persistent_declare_bytes, split.nonpersistent_declare_bytes):
        runner.write_text(text.replace(f"Room({size})", f"Room({size - 16})"))
        subprocess.run(["cmake", "--build", str(build)], capture_output=True, check=True)
        less = subprocess.run(["ctest", "--test-dir", str(build), "-V"], capture_output=True, text=True, check=False)
        assert less.returncode != 0


@pytest.mark.parametrize("arena_in", ["internal", "dtcm"])
def test_a_buffer_plan_on_an_emulated_cortex_m4(arena_in: str, tmp_path: Path) -> None:
    """Buffers in two memories, the second above or below the first; other requests, or 16 bytes less, are refused."""
    out, build = tmp_path / "out", tmp_path / "build"
    mcuplan.export(
        "zoo:person-detection", out, project="cmake", name="person", board=with_dtcm(),
        arena_in=arena_in, buffer_plan="internal:32KiB" if arena_in == "dtcm" else "dtcm:32KiB",
        target="upstream-2026-08/cortex-m4+cmsis-nn",
    )  # fmt: skip
    said = on_cortex_m4(out, build)
    assert re.search(r"arena: used (\d+) bytes, predicted \1: ok", said)
    assert "person: output 0 as expected: ok" in said
    if arena_in == "dtcm":
        return
    runner = out / "src" / "person_runner.cc"
    text = runner.read_text()
    arena = int(re.findall(r"kPredictionHolds [?] (\d+) :", text)[0])
    for right, wrong in ((f"? {arena} :", f"? {arena - 16} :"), ("18432, 7, 8}", "18416, 7, 8}")):
        assert right in text
        runner.write_text(text.replace(right, wrong))
        subprocess.run(["cmake", "--build", str(build)], capture_output=True, check=True)
        less = subprocess.run(["ctest", "--test-dir", str(build), "-V"], capture_output=True, text=True, check=False)
        assert "AllocateTensors failed" in less.stdout


def test_lean_registrations_on_an_emulated_cortex_m4(tmp_path: Path) -> None:
    target = "cortex-m4+cmsis-nn+lean"
    mcuplan.export("zoo:person-detection", tmp_path / "out", project="cmake", name="person", target=target)
    said = on_cortex_m4(tmp_path / "out", tmp_path / "build")
    used = predict(zoo.build("person-detection"), target).used_bytes
    assert used < 61_000
    assert f"arena: used {used} bytes, predicted {used}: ok" in said
    assert "person: output 0 as expected: ok" in said


def test_rows_on_an_emulated_cortex_m4(tmp_path: Path) -> None:
    graph = by_rows()
    mcuplan.export(graph, tmp_path / "out", project="cmake", name="rows")
    said = on_cortex_m4(tmp_path / "out", tmp_path / "build")
    used = predict(graph).used_bytes
    assert f"arena: used {used} bytes, predicted {used}: ok" in said
    assert "rows: output 0 as expected: ok" in said


def test_on_this_computer(tmp_path: Path) -> None:
    """The whole of TFLM, with its reference kernels, from the project's own CMake files."""
    needs("cmake", "g++")
    mcuplan.export(["zoo:person-detection", "zoo:sine"], tmp_path / "out", project="cmake")
    said = built(tmp_path / "out", tmp_path / "build")
    assert "bytes; 83" in said or "are predicted where pointers have 4 bytes" in said
    assert said.count("as expected: ok") == 2
    assert "mcuplan self-test: PASSED" in said
