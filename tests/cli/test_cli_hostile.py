"""Every command and every format, with hostile text in every string of a model, a board, a configuration, a table and
a log: what comes out is inert on a terminal, in a log of GitHub Actions, in a browser, in XML and in JSON."""

from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Cli

from mcuplan.graph import CUSTOM, Graph, Metadata
from mcuplan.tflite import load, save
from mcuplan.zoo import build

NAMES = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "\u202eevil\u2066\u200f",
    "two\n::set-output name=a::b\r\n::error::c",
    "::stop-commands::x",
    "##[error]broken",
    "a|b|`c`\\|",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "]]><![CDATA[ &amp;",
    "lone \ud800 \udcff",
    "nul\x00nul",
    "[red]x[/red] {{ 7*7 }} {% raw %}",
    "=cmd|' /C calc'!A1",
    "\u2028line\u2029" + "\u0301" * 40,
)
LONG = ("m" * 1_000_000, "\x1b" * 500_000, "w " * 500_000)
MODELS = {"short": NAMES, "long": (*LONG, *NAMES[:2])}


def hostile(graph: Graph, names: tuple[str, ...], custom: bool) -> Graph:
    """``graph`` with hostile text wherever the format has a string."""
    main = graph.main
    tensors = tuple(replace(t, name=f"{names[i % len(names)]}{i}") for i, t in enumerate(main.tensors))
    operators = main.operators
    if custom:
        code = replace(operators[0].code, name=CUSTOM, custom_code=names[0])
        operators = (replace(operators[0], code=code, options=None), *operators[1:])
    changed = replace(main, tensors=tensors, operators=operators, name=names[1])
    metadata = (*graph.metadata, Metadata(names[2 % len(names)], 0))
    return replace(
        graph, subgraphs=(changed,), operator_codes=(), description=names[1], metadata=metadata, metadata_buffers=None
    )


