"""The shipped board specs: each loads, the lecture's facts are exact, and figures do not contradict each other."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from mcuplan.boards import BoardError, all_boards, board_json_schema, board_names, load_board, specs_folder
from mcuplan.boards.catalogue import normalised
from mcuplan.boards.spec import Tflm
from mcuplan.tflm.target import Target

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "board.schema.json"
NAMES = board_names()


@pytest.fixture(scope="module")
def boards():
    return {board.id: board for board in all_boards()}


def test_at_least_thirty_boards_beyond_the_lectures_three():
    assert len(NAMES) >= 33
    assert {"arduino-nano-33-ble-sense", "sparkfun-edge", "stm32f746g-discovery"} <= set(NAMES)


def test_nano_33_ble_sense_has_the_lectures_facts():
    board = load_board("arduino-nano-33-ble-sense")
    assert board.soc.name == "nRF52840"
    assert (board.soc.core, board.soc.clock_mhz, board.soc.fpu) == ("cortex-m4", 64, True)
    assert board.arena_ram_bytes == board.ram_bytes == 262_144  # 256 kB as makers count
    assert (board.price.amount, board.price.currency, board.price.year) == (29.70, "EUR", 2022)
    from_lecture = {part.name: part.watts for part in board.parts if part.source == "lecture"}
    assert from_lecture == {
        "LSM9DS1 inertial measurement unit": 0.001,
        "HTS221 humidity and temperature (weather)": 5e-6,
        "LPS22HB barometer": 10e-6,
        "MP34DT05 microphone": 300e-6,
        "APDS9960 gesture, proximity and light": None,
        "Bluetooth LE radio": 0.040,
        "Camera, 320x320 monochrome": 0.001,
        "Arducam Mini 2MP Plus, 1920x1080": None,
    }
    assert [part.name for part in board.parts if not part.on_board] == [
        "Camera, 320x320 monochrome",
        "Arducam Mini 2MP Plus, 1920x1080",
    ]
    arducam = board.parts[-1].price
    assert (arducam.amount, arducam.currency) == (25.99, "USD")


def test_a_board_has_a_target_for_each_toolchain_the_usual_first():
    board = load_board("arduino-nano-33-ble-sense")
    assert board.target == "arduino-2023-02/cortex-m4+cmsis-nn"
    assert list(board.targets) == [
        *("arduino", "platformio", "chirale", "zephyr", "zephyr-4.1", "zephyr-4.4", "edge-impulse", "upstream"),
    ]
    zephyr = board.built_with("zephyr")
    assert zephyr.target == "zephyr-2024-05/cortex-m4+cmsis-nn"
    # The same bootloader; Zephyr's devicetree gives programs 0xE8000 bytes behind it and keeps the rest for storage.
    assert (board.reserved.flash_bytes, zephyr.reserved.flash_bytes) == (65_536, 2**20 - 0xE8000)
    # Of a firmware without any of these nothing is known.
    assert board.built_with("upstream").reserved is None
    assert board.built_with("arduino") == board
    with pytest.raises(BoardError, match=r"no toolchain 'esp-idf' \(it has arduino, platformio, chirale, zephyr, "):
        board.built_with("esp-idf")


def test_toolchains_with_one_core_keep_the_same():
    """Libraries for Arduino and PlatformIO's Arduino framework build on the same core, for the same bootloader."""
    for board in all_boards():
        if "platformio" in board.targets and board.reserved is not None:
            for toolchain in ("platformio", "chirale", "edge-impulse"):
                kept = board.built_with(toolchain).reserved
                assert (kept.ram_bytes, kept.flash_bytes) == (board.reserved.ram_bytes, board.reserved.flash_bytes)


@pytest.mark.parametrize(
    ("board", "application"),
    [
        ("esp32-s3-eye@esphome", 0x3C0000), ("esp32-devkitc@esphome", 0x1C0000), ("esp32-s3-eye@zephyr", 3904 * 1024),
        ("esp32-c3-devkitm-1@zephyr", 1792 * 1024), ("arduino-giga-r1-wifi@zephyr", 0xC0000),
    ],
)  # fmt: skip
def test_application_partitions(board, application):
    """What is left of flash is the partition that the application is written to."""
    spec = load_board(board)
    assert spec.flash_bytes - spec.reserved.flash_bytes == application


def test_sparkfun_edge_has_the_lectures_facts():
    board = load_board("sparkfun-edge")
    assert board.arena_ram_bytes == board.ram_bytes == 384 * 1024
    assert (board.price.amount, board.price.currency, board.price.year) == (16.50, "USD", 2022)


