"""The map is the territory: every path that the pages for developers name exists, and every room is on the map."""

from __future__ import annotations

import importlib.util
import re
import sys
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


def test_what_is_added_is_added_in_few_places() -> None:
    """What the page promises, counted from its own lists; nothing in them is missing."""
    spec = importlib.util.spec_from_file_location("measures", ROOT / "tools" / "measures.py")
    assert spec is not None
    assert spec.loader is not None
    measures = importlib.util.module_from_spec(spec)
    sys.modules["measures"] = measures  # dataclasses look their module up
    spec.loader.exec_module(measures)
    found = measures.to_add(ROOT)
    assert {
        thing: found[thing] for thing in ("an operator", "a kernel library", "a tflm version", "a report format")
    } == {
        "an operator": "6: 1 code + 5 data",
        "a kernel library": "3: 0 code + 3 data",
        "a tflm version": "5: 0 code + 5 data",
        "a report format": "1: 1 code + 0 data",
    }
    assert found["a board"] == "1: 0 code + 1 data"
    assert not any("not there" in counted for counted in found.values())
