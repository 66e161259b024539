"""The reserve: sizes, pairs, firmware files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcuplan.budget import Reserve
from mcuplan.budget.reserve import parse_reserve
from mcuplan.errors import McuplanError

SIZE_OUTPUT = """   text	   data	    bss	    dec	    hex	filename
  50000	   2000	   8000	  60000	   ea60	firmware.elf
"""


def test_a_size_is_of_ram() -> None:
    assert parse_reserve("40kB", "--reserve") == Reserve(40_000, 0, "--reserve")


def test_pairs() -> None:
    assert parse_reserve("ram=40kB,flash=1MiB") == Reserve(40_000, 1_048_576)
    assert parse_reserve("flash = 5") == Reserve(0, 5)


def test_a_firmware_file_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "size.txt"
    path.write_text(SIZE_OUTPUT)
    note = "size.txt: a tensor arena or a model in it is counted, as totals do not show it"
    assert parse_reserve(str(path)) == Reserve(ram=10_000, flash=52_000, source="size.txt", notes=(note,))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lots", "not a size"),
        ("40KB", "ambiguous"),
        ("rom=4", "a reserve is of 'ram' or 'flash', not 'rom'"),
        ("ram=4,ram=5", "stated twice"),
        ("ram=", "not a size"),
        ("build/app.map", "no such firmware file"),
    ],
)
def test_what_is_no_reserve(text: str, says: str) -> None:
    with pytest.raises(McuplanError) as caught:
        parse_reserve(text)
    assert says in str(caught.value)
