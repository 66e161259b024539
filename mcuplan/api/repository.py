"""A git repository: what changed in it since it left another branch, and models as they were."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mcuplan import files
from mcuplan.api.models import MODEL_SUFFIXES, is_c_model
from mcuplan.api.revisions import RevisionError
from mcuplan.errors import McuplanError
from mcuplan.tflite.formats import is_lfs_pointer

_PATIENCE = 120
"""Seconds that git may take: Git LFS may have to fetch models."""
_POINTER = re.compile(rb"^oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})$", re.MULTILINE)
_CONFIGURATIONS = ("mcuplan.toml", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A model that changed; ``was`` is its path before. Paths begin at the repository's root, with ``/``."""

    kind: Literal["added", "removed", "changed"]
    path: str
    was: str


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that a folder lies in."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository around ``folder``; RevisionError where there is none."""
        found = _git(folder, "rev-parse", "--show-toplevel", failure=f"{folder.resolve()}: in no git repository")
        return cls(Path(os.fsdecode(found.rstrip(b"\n"))))

    def merge_base(self, revision: str) -> str:
        """The commit that HEAD and ``revision`` have in common.

        Raises
        ------
        RevisionError
            Where git does not know the revision, or they have none.
        """
        if not revision or revision.startswith("-") or "\0" in revision:
            raise RevisionError(f"--base {revision!r} is no revision")
        known = next(filter(self._known, (revision, f"origin/{revision}")), None)
        shallow = self._is_shallow()
        deeper = ": this clone is shallow, so fetch more of the history (in actions/checkout `fetch-depth: 0`)"
        if known is None:
            raise RevisionError(f"--base {revision}: git knows no such revision here{deeper if shallow else ''}")
        if not self._known("HEAD"):
            raise RevisionError(f"{self.root}: there is no commit yet that could be compared")
        said = f"--base {revision}: it has no commit in common with HEAD{deeper if shallow else ''}"
        return _git(self.root, "merge-base", known, "HEAD", failure=said).decode().split()[0]

    def _known(self, revision: str) -> bool:
        return _run(self.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").returncode == 0

    def _is_shallow(self) -> bool:
        return _run(self.root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def changed(self, commit: str, paths: Sequence[str]) -> tuple[tuple[ChangedFile, ...], tuple[str, ...]]:
        """Models that differ between a commit and the files as they are, and configurations that do.

        ``paths`` are files and folders to look at, from the working folder; none means all.
        """
        inside = [os.path.relpath(path, self.root) for path in paths] or ["."]
        if outside := next((p for p, i in zip(paths, inside, strict=False) if i.split(os.sep)[0] == ".."), None):
            raise RevisionError(f"{outside}: lies outside the repository {self.root}")
        failure = f"{self.root}: git cannot tell what changed since {commit[:12]}"
        how = ("--name-status", "-z", "-M", "--no-ext-diff", "--ignore-submodules")
        told = _git(self.root, "diff", *how, commit, "--", *inside, failure=failure)
        new = _git(self.root, "ls-files", "--others", "--exclude-standard", "-z", "--", *inside, failure=failure)
        every = [*_statuses(told), *(ChangedFile("added", os.fsdecode(p), "") for p in new.split(b"\0") if p)]
        models = tuple(sorted((file for file in every if self._is_model(file)), key=lambda file: file.path))
        return models, tuple(f.path for f in every if f.path.rpartition("/")[2] in _CONFIGURATIONS)

    def _is_model(self, file: ChangedFile) -> bool:
        path = file.path.lower()
        return path.endswith(MODEL_SUFFIXES) or (file.kind != "removed" and is_c_model(str(self.root / file.path)))

    def blob(self, commit: str, path: str) -> bytes:
        """A file as it was, smudged as a checkout would; of a Git LFS pointer the model, where that is here.

        Raises
        ------
        RevisionError
            Where git has no such file, or only the pointer to it.
        """
        name = f"{path} at {commit[:12]}"
        data = _git(self.root, "cat-file", "--filters", f"{commit}:{path}", failure=f"{name}: git cannot read it")
        return self._resolved(data, name, f"`git lfs fetch origin {commit[:12]}`")

    def current(self, path: str) -> bytes:
        """A file as it is now, with the same rule for pointers."""
        return self._resolved(files.read(self.root / path, files.MODEL_LIMIT), path, "`git lfs pull`")

    def _resolved(self, data: bytes, name: str, remedy: str) -> bytes:
        if not is_lfs_pointer(data):
            return data
        found = _POINTER.search(data)
        if found is None:
            raise RevisionError(f"{name}: a Git LFS pointer that is damaged")
        digest, size = found[1].decode(), int(found[2])
        folder = _git(
            self.root, "rev-parse", "--git-common-dir", failure=f"{name}: git cannot tell where it keeps files"
        )
        kept = self.root / os.fsdecode(folder.rstrip(b"\n")) / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
        try:
            return files.read(kept, files.MODEL_LIMIT)
        except McuplanError:
            raise RevisionError(
                f"{name}: a Git LFS pointer to a model of {size:,} bytes that is not here: {remedy} fetches it"
            ) from None


def _statuses(told: bytes) -> Iterator[ChangedFile]:
    """What ``git diff --name-status -z`` lists."""
    parts = iter(told.split(b"\0"))
    for status in parts:
        if not status:
            continue
        path = os.fsdecode(next(parts))
        if status[:1] in (b"R", b"C"):
            yield ChangedFile("changed" if status[:1] == b"R" else "added", os.fsdecode(next(parts)), path)
        elif status[:1] in (b"A", b"D"):
            yield ChangedFile("added" if status[:1] == b"A" else "removed", path, path)
        else:
            yield ChangedFile("changed", path, path)


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["git", "-c", "core.quotePath=off", *arguments]
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.run(command, cwd=folder, env=quiet, capture_output=True, timeout=_PATIENCE, check=False)
    except FileNotFoundError:
        raise RevisionError("git is not installed, and --base needs it") from None
    except subprocess.TimeoutExpired:
        raise RevisionError(f"git {arguments[0]} took longer than {_PATIENCE} seconds") from None


def _git(folder: Path, *arguments: str, failure: str) -> bytes:
    done = _run(folder, *arguments)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1].removeprefix("fatal: ") if said else ""
        raise RevisionError(f"{failure}{f': {why}' if why else ''}")
    return done.stdout
