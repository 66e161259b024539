"""The page that checks models in a browser: built, and driven in Chromium, in which Python runs as WebAssembly.

Slow for a test (some 30 s on two idle cores): it starts a browser and an interpreter in it. Skipped, with the reason,
where Chromium, Playwright, npm or a registry is missing. ``MCUPLAN_PYODIDE`` names a copy of the npm package pyodide.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from runtimes.browser import AXE, BROWSER_TESTS, launched, serious_findings

from mcuplan.cli import run
from mcuplan.tflite import save
from mcuplan.zoo import build, resolve

pytestmark = BROWSER_TESTS
WEB = Path(__file__).resolve().parents[2] / "web"
MODELS = (
    "sine", "ds-cnn", "person-detection", "visual-wake-words", "resnet8", "autoencoder", "micro-speech",
    "mobilenet-v2?width=0.35&resolution=96", "mcunet-vww", "sine?seed=2",
)  # fmt: skip
PATIENCE = 300_000
"""Milliseconds to wait for Python in the browser; a loaded machine takes minutes."""


class Handler(SimpleHTTPRequestHandler):
    """A server of files, as any is."""

    def guess_type(self, path: Any) -> str:
        types = {".mjs": "text/javascript", ".wasm": "application/wasm"}
        return types.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the built page."""
    spec = importlib.util.spec_from_file_location("web_build", WEB / "build.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    folder = tmp_path_factory.mktemp("web") / "dist"
    pyodide = os.environ.get("MCUPLAN_PYODIDE")
    try:
        builder.build(folder, Path(pyodide) if pyodide else None)
    except builder.BuildError as error:
        pytest.skip(f"the page cannot be built here: {error}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Addresses that the page asked for."""
    return []


@pytest.fixture(scope="module")
def page(browser: Any, site: str, asked: list[str]) -> Any:
    """The page once Python runs in it; one for all tests, since starting it takes longest."""
    opened = browser.new_page(viewport={"width": 1_000, "height": 1_200})
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    opened.goto(site)
    opened.wait_for_selector("#state[data-kind=ready]", timeout=PATIENCE)
    return opened


def drop(page: Any, name: str, data: bytes) -> str:
    """Give the page a file; what it says then."""
    page.evaluate("() => { document.getElementById('state').dataset.kind = 'waiting'; }")
    with tempfile.TemporaryDirectory() as folder:  # as a file, since Playwright sends buffers as text
        path = Path(folder) / name
        path.write_bytes(data)
        return _dropped(page, path)


def _dropped(page: Any, path: Path) -> str:
    page.set_input_files("#file", path)
    page.wait_for_selector("#state[data-kind=done], #state.bad[data-kind='']", timeout=PATIENCE)
    said: str = page.inner_text("#state")
    return said


def test_ten_models_as_the_command_line_has_them(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's document of each model is the one that `mcuplan compare` writes, to the last byte."""
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(MODELS):
        path = Path(f"{index}.tflite")
        save(resolve(f"zoo:{name}"), path)
        if index == len(MODELS) - 1:  # the tenth as a C array
            from mcuplan.tflite import write_c_array

            path = Path("tenth.h")
            write_c_array(Path(f"{index}.tflite").read_bytes(), path)
        run(["compare", str(path), "--format", "json", "-o", "told.json"])
        said = drop(page, path.name, path.read_bytes())
        shown = page.evaluate("() => window.mcuplan.report.results")
        assert shown == json.loads(Path("told.json").read_text("utf-8"))["results"], name
        passed = sum(result["verdict"] == "pass" for result in shown)
        assert said == f"{path.name}: fits {passed} of {len(shown)} boards."
        assert page.locator("#rows tr").count() == len(shown)


def test_the_report_of_a_board_stands_below(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "person.tflite"
    save(build("person-detection"), path)
    drop(page, "person.tflite", path.read_bytes())
    page.wait_for_selector("#frame[data-board]", timeout=PATIENCE)
    page.click("#rows tr[data-board=sparkfun-edge] button")
    page.wait_for_selector("#frame[data-board=sparkfun-edge]", timeout=PATIENCE)
    report = page.frame_locator("#frame")
    assert report.locator("h1").inner_text() == "person.tflite"
    assert "SparkFun Edge" in report.locator("body").inner_text()
    assert report.locator("svg").first.is_visible()


def test_nothing_leaves_the_browser(page: Any, site: str, asked: list[str]) -> None:
    assert "Nothing leaves this browser." in page.inner_text("main")
    assert asked
    assert [url for url in asked if not url.startswith((site, f"blob:{site}", "about:srcdoc", "data:"))] == []
    refused = page.evaluate("() => fetch('https://example.invalid/').then(() => 'sent', (error) => error.name)")
    assert refused == "TypeError"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("notes.tflite", b"hello, world, this is no model", "notes.tflite: "),
        ("empty.tflite", b"", "empty.tflite: "),
        ("zeros.tflite", bytes(20_000_000), "zeros.tflite: "),
        ("main.cc", b"int main() { return 0; }", "no array of bytes is in this C source"),
    ],
)
def test_what_is_no_model_is_a_sentence(page: Any, name: str, data: bytes, says: str) -> None:
    said = drop(page, name, data)
    assert says in said
    assert "Traceback" not in said
    assert not page.locator("#verdicts").is_visible()


def test_a_model_of_20_megabytes(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "sine.tflite"
    save(build("sine"), path)
    said = drop(page, "large.tflite", path.read_bytes() + bytes(20_000_000))
    assert said.startswith("large.tflite: fits ")


def test_hostile_names_stay_text(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "sine.tflite"
    save(build("sine"), path)
    said = drop(page, "<img src=x onerror=alert(1)>\u202e\u200b.tflite", path.read_bytes())
    assert said.startswith("<img src=x onerror=alert(1)>")
    assert "\u202e" not in said
    page.wait_for_selector("#frame[data-board]", timeout=PATIENCE)
    assert page.locator("main img").count() == 0
    assert page.frame_locator("#frame").locator("img").count() == 0


def test_a_browser_without_webassembly_is_told(browser: Any, site: str) -> None:
    bare = browser.new_page()
    bare.add_init_script("delete window.WebAssembly")
    bare.goto(site)
    bare.wait_for_selector("#state.bad")
    assert bare.inner_text("#state").startswith("This browser has no WebAssembly")
    bare.close()


@pytest.mark.parametrize("width", [400, 1_000, 1_600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_usable_at_any_width(page: Any, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 1_000})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    if AXE:
        assert serious_findings(page, "main") == []
