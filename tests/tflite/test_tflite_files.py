"""Files: found, told apart, written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from flat_by_hand import tiny_bytes, tiny_graph

from mcuplan.errors import McuplanError, ModelError
from mcuplan.tflite import format_c_array, load, load_all, read, save, write


def refusal(path: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        load(path)
    return str(caught.value)


def test_a_model_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny_bytes())
    assert load(path) == load(str(path)) == read(tiny_bytes())
    assert load_all(path) == (("", read(tiny_bytes())),)


def test_the_name_in_messages_is_the_path(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny_bytes()[:200])
    assert refusal(path).startswith(f"{path}: the file is truncated")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.tflite"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be read: Not a directory" in refusal(tmp_path / "file" / "m.tflite")


def test_a_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: this is a directory, not a model file"


def test_a_saved_model_directory(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    assert "this is a TensorFlow SavedModel directory: convert it" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo") or os.name == "nt", reason="needs named pipes")
def test_a_device_is_not_read_for_ever() -> None:
    assert refusal("/dev/zero") == "/dev/zero: cannot be read: this is not a regular file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny_bytes())
    path.chmod(0)
    assert refusal(path) == f"{path}: cannot be read: Permission denied"


def test_a_path_that_no_system_takes() -> None:
    assert "cannot be read" in refusal("a\0b.tflite")
    assert "cannot be read" in refusal("x" * 5000)


def test_a_c_source_is_told_by_its_name_and_a_model_by_its_content(tmp_path: Path) -> None:
    source = format_c_array(tiny_bytes(), "m")
    for suffix in (".h", ".hpp", ".c", ".cc", ".cpp", ".ino", ".CC"):
        path = tmp_path / f"m{suffix}"
        path.write_text(source)
        assert load(path).main == tiny_graph().main
    binary = tmp_path / "binary.h"
    binary.write_bytes(tiny_bytes())
    assert load(binary).main == tiny_graph().main
    text = tmp_path / "m.txt"
    text.write_text(source)
    assert "this is C source: give it a name" in refusal(text)


def test_a_c_source_that_git_lfs_keeps_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "model.cc"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 300568\n")
    assert "this is a Git LFS pointer" in refusal(path)


def test_of_a_large_foreign_file_only_the_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)  # sparse: takes no room
    assert "zero bytes only" in refusal(path)


def test_saving_reports_the_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    assert save(tiny_graph(), path) == path.stat().st_size
    assert path.read_bytes() == write(tiny_graph())
    assert os.listdir(tmp_path) == ["m.tflite"]


def test_a_graph_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"old")
    tensor = replace(tiny_graph().main.tensors[0], shape=(2**40,))
    graph = replace(tiny_graph(), subgraphs=(replace(tiny_graph().main, tensors=(tensor,)),))
    with pytest.raises(ModelError):
        save(graph, path)
    assert path.read_bytes() == b"old"


def test_a_failing_replacement_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(McuplanError, match=r"m\.tflite: cannot be written: Permission denied$"):
        save(tiny_graph(), path)
    assert os.listdir(tmp_path) == ["m.tflite"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and links")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "m.tflite", tmp_path / "link.tflite"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    save(tiny_graph(), link)
    assert link.is_symlink()
    assert path.read_bytes() == write(tiny_graph())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save(tiny_graph(), tmp_path / "m.tflite")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m.tflite").stat().st_mode) == 0o640


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "m.tflite"
    with pytest.raises(McuplanError, match=r"cannot be written: the folder .*none does not exist"):
        save(tiny_graph(), path)


def test_importing_the_room_loads_no_heavy_module() -> None:
    import subprocess

    code = (
        "import sys, mcuplan.tflite; print(sorted({'numpy', 'tflite', 'networkx', 'flatbuffers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
