"""Debian's Chromium, driven by Playwright, for the tests of pages; a module that imports this is skipped without them.

``MCUPLAN_CHROMIUM`` names another browser; ``MCUPLAN_AXE`` is the path of axe-core's ``axe.min.js`` (npm: axe-core),
without which accessibility is not checked.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (the test extra)")
_CHROMIUM = os.environ.get("MCUPLAN_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
BROWSER_TESTS = [
    pytest.mark.skipif(_CHROMIUM is None, reason="needs Chromium (apt-get install chromium)"),
    pytest.mark.xdist_group("browser"),
]
"""Marks of a module whose tests need a browser."""
AXE = os.environ.get("MCUPLAN_AXE")


@contextmanager
def launched() -> Iterator[Any]:
    """The browser, closed at the end."""
    with _playwright.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def serious_findings(page: Any, within: str = "html") -> list[str]:
    """What axe-core (``AXE``) finds serious or critical in the elements that a CSS selector names."""
    assert AXE is not None
    page.evaluate(Path(AXE).read_text("utf-8"))
    found = page.evaluate("within => axe.run(within)", within)
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:120]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
