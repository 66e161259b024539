"""Writing a project into a folder: whole or not at all, and never over somebody else's files.

A list of what was written, with digests, lies beside it (:data:`MANIFEST`). What it does not name, or names with
another digest, is the user's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from mcuplan import files
from mcuplan.errors import McuplanError
from mcuplan.firmware.names import made_by
from mcuplan.firmware.projects import Project
from mcuplan.firmware.resolver import ExportError

MANIFEST = "mcuplan-export.json"

_MANIFEST_LIMIT = 1 << 20
_FILE_LIMIT = 1 << 28
_KEPT = (".git", ".gitignore", ".gitattributes", ".github")
"""What people keep beside any project."""


def write_project(made: Project, directory: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a project into ``directory``, which is made if it is not there.

    An earlier export there is replaced, its files that are no longer needed removed. ``overwrite`` also replaces
    files of the same names that somebody else made or changed; others are never touched.

    Raises
    ------
    ExportError
        Where the folder has other files, or cannot be written; then nothing in it has changed.
    """
    folder = Path(directory)
    before = _written_before(folder)
    if not overwrite:
        foreign = next(_foreign(folder, before, (*made.ignored, *_KEPT)), None)
        if foreign is not None:
            raise ExportError(
                f"{folder}: {foreign} is not from an earlier export, or was changed since: choose another folder, "
                "or replace files of the same names with --overwrite"
            )
    texts = {file.name: file.text for file in made.files}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _put(folder, {**texts, MANIFEST: _manifest(made, texts)}, sorted(set(before) - set(texts)))
    except OSError as error:
        raise ExportError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _manifest(made: Project, texts: Mapping[str, str]) -> str:
    document = {
        "about": "What mcuplan export wrote here: a later export replaces these files unless they were changed.",
        "made_by": made_by(f"mcuplan export --for {made.kind}"),
        "kind": made.kind,
        "name": made.name,
        "arena_bytes": made.arena_bytes,
        "files": {name: _digest(text.encode()) for name, text in sorted(texts.items())},
    }
    return json.dumps(document, indent=2) + "\n"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _written_before(folder: Path) -> Mapping[str, str]:
    """Digests of an earlier export's files, by their paths in the folder."""
    try:
        told = json.loads(files.read(folder / MANIFEST, _MANIFEST_LIMIT))["files"]
    except (McuplanError, ValueError, KeyError, TypeError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {name: digest for name, digest in told.items() if isinstance(digest, str) and _inside(name)}


def _inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _foreign(folder: Path, before: Mapping[str, str], ignored: Sequence[str]) -> Iterator[str]:
    """Paths in the folder that an earlier export did not write as they are."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ExportError(f"{folder}: cannot make this folder: a file is there")
    for at, folders, names in os.walk(folder):
        here = Path(at).relative_to(folder)
        if here == Path():
            folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored)]
            names = [name for name in names if name != MANIFEST and not any(fnmatch(name, p) for p in ignored)]
        folders.sort()
        for name in sorted(names):
            path = (here / name).as_posix()
            if path not in before or not _unchanged(folder / path, before[path]):
                yield path


def _unchanged(path: Path, digest: str) -> bool:
    try:
        return _digest(files.read(path, _FILE_LIMIT)) == digest
    except McuplanError:
        return False


def _put(folder: Path, texts: Mapping[str, str], stale: Sequence[str]) -> None:
    """All texts first into a folder beside it, so that a full disk leaves what was there as it was."""
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
    ) as beside:
        stage = Path(beside, folder.name)
        for name, text in texts.items():
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if not folder.exists():
            stage.rename(folder)
            return
        for name in texts:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(stage / name, folder / name)
        for name in stale:
            with contextlib.suppress(OSError):
                (folder / name).unlink()
