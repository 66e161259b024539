"""The specs are found after a real installation: from the wheel, and from an editable install of a source tree."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mcuplan.boards import board_names

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "mcuplan", "board_specs")

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs the source tree to build from")


def need(*modules: str) -> None:
    """Skip where the build tools that pip would fetch are not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed, and this test builds without the network: pip install {module}")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what a build needs, so that the build leaves nothing behind in the repository."""
    folder = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in BUILT_FROM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        elif source.is_file():
            shutil.copy(source, folder / name)
        else:
            (folder / name).touch()
    return folder


def install(tree: Path, hook: str, folder: Path) -> Path:
    """What pip does: call the build backend's ``hook`` in the tree, then unpack the wheel into a site folder."""
    code = f"import hatchling.build as backend; print(backend.{hook}({str(folder)!r}))"
    wheel = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True).stdout
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", str(site), str(folder / wheel.strip())], check=True, capture_output=True)
    return site


def ask(site: Path, code: str) -> list[str]:
    """Lines that ``code`` prints in a Python that sees ``site`` (and its .pth files) and the installed dependencies."""
    libraries = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    start = f"import site, sys; site.addsitedir({str(site)!r}); sys.path += {libraries!r}; "
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    run = subprocess.run(
        [sys.executable, "-S", "-c", start + code],
        cwd=site, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return run.stdout.splitlines()


ASK = (
    "import mcuplan.boards as b; print(b.specs_folder()); print(b.load_board('nano33ble').id); print(*b.board_names())"
)


def test_the_wheel_ships_the_specs(tree, tmp_path):
    need("hatchling", "pip")
    site = install(tree, "build_wheel", tmp_path)
    folder, board, names = ask(site, ASK)
    assert Path(folder) == site / "mcuplan" / "boards" / "specs"
    assert board == "arduino-nano-33-ble-sense"
    assert names.split() == list(board_names())


def test_an_editable_install_reads_the_specs_of_the_tree(tree, tmp_path):
    need("hatchling", "editables", "pip")
    site = install(tree, "build_editable", tmp_path)
    folder, board, names = ask(site, ASK)
    assert Path(folder) == tree / "board_specs"
    assert board == "arduino-nano-33-ble-sense"
    assert names.split() == list(board_names())
    # Edits are seen at once: the copies that the editable wheel carries are not what is read.
    new = tree / "board_specs" / "new-board.toml"
    text = (tree / "board_specs" / "teensy-4-0.toml").read_text(encoding="utf-8")
    new.write_text(text.replace('id = "teensy-4-0"', 'id = "new-board"'), encoding="utf-8")
    try:
        assert ask(site, "import mcuplan.boards as b; print(b.load_board('new-board').name)") == ["Teensy 4.0"]
    finally:
        new.unlink()
