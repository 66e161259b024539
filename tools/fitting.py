"""What the fitting programs share: where measured truth lies, and whether to write or to tell."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path


def truth_folder(about: str | None, needs: str, arguments: Sequence[str]) -> tuple[Path, bool]:
    """The folder of measurements and whether ``--errors`` was asked for; usage is said and ends the program.

    ``about`` is the program's docstring; ``needs`` names what the folder has to hold.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0] if about else "")
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("MCUPLAN_SHARED"))
    parser.add_argument("--errors", action="store_true", help="write nothing, print the errors of the fit")
    options = parser.parse_args(arguments)
    if options.folder is None:
        parser.error(f"no FOLDER with {needs}, and MCUPLAN_SHARED is not set")
    return Path(options.folder), options.errors
