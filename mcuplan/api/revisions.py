"""Models as git knows them: ``REVISION:path``, as in ``git show``."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from mcuplan.api.models import ZOO, load_file
from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.tflite import ModelFile

_PATIENCE = 60
"""Seconds that git may take: Git LFS may have to fetch the model."""


class RevisionError(McuplanError):
    """A revision or a path that git does not know."""


def load_revision(name: str) -> ModelFile:
    """The model in a file, of ``zoo:NAME``, or of ``REVISION:path`` in the git repository of the working folder.

    A name that exists as a file is the file.

    Raises
    ------
    McuplanError
        Where the model cannot be read, or git does not know it.
    """
    revision, colon, path = name.partition(":")
    if os.path.lexists(name) or name.startswith(ZOO) or not colon or not path:
        return load_file(name)
    from mcuplan.tflite import parse

    return parse(_blob(name, revision, path), name)


def place_of(name: str) -> str:
    """Where the model that :func:`load_revision` takes lies now: the path of ``REVISION:path``, others as they are."""
    _, colon, path = name.partition(":")
    return path if colon and path and not name.startswith(ZOO) and not os.path.lexists(name) else name


def _blob(name: str, revision: str, path: str) -> bytes:
    if revision.startswith("-"):
        raise RevisionError(f"{name}: {revision!r} is no revision")
    # --filters does what a checkout would: Git LFS pointers become the models they stand for.
    command = ["git", "cat-file", "--filters", f"{revision}:{path}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except FileNotFoundError:
        raise RevisionError(f"{name}: no such file, and git is not installed to look for a revision") from None
    except ValueError as error:
        raise RevisionError(f"{name!r}: cannot be read: {error}") from None
    except subprocess.TimeoutExpired:
        raise RevisionError(f"{name}: git took longer than {_PATIENCE} seconds") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1].removeprefix("fatal: ") if said else f"exit code {done.returncode}"
        raise RevisionError(f"{name}: no such file, and git finds no such revision and path: {why}")
    return done.stdout
