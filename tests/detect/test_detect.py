"""Which TFLM a firmware project has: small projects written out, and what they tell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.api.targets import detected_target
from mcuplan.boards import load_board
from mcuplan.cli import run
from mcuplan.detect import DetectError, Sure, detect, firmware
from mcuplan.detect.manifests import READERS
from mcuplan.detect.sources import FILES, fingerprint, source_tree
from mcuplan.errors import McuplanError

LOCK = """\
dependencies:
  espressif/esp-nn:
    component_hash: abc
    dependencies: []
    source:
      registry_url: https://components.espressif.com/
      type: service
    version: {nn}
  espressif/esp-tflite-micro:
    component_hash: def
    version: {tflm}
  idf:
    source:
      type: idf
    version: 5.4.0
manifest_hash: 123
target: esp32s3
version: 2.0.0
"""


def put(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def names(path: Path, core: str = "") -> list[str]:
    return [str(target) for target in detect(path).targets(core)]


def test_an_esp_idf_project(tmp_path: Path) -> None:
    put(tmp_path, "dependencies.lock", LOCK.format(nn="1.2.1", tflm="1.3.3~1"))
    put(tmp_path, "main/idf_component.yml", 'dependencies:\n  espressif/esp-tflite-micro: "^1.3.0"\n')
    assert names(tmp_path) == ["esp-tflite-micro-1.3.3~1/esp32s3+esp-nn-1.2.1"]
    assert names(tmp_path / "dependencies.lock") == names(tmp_path)
    put(tmp_path, "sdkconfig", 'CONFIG_IDF_TARGET="esp32s3"\nCONFIG_NN_ANSI_C=y\n# CONFIG_NN_OPTIMIZED is not set\n')
    assert names(tmp_path) == ["esp-tflite-micro-1.3.3~1/esp32s3+esp-nn-ansi"]


def test_a_release_between_two_known_ones_and_a_newer_esp_nn(tmp_path: Path) -> None:
    put(tmp_path, "dependencies.lock", LOCK.format(nn="1.3.0", tflm="1.3.7"))
    (target,) = detect(tmp_path).targets()
    assert str(target) == "esp-tflite-micro-1.3.7/esp32s3+esp-nn-1.3.0"
    assert len(target.notes) == 2


def test_what_is_asked_for_counts_less_than_what_is_locked(tmp_path: Path) -> None:
    put(tmp_path, "main/idf_component.yml", "dependencies:\n  espressif/esp-tflite-micro:\n    version: '>=1.3.0'\n")
    found = detect(tmp_path)
    assert (found.versions, found.evidence[0].sure) == (("esp-tflite-micro-1.4.0",), Sure.POSSIBLE)
    put(tmp_path, "main/idf_component.yml", 'dependencies:\n  espressif/esp-tflite-micro: "==1.3.3~1"\n')
    assert (detect(tmp_path).versions, detect(tmp_path).evidence[0].sure) == (
        ("esp-tflite-micro-1.3.3~1",),
        Sure.LIKELY,
    )
    assert names(tmp_path, "esp32") == ["esp-tflite-micro-1.3.3~1/esp32+esp-nn"]


def test_lock_files_that_disagree_are_both_shown_and_none_is_chosen(tmp_path: Path) -> None:
    put(tmp_path, "a/dependencies.lock", LOCK.format(nn="1.2.1", tflm="1.3.3~1"))
    put(tmp_path, "b/dependencies.lock", LOCK.format(nn="1.2.1", tflm="1.4.0"))
    assert names(tmp_path) == [f"esp-tflite-micro-{v}/esp32s3+esp-nn-1.2.1" for v in ("1.3.3~1", "1.4.0")]
    with pytest.raises(McuplanError, match="state one with --target"):
        detected_target(tmp_path, None)


@pytest.mark.parametrize(
    ("name", "text", "version", "sure"),
    [
        ("library.properties", "name=Arduino_TensorFlowLite\nversion=2.4.0-ALPHA\n", "arduino-2023-02", Sure.CERTAIN),
        (
            "platformio.ini",
            "[env]\nlib_deps =\n  arduino-libraries/Arduino_TensorFlowLite\n",
            "arduino-2023-02",
            Sure.LIKELY,
        ),
        (
            "platformio.ini",
            "[env]\nlib_deps = Arduino_TensorFlowLite\nbuild_flags = -DTF_LITE_STATIC_MEMORY\n",
            "arduino-2023-02-static",
            Sure.LIKELY,
        ),
        (
            "west.yml",
            "manifest:\n  projects:\n    - name: hal_x\n      revision: 48613f7b\n    - name: tflite-micro\n"
            "      revision: 48613f7b1234\n      path: optional/modules/lib/tflite-micro\n",
            "zephyr-2024-05",
            Sure.CERTAIN,
        ),
        (
            "optional.yaml",
            "projects:\n  - name: tflite-micro\n    revision: 8d404de73acf7687831e16d88e86e4f73cfddf5e\n",
            "zephyr-2025-02",
            Sure.CERTAIN,
        ),
        (
            "west.yml",
            "projects:\n  - name: tflite-micro\n    revision: zephyr_20240627\n",
            "zephyr-2024-05",
            Sure.CERTAIN,
        ),
    ],
)
def test_manifests(tmp_path: Path, name: str, text: str, version: str, sure: Sure) -> None:
    put(tmp_path, name, text)
    (evidence,) = detect(tmp_path).evidence
    assert (evidence.path, evidence.version, evidence.sure) == (name, version, sure)
    # The board tells the core where the project does not.
    assert str(detected_target(tmp_path, load_board("arduino-nano-33-ble-sense"))) == f"{version}/cortex-m4+cmsis-nn"


def test_a_revision_that_is_not_known(tmp_path: Path) -> None:
    put(tmp_path, "west.yml", "projects:\n  - name: tflite-micro\n    revision: main\n")
    found = detect(tmp_path)
    assert (found.versions, found.evidence[0].says) == ((), "tflite-micro at main, which mcuplan does not know")


def test_edge_impulse_is_likely_the_known_version(tmp_path: Path) -> None:
    put(tmp_path, "edge-impulse-sdk/classifier/ei_run_classifier.h", "")
    put(tmp_path, f"edge-impulse-sdk/{FILES[0]}.cc", "int changed;")
    (evidence,) = detect(tmp_path).evidence
    assert (evidence.version, evidence.sure) == ("edge-impulse-1.93.20", Sure.LIKELY)


def test_a_tree_with_nxps_mark_is_nxps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {FILES[0]: {fingerprint("int one;"): ("2025-06-17", "2025-07-10")}}
    monkeypatch.setattr("mcuplan.detect.sources._table", lambda: table)
    put(tmp_path, "tensorflow/lite/micro/kernels/neutron/neutron.h", "")
    put(tmp_path, f"{FILES[0]}.cpp", "int one;")
    (evidence,) = source_tree(tmp_path, "t")
    assert evidence.version == "nxp-2025-07"


def test_a_fingerprint_forgets_includes_and_spaces() -> None:
    upstream = '#include "flatbuffers/flatbuffers.h"  // from @flatbuffers\nint  f() {\n  return 1; }\n'
    fork = '#include "third_party/flatbuffers/include/flatbuffers/flatbuffers.h"\nint f() { return 1; }'
    assert fingerprint(upstream) == fingerprint(fork)
    assert fingerprint(upstream) != fingerprint(upstream.replace("1", "2"))


def test_sources_in_spans_of_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"a": "int one;", "b": "int two;"}
    table = {
        FILES[0]: {fingerprint(texts["a"]): ("2024-01-01", "2024-09-01"), fingerprint(texts["b"]): ("2024-09-01", "")},
        FILES[1]: {fingerprint(texts["a"]): ("2024-05-01", "2024-07-01")},
    }
    monkeypatch.setattr("mcuplan.detect.sources._table", lambda: table)
    put(tmp_path, f"{FILES[0]}.cc", texts["a"])
    put(tmp_path, f"{FILES[1]}.cpp", texts["a"])
    (evidence,) = source_tree(tmp_path, "t")
    # Both contents stood side by side from May to July 2024, when Zephyr's module was made from it.
    assert (evidence.version, evidence.sure) == ("upstream-2024-05", Sure.LIKELY)
    put(tmp_path, "zephyr/module.yml", "")
    (evidence,) = source_tree(tmp_path, "t")
    assert (evidence.version, evidence.sure) == ("zephyr-2024-05", Sure.CERTAIN)
    put(tmp_path, f"{FILES[0]}.cc", texts["b"])
    (evidence,) = source_tree(tmp_path, "t")
    assert (evidence.version, evidence.says) == ("", "TFLM sources of different days (2 of 7 files known)")
    put(tmp_path, f"{FILES[0]}.cc", "int mine;")
    (tmp_path / f"{FILES[1]}.cpp").unlink()
    (evidence,) = source_tree(tmp_path, "t")
    assert evidence.says == "TFLM sources that upstream never had in this form"


SOURCE = """
namespace tflite { int Register_DYNAMIC_UPDATE_SLICE() { return 1; } int Register_ADD() { return 2; } }
extern "C" { int arm_convolve_s8() { return 3; } int main() { return 0; } void _exit(int) { for (;;); } }
"""


def test_an_elf(tmp_path: Path) -> None:
    compiler = shutil.which("arm-none-eabi-g++")
    if compiler is None:
        pytest.skip("no arm-none-eabi-g++ is installed")
    put(tmp_path, "main.cc", SOURCE)
    command = [compiler, "-mcpu=cortex-m4", "-mthumb", "-nostdlib", "-o", "firmware.elf", "main.cc"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found = detect(tmp_path / "firmware.elf")
    assert (found.cores, found.libraries, found.versions) == (("cortex-m4",), ("cmsis-nn",), ())
    assert "has DYNAMIC_UPDATE_SLICE: TFLM of 2025-11-10 or later" in [e.says for e in found.evidence]
    subprocess.run([shutil.which("arm-none-eabi-strip") or "", "firmware.elf"], cwd=tmp_path, check=True)
    with pytest.raises(DetectError, match="an ELF file without symbols does not tell its TFLM"):
        detect(tmp_path / "firmware.elf")


OLD_GRAPH, GRAPH = "_ZN6tflite10MicroGraph13InitSubgraphsEv", "_ZN6tflite21MicroInterpreterGraph13InitSubgraphsEv"
PROFILER = "_ZNK6tflite23MicroInterpreterContext20GetAlternateProfilerEv"
VARIABLE = "_ZN6tflite21MicroInterpreterGraph19ResetVariableTensorEii"
SLICE = "_ZN6tflite29Register_DYNAMIC_UPDATE_SLICEEv"


def test_kernels_that_call_no_library_are_the_reference_ones() -> None:
    conv = "_ZN6tflite16Register_CONV_2DEv"
    (found,) = firmware._library("firmware.elf", {conv})
    assert (found.library, found.sure) == ("reference", Sure.LIKELY)
    (found,) = firmware._library("firmware.elf", {conv, "arm_convolve_s8"})
    assert found.library == "cmsis-nn"
    assert list(firmware._library("firmware.elf", {"_ZN6tflite17Register_SOFTMAXEv"})) == []


@pytest.mark.parametrize(
    ("names", "version", "says"),
    [
        ([OLD_GRAPH], "", "TFLM of upstream before 2023-09-11"),
        ([OLD_GRAPH, "_Z9ei_mallocj"], "edge-impulse-1.93.20", "built for edge-impulse"),
        ([GRAPH, "z_cstart"], "zephyr-2024-05", "from 2023-09-11 before 2024-12-10"),
        ([GRAPH, PROFILER, "z_cstart"], "zephyr-2025-02", "from 2024-12-10 before 2026-01-26"),
        ([GRAPH, PROFILER, VARIABLE, "z_cstart"], "zephyr-2026-02", "from 2026-01-26 or later"),
        ([GRAPH, PROFILER, "stdio_init_all"], "pico-2024-12", "pico"),
        ([GRAPH, PROFILER, "esp_nn_add_elementwise_s8_ansi"], "esp-tflite-micro-1.3.3~1", "esp-tflite-micro"),
        ([GRAPH, PROFILER, VARIABLE, "esp_nn_mul_s8"], "esp-tflite-micro-1.4.0", "esp-tflite-micro"),
        # 1.3.5 to 1.3.7: between versions that are known, none of them.
        ([GRAPH, PROFILER, SLICE, "esp_nn_mul_s8"], "", "DYNAMIC_UPDATE_SLICE: TFLM of 2025-11-10 or later"),
        ([GRAPH, SLICE], "", "has DYNAMIC_UPDATE_SLICE: TFLM of 2025-11-10 or later, with members of TFLM before 2024"),
        (["_ZN6tflite16MicroInterpreter6InvokeEv"], "", "has TFLM; its symbols do not tell of which day"),
    ],
)
def test_symbols_tell_the_days(names: list[str], version: str, says: str) -> None:
    (found,) = firmware._version("firmware.elf", set(names))
    assert found.version == version
    assert says in found.says
    assert (found.sure is Sure.LIKELY) == bool(version)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_a_project_without_tflm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "library.properties", "name=Servo\nversion=1.0\n")
    with pytest.raises(DetectError, match="no file in it tells which TensorFlow Lite Micro"):
        detect(tmp_path)
    assert run(["target", "--detect", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["target", "--detect", str(tmp_path / "none")]) == 2
    assert "there is no such file or folder" in capsys.readouterr().err


def test_a_version_older_than_all_known(tmp_path: Path) -> None:
    put(tmp_path, "dependencies.lock", LOCK.format(nn="1.0.0", tflm="1.1.1"))
    found = detect(tmp_path)
    assert found.versions == ()
    assert any("older than esp-tflite-micro-1.3.3~1" in e.says for e in found.evidence)


def test_not_a_whole_elf(tmp_path: Path) -> None:
    (tmp_path / "firmware.elf").write_bytes(b"\x7fELF" + bytes(60))
    with pytest.raises(DetectError, match="not a whole ELF file"):
        detect(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(READERS)), st.text())
def test_any_text_is_read_without_an_exception(name: str, text: str) -> None:
    list(READERS[name](f"espressif__esp-nn/{name}", text))


def test_hostile_text_reaches_no_terminal_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "library.properties", "name=Arduino_TensorFlowLite\nversion=\x1b[31mred\n")
    assert run(["target", "--detect", str(tmp_path)]) == 0
    assert "\x1b" not in capsys.readouterr().out


# -- on the command line -----------------------------------------------------------------------------------------------


def test_target_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "dependencies.lock", LOCK.format(nn="1.2.1", tflm="1.3.3~1"))
    monkeypatch.chdir(tmp_path)
    assert run(["check", "zoo:sine", "--target", "auto", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)["results"][0]
    assert result["target"] == "esp-tflite-micro-1.3.3~1/esp32s3+esp-nn-1.2.1"
    assert run(["check", "zoo:sine", "--target", "auto", "--board", "sparkfun-edge"]) == 2
    assert "is for esp32s3, and SparkFun Edge has cortex-m4" in capsys.readouterr().err
    assert run(["target", "--detect", ".", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == [result["target"]]
    os.remove("dependencies.lock")
    assert run(["check", "zoo:sine", "--target", "auto"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# -- a configuration inside a firmware project -------------------------------------------------------------------------


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    """Exit code, the targets of all results, and what was said on stderr."""
    code = run(["check", "zoo:ds-cnn", *arguments, "--format", "json"])
    told = capsys.readouterr()
    results = json.loads(told.out)["results"] if told.out else []
    return code, [row["target"] for row in results], told.err + json.dumps([row.get("error") for row in results])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ESP-IDF project with a configuration for its own board and another one."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "dependencies.lock", LOCK.format(nn="1.2.1", tflm="1.3.3~1"))
    put(tmp_path, "mcuplan.toml", 'boards = ["esp32-s3-devkitc-1", "arduino-nano-33-ble-sense"]\n')
    return tmp_path


def test_the_project_around_a_configuration_tells_the_target(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of its own board; another one is built by its usual toolchain."""
    own, usual = "esp-tflite-micro-1.3.3~1/esp32s3+esp-nn-1.2.1", "arduino-2023-02/cortex-m4+cmsis-nn"
    assert checked(capsys)[1] == [own, usual]
    assert checked(capsys, "--board", "esp32-s3-devkitc-1")[1] == [own]


