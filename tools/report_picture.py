"""The picture of the HTML report in README and the guide, taken of the page as it is now.

    python tools/report_picture.py [FILE]

Needs Chromium and Playwright (the extra `test`), as the tests of the report do.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from mcuplan.cli import run

MODEL, BOARDS = "zoo:visual-wake-words", ("arduino-nano-33-ble-sense", "sparkfun-edge")
WIDTH, HEIGHT = 1_000, 1_080


def main(to: Path) -> None:
    """Write the picture of the top of the report to ``to``."""
    chromium = os.environ.get("MCUPLAN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        run(["report", MODEL, "--ram", "90kB", *(word for board in BOARDS for word in ("-b", board)), "-o", str(page)])
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        shown.goto(page.as_uri())
        shown.screenshot(path=to)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs" / "report.png")
