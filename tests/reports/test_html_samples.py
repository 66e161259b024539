"""The committed sample reports are those that today's code makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_reports import BOARDS, PATCHED, main, samples

from mcuplan import zoo

FOLDER = Path(__file__).parents[2] / "reports"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return dict(samples())


def test_no_sample_is_stale(made: dict[str, str]) -> None:
    stale = [name for name, text in made.items() if not (FOLDER / name).is_file() or _read(name) != text]
    assert not stale, f"stale: {', '.join(stale)}; run python tools/sample_reports.py"


def test_no_sample_is_left_over(made: dict[str, str]) -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(made)


def test_the_index_leads_to_every_model(made: dict[str, str]) -> None:
    for name in zoo.names():
        assert f'<a href="{name}.html">zoo:{name}</a>' in made["index.html"]
        assert f"({name}.html)" in made["README.md"]
    assert f'<a href="{PATCHED}-patched.html">' in made["index.html"]
    assert made["index.html"].count('class="badge') == (len(zoo.names()) + 1) * len(BOARDS)


def test_every_sample_is_small(made: dict[str, str]) -> None:
    assert max(len(text.encode()) for text in made.values()) < 500_000


def test_checking_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sample_reports.samples", lambda: iter([("a.html", "new")]))
    (tmp_path / "a.html").write_text("old")
    assert main(["--check", str(tmp_path)]) == 1
    assert (tmp_path / "a.html").read_text() == "old"
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "a.html").read_text() == "new"
    assert main(["--check", str(tmp_path)]) == 0


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