def test_stm32f746g_discovery_has_the_lectures_facts():
    board = load_board("stm32f746g-discovery")
    assert board.ram_bytes == 340 * 1024
    assert board.arena_ram_bytes == 327_680
    assert (board.price.amount, board.price.currency, board.price.year) == (54.0, "USD", 2022)
    fitted = {part.kind for part in board.parts if part.source == "lecture"}
    assert fitted == {"display", "connector"}
    assert any("camera" in part.name.lower() for part in board.parts)


def test_the_esp32s_toolchains():
    assert load_board("esp32-devkitc").targets == {
        "esp-idf": "esp-tflite-micro-1.4.0/esp32+esp-nn",
        "esphome": "esp-tflite-micro-1.3.3~1/esp32+esp-nn",
        "zephyr": "zephyr-2024-05/esp32+reference",
        "upstream": "upstream-2026-08/esp32+reference",
    }
    assert load_board("esp32-s3-eye").target == "esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.2.3"


def test_a_spec_with_one_target_means_the_newest_tflm_or_the_version_beside_it():
    def named(**keys):
        return Tflm.model_validate(keys).by_toolchain()

    assert named(target="cortex-m4+cmsis-nn") == {"": "upstream-2026-08/cortex-m4+cmsis-nn"}
    assert named(target="cortex-m4+cmsis-nn", version="tflm-2026-08") == {"": "upstream-2026-08/cortex-m4+cmsis-nn"}
    assert named(target="esp32c3+esp-nn") == {"": "esp-tflite-micro-1.4.0/esp32c3+esp-nn"}
    with pytest.raises(ValidationError, match="either targets or target"):
        named()


@pytest.mark.parametrize("name", NAMES)
def test_memory_is_consistent(boards, name):
    board = boards[name]
    arena = [region for region in board.memory.regions if region.arena]
    assert {region.kind for region in arena} <= {"sram", "tcm"}
    assert board.arena_ram_bytes <= sum(region.bytes for region in arena) <= board.ram_bytes
    placed = sorted((r.start, r.end) for r in board.memory.regions if r.start is not None)
    assert all(end <= start for (_, end), (start, _) in pairwise(placed))
    flash = sum(r.bytes for r in board.memory.regions if r.kind in ("flash", "mram"))
    assert board.flash_bytes <= flash


@pytest.mark.parametrize("name", NAMES)
def test_default_target_is_one_that_tflm_knows(boards, name):
    for toolchain, written in boards[name].tflm.targets.items():
        target = Target.parse(written)
        assert str(target) == written == boards[name].targets[toolchain]
    if boards[name].soc.core.startswith("cortex-m"):
        assert (target.core.dsp, target.core.mve) == (boards[name].soc.dsp, boards[name].soc.mve)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_names_a_source_with_an_address(boards, name):
    board = boards[name]
    for key, source in board.named_sources():
        found = board.source(source)
        assert found.title, key
        assert found.url is not None or found.id == "lecture", key


def test_names_and_aliases_lead_to_one_board_each(boards):
    owners: dict[str, set[str]] = {}
    for board in boards.values():
        for name in (board.id, board.name, *board.aliases):
            owners.setdefault(normalised(name).replace("-", ""), set()).add(board.id)
    assert {name: ids for name, ids in owners.items() if len(ids) > 1} == {}


def test_boards_cover_the_cores_in_use(boards):
    cores = {board.soc.core for board in boards.values()}
    assert cores >= {
        "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "cortex-m85",
        "xtensa-lx6", "xtensa-lx7", "riscv32",
    }  # fmt: skip


def test_boards_are_values(boards):
    board = boards["arduino-nano-33-ble-sense"]
    assert hash(board) == hash(load_board("arduino-nano-33-ble-sense"))
    with pytest.raises(Exception, match="frozen"):
        board.name = "another"


def test_power_modes():
    board = load_board("nucleo-u575zi-q")
    assert board.power_mode("active").milliwatts == 26.3
    assert board.power_mode("sleep") is None
    assert load_board("arduino-zero").power_mode("active") is None


def test_committed_json_schema_is_not_stale():
    fresh = json.dumps(board_json_schema(), indent=2) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == fresh, "write board_json_schema() to docs/schemas/board.schema.json"


@pytest.mark.parametrize("name", NAMES)
def test_json_schema_accepts_every_spec(name):
    jsonschema = pytest.importorskip("jsonschema")
    import tomllib

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    spec = tomllib.loads((specs_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(spec)
    spec["soc"]["clokc"] = 1
    with pytest.raises(jsonschema.ValidationError, match="clokc"):
        jsonschema.Draft202012Validator(schema).validate(spec)


def test_json_schema_describes_fields():
    schema = board_json_schema()
    assert schema["properties"]["id"]["description"] == "Lower case with dashes; the name of its file."
    assert "contiguous RAM" in schema["$defs"]["Memory"]["properties"]["arena_ram_bytes"]["description"]
