"""``mcuplan compare``: boards narrowed, put in order, shown; and folders of models in any form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mcuplan.tflite import write_c_array


def boards_of(cli: Any, *arguments: str) -> list[str]:
    done = cli("compare", "zoo:person-detection", "--format", "json", *arguments)
    return [result["board"] for result in json.loads(done.out)["results"]]


def test_words_narrow_the_boards(cli: Any) -> None:
    chosen = boards_of(cli, "--filter", "Arduino", "--filter", "nano")
    assert "arduino-nano-33-ble-sense" in chosen
    assert len(chosen) < len(boards_of(cli, "--filter", "Arduino"))
    assert cli("compare", "zoo:sine", "--filter", "nonsense").err.startswith("mcuplan: error: no board has 'nonsense'")


def test_orders(cli: Any) -> None:
    boards = {board["id"]: board for board in json.loads(cli("boards", "--format", "json").out)}
    assert boards_of(cli) == sorted(boards)
    priced = [boards[name]["price"] for name in boards_of(cli, "--sort", "price") if "price" in boards[name]]
    assert priced == sorted(priced, key=lambda price: (price["currency"], price["amount"]))
    assert "price" not in boards[boards_of(cli, "--sort", "price")[-1]]
    clocks = [boards[name]["soc"]["clock_mhz"] for name in boards_of(cli, "--sort", "clock")]
    assert clocks == sorted(clocks)


def test_by_use_and_only_what_passes(cli: Any) -> None:
    done = cli("compare", "zoo:person-detection", "--sort", "use", "--passing", "--format", "json")
    results = json.loads(done.out)["results"]
    assert {result["verdict"] for result in results} == {"pass"}
    shares = [max(rule["figure"] / rule["limit"] for rule in result["limits"]["rules"]) for result in results]
    assert shares == sorted(shares)


def test_markdown_is_a_table_with_a_row_a_board(cli: Any, tmp_path: Path) -> None:
    done = cli("compare", "zoo:sine", "zoo:ds-cnn", "--filter", "esp32", "--format", "markdown", "-o", "boards.md")
    assert done.code == 0
    head, rule, *rows = (tmp_path / "boards.md").read_text("utf-8").splitlines()
    assert head == "| Board | Price | RAM | Flash | `zoo:sine` | `zoo:ds-cnn` |"
    assert rule.count("--") == 6
    assert rows
    assert all(row.count("|") == 7 for row in rows)


@pytest.mark.parametrize("command", [("boards",), ("compare", "zoo:sine", "--filter", "arduino")])
def test_what_is_written_keeps_its_schema(cli: Any, command: tuple[str, ...]) -> None:
    schema = json.loads(cli("schema", "boards" if command == ("boards",) else "report").out)
    jsonschema.Draft202012Validator(schema).validate(json.loads(cli(*command, "--format", "json").out))


def test_a_folder_finds_c_arrays_and_passes_over_other_sources(cli: Any, tmp_path: Path) -> None:
    folder = tmp_path / "firmware"
    folder.mkdir()
    assert cli("zoo", "sine", "-o", folder / "a.tflite").code == 0
    write_c_array((folder / "a.tflite").read_bytes(), folder / "b.cc")
    (folder / "c.h").write_bytes((folder / "b.cc").read_text().encode("utf-16"))
    (folder / "main.cc").write_text("int main() { return 0; }\n")
    (folder / "table.h").write_text("const unsigned char t[] = {1, 2, 3};\n")
    results = json.loads(cli("check", folder, "--format", "json").out)["results"]
    assert [Path(result["model"]).name for result in results] == ["a.tflite", "b.cc", "c.h"]
    assert {result["verdict"] for result in results} == {"pass"}
    for name in ("a.tflite", "b.cc", "c.h"):
        (folder / name).unlink()
    assert "holds no .tflite model, and no C array of one" in cli("check", folder).err
