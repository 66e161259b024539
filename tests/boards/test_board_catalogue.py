"""Finding boards by id, alias, name and path, in the shipped specs and in folders of the user's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcuplan.boards import BoardError, all_boards, board_names, catalogue, load_board, reading, specs_folder
from mcuplan.errors import McuplanError

EDGE = specs_folder() / "sparkfun-edge.toml"


def own_board(folder: Path, board_id: str, **changes: str) -> Path:
    """A copy of the SparkFun Edge under another id, with lines of its text replaced."""
    text = EDGE.read_text(encoding="utf-8").replace('id = "sparkfun-edge"', f'id = "{board_id}"', 1)
    text = text.replace('aliases = ["DEV-15170", "sfe_edge"]', f'aliases = ["my {board_id}"]', 1)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{board_id}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("ref", "board_id"),
    [
        ("arduino-nano-33-ble-sense", "arduino-nano-33-ble-sense"),
        ("Arduino-Nano-33-BLE-Sense", "arduino-nano-33-ble-sense"),
        ("Arduino Nano 33 BLE Sense", "arduino-nano-33-ble-sense"),
        ("ABX00031", "arduino-nano-33-ble-sense"),
        ("nano33ble", "arduino-nano-33-ble-sense"),
        ("STM32F746G-DISCO", "stm32f746g-discovery"),
        ("Teensy 4.1", "teensy-4-1"),
        ("esp32s3", "esp32-s3-devkitc-1"),
        ("pico", "raspberry-pi-pico"),
        ("nrf52840dk_nrf52840", "nrf52840-dk"),
    ],
)
def test_boards_are_found_by_id_alias_and_name(ref, board_id):
    assert load_board(ref).id == board_id


def test_only_one_file_is_parsed(monkeypatch):
    read = []
    monkeypatch.setattr(catalogue, "_shipped", catalogue._shipped.__wrapped__)  # what other tests have read
    monkeypatch.setattr(reading, "read_table", lambda path, real=reading.read_table: read.append(path) or real(path))
    load_board("teensy-4-0")
    load_board("ABX00031")
    assert [path.name for path in read] == ["teensy-4-0.toml", "arduino-nano-33-ble-sense.toml"]


def test_board_names_are_the_files_names_in_order():
    names = board_names()
    assert list(names) == sorted(path.stem for path in specs_folder().glob("*.toml"))
    assert [board.id for board in all_boards()] == list(names)


def test_a_path_names_a_board(tmp_path):
    path = own_board(tmp_path, "my-board")
    assert load_board(str(path)).id == "my-board"
    renamed = path.rename(tmp_path / "another.toml")
    assert load_board(str(renamed)).id == "my-board"


def test_folders_of_the_users_add_boards_and_come_first(tmp_path):
    own_board(tmp_path, "my-board")
    own_board(tmp_path, "teensy-4-0", **{'"SparkFun Edge"': '"Our Teensy"'})
    assert load_board("my-board", [tmp_path]).id == "my-board"
    assert load_board("MY my-board", [tmp_path]).id == "my-board"
    assert load_board("teensy-4-0", [tmp_path]).name == "Our Teensy"
    assert load_board("teensy-4-0").name == "Teensy 4.0"
    names = board_names([tmp_path])
    assert "my-board" in names
    assert len(names) == len(board_names()) + 1
    assert {board.name for board in all_boards([tmp_path])} >= {"Our Teensy", "SparkFun Edge"}


def test_a_file_in_a_folder_is_called_as_its_id(tmp_path):
    own_board(tmp_path, "my-board").rename(tmp_path / "another.toml")
    with pytest.raises(BoardError, match=r"another\.toml: the id is 'my-board', so the file must be called my-board"):
        load_board("another", [tmp_path])


def test_a_broken_file_of_the_users_does_not_hide_the_others(tmp_path):
    (tmp_path / "broken.toml").write_text("id = [", encoding="utf-8")
    own_board(tmp_path, "my-board")
    assert load_board("ABX00031", [tmp_path]).id == "arduino-nano-33-ble-sense"
    assert load_board("my my-board", [tmp_path]).id == "my-board"
    with pytest.raises(BoardError, match=r"broken\.toml: not TOML"):
        load_board("broken", [tmp_path])


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("arduino-nano-33", "did you mean arduino-nano-33-"),
        ("esp32-devkit-c1", "did you mean esp32-devkitc"),
        ("portenta", "did you mean arduino-portenta-h7?"),
        ("nucleo-l4r5", "did you mean nucleo-l4r5zi"),
        ("stm32f746", "did you mean stm32f746g-discovery"),
        ("nano33blesens", "did you mean arduino-nano-33-ble-sense"),
        ("completely different", "`mcuplan boards` lists what there is"),
        ("", "`mcuplan boards` lists what there is"),
        ("../../etc/passwd", "`mcuplan boards` lists what there is"),
        ("x" * 100_000, "`mcuplan boards` lists what there is"),
        ("pico\n\x1b[31m", "unknown board"),
    ],
)
def test_an_unknown_board_is_refused_with_the_nearest(ref, said):
    with pytest.raises(BoardError) as caught:
        load_board(ref)
    message = str(caught.value)
    assert said in message
    assert len(message) < 600
    assert message.isprintable()
    assert isinstance(caught.value, McuplanError)


def test_missing_files_and_folders_are_one_sentence(tmp_path):
    with pytest.raises(BoardError, match=r"none\.toml: cannot read the board file: No such file"):
        load_board(str(tmp_path / "none.toml"))
    with pytest.raises(BoardError, match="not a folder, so no boards can be read from it"):
        load_board("teensy-4-0", [tmp_path / "none"])
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(BoardError, match=r"folder\.toml: cannot read the board file"):
        load_board(str(tmp_path / "folder.toml"))


def test_importing_the_room_and_listing_names_loads_nothing_heavy():
    code = (
        "import sys, mcuplan.boards as b; names = b.board_names(); "
        "print(len(names), sorted({'pydantic', 'numpy', 'networkx', 'rich', 'tomllib'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split(maxsplit=1) == [str(len(board_names())), "[]\n"]


def test_the_room_has_its_names():
    import mcuplan.boards as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = room.nothing


def test_an_empty_extra_folder_changes_nothing(tmp_path):
    shutil.copy(EDGE, tmp_path / "ignored.txt")
    assert board_names([tmp_path]) == board_names()
