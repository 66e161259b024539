"""Builds the page that checks models in a browser: static files, for any web server, that need no other.

    python web/build.py [-o FOLDER] [--pyodide FOLDER]

What comes out (``web/dist`` unless said otherwise): the page, its script and style; ``pyodide/``, the interpreter as
the npm package holds it; ``site-packages.zip`` with mcuplan and what its check and report need. Look at it with
``python -m http.server -d web/dist``.

The interpreter comes from npm (``web/package.json`` pins it) unless ``--pyodide`` names a copy. The wheels come from
the Python index at the versions of ``web/requirements.txt``. Two dependencies of mcuplan are different here: numpy has
no build for this interpreter that the index serves, and neither check nor report imports it; MarkupSafe (of Jinja2) has
none either, and is bundled without its compiled half, for which its Python form stands in.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

WEB = Path(__file__).resolve().parent
ROOT = WEB.parent
PLATFORM = ("--python-version", "3.14", "--implementation", "cp", "--platform", "pyemscripten_2026_0_wasm32",
            "--abi", "cp314")  # fmt: skip
"""The interpreter of the pinned pyodide, as pip names it."""
MARKUPSAFE = "markupsafe==3.0.4"
_INTERPRETER = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
_NOT_NEEDED = ("tests", "__pycache__")


class BuildError(Exception):
    """Why the page cannot be built, in one sentence."""


def build(output: Path, pyodide: Path | None = None) -> None:
    """Write the page to ``output``, replacing what an earlier build left there.

    Raises
    ------
    BuildError
        Where npm, pip or a registry does not give what is needed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        interpreter = pyodide or _from_npm(Path(scratch))
        made = Path(scratch) / "page"
        shutil.copytree(WEB / "src", made, ignore=shutil.ignore_patterns("*.py"))
        (made / "pyodide").mkdir()
        for name in _INTERPRETER:
            if not (interpreter / name).is_file():
                raise BuildError(f"{interpreter}: no {name} in this copy of pyodide")
            shutil.copy2(interpreter / name, made / "pyodide")
        _pack(_site_packages(Path(scratch)), made / "site-packages.zip")
        _allow_reports(made / "index.html")
        if output.exists():
            shutil.rmtree(output)
        shutil.copytree(made, output)


def _allow_reports(page: Path) -> None:
    """Let the page's policy allow the one style and the one script of the reports that it shows in a frame."""
    sys.path.insert(0, str(ROOT))
    from mcuplan.reports.html.render import policy_sources

    style, script = policy_sources()
    text = page.read_text("utf-8").replace("REPORT_STYLE", style).replace("REPORT_SCRIPT", script)
    page.write_text(text, "utf-8")


def _from_npm(scratch: Path) -> Path:
    """The interpreter that ``package.json`` pins, without scripts of packages being run."""
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("npm is missing: install Node.js, or give a copy of pyodide with --pyodide")
    shutil.copy2(WEB / "package.json", scratch)
    _run([npm, "install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], scratch, "npm")
    return scratch / "node_modules" / "pyodide"


def _site_packages(scratch: Path) -> Path:
    """mcuplan and what it needs, laid out as Python finds it."""
    site = scratch / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
           "--no-compile", "--target", str(site)]  # fmt: skip
    _run([*pip, "--only-binary=:all:", *PLATFORM, "-r", str(WEB / "requirements.txt")], ROOT, "pip")
    _run([*pip, "--upgrade", MARKUPSAFE], ROOT, "pip")
    for compiled in site.glob("markupsafe/_speedups*"):
        compiled.unlink()
    shutil.copytree(ROOT / "mcuplan", site / "mcuplan", ignore=shutil.ignore_patterns(*_NOT_NEEDED))
    shutil.copytree(ROOT / "board_specs", site / "mcuplan" / "boards" / "specs")
    shutil.copy2(WEB / "src" / "page.py", site)
    return site


def _pack(site: Path, to: Path) -> None:
    """``site`` as one archive, the same bytes for the same files."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(_files(site)):
            entry = zipfile.ZipInfo(path.relative_to(site).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def _files(site: Path) -> Iterator[Path]:
    for path in site.rglob("*"):
        if path.is_file() and path.suffix != ".pyi" and not set(_NOT_NEEDED) & set(path.relative_to(site).parts):
            yield path


def _run(command: Sequence[str], folder: Path, name: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise BuildError(f"{name} ended with {done.returncode}: {said}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the page as the command line asks; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=WEB / "dist", help="folder to write (default: web/dist)")
    parser.add_argument("--pyodide", type=Path, help="folder of the npm package pyodide, instead of installing it")
    given = parser.parse_args(arguments)
    try:
        build(given.output, given.pyodide)
    except (BuildError, OSError, subprocess.TimeoutExpired) as error:
        print(f"web/build.py: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in given.output.rglob("*") if path.is_file())
    print(json.dumps({"folder": str(given.output), "bytes": size}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