def test_what_is_stated_counts_more_than_the_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest, zephyr = "esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.2.3", "zephyr-2024-05/esp32s3+reference"
    board = ("--board", "esp32-s3-devkitc-1")
    assert checked(capsys, *board, "--target", "esp32s3")[1] == [newest]
    assert checked(capsys, *board, "--toolchain", "zephyr")[1] == [zephyr]
    put(project, "mcuplan.toml", f'boards = ["esp32-s3-devkitc-1"]\ntarget = "{newest}"\n')
    assert checked(capsys)[1] == [newest]
    put(project, "mcuplan.toml", 'boards = ["esp32-s3-devkitc-1@zephyr"]\n')
    assert checked(capsys)[1] == [zephyr]


def test_a_project_whose_files_disagree_is_no_default(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(project, "old/dependencies.lock", LOCK.format(nn="1.2.3", tflm="1.4.0"))
    code, targets, said = checked(capsys, "--board", "esp32-s3-devkitc-1")
    assert (code, targets) == (2, [None])
    assert "its files tell" in said
    assert "state one with --target" in said


def test_a_folder_without_a_manifest_is_no_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "firmware").mkdir()
    (project / "dependencies.lock").rename(project / "firmware" / "dependencies.lock")
    assert checked(capsys, "--board", "esp32-s3-devkitc-1")[1] == ["esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.2.3"]
