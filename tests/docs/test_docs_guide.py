"""The guide holds: its transcripts are run and compared, its Python examples are doctests, its links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcuplan.cli import run
from mcuplan.tflm.target import all_targets
from mcuplan.tflm.versions import known_versions

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
README = DOCS.parent / "README.md"
OTHERS = (README, DOCS.parent / "CONTRIBUTING.md", DOCS.parent / "CHANGELOG.md")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.toml)\b")
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)")


def page_id(page: Path) -> str:
    return page.relative_to(DOCS.parent).as_posix().removeprefix("docs/")


@dataclass(frozen=True)
class Step:
    """A command of a transcript and what it prints."""

    command: str
    output: str


def blocks(page: Path) -> list[tuple[str, str]]:
    return _BLOCK.findall(page.read_text("utf-8"))


def steps(transcript: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Step(command, output)


def agrees(wanted: str, got: str) -> bool:
    """Line by line; ``...`` stands for any number of lines."""
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in wanted.splitlines())
    return re.fullmatch(pattern, got) is not None


def with_transcripts() -> list[Path]:
    return [page for page in (README, *PAGES) if any(kind == "console" for kind, _ in blocks(page))]


@pytest.mark.parametrize("page", with_transcripts(), ids=page_id)
def test_transcripts(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every ``$ mcuplan`` of a page, in order, in one folder; exit code 0 unless ``$ echo $?`` tells another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    code = 0
    for kind, text in blocks(page):
        named = _FILE.match(text)
        if kind == "toml" and named:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        for step in steps(text) if kind == "console" else ():
            if step.command == "echo $?":
                assert step.output.strip() == str(code)
                code = 0
                continue
            assert code == 0, f"before {step.command!r}: exit code {code}, which the page does not tell"
            program, *arguments = shlex.split(step.command)
            if program == "mkdir":
                Path(arguments[0]).mkdir()
                continue
            assert program == "mcuplan"
            code = run(arguments)
            out = capsys.readouterr().out
            shown = "\n".join(line.rstrip() for line in out.splitlines())
            assert agrees(step.output, shown + "\n" if shown else ""), f"{step.command}\n{out}"
    assert code == 0


def with_examples() -> list[Path]:
    return [page for page in PAGES if any(kind == "pycon" for kind, _ in blocks(page))]


@pytest.mark.parametrize("page", with_examples(), ids=page_id)
def test_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python examples of a page share their names, as a reader who follows it has them."""
    monkeypatch.chdir(tmp_path)
    source = "\n".join(text for kind, text in blocks(page) if kind == "pycon")
    test = doctest.DocTestParser().get_doctest(source, {}, page_id(page), str(page), 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=page_id)
def test_links(page: Path) -> None:
    """Files and headings that links lead to are there."""
    for target, anchor in _LINK.findall(page.read_text("utf-8")):
        if "://" in target:
            continue
        led = page.parent / target if target else page
        assert led.exists(), target
        assert not anchor or anchor in anchors(led), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", head.lower())).strip().replace(" ", "-") for head in heads
    }


def test_the_documentation_builds_as_a_site(tmp_path: Path) -> None:
    """With every warning an error: a page that no list names, a link that leads nowhere."""
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module, reason="needs the docs extra")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", str(DOCS), str(tmp_path / "site")], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_ellipsis_stands_for_lines_only() -> None:
    assert agrees("a\n...\nd\n", "a\nb\nc\nd\n")
    assert agrees("a\n...\n", "a\n")
    assert not agrees("a\n", "a\nb\n")
    assert not agrees("", "a\n")
    assert not agrees("a..\n", "abc\n")


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    assert not [page_id(page) for page in PAGES if page.name != "README.md" and page_id(page) not in index]


def test_the_table_of_versions_is_the_data_s() -> None:
    text = (DOCS / "guide" / "tflm.md").read_text("utf-8")
    targets = list(all_targets())
    for version in known_versions().values():
        own = [target for target in targets if target.version == version.name]
        measured = [target.records for target in own if target.records]
        said = f"{sum(measured)} on {len(measured)}" if measured else "by rule"
        assert f"| `{version.name}` | {version.title} | {version.upstream} | {len(own)} | {said} |" in text
