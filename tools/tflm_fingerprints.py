"""Fingerprints of a few TFLM files over upstream's history, for ``mcuplan target --detect``.

Usage: python tools/tflm_fingerprints.py CLONE [-o mcuplan/detect/data/sources.json]

CLONE is a git repository of tensorflow/tflite-micro with its history. Each content that a file had since June 2022 is
a row: the fingerprint, the day it came and the day the next one came ("" for the newest). No source text is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from mcuplan.detect.sources import FILES, fingerprint

SINCE = "2022-06-01"


def spans(clone: str, path: str) -> list[tuple[str, str, str]]:
    """``(fingerprint, from, until)`` of each content of a file, oldest first; changes of form alone do not count."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", clone, *arguments], capture_output=True, text=True, check=True).stdout

    found: list[tuple[str, str, str]] = []
    for line in git("log", "--reverse", "--format=%H %cs", f"--since={SINCE}", "--", path).splitlines():
        commit, day = line.split()
        print_ = fingerprint(git("show", f"{commit}:{path}"))
        if not found or found[-1][0] != print_:
            if found:
                found[-1] = (*found[-1][:2], day)
            found.append((print_, day, ""))
    return found


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clone")
    parser.add_argument("-o", "--output", type=Path, default=Path("mcuplan/detect/data/sources.json"))
    given = parser.parse_args()
    rows = {path: spans(given.clone, f"{path}.h" if path.endswith("resolver") else f"{path}.cc") for path in FILES}
    about = (
        "Fingerprints of TFLM files over upstream's history since June 2022, made by tools/tflm_fingerprints.py: "
        "fingerprint, the day it came, the day it went ('' if it has not)."
    )
    body = ",\n".join(
        f"    {json.dumps(path)}: [\n" + ",\n".join(f"      {json.dumps(row)}" for row in table) + "\n    ]"
        for path, table in rows.items()
    )
    given.output.write_text(f'{{\n  "about": {json.dumps(about)},\n  "files": {{\n{body}\n  }}\n}}\n')


if __name__ == "__main__":
    main()
