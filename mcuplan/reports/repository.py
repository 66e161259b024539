"""Where models lie in their git repository, which is what forges go by, wherever mcuplan runs."""

from __future__ import annotations

import os
from functools import lru_cache

ZOO = "zoo:"


def repository_path(model: str) -> str:
    """A model's path from the root of its git repository, with ``/``; as given where it lies in none.

    Annotations and SARIF results are shown beside the files of a repository, whose paths begin at its root; a step of a
    workflow may run in any folder of it.
    """
    if model.startswith(ZOO):
        return model
    try:
        path = os.path.abspath(model)
    except ValueError:  # a zero byte
        return model
    root = _root(os.path.dirname(path))
    return model if root is None else os.path.relpath(path, root).replace(os.sep, "/")


@lru_cache(256)
def _root(folder: str) -> str | None:
    """The nearest folder from ``folder`` upwards that holds a ``.git`` (a file, in worktrees)."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return folder
