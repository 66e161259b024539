"""The HTML reports in a real browser: Debian's Chromium, driven by Playwright.

Skipped where either is missing; :mod:`runtimes.browser` says what names another browser and axe-core.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from html_samples import HOSTILE, hostile, html
from runtimes.browser import AXE, BROWSER_TESTS, launched, serious_findings

from mcuplan.cli import run
from mcuplan.tflite import save
from mcuplan.zoo.builder import Builder

pytestmark = BROWSER_TESTS
SAMPLES = sorted((Path(__file__).parents[2] / "reports").glob("*.html"))
WIDTHS = (400, 1_000, 1_600)


@dataclass
class Seen:
    """What a page did that it should not."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def assert_nothing(self, url: str) -> None:
        assert self.console == []
        assert self.dialogs == []
        assert self.requests == [url]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("html")


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    """A report of two boards, one of which fails."""
    path = folder / "report.html"
    boards = ["-b", "arduino-nano-33-ble-sense", "-b", "sparkfun-edge"]
    assert run(["report", "zoo:mcunet-320k", "zoo:ds-cnn", *boards, "-o", str(path)]) == 1
    return path


@pytest.mark.parametrize("scripted", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples_open_in_every_width_with_and_without_script(
    browser: Any, seen: Seen, sample: Path, scripted: bool
) -> None:
    context = browser.new_context(java_script_enabled=scripted)
    page = context.new_page()
    seen.watch(page)
    page.goto(sample.as_uri())
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("h1").is_visible()
        # Nothing sticks out: only what scrolls by itself may be wider than the window.
        assert page.locator("body").bounding_box()["width"] <= width
        if scripted:
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    seen.assert_nothing(sample.as_uri())
    context.close()


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 11


def test_a_hovered_buffer_is_told_under_its_map(browser: Any, seen: Seen, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1_000, "height": 900})
    seen.watch(page)
    page.goto(report.as_uri())
    figure = page.locator("figure.map").first
    figure.locator(".buf.top").first.hover()
    said = figure.locator(".readout").inner_text()
    assert "network input; tensor input; 1 x 176 x 176 x 3 float32; 371,712 bytes; steps [0, 2); offset" in said
    page.mouse.move(0, 0)
    assert "too small for this arena" in figure.locator(".readout").inner_text()
    seen.assert_nothing(report.as_uri())
    page.close()


def test_a_map_can_be_walked_by_keys(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    figure = page.locator("figure.map").first
    assert figure.locator("[tabindex='0']").count() == 1
    figure.locator("[tabindex='0']").focus()
    first = figure.locator(".readout").inner_text()
    page.keyboard.press("ArrowRight")
    second = figure.locator(".readout").inner_text()
    assert first != second
    assert "bytes" in second
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.classList.contains('band')")
    assert figure.locator("[tabindex='0']").count() == 1
    page.close()


def test_the_table_is_sorted_and_searched(browser: Any, seen: Seen, report: Path) -> None:
    page = browser.new_page()
    seen.watch(page)
    page.goto(report.as_uri())
    table = page.locator("table.operators").first
    live = table.locator("th", has_text="Live bytes")
    live.locator("button").click()
    assert live.get_attribute("aria-sort") == "descending"
    cells = [int(text.replace(",", "")) for text in table.locator("tbody td:nth-child(5)").all_inner_texts()]
    assert cells == sorted(cells, reverse=True)
    live.locator("button").click()
    assert live.get_attribute("aria-sort") == "ascending"
    cells = [int(text.replace(",", "")) for text in table.locator("tbody td:nth-child(5)").all_inner_texts()]
    assert cells == sorted(cells)
    section = page.locator("section[aria-label=Operators]").first
    section.locator("input.find").fill("Conv depthwise")
    kinds = section.locator("tbody tr:visible td:nth-child(2)").all_inner_texts()
    assert set(kinds) == {"DEPTHWISE_CONV_2D"}
    assert section.locator(".count").inner_text() == f"{len(kinds)} of 75"
    seen.assert_nothing(report.as_uri())
    page.close()


@pytest.mark.parametrize("scripted", [True, False], ids=["script", "no-script"])
def test_the_table_is_downloaded_as_csv(browser: Any, report: Path, scripted: bool) -> None:
    context = browser.new_context(java_script_enabled=scripted)
    page = context.new_page()
    page.goto(report.as_uri())
    with page.expect_download() as caught:
        page.locator("a.csv").first.click()
    assert caught.value.suggested_filename.endswith("-operators.csv")
    assert Path(caught.value.path()).read_text().startswith("operator,kind,output shape")
    context.close()


def test_without_script_nothing_that_needs_it_is_shown(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert not page.locator("input.find").first.is_visible()
    assert page.locator("table.operators tbody tr").first.is_visible()
    assert page.locator("figure.map .buf title").first.text_content()
    context.close()


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:12])
def test_no_script_of_a_hostile_model_runs(browser: Any, seen: Seen, folder: Path, name: str) -> None:
    path = folder / "hostile.html"
    path.write_text(html(hostile(), name, board=None), encoding="utf-8")
    page = browser.new_page()
    seen.watch(page)
    page.goto(path.as_uri())
    for item in page.locator("figure.map .buf").all()[:5]:
        item.hover(force=True)
    page.locator("table.operators th button").last.click()
    page.locator("input.find").fill("<script>")
    assert page.evaluate("document.scripts.length") == 1
    seen.assert_nothing(path.as_uri())
    page.close()


def test_the_policy_stops_scripts_that_get_in_all_the_same(
    browser: Any, seen: Seen, folder: Path, report: Path
) -> None:
    path = folder / "broken.html"
    path.write_text(report.read_text("utf-8").replace("<main", "<script>alert(1)</script><main", 1), encoding="utf-8")
    page = browser.new_page()
    seen.watch(page)
    page.goto(path.as_uri())
    assert seen.dialogs == []
    assert any("Content Security Policy" in message for message in seen.console)
    page.close()


