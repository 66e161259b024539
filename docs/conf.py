"""The documentation as a site: ``pip install -e ".[docs]" && sphinx-build -W docs site``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = "https://github.com/mcuplan/mcuplan/blob/main/"

project = "mcuplan"
author = "the mcuplan authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "mcuplan"
myst_heading_anchors = 4
source_suffix = {".md": "markdown", ".txt": "markdown"}
exclude_patterns = ["schemas", "README.md"]  # the front page, index.txt, begins with README.md
# Console transcripts hold commands and what they print; neither is a language that a highlighter knows whole.
suppress_warnings = ["misc.highlighting_failure"]

_LINK = re.compile(r"\]\(((?:\.\./)*)((?!https?:|#)[^)\s]+)\)")


def _outside_links(app: Any, page: str, source: list[str]) -> None:  # noqa: ARG001
    """Links of a page that lead to files outside the site lead to the repository instead."""
    folder = (HERE / page).parent
    if page == "index":
        source[0] = f"{(HERE / 'README.md').read_text('utf-8')}\n{source[0]}"

    def led(match: re.Match[str]) -> str:
        path, hash_, anchor = (match[1] + match[2]).partition("#")
        target = (folder / path).resolve()
        if (target.suffix == ".md" and target.is_relative_to(HERE)) or target.suffix == ".png":
            return match[0]
        return f"]({SOURCE}{target.relative_to(HERE.parent).as_posix()}{hash_}{anchor})"

    source[0] = _LINK.sub(led, source[0])


def setup(app: Any) -> None:
    """Sphinx's entry."""
    app.connect("source-read", _outside_links)
