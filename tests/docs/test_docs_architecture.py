"""The map is the territory: every path that the pages for developers name exists, and every room is on the map."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md")
_PATH = re.compile(r"`((?:mcuplan|tests|tools|docs|board_specs)/[\w./*~-]*)`")


def _layers() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers: list[str] = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [room.strip() for layer in layers for room in layer.split("|")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_named_exists(page: Path) -> None:
    named = _PATH.findall(page.read_text("utf-8"))
    assert named
    assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_room_is_on_the_map() -> None:
    text = PAGES[0].read_text("utf-8")
    rooms = [room.replace(".", "/") for room in _layers()]
    assert [room for room in rooms if f"`{room}`" not in text and f"`{room}.py`" not in text] == []


def test_every_package_is_a_layer() -> None:
    packages = {f"mcuplan.{path.parent.name}" for path in (ROOT / "mcuplan").glob("*/__init__.py")}
    assert packages <= set(_layers())
