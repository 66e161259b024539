"""Files appear whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mcuplan.errors import McuplanError
from mcuplan.files import write_text


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o640)
    write_text(path, "neu ä\n")
    assert path.read_text("utf-8") == "neu ä\n"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["report.json"]


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and modes are POSIX's")
def test_a_link_stays_a_link_and_a_new_file_is_readable(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"
    assert (tmp_path / "real").stat().st_mode & 0o400


def test_a_missing_folder_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(McuplanError, match="does not exist"):
        write_text(tmp_path / "none" / "file", "x")
    with pytest.raises(McuplanError, match="it is a folder"):
        write_text(tmp_path, "x")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_is_said() -> None:
    with pytest.raises(McuplanError, match="/dev/full: cannot be written: No space left"):
        write_text(Path("/dev/full"), "x" * 10_000)


def test_names_that_no_encoding_has_are_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / "f", "a\udcffb")
    assert (tmp_path / "f").read_text("utf-8") == "a\\udcffb"
