"""Files appear whole or not at all; only regular ones within a stated size are read, at one place."""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

import mcuplan
from mcuplan import tflite
from mcuplan.boards import load_board, read_reserve
from mcuplan.budget.baseline import read_baseline
from mcuplan.budget.config import load_config
from mcuplan.errors import McuplanError
from mcuplan.files import holds, read, write_text
from mcuplan.memory.table import read_csv
from mcuplan.tflm.recording import read_log


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


class _Opener(ast.NodeVisitor):
    """Calls that open a file for reading, and imports of modules that do."""

    METHODS: ClassVar[set[str]] = {
        "open", "fdopen", "read_bytes", "read_text", "fromfile", "loadtxt", "genfromtxt", "memmap",
        "FileIO", "readlink", "getline", "getlines", "run_path",
    }  # fmt: skip
    MODULES: ClassVar[set[str]] = {"mmap", "fileinput", "shutil", "linecache", "zipfile", "tarfile", "gzip", "sqlite3"}
    LOADERS: ClassVar[set[str]] = {"np", "numpy", "tomllib", "json", "pickle"}

    def __init__(self) -> None:
        self.found: list[int] = []

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [node.lineno for name in node.names if name.name.partition(".")[0] in self.MODULES]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if (node.module or "").partition(".")[0] in self.MODULES:
            self.found.append(node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func)
        name = called.rpartition(".")[2].rpartition(")")[2]
        loads = name == "load" and called.partition(".")[0] in self.LOADERS
        if (name in self.METHODS or loads) and not self.allowed(called):
            self.found.append(node.lineno)
        self.generic_visit(node)

    @staticmethod
    def allowed(called: str) -> bool:
        """The package's own data, and this room's reader."""
        return called.startswith(("resources.files(", "files."))


_STANDS_ALONE = {"proof/runtimes/child.py"}
"""A program of its own for an interpreter without mcuplan: it reads the folder that mcuplan made for it."""


def test_no_other_module_opens_files_for_reading() -> None:
    root = Path(mcuplan.__file__).parent
    offenders = []
    for path in sorted(root.rglob("*.py")):
        if path == root / "files.py" or path.relative_to(root).as_posix() in _STANDS_ALONE:
            continue
        opener = _Opener()
        opener.visit(ast.parse(path.read_text("utf-8")))
        offenders += [f"{path.relative_to(root)}:{line}" for line in opener.found]
    assert offenders == []


@pytest.mark.parametrize(
    "line",
    ["open(p)", "p.open('rb')", "Path(p).read_text()", "p.read_bytes()", "io.open(p)", "import mmap", "np.load(p)",
     "os.open(p, 0)", "from shutil import copyfile", "np.fromfile(p)"],
)  # fmt: skip
def test_the_search_for_openers_sees_them(line: str) -> None:
    opener = _Opener()
    opener.visit(ast.parse(line))
    assert opener.found == [1]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert read(tmp_path / "f", 3) == b"abc"
    with pytest.raises(McuplanError, match="this is a folder"):
        read(tmp_path, 3)
    with pytest.raises(McuplanError, match="cannot be read: No such file"):
        read(tmp_path / "none", 3)
    with pytest.raises(McuplanError, match="cannot be read: embedded null"):
        read("a\0b", 3)


def test_a_file_over_its_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(3 << 40)  # takes no room on the disk
    with pytest.raises(McuplanError, match="larger than 2 MiB, the most that is read of such a file"):
        read(tmp_path / "big", 2 << 20)
    with pytest.raises(McuplanError, match="larger than 4 KiB"):
        read(tmp_path / "big", 4096)


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="/proc is Linux's")
def test_a_file_that_understates_its_size_is_read_to_its_limit() -> None:
    assert os.stat("/proc/self/maps").st_size == 0
    assert b"python" in read("/proc/self/maps", 1 << 22)
    with pytest.raises(McuplanError, match="larger than 1 KiB"):
        read("/proc/self/maps", 1024)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "model": ("m.tflite", lambda path: tflite.load(path)),
    "c source": ("m.h", lambda path: tflite.load(path)),
    "configuration": ("mcuplan.toml", lambda path: load_config(path)),
    "baseline": ("baseline.json", lambda path: read_baseline(path)),
    "board": ("board.toml", lambda path: load_board(str(path))),
    "firmware": ("firmware.map", lambda path: read_reserve(path)),
    "table": ("buffers.csv", lambda path: read_csv(path)),
    "log": ("device.log", lambda path: read_log(path)),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs are POSIX's")
@pytest.mark.parametrize("kind", READERS)
def test_a_fifo_keeps_no_reader_waiting(tmp_path: Path, kind: str) -> None:
    name, reader = READERS[kind]
    os.mkfifo(tmp_path / name)
    with pytest.raises(McuplanError, match="this is not a regular file"):
        reader(tmp_path / name)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="/dev/zero is POSIX's")
@pytest.mark.parametrize("kind", READERS)
def test_no_reader_reads_a_device(tmp_path: Path, kind: str) -> None:
    name, reader = READERS[kind]
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(McuplanError, match="this is not a regular file"):
        reader(tmp_path / name)


@pytest.mark.parametrize("kind", READERS)
def test_every_reader_has_a_limit_and_states_it(tmp_path: Path, kind: str) -> None:
    name, reader = READERS[kind]
    with (tmp_path / name).open("wb") as file:
        file.write(b"\x20\0\0\0TFL3")  # of what is no model, only the ends are read
        file.truncate(1 << 42)
    with pytest.raises(McuplanError, match=r"larger than \d+ [KM]iB"):
        reader(tmp_path / name)


def stale(folder: Path, digits: str = "0123456789abcdef") -> Path:
    """What a run that was killed while it wrote left behind, some seconds ago."""
    path = folder / f".mcuplan-{digits}.tmp"
    path.write_bytes(b"half a mod")
    before = time.time() - 7200
    os.utime(path, (before, before))
    return path


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    stale(tmp_path)
    others = [tmp_path / name for name in (".mcuplan-notes.tmp", "x.mcuplan-0123456789abcdef.tmp", "kept.tmp")]
    for other in others:
        other.write_bytes(b"somebody's")
        os.utime(other, (0, 0))
    write_text(tmp_path / "report.json", "new")
    assert sorted(os.listdir(tmp_path)) == sorted([*(other.name for other in others), "report.json"])


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX's")
def test_what_another_run_is_writing_stays(tmp_path: Path) -> None:
    import fcntl

    path, fresh = stale(tmp_path), tmp_path / ".mcuplan-fedcba9876543210.tmp"
    fresh.write_bytes(b"")
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_text(tmp_path / "report.json", "new")
        assert path.exists()
    assert fresh.exists()
    write_text(tmp_path / "report.json", "newer")
    assert not path.exists()


def test_a_folder_in_the_way_of_a_temporary_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".mcuplan-0123456789abcdef.tmp").mkdir()
    write_text(tmp_path / "f", "x")
    assert len(os.listdir(tmp_path)) == 2


def test_a_file_that_holds_its_bytes_need_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert holds(tmp_path / "f", b"abc")
    assert not holds(tmp_path / "f", b"abd")
    assert not holds(tmp_path / "f", b"ab")
    assert not holds(tmp_path / "none", b"")
    assert not holds(tmp_path, b"")
