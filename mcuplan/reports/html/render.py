"""From a page to HTML text. The one module that imports Jinja2."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mcuplan.reports.documents.report import Report
from mcuplan.reports.html.page import page
from mcuplan.reports.html.subject import Subject
from mcuplan.text import LONGEST, shown

_OURS = re.compile(r"[MmLlHhVvCcZz0-9 .,e-]*|data:text/csv;charset=utf-8;base64,[A-Za-z0-9+/=]*")
_WORD = 80
"""Characters up to which a word is shown whole."""


def render_report(report: Report, subjects: Sequence[Subject], made: str = "") -> str:
    """The report as one HTML document; ``made`` is a date to stand at its foot, empty for pages that stay the same."""
    return render("report.html", page=page(report, subjects, made))


def render(template: str, **values: object) -> str:
    """A template of this package with the stylesheet and the script inside it.

    Everything is escaped, whatever its name ends in, and a content security policy allows exactly the script and the
    style that are written here: nothing that a model's strings might smuggle in would run.
    """
    style, script = _asset("report.css"), _asset("report.js")
    style_source, script_source = policy_sources()
    policy = (
        f"default-src 'none'; style-src {style_source}; script-src {script_source}; base-uri 'none'; form-action 'none'"
    )
    return _environment().get_template(template).render(
        # Both files are this package's own.
        style=Markup(style), script=Markup(script), policy=policy, **values,
    )  # fmt: skip


def policy_sources() -> tuple[str, str]:
    """What a content security policy has to allow for a report's style and script, for pages that show one in a frame:
    a frame obeys the policy of the page around it too."""
    return f"'{_digest(_asset('report.css'))}'", f"'{_digest(_asset('report.js'))}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mcuplan.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_filtered,
    )
    environment.filters |= {"whole": _whole, "data": _data, "parts": _parts}
    return environment


def _filtered(value: object) -> object:
    """What every value goes through before it is escaped: only markup of this package's own is left as it is."""
    return shown(value, _WORD) if isinstance(value, str) and not isinstance(value, Markup) else value


def _whole(command: str) -> Markup:
    """A command or a path that is copied: harmless and escaped, its words whole."""
    return escape(shown(command, LONGEST))


def _parts(name: str) -> Markup:
    """A tensor's name, harmless and escaped, that a line may break behind each of its parts."""
    return Markup("/<wbr>").join(escape(part) for part in shown(name, _WORD).split("/"))


def _data(text: str) -> Markup:
    """Path data of an SVG, or a file as a base64 link, however long: neither can hold markup."""
    assert _OURS.fullmatch(text)
    return Markup(text)


@cache
def _asset(name: str) -> str:
    return resources.files("mcuplan.reports.html").joinpath("assets", name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