@pytest.fixture(scope="module", params=MODELS)
def names(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Strings for a model."""
    return MODELS[request.param]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, names: tuple[str, ...]) -> Path:
    """``plain.tflite`` and ``custom.tflite``, which has a custom operator."""
    where = tmp_path_factory.mktemp("hostile")
    for custom in (False, True):
        # A file holds no surrogates: they come from names of files, and from bytes that are not UTF-8.
        clean = tuple(name.encode("utf-8", "replace").decode() for name in names)
        save(hostile(build("sine"), clean, custom), where / f"{'custom' if custom else 'plain'}.tflite")
    data = (where / "plain.tflite").read_bytes()
    (where / "bytes.tflite").write_bytes(data.replace(b"owned", b"\xff\xfe\xed\xa0\x80"))
    return where


BOARD = ("--board", "nucleo-l4r5zi")
COMMANDS = (
    ["check", "M"],
    ["check", "M", "-q", "--ram", "100"],
    ["check", "M", "--ram", "100", "--flash", "100", "--macs", "1", "--why"],
    *(["check", "M", "--ram", "100", "--format", f] for f in ("json", "markdown", "junit", "sarif", "github")),
    *(["compare", "M", *BOARD, "--cheapest", "--format", f] for f in ("text", "json")),
    *(["diff", "M", "zoo:sine", "--max-growth", "ram=0", "--format", f] for f in ("text", "markdown", "html", "json")),
    *(["energy", "M", *BOARD, "--period", "1s", "--format", f] for f in ("text", "json")),
    ["explain", "M"],
    ["explain", "M", "--format", "json"],
    ["inspect", "M", "--format", "json"],
    ["explain", "M", "--compare", "LOG"],
    ["export", "M", "-o", "OUT"],
    *(["fit-search", "M", "--widths", "0.5,1", "--ram", "100kB", "--format", f] for f in ("text", "json")),
    ["inspect", "M", "--arena"],
    ["inspect", "M", "--blocks"],
    *(["latency", "M", *BOARD, "--limit", "1us", "--format", f] for f in ("text", "json")),
    ["plan", "M", "--map", "--patch", "--advice", "--strip"],
    ["plan", "M", "-o", "OUT.tflite", "--format", "json"],
    ["report", "M", "-o", "OUT.html"],
    *(["verify", "M", "zoo:sine", "--no-tflm", "--no-litert", "--format", f] for f in ("text", "json")),
    *(["whatif", "M", "--width", "0.5", "--sparsity", "0.1", "--format", f] for f in ("text", "json", "html")),
    *(["whatif", "M", "--int8", "--format", f] for f in ("text", "json", "html")),
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("model", ["plain", "custom", "bytes"])
def test_a_hostile_model(cli: Cli, tmp_path: Path, folder: Path, model: str, arguments: list[str]) -> None:
    log = tmp_path / "log.txt"
    log.write_text("\n".join(f"[RecordingMicroAllocator] '{n[:80]}' used 1 bytes (requested 1 bytes" for n in NAMES),
                   encoding="utf-8", errors="replace")  # fmt: skip
    given = {"M": folder / f"{model}.tflite", "LOG": log}
    done = cli(*(given.get(argument, argument) for argument in arguments))
    assert "a bug in mcuplan" not in done.err + done.out
    if done.out:
        _inert(done.out, _form(arguments))
    _inert(done.err, "text")
    for path in tmp_path.rglob("*"):
        if path.suffix in (".html", ".md", ".cc", ".h", ".txt") and path != log:
            _inert(path.read_text("utf-8"), "html" if path.suffix == ".html" else "source")


@pytest.mark.parametrize("columns", ["20", "40", "61", "1000"])
def test_no_width_breaks_a_name_into_a_command(
    cli: Cli, folder: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in (["check", "--ram", "100"], ["inspect", "--arena"], ["plan", "--map"], ["explain"]):
        _inert(cli(arguments[0], folder / "plain.tflite", *arguments[1:]).out, "text")


def _form(arguments: list[str]) -> str:
    form = arguments[arguments.index("--format") + 1] if "--format" in arguments else "text"
    return "json" if form == "sarif" else form


def _inert(text: str, form: str) -> None:
    """``text`` in ``form`` does nothing that its writer did not mean."""
    for c in set(text):
        # GitHub's Markdown gets zero-width spaces, so that no @name calls anybody.
        assert c in "\n\t" or unicodedata.category(c)[0] != "C" or (c == "\u200b" and form == "markdown"), repr(c)
    assert not {"\u2028", "\u2029", "\x85"} & set(text)
    if form != "json":
        assert len(text) < 400_000 or form == "source"  # the model itself, as an array
        assert max(map(len, text.split("\n"))) < 20_000 or form in ("html", "source")
    if form not in ("html", "source"):
        _no_commands(text, form)
    checks: dict[str, Callable[[str], object]] = {
        "json": json.loads, "html": _no_markup, "markdown": _table, "junit": ElementTree.fromstring,
    }  # fmt: skip
    checks.get(form, str)(text)


def _no_commands(text: str, form: str) -> None:
    allowed = ("::error ", "::warning ", "::notice ") if form == "github" else ()
    for line in text.splitlines():
        assert "##[" not in line
        assert not re.match(r"\s*::[\w-]+( .*)?::", line) or line.startswith(allowed), line


def _no_markup(text: str) -> None:
    body = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    assert "<script>alert" not in text
    assert "<img" not in body
    assert "onerror=alert(1)>" not in body


def _table(text: str) -> None:
    assert not re.search(r"<(?!/?(details|summary|b|i|br|sub|code|strong)\b)[a-z]", re.sub(r"`[^`]*`", "", text))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows if row}) <= 2


def test_documents_keep_the_text_as_it_is(cli: Cli, folder: Path) -> None:
    """What is filtered is what is shown: JSON holds the names of the file."""
    document = json.loads(cli("check", folder / "plain.tflite", "--format", "json").out)
    graph = load(folder / "plain.tflite")
    (result,) = document["results"]
    shown = {buffer["tensor_name"] for buffer in result["peak"]["buffers"] if buffer["tensor"] >= 0}
    assert shown
    assert shown <= {tensor.name for tensor in graph.main.tensors}


def board_file(text: str) -> str:
    """A board whose strings are all ``text``, as TOML."""
    quoted = json.dumps(text, ensure_ascii=False)
    return f"""
id = "evil"
name = {quoted}
maker = {quoted}
aliases = [{quoted}]
[soc]
name = {quoted}
core = "cortex-m4"
cores = 1
clock_mhz = 64
fpu = true
dsp = true
source = "s"
[memory]
arena_ram_bytes = 1000
flash_bytes = 1000
note = {quoted}
[[memory.regions]]
name = {quoted}
kind = "sram"
start = 0x2000_0000
bytes = 1000
arena = true
source = "s"
[[memory.regions]]
name = "f"
kind = "flash"
bytes = 1000
arena = false
source = "s"
[tflm]
target = "cortex-m4+cmsis-nn"
version = "tflm-2026-08"
note = {quoted}
[[sources]]
id = "s"
title = {quoted}
url = "https://example.org/"
"""


def texts() -> Iterator[str]:
    """Hostile text that can stand in a file of text."""
    yield from (name.encode("utf-8", "replace").decode() for name in NAMES)
    yield "m" * 100_000
    yield "plain | <script>alert(1)</script> ]]> ::set-output name=a::b"


@pytest.mark.parametrize("text", [*texts()], ids=lambda text: repr(text[:12]))
def test_a_hostile_board(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "evil.toml"
    path.write_text(board_file(text), encoding="utf-8")
    for arguments in (
        *(["check", "zoo:sine", "--board", path, "--format", f] for f in
          ("text", "json", "markdown", "junit", "sarif", "github")),
        ["boards", "evil", "--board-dir", tmp_path],
        ["boards", "--board-dir", tmp_path],
        ["boards", text.replace("\0", "") or "x"],
        ["compare", "zoo:sine", "--board", path, "--cheapest"],
        ["plan", "zoo:sine", "--board", path, "--fit"],
        ["energy", "zoo:sine", "--board", path],
        ["report", "zoo:sine", "--board", path, "-o", tmp_path / "out.html"],
    ):  # fmt: skip
        done = cli(*arguments)
        assert "a bug in mcuplan" not in done.err + done.out
        if done.out:
            _inert(done.out, _form([str(a) for a in arguments]))
        _inert(done.err, "text")
    if (tmp_path / "out.html").exists():
        _inert((tmp_path / "out.html").read_text("utf-8"), "html")


@pytest.mark.parametrize("text", [*texts()], ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("key", ["files", "board", "name", "member", "custom", "baseline", "reserve", "unknown"])
def test_a_hostile_configuration(cli: Cli, tmp_path: Path, text: str, key: str) -> None:
    quoted = json.dumps(text)
    told = {
        "files": f"[[models]]\nfiles = [{quoted}]\n", "board": f"boards = [{quoted}]\n",
        "name": f'[[shared]]\nname = {quoted}\nboard = "teensy-4-1"\nmodels = ["zoo:sine"]\n',
        "member": f'[[shared]]\nname = "x"\nboard = "teensy-4-1"\nmodels = ["zoo:sine", {quoted}]\n',
        "custom": f"custom_operators = [{quoted}]\n", "baseline": f"baseline = {quoted}\n",
        "reserve": f"reserve = {{ firmware = {quoted} }}\n", "unknown": f"{quoted} = 1\n",
    }  # fmt: skip
    path = tmp_path / "mcuplan.toml"
    path.write_text(told[key], encoding="utf-8")
    for form in ("text", "json", "markdown", "junit", "sarif", "github"):
        done = cli("check", "zoo:sine", "--config", path, "--format", form)
        assert "a bug in mcuplan" not in done.err + done.out
        if done.out:
            _inert(done.out, "json" if form == "sarif" else form)
        _inert(done.err, "text")


@pytest.mark.parametrize("text", [*texts()], ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("where", ["id", "column", "size", "gaps"])
def test_a_hostile_table(cli: Cli, tmp_path: Path, text: str, where: str) -> None:
    cell = '"' + text.replace('"', '""') + '"'
    table = {
        "id": f"id,lower,upper,size\n{cell},0,3,16\n{cell}x,1,4,16\n",
        "column": f"id,lower,upper,size,{cell}\na,0,3,16,1\n",
        "size": f"id,lower,upper,size\na,0,3,{cell}\n",
        "gaps": f"id,lower,upper,size,gaps\na,0,3,16,{cell}\n",
    }[where]
    path = tmp_path / "table.csv"
    path.write_text(table, encoding="utf-8", newline="")
    for arguments in (["allocate", path], ["allocate", path, "--capacity", "8"], ["allocate", path, "-o", "out.csv"]):
        done = cli(*arguments)
        assert "a bug in mcuplan" not in done.err + done.out
        _inert(done.out, "text")
        _inert(done.err, "text")
