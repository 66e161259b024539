"""From arguments to models."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcuplan.api.models import ArgumentError, expand, expand_all


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.tflite", "b.TFLITE", "sub/c.tflite", "sub/deep/d.lite", ".hidden/e.tflite", "readme.md", "m.cc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str) -> list[str]:
    return [name.replace("\\", "/") for name in expand_all(arguments)]


def test_a_folder_is_searched_all_the_way_but_not_hidden_ones(tree: Path) -> None:
    assert names(".") == ["./a.tflite", "./b.TFLITE", "./sub/c.tflite", "./sub/deep/d.lite"]


def test_patterns(tree: Path) -> None:
    assert names("*.tflite") == ["a.tflite"]
    assert names("**/*.tflite") == ["a.tflite", "sub/c.tflite"]
    assert names("sub/?.tflite", "sub/[cd].tflite") == ["sub/c.tflite"]
    assert names("s*b") == ["sub/c.tflite", "sub/deep/d.lite"]


def test_windows_paths(tree: Path) -> None:
    assert names("sub\\c.tflite") == ["sub/c.tflite"]
    assert names("sub\\*.tflite") == ["sub/c.tflite"]


def test_files_are_taken_as_named_and_once(tree: Path) -> None:
    assert names("m.cc", "a.tflite", "*.tflite", "zoo:sine", "zoo:sine") == ["m.cc", "a.tflite", "zoo:sine"]


def test_a_name_that_exists_is_never_a_pattern(tree: Path) -> None:
    (tree / "[ab].tflite").touch()
    assert names("[ab].tflite") == ["[ab].tflite"]


def test_what_names_nothing_stands_with_its_error(tree: Path) -> None:
    (tree / "empty").mkdir()
    found = expand(["empty", "a.tflite", "x*.tflite", "gone.tflite"])
    assert [type(error) for error in found.values()] == [ArgumentError, type(None), ArgumentError, type(None)]
    with pytest.raises(ArgumentError, match=r"holds no \.tflite model"):
        expand_all(["empty"])


def test_a_saved_model_is_left_to_the_reader(tree: Path) -> None:
    (tree / "saved").mkdir()
    (tree / "saved" / "saved_model.pb").touch()
    assert names("saved") == ["saved"]
