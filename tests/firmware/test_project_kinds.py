"""Projects of each ecosystem: names, manifests and configuration as its own tools want them.

Rules without a package of their own are written out with where they stand; the others are asked of the package, if
it is installed: west, idf-component-manager, kconfiglib, platformio. Schemas that are in no package are read from a
checkout: ``MCUPLAN_ARDUINO_LINT`` of arduino/arduino-lint, ``MCUPLAN_ZEPHYR`` of zephyrproject-rtos/zephyr.
"""

from __future__ import annotations

import configparser
import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from referencing import Registry
from referencing.jsonschema import DRAFT7

from mcuplan import tflite, zoo
from mcuplan.boards import all_boards, load_board
from mcuplan.firmware.kinds import kinds
from mcuplan.firmware.output import write_project
from mcuplan.firmware.projects import Project, ProjectModel, project
from mcuplan.firmware.resolver import ExportError
from mcuplan.tflm import Target

NANO = load_board("arduino-nano-33-ble-sense").toolchain_names


def made(kind: str, name: str = "person_net", target: str = "") -> Project:
    model = ProjectModel(name, tflite.write(zoo.build("person-detection")))
    return project(kind, name, [model], Target.parse(target or kinds()[kind].target), board=NANO)


def files(found: Project) -> dict[str, str]:
    return {file.name: file.text for file in found.files}


@pytest.mark.parametrize("kind", kinds())
def test_versions_are_known_and_paths_are_safe(kind: str) -> None:
    found = kinds()[kind]
    assert Target.parse(found.target).version in found.versions
    for version in found.versions:
        target = Target.parse(found.target)
        other = Target.parse(f"{version}/{target.core.name}+{target.library}")
        written = files(made(kind, target=str(other)))
        folded = [name.lower() for name in written]
        assert len(set(folded)) == len(folded), "two files of one name where capitals do not count"
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", name) for name in written)


# -- Arduino -------------------------------------------------------------------------------------------------------

CATEGORIES = {
    "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
    "Data Processing", "Other",
}  # fmt: skip


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize("name", ["person_net", "x", "arduino_thing"])
@pytest.mark.parametrize("version", ["arduino-2023-02", "chirale-2.0.0"])
def test_an_arduino_library_as_arduino_lint_wants_it(name: str, version: str) -> None:
    """Rules of the Arduino library specification (1.5 library format), which arduino-lint checks."""
    written = files(made("arduino", name, f"{version}/cortex-m4"))
    told = properties(written["library.properties"])
    assert {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url"} <= set(told)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", told["name"])
    assert not told["name"].lower().startswith("arduino")
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["version"])
    assert told["category"] in CATEGORIES
    assert told["url"].startswith("https://")
    assert not told["paragraph"].startswith(told["sentence"])
    assert f"src/{told['includes']}" in written
    if "depends" in told:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]*", told["depends"])
    sketches = [path for path in written if path.endswith(".ino")]
    assert sketches == ["examples/SelfTest/SelfTest.ino"]
    assert f"#include <{told['includes']}>" in written[sketches[0]]
    # Arduino finds a library by the first header that is included from it.
    package = kinds()["arduino"].versions[version]["include"]
    runner = next(text for path, text in written.items() if path.endswith("_runner.h"))
    assert re.findall(r"#include (\S+)", runner)[0] == f"<{package}>"


# -- PlatformIO ----------------------------------------------------------------------------------------------------


def test_a_platformio_project() -> None:
    written = files(made("platformio"))
    told = configparser.ConfigParser(comment_prefixes=(";",))
    told.read_string(written["platformio.ini"])
    environment = told["platformio"]["default_envs"]
    assert told[f"env:{environment}"]["board"] == "nano33ble"
    assert told[f"env:{environment}"]["platform"] == "nordicnrf52"
    assert told[f"env:{environment}"]["build_flags"] == "-DTF_LITE_STATIC_MEMORY"
    assert re.search(r"#[0-9a-f]{40}$", told[f"env:{environment}"]["lib_deps"].strip())
    assert "src/main.cpp" in written


def test_a_platformio_project_needs_a_board_that_has_a_name_there() -> None:
    model = ProjectModel("x", tflite.write(zoo.build("sine")))
    with pytest.raises(ExportError, match="a project for platformio needs a board that PlatformIO has a name for"):
        project("platformio", "x", [model], Target.parse(kinds()["platformio"].target))


def test_platformio_reads_it(tmp_path: Path) -> None:
    config = pytest.importorskip("platformio.project.config")
    write_project(made("platformio"), tmp_path / "out")
    read = config.ProjectConfig(str(tmp_path / "out" / "platformio.ini"))
    read.validate()
    assert read.envs() == ["nano33ble"]


# -- ESP-IDF -------------------------------------------------------------------------------------------------------


def test_an_esp_idf_project() -> None:
    written = files(made("esp-idf"))
    manifest = yaml.safe_load(written["components/person_net/idf_component.yml"])
    assert manifest["targets"] == ["esp32s3"]
    assert manifest["dependencies"]["espressif/esp-tflite-micro"] == {"version": "1.4.0", "require": "public"}
    assert manifest["dependencies"]["espressif/esp-nn"] == {"version": "1.2.3"}
    component = written["components/person_net/CMakeLists.txt"]
    sources = re.findall(r"^    (\S+\.cc)$", component, re.MULTILINE)
    assert {f"components/person_net/{source}" for source in sources} == {
        path for path in written if path.startswith("components") and path.endswith(".cc")
    }
    assert "REQUIRES person_net" in written["main/CMakeLists.txt"]
    assert 'CONFIG_IDF_TARGET="esp32s3"' in written["sdkconfig.defaults"]
    offset, size = (
        int(text, 16) for text in re.findall(r"factory, app, factory, (\S+), (\S+)", written["partitions.csv"])[0]
    )
    assert offset % 0x10000 == size % 0x10000 == 0
    assert size > len(tflite.write(zoo.build("person-detection"))) + (1 << 20)