def test_a_difference_opens(browser: Any, seen: Seen, folder: Path) -> None:
    path = folder / "diff.html"
    assert run(["diff", "zoo:person-detection", "zoo:visual-wake-words", "--format", "html", "-o", str(path)]) == 0
    page = browser.new_page(viewport={"width": 400, "height": 900})
    seen.watch(page)
    page.goto(path.as_uri())
    assert page.locator("figure.map").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    seen.assert_nothing(path.as_uri())
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_axe_finds_nothing_serious(browser: Any, sample: Path, scheme: str) -> None:
    if not AXE:
        pytest.skip("needs axe-core: npm install axe-core, MCUPLAN_AXE=node_modules/axe-core/axe.min.js")
    page = browser.new_page(color_scheme=scheme)
    page.goto(sample.as_uri())
    assert serious_findings(page) == []
    page.close()


# -- many operators: no label is cut, none lies over another -----------------------------------------------------------

_LABELS_IN_THE_WAY = """() => {
  const found = [];
  for (const picture of document.querySelectorAll("svg")) {
    if (!picture.getClientRects().length) continue;
    const frame = picture.getBoundingClientRect();
    const texts = [...picture.querySelectorAll("text")].filter((t) => t.textContent.trim())
      .map((t) => [t.textContent.trim(), t.getBoundingClientRect()]).filter(([, r]) => r.width > 0);
    for (const [text, r] of texts) {
      if (r.left < frame.left - 1 || r.right > frame.right + 1 || r.top < frame.top - 1 || r.bottom > frame.bottom + 1)
        found.push(`cut: ${text}`);
    }
    for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
      const [a, r] = texts[i], [b, q] = texts[j];
      const wide = Math.min(r.right, q.right) - Math.max(r.left, q.left);
      const high = Math.min(r.bottom, q.bottom) - Math.max(r.top, q.top);
      if (wide > 2 && high > 3) found.push(`${a} over ${b}`);
    }
    for (const node of picture.querySelectorAll(".node")) {
      const text = node.querySelector("text"), box = node.querySelector("rect");
      if (text && box && text.getBoundingClientRect().width > box.getBoundingClientRect().width + 1)
        found.push(`wider than its box: ${text.textContent}`);
    }
  }
  for (const cell of document.querySelectorAll("th, td, h1, h2, h3, p, li")) {
    if (getComputedStyle(cell).overflowX === "hidden" && cell.scrollWidth > cell.clientWidth + 1)
      found.push(`cut: ${cell.textContent.trim()}`);
  }
  return found;
}"""


def network(blocks: int) -> Any:
    """Inverted residuals of three operators each behind a convolution, with names as Keras makes them."""
    builder = Builder()
    x = builder.conv2d(builder.input((1, 48, 48, 8), name="camera_image"), 16, 3, stride=2, name="model/stem/Conv2D")
    for i in range(blocks):
        y = builder.depthwise_conv2d(x, 3, name=f"model/block_{i}/depthwise/FusedBatchNormV3;model/block_{i}/relu")
        y = builder.conv2d(y, 16, 1, name=f"model/block_{i}/project/Conv2D")
        x = builder.add(x, y, name=f"model/block_{i}/add")
    return builder.graph([builder.fully_connected(builder.mean(x, (1, 2)), 10)])


@pytest.fixture(scope="module")
def large(folder: Path) -> list[Path]:
    """Reports of 31 (patched, near its limit), 81 and 300 operators."""
    pages = []
    for blocks in (26, 99):
        model, path = folder / f"net{blocks}.tflite", folder / f"net{blocks}.html"
        save(network(blocks), model)
        run(["report", str(model), "-b", "arduino-nano-33-ble-sense", "-o", str(path)])
        pages.append(path)
    patched = folder / "patched.html"
    arguments = ["--patch", "--max-overhead", "1.06", "--ram", "70kB", "-b", "arduino-nano-33-ble-sense"]
    run(["report", "zoo:person-detection", *arguments, "-b", "sparkfun-edge", "-o", str(patched)])
    return [*pages, patched]


def test_no_label_is_cut_or_covered(browser: Any, large: list[Path], report: Path) -> None:
    """At every width, of 31, 81 and 300 operators, and of several models at once."""
    page = browser.new_page()
    wrong = []
    for path in (*large, report):
        page.goto(path.as_uri())
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wrong += [f"{path.stem} at {width}: {said}" for said in page.evaluate(_LABELS_IN_THE_WAY)]
    page.close()
    assert wrong == []


def test_the_peak_is_one_operator_in_text_map_columns_and_dataflow(browser: Any, large: list[Path]) -> None:
    page = browser.new_page(viewport={"width": 1_600, "height": 900})
    for path in large:
        page.goto(path.as_uri())
        told = page.locator("p.lead").inner_text().removeprefix("Memory peaks at operator ").partition(":")[0]
        index, _, name = told.partition(", ")
        assert page.locator("figure.map .peak text").first.text_content() == f"peak: {index} {name}"
        columns = page.locator("section[aria-label='Memory per operator'] .bar.top title").all_text_contents()
        assert any(told in title for title in columns) or len(columns) == 1
        (node,) = page.locator("section[aria-label=Dataflow] .node.top title").all_text_contents()
        low, high = re.match(r"operators? (\d+)(?:\D+(\d+))?", node.partition(";")[0].partition(",")[0]).groups()  # type: ignore[union-attr]
        assert int(low) <= int(index) <= int(high or low), (told, node)
    page.close()