def test_the_plain_c_kernels_of_esp_nn() -> None:
    written = files(made("esp-idf", target="esp-tflite-micro-1.4.0/esp32+esp-nn-ansi"))
    assert "CONFIG_NN_ANSI_C=y" in written["sdkconfig.defaults"]
    assert "esp-nn" not in yaml.safe_load(written["components/person_net/idf_component.yml"])["dependencies"]


def test_the_component_manager_reads_it(tmp_path: Path) -> None:
    manager = pytest.importorskip("idf_component_tools.manager")
    write_project(made("esp-idf"), tmp_path / "out")
    folder = tmp_path / "out" / "components" / "person_net"
    assert set(manager.ManifestManager(str(folder), "person_net").load().dependencies) == {
        "idf", "espressif/esp-tflite-micro", "espressif/esp-nn",
    }  # fmt: skip


# -- Zephyr --------------------------------------------------------------------------------------------------------


def test_a_zephyr_module_and_its_application() -> None:
    written = files(made("zephyr"))
    module = yaml.safe_load(written["zephyr/module.yml"])
    assert module["name"] == "person_net"
    assert f"{module['build']['cmake']}/CMakeLists.txt" in written
    assert module["build"]["kconfig"] in written
    assert all(f"{sample}/sample.yaml" in written for sample in module["samples"])
    sources = re.findall(r"\.\./(src/\S+\.cpp)", written["zephyr/CMakeLists.txt"])
    assert set(sources) == {path for path in written if path.startswith("src/") and path.endswith(".cpp")}
    assert "CONFIG_PERSON_NET=y" in written["app/prj.conf"]
    assert "CONFIG_TENSORFLOW_LITE_MICRO_CMSIS_NN_KERNELS=y" in written["app/prj.conf"]
    assert "CMSIS_NN_KERNELS" not in files(made("zephyr", target="zephyr-2026-02/cortex-m4+reference"))["app/prj.conf"]
    assert list(yaml.safe_load(written["app/sample.yaml"])["tests"]) == ["person_net.self_test"]
    manifest = yaml.safe_load(written["west.yml"])["manifest"]
    assert manifest["projects"][0]["revision"] == "v4.4.0"


def test_west_reads_its_manifest() -> None:
    manifest = pytest.importorskip("west.manifest")
    read = manifest.validate(files(made("zephyr"))["west.yml"])
    assert read["manifest"]["self"]["path"] == "person_net"


def test_kconfig_reads_its_option(tmp_path: Path) -> None:
    kconfiglib = pytest.importorskip("kconfiglib")
    (tmp_path / "Kconfig").write_text(
        'config TENSORFLOW_LITE_MICRO\n\tbool "TFLM"\n' + files(made("zephyr"))["zephyr/Kconfig"]
    )
    assert "PERSON_NET" in kconfiglib.Kconfig(str(tmp_path / "Kconfig")).syms


# -- boards --------------------------------------------------------------------------------------------------------


def test_boards_with_a_name_for_platformio_get_a_project() -> None:
    named = [board for board in all_boards() if board.names is not None and board.names.platformio]
    assert len(named) >= 5
    for board in named:
        assert "platformio" in board.targets
        assert set(board.toolchain_names.values()) != {""}


# -- the ecosystems' own schemas, where a checkout of them is named ------------------------------------------------


def checkout(variable: str, what: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no checkout of {what}")
    return Path(folder)


@pytest.mark.parametrize("strictness", ["permissive-", "", "strict-"])
@pytest.mark.parametrize("version", ["arduino-2023-02", "chirale-2.0.0"])
def test_a_library_by_arduino_lint_s_schemas(version: str, strictness: str) -> None:
    """What arduino-lint holds ``library.properties`` against, in all its modes."""
    schemas = checkout("MCUPLAN_ARDUINO_LINT", "arduino/arduino-lint") / "etc" / "schemas"
    known = [json.loads(path.read_text("utf-8")) for path in schemas.glob("*.json")]
    registry = Registry().with_resources((each["$id"], DRAFT7.create_resource(each)) for each in known)
    name = f"arduino-library-properties-{strictness}schema.json"
    schema = next(each for each in known if each["$id"].endswith(f"/{name}"))
    told = properties(files(made("arduino", target=f"{version}/cortex-m4"))["library.properties"])
    jsonschema.Draft7Validator(schema, registry=registry).validate(told)


def test_a_module_by_zephyr_s_schemas() -> None:
    """``module.yml`` as zephyr_module.py takes it, ``sample.yaml`` as twister does."""
    zephyr, core = checkout("MCUPLAN_ZEPHYR", "zephyrproject-rtos/zephyr"), pytest.importorskip("pykwalify.core")
    script = (zephyr / "scripts" / "zephyr_module.py").read_text("utf-8")
    module = yaml.safe_load(re.findall(r"METADATA_SCHEMA = (?:'''|\"\"\")(.*?)(?:'''|\"\"\")", script, re.DOTALL)[0])
    sample = yaml.safe_load((zephyr / "scripts/schemas/twister/testsuite-schema.yaml").read_text("utf-8"))
    written = files(made("zephyr"))
    for path, schema in (("zephyr/module.yml", module), ("app/sample.yaml", sample)):
        core.Core(source_data=yaml.safe_load(written[path]), schema_data=schema).validate()
